/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtual-8086 mode, its extensions (VME) and protected-mode virtual interrupts (PVI)
 * (SDM vol. 3A chapter 21; vol. 2, CLI, STI, PUSHF, POPF, INT n, IRET). */
#include "lib/rt.h"

#define CODE  0x8000u /* linear; the program is at CODE / 16 : 0 */
#define STACK 0x9000u
#define IF_   0x200u
#define VIF   0x80000u
#define VIP   0x100000u
#define VM    0x20000u
#define IOPL  0x3000u
#define TF    0x100u

/* A TSS with both maps: interrupt redirection, then I/O permissions. */
static uint8_t big_tss[0x68 + 32 + 0x2000 + 1] __attribute__((aligned(128)));
#define MAP_AT (0x68 + 32)

/* What trapped out of virtual-8086 mode, and the registers there. */
static struct {
    int vector;
    word error, ip, flags, ax, bx, cx, cs, sp, ss, es, ds, fs, gs, handler_ds;
} seen;

void v86_enter(word flags, word ip);
_Noreturn void v86_leave(void);
__asm__(".text\nv86_enter:\n\tmov 4(%esp), %eax\n\tmov 8(%esp), %edx\n\t"
        "push %ebx\n\tpush %ebp\n\tpush %esi\n\tpush %edi\n\tpushfl\n\tmov %esp, v86_saved\n\t"
        "push $0x904\n\tpush $0x903\n\tpush $0x902\n\tpush $0x901\n\t" /* GS FS DS ES */
        "push $0x900\n\tpush $0x100\n\tpush %eax\n\tpush $0x800\n\tpush %edx\n\t"
        "xor %eax, %eax\n\txor %ebx, %ebx\n\txor %ecx, %ecx\n\tiret\n"
        "v86_leave:\n\tmov v86_saved, %esp\n\tpopfl\n\tpop %edi\n\tpop %esi\n\tpop %ebp\n\t"
        "pop %ebx\n\tret\n.bss\nv86_saved:\t.long 0\n.text\n");

static void leave(struct frame *f)
{
    word *segments = &f->ss + 1;

    seen.vector = (int)f->vector;
    seen.error = f->error;
    seen.ip = f->ip, seen.flags = f->flags, seen.cs = f->cs;
    seen.ax = f->ax, seen.bx = f->bx, seen.cx = f->cx;
    seen.sp = f->sp, seen.ss = f->ss;
    if (f->flags & VM)
        seen.es = segments[0], seen.ds = segments[1], seen.fs = segments[2], seen.gs = segments[3];
    seen.handler_ds = f->ds;
    v86_leave();
}

/* Runs code bytes up to the trap that ends them; HLT is #GP there. */
static void v86(const char *code, unsigned len, word flags)
{
    memcpy((void *)CODE, code, len);
    seen.vector = NONE;
    v86_enter(flags | VM | 2, 0);
}
#define V86(code, flags) v86(code, sizeof(code), flags)

/* It ended with #GP(0) at offset `ip`. */
static void check_gp(const char *name, unsigned ip)
{
    report(seen.vector == GP && seen.error == 0 && seen.ip == ip, name);
    if (seen.vector != GP || seen.error || seen.ip != ip) {
        print("  vector ");
        print_hex((unsigned)seen.vector);
        print(" error ");
        print_hex(seen.error);
        print(" ip ");
        print_hex(seen.ip);
        print("\n");
    }
}

static void set_redirection(unsigned vector, bool to_monitor)
{
    uint8_t *byte = &big_tss[MAP_AT - 32 + vector / 8];

    *byte = (uint8_t)(to_monitor ? *byte | 1 << (vector & 7) : *byte & ~(1 << (vector & 7)));
}

static void set_up(void)
{
    memcpy(big_tss, tss, 0x66);
    *(uint16_t *)(big_tss + 0x66) = MAP_AT;
    big_tss[sizeof big_tss - 1] = 0xff;
    gdt[SEL_TSS / 8] = descriptor((uint32_t)big_tss, sizeof big_tss - 1, 0x89, 0);
    __asm__ volatile("ltr %w0" ::"r"(SEL_TSS));
    for (int v = 0; v < 0x60; v++)
        handlers[v] = leave;
    set_gate(0x40, stub(0x40), 0xee);
    set_gate(0x41, stub(0x41), 0x8e);
    memset((void *)STACK, 0, 0x200);
}

static void plain(void)
{
    V86("\xb8\x34\x12\xf4", 0); /* MOV AX, 1234h; HLT */
    check_gp("#GP: HLT ends the program", 3);
    check("AX", seen.ax, 0x1234);
    check("the frame: CS", seen.cs & 0xffff, 0x800);
    check("the frame: SS:SP", (seen.ss & 0xffff) << 16 | seen.sp, 0x9000100);
    check("the frame: ES", seen.es & 0xffff, 0x901);
    check("the frame: DS", seen.ds & 0xffff, 0x902);
    check("the frame: FS", seen.fs & 0xffff, 0x903);
    check("the frame: GS", seen.gs & 0xffff, 0x904);
    check("the frame: VM", seen.flags & VM, VM);
    check("the handler's DS is null", seen.handler_ds & 0xffff, 0);
    V86("\x0f\x00\xd0\xf4", 0);
    check("#UD: LLDT", (unsigned)seen.vector, UD);
    V86("\x63\xc0\xf4", 0);
    check("#UD: ARPL", (unsigned)seen.vector, UD);
    V86("\x0f\x20\xc0\xf4", IOPL);
    check_gp("#GP: MOV from CR0", 0);
    V86("\x0f\x01\x16\x00\x00\xf4", IOPL);
    check_gp("#GP: LGDT", 0);
    V86("\x8e\xd8\x8c\xd8\xf4", 0); /* MOV DS, AX; MOV AX, DS */
    check_gp("segments load without descriptors", 4);
    V86("\xbb\xff\xff\x8b\x07\xf4", 0); /* MOV BX, FFFFh; MOV AX, [BX] */
    check_gp("#GP: word at FFFFh", 3);
    V86("\xcc\xf4", 0);
    check("INT3 does not look at IOPL", (unsigned)seen.vector, BP);
}

/* Without VME: IOPL 3 or #GP. */
static void iopl(void)
{
    static const struct {
        const char *name, *code;
    } rows[] = {
        {"#GP: CLI with IOPL 0", "\xfa\xf4"},   {"#GP: STI with IOPL 0", "\xfb\xf4"},
        {"#GP: PUSHF with IOPL 0", "\x9c\xf4"}, {"#GP: PUSHFD with IOPL 0", "\x66\x9c\xf4"},
        {"#GP: POPF with IOPL 0", "\x9d\xf4"},  {"#GP: INT n with IOPL 0", "\xcd\x40\xf4"},
        {"#GP: IRET with IOPL 0", "\xcf\xf4"},
    };
    for (unsigned n = 0; n < sizeof rows / sizeof *rows; n++) {
        v86(rows[n].code, 16, 0);
        check_gp(rows[n].name, 0);
    }
    V86("\xfb\x9c\x58\xfa\x9c\x5b\xf4", IOPL); /* STI PUSHF POP AX CLI PUSHF POP BX */
    check_gp("IOPL 3: CLI, STI and PUSHF", 6);
    check("IOPL 3: STI sets IF", seen.ax & (IF_ | IOPL), IF_ | IOPL);
    check("IOPL 3: CLI clears IF", seen.bx & IF_, 0);
    V86("\xcd\x40\xf4", IOPL);
    check("IOPL 3: INT goes to the monitor", (unsigned)seen.vector, 0x40);
    check("IOPL 3: INT pushes the next IP", seen.ip, 2);
    V86("\xcd\x41\xf4", IOPL);
    check("IOPL 3: #GP: gate of DPL 0", seen.vector == GP ? seen.error : 0, 0x41 * 8 + 2);
}

/* Port 80h, whose bit is in byte 10h of the map. */
static void ports(void)
{
    V86("\xe6\x80\xf4", 0);
    check_gp("I/O map: allowed", 2);
    big_tss[MAP_AT + 0x10] = 1;
    V86("\xe6\x80\xf4", IOPL);
    check_gp("#GP: I/O map, also with IOPL 3", 0);
    big_tss[MAP_AT + 0x10] = 2;
    V86("\xe6\x80\xf4", 0);
    check_gp("I/O map: the bit of the next port", 2);
    V86("\xe7\x80\xf4", 0);
    check_gp("#GP: I/O map, a word touches it", 0);
    big_tss[MAP_AT + 0x10] = 0;
}

/* VME: IF is VIF. */
static void vme(void)
{
    write_cr4(read_cr4() | 1);
    V86("\xfb\x9c\x58\xfa\x9c\x5b\xf4", 0);
    check_gp("VME: CLI, STI and PUSHF", 6);
    check("VME: PUSHF shows VIF as IF, and IOPL 3", seen.ax & (IF_ | IOPL), IF_ | IOPL);
    check("VME: CLI clears VIF", seen.bx & IF_, 0);
    check("VME: the frame has VIF", seen.flags & VIF, 0);
    V86("\xfb\xf4", 0);
    check("VME: STI sets VIF, not IF", seen.flags & (VIF | IF_), VIF);
    V86("\xfb\xf4", VIP);
    check_gp("VME: #GP: STI with VIP", 0);
    V86("\xfa\xf4", VIP | VIF);
    check("VME: CLI with VIP", seen.flags & (VIF | VIP), VIP);
    V86("\x66\x9c\xf4", 0);
    check_gp("VME: #GP: PUSHFD", 0);
    V86("\x66\x9d\xf4", 0);
    check_gp("VME: #GP: POPFD", 0);
    V86("\x68\x00\x02\x9d\xf4", 0); /* PUSH 200h; POPF */
    check("VME: POPF sets VIF", seen.flags & (VIF | IF_), VIF);
    V86("\x68\x00\x02\x9d\xf4", VIP);
    check_gp("VME: #GP: POPF of IF with VIP", 3);
    V86("\x68\x00\x01\x9d\xf4", 0);
    check_gp("VME: #GP: POPF of TF", 3);
    V86("\x68\x00\x30\x9d\xf4", 0);
    check("VME: POPF leaves IOPL", seen.flags & IOPL, 0);
    V86("\x68\x00\x02\x68\x00\x08\x68\x0a\x00\xcf\xf4", 0); /* push FLAGS, CS, IP; IRET */
    check_gp("VME: IRET", 10);
    check("VME: IRET sets VIF", seen.flags & (VIF | IF_), VIF);
    V86("\x68\x00\x02\x68\x00\x08\x68\x0a\x00\xcf\xf4", VIP);
    check_gp("VME: #GP: IRET to IF with VIP", 9);
    V86("\xfa\xfb\xf4", IOPL);
    check("VME, IOPL 3: STI sets IF", seen.flags & (VIF | IF_), IF_);
}

/* INT 42H to 0800:0010 when the redirection bit is clear. */
static void redirection(void)
{
    static const char code[] =
        "\xfb\xcd\x42\x9c\x5b\xf4\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90"
        "\x9c\x58\x59\x59\x59\x51\x83\xec\x04\xcf"; /* 10h: PUSHF POP AX ... */

    *(volatile uint32_t *)(0x42 * 4) = 0x08000010;
    set_redirection(0x42, false);
    v86(code, sizeof code, 0);
    check_gp("VME: INT to the program's own handler and back", 5);
    check("VME: its VIF is clear", seen.ax & IF_, 0);
    check("VME: the flags it finds: IF for VIF, IOPL 3", seen.cx & (IF_ | IOPL), IF_ | IOPL);
    check("VME: IRET gives VIF back", seen.bx & IF_, IF_);
    v86(code, sizeof code, IOPL);
    check_gp("VME, IOPL 3: INT to the program's own handler", 5);
    check("VME, IOPL 3: IF is clear in it", seen.ax & IF_, 0);
    set_redirection(0x42, true);
    v86(code, sizeof code, 0);
    check_gp("VME: #GP: INT that is not redirected, IOPL 0", 1);
    set_gate(0x42, stub(0x42), 0xee);
    v86(code, sizeof code, IOPL);
    check("VME, IOPL 3: INT that is not redirected", (unsigned)seen.vector, 0x42);
    write_cr4(read_cr4() & ~1ul);
}

/* ---- PVI: ring 3 in protected mode ---- */

static word user_flags[3];
static void user_cli_sti(void)
{
    TRY("sti", ::: "memory");
    user_flags[0] = exc.vector == NONE ? read_flags() : 0;
    TRY("cli", ::: "memory");
    user_flags[1] = exc.vector == NONE ? read_flags() : ~0ul;
}

static void user_sti_vip(struct frame *f)
{
    f->flags |= VIP;
}

static void user_vip(void)
{
    __asm__ volatile("int $0x90" ::: "memory"); /* the handler sets VIP */
    TRY("sti", ::: "memory");
    user_flags[2] = (word)exc.vector;
}

static void pvi(void)
{
    handlers[GP] = 0;
    run_user(user_cli_sti);
    check("without PVI: #GP: STI in ring 3", user_flags[0], 0);
    write_cr4(read_cr4() | 2);
    run_user(user_cli_sti);
    check("PVI: STI sets VIF", user_flags[0] & (VIF | IF_), VIF);
    check("PVI: CLI clears VIF", user_flags[1] & (VIF | IF_), 0);
    set_gate(0x90, stub(0x90), 0xee);
    handlers[0x90] = user_sti_vip;
    run_user(user_vip);
    check("PVI: #GP: STI with VIP", user_flags[2], GP);
    write_cr4(read_cr4() & ~2ul);
}

void guest_main(void)
{
    uint32_t id[4];

    set_up();
    plain();
    iopl();
    ports();
    cpuid(1, id);
    if (id[3] & 2) {
        vme();
        redirection();
        pvi();
    } else {
        skip("VME and PVI: CPUID has none");
    }
}
