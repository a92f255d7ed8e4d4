/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hardware interrupts: 8259A and 8254, the shadows of STI and MOV SS (SDM vol. 2, STI; vol. 3A
 * 6.8.3), waking from HLT, local APIC timer and self-IPI, an I/O APIC route. */
#include "lib/rt.h"

static volatile unsigned hits[256];
static volatile word hit_ip;
static bool by_apic;
static volatile uint32_t *const lapic = (uint32_t *)0xfee00000, *const ioapic =
                                                                    (uint32_t *)0xfec00000;

static void handler(struct frame *f)
{
    hits[f->vector]++;
    hit_ip = f->ip;
    if (by_apic)
        lapic[0xb0 / 4] = 0;
    else
        pic_eoi((int)f->vector - 0x20);
}

/* Channel 0 in mode 0: IRQ 0 rises once after `count` ticks of 838 ns. */
static void one_shot(unsigned count)
{
    outb(0x43, 0x30);
    outb(0x40, (uint8_t)count);
    outb(0x40, (uint8_t)(count >> 8));
}

static bool pic_requests(int irq)
{
    outb(0x20, 0x0a);
    return inb(0x20) >> irq & 1;
}

static void wait_pending(void)
{
    one_shot(100);
    while (!pic_requests(0))
        ;
}

static void pic(void)
{
    extern char after_sti[], after_ss[];
    pic_mask(0xffff);
    wait_pending();
    __asm__ volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
    check("PIC: a masked line does not interrupt", hits[0x20], 0);
    pic_mask(0xfffe);
    __asm__ volatile("nop\n\tnop" ::: "memory");
    check("PIC: nothing with IF clear", hits[0x20], 0);
    __asm__ volatile("sti\n\tcli\n\tnop\n\tnop" ::: "memory");
    check("STI shadow: STI; CLI lets nothing in", hits[0x20], 0);
    __asm__ volatile("sti\n\tnop\nafter_sti:\tnop\n\tcli" ::: "memory");
    check("PIC: taken after STI", hits[0x20], 1);
    check("STI shadow: one instruction long", hit_ip, (word)after_sti);
    /* MOV SS in the shadow of STI extends it by one. */
    wait_pending();
    __asm__ volatile("mov %%ss, %%eax\n\tsti\n\tmov %%eax, %%ss\n\tnop\nafter_ss:\tnop\n\tcli" ::
                         : "eax", "memory");
    check("MOV SS shadow: taken", hits[0x20], 2);
    (void)after_ss;
    /* HLT: STI; HLT never sleeps through the interrupt. */
    for (int i = 0; i < 20; i++) {
        one_shot(200 + 100u * (unsigned)i);
        __asm__ volatile("sti\n\thlt\n\tcli" ::: "memory");
    }
    check("HLT wakes by the PIT", hits[0x20], 22);
    /* Periodic. */
    outb(0x43, 0x34);
    outb(0x40, 0xa9);
    outb(0x40, 4); /* 1000 Hz */
    unsigned start = hits[0x20];
    while (hits[0x20] < start + 10)
        __asm__ volatile("sti\n\thlt\n\tcli" ::: "memory");
    report(true, "PIT mode 2 interrupts periodically");
    one_shot(1);
    for (int i = 0; i < 1000 && !pic_requests(0); i++)
        inb(0x61);
    pic_mask(0xffff);
}

/* The trap flag and MOV SS: the single-step trap comes one instruction later. */
static void mov_ss_step(void)
{
    TRY("mov %%ss, %%eax\n\tpushf\n\tor" W " $0x100, (%%" R "sp)\n\tpopf\n\tmov %%eax, %%ss\n\tnop",
        ::
            : "eax", "memory");
    check_trap("MOV SS shadow: single step is held back", DB);
}

static void apic(void)
{
    by_apic = true;
    wrmsr(0x1b, (rdmsr(0x1b) & ~0x400ull) | 0x800);
    lapic[0xf0 / 4] = 0x1ff;
    lapic[0x80 / 4] = 0;
    lapic[0x320 / 4] = 0x10000;
    check("LAPIC: version is of an integrated APIC", lapic[0x30 / 4] >> 4 & 0xf, 1);
    lapic[0x300 / 4] = 0x40000 | 0x41; /* self, fixed */
    __asm__ volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
    check("LAPIC: IPI to itself", hits[0x41], 1);
    lapic[0x80 / 4] = 0x50;
    lapic[0x300 / 4] = 0x40000 | 0x41;
    __asm__ volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
    check("LAPIC: TPR holds a lower class back", hits[0x41], 1);
    check("LAPIC: it is in IRR", lapic[0x220 / 4] >> 1 & 1, 1);
    lapic[0x80 / 4] = 0;
    __asm__ volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
    check("LAPIC: taken when TPR falls", hits[0x41], 2);
    lapic[0x300 / 4] = 0x40000 | 0x51;
    lapic[0x300 / 4] = 0x40000 | 0x61;
    __asm__ volatile("sti\n\tnop\n\tnop\n\tnop\n\tcli" ::: "memory");
    check("LAPIC: two vectors, both taken", hits[0x51] + hits[0x61], 2);
#ifdef __x86_64__
    __asm__ volatile("mov %0, %%cr8" ::"r"(7ul));
    check("CR8 is TPR bits 4-7", lapic[0x80 / 4], 0x70);
    __asm__ volatile("mov %0, %%cr8" ::"r"(0ul));
#endif
    lapic[0x3e0 / 4] = 3;    /* divide by 16 */
    lapic[0x320 / 4] = 0x42; /* one-shot */
    lapic[0x380 / 4] = 10000;
    while (!hits[0x42])
        __asm__ volatile("sti\n\thlt\n\tcli" ::: "memory");
    check("LAPIC timer: one shot, count stops at 0", lapic[0x390 / 4], 0);
    check("LAPIC timer: one interrupt", hits[0x42], 1);
    lapic[0x320 / 4] = 0x20043; /* periodic */
    lapic[0x380 / 4] = 10000;
    while (hits[0x43] < 5)
        __asm__ volatile("sti\n\thlt\n\tcli" ::: "memory");
    lapic[0x320 / 4] = 0x10000;
    lapic[0x380 / 4] = 0;
    report(true, "LAPIC timer: periodic");

    /* I/O APIC: the PIT is on input 2 (or 0 without the ISA override). */
    ioapic[0] = 1;
    check("IOAPIC: 24 inputs", ioapic[4] >> 16 & 0xff, 23);
    for (unsigned pin = 0; pin <= 2; pin += 2) {
        ioapic[0] = 0x11 + 2 * pin;
        ioapic[4] = lapic[0x20 / 4] & 0xff000000;
        ioapic[0] = 0x10 + 2 * pin;
        ioapic[4] = 0x44;
    }
    one_shot(300);
    while (!hits[0x44])
        __asm__ volatile("sti\n\thlt\n\tcli" ::: "memory");
    check("IOAPIC: edge-triggered PIT", hits[0x44], 1);
    for (unsigned pin = 0; pin <= 2; pin += 2) {
        ioapic[0] = 0x10 + 2 * pin;
        ioapic[4] = 0x10044;
    }
    check("IOAPIC: entry reads back masked", ioapic[4] & 0x1ffff, 0x10044);
    by_apic = false;
}

void guest_main(void)
{
    for (int v = 0x20; v < 0x70; v++)
        handlers[v] = handler;
    pic();
    mov_ss_step();
    apic();
}
