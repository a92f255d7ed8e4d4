/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files into a machine: -kernel of any kind, packed or not, -initrd lists, -append, -bios. What is
 * taken at power-on is taken again at reset. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "machines/pc.h"
#include "tests/fuzz/fuzz.h"

/* Firmware images are multiples of 64 KiB: the input's bytes, and zeros. */
static void open_bios(struct fuzz_file *f, struct fuzz_input *in)
{
    size_t whole = (size_t)(fuzz_u8(in) & 3) * 0x10000 + (fuzz_u8(in) & 1), size;
    uint8_t *bytes = fuzz_bytes(in, 4096, &size), *image = calloc(1, whole + size);

    fuzz_check(image);
    memcpy(image + (whole > size ? whole - size : 0), bytes, size);
    fuzz_file_open(f, image, whole > size ? whole : size);
    free(bytes);
    free(image);
}

/* "FILE text,FILE": %s of the input's text is the file. */
static char *module_list(struct fuzz_input *in, const char *path)
{
    char *pattern = fuzz_string(in, 80), *out = malloc(80 * 40 + 1), *to = out;

    fuzz_check(out);
    for (const char *p = pattern; *p; p++) {
        if (*p == '%')
            to += sprintf(to, "%s", path);
        else
            *to++ = *p;
    }
    *to = 0;
    free(pattern);
    return out;
}

/* What a file can be named by the input itself must not be one of this host. */
static bool names_other_file(const char *list)
{
    for (const char *p = list; (p = strchr(p, '/')); p++)
        if (strncmp(p, "/proc/self/fd/", 14) == 0)
            p += 13;
        else
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    uint8_t how = fuzz_u8(&in);
    struct fuzz_file kernel, bios, module;
    struct error err = {""};
    struct pc *pc = malloc(sizeof(*pc));
    char *append = how & 1 ? fuzz_string(&in, 3000) : NULL, *initrd = NULL;

    fuzz_check(pc);
    fuzz_file_open(&module, "module", how & 2 ? 6 : 0);
    if (how & 4)
        initrd = module_list(&in, module.path);
    open_bios(&bios, &in);
    fuzz_file_open(&kernel, in.data, in.left);
    struct pc_config config = {.ram_size = how & 8 ? 16 << 20 : PC_MIN_RAM,
                               .ncpus = 1,
                               .kernel = how & 16 ? NULL : kernel.path,
                               .initrd = initrd,
                               .append = append,
                               .bios = how & 32 ? bios.path : NULL,
                               .icount = true};
    if (initrd && names_other_file(initrd)) {
        /* not for us */
    } else if (pc_init(pc, &config, &err)) {
        if (pc_power_on(pc, &err)) {
            devices_reset(&pc->m);
            pc->m.run.after_reset(pc->m.run.reset_opaque);
        }
        pc_destroy(pc);
    }
    fuzz_check(!strchr(err.text, '\n'));
    fuzz_file_close(&kernel);
    fuzz_file_close(&bios);
    fuzz_file_close(&module);
    free(initrd);
    free(append);
    free(pc);
    return 0;
}
