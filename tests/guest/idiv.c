/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IDIV at the ends of its range (SDM vol. 2A, IDIV). */
#include "lib/rt.h"

void guest_main(void)
{
    word a, d;

    TRY("idivw %w4", : "=a"(a), "=d"(d) : "0"(0x8000), "1"(0xffff), "r"(1) : "memory");
    check_fault("IDIV: least 16-bit number by 1", NONE, 0);
    check("IDIV: its quotient", a & 0xffff, 0x8000);
    check("IDIV: its remainder", d & 0xffff, 0);
    TRY("idivw %w2", ::"a"(0x8000), "d"(0xffff), "r"(-1) : "memory");
    check_fault("#DE: least 16-bit number by -1", DE, 0);
    TRY("idivw %w2", ::"a"(0), "d"(0x8000), "r"(-1) : "memory");
    check_fault("#DE: least 32-bit number by -1, 16 bits", DE, 0);
    TRY("idivb %b1", ::"a"(0x8000), "q"(-1) : "memory");
    check_fault("#DE: least 16-bit number by -1, 8 bits", DE, 0);
}
