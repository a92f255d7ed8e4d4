/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Task switches to tasks of other kinds: 16-bit, virtual-8086, with an LDT, with another CR3 under
 * PAE paging; and the rules of busy bits and privilege (SDM vol. 3A chapter 7). */
#include "lib/task.h"

enum { BODY = OTHER + 8, LDT = OTHER + 16, GATE = OTHER + 24 };
#define V86_CODE 0x8000u
static uint8_t stack[2][4096] __attribute__((aligned(16)));
volatile uint32_t seen_count, seen_ax, seen_fs, seen_window, seen_error, seen_cs, seen_dr7;

/* Task bodies return by IRET. In a segment of their own: 16-bit tasks have no more than IP. */
__asm__(
    ".text\nbodies:\n"
    "body16:\n\tmov $0x10, %ecx\n\tmov %ecx, %ds\n\tmov %eax, seen_ax\n\t"
    "mov %fs, %ecx\n\tmov %ecx, seen_fs\n\tincl seen_count\n\tiret\n\tjmp body16\n"
    "body_window:\n\tmov 0x40000000, %eax\n\tmov %eax, seen_window\n\tincl seen_count\n\t"
    "iret\n\tjmp body_window\n"
    "body_ldt:\n\tmov $0xc, %ecx\n\tmov %ecx, %fs\n\tmov %fs:0, %eax\n\tmov %eax, seen_window\n\t"
    "mov %dr7, %eax\n\tmov %eax, seen_dr7\n\tincl seen_count\n\tiret\n\tjmp body_ldt\n"
    /* exceptions in the new task: notes CS and error code, and returns to the old task */
    "task_fault:\n\tpush $0x10\n\tpop %ds\n\tpopl seen_error\n\tmov 4(%esp), %eax\n\t"
    "mov %eax, seen_cs\n\tincl seen_count\n\tpushfl\n\torl $0x4000, (%esp)\n\tpopfl\n\tiret\n");
extern char bodies[], body16[], body_window[], body_ldt[], task_fault[];

static void prepare(void *entry)
{
    new_task(entry, stack[1] + 4096);
    *field(4) = (uint32_t)stack[0] + 4096; /* ESP0, SS0 */
    *field(8) = SEL_DATA;
    *field(0x1c) = read_cr3();
}

static void sixteen(void)
{
    uint16_t *t = (uint16_t *)other;

    memset(other, 0, sizeof other);
    gdt[BODY / 8] = descriptor((uint32_t)bodies, 0xffff, 0x9b, 4);
    t[0x0e / 2] = (uint16_t)(body16 - bodies);
    t[0x10 / 2] = 2;
    t[0x12 / 2] = 0x1234; /* AX */
    t[0x1a / 2] = (uint16_t)(word)(stack[0] + 4096);
    t[0x22 / 2] = SEL_DATA, t[0x24 / 2] = BODY, t[0x26 / 2] = SEL_DATA, t[0x28 / 2] = SEL_DATA;
    gdt[OTHER / 8] = descriptor((uint32_t)other, 0x2b, 0x81, 0);
    __asm__ volatile("mov %w0, %%fs" ::"r"(SEL_DATA));
    TRY("lcall %0, $0", ::"i"(OTHER) : "eax", "memory");
    __asm__ volatile("mov %w0, %%fs" ::"r"(0));
    check_fault("16-bit TSS: CALL", NONE, 0);
    check("16-bit TSS: it ran", seen_count, 1);
    check("16-bit TSS: AX", seen_ax & 0xffff, 0x1234);
    check("16-bit TSS: FS is null", seen_fs, 0);
    check("16-bit TSS: back link", t[0], SEL_TSS);
    check("16-bit TSS: IRET makes it available", type_of(OTHER), 0x81);
    check("16-bit TSS: the LDT field is not written", t[0x2a / 2], 0);
    gdt[OTHER / 8] = descriptor((uint32_t)other, 0x2a, 0x81, 0);
    TRY("lcall %0, $0", ::"i"(OTHER) : "eax", "memory");
    check_fault("#TS: 16-bit TSS too small", TS, OTHER);
}

static void virtual_8086(void)
{
    *(volatile uint8_t *)V86_CODE = 0xf4; /* HLT */
    prepare(0);
    *field(0x24) = 0x20002;
    *field(0x4c) = V86_CODE >> 4, *field(0x50) = 0x900, *field(0x38) = 0x100;
    set_gate(GP, task_fault, 0x8e);
    seen_count = 0;
    TRY("lcall %0, $0", ::"i"(OTHER) : "eax", "memory");
    set_gate(GP, stub(GP), 0x8e);
    check("virtual-8086 task: its HLT is #GP", seen_count, 1);
    check("virtual-8086 task: error code", seen_error, 0);
    check("virtual-8086 task: CS", seen_cs & 0xffff, V86_CODE >> 4);
}

static void with_ldt(void)
{
    static uint64_t ldt[2];
    static uint32_t cell = 0x12345;

    ldt[1] = descriptor((uint32_t)&cell, 3, 0x93, 4);
    gdt[LDT / 8] = descriptor((uint32_t)ldt, sizeof ldt - 1, 0x82, 0);
    prepare(body_ldt);
    *field(0x60) = LDT;
    seen_count = 0;
    write_dr7(0x403); /* L0 and G0, on an address that is not executed */
    write_dr0(0xfffff000);
    TRY("lcall %0, $0", ::"i"(OTHER) : "eax", "memory");
    write_dr7(0x400);
    check("task with an LDT", seen_count, 1);
    check("its segment", seen_window, 0x12345);
    check("a task switch clears DR7's local bits", seen_dr7 & 0xff, 2);
    uint16_t sel;
    __asm__ volatile("sldt %0" : "=r"(sel));
    check("IRET loads the old LDT", sel, 0);
}

static void user_gate(void)
{
    TRY("lcall %0, $0", ::"i"(GATE) : "eax", "memory");
}

static void rules(void)
{
    prepare(body16);
    gdt[GATE / 8] = (uint64_t)OTHER << 16 | 0x85ull << 40;
    run_user(user_gate);
    check_fault("#GP: task gate of DPL 0 from ring 3", GP, GATE);
    gdt[GATE / 8] = (uint64_t)OTHER << 16 | 0x05ull << 40;
    TRY("lcall %0, $0", ::"i"(GATE) : "eax", "memory");
    check_fault("#NP: task gate not present", NP, GATE);
    gdt[GATE / 8] = (uint64_t)(OTHER | 4) << 16 | 0x85ull << 40;
    TRY("lcall %0, $0", ::"i"(GATE) : "eax", "memory");
    check_fault("#GP: task gate to an LDT selector", GP, OTHER | 4);
    gdt[GATE / 8] = (uint64_t)SEL_TSS << 16 | 0x85ull << 40;
    TRY("lcall %0, $0", ::"i"(GATE) : "eax", "memory");
    check_fault("#GP: task gate to a busy TSS", GP, SEL_TSS);
    *(uint16_t *)tss = OTHER; /* available: IRET wants a busy one */
    TRY("pushf\n\torl $0x4000, (%%esp)\n\tpopf\n\tiret", ::: "memory");
    __asm__ volatile("pushf\n\tandl $~0x4000, (%%esp)\n\tpopf" ::: "memory");
    report(exc.vector == TS && exc.f.error == OTHER, "#TS: IRET to an available TSS");
    *(uint16_t *)tss = 0;
}

/* Two address spaces under PAE: each has its own PDPTEs. */
static void pae(void)
{
    static uint64_t pdpt[2][4] __attribute__((aligned(32))),
        pd[2][4][512] __attribute__((aligned(4096)));
    static uint32_t page[2][1024] __attribute__((aligned(4096)));
    static uint64_t pt[2][512] __attribute__((aligned(4096)));

    for (int n = 0; n < 2; n++) {
        for (int i = 0; i < 2048; i++)
            pd[n][i / 512][i % 512] = (uint64_t)i << 21 | 0x83;
        for (int i = 0; i < 4; i++)
            pdpt[n][i] = (uint32_t)pd[n][i] | 1;
        page[n][0] = 0x1000u + (unsigned)n;
        pt[n][0] = (uint32_t)page[n] | 3;
        pd[n][1][0] = (uint32_t)pt[n] | 3;
    }
    write_cr4(read_cr4() | 0x20);
    write_cr3((word)pdpt[0]);
    write_cr0(read_cr0() | 1u << 31);
    prepare(body_window);
    *field(0x1c) = (uint32_t)pdpt[1];
    *(uint32_t *)(tss + 0x1c) = (uint32_t)pdpt[0];
    seen_count = 0;
    TRY("lcall %0, $0", ::"i"(OTHER) : "eax", "memory");
    check("PAE: the task ran", seen_count, 1);
    check("PAE: in its own address space", seen_window, 0x1001);
    check("PAE: IRET comes back to this one", *(volatile uint32_t *)WINDOW, 0x1000);
    check("PAE: CR3", read_cr3(), (word)pdpt[0]);
}

void guest_main(void)
{
    sixteen();
    virtual_8086();
    with_ldt();
    rules();
    pae();
}
