/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control register writes that must be refused (SDM vol. 2B, MOV to control registers; vol. 3A
 * 2.5, 4.4.1, 4.10.1, 9.8.5). A processor that carries them out is lost, so they are a program of
 * their own. */
#include "lib/rt.h"

#define EFER 0xc0000080u

#ifdef __x86_64__
static void long_mode(void)
{
    word cr3 = read_cr3();
    struct {
        uint16_t limit;
        word base;
    } __attribute__((packed)) r = {0xff, 0x0000800000000000};

    TRY("mov %0, %%cr4", ::"r"(read_cr4() & ~0x20ul) : "memory");
    check_fault("#GP: clearing CR4.PAE in long mode", GP, 0);
    uint64_t efer = rdmsr(EFER);
    TRY("wrmsr", ::"c"(EFER), "a"((uint32_t)efer & ~0x100u), "d"(0) : "memory");
    check_fault("#GP: clearing EFER.LME with paging on", GP, 0);
    check("EFER.LMA stays", rdmsr(EFER) & 0x500, 0x500);
    TRY("mov %0, %%cr0", ::"r"(read_cr0() & ~(1ul << 31)) : "memory");
    check_fault("#GP: clearing CR0.PG in 64-bit mode", GP, 0);
    TRY("mov %0, %%cr3", ::"r"(cr3 | 1ul << 62) : "memory");
    check_fault("#GP: reserved bit of CR3", GP, 0);
    TRY("mov %0, %%cr3", ::"r"(cr3 | 1ul << 63) : "memory");
    check_fault("#GP: bit 63 of CR3 without PCIDE", GP, 0);
    TRY("mov %0, %%cr8", ::"r"(16ul) : "memory");
    check_fault("#GP: CR8 above 15", GP, 0);
    TRY("lgdt %0", ::"m"(r) : "memory");
    check_fault("#GP: LGDT of a non-canonical base", GP, 0);
    TRY("lidt %0", ::"m"(r) : "memory");
    check_fault("#GP: LIDT of a non-canonical base", GP, 0);
    write_cr3(cr3 | 8);
    TRY("mov %0, %%cr4", ::"r"(read_cr4() | 1ul << 17) : "memory");
    check_fault("#GP: CR4.PCIDE with a PCID in CR3", GP, 0);
    write_cr3(cr3);
}
#else
static uint64_t pdpt[4] __attribute__((aligned(32)));
static uint64_t pds[4][512] __attribute__((aligned(4096)));
static uint8_t tss16[0x2c] __attribute__((aligned(128)));

static void pae(void)
{
    word cr0 = read_cr0(), cr4 = read_cr4();

    for (int i = 0; i < 4; i++) {
        pdpt[i] = (word)pds[i] | 1;
        for (int n = 0; n < 512; n++)
            pds[i][n] = (uint64_t)(i * 512 + n) << 21 | 0x87;
    }
    TRY("mov %0, %%cr4", ::"r"(cr4 | 1ul << 17) : "memory");
    check_fault("#GP: CR4.PCIDE outside long mode", GP, 0);
    write_cr4(cr4 | 0x20);
    write_cr3((word)pdpt);
    pdpt[3] |= 2;
    TRY("mov %0, %%cr0", ::"r"(cr0 | 1u << 31) : "memory");
    check_fault("#GP: PAE paging with a reserved bit in a PDPTE", GP, 0);
    pdpt[3] &= ~2ull;
    write_cr0(cr0 | 1u << 31);
    pdpt[3] |= 1ull << 63;
    check("PDPTEs are not read again before a write of CR3", *(volatile uint8_t *)0xfff00000 | 1,
          *(volatile uint8_t *)0xfff00000 | 1);
    TRY("mov %0, %%cr3", ::"r"(pdpt) : "memory");
    check_fault("#GP: MOV CR3 with a reserved bit in a PDPTE", GP, 0);
    TRY("mov %0, %%cr4", ::"r"(read_cr4() | 0x80) : "memory");
    check_fault("#GP: CR4.PGE reads the PDPTEs, too", GP, 0);
    pdpt[3] = 2; /* not present: the rest is ignored */
    TRY("mov %0, %%cr3", ::"r"(pdpt) : "memory");
    check_fault("an absent PDPTE has no reserved bits", NONE, 0);
    TRY("movb 0xfff00000, %%al", ::: "eax", "memory");
    check("#PF: absent PDPTE", (unsigned)exc.vector, PF);
    write_cr0(cr0);
    pdpt[3] = (word)pds[3] | 1;
    write_cr4(cr4);
}

static void activation(void)
{
    word cr0 = read_cr0(), cr4 = read_cr4();

    wrmsr(EFER, rdmsr(EFER) | 0x100);
    TRY("mov %0, %%cr0", ::"r"(cr0 | 1u << 31) : "memory");
    check_fault("#GP: long mode without CR4.PAE", GP, 0);
    write_cr4(cr4 | 0x20);
    gdt[GDT_FREE] = descriptor((uint32_t)tss16, sizeof tss16 - 1, 0x81, 0);
    __asm__ volatile("ltr %w0" ::"r"(GDT_FREE * 8));
    TRY("mov %0, %%cr0", ::"r"(cr0 | 1u << 31) : "memory");
    check_fault("#GP: long mode with a 16-bit TSS", GP, 0);
    check("EFER.LMA stays clear", rdmsr(EFER) & 0x500, 0x100);
    wrmsr(EFER, rdmsr(EFER) & ~0x100ull);
    write_cr4(cr4);
}
#endif

static void lmsw(void)
{
    word cr0 = read_cr0();

    __asm__ volatile("lmsw %w0" ::"r"((uint16_t)(cr0 & ~1u) | 0x8));
    check("LMSW does not clear PE, sets TS", read_cr0(), cr0 | 8);
    __asm__ volatile("lmsw %w0" ::"r"(0xfff0 | (uint16_t)(cr0 & 0xf)));
    check("LMSW clears TS and leaves bits 4-15", read_cr0(), cr0);
}

void guest_main(void)
{
    word cr0 = read_cr0();
    TRY("mov %0, %%cr4", ::"r"(read_cr4() | 1ul << 31) : "memory");
    check_fault("#GP: reserved bit of CR4", GP, 0);
    TRY("mov %0, %%cr0", ::"r"((cr0 | 1u << 31) & ~1ul) : "memory");
    check_fault("#GP: CR0.PG without PE", GP, 0);
    check("CR0 stays", read_cr0(), cr0);
    lmsw();
#ifdef __x86_64__
    long_mode();
#else
    uint32_t id[4], extended[4];
    cpuid(1, id);
    cpuid(0x80000001, extended);
    if (id[3] >> 6 & 1)
        pae();
    else
        skip("PAE: CPUID has none");
    if (extended[3] >> 29 & 1)
        activation();
    else
        skip("long mode: CPUID has none");
#endif
}
