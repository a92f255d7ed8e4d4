/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: a queue filled from any thread and emptied under the machine lock.
 *
 * input_push() cannot take the machine lock (its caller may hold it), so its wake-up of a halted
 * CPU may come just before the CPU thread starts to wait. The notified main loop closes that gap:
 * machine_poll() wakes the CPU thread again, under the lock. */
#include "vm/input.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "vm/machine.h"
#include "vm/record.h"

void input_register(struct machine *m, struct input_source *src, const char *name,
                    input_fn *deliver, void *opaque)
{
    struct input_source **tail = &m->sources;

    while (*tail)
        tail = &(*tail)->next;
    *src = (struct input_source){
        .name = name, .deliver = deliver, .opaque = opaque, .id = m->nsources++};
    *tail = src;
}

bool input_push(struct machine *m, struct input_source *src, const void *data, size_t len)
{
    struct input_event *e;

    if (len > INPUT_EVENT_MAX)
        return false;
    e = malloc(sizeof(*e) + len);
    if (!e)
        return false;
    e->source = src;
    e->next = NULL;
    e->len = (uint32_t)len;
    if (len)
        memcpy(e->data, data, len);
    pthread_mutex_lock(&m->input_lock);
    *m->input_tail = e;
    m->input_tail = &e->next;
    atomic_store(&m->input_waiting, true);
    pthread_mutex_unlock(&m->input_lock);
    machine_kick(m);
    if (m->run.notify)
        m->run.notify(m->run.notify_opaque);
    return true;
}

/* Takes the whole queue; what is pushed meanwhile waits for the next delivery. */
static struct input_event *take_queue(struct machine *m)
{
    struct input_event *e;

    pthread_mutex_lock(&m->input_lock);
    e = m->input_head;
    m->input_head = NULL;
    m->input_tail = &m->input_head;
    atomic_store(&m->input_waiting, false);
    pthread_mutex_unlock(&m->input_lock);
    return e;
}

void input_deliver(struct machine *m)
{
    struct input_event *e, *next;

    if (!input_pending(m))
        return;
    for (e = take_queue(m); e; e = next) {
        next = e->next;
        if (m->record)
            record_input(m, e->source->id, e->data, e->len);
        e->source->deliver(e->source->opaque, e->data, e->len);
        free(e);
    }
}

void input_discard(struct machine *m)
{
    struct input_event *e, *next;

    for (e = input_pending(m) ? take_queue(m) : NULL; e; e = next) {
        next = e->next;
        free(e);
    }
}

bool input_pending(const struct machine *m)
{
    return atomic_load(&m->input_waiting);
}

uint64_t input_wall_clock(struct machine *m)
{
    struct timespec ts;

    if (m->clock.mode == VM_CLOCK_ICOUNT)
        return m->wall_base + vm_clock_now(&m->clock);
    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* xorshift64* (Marsaglia, Vigna): no secret, but the same in every run. */
static uint8_t repeatable_byte(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint8_t)(*state * 0x2545f4914f6cdd1dull >> 56);
}

void input_random(struct machine *m, void *buf, size_t len)
{
    uint8_t *p = buf;

    if (m->clock.mode == VM_CLOCK_ICOUNT) {
        while (len--)
            *p++ = repeatable_byte(&m->random_state);
        return;
    }
    while (len) {
        /* Up to 256 bytes are never cut short once the generator is seeded. */
        ssize_t n = getrandom(p, len < 256 ? len : 256, 0);

        if (n <= 0)
            continue; /* interrupted by a signal */
        p += n;
        len -= (size_t)n;
    }
}
