/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"

void fuzz_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
    abort();
}

/* ---- the input ---- */

uint8_t fuzz_u8(struct fuzz_input *in)
{
    if (!in->left)
        return 0;
    in->left--;
    return *in->data++;
}

uint16_t fuzz_u16(struct fuzz_input *in)
{
    uint16_t low = fuzz_u8(in);

    return (uint16_t)(low | fuzz_u8(in) << 8);
}

uint32_t fuzz_u32(struct fuzz_input *in)
{
    uint32_t low = fuzz_u16(in);

    return low | (uint32_t)fuzz_u16(in) << 16;
}

uint64_t fuzz_u64(struct fuzz_input *in)
{
    uint64_t low = fuzz_u32(in);

    return low | (uint64_t)fuzz_u32(in) << 32;
}

uint64_t fuzz_number(struct fuzz_input *in)
{
    uint8_t how = fuzz_u8(in);

    switch (how >> 6) {
    case 0: /* one byte, somewhere */
        return (uint64_t)fuzz_u8(in) << (how & 7) * 8;
    case 1: /* a power of two, less 0 to 3 */
        return (1ull << (how & 63)) - (fuzz_u8(in) & 3);
    case 2:
        return how & 1 ? fuzz_u16(in) : fuzz_u32(in);
    default:
        return fuzz_u64(in);
    }
}

uint8_t *fuzz_bytes(struct fuzz_input *in, size_t max, size_t *size)
{
    size_t n = fuzz_u16(in);
    uint8_t *bytes;

    n = n < max ? n : max;
    n = n < in->left ? n : in->left;
    bytes = malloc(n ? n : 1);
    fuzz_check(bytes);
    memcpy(bytes, in->data, n);
    in->data += n;
    in->left -= n;
    *size = n;
    return bytes;
}

char *fuzz_string(struct fuzz_input *in, size_t max)
{
    size_t n = 0;
    char *text;

    while (n < in->left && n < max && in->data[n])
        n++;
    text = malloc(n + 1);
    fuzz_check(text);
    memcpy(text, in->data, n);
    text[n] = 0;
    n += n < in->left; /* its end */
    in->data += n;
    in->left -= n;
    return text;
}

/* ---- traffic ---- */

static void access_window(const struct fuzz_traffic *t, struct fuzz_input *in, bool write)
{
    uint8_t how = fuzz_u8(in);
    const struct fuzz_window *w = &t->windows[t->nwindows ? (how >> 2) % t->nwindows : 0];
    struct address_space *as = w->io ? &t->m->io : &t->m->mem;
    unsigned size = 1u << (how & 3);
    uint64_t at = w->base + (w->size <= 256 ? fuzz_u8(in) : fuzz_u32(in)) % w->size;

    if (w->io && size == 8) /* there is no such instruction */
        size = 1;
    if (write)
        address_space_write(as, at, size == 1 ? fuzz_u8(in) : fuzz_number(in), size);
    else
        address_space_read(as, at, size);
}

uint64_t fuzz_state_digest(struct machine *m)
{
    struct state_stream s = {0};
    uint64_t digest = 0;

    fuzz_check(machine_save(m, &s)); /* brings everything into the fields */
    state_stream_free(&s);
    for (unsigned n = 0; n < m->ncpus; n++)
        digest = state_digest_fields(m->cpus[n]->ops->fields, m->cpus[n], digest);
    for (struct device *d = m->devices; d; d = d->next)
        digest = state_digest_fields(d->class->fields, d, digest);
    return digest;
}

void fuzz_round_trip(struct machine *m)
{
    struct state_stream s = {0};
    struct error err = {""};
    uint64_t before = fuzz_state_digest(m);

    fuzz_check(machine_save(m, &s));
    if (!machine_load(m, &s, &err))
        fuzz_failed("machine_load", 0, err.text);
    fuzz_check(fuzz_state_digest(m) == before);
    state_stream_free(&s);
}

/* One action; its first byte says which. */
static void act(const struct fuzz_traffic *t, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    switch (what & 15) {
    case 0:
        /* 2^n ns and a part, up to half an hour */
        t->pass(t->opaque,
                (1ull << (what >> 4)) * (1 + (uint64_t)fuzz_u16(in)) * (what & 0x80 ? 26843 : 1));
        break;
    case 1:
        if (what >> 4 == 0)
            t->reset(t->opaque);
        else if (what >> 4 == 1)
            fuzz_round_trip(t->m);
        else
            t->pass(t->opaque, fuzz_u8(in));
        break;
    case 2:
    case 3:
    case 4:
        if (t->event)
            t->event(t->opaque, in);
        break;
    default:
        access_window(t, in, what & 1 || what & 8);
    }
}

void fuzz_traffic(const struct fuzz_traffic *t, struct fuzz_input *in)
{
    while (in->left)
        act(t, in);
    if (t->m->run.reset_wanted)
        t->reset(t->opaque);
    fuzz_round_trip(t->m);
}

/* ---- the rig ---- */

static uint64_t rig_retired(void *opaque)
{
    return ((struct rig *)opaque)->now;
}

static void rig_set(void *owner, unsigned n, bool level)
{
    ((struct rig *)owner)->level[n] = level;
}

struct irq_line rig_line(struct rig *r, unsigned n)
{
    return (struct irq_line){.set = rig_set, .owner = r, .n = n & 31};
}

static void rig_message(void *owner, uint64_t address, uint32_t data)
{
    (void)address;
    (void)data;
    ((struct rig *)owner)->messages++;
}

struct msi_sink rig_msi(struct rig *r)
{
    return (struct msi_sink){.send = rig_message, .owner = r};
}

#define PASS_DEADLINES 300

/* A machine may also find itself late, as one does that was suspended: then the rest of the time
 * passes at once, and the chip must catch up without living through every tick of it. */
void rig_pass(struct rig *r, uint64_t ns)
{
    uint64_t end = r->now + ns, deadline;

    for (unsigned i = 0; i < PASS_DEADLINES; i++) {
        deadline = vm_clock_deadline(&r->m.clock);
        if (deadline > end)
            break;
        if (deadline > r->now)
            r->now = deadline;
        vm_clock_run_timers(&r->m.clock);
    }
    r->now = end;
    vm_clock_run_timers(&r->m.clock);
}

static void pass(void *opaque, uint64_t ns)
{
    rig_pass(opaque, ns);
}

/* As run control does it; there is no processor to reset. */
static void reset(void *opaque)
{
    struct rig *r = opaque;

    r->m.run.reset_wanted = false;
    devices_reset(&r->m);
}

static void rig_init(struct rig *r, uint64_t extra)
{
    struct error err;

    *r = (struct rig){.now = 0};
    fuzz_check(machine_init(&r->m, RIG_RAM, extra, &err));
    vm_clock_use_icount(&r->m.clock, 0, false, rig_retired, r);
    r->m.wall_base = 0;
    machine_lock(&r->m);
    region_init_memory(&r->ram, "ram", RIG_RAM, 0, 0);
    region_add(&r->m.mem, &r->ram, 0, -2);
}

static void event(void *opaque, struct fuzz_input *in)
{
    struct rig *r = opaque;

    if (r->chip->event)
        r->chip->event(r, in);
}

void fuzz_chip(const struct fuzz_chip *chip, const uint8_t *data, size_t size)
{
    struct rig r;
    struct fuzz_input in = {data, size};
    struct fuzz_traffic t = {.m = &r.m,
                             .windows = chip->windows,
                             .pass = pass,
                             .event = event,
                             .reset = reset,
                             .opaque = &r};

    rig_init(&r, chip->extra);
    r.chip = chip;
    while (chip->windows[t.nwindows].size)
        t.nwindows++;
    chip->add(&r);
    fuzz_traffic(&t, &in);
    machine_unlock(&r.m);
    machine_destroy(&r.m);
    if (chip->remove)
        chip->remove(&r);
}

/* ---- files ---- */

void fuzz_file_open(struct fuzz_file *f, const void *data, size_t size)
{
    f->fd = memfd_create("fuzz", MFD_CLOEXEC);
    fuzz_check(f->fd >= 0);
    fuzz_check(write(f->fd, data, size) == (ssize_t)size);
    snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->fd);
}

void fuzz_file_close(struct fuzz_file *f)
{
    close(f->fd);
}
