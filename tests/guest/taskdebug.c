/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Debug exceptions and task switches (SDM vol. 3A 7.2.1, 7.3; vol. 3B 18.2.4, 18.3.1.5; table 6-2):
 * the T flag, local breakpoints that end with the task and global ones that do not, breakpoints, RF
 * and TF of the new task's first instruction, by each way that a task is switched. */
#include "lib/task.h"

enum { TASK_GATE = OTHER + 8, VECTOR = 0x90, GLOBALS = 0x2aa, LOCALS = 0x155 };
enum { B0 = 1, BS = 1 << 14, BT = 1 << 15, BITS = 0xe00f, RF = 1 << 16, TF = 1 << 8 };
enum way { BY_CALL, BY_GATE, BY_INT, BY_FAULT, BY_JMP, WAYS };

static uint8_t stack[4096] __attribute__((aligned(16)));
volatile uint32_t seen_dr7, seen_count, cell;
static struct event {
    uint32_t ip, dr6, sel;
} events[8];
static unsigned seen;

/* Each notes DR7, stores and goes back: by IRET, behind UD2 by IRET, by JMP. */
__asm__(
    ".text\n"
    "debug_task:\n\tnop\ndebug_second:\n\tmov %dr7, %eax\n\tmov %eax, seen_dr7\n\tincl cell\n\t"
    "incl seen_count\n\tiret\n\tjmp debug_task\n"
    "debug_fault:\n\tnop\n\tmov %dr7, %eax\n\tmov %eax, seen_dr7\n\tincl cell\n\tincl "
    "seen_count\n\t"
    "addl $2, tss + 0x20\n\tiret\n\tjmp debug_fault\n"
    "debug_jump:\n\tnop\n\tmov %dr7, %eax\n\tmov %eax, seen_dr7\n\tincl cell\n\tincl seen_count\n\t"
    "ljmp $0x50, $0\n\tjmp debug_jump\n");
extern char debug_task[], debug_second[], debug_fault[], debug_jump[], back[];

static void on_debug(struct frame *f)
{
    uint32_t tr;

    __asm__ volatile("str %0" : "=r"(tr));
    if (seen < 8)
        events[seen++] = (struct event){f->ip, exc.dr6 & BITS, tr & 0xffff};
    if (exc.dr6 & B0 && !(read_dr7() >> 16 & 3))
        f->flags |= RF;
}

static char *entry_of(enum way way)
{
    return way == BY_FAULT ? debug_fault : way == BY_JMP ? debug_jump : debug_task;
}

static void prepare(enum way way)
{
    new_task(entry_of(way), stack + sizeof stack);
    gdt[TASK_GATE / 8] = (uint64_t)OTHER << 16 | 0x85ull << 40;
    *(uint32_t *)(tss + 0x64) &= ~1u;
    seen = 0;
    seen_dr7 = ~0u;
}

/* There and back; `back` is the next instruction of this task. */
static void go(enum way way)
{
    if (way == BY_FAULT) {
        set_gate(UD, 0, 0x85);
        ((uint16_t *)(idt + UD * 8))[1] = OTHER;
    }
    __asm__ volatile(
        "cmp $1, %0\n\tje 1f\n\tcmp $2, %0\n\tje 2f\n\tcmp $3, %0\n\tje 3f\n\t"
        "cmp $4, %0\n\tje 4f\n\t"
        "lcall %1, $0\n\tjmp back\n1:\tlcall %2, $0\n\tjmp back\n2:\tint $0x90\n\tjmp back\n"
        "3:\tud2\n\tjmp back\n4:\tljmp %1, $0\nback:" ::"a"(way),
        "i"(OTHER), "i"(TASK_GATE)
        : "memory", "cc");
    set_gate(UD, stub(UD), 0x8e);
    __asm__ volatile("clts");
}

static void set_dr0(void *at)
{
    __asm__ volatile("mov %0, %%dr0" ::"r"(at));
}

/* ---- the T flag ---- */

static void trap_flag(void)
{
    unsigned without = 0, there = 0, dr6 = 0, home = 0, kept = 0, ran = 0;

    for (enum way way = 0; way < WAYS; way++) {
        unsigned before = seen_count;
        prepare(way);
        go(way);
        without += seen;
        prepare(way);
        *field(0x64) |= 1;
        go(way);
        there += seen != 1 || events[0].ip != (uint32_t)entry_of(way) || events[0].sel != OTHER;
        dr6 += events[0].dr6 != BT;
        kept += !(*field(0x64) & 1);
        /* the task that is come back to has it */
        prepare(way);
        *(uint32_t *)(tss + 0x64) |= 1;
        go(way);
        home += seen != 1 || events[0].sel != SEL_TSS || events[0].dr6 != BT;
        *(uint32_t *)(tss + 0x64) &= ~1u;
        ran += seen_count - before != 3;
    }
    check("no T flag, no exception", without, 0);
    check("T flag: one, before the first instruction, in the new task", there, 0);
    check("DR6.BT alone", dr6, 0);
    check("the flag stays in the TSS", kept, 0);
    check("T flag of the task that is come back to", home, 0);
    check("the tasks go on", ran, 0);
    prepare(BY_CALL);
    *field(0x64) |= 1;
    *(uint32_t *)(tss + 0x64) |= 1;
    go(BY_CALL);
    *(uint32_t *)(tss + 0x64) &= ~1u;
    check("both have it: two", seen, 2);
    check("the second in this task", events[1].sel, SEL_TSS);
}

/* ---- local and global ---- */

static void local_enables(void)
{
    unsigned wrong = 0, after = 0;

    set_dr0((void *)0x700000);
    for (unsigned n = 0; n < 4; n++) {
        static uint32_t nowhere;
        switch (n) {
        case 1:
            __asm__ volatile("mov %0, %%dr1" ::"r"(&nowhere));
            break;
        case 2:
            __asm__ volatile("mov %0, %%dr2" ::"r"(&nowhere));
            break;
        case 3:
            __asm__ volatile("mov %0, %%dr3" ::"r"(&nowhere));
            break;
        }
    }
    for (enum way way = 0; way < WAYS; way++)
        for (unsigned n = 0; n < 0x400; n += 7) {
            uint32_t dr7 = 0xd5d50400 | n; /* writes of 2 and 8 bytes */
            prepare(way);
            write_dr7(dr7);
            go(way);
            wrong += (seen_dr7 & ~(1u << 8)) != (dr7 & ~(uint32_t)LOCALS) || seen;
            after += (read_dr7() & ~(1u << 8)) != (dr7 & ~(uint32_t)LOCALS);
            write_dr7(dr7);
            after += read_dr7() != dr7;
        }
    write_dr7(0x400);
    check("L0 to L3 are cleared, the rest stays", wrong, 0);
    check("also when it comes back", after, 0);
}

/* A breakpoint on what the other task stores. */
static void data(void)
{
    unsigned local = 0, global = 0;

    set_dr0((void *)&cell);
    for (enum way way = 0; way < WAYS; way++) {
        prepare(way);
        write_dr7(0x401 | 0xd << 16);
        go(way);
        local += seen;
        prepare(way);
        write_dr7(0x402 | 0xd << 16);
        go(way);
        global += seen != 1 || events[0].dr6 != B0 || events[0].sel != OTHER;
    }
    write_dr7(0x400);
    check("a local data breakpoint is not the new task's", local, 0);
    check("a global one is", global, 0);
}

/* ---- the first instruction ---- */

static void first_instruction(void)
{
    unsigned local = 0, global = 0, both = 0, held = 0, step = 0;

    for (enum way way = 0; way < WAYS; way++) {
        set_dr0(entry_of(way));
        prepare(way);
        write_dr7(0x401);
        go(way);
        local += seen;
        prepare(way);
        write_dr7(0x402);
        go(way);
        global += seen != 1 || events[0].dr6 != B0 || events[0].ip != (uint32_t)entry_of(way);
        prepare(way);
        write_dr7(0x402);
        *field(0x64) |= 1;
        go(way);
        both += seen != 2 || events[0].dr6 != BT || events[1].dr6 != B0 ||
                events[0].ip != events[1].ip || events[0].ip != (uint32_t)entry_of(way);
        prepare(way);
        write_dr7(0x402);
        *field(0x24) |= RF;
        go(way);
        held += seen;
        write_dr7(0x400);
        prepare(way);
        *field(0x24) |= TF;
        go(way);
        step += seen != 1 || events[0].dr6 != BS || events[0].ip != (uint32_t)entry_of(way) + 1;
    }
    check("a local breakpoint at the new task's first instruction", local, 0);
    check("a global one", global, 0);
    check("with the T flag: the task switch first, then the breakpoint", both, 0);
    check("RF of the new task holds it back", held, 0);
    check("TF of the new task: behind its first instruction", step, 0);
    /* at the instruction that is come back to */
    set_dr0(back);
    prepare(BY_JMP);
    write_dr7(0x402);
    go(BY_JMP);
    write_dr7(0x400);
    check("a global breakpoint where this task goes on", seen == 1 ? events[0].ip : 0,
          (uint32_t)back);
}

/* DR6 keeps what it had. */
static volatile uint32_t raw_dr6;
static void keep(struct frame *f)
{
    (void)f;
    raw_dr6 = exc.dr6;
}

static void sticky(void)
{
    prepare(BY_CALL);
    *field(0x64) |= 1;
    handlers[DB] = keep;
    write_dr6(0xffff0ff0 | 2);
    go(BY_CALL);
    check("DR6.BT is added to what was there", raw_dr6 & BITS, BT | 2);
    write_dr6(0xffff0ff0);
    handlers[DB] = on_debug;
}

void guest_main(void)
{
    set_gate(VECTOR, 0, 0x85);
    ((uint16_t *)(idt + VECTOR * 8))[1] = OTHER;
    handlers[DB] = on_debug;
    trap_flag();
    local_enables();
    data();
    first_instruction();
    sticky();
}
