/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_EXCLUSIVE_H
#define CALQUE_VM_EXCLUSIVE_H

#include <pthread.h>
#include <stdbool.h>

/* What CPUs use in guest code without a lock (the memory map, decoded code, permission to store to
 * a page) is changed while no CPU is in guest code: in an exclusive section.
 *
 * Order: the machine lock, if it is needed at all, is taken before an exclusive section begins. A
 * CPU in guest code takes it by vcpu_lock_machine(), which lets sections of others go on
 * meanwhile: so nothing of the kind above is kept across a device access. */

struct machine;
struct vcpu;

struct exclusive {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned inside; /* CPUs in guest code */
    unsigned depth;  /* of the section there is; 0: none */
    pthread_t owner;
    struct vcpu *returns; /* the owner, if it is a CPU in guest code */
};

void exclusive_init(struct exclusive *x);
void exclusive_destroy(struct exclusive *x);

/* Around guest code. Waits for the section there is. */
void vcpu_enter_guest(struct vcpu *v);
void vcpu_leave_guest(struct vcpu *v);

/* Begins a section: returns when all other CPUs have left guest code, which they do at the next
 * block head. May nest. Any thread that holds the machine lock or runs a CPU. */
void machine_exclusive_begin(struct machine *m);
void machine_exclusive_end(struct machine *m);
/* Whether nobody else can be in guest code: in a section of one's own, or where CPUs take turns. */
bool machine_is_exclusive(struct machine *m);

/* The machine lock, by the thread that runs v: in guest code or not. */
void vcpu_lock_machine(struct vcpu *v);
void vcpu_unlock_machine(struct vcpu *v);

#endif
