/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP: any bytes as what a client sends, after it has negotiated or instead. Whatever comes back is
 * JSON with one answer to a request. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "config.h"
#include "monitor/control.h"
#include "monitor/qmp.h"
#include "tests/fuzz/box.h"

#if CONFIG_JANSSON
#include <jansson.h>

static void powerdown(void *opaque)
{
    piix4_pm_press_power_button(&((struct box *)opaque)->pc.pm);
}

static void quit(void *opaque)
{
    (void)opaque;
}

static void answer(void *opaque, const char *line)
{
    json_error_t err;
    json_t *v = json_loads(line, 0, &err);

    (void)opaque;
    fuzz_check(json_is_object(v));
    fuzz_check(json_object_get(v, "QMP") || json_object_get(v, "return") ||
               json_object_get(v, "error") || json_object_get(v, "event"));
    json_decref(v);
}

/* No file is written, whatever name the input has for one. */
bool control_save_memory(struct control *ctl, int cpu, uint64_t addr, uint64_t size,
                         const char *path, struct error *err)
{
    (void)ctl, (void)cpu, (void)addr, (void)size;
    return *path || error_set(err, "a name is expected");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char hello[] = "{\"execute\": \"qmp_capabilities\"}\n";
    struct box *b = box_get(2);
    struct monitor_about about = {
        .machine = "pc", .pc = &b->pc, .cpu = &cpu_of(b->pc.m.cpus[0])->model, .cores = 2};
    struct monitor_hooks hooks = {.powerdown = powerdown, .quit = quit, .opaque = b};
    struct control *ctl;
    struct qmp *q;

    ctl = control_new(&b->pc.m, &about, &hooks);
    fuzz_check(ctl);
    q = qmp_new(ctl, NULL, false);
    fuzz_check(q);
    qmp_on_output(q, answer, NULL);
    if (size && data[0] & 1)
        qmp_feed(q, hello, sizeof(hello) - 1);
    if (size) /* in two pieces */
        qmp_feed(q, data + 1, (size - 1) / 2);
    if (size)
        qmp_feed(q, data + 1 + (size - 1) / 2, size - 1 - (size - 1) / 2);
    machine_lock(&b->pc.m);
    input_deliver(&b->pc.m);
    machine_unlock(&b->pc.m);
    qmp_free(q);
    control_free(ctl);
    return 0;
}
#else
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)data, (void)size;
    return 0;
}
#endif
