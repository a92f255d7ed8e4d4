/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control register writes that must be refused (SDM vol. 2B, MOV to control registers; vol. 3A
 * 2.5, 9.8.5). A processor that carries them out is lost, so they are a program of their own. */
#include "lib/rt.h"

void guest_main(void)
{
    word cr0 = read_cr0();
    TRY("mov %0, %%cr4", ::"r"(read_cr4() | 1ul << 31) : "memory");
    check_fault("#GP: reserved bit of CR4", GP, 0);
#ifdef __x86_64__
    TRY("mov %0, %%cr4", ::"r"(read_cr4() & ~0x20ul) : "memory");
    check_fault("#GP: clearing CR4.PAE in long mode", GP, 0);
    uint64_t efer = rdmsr(0xc0000080);
    TRY("wrmsr", ::"c"(0xc0000080), "a"((uint32_t)efer & ~0x100u), "d"(0) : "memory");
    check_fault("#GP: clearing EFER.LME with paging on", GP, 0);
    check("EFER.LMA stays", rdmsr(0xc0000080) & 0x500, 0x500);
#endif
    TRY("mov %0, %%cr0", ::"r"((cr0 | 1u << 31) & ~1ul) : "memory");
    check_fault("#GP: CR0.PG without PE", GP, 0);
    check("CR0 stays", read_cr0(), cr0);
}
