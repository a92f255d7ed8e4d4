/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What surrounds exceptions: traps and shadows, RF, faults during delivery, double faults
 * (SDM vol. 3A chapter 6; vol. 3B 18.3). */
#include "lib/rt.h"

extern char ist_stack_top[], trap_stack_top[];
void user_leave(void);
static uint16_t cells[8] __attribute__((aligned(16)));

/* ---- traps, shadows ---- */

#define STEP "pushf\n\tor" W " $0x100, (%%" R "sp)\n\tpopf\n\t"

static void single_step(void)
{
    extern char after_sti[], rep_here[];

    TRY(STEP "sti\nafter_sti:\tnop\n\tcli", ::: "memory");
    check("TF: STI traps", exc.f.ip, (word)after_sti);
    __asm__ volatile("cli");
    TRY(STEP "rep_here:\trep stosw", ::"D"(cells), "c"(3), "a"(0) : "memory");
    check("TF: REP traps after an iteration", exc.f.ip, (word)rep_here);
    check("TF: REP has counted one", exc.f.cx, 2);
    check("TF: REP pushes RF between iterations", exc.f.flags >> 16 & 1, 1);
    TRY("nop\n\t" STEP "rep stosw", ::"D"(cells), "c"(1), "a"(0) : "memory");
    check("TF: REP traps behind its last iteration", exc.f.ip, try_end);
    check("TF: REP pushes no RF there", exc.f.flags >> 16 & 1, 0);
}

static void mov_ss(void)
{
    extern char held[];
    static uint16_t selector = SEL_DATA;

    write_dr0((word)held);
    write_dr7(0x702);
    TRY("mov %0, %%ss\nheld:\tnop", ::"r"(SEL_DATA) : "memory");
    write_dr7(0x400);
    check_fault("MOV SS: instruction breakpoints are held back", NONE, 0);
    write_dr0((word)&selector);
    write_dr7(0x70702); /* 2 bytes, read or write */
    TRY("mov %0, %%ss\n\tnop\nmovss_next:\tnop", ::"m"(selector) : "memory");
    write_dr7(0x400);
    extern char movss_next[];
    check("MOV SS: a data breakpoint is held back", (unsigned)exc.vector, DB);
    check("MOV SS: for one instruction", exc.f.ip, (word)movss_next);
    check("MOV SS: DR6.B0", exc.dr6 & 0xe00f, 1);
    /* A breakpoint comes before what its instruction raises. */
    extern char both[];
    write_dr0((word)both);
    write_dr7(0x702);
    TRY("both:\tud2", ::: "memory");
    write_dr7(0x400);
    check_fault("an instruction breakpoint comes before #UD", DB, 0);
}

static volatile uint32_t *const lapic = (uint32_t *)0xfee00000;
static volatile unsigned ticks;
static volatile word tick_ip, tick_flags;

static void on_tick(struct frame *f)
{
    ticks++;
    tick_ip = f->ip;
    tick_flags = f->flags;
    lapic[0xb0 / 4] = 0;
}

/* A timer interrupt between the iterations of REP OUTS, which are never done at once. */
static void interrupted_rep(void)
{
    extern char long_rep[];

    lapic[0xf0 / 4] = 0x1ff;
    lapic[0x3e0 / 4] = 0xb;
    lapic[0x320 / 4] = 0x60;
    handlers[0x60] = on_tick;
    for (int n = 0; n < 200; n++) {
        word count = 0x8000, from = 0x100000;

        lapic[0x380 / 4] = 20000;
        __asm__ volatile("sti\nlong_rep:\trep outsb\n\tcli" : "+c"(count), "+S"(from) : "d"(0x80));
        lapic[0x380 / 4] = 0;
        __asm__ volatile("sti\n\tnop\n\tnop\n\tcli");
        if (tick_ip == (word)long_rep)
            break;
    }
    check("an interrupt stops REP between iterations", tick_ip, (word)long_rep);
    check("it pushes RF", tick_flags >> 16 & 1, 1);
}

/* ---- faults during delivery ---- */

static void send_self(unsigned vector)
{
    lapic[0x300 / 4] = 0x40000 | vector;
}

static void external(void)
{
    set_gate(0x91, stub(0x91), 0x0e);
    send_self(0x91);
    TRY("sti\n\tnop\n\tnop\n\tcli", ::: "memory");
    __asm__ volatile("cli");
    lapic[0xb0 / 4] = 0;
    check("#NP: gate of an interrupt", (unsigned)exc.vector, NP);
    check("#NP: EXT is set", exc.f.error, 0x91 * 8 + 3);
    set_gate(0x91, stub(0x91), 0x8e);
    ((uint16_t *)(idt + 0x91 * sizeof(word) * 2))[1] = SEL_DATA;
    send_self(0x91);
    TRY("sti\n\tnop\n\tnop\n\tcli", ::: "memory");
    __asm__ volatile("cli");
    lapic[0xb0 / 4] = 0;
    check("#GP: an interrupt's gate to data, EXT is set", exc.f.error, SEL_DATA | 1);
    set_gate(0x91, stub(0x91), 0x8e);
}

/* An IDT whose gate of #PF is the first on a page that is not there: the fault of reading it makes
 * #DF, whose gate is there. */
static void gate_not_mapped(void)
{
    static uint8_t page[4096] __attribute__((aligned(4096)));
    unsigned before = PF * sizeof(word) * 2;
    struct {
        uint16_t limit;
        word base;
    } __attribute__((packed)) r = {sizeof idt - 1, WINDOW + 4096 - before};

    memcpy(page + 4096 - before, idt, before);
    map_window(0, page, PTE_P | PTE_W);
    map_window(1, 0, 0);
    map_window(2, 0, 0);
    __asm__ volatile("lidt %0" ::"m"(r));
    TRY("mov (%0), %%eax", ::"r"(WINDOW + 0x2000) : "eax", "memory");
    load_idt(sizeof idt - 1);
}

#ifdef __x86_64__

static void user_int(void)
{
    TRY("int $0x90", ::: "memory");
}

static void user_ud(void)
{
    TRY("ud2", ::: "memory");
}

static void user_load(void)
{
    TRY("mov (%0), %%eax", ::"r"(WINDOW) : "eax", "memory");
}

static void set_rsp0(uint64_t rsp)
{
    *(uint64_t *)(tss + 4) = rsp;
}

/* Gives the trap its stack back, so that ring 3 can be left by INT 80H. */
static void good_stack(struct frame *f)
{
    set_rsp0((word)trap_stack_top);
    f->ip = exc_resume;
}

static void bad_stacks(void)
{
    set_gate(0x90, stub(0x90), 0xee);
    idt[SS * 16 + 4] = idt[DF * 16 + 4] = 1;
    handlers[SS] = handlers[DF] = good_stack;
    set_rsp0(0x8000000000000000);
    run_user(user_int);
    check_fault("#SS: INT to a non-canonical RSP0", SS, 0);
    set_rsp0(0x8000000000000000);
    run_user(user_ud);
    check_fault("#SS: exception to a non-canonical RSP0, EXT", SS, 1);
    map_window(0, 0, 0);
    set_rsp0(WINDOW + 0x1000);
    run_user(user_load);
    check_fault("#DF: page fault whose stack faults", DF, 0);
    check("#DF: CR2 is the stack's", exc.cr2, WINDOW + 0x1000 - 8);
    handlers[SS] = handlers[DF] = 0;
    set_rsp0((word)trap_stack_top);
    idt[SS * 16 + 4] = 0;
}

static void page_faults(void)
{
    paging_on();
    bad_stacks();
    idt[DF * 16 + 4] = 1;
    gate_not_mapped();
    check_fault("#DF: gate of #PF on an absent page", DF, 0);
}

#else

enum { OTHER = GDT_FREE * 8, DOUBLE = OTHER + 8, CODE_AT = OTHER + 16 };
uint8_t other[0x68] __attribute__((aligned(128))), twice[0x68] __attribute__((aligned(128)));
static uint8_t stacks[2][4096] __attribute__((aligned(16)));
volatile uint32_t double_count, double_error, double_link, double_resume;

/* The #DF task: notes, then makes the first task available again and goes to it. */
__asm__(".text\ndouble_task:\n\tpopl double_error\n\tincl double_count\n\t"
        "movzwl twice, %eax\n\tmov %eax, double_link\n\t"
        "mov exc_resume, %eax\n\tmov %eax, tss + 0x20\n\t"
        "movb $0x89, gdt + 0x50 + 5\n\tpushfl\n\tandl $~0x4000, (%esp)\n\tpopfl\n\t"
        "ljmp $0x50, $0\n\tjmp double_task\n");
extern char double_task[];

static void make_task(uint8_t *t, unsigned sel, void *entry, void *top)
{
    uint32_t *f = (uint32_t *)t;

    memset(t, 0, 0x68);
    f[0x1c / 4] = read_cr3();
    f[0x20 / 4] = (uint32_t)entry;
    f[0x24 / 4] = 2;
    f[0x38 / 4] = (uint32_t)top;
    f[0x48 / 4] = f[0x50 / 4] = f[0x54 / 4] = SEL_DATA;
    f[0x4c / 4] = SEL_CODE;
    f[0x64 / 4] = 0x680000;
    gdt[sel / 8] = descriptor((uint32_t)t, 0x67, 0x89, 0);
}

static void task_gate(int vector, unsigned sel)
{
    set_gate(vector, 0, 0x85);
    ((uint16_t *)(idt + vector * 8))[1] = (uint16_t)sel;
}

/* A fault while a task switch delivers #GP makes #DF. */
static void double_in_switch(void)
{
    make_task(twice, DOUBLE, double_task, stacks[0] + 4096);
    make_task(other, OTHER, double_task, stacks[1] + 4096);
    ((uint32_t *)other)[0x50 / 4] = 0x200; /* SS */
    task_gate(DF, DOUBLE);
    task_gate(GP, OTHER);
    double_error = ~0u;
    TRY("mov %w0, %%es", ::"r"(0x200) : "memory");
    check("#DF: #TS of the task that handles #GP", double_count, 1);
    check("#DF: error code 0", double_error, 0);
    check("#DF: the bad task is the one that is left", double_link, OTHER);
    set_gate(GP, stub(GP), 0x8e);
}

static void page_faults(void)
{
    paging_on();
    make_task(twice, DOUBLE, double_task, stacks[0] + 4096);
    *(uint32_t *)(tss + 0x1c) = read_cr3();
    double_count = 0;
    gate_not_mapped();
    check("#DF: gate of #PF on an absent page", double_count, 1);
    check("#DF: CR2 is the gate's", read_cr2(), WINDOW + 0x1000);
}

/* ---- 16-bit gates ---- */
volatile uint16_t frame16[8];
volatile uint32_t frame16_sp;
__asm__(".text\ngate16_target:\n\tmov $0x10, %eax\n\tmov %eax, %ds\n\tmov %eax, %es\n\t"
        "mov %esp, frame16_sp\n\tmov %esp, %esi\n\tmov $frame16, %edi\n\tmov $8, %ecx\n\t"
        "rep movsw\n\tljmp $0x08, $user_leave\n");
extern char gate16_target[];

static void gate16(int vector, unsigned access)
{
    set_gate(vector, 0, access);
    ((uint16_t *)(idt + vector * 8))[1] = CODE_AT;
    gdt[CODE_AT / 8] = descriptor((uint32_t)gate16_target, 0xfffff, 0x9b, 12);
}

static void user_int16(void)
{
    __asm__ volatile("mov $0x12345678, %%ebx\n\tint $0x92" ::: "ebx", "memory");
}

static void user_gp16(void)
{
    __asm__ volatile("mov %w0, %%es" ::"r"(0x200) : "memory");
}

static void sixteen_bit_gates(void)
{
    extern char user_stack_top[];

    gate16(0x92, 0xe6);
    run_user(user_int16);
    check("16-bit gate from ring 3: 10 bytes", (uint32_t)trap_stack_top - frame16_sp, 10);
    check("16-bit gate: CS", frame16[1], SEL_UCODE32);
    report(frame16[3] <= (uint16_t)(word)user_stack_top, "16-bit gate: SP");
    check("16-bit gate: SS", frame16[4], SEL_UDATA);
    gate16(GP, 0x86);
    run_user(user_gp16);
    set_gate(GP, stub(GP), 0x8e);
    check("#GP through a 16-bit gate: 12 bytes", (uint32_t)trap_stack_top - frame16_sp, 12);
    check("#GP through a 16-bit gate: error code", frame16[0], 0x200);
    check("#GP through a 16-bit gate: CS", frame16[2], SEL_UCODE32);
}
#endif

void guest_main(void)
{
    single_step();
    mov_ss();
    interrupted_rep();
    external();
#ifndef __x86_64__
    double_in_switch();
    sixteen_bit_gates();
#endif
    page_faults();
}
