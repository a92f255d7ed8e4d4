/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_GUEST_AP_H
#define CALQUE_TESTS_GUEST_AP_H

#include "rt.h"

/* Other processors: the local APIC, and how they are started. One C file of a program includes this
 * and has ap_main(), where each begins on the stack that ap_stack named. SDM vol. 3A chapters 9 and
 * 11. */

enum { TRAMPOLINE = 0x8000 };
enum { REG_ID = 0x02, TPR = 0x08, EOI = 0x0b, LDR = 0x0d, DFR = 0x0e, SVR = 0x0f };
enum { IRR = 0x20, ESR = 0x28, ICR = 0x30, ICR_HIGH = 0x31, LVT_ERROR = 0x37, SELF_IPI = 0x3f };
enum { LOWEST = 1 << 8, NMI_IPI = 4 << 8, INIT_IPI = 5 << 8, SIPI = 6 << 8 };
enum { LOGICAL = 1 << 11, ASSERT = 1 << 14, LEVEL = 1 << 15 };
enum { TO_SELF = 1 << 18, TO_ALL = 2 << 18, TO_OTHERS = 3 << 18 };
enum { MSR_BASE = 0x1b, BSP = 1 << 8, X2 = 1 << 10, ENABLED = 1 << 11 };

static volatile uint32_t *const lapic = (uint32_t *)0xfee00000;

/* ---- the APIC, in either mode ---- */

static inline bool x2(void)
{
    return rdmsr(MSR_BASE) & X2;
}

static inline uint32_t get(unsigned reg)
{
    return x2() ? (uint32_t)rdmsr(0x800 + reg) : lapic[reg * 4];
}

static inline void set(unsigned reg, uint32_t v)
{
    if (x2())
        wrmsr(0x800 + reg, v);
    else
        lapic[reg * 4] = v;
}

static inline unsigned self(void)
{
    return x2() ? get(REG_ID) : get(REG_ID) >> 24;
}

static inline void send(uint32_t low, uint32_t dest)
{
    if (x2()) {
        wrmsr(0x800 + ICR, low | (uint64_t)dest << 32);
        return;
    }
    set(ICR_HIGH, dest << 24);
    set(ICR, low | ASSERT);
    while (get(ICR) & 1 << 12)
        __asm__ volatile("pause");
}

/* ---- starting ---- */

volatile unsigned ap_started;
volatile word ap_stack;
volatile uint32_t ap_signature, ap_cr0, ap_cs;
void ap_main(void);
extern char trampoline[], trampoline_end[];
/* Real mode at 0x8000; DS is 0 after reset. ap_start is 32-bit code in this image. */
__asm__(".pushsection .rodata\n"
        ".globl trampoline, trampoline_end\n"
        ".code16\n"
        "trampoline:\n"
        "  cli\n"
        "  mov %cr0, %eax\n"
        "  mov %eax, %esi\n"
        "  mov %cs, %bx\n"
        "  lgdtl 0x8000 + 9f - trampoline\n"
        "  or $1, %al\n"
        "  mov %eax, %cr0\n"
        "  ljmpl $0x38, $ap_start\n"
        "  .align 8\n"
        "9: .word 0x1ff\n"
        "  .long gdt\n"
        "trampoline_end:\n"
        ".popsection\n"
        ".code32\n"
        "ap_start:\n"
        "  mov $0x10, %eax\n"
        "  mov %eax, %ds\n"
        "  mov %eax, %es\n"
        "  mov %eax, %ss\n"
        "  mov %edx, ap_signature\n"
        "  mov %esi, ap_cr0\n"
        "  movzwl %bx, %ebx\n"
        "  mov %ebx, ap_cs\n"
        "  mov $0x600, %eax\n"
        "  mov %eax, %cr4\n"
        "  mov $0x33, %eax\n"
        "  mov %eax, %cr0\n"
#ifdef __x86_64__
        "  mov $0x620, %eax\n"
        "  mov %eax, %cr4\n"
        "  mov $boot_pml4, %eax\n"
        "  mov %eax, %cr3\n"
        "  mov $0xc0000080, %ecx\n"
        "  rdmsr\n"
        "  or $0x100, %eax\n"
        "  wrmsr\n"
        "  mov %cr0, %eax\n"
        "  or $0x80000000, %eax\n"
        "  mov %eax, %cr0\n"
        "  ljmp $0x08, $1f\n"
        ".code64\n"
        "1: mov ap_stack, %rsp\n"
        "  xor %ebp, %ebp\n"
        "  call ap_main\n"
#else
        "  ljmp $0x08, $1f\n"
        "1: mov ap_stack, %esp\n"
        "  xor %ebp, %ebp\n"
        "  call ap_main\n"
#endif
        "  ud2\n");

/* fw_cfg: how many there are. */
static inline unsigned count_processors(void)
{
    __asm__ volatile("outw %0,%1" ::"a"((uint16_t)5), "Nd"((uint16_t)0x510));
    return inb(0x511);
}

/* Starts processors 1 to n - 1 by INIT and SIPI, one after the other: ap_main() counts itself in
 * ap_started. top: where the stack of the first ends, of each other `apart` bytes further. */
static inline void ap_start_all(unsigned n, const void *top, size_t apart)
{
    memcpy((void *)TRAMPOLINE, trampoline, (size_t)(trampoline_end - trampoline));
    for (unsigned k = 1; k < n; k++) {
        ap_stack = (word)top + k * apart - 16;
        send(INIT_IPI, k);
        send(SIPI | TRAMPOLINE >> 12, k);
        while (ap_started != k)
            __asm__ volatile("pause");
    }
}

/* Where n processors wait for each other, as often as they like. */
struct ap_barrier {
    volatile uint32_t arrived, phase;
};
static inline void ap_wait(struct ap_barrier *b, unsigned n)
{
    uint32_t now = b->phase;
    if (__atomic_add_fetch(&b->arrived, 1, __ATOMIC_SEQ_CST) == n) {
        b->arrived = 0;
        b->phase = now + 1;
    }
    while (b->phase == now)
        __asm__ volatile("pause");
}

#endif
