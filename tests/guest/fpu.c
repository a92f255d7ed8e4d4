/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x87 and SSE as an operating system sees them: #NM (SDM vol. 3A 2.5, CR0.TS/EM/MP), #MF, #XM,
 * FXSAVE and FXRSTOR. */
#include "lib/rt.h"

static uint8_t area[2][512] __attribute__((aligned(16)));

static void with_cr0(const char *name, word set, word clear, int sse, int fwait, int x87)
{
    word old = read_cr0();
    write_cr0((old | set) & ~clear);
    print(name);
    print("\n");
    TRY("addps %%xmm0, %%xmm0", ::: "memory");
    int v = exc.vector;
    TRY("fwait", ::: "memory");
    int w = exc.vector;
    TRY("fnop", ::: "memory");
    int x = exc.vector;
    write_cr0(old);
    check("SSE instruction", (uint64_t)v, (uint64_t)sse);
    check("FWAIT", (uint64_t)w, (uint64_t)fwait);
    check("x87 instruction", (uint64_t)x, (uint64_t)x87);
}

void guest_main(void)
{
    enum { MP = 2, EM = 4, TASK = 8 };
    with_cr0("MP", MP, EM | TASK, NONE, NONE, NONE);
    with_cr0("TS", TASK, EM | MP, NM, NONE, NM);
    with_cr0("TS MP", TASK | MP, EM, NM, NM, NM);
    with_cr0("EM", EM, TASK | MP, UD, NONE, NM);

    write_cr0(read_cr0() | TASK);
    TRY("fnop", ::: "memory");
    check_fault("#NM at the instruction", NM, 0);
    __asm__ volatile("clts");
    check("CLTS clears TS", read_cr0() & TASK, 0);
    TRY("fnop", ::: "memory");
    check_fault("no #NM after CLTS", NONE, 0);

    word cr4 = read_cr4();
    write_cr4(cr4 & ~0x200ul);
    TRY("addps %%xmm0, %%xmm0", ::: "memory");
    check_fault("SSE without OSFXSR is #UD", UD, 0);
    write_cr4(cr4);

    /* x87: a pending unmasked exception is reported by the next waiting instruction. */
    uint16_t cw = 0x37b; /* ZM clear */
    __asm__ volatile("fninit\n\tfldcw %0\n\tfld1\n\tfldz" ::"m"(cw));
    TRY("fdivrp %%st, %%st(1)", ::: "memory");
    check_fault("#MF is not raised by the instruction itself", NONE, 0);
    TRY("fwait", ::: "memory");
    check_fault("#MF at the next waiting instruction", MF, 0);
    TRY("fnclex\n\tfwait", ::: "memory");
    check_fault("FNCLEX clears it", NONE, 0);
    __asm__ volatile("fninit");

    /* SSE: unmasked divide by zero. */
    uint32_t mx = 0x1d80, old = 0x1f80; /* ZM clear */
    float one = 1, zero = 0;
    __asm__ volatile("ldmxcsr %0\n\tmovss %1, %%xmm0" ::"m"(mx), "m"(one));
    TRY("divss %0, %%xmm0", ::"m"(zero) : "memory");
    check_fault("#XM", XM, 0);
    uint32_t result;
    __asm__ volatile("movd %%xmm0, %0\n\tstmxcsr %1" : "=r"(result), "=m"(mx));
    check("#XM leaves the destination", result, 0x3f800000);
    check("#XM sets ZE", mx & 0x3f, 4);
    write_cr4(cr4 & ~0x400ul);
    TRY("divss %0, %%xmm0", ::"m"(zero) : "memory");
    check_fault("#XM without OSXMMEXCPT is #UD", UD, 0);
    write_cr4(cr4);
    TRY("ldmxcsr %0", ::"m"((uint32_t){0x80001f80}) : "memory");
    check_fault("LDMXCSR of a reserved bit is #GP", GP, 0);
    __asm__ volatile("ldmxcsr %0" ::"m"(old));

    /* FXSAVE round trip. */
    uint32_t pattern[4] = {0x11223344, 0x55667788, 0x99aabbcc, 0xddeeff00};
    __asm__ volatile("fninit\n\tfld1\n\tfldpi\n\tmovups %0, %%xmm3" ::"m"(pattern));
    memset(area, 0x5a, sizeof area);
    __asm__ volatile("fxsave %0" : "=m"(area[0]));
    check("FXSAVE control word", *(uint16_t *)area[0], 0x37f);
    check("FXSAVE top of stack", *(uint16_t *)(area[0] + 2) >> 11 & 7, 6);
    check("FXSAVE abridged tag", area[0][4], 0xc0);
    check("FXSAVE MXCSR", *(uint32_t *)(area[0] + 24), 0x1f80);
    check("FXSAVE st0 exponent (pi)", *(uint16_t *)(area[0] + 40), 0x4000);
    check("FXSAVE st0 mantissa (pi)", *(uint64_t *)(area[0] + 32), 0xc90fdaa22168c235);
    check("FXSAVE xmm3", memcmp(area[0] + 160 + 48, pattern, 16), 0);
    check("FXSAVE leaves bytes 464-511", area[0][464] == 0x5a && area[0][511] == 0x5a, 1);
    __asm__ volatile("fninit\n\txorps %%xmm3, %%xmm3\n\tfxrstor %0" ::"m"(area[0]));
    memset(area[1], 0x5a, 512);
    __asm__ volatile("fxsave %0" : "=m"(area[1]));
    check("FXRSTOR restores what FXSAVE saved", memcmp(area[0], area[1], 512), 0);
    double d = 0;
    __asm__ volatile("fstpl %0" : "=m"(d));
    check("FXRSTOR st0", *(uint64_t *)&d, 0x400921fb54442d18);
    TRY("fxsave 8(%0)", ::"r"(area) : "memory");
    check_fault("misaligned FXSAVE is #GP(0)", GP, 0);
    *(uint32_t *)(area[0] + 24) = 0x80000000;
    TRY("fxrstor %0", ::"m"(area[0]) : "memory");
    check_fault("FXRSTOR of a reserved MXCSR bit is #GP(0)", GP, 0);
}
