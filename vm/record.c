/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One log, and a place in it. A live machine appends to it. A replay, or a machine that was taken
 * back into its past, reads: `next` is the next event that has its place between two slices,
 * `next_disk` the next end of a disk access, which finds its place by itself because the access is
 * made again. */
#include "vm/record.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/error.h"
#include "vm/checkpoint.h"
#include "vm/machine.h"
#include "vm/record_pages.h"
#include "vm/vm_internal.h"

#define CHECK_EVERY    20000000u
#define MEMORY_MAX     (1ull << 30) /* of checkpoints and the log, while a past is kept */
#define CHECKPOINT_MAX 400
#define NO_MORE        1 /* RECORD_CHECK: disk accesses end, nothing is compared */

struct record {
    struct machine *m;
    bool live;      /* else what happens comes from the log */
    bool of_file;   /* a replay: at the end of the log the machine stops */
    bool keeps;     /* the log is kept in memory */
    bool restoring; /* accesses end that no longer matter */
    bool stuck, ended;
    struct record_log log;
    struct record_writer writer;
    uint64_t next, next_disk; /* numbers of entries */
    uint64_t every, next_check;
    uint64_t history, furthest; /* ns; instructions */
    struct record_pages pages;  /* live: as of the last check; a replay: as at the beginning */
    struct checkpoints *cs;     /* NULL: no past is kept */
};

/* ---- places ---- */

static struct record_entry here(const struct machine *m, enum record_kind kind)
{
    return (struct record_entry){.kind = (uint8_t)kind,
                                 .insns = machine_retired(m),
                                 .ns = vm_clock_now(&m->clock),
                                 .fired = m->clock.fired};
}

/* The next event between slices; NULL: none. */
static struct record_entry *next_event(struct record *r)
{
    for (;; r->next++) {
        struct record_entry *e = record_log_get(&r->log, r->next);

        if (!e || (e->kind != RECORD_DISK && e->kind != RECORD_MEMORY && e->kind != RECORD_PAGES))
            return e;
    }
}

static bool is_here(const struct machine *m, const struct record_entry *e)
{
    return e->insns == machine_retired(m) && e->ns == vm_clock_now(&m->clock) &&
           e->fired == m->clock.fired;
}

static bool is_past(const struct machine *m, const struct record_entry *e)
{
    uint64_t insns = machine_retired(m), now = vm_clock_now(&m->clock);

    if (insns != e->insns)
        return insns > e->insns;
    return now > e->ns || (now == e->ns && m->clock.fired > e->fired);
}

/* ---- ends ---- */

/* A debugger's session goes on. */
static void stop(struct record *r, enum stop_reason why)
{
    if (r->m->run.triple_fault_pauses)
        machine_request_stop(r->m, why);
    else
        machine_request_end(r->m, why, 0);
}

__attribute__((format(printf, 2, 3))) static void diverge(struct record *r, const char *fmt, ...)
{
    char text[600];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (!r->stuck)
        fprintf(stderr, "calque: replay: at instruction %llu: %s\n",
                (unsigned long long)machine_retired(r->m), text);
    r->stuck = true;
    stop(r, STOP_DIFFERENCE);
}

/* Where the log ends: a live machine goes on by itself. */
static bool end_of_log(struct record *r)
{
    if (r->of_file) {
        if (!r->ended)
            fprintf(stderr,
                    "calque: replay: the recording ends here, after %llu instructions%s%s\n",
                    (unsigned long long)machine_retired(r->m), r->log.truncated ? ": " : "",
                    r->log.problem);
        r->ended = true;
        stop(r, STOP_RECORD_END);
        return false;
    }
    record_log_cut(&r->log, r->next);
    r->live = true;
    r->m->run.clean = false;
    r->next_check = machine_retired(r->m) + r->every;
    return true;
}

/* ---- writing ---- */

static void append(struct record *r, struct record_entry *e, const void *data, uint32_t len)
{
    const struct record_entry *kept;

    e->len = len;
    e->data = (uint8_t *)(uintptr_t)data; /* copied */
    kept = record_log_add(&r->log, e);
    if (!kept) {
        fputs("calque: out of memory: the recording ends before this\n", stderr);
        record_writer_close(&r->writer, false);
        return;
    }
    record_writer_add(&r->writer, kept);
    if (!r->keeps)
        record_log_forget(&r->log, record_log_end(&r->log));
}

void record_input(struct machine *m, unsigned source, const uint8_t *data, size_t len)
{
    struct record_entry e = here(m, RECORD_INPUT);

    e.source = (uint16_t)source;
    append(m->record, &e, data, (uint32_t)len);
}

/* What the disk said: from the log. */
static void replay_disk(struct record *r, unsigned source, uint8_t *data, uint64_t len, int *error)
{
    const struct record_entry *e;

    while ((e = record_log_get(&r->log, r->next_disk)) && e->kind != RECORD_DISK)
        r->next_disk++;
    *error = 0;
    if (e && e->source == source && e->insns == machine_retired(r->m) &&
        e->len == (e->error ? 0 : len)) {
        *error = (int)e->error;
        if (e->len)
            memcpy(data, e->data, e->len);
        r->next_disk++;
        return;
    }
    if (len)
        memset(data, 0, len);
    *error = EIO;
    diverge(r, "a disk access ends that was not recorded here");
}

void record_disk(struct machine *m, unsigned source, bool read, uint8_t *data, uint64_t len,
                 int *error)
{
    struct record *r = m->record;
    struct record_entry e;

    len = read ? len : 0;
    if (r->restoring || m->run.state == RUN_ENDED)
        return;
    if (!r->live) {
        replay_disk(r, source, data, len, error);
        return;
    }
    e = here(m, RECORD_DISK);
    e.source = (uint16_t)source;
    e.error = (uint32_t)*error;
    append(r, &e, data, *error ? 0 : (uint32_t)len);
}

/* ---- checks and checkpoints ---- */

/* u64 digest of memory, the state. */
static bool look(struct machine *m, struct state_stream *s)
{
    struct machine_digest d = machine_digest(m);
    uint8_t memory[8];

    st_le64(memory, d.memory);
    m->clock.stopped_at = vm_clock_now(&m->clock); /* when it paused last is nobody's business */
    if (log_on(&m->log, LOG_DIGEST))
        log_line(&m->log, LOG_DIGEST, "digest at %llu: cpus %016llx devices %016llx memory %016llx",
                 (unsigned long long)machine_retired(m), (unsigned long long)d.cpus,
                 (unsigned long long)d.devices, (unsigned long long)d.memory);
    return state_put(s, memory, sizeof(memory)) && machine_save(m, s);
}

/* The past that is longer ago than was asked for goes, and the details of what stays. */
static void thin(struct record *r)
{
    struct checkpoints *cs = r->cs;
    struct checkpoint *c = cs->newest;
    uint64_t log = r->of_file ? 0 : r->log.bytes;

    while (c->older && (r->history == UINT64_MAX || c->ns + r->history > cs->newest->ns))
        c = c->older;
    checkpoint_forget_older(cs, c);
    checkpoints_thin(cs, log < MEMORY_MAX / 2 ? MEMORY_MAX - log : MEMORY_MAX / 2, CHECKPOINT_MAX);
    while (!r->of_file && r->log.bytes > MEMORY_MAX && cs->count > 2) {
        checkpoint_forget_older(cs, cs->oldest->newer);
        record_log_forget(&r->log, cs->oldest->cursor[1]);
    }
    if (!r->of_file)
        record_log_forget(&r->log, cs->oldest->cursor[1] < cs->oldest->cursor[0]
                                       ? cs->oldest->cursor[1]
                                       : cs->oldest->cursor[0]);
}

static void take_checkpoint(struct record *r)
{
    struct checkpoint *c = r->cs ? checkpoint_take(r->cs) : NULL;

    if (!c)
        return;
    c->cursor[0] = r->live ? record_log_end(&r->log) : r->next;
    c->cursor[1] = r->live ? record_log_end(&r->log) : r->next_disk;
    thin(r);
}

/* Before a check: what look() has digested. */
static void append_pages(struct record *r)
{
    struct record_entry e = here(r->m, RECORD_PAGES);
    struct state_stream s = {0};
    bool incomplete;

    if (record_pages_list(&r->pages, &r->m->digest, &s, &incomplete)) {
        e.error = incomplete;
        append(r, &e, s.data, (uint32_t)s.len);
    }
    state_stream_free(&s);
}

static void check(struct record *r)
{
    struct record_entry e = here(r->m, RECORD_CHECK);
    struct state_stream s = {0};

    r->next_check = e.insns + r->every;
    if (!look(r->m, &s)) {
        state_stream_free(&s);
        return; /* no memory; nothing has happened but the end of some disk accesses */
    }
    append_pages(r);
    append(r, &e, s.data, (uint32_t)s.len);
    record_writer_flush(&r->writer);
    state_stream_free(&s);
    take_checkpoint(r);
}

/* Of memory that is not what it was: the first page, if the log tells. number: the check's. */
static void name_page(struct record *r, uint64_t number, char *text, size_t size)
{
    struct machine *m = r->m;
    uint64_t page =
        number ? record_pages_difference(&r->pages, &m->digest, &r->log, number - 1, r->of_file)
               : UINT64_MAX;
    uint64_t addr;
    const struct region *region;

    if (page == UINT64_MAX) {
        snprintf(text, size, "memory differs");
        return;
    }
    region = address_space_showing(&m->mem, page << VM_PAGE_SHIFT, &addr);
    if (region)
        snprintf(text, size, "memory differs, first in the page at 0x%llx (%s)",
                 (unsigned long long)addr, region->name);
    else
        snprintf(text, size, "memory differs, in a page that is not mapped now (%llu KiB of %llu)",
                 (unsigned long long)page << (VM_PAGE_SHIFT - 10),
                 (unsigned long long)m->arena.size >> 10);
}

/* number: of e. */
static void compare(struct record *r, const struct record_entry *e, uint64_t number)
{
    struct state_stream s = {0}, was = {.data = (uint8_t *)(uintptr_t)e->data + 8,
                                        .len = e->len > 8 ? e->len - 8 : 0};
    struct error text = {""};
    char memory[160] = "";

    if (!look(r->m, &s)) {
        state_stream_free(&s);
        return;
    }
    struct state_stream now = {.data = s.data + 8, .len = s.len - 8};
    bool differs = e->len < 8 || machine_state_differs(r->m, &was, &now, &text);

    if (e->len >= 8 && memcmp(e->data, s.data, 8) != 0)
        name_page(r, number, memory, sizeof(memory));
    if (differs || memory[0])
        diverge(r, "this is not what was recorded: %s%s%s", text.text,
                differs && memory[0] ? "; " : "", memory);
    state_stream_free(&s);
}

static void replay_check(struct record *r, const struct record_entry *e)
{
    if (e->error == NO_MORE) {
        devices_pre_save(r->m);
        return;
    }
    compare(r, e, r->next - 1);
    take_checkpoint(r);
}

/* ---- turns ---- */

static bool replay_input(struct record *r, const struct record_entry *e)
{
    struct input_source *s = r->m->sources;

    while (s && s->id != e->source)
        s = s->next;
    if (!s || e->len > INPUT_EVENT_MAX) {
        diverge(r, "an event of the recording is for nobody");
        return false;
    }
    s->deliver(s->opaque, e->data, e->len);
    return true;
}

static bool replay_event(struct record *r, const struct record_entry *e)
{
    if (e->kind == RECORD_END)
        return end_of_log(r);
    r->next++; /* first: a checkpoint remembers what comes after it */
    if (e->kind == RECORD_CHECK)
        replay_check(r, e);
    else if (!replay_input(r, e))
        return false;
    return !r->stuck;
}

static bool replay_turn(struct record *r)
{
    struct record_entry *e;

    input_discard(r->m);
    if (r->stuck) {
        stop(r, STOP_DIFFERENCE);
        return false;
    }
    while (!r->live && (e = next_event(r)) && is_here(r->m, e))
        if (!replay_event(r, e))
            return false;
    if (r->live)
        return true;
    if (!e)
        return end_of_log(r);
    if (!is_past(r->m, e))
        return true;
    diverge(r, "the event of instruction %llu, at %llu ns, should have been before",
            (unsigned long long)e->insns, (unsigned long long)e->ns);
    return false;
}

bool record_turn(struct machine *m)
{
    struct record *r = m->record;

    if (!r->live)
        return replay_turn(r);
    if (!m->run.clean)
        return true;
    if (machine_retired(m) >= r->next_check)
        check(r);
    input_deliver(m);
    return true;
}

uint64_t record_limit(const struct machine *m, uint64_t budget)
{
    struct record *r = m->record;
    const struct record_entry *e = r->live ? NULL : next_event(r);
    uint64_t now = machine_retired(m);

    if (e && e->insns > now && e->insns - now < budget)
        budget = e->insns - now;
    if (r->furthest > now && r->furthest - now < budget)
        budget = r->furthest - now;
    return budget;
}

bool record_is_due(const struct machine *m)
{
    struct record *r = m->record;
    const struct record_entry *e = r->live ? NULL : next_event(r);

    return e && is_here(m, e);
}

bool record_is_stuck(struct machine *m, bool halted)
{
    struct record *r = m->record;
    const struct record_entry *e = r->live ? NULL : next_event(r);

    if (!e || (!halted && e->insns != machine_retired(m)))
        return false;
    diverge(r, "the next event is due after instruction %llu, at %llu ns, which is not to come",
            (unsigned long long)e->insns, (unsigned long long)e->ns);
    return true;
}

uint64_t record_wake_time(const struct machine *m, uint64_t deadline)
{
    struct record *r = m->record;
    const struct record_entry *e = r->live ? NULL : next_event(r);

    return e && e->insns == machine_retired(m) && e->ns < deadline ? e->ns : deadline;
}

bool record_keeps_end(const struct machine *m)
{
    const struct record *r = m->record;

    return r && r->of_file && r->cs && !r->stuck && m->run.triple_fault_pauses;
}

void record_machine_ended(struct machine *m)
{
    struct record *r = m->record;
    struct record_entry e = here(m, RECORD_END);

    if (!r->live || r->ended)
        return;
    append(r, &e, NULL, 0);
    record_writer_close(&r->writer, true);
    r->ended = true;
}

/* ---- questions ---- */

bool record_replays(const struct machine *m)
{
    return m->record && !m->record->live;
}

bool record_is_silent(const struct machine *m)
{
    return m->record && !m->record->live && machine_retired(m) < m->record->furthest;
}

bool record_allows_change(const struct machine *m, const char *what, struct error *err)
{
    return !m->record || error_set(err, "%s: not while the machine is recorded or replayed", what);
}

/* ---- begin and end ---- */

static bool list_sources(struct record_header *h, const struct machine *m, struct error *err)
{
    h->sources.text = calloc(m->nsources ? m->nsources : 1, sizeof(char *));
    for (const struct input_source *s = m->sources; h->sources.text && s; s = s->next) {
        h->sources.text[h->sources.n] = strdup(s->name);
        if (!h->sources.text[h->sources.n++])
            break;
    }
    return h->sources.n == m->nsources || error_set(err, "out of memory");
}

/* What the machine is; args and drives are there. */
static bool describe(struct record_header *h, struct machine *m, struct error *err)
{
    if (!list_sources(h, m, err))
        return false;
    h->ram_size = m->ram_size;
    h->wall_base = m->wall_base;
    h->ncpus = m->ncpus;
    h->icount_shift = m->clock.icount_shift;
    h->memory = machine_digest(m).memory;
    m->clock.stopped_at = vm_clock_now(&m->clock);
    return machine_save(m, &h->state) || error_set(err, "out of memory");
}

static bool is_zero_page(const uint8_t *p)
{
    return !p[0] && !memcmp(p, p + 1, VM_PAGE_SIZE - 1);
}

/* ROM and flash, which a replay has no files for. */
static void append_memory(struct record *r)
{
    struct machine *m = r->m;
    uint8_t data[8 + VM_PAGE_SIZE];

    for (uint64_t at = (m->ram_size + VM_PAGE_SIZE - 1) & ~(uint64_t)(VM_PAGE_SIZE - 1);
         at < m->arena.size; at += VM_PAGE_SIZE) {
        struct record_entry e = here(m, RECORD_MEMORY);

        if (is_zero_page(m->arena.host + at))
            continue;
        st_le64(data, at);
        memcpy(data + 8, m->arena.host + at, VM_PAGE_SIZE);
        append(r, &e, data, sizeof(data));
    }
}

static struct record *new_record(struct machine *m, uint64_t history, struct error *err)
{
    struct record *r = calloc(1, sizeof(*r));

    if (!r) {
        error_write(err, "out of memory");
        return NULL;
    }
    *r = (struct record){
        .m = m, .writer = {.fd = -1}, .every = CHECK_EVERY, .history = history, .keeps = history};
    m->record = r;
    if (history && !(r->cs = checkpoints_new(m))) {
        error_write(err, "out of memory");
        record_end(m);
        return NULL;
    }
    return r;
}

bool record_begin(struct machine *m, const struct record_setup *setup, struct error *err)
{
    struct record *r;

    if (m->clock.mode != VM_CLOCK_ICOUNT || m->clock.icount_auto)
        return error_set(err, "only a machine that counts instructions can be recorded: "
                              "-icount shift=N");
    r = new_record(m, setup->history, err);
    if (!r)
        return false;
    r->live = true;
    r->every = setup->check_every ? setup->check_every : CHECK_EVERY;
    r->next_check = machine_retired(m) + r->every;
    if (!record_header_copy(&r->log.header, setup->header) || !describe(&r->log.header, m, err) ||
        (setup->path && !record_writer_open(&r->writer, setup->path, &r->log.header, err))) {
        record_end(m);
        return false;
    }
    if (!record_pages_begin(&r->pages, &m->digest)) {
        record_end(m);
        return error_set(err, "out of memory");
    }
    if (setup->path)
        append_memory(r);
    take_checkpoint(r);
    return true;
}

static bool load_memory(struct machine *m, const struct record_log *l, struct error *err)
{
    for (size_t i = 0; i < l->n && l->entries[i]->kind == RECORD_MEMORY; i++) {
        const struct record_entry *e = l->entries[i];
        uint64_t at = e->len == 8 + VM_PAGE_SIZE ? ld_le64(e->data) : 0;

        if (at < m->ram_size || at % VM_PAGE_SIZE || at >= m->arena.size)
            return error_set(err, "it is of another machine: ROM");
        memcpy(m->arena.host + at, e->data + 8, VM_PAGE_SIZE);
        arena_store_notify(&m->arena, at, VM_PAGE_SIZE);
    }
    return true;
}

static bool same_sources(const struct machine *m, const struct record_header *h, struct error *err)
{
    unsigned n = 0;

    for (const struct input_source *s = m->sources; s; s = s->next, n++)
        if (n >= h->sources.n || strcmp(s->name, h->sources.text[n]) != 0)
            return error_set(err, "it is of another machine: %s is not in it", s->name);
    return n == h->sources.n ||
           error_set(err, "it is of another machine, with %s", h->sources.text[n]);
}

/* Whether the machine is the one that was recorded. */
static bool same_machine(struct machine *m, const struct record_log *l, struct error *err)
{
    const struct record_header *h = &l->header;
    struct record_header now = {0};
    struct error text = {""};
    bool ok;

    if (h->ram_size != m->ram_size)
        return error_set(err, "it is of another machine: -m %lluM",
                         (unsigned long long)(h->ram_size >> 20));
    if (h->ncpus != m->ncpus)
        return error_set(err, "it is of another machine: -smp %u", (unsigned)h->ncpus);
    if (h->icount_shift != m->clock.icount_shift)
        return error_set(err, "it is of another machine: -icount shift=%u",
                         (unsigned)h->icount_shift);
    if (!same_sources(m, h, err) || !load_memory(m, l, err))
        return false;
    ok = describe(&now, m, err);
    if (ok && machine_state_differs(m, &h->state, &now.state, &text))
        ok = error_set(err, "it is of another machine: %s", text.text);
    else if (ok && now.memory != h->memory)
        ok = error_set(err, "it is of another machine: other memory at the beginning (another "
                            "kernel, initial RAM disk or firmware?)");
    record_header_free(&now);
    return ok;
}

/* A log without a proper end: it ends with its last event. */
static bool mend_end(struct record_log *l)
{
    struct record_entry end = {.kind = RECORD_END};

    if (l->n && l->entries[l->n - 1]->kind == RECORD_END)
        return true;
    if (!l->truncated)
        snprintf(l->problem, sizeof(l->problem), "its end is missing");
    l->truncated = true;
    for (size_t i = 0; i < l->n; i++) {
        if (l->entries[i]->kind == RECORD_DISK)
            continue; /* made between two slices, nobody knows which */
        end = *l->entries[i];
        end.kind = RECORD_END;
        end.len = 0;
    }
    return record_log_add(l, &end) != NULL;
}

bool record_replay(struct machine *m, struct record_log *log, uint64_t history, struct error *err)
{
    struct record *r;

    if (m->clock.mode != VM_CLOCK_ICOUNT || m->clock.icount_auto) {
        record_log_free(log);
        return error_set(err, "a replay counts instructions: -icount shift=N");
    }
    r = new_record(m, history, err);
    if (!r) {
        record_log_free(log);
        return false;
    }
    r->of_file = r->keeps = true;
    r->log = *log;
    *log = (struct record_log){0};
    r->restoring = true; /* what is read for a look does not come from the log */
    if (!same_machine(m, &r->log, err) ||
        (!(mend_end(&r->log) && record_pages_begin(&r->pages, &m->digest)) &&
         !error_set(err, "out of memory"))) {
        record_end(m);
        return false;
    }
    r->restoring = false;
    if (r->log.truncated)
        fprintf(stderr, "calque: replay: %s; what is whole is replayed, up to instruction %llu\n",
                r->log.problem, (unsigned long long)r->log.entries[r->log.n - 1]->insns);
    take_checkpoint(r);
    return true;
}

void record_end(struct machine *m)
{
    struct record *r = m->record;

    if (!r)
        return;
    record_machine_ended(m);
    record_writer_close(&r->writer, false);
    checkpoints_free(r->cs);
    record_pages_end(&r->pages);
    record_log_free(&r->log);
    free(r);
    m->record = NULL;
}

/* ---- time travel ---- */

struct checkpoints *record_checkpoints(struct machine *m)
{
    return m->record ? m->record->cs : NULL;
}

bool record_span(struct machine *m, struct record_span *span)
{
    struct record *r = m->record;
    const struct record_entry *e;

    if (!r || !r->cs || !r->cs->oldest)
        return false;
    *span = (struct record_span){
        .first = {r->cs->oldest->insns, r->cs->oldest->ns},
        .now = {machine_retired(m), vm_clock_now(&m->clock)},
        .of_file = r->of_file,
        .checkpoints = r->cs->count,
        .bytes = r->cs->bytes + r->log.bytes,
    };
    span->last = span->now;
    if (!r->live && (e = record_log_get(&r->log, record_log_end(&r->log) - 1)))
        span->last = (struct record_place){e->insns, e->ns};
    return true;
}

bool record_name_event(struct machine *m, uint64_t low, uint64_t high, const uint8_t *bytes,
                       size_t len, char *text, size_t size)
{
    const struct record_log *l = &m->record->log;
    const struct record_entry *e, *found = NULL;
    bool sure = false;

    for (uint64_t n = l->base; (e = record_log_get(l, n)) && e->insns <= high; n++) {
        if (e->insns < low || (e->kind != RECORD_DISK && e->kind != RECORD_INPUT))
            continue;
        bool has = memmem(e->data, e->len, bytes, len) != NULL;

        if (has || !sure)
            found = e;
        sure |= has;
    }
    for (const struct input_source *s = m->sources; found && s; s = s->next) {
        if (s->id != found->source)
            continue;
        snprintf(text, size, "%s, %s", s->name,
                 found->kind == RECORD_DISK ? "whose access ended" : "to which something came");
        return true;
    }
    return false;
}

/* A live machine's log gets an end, to which the replay of its past will come. */
static void leave_live(struct record *r)
{
    struct record_entry e = here(r->m, RECORD_CHECK);

    e.error = NO_MORE;
    append(r, &e, NULL, 0);
    devices_pre_save(r->m);
    e = here(r->m, RECORD_END);
    record_log_add(&r->log, &e);
    r->live = false;
}

bool record_travel(struct machine *m, struct checkpoint *c, struct error *err)
{
    struct record *r = m->record;
    uint64_t now = machine_retired(m);
    bool ok;

    if (r->live)
        leave_live(r);
    r->furthest = now > r->furthest ? now : r->furthest;
    r->restoring = true;
    ok = checkpoint_restore(r->cs, c, err);
    r->restoring = false;
    r->stuck = r->ended = false;
    r->next = c->cursor[0];
    r->next_disk = c->cursor[1];
    m->run.reset_wanted = false;
    m->run.shut_down = NULL;
    return ok;
}
