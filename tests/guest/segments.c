/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Protected-mode segmentation (SDM vol. 3A chapter 5): limits, expand-down, types, 16-bit code and
 * stacks, call gates, conforming code, LAR/LSL/VERR/VERW/ARPL. */
#include "lib/rt.h"

enum {
    A = GDT_FREE * 8,
    GATE = A + 8,
    CONF = A + 16,
    CODE16 = A + 24,
    STACK16 = A + 32,
    GATE0 = A + 40,
    NONCONF = A + 48
};
static uint8_t area[0x3000] __attribute__((aligned(4096)));
static uint32_t base;

static void load(uint32_t limit, unsigned access, unsigned flags)
{
    gdt[A / 8] = descriptor(base, limit, access, flags);
    __asm__ volatile("mov %w0, %%fs" ::"r"(A));
}

#define RD(off, suffix, reg) TRY("mov" suffix " %%fs:(%0), %%" reg, ::"r"(off) : "eax", "memory")
#define WR(off, suffix, reg)                                                                       \
    TRY("mov" suffix " %%" reg ", %%fs:(%0)", ::"r"(off), "a"(0x55) : "memory")

static void limits(void)
{
    load(0xfff, 0x93, 4);
    RD(0xfff, "b", "al");
    check_fault("byte at the limit", NONE, 0);
    RD(0x1000, "b", "al");
    check_fault("#GP: byte above the limit", GP, 0);
    RD(0xffc, "l", "eax");
    check_fault("doubleword ending at the limit", NONE, 0);
    RD(0xffd, "l", "eax");
    check_fault("#GP: doubleword across the limit", GP, 0);
    WR(0xfff, "w", "ax");
    check_fault("#GP: word write across the limit", GP, 0);
    RD(0xffffffff, "l", "eax");
    check_fault("#GP: access wrapping round", GP, 0);
    load(1, 0x93, 12);
    RD(0x1fff, "b", "al");
    check_fault("page granularity: byte at the limit", NONE, 0);
    RD(0x2000, "b", "al");
    check_fault("#GP: page granularity: byte above", GP, 0);

    load(0xfff, 0x97, 4);
    RD(0xfff, "b", "al");
    check_fault("#GP: expand-down: byte at the limit", GP, 0);
    RD(0x1000, "b", "al");
    check_fault("expand-down: byte above the limit", NONE, 0);
    RD(0xffd, "l", "eax");
    check_fault("#GP: expand-down: doubleword across", GP, 0);
    load(0xfff, 0x97, 0);
    RD(0xffff, "b", "al");
    check_fault("expand-down, 16 bits: last byte", NONE, 0);
    RD(0x10000, "b", "al");
    check_fault("#GP: expand-down, 16 bits: byte above 64 KiB", GP, 0);

    load(0xfff, 0x91, 4);
    WR(0, "b", "al");
    check_fault("#GP: write to read-only data", GP, 0);
    load(0xfff, 0x9b, 4);
    RD(0, "b", "al");
    check_fault("read of readable code", NONE, 0);
    WR(0, "b", "al");
    check_fault("#GP: write to code", GP, 0);
    load(0xfff, 0x92, 4);
    check("loading sets the accessed bit", gdt[A / 8] >> 40 & 0xff, 0x93);
    area[5] = 0x77;
    uint8_t v;
    __asm__ volatile("movb %%fs:5, %0" : "=q"(v));
    check("base is added", v, 0x77);
    __asm__ volatile("mov %w0, %%fs" ::"r"(0));
    RD(0, "b", "al");
    check_fault("#GP: null segment", GP, 0);
}

static void queries(void)
{
    uint32_t v;
    bool zf;
    gdt[A / 8] = descriptor(base, 0x12345, 0x93, 12);
#define QUERY(insn, sel) __asm__ volatile(insn " %2, %0\n\tsetz %1" : "=r"(v), "=qm"(zf) : "r"(sel))
    QUERY("lar", A);
    check("LAR", zf ? v & 0xf0ff00 : 0, 0xc09300); /* bits 16-19 are undefined */
    QUERY("lsl", A);
    check("LSL scales by pages", zf ? v : 0, 0x12345fff);
    QUERY("lar", 0x200);
    check("LAR beyond the GDT clears ZF", zf, 0);
    QUERY("lsl", 0);
    check("LSL of null clears ZF", zf, 0);
    QUERY("lar", SEL_TSS);
    check("LAR of a TSS", zf, 1);
    __asm__ volatile("verw %w1\n\tsetz %0" : "=qm"(zf) : "r"(A));
    check("VERW of writable data", zf, 1);
    __asm__ volatile("verw %w1\n\tsetz %0" : "=qm"(zf) : "r"(SEL_CODE));
    check("VERW of code", zf, 0);
    __asm__ volatile("verr %w1\n\tsetz %0" : "=qm"(zf) : "r"(SEL_CODE));
    check("VERR of readable code", zf, 1);
    __asm__ volatile("verr %w1\n\tsetz %0" : "=qm"(zf) : "r"(A | 3));
    check("VERR with RPL above DPL", zf, 0);
    uint16_t sel = 0x20;
    __asm__ volatile("arpl %w2, %w0\n\tsetz %1" : "+r"(sel), "=qm"(zf) : "r"(3));
    check("ARPL raises RPL", zf ? sel : 0, 0x23);
    __asm__ volatile("arpl %w2, %w0\n\tsetz %1" : "+r"(sel), "=qm"(zf) : "r"(1));
    check("ARPL leaves a higher RPL", zf ? 0 : sel, 0x23);
}

/* 16-bit code in a segment based at its own label; returns far to 32-bit code. */
__asm__(".text\n.code16\ncode16_start:\n\t"
        "mov $0x1234, %ax\n\tpush %ax\n\tpop %cx\n\t" /* 16-bit operands and stack */
        "mov $0xffff, %bx\n\tadd $2, %bx\n\t"
        "call 1f\n\tjmp 2f\n1:\tmov %sp, %dx\n\tret\n2:\t"
        "lretl\n.code32");
extern char code16_start[];

static void sixteen(void)
{
    struct {
        uint32_t off;
        uint16_t sel;
    } __attribute__((packed)) far = {0, CODE16};
    uint32_t a = 0xaaaa0000, b = 0xbbbb0000, c = 0xcccc0000, sp;
    gdt[CODE16 / 8] = descriptor((uint32_t)code16_start, 0xffff, 0x9b, 0);
    __asm__ volatile("mov %%esp, %%esi\n\tlcall *%4\n\tmov %%esp, %3\n\tsub %%esi, %3"
                     : "+a"(a), "+b"(b), "+c"(c), "=&D"(sp)
                     : "m"(far)
                     : "esi", "edx", "memory");
    check("16-bit code: MOV AX keeps the upper half", a, 0xaaaa1234);
    check("16-bit code: ADD wraps", b, 0xbbbb0001);
    check("16-bit code: PUSH and POP of a word", c, 0xcccc1234);
    check("16-bit code: stack balanced", sp, 0);

    /* A 16-bit stack: only SP moves, and it wraps inside the segment. */
    uint32_t esp;
    gdt[STACK16 / 8] = descriptor((uint32_t)area, 0xffff, 0x93, 0);
    __asm__ volatile(
        "mov %%esp, %%esi\n\tmov %%ss, %%edi\n\tmov %w1, %%ss\n\tmov $0xabcd0102, %%esp\n\t"
        "push $0x11223344\n\tmov %%esp, %0\n\tpop %%ecx\n\t"
        "mov %%edi, %%ss\n\tmov %%esi, %%esp"
        : "=&a"(esp)
        : "r"(STACK16)
        : "esi", "edi", "ecx", "memory");
    check("16-bit stack: the upper half of ESP stays", esp, 0xabcd00fe);
    check("16-bit stack: memory at SP", *(uint32_t *)(area + 0xfe), 0x11223344);
}

/* ---- call gates ---- */
volatile uint32_t gate_cs, gate_ss, gate_parameters[2], gate_return_cs, gate_old_ss;
__asm__(".text\ngate_target:\n\t"
        "push %ds\n\tmov $0x10, %eax\n\tmov %eax, %ds\n\t"
        "mov %cs, %eax\n\tmov %eax, gate_cs\n\tmov %ss, %eax\n\tmov %eax, gate_ss\n\t"
        "mov 8(%esp), %eax\n\tmov %eax, gate_return_cs\n\t"
        "mov 12(%esp), %eax\n\tmov %eax, gate_parameters\n\t"
        "mov 16(%esp), %eax\n\tmov %eax, gate_parameters + 4\n\t"
        "mov 24(%esp), %eax\n\tmov %eax, gate_old_ss\n\t"
        "pop %ds\n\tlret $8\n"
        "plain_target:\n\tmov %cs, %eax\n\tmov %eax, gate_cs\n\tlret\n");
extern char gate_target[], plain_target[];

static uint64_t call_gate(uint16_t sel, uint32_t off, unsigned access, unsigned parameters)
{
    return (off & 0xffff) | (uint64_t)sel << 16 | (uint64_t)parameters << 32 |
           (uint64_t)access << 40 | (uint64_t)(off >> 16) << 48;
}

static const struct far {
    uint32_t off;
    uint16_t sel;
} __attribute__((packed)) far_gate = {0xdeadbeef, GATE | 3}, far_gate0 = {0, GATE0 | 3},
                          far_conf = {(uint32_t)0, CONF | 3}, far_nonconf = {0, NONCONF | 3};
static volatile int user_result[4];
static volatile word user_error[4], user_cs, user_gate_cs, user_sp[2];

static void user_gates(void)
{
    word before, after;
    TRY("mov %%esp, %0\n\tpush $0x2222\n\tpush $0x1111\n\tlcall *%2\n\tmov %%esp, %1",
        : "=&S"(before), "=&D"(after)
        : "m"(far_gate)
        : "eax", "memory");
    user_result[0] = exc.vector;
    user_gate_cs = gate_cs; /* the next calls overwrite it */
    user_sp[0] = before, user_sp[1] = after;
    TRY("lcall *%0", ::"m"(far_gate0) : "eax", "memory");
    user_result[1] = exc.vector;
    user_error[1] = exc.f.error;
    TRY("lcall *%0", ::"m"(far_conf) : "eax", "memory");
    user_result[2] = exc.vector;
    user_cs = gate_cs;
    TRY("lcall *%0", ::"m"(far_nonconf) : "eax", "memory");
    user_result[3] = exc.vector;
    user_error[3] = exc.f.error;
}

static void gates(void)
{
    gdt[GATE / 8] = call_gate(SEL_CODE, (uint32_t)gate_target, 0xec, 2);
    gdt[GATE0 / 8] = call_gate(SEL_CODE, (uint32_t)gate_target, 0x8c, 0);
    gdt[CONF / 8] = descriptor((uint32_t)plain_target, 0xfffff, 0x9f, 12);
    gdt[NONCONF / 8] = descriptor((uint32_t)plain_target, 0xfffff, 0x9b, 12);
    run_user(user_gates);
    check("call gate to ring 0", (uint64_t)user_result[0], (uint64_t)NONE);
    check("call gate: CS", user_gate_cs, SEL_CODE);
    check("call gate: SS from the TSS", gate_ss, SEL_DATA);
    check("call gate: first parameter copied", gate_parameters[0], 0x1111);
    check("call gate: second parameter copied", gate_parameters[1], 0x2222);
    check("call gate: return CS", gate_return_cs & 0xffff, SEL_UCODE32);
    check("call gate: return SS", gate_old_ss & 0xffff, SEL_UDATA);
    check("far return drops the parameters of both stacks", user_sp[1], user_sp[0]);
    check("#GP: call gate of DPL 0 from ring 3", (unsigned)user_result[1], GP);
    check("#GP: call gate of DPL 0: error code", user_error[1], GATE0);
    check("conforming code from ring 3", (uint64_t)user_result[2], (uint64_t)NONE);
    check("conforming code keeps CPL", user_cs, CONF | 3);
    check("#GP: nonconforming code from ring 3", (unsigned)user_result[3], GP);
    check("#GP: nonconforming code: error code", user_error[3], NONCONF);

    gdt[GATE / 8] = call_gate(SEL_CODE, (uint32_t)plain_target, 0x8c, 0);
    TRY("lcall %0, $0", ::"i"(GATE) : "eax", "memory");
    check_fault("call gate at the same privilege", NONE, 0);
    gdt[GATE / 8] = call_gate(SEL_CODE, (uint32_t)plain_target, 0x0c, 0);
    TRY("lcall %0, $0", ::"i"(GATE) : "eax", "memory");
    check_fault("#NP: call gate not present", NP, GATE);
    gdt[GATE / 8] = call_gate(SEL_DATA, (uint32_t)plain_target, 0x8c, 0);
    TRY("lcall %0, $0", ::"i"(GATE) : "eax", "memory");
    check_fault("#GP: call gate to data", GP, SEL_DATA);
    TRY("lcall %0, $0", ::"i"(SEL_DATA) : "eax", "memory");
    check_fault("#GP: far call to data", GP, SEL_DATA);
    gdt[NONCONF / 8] = descriptor((uint32_t)plain_target, 0, 0x9b, 4);
    TRY("lcall %0, $1", ::"i"(NONCONF) : "eax", "memory");
    check_fault("#GP: far call beyond the limit", GP, 0);
}

static volatile uint32_t outer_es, outer_fs;
static void user_look(void)
{
    uint32_t v;
    __asm__ volatile("mov %%fs, %0" : "=r"(v));
    outer_fs = v;
}

static void outer(void)
{
    __asm__ volatile("mov %w0, %%fs" ::"r"(SEL_DATA));
    run_user(user_look);
    check("IRET to ring 3 nulls FS of DPL 0", outer_fs, 0);
}

void guest_main(void)
{
    base = (uint32_t)area;
    limits();
    queries();
    sixteen();
    gates();
    outer();
}
