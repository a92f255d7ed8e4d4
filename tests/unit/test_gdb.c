/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gdb server: frames, agent expressions, and packets to a machine of two processors, one of
 * which runs a small program. */
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
#include "cpu/x86/cpu.h"
#include "cpu/x86/probe_program.h"
#include "debugger/debugger.h"
#include "debugger/gdb.h"
#include "debugger/gdb_agent.h"
#include "debugger/gdb_target.h"
#include "debugger/gdb_wire.h"
#include "monitor/control.h"
#include "tests/common/guest_machine.h"

/* ---- frames ---- */

struct line {
    struct gdb_wire wire;
    char packet[64], out[256], why[64];
    size_t len;
    unsigned packets, refused, interrupts;
};

static void on_packet(void *opaque, char *text, size_t len)
{
    struct line *l = opaque;

    l->packets++;
    l->len = len;
    memcpy(l->packet, text, len < sizeof(l->packet) ? len + 1 : 0);
}

static void on_refused(void *opaque, const char *why)
{
    struct line *l = opaque;

    l->refused++;
    snprintf(l->why, sizeof(l->why), "%s", why);
}

static void on_interrupt(void *opaque)
{
    ((struct line *)opaque)->interrupts++;
}

static void on_write(void *opaque, const void *bytes, size_t n)
{
    struct line *l = opaque;

    snprintf(l->out + strlen(l->out), sizeof(l->out) - strlen(l->out), "%.*s", (int)n,
             (const char *)bytes);
}

static struct line *line_new(void)
{
    struct line *l = calloc(1, sizeof(*l));

    assert_non_null(l);
    l->wire = (struct gdb_wire){.packet = on_packet,
                                .refused = on_refused,
                                .interrupt = on_interrupt,
                                .write = on_write,
                                .opaque = l};
    assert_true(gdb_wire_init(&l->wire));
    return l;
}

static void line_free(struct line *l)
{
    gdb_wire_destroy(&l->wire);
    free(l);
}

/* What is answered to bytes, in pieces of one byte. */
static const char *sent(struct line *l, const char *bytes)
{
    l->out[0] = '\0';
    for (; *bytes; bytes++)
        gdb_wire_input(&l->wire, (const uint8_t *)bytes, 1);
    return l->out;
}

static void test_frames(void **state)
{
    struct line *l = line_new();

    (void)state;
    assert_string_equal(sent(l, "+$m0,4#fd"), "+");
    assert_string_equal(l->packet, "m0,4");
    assert_string_equal(sent(l, "$m0,4#FD"), "+");
    assert_int_equal(l->packets, 2);
    /* Wrong sums, and what is none. */
    assert_string_equal(sent(l, "$m0,4#fe"), "-");
    assert_string_equal(sent(l, "$m0,4#xd"), "-");
    assert_int_equal(l->packets, 2);
    /* An end that was lost: the next packet begins with its $. */
    assert_string_equal(sent(l, "$m0,$m0,4#fd"), "+");
    assert_int_equal(l->packets, 3);
    /* Ctrl-C counts between packets only. */
    assert_string_equal(sent(l, "\x03$m\x03#70+\x03"), "+");
    assert_int_equal(l->interrupts, 2);
    line_free(l);
}

static void test_escapes(void **state)
{
    struct line *l = line_new();

    (void)state;
    assert_string_equal(sent(l, "$}\x03}\x04}]}\n#62"), "+"); /* each ^ 20H */
    assert_int_equal(l->len, 4);
    assert_memory_equal(l->packet, "#$}*", 4);
    l->out[0] = '\0';
    gdb_wire_send(&l->wire, "#$}*", 4);
    assert_string_equal(l->out, "$}\x03}\x04}]}\n#62");
    /* An escape with nothing behind it. */
    assert_string_equal(sent(l, "$}#7d"), "-");
    line_free(l);
}

static void test_acknowledgement(void **state)
{
    struct line *l = line_new();
    char *big = malloc(GDB_PACKET_MAX + 1);

    (void)state;
    assert_non_null(big);
    assert_string_equal(sent(l, "-"), ""); /* nothing to send again */
    gdb_wire_send(&l->wire, "OK", 2);
    assert_string_equal(l->out, "$OK#9a");
    assert_string_equal(sent(l, "-"), "$OK#9a");
    l->wire.no_ack = true;
    assert_string_equal(sent(l, "$m0,4#fd"), "");
    assert_string_equal(sent(l, "-"), "");
    assert_string_equal(sent(l, "$m0,4#00"), "");
    assert_int_equal(l->refused, 1);
    /* Longer than PacketSize; the next one is taken. */
    memset(big, 'm', GDB_PACKET_MAX + 1);
    gdb_wire_input(&l->wire, (const uint8_t *)"$", 1);
    gdb_wire_input(&l->wire, (const uint8_t *)big, GDB_PACKET_MAX + 1);
    sent(l, "#6d");
    assert_int_equal(l->refused, 2);
    assert_non_null(strstr(l->why, "PacketSize"));
    sent(l, "$m0,4#fd");
    assert_string_equal(l->packet, "m0,4");
    free(big);
    line_free(l);
}

static void test_numbers(void **state)
{
    const char *p = "ffffffffffffffff,12345678901234567,";
    uint64_t v;
    uint8_t b[2];

    (void)state;
    assert_true(gdb_take_hex_then(&p, &v, ','));
    assert_true(v == UINT64_MAX);
    assert_false(gdb_take_hex(&p, &v)); /* 17 digits */
    p = "aB0";
    assert_true(gdb_take_bytes(&p, b, 1));
    assert_int_equal(b[0], 0xab);
    assert_false(gdb_take_bytes(&p, b, 1));
    p = "";
    assert_false(gdb_take_hex(&p, &v));
}

/* ---- agent expressions ---- */

static bool agent_reg(void *opaque, unsigned n, uint64_t *value)
{
    (void)opaque;
    *value = n * 16 + 1;
    return n < 10;
}

/* Memory where each byte is its address, below 1000H. */
static bool agent_memory(void *opaque, uint64_t addr, void *buf, size_t len)
{
    (void)opaque;
    for (size_t n = 0; n < len; n++)
        ((uint8_t *)buf)[n] = (uint8_t)(addr + n);
    return addr < 0x1000;
}

static void agent_print(void *opaque, const char *text)
{
    strcat(opaque, text);
}

static char printed[200];
static const struct agent_world world = {agent_reg, agent_memory, agent_print, printed};

static bool push_known(const void *opaque, unsigned n, struct probe_insn *i)
{
    (void)opaque;
    i->op = PROBE_CONST;
    i->value = n * 16 + 1;
    return n < 10;
}

/* As a program for the engines it is worth the same, or as little; of memory engines have another
 * view. False: it is none. */
static bool check_program(const struct agent_expr *e, const char *wrong, uint64_t value)
{
    struct probe_program p = {0};
    uint64_t v = 0;

    if (!agent_program(e, push_known, NULL, &p) || !probe_program_is_sound(&p))
        return false;
    for (unsigned n = 0; n < p.n; n++)
        if (p.insns[n].op == PROBE_LOAD)
            return false;
    if (probe_program_run(&p, NULL, &v) != !wrong)
        fail_msg("it is not refused: %s", wrong ? wrong : "nor should it be");
    assert_true(wrong || v == value);
    return true;
}

static const char *run_agent(const char *hex, uint64_t *value)
{
    uint8_t code[100];
    size_t n = strlen(hex) / 2;
    struct agent_expr *e;
    struct error err = {{0}};
    const char *wrong;

    assert_true(gdb_take_bytes(&hex, code, n));
    printed[0] = '\0';
    e = agent_new(code, n, &err);
    if (!e)
        fail_msg("%s", err.text);
    wrong = agent_run(e, &world, value);
    check_program(e, wrong, *value);
    agent_free(e);
    return wrong;
}

/* Random ones: numbers, and what is calculated with them, jumps among it. */
static void test_agent_programs(void **state)
{
    static const uint8_t calculations[] = {2,  3,  4,  5,  6,  7,  8,    9,    10,   11,   14,  15,
                                           16, 17, 18, 19, 20, 21, 0x28, 0x29, 0x2b, 0x33, 0x27};
    uint64_t seed = 1;
    unsigned made = 0;

    (void)state;
    for (unsigned n = 0; n < 20000; n++) {
        uint8_t code[64];
        size_t len = 0;
        struct error err;
        uint64_t value;

        for (unsigned ops = 2 + n % 12; ops; ops--) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            unsigned r = (unsigned)(seed >> 40);

            if (r % 4 < 2 || len < 4) { /* a number, of which more or less counts */
                code[len++] = 0x22;
                code[len++] = (uint8_t)(r >> 8);
            } else if (r % 16 == 2) {
                code[len++] = r & 64 ? 0x16 : 0x2a;
                code[len++] = (uint8_t)(r >> 8) % 70;
            } else if (r % 16 == 3) {
                code[len++] = r & 64 ? 0x20 : 0x21;
                code[len++] = 0;
                code[len] = (uint8_t)(len + (r >> 8) % 8);
                len++;
            } else if (r % 16 == 6) {
                code[len++] = 0x26;
                code[len++] = 0;
                code[len++] = (uint8_t)(r >> 8) % 12;
            } else {
                code[len++] = calculations[(r >> 8) % sizeof(calculations)];
            }
        }
        struct agent_expr *e = agent_new(code, len, &err);
        assert_non_null(e);
        const char *wrong = agent_run(e, &world, &value);
        made += check_program(e, wrong, value);
        agent_free(e);
    }
    print_message("%u programs\n", made);
    assert_true(made > 2000);
}

static void test_agent_values(void **state)
{
    static const struct {
        const char *code;
        uint64_t value;
    } rows[] = {
        {"22052203 0227", 8},                         /* 5 + 3 */
        {"22052203 0327", 2},                         /* 5 - 3 */
        {"22052203 0427", 15},                        /* 5 * 3 */
        {"22fb1608 2203 0527", (uint64_t)-1},         /* -5 / 3 */
        {"22fb1608 2203 0727", (uint64_t)-2},         /* -5 % 3 */
        {"22fb 2203 0627", 83},                       /* 251 / 3 */
        {"22fb 2203 0827", 2},                        /* 251 % 3 */
        {"2201 223f 0927", 1ull << 63},               /* 1 << 63 */
        {"2201 2240 0927", 0},                        /* 1 << 64 */
        {"22801608 2204 0a27", (uint64_t)-8},         /* -128 >> 4 */
        {"258000000000000000 2204 0b27", 1ull << 59}, /* unsigned */
        {"2200 0e27", 1},                             /* !0 */
        {"220f 223c 0f27", 0x0c},
        {"220f 223c 1027", 0x3f},
        {"220f 223c 1127", 0x33},
        {"2200 1227", UINT64_MAX},
        {"2205 2205 1327", 1},
        {"22ff1608 2200 1427", 1}, /* -1 < 0 */
        {"22ff1608 2200 1527", 0}, /* unsigned */
        {"230123 1727", 0x23},     /* *(u8 *)0x123 */
        {"230123 1827", 0x2423},
        {"230123 1927", 0x26252423},
        {"230123 1a27", 0x2a29282726252423},
        {"260003 27", 0x31}, /* register 3 */
        {"24ffffffff 2a10 27", 0xffff},
        {"2201 200008 2207 27 220a 27", 10}, /* if (1) goto 8 */
        {"2200 200008 2207 27 220a 27", 7},
        {"210005 2207 2209 27", 9},                       /* goto 5 */
        {"258000000000000000 22ff1608 0527", 1ull << 63}, /* / -1 */
        {"258000000000000000 22ff1608 0727", 0},
        {"2201 2202 2b 27", 1},        /* swap */
        {"2201 2202 2203 3202 27", 1}, /* pick 2 */
        {"2201 2202 2203 33 27", 2},   /* rot: 3 1 2 */
        {"2207 28 2209 29 0227", 14},  /* dup, pop */
        {"", 0},
    };

    (void)state;
    for (size_t n = 0; n < sizeof(rows) / sizeof(rows[0]); n++) {
        char hex[100];
        size_t len = 0;
        uint64_t value;

        for (const char *p = rows[n].code; *p; p++)
            if (*p != ' ')
                hex[len++] = *p;
        hex[len] = '\0';
        assert_null(run_agent(hex, &value));
        if (value != rows[n].value)
            fail_msg("%s: %llx, not %llx", rows[n].code, (unsigned long long)value,
                     (unsigned long long)rows[n].value);
    }
}

static void test_agent_errors(void **state)
{
    static const char *const wrong[] = {
        "2201220005",   /* division by zero */
        "2320001727",   /* memory */
        "26000f27",     /* register */
        "210000",       /* for ever */
        "02",           /* an empty stack */
        "220102",       /* one value only */
        "210004220127", /* a jump amid an operation */
        "21ffff27",     /* out of the expression */
        "220128210002", /* more and more */
        "2201320527",   /* pick 5 */
    };
    static const char *const refused[] = {"0c27", "1b27",     "2d000027", "22",
                                          "2600", "25000000", "34",       "340100022564"};
    struct error err;
    uint64_t value;
    uint8_t code[20];

    (void)state;
    for (size_t n = 0; n < sizeof(wrong) / sizeof(wrong[0]); n++) {
        if (!run_agent(wrong[n], &value))
            fail_msg("%s", wrong[n]);
    }
    for (size_t n = 0; n < sizeof(refused) / sizeof(refused[0]); n++) {
        const char *p = refused[n];
        size_t len = strlen(p) / 2;

        assert_true(gdb_take_bytes(&p, code, len));
        assert_null(agent_new(code, len, &err));
    }
}

static void test_agent_printf(void **state)
{
    uint64_t value;

    (void)state;
    assert_null(run_agent("22022201220022003402000625642025640027", &value));
    assert_string_equal(printed, "1 2");
    assert_null(run_agent("22ff2200220034010008256c78257325250027", &value)); /* "%lx%s%%" */
    assert_string_equal(printed, "ff(0)%");
    assert_non_null(
        run_agent("22002200340100022500", &value)); /* one argument, which is not there */
}

/* ---- packets ---- */

#define CODE  0x200000u
#define STORE (CODE + 5)
#define DATA  0x300000u

static const uint8_t program[] = {
    0xb9, 0x00, 0x00, 0x00, 0x00,       /* mov ecx, 0 */
    0x89, 0x0d, 0x00, 0x00, 0x30, 0x00, /* mov [DATA], ecx */
    0x41,                               /* inc ecx */
    0xeb, 0xf7,                         /* jmp STORE */
};

struct server {
    struct guest_machine machine;
    struct control *ctl;
    struct debugger *d;
    struct gdb *g;
    char *out;
    size_t out_len;
};

static void on_output(void *opaque, const void *bytes, size_t n)
{
    struct server *s = opaque;

    s->out = realloc(s->out, s->out_len + n + 1);
    assert_non_null(s->out);
    memcpy(s->out + s->out_len, bytes, n);
    s->out_len += n;
    s->out[s->out_len] = '\0';
}

static void place_program(struct server *s)
{
    struct cpu *cpu = debugger_cpu(s->d, 0);

    assert_int_equal(debugger_write(s->d, 0, true, CODE, program, sizeof(program), NULL),
                     sizeof(program));
    cpu->r[R_RIP] = CODE;
    cpu_set_eflags(cpu, EFLAGS_FIXED);
    cpu_mode_changed(cpu);
}

static int server_setup(void **state)
{
    struct server *s = calloc(1, sizeof(*s));
    struct monitor_about about = {0};
    struct monitor_hooks hooks = {0};
    struct error err = {{0}};

    assert_non_null(s);
    guest_machine_config(&s->machine, "loops-32");
    s->machine.config.ncpus = 2;
    if (!guest_machine_init(&s->machine, &err))
        fail_msg("%s", err.text);
    s->ctl = control_new(&s->machine.pc.m, &about, &hooks);
    s->d = debugger_new(s->ctl, &err);
    assert_non_null(s->d);
    machine_lock(&s->machine.pc.m);
    s->g = gdb_new(s->d, NULL, &err);
    assert_non_null(s->g);
    gdb_on_output(s->g, on_output, s);
    place_program(s);
    machine_unlock(&s->machine.pc.m);
    gdb_client(s->g, true);
    assert_true(machine_start_threads(&s->machine.pc.m));
    *state = s;
    return 0;
}

static int server_teardown(void **state)
{
    struct server *s = *state;

    machine_lock(&s->machine.pc.m);
    machine_request_end(&s->machine.pc.m, STOP_QUIT, 0);
    gdb_free(s->g);
    machine_unlock(&s->machine.pc.m);
    machine_join(&s->machine.pc.m);
    debugger_free(s->d);
    control_free(s->ctl);
    guest_machine_destroy(&s->machine);
    free(s->out);
    free(s);
    return 0;
}

/* Sends bytes as a packet. */
static void send_bytes(struct server *s, const char *bytes, size_t n)
{
    uint8_t sum = 0;
    char tail[4];

    s->out_len = 0;
    for (size_t i = 0; i < n; i++)
        sum += (uint8_t)bytes[i];
    snprintf(tail, sizeof(tail), "#%02x", sum);
    gdb_feed(s->g, "$", 1);
    gdb_feed(s->g, bytes, n);
    gdb_feed(s->g, tail, 3);
}

/* The packet that came behind the '+', if one did: without its frame. */
static const char *answered(struct server *s)
{
    char *hash;

    if (s->out_len < 2 || s->out[1] != '$')
        return NULL;
    hash = strrchr(s->out, '#');
    assert_non_null(hash);
    *hash = '\0';
    return s->out + 2;
}

static const char *ask(struct server *s, const char *packet)
{
    const char *answer;

    send_bytes(s, packet, strlen(packet));
    answer = answered(s);
    assert_non_null(answer);
    return answer;
}

/* A command that runs the machine: the stop reply. */
static const char *run(struct server *s, const char *packet)
{
    send_bytes(s, packet, strlen(packet));
    for (unsigned n = 0; n < 20000; n++) {
        debugger_poll(s->d);
        gdb_poll(s->g);
        const char *answer = answered(s);
        if (answer)
            return answer;
        usleep(1000);
    }
    fail_msg("%s: no answer", packet);
    return NULL;
}

#define assert_answer(s, packet, answer) assert_string_equal(ask(s, packet), answer)
#define assert_refused(s, packet)        assert_int_equal(ask(s, packet)[0], 'E')

static void test_questions(void **state)
{
    struct server *s = *state;

    assert_non_null(strstr(ask(s, "qSupported:swbreak+;xmlRegisters=i386"), "PacketSize=20000"));
    assert_answer(s, "vMustReplyEmpty", "");
    assert_answer(s, "qNothingOfTheKind", "");
    assert_answer(s, "qfThreadInfo", "m1,2");
    assert_answer(s, "qsThreadInfo", "l");
    assert_answer(s, "T2", "OK");
    assert_refused(s, "T3");
    assert_refused(s, "Hg3");
    assert_answer(s, "Hg2", "OK");
    assert_answer(s, "qC", "QC2");
    assert_answer(s, "qXfer:features:read:target.xml:0,5", "m<?xml");
    assert_refused(s, "qXfer:features:read:other.xml:0,5");
    assert_refused(s, "qXfer:features:read:target.xml:0");
    assert_answer(s, "qXfer:features:read:target.xml:fffff,5", "l");
    assert_non_null(strstr(ask(s, "qXfer:threads:read::0,fff"), "id=\"2\" core=\"1\""));
    assert_answer(s, "vCont?", "vCont;c;C;s;S;t;r");
    assert_refused(s, "vCont;s:3");
    assert_refused(s, "vCont;x");
    assert_refused(s, "vCont;r100,;c");
    assert_refused(s, "qRcmd,5");
    assert_refused(s, "qRcmd,00");
}

static void test_registers_of_all_modes(void **state)
{
    struct server *s = *state;
    size_t len = strlen(ask(s, "g"));

    assert_answer(s, "p10", "0000200000000000"); /* rip */
    assert_answer(s, "P0=8877665544332211", "OK");
    assert_answer(s, "p0", "8877665544332211");
    assert_refused(s, "P0=88");
    assert_refused(s, "Pfff=88");
    assert_refused(s, "pfff");
    assert_refused(s, "G00");
    /* In real mode rip is linear; its length and that of all is what it was. */
    assert_answer(s, "Hg2", "OK");
    assert_answer(s, "p10", "f0ffffff00000000");
    assert_int_equal(strlen(ask(s, "g")), len);
    assert_answer(s, "P10=0000ffff00000000", "OK");
    assert_int_equal(debugger_cpu(s->d, 1)->r[R_RIP], 0);
    assert_answer(s, "p10", "0000ffff00000000");
    assert_answer(s, "Hg1", "OK");
}

static void test_memory(void **state)
{
    struct server *s = *state;
    char x[] = "X300000,4:abcd";

    assert_answer(s, "M300000,3:aabbcc", "OK");
    assert_answer(s, "m300000,3", "aabbcc");
    send_bytes(s, x, sizeof(x) - 1);
    assert_string_equal(answered(s), "OK");
    assert_answer(s, "m300000,4", "61626364");
    send_bytes(s, "X300000,2:}\x03}\x04", 14);
    assert_string_equal(answered(s), "OK");
    assert_answer(s, "m300000,4", "23246364");
    assert_answer(s, "X300000,0:", "OK");
    assert_refused(s, "X300000,4:abc");
    assert_refused(s, "M300000,3:aabb");
    assert_refused(s, "M300000,3:aabbccdd");
    assert_refused(s, "m300000");
    assert_refused(s, "mfffffffffffffff0,10");
    assert_answer(s, "m300000,0", "");
    assert_answer(s, "qSearch:memory:200000;200000;cd", "1,300002");
    assert_answer(s, "qSearch:memory:200000;100003;cd", "0");
    assert_refused(s, "qSearch:memory:200000;200000;");
    assert_answer(s, "qCRC:300000,4", "Cdd42beea");
}

static void test_running(void **state)
{
    struct server *s = *state;

    ask(s, "qSupported:swbreak+");
    assert_non_null(strstr(run(s, "vCont;s:1"), "thread:1;"));
    assert_answer(s, "p10", "0500200000000000");
    /* A condition: ecx (register 2) == 5. */
    assert_answer(s, "Z0,200005,1;X8,26000222051327", "E.XLENGTH,BYTES is expected");
    assert_answer(s, "Z0,200005,1;X7,26000222051327", "OK");
    assert_non_null(strstr(run(s, "vCont;c"), "swbreak:;"));
    assert_answer(s, "p2", "0500000000000000");
    assert_answer(s, "z0,200005,1", "OK");
    assert_answer(s, "z0,200005,1", "OK");
    assert_answer(s, "Z2,300000,4", "OK");
    assert_non_null(strstr(run(s, "vCont;c"), "watch:300000;"));
    assert_answer(s, "p10", "0b00200000000000");
    assert_answer(s, "z2,300000,4", "OK");
    assert_refused(s, "Z5,300000,4");
    assert_refused(s, "Z2,300000,0");
    assert_refused(s, "Z0,300000");
    assert_refused(s, "Z0,300000,1;X1,0c");
    assert_refused(s, "Z0,300000,1;cmds:0");
    /* A range: it ends behind it. */
    assert_non_null(strstr(run(s, "vCont;r20000b,20000c:1;c"), "thread:1;"));
    assert_answer(s, "p10", "0c00200000000000");
}

static void test_commands_and_interrupt(void **state)
{
    struct server *s = *state;

    /* At each store: printf("%d ", ecx); it runs on. */
    assert_answer(s, "Z0,200005,1;cmds:0,X10,26000222002200340100042564200027", "OK");
    send_bytes(s, "vCont;c", 7);
    for (unsigned n = 0; n < 20000 && s->out_len < 20; n++) {
        debugger_poll(s->d);
        gdb_poll(s->g);
        usleep(1000);
    }
    assert_non_null(strstr(s->out, "$O302031203220")); /* "0 1 2 " */
    s->out_len = 0;
    gdb_feed(s->g, "\x03", 1);
    for (unsigned n = 0; n < 20000 && !(s->out_len && strstr(s->out, "$T02")); n++) {
        debugger_poll(s->d);
        usleep(1000);
    }
    assert_non_null(strstr(s->out, "$T02"));
    /* The client goes, and its breakpoint too. */
    gdb_client(s->g, false);
    assert_null(breakpoint_first(s->d));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_acknowledgement),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_agent_values),
        cmocka_unit_test(test_agent_errors),
        cmocka_unit_test(test_agent_programs),
        cmocka_unit_test(test_agent_printf),
        cmocka_unit_test_setup_teardown(test_questions, server_setup, server_teardown),
        cmocka_unit_test_setup_teardown(test_registers_of_all_modes, server_setup, server_teardown),
        cmocka_unit_test_setup_teardown(test_memory, server_setup, server_teardown),
        cmocka_unit_test_setup_teardown(test_running, server_setup, server_teardown),
        cmocka_unit_test_setup_teardown(test_commands_and_interrupt, server_setup, server_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
