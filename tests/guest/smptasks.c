/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several processors (run with -smp 2 or 4) that want the same task: its busy bit is tested and set
 * by one locked access, so that one of them has it and the others take #GP; the same for LTR, and
 * for accessed bits beside what software does with the same descriptor. SDM vol. 3A 7.3, 8.1.2.1.
 */
#include "lib/ap.h"
#include "lib/task.h"

enum { MAX = 4, ROUNDS = 1000, BITS = 3000 };
enum { OWN = OTHER + 8, SHARED_TSS = OWN + 8 * MAX, SHARED_DATA = SHARED_TSS + 8 };

static unsigned ncpus;
static struct processor {
    uint32_t entered, refused, wrong, loaded;
    uint8_t tss[0x68] __attribute__((aligned(128)));
    uint8_t stack[4096] __attribute__((aligned(16)));
} cpu[MAX];
static uint8_t task_stack[4096] __attribute__((aligned(16)));
static volatile uint32_t ended;
static struct ap_barrier together;
volatile uint32_t inside, intruders, ran;

/* The contended task: whoever finds somebody inside is an intruder. */
__asm__(".text\nshared_task:\n\t"
        "mov $1, %eax\n\txchg %eax, inside\n\tadd %eax, intruders\n\t"
        "incl ran\n\tmov $20, %ecx\n2:\tpause\n\tloop 2b\n\t"
        "movl $0, inside\n\tiret\n\tjmp shared_task\n");
extern char shared_task[];

/* One instruction that may raise #GP or #NP, and then is not done. */
extern char call_task[], call_task_end[], load_task[], load_task_end[];
__attribute__((noinline)) static bool enter_task(void)
{
    bool refused;
    __asm__ volatile("clc\ncall_task: lcall %1, $0\n\tclc\ncall_task_end: setc %0"
                     : "=qm"(refused)
                     : "i"(OTHER)
                     : "memory", "cc");
    return !refused;
}
__attribute__((noinline)) static bool load_tr(uint16_t sel)
{
    bool refused;
    __asm__ volatile("clc\nload_task: ltr %w1\nload_task_end: setc %0"
                     : "=qm"(refused)
                     : "r"(sel)
                     : "memory", "cc");
    return !refused;
}

static void on_gp(struct frame *f)
{
    struct processor *p = &cpu[self()];
    bool call = f->ip == (word)call_task, load = f->ip == (word)load_task;
    p->wrong += !(call && f->error == OTHER) && !(load && f->error == SHARED_TSS);
    f->ip = call ? (word)call_task_end : (word)load_task_end;
    f->flags |= 1;
}

static void barrier(void)
{
    ap_wait(&together, ncpus);
}

static volatile uint8_t *access_of(unsigned sel)
{
    return (volatile uint8_t *)gdt + sel + 5;
}

static void share_task(unsigned me)
{
    for (unsigned k = 0; k < ROUNDS; k++)
        if (enter_task())
            cpu[me].entered++;
        else
            cpu[me].refused++;
}

/* Rounds in which all want the same TSS: one gets it. */
static void share_tr(unsigned me)
{
    for (unsigned k = 0; k < ROUNDS / 4; k++) {
        barrier();
        if (load_tr(SHARED_TSS))
            cpu[me].loaded++;
        barrier();
        if (!me)
            *access_of(SHARED_TSS) &= ~2;
    }
}

/* The accessed bit is set in a byte of which others change the privilege level, bit by bit. */
static void share_descriptor(unsigned me)
{
    uint8_t bit = me & 1 ? 0x40 : 0x20, was;
    for (unsigned k = 0; k < BITS && me < 2; k++) {
        was = __atomic_fetch_or(access_of(SHARED_DATA), bit, __ATOMIC_SEQ_CST);
        cpu[me].wrong += !!(was & bit);
        was = __atomic_fetch_and(access_of(SHARED_DATA), (uint8_t)~bit, __ATOMIC_SEQ_CST);
        cpu[me].wrong += !(was & bit);
    }
    if (me < 2)
        __atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
    while (ended < 2 && ncpus > 2 && me >= 2) {
        __atomic_fetch_and(access_of(SHARED_DATA), 0xfe, __ATOMIC_SEQ_CST);
        __asm__ volatile("mov %0, %%fs" ::"r"(SHARED_DATA));
        cpu[me].wrong += *access_of(SHARED_DATA) == 0;
    }
}

static void work(unsigned me)
{
    barrier();
    share_task(me);
    barrier();
    share_tr(me);
    barrier();
    share_descriptor(me);
    barrier();
}

static void own_tss(unsigned me)
{
    *(uint32_t *)(cpu[me].tss + 0x64) = 0x680000;
    gdt[OWN / 8 + me] = descriptor((uint32_t)cpu[me].tss, 0x67, 0x89, 0);
    __asm__ volatile("ltr %w0" ::"r"(OWN + 8 * me));
}

void ap_main(void)
{
    load_idt(256 * 8 - 1);
    set(SVR, 0x1ff);
    unsigned me = self();
    own_tss(me);
    ap_started++;
    work(me);
    for (;;)
        __asm__ volatile("hlt");
}

void guest_main(void)
{
    unsigned entered = 0, loaded = 0, refused = 0;
    ncpus = count_processors();
    ncpus = ncpus > MAX ? MAX : ncpus;
    if (ncpus < 2) {
        report(false, "expected -smp 2 or 4");
        return;
    }
    new_task(shared_task, task_stack + sizeof task_stack);
    gdt[SHARED_TSS / 8] = descriptor((uint32_t)other, 0x67, 0x89, 0);
    gdt[SHARED_DATA / 8] = descriptor(0, 0xfffff, 0x92, 0xc);
    handlers[GP] = on_gp;
    set(SVR, 0x1ff);
    own_tss(0);
    ap_start_all(ncpus, cpu[0].stack + sizeof(cpu[0].stack), sizeof(cpu[0]));
    work(0);
    for (unsigned n = 0; n < ncpus; n++) {
        entered += cpu[n].entered;
        refused += cpu[n].refused;
        loaded += cpu[n].loaded;
        check("faults and bits of a processor", cpu[n].wrong, 0);
    }
    check("two processors in one task", intruders, 0);
    check("the task ran as often as it was entered", ran, entered);
    check("entered or refused", entered + refused, ncpus * ROUNDS);
    check("the task is available afterwards", type_of(OTHER), 0x89);
    check("LTR: one of all gets the TSS", loaded, ROUNDS / 4);
}
