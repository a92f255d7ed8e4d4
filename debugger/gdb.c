/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "debugger/gdb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/x86/probe.h"
#include "debugger/gdb_internal.h"
#include "debugger/symbols.h"
#include "debugger/time.h"
#include "host/char/backend.h"
#include "monitor/control.h"
#include "vm/machine.h"

#define OUTPUT_MAX (16u << 20) /* what a client may leave unread */

/* ---- replies ---- */

void gdb_refuse(struct gdb *g, const char *text)
{
    g->reply->len = 0;
    gdb_print(g->reply, "E.%s", text);
}

void gdb_fail(struct gdb *g, const char *text)
{
    if (g->error_texts) {
        gdb_refuse(g, text);
        return;
    }
    g->reply->len = 0;
    gdb_put(g->reply, "E01", 3);
}

void gdb_ok(struct gdb *g)
{
    gdb_put(g->reply, "OK", 2);
}

void gdb_say(struct gdb *g, const char *text)
{
    size_t len = strlen(text), piece = GDB_PACKET_MAX / 2 - 1;

    for (; len; len -= piece, text += piece) {
        piece = len < piece ? len : piece;
        g->reply->len = 0;
        gdb_put(g->reply, "O", 1);
        gdb_put_hex(g->reply, text, piece);
        gdb_wire_send(&g->wire, g->reply->data, g->reply->len);
    }
    g->reply->len = 0;
}

/* ---- questions ---- */

static void supported(struct gdb *g, const char *args)
{
    g->error_texts = strstr(args, "error-message+");
    g->swbreak = strstr(args, "swbreak+");
    g->hwbreak = strstr(args, "hwbreak+");
    gdb_print(g->reply,
              "PacketSize=%x;QStartNoAckMode+;vContSupported+;swbreak+;hwbreak+;"
              "ConditionalBreakpoints+;BreakpointCommands+;error-message+;binary-upload+;"
              "qXfer:features:read+;qXfer:threads:read+;qXfer:memory-map:read+",
              GDB_PACKET_MAX);
    if (time_travels(g->d, NULL))
        gdb_print(g->reply, ";ReverseStep+;ReverseContinue+");
}

static void start_no_ack(struct gdb *g, const char *args)
{
    (void)args;
    g->wire.no_ack = true;
    gdb_ok(g);
}

static void all_stop(struct gdb *g, const char *args)
{
    if (*args == '0')
        gdb_ok(g);
    else
        gdb_refuse(g, "non-stop mode is not supported");
}

static void attached(struct gdb *g, const char *args)
{
    (void)args;
    gdb_print(g->reply, "1");
}

static void extend(struct gdb *g, const char *args)
{
    (void)args;
    g->extended = true;
    gdb_ok(g);
}

static void nothing(struct gdb *g, const char *args)
{
    (void)g, (void)args;
}

static void offsets(struct gdb *g, const char *args)
{
    struct symbols *s = debugger_symbols(g->d);
    uint64_t slide, start, end;

    (void)args;
    symbols_refresh(s, g->cpu);
    g->told_slide = symbols_linux_slide(s, &slide, &start, &end);
    if (g->told_slide)
        gdb_print(g->reply, "Text=%llx;Data=%llx;Bss=%llx", (unsigned long long)slide,
                  (unsigned long long)slide, (unsigned long long)slide);
}

/* ---- threads: CPU n is thread n + 1 ---- */

bool gdb_take_thread(struct gdb *g, const char **p, unsigned *cpu, bool *any)
{
    uint64_t id;

    *any = !strncmp(*p, "-1", 2);
    if (*any) {
        *p += 2;
        return true;
    }
    if (!gdb_take_hex(p, &id))
        return false;
    *any = !id;
    if (id > debugger_ncpus(g->d))
        return false;
    if (id)
        *cpu = (unsigned)id - 1;
    return true;
}

static void choose(struct gdb *g, const char *args, unsigned *cpu)
{
    bool any;

    if (gdb_take_thread(g, &args, cpu, &any))
        gdb_ok(g);
    else
        gdb_fail(g, "there is no such thread");
}

static void choose_data(struct gdb *g, const char *args)
{
    choose(g, args, &g->cpu);
}

static void choose_run(struct gdb *g, const char *args)
{
    choose(g, args, &g->run_cpu);
}

static void is_alive(struct gdb *g, const char *args)
{
    unsigned cpu;

    choose(g, args, &cpu);
}

static void current_thread(struct gdb *g, const char *args)
{
    (void)args;
    gdb_print(g->reply, "QC%x", g->cpu + 1);
}

static void first_threads(struct gdb *g, const char *args)
{
    (void)args;
    for (unsigned n = 0; n < debugger_ncpus(g->d); n++)
        gdb_print(g->reply, "%s%x", n ? "," : "m", n + 1);
}

static void next_threads(struct gdb *g, const char *args)
{
    (void)args;
    gdb_print(g->reply, "l");
}

static void thread_text(const struct gdb *g, unsigned n, char *text, size_t size)
{
    const struct cpu *cpu = debugger_cpu(g->d, n);

    snprintf(text, size, "%s, CPL %u%s", probe_mode_name(cpu_probe_mode(cpu)), cpu->cpl,
             cpu->wait_sipi   ? ", waits for a start-up IPI"
             : cpu->shut_down ? ", shut down"
             : cpu->v.halted  ? ", halted"
                              : "");
}

static void thread_info(struct gdb *g, const char *args)
{
    unsigned cpu = g->cpu;
    char text[100];
    bool any;

    if (!gdb_take_thread(g, &args, &cpu, &any)) {
        gdb_fail(g, "there is no such thread");
        return;
    }
    thread_text(g, cpu, text, sizeof(text));
    gdb_put_hex(g->reply, text, strlen(text));
}

/* ---- qXfer ---- */

/* "ANNEX:OFFSET,LENGTH" of this text. */
static void transfer(struct gdb *g, const char *args, const char *annex, const char *text,
                     size_t len)
{
    size_t n = strlen(annex);
    uint64_t from, count;

    if (strncmp(args, annex, n) != 0 || args[n] != ':') {
        gdb_fail(g, "there is no such annex");
        return;
    }
    args += n + 1;
    if (!gdb_take_hex_then(&args, &from, ',') || !gdb_take_hex_then(&args, &count, '\0')) {
        gdb_fail(g, "OFFSET,LENGTH is expected");
        return;
    }
    from = from < len ? from : len;
    count = count < GDB_PACKET_MAX / 2 ? count : GDB_PACKET_MAX / 2; /* escapes double it */
    if (len - from <= count) {
        gdb_put(g->reply, "l", 1);
        gdb_put(g->reply, text + from, len - from);
    } else {
        gdb_put(g->reply, "m", 1);
        gdb_put(g->reply, text + from, count);
    }
}

static void read_features(struct gdb *g, const char *args)
{
    transfer(g, args, "target.xml", g->target.xml, g->target.xml_len);
}

/* Linear addresses: what is behind them changes with the page tables, so all of them may be RAM. */
static void read_memory_map(struct gdb *g, const char *args)
{
    static const char map[] =
        "<?xml version=\"1.0\"?>\n<memory-map>\n"
        "<memory type=\"ram\" start=\"0x0\" length=\"0x8000000000000000\"/>\n"
        "<memory type=\"ram\" start=\"0x8000000000000000\" length=\"0x8000000000000000\"/>\n"
        "</memory-map>\n";

    transfer(g, args, "", map, sizeof(map) - 1);
}

static void read_threads(struct gdb *g, const char *args)
{
    char *text = NULL, info[100];
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    if (!f) {
        gdb_fail(g, "out of memory");
        return;
    }
    fputs("<?xml version=\"1.0\"?>\n<threads>\n", f);
    for (unsigned n = 0; n < debugger_ncpus(g->d); n++) {
        thread_text(g, n, info, sizeof(info));
        fprintf(f, "<thread id=\"%x\" core=\"%u\" name=\"CPU %u\">%s</thread>\n", n + 1, n, n,
                info);
    }
    fputs("</threads>\n", f);
    if (fclose(f) == 0)
        transfer(g, args, "", text, len);
    else
        gdb_fail(g, "out of memory");
    free(text);
}

/* ---- what QEMU's server has, too ---- */

#define SSTEP_ENABLE  1u
#define SSTEP_NOIRQ   2u
#define SSTEP_NOTIMER 4u

static void step_bits(struct gdb *g, const char *args)
{
    (void)args;
    gdb_print(g->reply, "ENABLE=%x,NOIRQ=%x,NOTIMER=%x", SSTEP_ENABLE, SSTEP_NOIRQ, SSTEP_NOTIMER);
}

static void get_step(struct gdb *g, const char *args)
{
    (void)args;
    gdb_print(g->reply, "0x%x", g->step == STEP_INSN_IRQ ? SSTEP_ENABLE : 7u);
}

static void set_step(struct gdb *g, const char *args)
{
    uint64_t bits;

    if (gdb_take_hex_then(&args, &bits, '\0') && bits <= 7) {
        g->step = bits & SSTEP_NOIRQ ? STEP_INSN : STEP_INSN_IRQ;
        gdb_ok(g);
    } else {
        gdb_fail(g, "0 to 7 is expected");
    }
}

static void get_physical(struct gdb *g, const char *args)
{
    (void)args;
    gdb_print(g->reply, "%d", g->physical);
}

static void set_physical(struct gdb *g, const char *args)
{
    g->physical = *args == '1';
    gdb_ok(g);
}

/* ---- packets ---- */

/* `still`: the machine is held meanwhile, if it runs because of somebody else. */
static const struct packet {
    const char *name;
    gdb_packet *fn;
    bool still;
    bool whole; /* nothing may follow the name */
} packets[] = {
    {"?", gdb_why, false, true},
    {"!", extend, false, true},
    {"g", gdb_get_all, true, true},
    {"G", gdb_set_all, true, false},
    {"p", gdb_get_one, true, false},
    {"P", gdb_set_one, true, false},
    {"m", gdb_read_hex, true, false},
    {"M", gdb_write_hex, true, false},
    {"x", gdb_read_binary, true, false},
    {"X", gdb_write_binary, true, false},
    {"Z", gdb_insert, false, false},
    {"z", gdb_remove, false, false},
    {"c", gdb_continue, false, false},
    {"C", gdb_continue_signal, false, false},
    {"s", gdb_step, false, false},
    {"S", gdb_step_signal, false, false},
    {"bs", gdb_back, false, true},
    {"bc", gdb_back, false, true},
    {"D", gdb_detach, false, false},
    {"k", gdb_kill, false, true},
    {"R", gdb_restart, false, false},
    {"T", is_alive, false, false},
    {"Hg", choose_data, false, false},
    {"Hc", choose_run, false, false},
    {"vCont?", gdb_vcont_kinds, false, true},
    {"vCont", gdb_vcont, false, false},
    {"vRun", gdb_run, false, false},
    {"vKill", gdb_vkill, false, false},
    {"vAttach", gdb_attach, false, false},
    {"vMustReplyEmpty", nothing, false, true},
    {"qSupported", supported, false, false},
    {"qAttached", attached, false, false},
    {"qC", current_thread, false, true},
    {"qCRC:", gdb_crc, true, false},
    {"qOffsets", offsets, true, true},
    {"qSearch:memory:", gdb_search, true, false},
    {"qThreadExtraInfo,", thread_info, true, false},
    {"qXfer:features:read:", read_features, false, false},
    {"qXfer:memory-map:read:", read_memory_map, false, false},
    {"qXfer:threads:read:", read_threads, true, false},
    {"qfThreadInfo", first_threads, false, true},
    {"qsThreadInfo", next_threads, false, true},
    {"qqemu.sstepbits", step_bits, false, true},
    {"qqemu.sstep", get_step, false, true},
    {"qqemu.PhyMemMode", get_physical, false, true},
    {"QNonStop:", all_stop, false, false},
    {"QStartNoAckMode", start_no_ack, false, true},
    {"Qqemu.sstep=", set_step, false, false},
    {"Qqemu.PhyMemMode:", set_physical, false, false},
};

/* The longest name that the packet begins with. */
static const struct packet *find_packet(const char *text)
{
    const struct packet *best = NULL;
    size_t length = 0;

    for (size_t i = 0; i < ARRAY_SIZE(packets); i++) {
        size_t n = strlen(packets[i].name);

        if (n > length && !strncmp(text, packets[i].name, n) && (!packets[i].whole || !text[n])) {
            best = &packets[i];
            length = n;
        }
    }
    return best;
}

static void run_packet(struct gdb *g, const struct packet *p, const char *args)
{
    struct machine *m = debugger_machine(g->d);
    struct control *ctl = debugger_control(g->d);

    machine_lock(m);
    if (p->still) {
        bool was_running = control_hold(ctl);

        p->fn(g, args);
        control_release(ctl, was_running);
    } else {
        p->fn(g, args);
    }
    machine_unlock(m);
}

/* An unknown packet has an empty answer. */
static void on_packet(void *opaque, char *text, size_t len)
{
    struct gdb *g = opaque;
    const struct packet *p = find_packet(text);

    g->reply->len = 0;
    g->reply->data[0] = '\0';
    g->reply->full = false;
    g->silent = false;
    g->end = text + len;
    g->busy = true;
    if (!strncmp(text, "qRcmd,", 6))
        gdb_monitor(g, text + 6);
    else if (p)
        run_packet(g, p, text + strlen(p->name));
    g->busy = false;
    if (!g->silent)
        gdb_wire_send(&g->wire, g->reply->data, g->reply->len);
    if (g->interrupted && !g->waiting)
        g->interrupted = false;
}

static void on_refused(void *opaque, const char *why)
{
    struct gdb *g = opaque;

    gdb_fail(g, why);
    gdb_wire_send(&g->wire, g->reply->data, g->reply->len);
}

static void on_interrupt(void *opaque)
{
    struct gdb *g = opaque;

    machine_lock(debugger_machine(g->d));
    gdb_interrupt(g);
    machine_unlock(debugger_machine(g->d));
}

/* ---- the connection ---- */

static void send_bytes(void *opaque, const void *bytes, size_t n)
{
    struct gdb *g = opaque;

    if (g->output)
        g->output(g->output_opaque, bytes, n);
    else
        chardev_write(g->chr, bytes, n);
}

void gdb_feed(struct gdb *g, const void *bytes, size_t n)
{
    gdb_wire_input(&g->wire, bytes, n);
}

static void on_input(void *opaque, const uint8_t *bytes, size_t n)
{
    gdb_feed(opaque, bytes, n);
}

static void forget_client(struct gdb *g)
{
    gdb_wire_restart(&g->wire);
    g->error_texts = g->swbreak = g->hwbreak = g->extended = g->physical = false;
    g->told_slide = false;
    g->step = STEP_INSN;
    g->waiting = g->attaching = g->interrupted = false;
    g->back = BACK_NOT;
}

/* Also at once, if one is there already. */
static void on_open(void *opaque, bool there)
{
    gdb_client(opaque, there);
}

/* One that is lost takes its breakpoints with it; the machine goes on as it is, or does not. */
void gdb_client(struct gdb *g, bool there)
{
    struct machine *m = debugger_machine(g->d);

    forget_client(g);
    if (!g->making)
        machine_lock(m);
    if (!there)
        gdb_remove_all(g);
    gdb_face(g, there);
    if (!g->making)
        machine_unlock(m);
}

void gdb_on_output(struct gdb *g, void (*fn)(void *, const void *, size_t), void *opaque)
{
    g->output = fn;
    g->output_opaque = opaque;
}

bool gdb_is_busy(const struct gdb *g)
{
    return g->busy;
}

void gdb_say_printed(struct gdb *g)
{
    char text[GDB_PRINT_MAX + 1];
    size_t n;

    pthread_mutex_lock(&g->print_lock);
    n = g->printed_len;
    memcpy(text, g->printed, n);
    g->printed_len = 0;
    pthread_mutex_unlock(&g->print_lock);
    text[n] = '\0';
    if (n && g->waiting)
        gdb_say(g, text);
}

void gdb_poll(struct gdb *g)
{
    if (!g)
        return;
    gdb_say_printed(g);
    machine_lock(debugger_machine(g->d));
    gdb_step_back(g);
    machine_unlock(debugger_machine(g->d));
}

struct gdb *gdb_new(struct debugger *d, struct chardev *c, struct error *err)
{
    struct gdb *g;

    if (!debugger_ncpus(d)) {
        error_set(err, "gdb: the machine has no processor");
        return NULL;
    }
    g = calloc(1, sizeof(*g));
    if (!g)
        goto no_memory;
    pthread_mutex_init(&g->print_lock, NULL);
    g->d = d;
    g->chr = c;
    g->wire.packet = on_packet;
    g->wire.refused = on_refused;
    g->wire.interrupt = on_interrupt;
    g->wire.write = send_bytes;
    g->wire.opaque = g;
    g->reply = malloc(sizeof(*g->reply));
    g->bytes = malloc(GDB_PACKET_MAX);
    if (!gdb_wire_init(&g->wire) || !gdb_target_init(&g->target) || !g->reply || !g->bytes)
        goto no_memory;
    g->reply->len = 0;
    forget_client(g);
    g->making = true;
    if (c) {
        chardev_attach_monitor(c, on_input, NULL, g);
        chardev_keep_output(c, OUTPUT_MAX);
        chardev_on_open(c, on_open, g);
    }
    g->making = false;
    return g;
no_memory:
    error_set(err, "out of memory");
    gdb_free(g);
    return NULL;
}

void gdb_free(struct gdb *g)
{
    if (!g)
        return;
    if (g->is_face) {
        gdb_tell_end(g);
        gdb_remove_all(g);
        gdb_face(g, false);
    }
    if (g->chr) {
        chardev_attach_monitor(g->chr, NULL, NULL, NULL);
        chardev_on_open(g->chr, NULL, NULL);
    }
    gdb_wire_destroy(&g->wire);
    gdb_target_destroy(&g->target);
    pthread_mutex_destroy(&g->print_lock);
    free(g->reply);
    free(g->bytes);
    free(g);
}

char *gdb_connection(const char *value)
{
    bool socket = !strncmp(value, "tcp:", 4) || !strncmp(value, "unix:", 5);
    char *text;

    if (asprintf(&text, "%s%s", value, socket && !strchr(value, ',') ? ",server=on,wait=off" : "") <
        0)
        return NULL;
    return text;
}
