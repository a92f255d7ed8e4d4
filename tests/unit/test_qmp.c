/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP as a client sees it: negotiation, the stream, checks of arguments, events, and that answers
 * have the shape of the schema. The requests are those that libvirt makes of an emulator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "config.h"
#include "machines/pc_cpus.h"
#include "monitor/control.h"
#include "monitor/qmp.h"

#if CONFIG_JANSSON
#include "monitor/qmp_internal.h"

#define MAX_LINES 64

struct client {
    struct qmp *q;
    json_t *line[MAX_LINES];
    unsigned n, taken;
};

struct box {
    struct pc pc;
    struct pc_cpus cpus;
    struct pc_config config;
    char kernel[512];
    struct control *ctl;
    struct client client;
    unsigned quits, powerdowns;
};

static void on_line(void *opaque, const char *line)
{
    struct client *c = opaque;

    assert_true(c->n < MAX_LINES);
    c->line[c->n] = json_loads(line, 0, NULL);
    assert_non_null(c->line[c->n]);
    c->n++;
}

static void client_open(struct client *c, struct control *ctl)
{
    memset(c, 0, sizeof(*c));
    c->q = qmp_new(ctl, NULL, false);
    assert_non_null(c->q);
    qmp_on_output(c->q, on_line, c);
}

static void forget(struct client *c)
{
    for (unsigned i = 0; i < c->n; i++)
        json_decref(c->line[i]);
    c->n = c->taken = 0;
}

static void client_close(struct client *c)
{
    forget(c);
    qmp_free(c->q);
}

/* The next line that came, which must be there. */
static json_t *next(struct client *c)
{
    assert_true(c->taken < c->n);
    return c->line[c->taken++];
}

static void no_more(struct client *c)
{
    assert_int_equal(c->taken, c->n);
}

static void send_text(struct client *c, const char *text)
{
    qmp_feed(c->q, text, strlen(text));
}

static void on_quit(void *opaque)
{
    ((struct box *)opaque)->quits++;
}

static void on_powerdown(void *opaque)
{
    ((struct box *)opaque)->powerdowns++;
}

static int setup(void **state)
{
    struct box *b = calloc(1, sizeof(*b));
    const char *build = getenv("BUILD");
    struct error err = {{0}};

    assert_non_null(b);
    snprintf(b->kernel, sizeof(b->kernel), "%s/guest/strings-32.elf", build ? build : "build/gcc");
    b->config = (struct pc_config){.ram_size = 16 << 20,
                                   .ncpus = 2,
                                   .kernel = b->kernel,
                                   .icount = true,
                                   .icount_shift = 3,
                                   .create_cpus = pc_cpus_create,
                                   .create_cpus_opaque = &b->cpus};
    assert_true(cpu_model_parse(&b->cpus.model, "qemu64", &err));
    if (!pc_init(&b->pc, &b->config, &err) || !pc_power_on(&b->pc, &err))
        fail_msg("%s", err.text);
    const struct monitor_about about = {.name = "guest1",
                                        .uuid = "c0ffee00-0000-4000-8000-000000000001",
                                        .machine = "pc",
                                        .pc = &b->pc,
                                        .cpu = &b->cpus.model,
                                        .maxcpus = 2,
                                        .sockets = 2,
                                        .cores = 1,
                                        .threads = 1};
    const struct monitor_hooks hooks = {
        .powerdown = on_powerdown, .quit = on_quit, .hid = &b->pc.hid, .opaque = b};
    b->ctl = control_new(&b->pc.m, &about, &hooks);
    assert_non_null(b->ctl);
    client_open(&b->client, b->ctl);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct box *b = *state;

    client_close(&b->client);
    control_free(b->ctl);
    pc_destroy(&b->pc);
    free(b);
    return 0;
}

static void negotiate(struct client *c)
{
    assert_non_null(json_object_get(next(c), "QMP"));
    send_text(c, "{\"execute\": \"qmp_capabilities\"}");
    assert_non_null(json_object_get(next(c), "return"));
}

/* The answer to one request. */
static json_t *result_of(struct client *c, const char *request)
{
    send_text(c, request);
    json_t *answer = next(c);
    while (json_object_get(answer, "event"))
        answer = next(c);
    json_t *value = json_object_get(answer, "return");
    if (!value)
        fail_msg("%s: %s", request,
                 json_string_value(json_object_get(json_object_get(answer, "error"), "desc")));
    return value;
}

static void refused(struct client *c, const char *request, const char *class, const char *desc)
{
    send_text(c, request);
    json_t *error = json_object_get(next(c), "error");
    assert_non_null(error);
    assert_string_equal(json_string_value(json_object_get(error, "class")), class);
    if (!strstr(json_string_value(json_object_get(error, "desc")), desc))
        fail_msg("%s: %s", request, json_string_value(json_object_get(error, "desc")));
}

static const char *text_of(json_t *o, const char *name)
{
    const char *text = json_string_value(json_object_get(o, name));

    assert_non_null(text);
    return text;
}

/* ---- negotiation ---- */

static void test_negotiation(void **state)
{
    struct client *c = &((struct box *)*state)->client;
    json_t *hello = json_object_get(next(c), "QMP");

    assert_non_null(json_object_get(json_object_get(hello, "version"), "qemu"));
    assert_int_equal(json_array_size(json_object_get(hello, "capabilities")), 0);
    refused(c, "{\"execute\": \"query-status\"}", "CommandNotFound",
            "Expecting capabilities negotiation with 'qmp_capabilities'");
    refused(c, "{\"execute\": \"qmp_capabilities\", \"arguments\": {\"enable\": [\"oob\"]}}",
            "GenericError", "oob");
    result_of(c, "{\"execute\": \"qmp_capabilities\", \"arguments\": {\"enable\": []}}");
    refused(c, "{\"execute\": \"qmp_capabilities\"}", "CommandNotFound", "already complete");
    refused(c, "{\"exec-oob\": \"query-status\"}", "GenericError", "'exec-oob' is unexpected");
    result_of(c, "{\"execute\": \"query-status\"}");
    no_more(c);
}

static void test_id(void **state)
{
    static const char *const ids[] = {"\"libvirt-1\"", "7", "null", "[1, {\"a\": true}]", "1.5"};
    struct client *c = &((struct box *)*state)->client;

    negotiate(c);
    for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        char request[128];
        json_t *id = json_loads(ids[i], JSON_DECODE_ANY, NULL);

        snprintf(request, sizeof(request), "{\"execute\": \"query-name\", \"id\": %s}", ids[i]);
        send_text(c, request);
        assert_true(json_equal(json_object_get(next(c), "id"), id));
        snprintf(request, sizeof(request), "{\"execute\": \"no-such\", \"id\": %s}", ids[i]);
        send_text(c, request);
        json_t *answer = next(c);
        assert_true(json_equal(json_object_get(answer, "id"), id));
        assert_string_equal(text_of(json_object_get(answer, "error"), "desc"),
                            "The command no-such has not been found");
        json_decref(id);
    }
    send_text(c, "{\"execute\": \"query-name\"}");
    assert_null(json_object_get(next(c), "id"));
}

/* ---- the stream ---- */

static void test_pieces(void **state)
{
    static const char text[] =
        " {\"execute\":\"query-status\",\"id\":\"}{][\\\"\"}\r\n{\"execute\":\"query-name\"}"
        "\n\n{\"execute\":\n\"query-uuid\"}";
    struct client *c = &((struct box *)*state)->client;

    negotiate(c);
    for (size_t i = 0; text[i]; i++)
        qmp_feed(c->q, text + i, 1);
    json_t *first = next(c);
    assert_string_equal(text_of(first, "id"), "}{][\"");
    assert_string_equal(text_of(json_object_get(first, "return"), "status"), "prelaunch");
    assert_string_equal(text_of(json_object_get(next(c), "return"), "name"), "guest1");
    assert_string_equal(text_of(json_object_get(next(c), "return"), "UUID"),
                        "c0ffee00-0000-4000-8000-000000000001");
    no_more(c);
}

static void test_not_json(void **state)
{
    static const char *const bad[] = {
        "]",
        "}",
        "{\"execute\": }",
        "{\"a\": 1, \"a\": 2}",
        "hello\n",
        "\"x\n",
        "{\"execute\": \"\\u0000\"}",
        "{\"execute\": \"\xc3\"}",
        "{'execute': 'x'}",
    };
    struct client *c = &((struct box *)*state)->client;

    negotiate(c);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        refused(c, bad[i], "GenericError", "JSON parse error");
        result_of(c, "{\"execute\": \"query-status\"}");
    }
    refused(c, "[1]", "GenericError", "QMP input must be a JSON object");
    refused(c, "{}", "GenericError", "lacks member 'execute'");
    refused(c, "{\"execute\": 1}", "GenericError", "must be a string");
    refused(c, "{\"execute\": \"stop\", \"arguments\": []}", "GenericError",
            "'arguments' must be an object");
    refused(c, "{\"execute\": \"stop\", \"argument\": {}}", "GenericError",
            "'argument' is unexpected");
    send_text(c, "{\"execute\": \"qu\xff{\"execute\": \"query-status\"}");
    assert_non_null(json_object_get(next(c), "return"));
    no_more(c);
}

static void test_too_big(void **state)
{
    struct client *c = &((struct box *)*state)->client;
    size_t size = 6u << 20;
    char *text = malloc(size);

    assert_non_null(text);
    negotiate(c);
    memset(text, 'a', size);
    qmp_feed(c->q, "{\"execute\": \"", 13);
    qmp_feed(c->q, text, size);
    refused(c, "\"}", "GenericError", "too large");
    memset(text, '[', size);
    qmp_feed(c->q, text, size);
    memset(text, ']', size);
    qmp_feed(c->q, text, size);
    refused(c, "", "GenericError", "too deep");
    memset(text, ' ', size);
    qmp_feed(c->q, text, size);
    result_of(c, "{\"execute\": \"query-status\"}");
    no_more(c);
    free(text);
}

/* ---- arguments ---- */

static void test_arguments(void **state)
{
    static const struct {
        const char *request, *desc;
    } rows[] = {
        {"{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"/\"}}",
         "Parameter 'property' is missing"},
        {"{\"execute\":\"qom-get\"}", "Parameter 'path' is missing"},
        {"{\"execute\":\"stop\",\"arguments\":{\"now\":true}}", "Parameter 'now' is unexpected"},
        {"{\"execute\":\"qom-list\",\"arguments\":{\"path\":1}}",
         "Invalid parameter type for 'path', expected: string"},
        {"{\"execute\":\"pmemsave\",\"arguments\":{\"val\":\"0\",\"size\":1,\"filename\":\"x\"}}",
         "Invalid parameter type for 'val', expected: integer"},
        {"{\"execute\":\"qom-list-types\",\"arguments\":{\"abstract\":0}}",
         "Invalid parameter type for 'abstract', expected: boolean"},
        {"{\"execute\":\"query-cpu-model-expansion\",\"arguments\":{\"type\":\"half\",\"model\":{"
         "\"name\":\"max\"}}}",
         "Invalid parameter 'half'"},
        {"{\"execute\":\"query-cpu-model-expansion\",\"arguments\":{\"type\":\"full\",\"model\":{"
         "\"nam\":\"max\"}}}",
         "Parameter 'model.name' is missing"},
        {"{\"execute\":\"send-key\",\"arguments\":{\"keys\":{}}}",
         "Invalid parameter type for 'keys', expected: array"},
        {"{\"execute\":\"send-key\",\"arguments\":{\"keys\":[{\"type\":\"number\",\"data\":30},{"
         "\"type\":\"qcode\"}]}}",
         "Parameter 'keys[1].data' is missing"},
        {"{\"execute\":\"send-key\",\"arguments\":{\"keys\":[{\"type\":\"number\",\"data\":\"a\"}]}"
         "}",
         "Invalid parameter type for 'keys[0].data', expected: integer"},
        {"{\"execute\":\"send-key\",\"arguments\":{\"keys\":[{\"type\":\"qcode\",\"data\":\"a\","
         "\"x\":1}]}}",
         "Parameter 'keys[0].x' is unexpected"},
        {"{\"execute\":\"send-key\",\"arguments\":{\"keys\":[{\"type\":\"qcode\",\"data\":"
         "\"nokey\"}"
         "]}}",
         "nokey"},
        {"{\"execute\":\"object-add\",\"arguments\":{\"qom-type\":\"rng-random\",\"id\":\"r\"}}",
         "rng-random"},
        {"{\"execute\":\"object-add\",\"arguments\":{\"qom-type\":\"memory-backend-ram\",\"id\":"
         "\"r\",\"size\":4096}}",
         "memory cannot be added"},
        {"{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"e1000\",\"id\":\"n\"}}",
         "'e1000' is not a valid device model name"},
        {"{\"execute\":\"memsave\",\"arguments\":{\"val\":0,\"size\":1,\"filename\":\"x\","
         "\"cpu-index\":2}}",
         "'cpu-index' expects a CPU number"},
        {"{\"execute\":\"system_wakeup\"}", "not supported"},
        {"{\"execute\":\"screendump\",\"arguments\":{\"filename\":\"x\"}}", "no screen"},
        {"{\"execute\":\"eject\",\"arguments\":{}}", "exactly one of"},
    };
    struct client *c = &((struct box *)*state)->client;

    negotiate(c);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        refused(c, rows[i].request, "GenericError", rows[i].desc);
    refused(c, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"n\"}}", "DeviceNotFound",
            "'n'");
    refused(c, "{\"execute\":\"eject\",\"arguments\":{\"id\":\"cd\"}}", "DeviceNotFound", "'cd'");
    refused(c, "{\"execute\":\"query-balloon\"}", "DeviceNotActive", "No balloon device");
    no_more(c);
}

/* ---- answers ---- */

/* Whatever can be asked without arguments has an answer of the type that the schema says. */
static void test_results_conform(void **state)
{
    struct client *c = &((struct box *)*state)->client;
    unsigned checked = 0;

    negotiate(c);
    for (const struct qmp_command *cmd = qmp_commands; cmd->name; cmd++) {
        char request[128];
        struct error err;

        if (strncmp(cmd->name, "query-", 6) != 0 || (*cmd->args && *cmd->args != '?'))
            continue;
        snprintf(request, sizeof(request), "{\"execute\": \"%s\"}", cmd->name);
        send_text(c, request);
        json_t *value = json_object_get(next(c), "return");
        if (!value)
            continue; /* the machine has none of it */
        if (!qmp_check_value(cmd->ret, value, cmd->name, &err))
            fail_msg("%s: %s", cmd->name, err.text);
        checked++;
        forget(c);
    }
    assert_true(checked > 30);
}

static bool known(json_t *schema, const char *type)
{
    size_t i;
    json_t *entry;

    json_array_foreach(schema, i, entry)
    {
        if (!strcmp(text_of(entry, "name"), type))
            return true;
    }
    return false;
}

static void test_schema_is_closed(void **state)
{
    struct client *c = &((struct box *)*state)->client;
    size_t i, k;
    json_t *entry, *member;

    negotiate(c);
    json_t *schema = result_of(c, "{\"execute\": \"query-qmp-schema\"}");
    json_array_foreach(schema, i, entry)
    {
        static const char *const uses[] = {"arg-type", "ret-type", "element-type"};

        for (k = 0; k < 3; k++)
            if (json_object_get(entry, uses[k]) && !known(schema, text_of(entry, uses[k])))
                fail_msg("%s: %s is not there", text_of(entry, "name"), text_of(entry, uses[k]));
        if (!strcmp(text_of(entry, "meta-type"), "enum"))
            continue;
        json_array_foreach(json_object_get(entry, "members"), k, member)
        {
            if (!known(schema, text_of(member, "type")))
                fail_msg("%s: %s is not there", text_of(entry, "name"), text_of(member, "type"));
        }
        json_array_foreach(json_object_get(entry, "variants"), k, member)
        {
            assert_true(known(schema, text_of(member, "type")));
        }
    }
}

/* What libvirt reads of each answer (of its first element, if it is a list). */
static void test_what_libvirt_reads(void **state)
{
    static const struct {
        const char *request, *members[6];
    } rows[] = {
        {"{\"execute\":\"query-version\"}", {"qemu", "package"}},
        {"{\"execute\":\"query-target\"}", {"arch"}},
        {"{\"execute\":\"query-kvm\"}", {"enabled", "present"}},
        {"{\"execute\":\"query-commands\"}", {"name"}},
        {"{\"execute\":\"query-machines\"}",
         {"name", "cpu-max", "hotpluggable-cpus", "numa-mem-supported", "default-cpu-type",
          "default-ram-id"}},
        {"{\"execute\":\"query-cpu-definitions\"}",
         {"name", "typename", "unavailable-features", "static", "migration-safe", "deprecated"}},
        {"{\"execute\":\"qom-list-types\"}", {"name", "parent"}},
        {"{\"execute\":\"qom-list-types\",\"arguments\":{\"implements\":\"device\"}}", {"name"}},
        {"{\"execute\":\"qom-list-properties\",\"arguments\":{\"typename\":\"max-x86_64-cpu\"}}",
         {"name", "type"}},
        {"{\"execute\":\"qom-list-properties\",\"arguments\":{\"typename\":"
         "\"memory-backend-memfd\"}}",
         {"name", "type"}},
        {"{\"execute\":\"query-cpus-fast\"}",
         {"thread-id", "props", "qom-path", "cpu-index", "target"}},
        {"{\"execute\":\"query-hotpluggable-cpus\"}", {"props", "vcpus-count", "qom-path", "type"}},
        {"{\"execute\":\"qom-list\",\"arguments\":{\"path\":\"/machine/unattached/device[0]\"}}",
         {"name", "type"}},
        {"{\"execute\":\"qom-list\",\"arguments\":{\"path\":\"/machine/peripheral\"}}",
         {"name", "type"}},
        {"{\"execute\":\"query-status\"}", {"status", "singlestep", "running"}},
        {"{\"execute\":\"query-cpu-model-expansion\",\"arguments\":{\"type\":\"static\",\"model\":{"
         "\"name\":\"max\"}}}",
         {"model"}},
    };
    struct client *c = &((struct box *)*state)->client;

    negotiate(c);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *value = result_of(c, rows[i].request);

        if (json_is_array(value))
            value = json_array_get(value, 0);
        for (unsigned k = 0; k < 6 && rows[i].members[k]; k++)
            if (!json_object_get(value, rows[i].members[k]))
                fail_msg("%s: %s is missing", rows[i].request, rows[i].members[k]);
        forget(c);
    }
    assert_true(json_is_true(result_of(
        c, "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"/machine/unattached/device[1]\","
           "\"property\":\"sse2\"}}")));
    assert_false(json_is_true(result_of(
        c, "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"/machine/unattached/device[0]\","
           "\"property\":\"avx\"}}")));
    refused(c,
            "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"/machine/unattached/device[0]\","
            "\"property\":\"none\"}}",
            "GenericError", "not found");
    refused(
        c, "{\"execute\":\"qom-list\",\"arguments\":{\"path\":\"/machine/unattached/device[99]\"}}",
        "DeviceNotFound", "not found");
}

static void test_cpu_model(void **state)
{
    struct client *c = &((struct box *)*state)->client;

    negotiate(c);
    json_t *props = json_object_get(
        json_object_get(
            result_of(c, "{\"execute\":\"query-cpu-model-expansion\",\"arguments\":{\"type\":"
                         "\"full\",\"model\":{\"name\":\"max\",\"props\":{\"avx\":false}}}}"),
            "model"),
        "props");
    assert_true(json_is_true(json_object_get(props, "sse4.2")));
    assert_true(json_is_false(json_object_get(props, "avx")));
    assert_true(json_is_false(json_object_get(props, "avx2"))); /* which needs it */
    refused(c,
            "{\"execute\":\"query-cpu-model-expansion\",\"arguments\":{\"type\":\"full\",\"model\":"
            "{\"name\":\"max,-avx\"}}}",
            "GenericError", "comma");
    refused(c,
            "{\"execute\":\"query-cpu-model-expansion\",\"arguments\":{\"type\":\"full\",\"model\":"
            "{\"name\":\"max\",\"props\":{\"avx\":1}}}}",
            "GenericError", "boolean");
}

/* ---- running ---- */

static void expect_event(struct client *c, const char *name)
{
    json_t *event = next(c);

    assert_string_equal(text_of(event, "event"), name);
    assert_non_null(json_object_get(json_object_get(event, "timestamp"), "seconds"));
    assert_non_null(json_object_get(json_object_get(event, "timestamp"), "microseconds"));
}

static void test_events(void **state)
{
    struct box *b = *state;
    struct client other, deaf, *c = &b->client;

    negotiate(c);
    client_open(&other, b->ctl);
    client_open(&deaf, b->ctl);
    negotiate(&other);
    send_text(c, "{\"execute\":\"cont\"}");
    expect_event(c, "RESUME");
    assert_non_null(json_object_get(next(c), "return"));
    send_text(c, "{\"execute\":\"stop\"}");
    expect_event(c, "STOP");
    assert_non_null(json_object_get(next(c), "return"));
    expect_event(&other, "RESUME");
    expect_event(&other, "STOP");
    no_more(&other);
    assert_int_equal(deaf.n, 1);            /* the greeting */
    result_of(c, "{\"execute\":\"stop\"}"); /* again: no event */
    no_more(c);
    send_text(c, "{\"execute\":\"system_powerdown\"}");
    expect_event(c, "POWERDOWN");
    assert_int_equal(b->powerdowns, 1);
    client_close(&deaf);
    client_close(&other);
}

static void test_reset_and_shutdown(void **state)
{
    struct box *b = *state;
    struct client *c = &b->client;
    json_t *event;

    negotiate(c);
    result_of(c, "{\"execute\":\"system_reset\"}");
    machine_run_inline(&b->pc.m, 1);
    expect_event(c, "RESUME");
    expect_event(c, "RESET");
    event = json_object_get(c->line[c->taken - 1], "data");
    assert_true(json_is_false(json_object_get(event, "guest")));
    assert_string_equal(text_of(event, "reason"), "host-qmp-system-reset");
    expect_event(c, "STOP");
    machine_lock(&b->pc.m);
    b->pc.m.run.no_shutdown = true;
    machine_request_end(&b->pc.m, STOP_POWEROFF, 0);
    machine_unlock(&b->pc.m);
    expect_event(c, "SHUTDOWN");
    event = json_object_get(c->line[c->taken - 1], "data");
    assert_true(json_is_true(json_object_get(event, "guest")));
    assert_string_equal(text_of(event, "reason"), "guest-shutdown");
    assert_string_equal(text_of(result_of(c, "{\"execute\":\"query-status\"}"), "status"),
                        "shutdown");
    refused(c, "{\"execute\":\"cont\"}", "GenericError", "Resetting the Virtual Machine");
    result_of(c, "{\"execute\":\"quit\"}");
    assert_int_equal(b->quits, 1);
}

/* ---- memory and the human monitor ---- */

static char *human(struct client *c, const char *line)
{
    char request[256];
    json_t *value;

    snprintf(request, sizeof(request),
             "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"%s\"}}",
             line);
    value = result_of(c, request);
    return strdup(json_string_value(value));
}

static void says(struct client *c, const char *line, const char *text)
{
    char *said = human(c, line);

    if (!strstr(said, text))
        fail_msg("%s: \"%s\" instead of \"%s\"", line, said, text);
    free(said);
    forget(c);
}

static void test_human(void **state)
{
    static const uint8_t bytes[] = {0x90, 0xb8, 0x78, 0x56, 0x34, 0x12, 'h', 'i', 0xfe, 0xff};
    struct box *b = *state;
    struct client *c = &b->client;

    negotiate(c);
    address_space_write_block(&b->pc.m.mem, 0x8000, bytes, sizeof(bytes));
    says(c, "info status", "VM status: paused\r\n");
    says(c, "xp/2xw 0x8000", "00008000: 0x5678b890 0x69681234\r\n");
    says(c, "xp /4xb 0x8000", "00008000: 0x90 0xb8 0x78 0x56\r\n");
    says(c, "xp/1dh 0x8008", "00008008:     -2\r\n");
    says(c, "xp/1uh 0x8008", "00008008:  65534\r\n");
    says(c, "xp/1oh 0x8008", "00008008: 0177776\r\n");
    says(c, "xp/1xg 0x8000", "00008000: 0x696812345678b890\r\n");
    says(c, "xp/2c 0x8006", "00008006: 'h' 'i'\r\n");
    says(c, "x/1xb 0x8000", "00008000: 0x90\r\n"); /* paging is off */
    says(c, "x/1x 0x8000+2*(3-2)", "00008002:");
    says(c, "xp/1x 0xf0000000", "Cannot access memory at 0xf0000000");
    says(c, "print/d -(3+4)*2", "-14\r\n");
    says(c, "print/x 0x10|3&1^2", "0x13\r\n");
    says(c, "print 1/0", "division by zero");
    says(c, "print $nothing", "no such register");
    says(c, "print $rip", "0x");
    says(c, "print 5 6", "an operator is expected");
    says(c, "print ((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))",
         "levels");
    says(c, "stop/5", "takes no format");
    says(c, "x/5z 0", "/z");
    says(c, "x/5000 0", "at most 4096");
    says(c, "sum 0x8000 1", "00144");
    says(c, "i/b 0x64", "portb[0x0064] = 0x");
    says(c, "i/b 0x10000", "a port up to 0xffff");
    says(c, "info pci", "Host bridge: PCI device 8086:1237");
    says(c, "info irq", "IRQ 15");
    says(c, "info pic", "chip[0].imr");
    says(c, "info name", "guest1");
    says(c, "info cpus", "* CPU #0");
    says(c, "info mem", "paging is off");
    says(c, "info qtree", "dev: i8259, id \"pic\"");
    says(c, "cpu 2", "there are 2 CPUs");
    says(c, "gpa2hva 0", "not told");
    says(c, "eject cd", "'cd'");
    says(c, "info registers", "there are 0 CPUs");
    says(c, "log nothing", "nothing");
    assert_int_equal(b->pc.m.run.state, RUN_PAUSED);
}

/* Page tables that lead round in circles end, too. */
static void test_page_tables(void **state)
{
    struct box *b = *state;
    struct client *c = &b->client;
    struct cpu *cpu = b->cpus.boot;
    struct address_space *mem = &b->pc.m.mem;

    negotiate(c);
    address_space_write(mem, 0x10000, 0x11007, 8); /* PML4[0] */
    address_space_write(mem, 0x11000, 0x12007, 8); /* PDPT[0] */
    address_space_write(mem, 0x12000, 0x83, 8);    /* PD[0]: 2 MiB at 0, supervisor */
    address_space_write(mem, 0x12008, 0x13007, 8); /* PD[1] */
    address_space_write(mem, 0x13000, 0x8007, 8);  /* 200000h: 8000h */
    address_space_write(mem, 0x13008, 0x9005, 8);  /* 201000h, read-only */
    cpu->cr3 = 0x10000;
    cpu->cr4 |= CR4_PAE;
    cpu->efer |= EFER_LME | EFER_LMA;
    cpu->cr0 |= CR0_PE | CR0_PG;
    cpu_mode_changed(cpu);
    says(c, "info mem",
         "0000000000000000-0000000000200000 0000000000200000 -rw\r\n"
         "0000000000200000-0000000000201000 0000000000001000 urw\r\n"
         "0000000000201000-0000000000202000 0000000000001000 ur-\r\n");
    says(c, "info tlb", "0000000000200000: 0000000000008000 -----UW\r\n");
    address_space_write(mem, 0x8000, 0x1234, 2);
    says(c, "x/1xh 0x200000", "00200000: 0x1234\r\n");
    says(c, "x/1xh 0x300000", "Cannot access memory at 0x300000");
    for (unsigned i = 0; i < 512; i++)
        address_space_write(mem, 0x10000 + 8 * i, 0x10007, 8); /* each leads to itself */
    says(c, "info mem", "... and more");
    says(c, "info tlb", "... and more");
}

static void test_save_memory(void **state)
{
    struct box *b = *state;
    struct client *c = &b->client;
    char path[] = "/tmp/calque-test-XXXXXX", request[256];
    int fd = mkstemp(path);
    uint8_t buf[16];

    assert_true(fd >= 0);
    negotiate(c);
    address_space_write_block(&b->pc.m.mem, 0x8ffc, "memorial", 8);
    snprintf(
        request, sizeof(request),
        "{\"execute\":\"pmemsave\",\"arguments\":{\"val\":36860,\"size\":8,\"filename\":\"%s\"}}",
        path);
    result_of(c, request);
    assert_int_equal(pread(fd, buf, sizeof(buf), 0), 8);
    assert_memory_equal(buf, "memorial", 8);
    snprintf(
        request, sizeof(request),
        "{\"execute\":\"memsave\",\"arguments\":{\"val\":36864,\"size\":4,\"filename\":\"%s\"}}",
        path);
    result_of(c, request);
    assert_int_equal(pread(fd, buf, sizeof(buf), 0), 4);
    assert_memory_equal(buf, "rial", 4);
    snprintf(request, sizeof(request),
             "{\"execute\":\"pmemsave\",\"arguments\":{\"val\":4026531840,\"size\":8,\"filename\":"
             "\"%s\"}}",
             path);
    refused(c, request, "GenericError", "Invalid addr 0x00000000f0000000");
    refused(c,
            "{\"execute\":\"pmemsave\",\"arguments\":{\"val\":0,\"size\":-1,\"filename\":\"x\"}}",
            "GenericError", "size");
    refused(c, "{\"execute\":\"pmemsave\",\"arguments\":{\"val\":0,\"size\":1,\"filename\":\"/\"}}",
            "GenericError", "Could not open '/'");
    close(fd);
    unlink(path);
}

static void test_objects(void **state)
{
    struct box *b = *state;
    struct client *c = &b->client;
    struct error err;

    negotiate(c);
    assert_true(control_add_object(b->ctl, "memory-backend-ram", "pc.ram", 16 << 20, &err));
    json_t *dev = json_array_get(result_of(c, "{\"execute\":\"query-memdev\"}"), 0);
    assert_string_equal(text_of(dev, "id"), "pc.ram");
    assert_int_equal(json_integer_value(json_object_get(dev, "size")), 16 << 20);
    result_of(c, "{\"execute\":\"object-add\",\"arguments\":{\"qom-type\":\"secret\",\"id\":\"s\","
                 "\"data\":\"x\"}}");
    refused(c, "{\"execute\":\"object-add\",\"arguments\":{\"qom-type\":\"secret\",\"id\":\"s\"}}",
            "GenericError", "duplicate");
    assert_int_equal(json_array_size(result_of(
                         c, "{\"execute\":\"qom-list\",\"arguments\":{\"path\":\"/objects\"}}")),
                     3);
    result_of(c, "{\"execute\":\"object-del\",\"arguments\":{\"id\":\"s\"}}");
    refused(c, "{\"execute\":\"object-del\",\"arguments\":{\"id\":\"s\"}}", "GenericError",
            "not found");
    refused(c, "{\"execute\":\"object-del\",\"arguments\":{\"id\":\"pc.ram\"}}", "GenericError",
            "in use");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_negotiation),
        TEST(test_id),
        TEST(test_pieces),
        TEST(test_not_json),
        TEST(test_too_big),
        TEST(test_arguments),
        TEST(test_results_conform),
        TEST(test_schema_is_closed),
        TEST(test_what_libvirt_reads),
        TEST(test_cpu_model),
        TEST(test_events),
        TEST(test_reset_and_shutdown),
        TEST(test_human),
        TEST(test_page_tables),
        TEST(test_save_memory),
        TEST(test_objects),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void test_without_jansson(void **state)
{
    (void)state;
    assert_false(qmp_available());
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_without_jansson)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
