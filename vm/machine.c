/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm/machine.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "vm/record.h"
#include "vm/vm_internal.h"

#define MEM_LAST    ((1ull << 52) - 1) /* SDM vol. 3A 4.1.4: physical addresses have 52 bits */
#define IO_LAST     0xffff
#define ARENA_SPARE (1u << 20) /* each ROM and video memory is rounded up to pages */

static void cpus_map_changed(void *opaque)
{
    struct machine *m = opaque;

    for (unsigned i = 0; i < m->ncpus; i++)
        if (m->cpus[i]->ops->map_changed)
            m->cpus[i]->ops->map_changed(m->cpus[i]);
}

static void cpus_ports_changed(void *opaque)
{
    struct machine *m = opaque;

    for (unsigned i = 0; i < m->ncpus; i++)
        if (m->cpus[i]->ops->ports_changed)
            m->cpus[i]->ops->ports_changed(m->cpus[i]);
}

static void reset_wanted(void *opaque, const uint8_t *data, size_t len)
{
    struct machine *m = opaque;

    (void)data;
    (void)len;
    m->run.reset_wanted = true;
}

static void init_lists(struct machine *m)
{
    m->devices_tail = &m->devices;
    m->input_tail = &m->input_head;
    atomic_init(&m->input_waiting, false);
    input_register(m, &m->reset_source, "reset", reset_wanted, m);
}

static void init_maps(struct machine *m)
{
    address_space_init(&m->mem, "memory", MEM_LAST, &m->arena, &m->log);
    address_space_init(&m->io, "io", IO_LAST, &m->arena, &m->log);
    m->mem_listener.changed = cpus_map_changed;
    m->mem_listener.opaque = m;
    address_space_listen(&m->mem, &m->mem_listener);
    m->io_listener.changed = cpus_ports_changed;
    m->io_listener.opaque = m;
    address_space_listen(&m->io, &m->io_listener);
}

static void exclusive_section(void *opaque, bool begin)
{
    if (begin)
        machine_exclusive_begin(opaque);
    else
        machine_exclusive_end(opaque);
}

bool machine_init(struct machine *m, uint64_t ram_size, uint64_t extra, struct error *err)
{
    struct timespec ts;

    memset(m, 0, sizeof(*m));
    m->arena.fd = -1;
    atomic_init(&m->kept.fd, -1);
    if (ram_size > UINT64_MAX / 4 || extra > UINT64_MAX / 4)
        return error_set(err, "guest memory: %llu bytes is more than can be mapped",
                         (unsigned long long)ram_size);
    if (!arena_init(&m->arena, ram_size + extra + ARENA_SPARE, err))
        return false;
    log_init(&m->log);
    m->ram_size = ram_size;
    arena_alloc(&m->arena, ram_size);
    m->arena.exclusive = exclusive_section;
    m->arena.exclusive_opaque = m;
    pthread_mutex_init(&m->lock, NULL);
    pthread_mutex_init(&m->input_lock, NULL);
    init_lists(m);
    init_maps(m);
    vm_clock_init(&m->clock);
    exclusive_init(&m->exclusive);
    run_init(m);
    clock_gettime(CLOCK_REALTIME, &ts);
    m->wall_base = (uint64_t)ts.tv_sec * NS_PER_SEC;
    m->random_state = 0x9e3779b97f4a7c15ull;
    return true;
}

void machine_take_kicks(struct machine *m)
{
    machine_lock(m);
    if (m->kept.kick)
        m->kept.kick(m->kept.opaque);
    machine_unlock(m);
}

static void free_input(struct machine *m)
{
    struct input_event *e = m->input_head, *next;

    for (; e; e = next) {
        next = e->next;
        free(e);
    }
}

void machine_destroy(struct machine *m)
{
    run_destroy(m); /* ends the CPU thread: nothing runs from here on */
    record_end(m);
    for (unsigned i = 0; i < m->ncpus; i++)
        if (m->cpus[i]->ops->destroy)
            m->cpus[i]->ops->destroy(m->cpus[i]);
    free(m->cpus);
    free_input(m);
    digest_tree_free(&m->digest);
    vm_clock_destroy(&m->clock);
    address_space_destroy(&m->mem);
    address_space_destroy(&m->io);
    arena_destroy(&m->arena);
    exclusive_destroy(&m->exclusive);
    pthread_mutex_destroy(&m->input_lock);
    pthread_mutex_destroy(&m->lock);
    log_close(&m->log);
}

bool machine_add_cpu(struct machine *m, struct vcpu *v)
{
    struct vcpu **cpus = realloc(m->cpus, (m->ncpus + 1) * sizeof(struct vcpu *));

    if (!cpus)
        return false;
    v->m = m;
    v->index = m->ncpus;
    m->cpus = cpus;
    m->cpus[m->ncpus++] = v;
    return true;
}

uint64_t machine_retired(const struct machine *m)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < m->ncpus; i++)
        n += vcpu_retired(m->cpus[i]);
    return n;
}

static uint64_t retired_of(void *opaque)
{
    return machine_retired(opaque);
}

/* 2000-01-01 00:00:00 UTC: a run that repeats to the bit cannot begin today. */
#define REPEATABLE_WALL_BASE (946684800 * NS_PER_SEC)

void machine_seed(struct machine *m, uint64_t seed)
{
    /* Each bit of the seed shall change all of the state: digest_bytes() mixes. */
    m->random_state = digest_bytes(&seed, sizeof(seed), 1) | 1;
    m->run.turn_random = digest_bytes(&seed, sizeof(seed), 2) | 1;
}

void machine_use_icount(struct machine *m, unsigned shift, bool adapt)
{
    if (!adapt)
        m->wall_base = REPEATABLE_WALL_BASE;
    vm_clock_use_icount(&m->clock, shift, adapt, retired_of, m);
}

/* ---- saving ---- */

/* Time and turns; the offsets reach into members. */
static const struct state_field machine_fields[] = {
    STATE_U64(struct machine, clock.stopped_at),
    STATE_U64(struct machine, clock.skipped),
    STATE_U32_MAX(struct machine, clock.icount_shift, 31),
    STATE_FIELD_(STATE_U64, struct machine, clock.next_seq, 1, UINT64_MAX / 2),
    STATE_U32(struct machine, run.next_cpu),
    STATE_U64(struct machine, run.quantum_left),
    STATE_U64(struct machine, run.turn_random),
    STATE_U64(struct machine, clock.fired),
    STATE_U64(struct machine, wall_base),
    STATE_U64(struct machine, random_state),
    STATE_FIELDS_END,
};

static const struct state_field vcpu_fields[] = {
    STATE_U64(struct vcpu, retired_base),
    STATE_BOOL(struct vcpu, halted),
    STATE_FIELDS_END,
};

static bool save_cpu(struct state_stream *s, struct vcpu *v)
{
    vcpu_begin_slice(v, 0); /* retired_base is now all there is to say */
    if (v->ops->pre_save)
        v->ops->pre_save(v);
    return state_put_u32(s, v->ops->fields_version) && state_save_fields(s, vcpu_fields, v) &&
           state_save_fields(s, v->ops->fields, v);
}

bool machine_save(struct machine *m, struct state_stream *s)
{
    bool ok;

    devices_pre_save(m);
    ok = state_save_fields(s, machine_fields, m) && state_put_u32(s, m->ncpus);
    for (unsigned i = 0; ok && i < m->ncpus; i++)
        ok = save_cpu(s, m->cpus[i]);
    return ok && devices_save(m, s);
}

static bool load_cpu(struct state_stream *s, struct vcpu *v, struct error *err)
{
    uint32_t version;

    if (!state_get_u32(s, &version) || version != v->ops->fields_version)
        return error_set(err, "cpu%u: the state is not of version %u", v->index,
                         v->ops->fields_version);
    if (!state_load_fields(s, vcpu_fields, v, err) || !state_load_fields(s, v->ops->fields, v, err))
        return error_prefix(err, "cpu%u", v->index);
    v->slice = 0;
    v->budget = 0;
    return true;
}

bool machine_load(struct machine *m, struct state_stream *s, struct error *err)
{
    uint32_t ncpus;

    if (!state_load_fields(s, machine_fields, m, err))
        return false;
    if (!m->random_state)
        m->random_state = 1; /* the one value the generator cannot leave */
    if (!state_get_u32(s, &ncpus) || ncpus != m->ncpus)
        return error_set(err, "the state is not of a machine with %u CPUs", m->ncpus);
    for (unsigned i = 0; i < m->ncpus; i++)
        if (!load_cpu(s, m->cpus[i], err))
            return false;
    if (!devices_load(m, s, err))
        return false;
    for (unsigned i = 0; i < m->ncpus; i++)
        if (m->cpus[i]->ops->post_load && !m->cpus[i]->ops->post_load(m->cpus[i], err))
            return error_prefix(err, "cpu%u", i);
    return true;
}

static bool cpus_differ(struct machine *m, struct state_stream *a, struct state_stream *b,
                        struct error *text)
{
    uint32_t x, y;

    if (!state_get_u32(a, &x) || !state_get_u32(b, &y) || x != y)
        return !error_set(text, "the number of CPUs");
    for (unsigned i = 0; i < m->ncpus; i++) {
        if (!state_get_u32(a, &x) || !state_get_u32(b, &y) || x != y)
            return !error_set(text, "cpu%u: the version of its state", i);
        if (state_difference(a, b, vcpu_fields, text) ||
            state_difference(a, b, m->cpus[i]->ops->fields, text)) {
            error_prefix(text, "cpu%u", i);
            return true;
        }
    }
    return false;
}

bool machine_state_differs(struct machine *m, const struct state_stream *a,
                           const struct state_stream *b, struct error *text)
{
    struct state_stream x = *a, y = *b;

    x.pos = y.pos = 0;
    if (x.len == y.len && !memcmp(x.data, y.data, x.len))
        return false;
    return state_difference(&x, &y, machine_fields, text) || cpus_differ(m, &x, &y, text) ||
           devices_difference(m, &x, &y, text) || !error_set(text, "its length");
}
