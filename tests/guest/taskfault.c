/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exceptions raised in a task that a switch has just loaded (SDM vol. 3A 7.3; vol. 3B 18.3.1.5). */
#include "lib/task.h"

static uint8_t stack[4096] __attribute__((aligned(16)));
volatile uint32_t seen_count, seen_error, seen_cs;

__asm__(".text\ntask_body:\n\tincl seen_count\n\tiret\n\tjmp task_body\n"
        /* handles an exception with an error code: the other task resumes behind TRY */
        "task_handler:\n\tpopl seen_error\n\tmov exc_resume, %eax\n\tmov %eax, tss + 0x20\n\t"
        "iret\n\tjmp task_handler\n"
        /* the same in the new task: notes CS too, and goes back to the old one */
        "task_fault:\n\tpush $0x10\n\tpop %ds\n\tpopl seen_error\n\tmov 4(%esp), %eax\n\t"
        "mov %eax, seen_cs\n\tincl seen_count\n\tpushfl\n\torl $0x4000, (%esp)\n\tpopfl\n\tiret\n");
extern char task_body[], task_handler[], task_fault[];

static void prepare(void *entry)
{
    new_task(entry, stack + sizeof stack);
    *field(0x28) = 0x1234; /* EAX */
}

static volatile uint32_t seen_ip;

static void note(struct frame *f)
{
    seen_ip = f->ip;
}

/* Handles a fault in the new task; its segments are loaded by the stub. */
static void fix(struct frame *f)
{
    seen_ip = f->ip;
    f->ds = f->es = SEL_DATA;
}

/* The T flag traps before the first instruction. */
static void debug_trap(void)
{
    prepare(task_body);
    *field(0x64) |= 1;
    handlers[DB] = note;
    seen_count = 0;
    TRY("lcall %0, $0", ::"i"(OTHER) : "memory");
    handlers[DB] = 0;
    check("T flag: #DB in the new task", seen_ip, (uint32_t)task_body);
    check("T flag: DR6.BT", exc.dr6 & 0xe00f, 0x8000);
    check("T flag: the task runs on", seen_count, 1);
}

/* A fault while the data segments of the new task are loaded is raised in it, with CS and SS loaded
 * already. */
static void new_task_fault(void)
{
    static const struct {
        const char *name;
        unsigned offset, sel, vector;
    } rows[] = {
        {"#TS: ES of the new task", 0x48, 0x200, TS},
        {"#TS: DS of the new task is a TSS", 0x54, OTHER, TS},
    };
    for (unsigned n = 0; n < sizeof rows / sizeof *rows; n++) {
        prepare(task_body);
        *field(rows[n].offset) = rows[n].sel;
        handlers[rows[n].vector] = fix;
        seen_ip = 0;
        TRY("lcall %0, $0", ::"i"(OTHER) : "memory");
        handlers[rows[n].vector] = 0;
        check(rows[n].name, (uint32_t)exc.vector, rows[n].vector);
        check(rows[n].name, exc.f.error, rows[n].sel);
        check(rows[n].name, seen_ip, (uint32_t)task_body);
        check(rows[n].name, other[0], SEL_TSS);
    }
}

/* Before CS is loaded the new task's level is that of ring 3: the handler runs on its stack 0. */
static void early_fault(void)
{
    static const struct {
        const char *name, *count, *cs;
        unsigned offset;
    } rows[] = {
        {"#TS: LDT of the new task is data", "in the new task, once", "its CS is pushed", 0x60},
        {"#TS: CS of the new task is data", "in the new task, once", "its CS is pushed", 0x4c},
    };
    set_gate(TS, task_fault, 0x8e);
    for (unsigned n = 0; n < sizeof rows / sizeof *rows; n++) {
        prepare(task_body);
        *field(4) = (uint32_t)stack + sizeof stack; /* ESP0, SS0 */
        *field(8) = SEL_DATA;
        *field(rows[n].offset) = SEL_DATA;
        uint32_t cs = *field(0x4c);
        seen_count = 0;
        TRY("lcall %0, $0", ::"i"(OTHER) : "eax", "memory");
        check(rows[n].name, seen_error, SEL_DATA);
        check(rows[n].count, seen_count, 1);
        check(rows[n].cs, seen_cs & 0xffff, cs);
    }
    set_gate(TS, stub(TS), 0x8e);
}

/* An exception whose gate is a task gate: the error code is on the new task's stack, and the old
 * task saves the EIP of the instruction, with RF (SDM vol. 3A 6.14, 7.3). */
static void fault_through_gate(void)
{
    prepare(task_handler);
    set_gate(GP, 0, 0x85);
    ((uint16_t *)(idt + GP * 8))[1] = OTHER;
    TRY("mov %w0, %%es", ::"r"(0x203) : "memory");
    set_gate(GP, stub(GP), 0x8e);
    check("#GP through a task gate: error code", seen_error, 0x200);
    check("#GP through a task gate: RF is saved", *(uint32_t *)(tss + 0x24) >> 16 & 1, 1);
    check("#GP through a task gate: no other exception", (unsigned)exc.vector, (unsigned)NONE);
}

void guest_main(void)
{
    fault_through_gate();
    debug_trap();
    new_task_fault();
    early_fault();
}
