/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_VM_INTERNAL_H
#define CALQUE_VM_VM_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the files of vm/ need of each other and nobody else needs. */

struct error;
struct machine;
struct state_field;
struct state_stream;
struct vm_timer;

/* A loaded timer: its deadline (VM_TIME_NEVER: not armed) and its place among equal deadlines. */
void vm_timer_restore(struct vm_timer *t, uint64_t deadline, uint64_t seq);

void run_init(struct machine *m);
void run_destroy(struct machine *m);

bool state_put(struct state_stream *s, const void *data, size_t len);
bool state_get(struct state_stream *s, void *data, size_t len);
bool state_put_u32(struct state_stream *s, uint32_t v);
bool state_get_u32(struct state_stream *s, uint32_t *v);
/* As state_load_fields(), but only checks the stream and moves past it. */
bool state_check_fields(struct state_stream *s, const struct state_field *f, struct error *err);
/* Moves past the fields in two streams. True: they differ, and *text says where first. */
bool state_difference(struct state_stream *a, struct state_stream *b, const struct state_field *f,
                      struct error *text);
bool devices_difference(struct machine *m, struct state_stream *a, struct state_stream *b,
                        struct error *text);

#endif
