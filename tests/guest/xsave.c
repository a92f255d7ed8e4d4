/* SPDX-License-Identifier: GPL-2.0-or-later */
/* XSAVE and AVX as an operating system sees them: CR4.OSXSAVE, XCR0, #UD, #NM, #GP, the area's
 * rules (SDM vol. 1 chapter 13; vol. 3A 2.6). */
#include "lib/rt.h"

enum { OSXSAVE = 1 << 18, OSFXSR = 1 << 9, MP = 2, EM = 4, TASK = 8 };
enum { X87 = 1, SSE = 2, AVX = 4 };

static uint8_t area[2][1024] __attribute__((aligned(64)));

static uint64_t field(unsigned offset)
{
    return *(uint64_t *)(area[0] + offset);
}
static void set_field(unsigned offset, uint64_t v)
{
    *(uint64_t *)(area[0] + offset) = v;
}

static void cpuid_sub(uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(sub));
}
static uint32_t osxsave(void)
{
    uint32_t out[4];
    cpuid_sub(1, 0, out);
    return out[2] >> 27 & 1;
}
#define XSETBV(ecx, edx, eax)                                                                      \
    TRY("xsetbv", ::"c"((uint32_t)(ecx)), "a"((uint32_t)(eax)), "d"((uint32_t)(edx)) : "memory")
/* XSAVE and its kin on a memory operand, with the components of a set. */
#define TRY_SAVE(text, where, set)                                                                 \
    TRY(text " %0", : "+m"(*(uint8_t(*)[832])(where)) : "a"(set), "d"(0) : "memory")
#define SAVE(text, set) __asm__ volatile(text " %0" : "+m"(area[0]) : "a"(set), "d"(0) : "memory")

static void without_osxsave(void)
{
    write_cr4(read_cr4() & ~(word)OSXSAVE);
    check("CPUID.OSXSAVE is 0 without CR4.OSXSAVE", osxsave(), 0);
    TRY("xgetbv", ::"c"(0) : "eax", "edx", "memory");
    check_fault("XGETBV without OSXSAVE is #UD", UD, 0);
    XSETBV(0, 0, 1);
    check_fault("XSETBV without OSXSAVE is #UD", UD, 0);
    TRY_SAVE("xsave", area[0], 7);
    check_fault("XSAVE without OSXSAVE is #UD", UD, 0);
    TRY_SAVE("xrstor", area[0], 7);
    check_fault("XRSTOR without OSXSAVE is #UD", UD, 0);
    TRY("vaddps %%xmm0, %%xmm0, %%xmm0", ::: "memory");
    check_fault("AVX without OSXSAVE is #UD", UD, 0);
    uint32_t r;
    TRY("andn %1, %1, %0", : "=r"(r) : "r"(5) : "memory");
    check_fault("ANDN needs no OSXSAVE", NONE, 0);
}

static void xcr0_rules(void)
{
    uint32_t lo, hi;
    write_cr4(read_cr4() | OSXSAVE | OSFXSR);
    check("CPUID.OSXSAVE follows CR4", osxsave(), 1);
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    check("XCR0 is 1 after reset", lo, 1);
    XSETBV(0, 0, 0);
    check_fault("XCR0 without x87 is #GP", GP, 0);
    XSETBV(0, 0, X87 | AVX);
    check_fault("XCR0 with AVX, without SSE is #GP", GP, 0);
    XSETBV(0, 0x80000000u, X87);
    check_fault("XCR0 bit 63 is #GP", GP, 0);
    XSETBV(1, 0, X87);
    check_fault("XSETBV of XCR1 is #GP", GP, 0);
    TRY("xgetbv", ::"c"(2) : "eax", "edx", "memory");
    check_fault("XGETBV of XCR2 is #GP", GP, 0);
    XSETBV(0, 0, X87 | SSE);
    check_fault("XCR0 = 3", NONE, 0);
    TRY("vaddps %%xmm0, %%xmm0, %%xmm0", ::: "memory");
    check_fault("AVX without XCR0.AVX is #UD", UD, 0);
    uint32_t out[4];
    cpuid_sub(0xd, 0, out);
    check("CPUID.0D size for XCR0 = 3", out[1], 576);
    XSETBV(0, 0, X87 | SSE | AVX);
    check_fault("XCR0 = 7", NONE, 0);
    cpuid_sub(0xd, 0, out);
    check("CPUID.0D supported components", out[0] & 7, 7);
    check("CPUID.0D size for XCR0 = 7", out[1], 832);
    cpuid_sub(0xd, 2, out);
    check("CPUID.0D.2 size of AVX state", out[0], 256);
    check("CPUID.0D.2 offset of AVX state", out[1], 576);
}

static void task_switched(void)
{
    word cr0 = read_cr0();
    write_cr0((cr0 | TASK) & ~(word)EM);
    TRY("vaddps %%xmm0, %%xmm0, %%xmm0", ::: "memory");
    check_fault("AVX with TS is #NM", NM, 0);
    TRY_SAVE("xsave", area[0], 7);
    check_fault("XSAVE with TS is #NM", NM, 0);
    TRY_SAVE("xrstor", area[0], 7);
    check_fault("XRSTOR with TS is #NM", NM, 0);
    TRY("xgetbv", ::"c"(0) : "eax", "edx", "memory");
    check_fault("XGETBV does not look at TS", NONE, 0);
    XSETBV(0, 0, X87 | SSE);
    TRY("vaddps %%xmm0, %%xmm0, %%xmm0", ::: "memory");
    check_fault("#UD for XCR0 comes before #NM", UD, 0);
    XSETBV(0, 0, X87 | SSE | AVX);
    write_cr0((cr0 | EM) & ~(word)TASK);
    TRY("vaddps %%xmm0, %%xmm0, %%xmm0", ::: "memory");
    check_fault("AVX does not look at EM", NONE, 0);
    write_cr0(cr0 & ~(word)(EM | TASK));
}

static void upper_halves(void)
{
    static const uint32_t pattern[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint32_t got[8];
    __asm__ volatile("vmovups %1, %%ymm1\n\taddps %%xmm1, %%xmm1\n\tvmovups %%ymm1, %0"
                     : "=m"(got)
                     : "m"(pattern));
    check("legacy SSE leaves the upper half", memcmp(got + 4, pattern + 4, 16), 0);
    __asm__ volatile("vmovups %1, %%ymm1\n\tvmovaps %%xmm1, %%xmm1\n\tvmovups %%ymm1, %0"
                     : "=m"(got)
                     : "m"(pattern));
    check("VEX.128 clears it", got[4] | got[5] | got[6] | got[7], 0);
    check("VEX.128 keeps the lower half", memcmp(got, pattern, 16), 0);
    TRY("vmovaps %0, %%ymm1", ::"m"(area[0][16]) : "memory");
    check_fault("misaligned VMOVAPS is #GP", GP, 0);
    TRY("vaddps %0, %%ymm1, %%ymm1", ::"m"(area[0][3]) : "memory");
    check_fault("other operands need no alignment", NONE, 0);
}

/* Clean registers, then something in all three components. */
static void fill(void)
{
    static const uint32_t pattern[8] = {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88};
    __asm__ volatile("fninit\n\tfld1\n\tvzeroall\n\tvmovups %0, %%ymm3" ::"m"(pattern));
}
static uint32_t ymm3[8];
static void read_ymm3(void)
{
    __asm__ volatile("vmovups %%ymm3, %0" : "=m"(ymm3));
}

static void round_trip(void)
{
    fill();
    memset(area, 0x5a, sizeof(area));
    memset(area[0] + 512, 0, 64);
    set_field(512, 0xf0);
    SAVE("xsave", 7);
    check("XSAVE: XSTATE_BV", field(512), 0xf7);
    check("XSAVE: XCOMP_BV is not written", field(520), 0);
    check("XSAVE: control word", field(0) & 0xffff, 0x37f);
    check("XSAVE: xmm3", field(160 + 48), 0x2200000011);
    check("XSAVE: upper half of ymm3", field(576 + 48), 0x6600000055);
    check("XSAVE leaves bytes 464-511", area[0][464] == 0x5a && area[0][511] == 0x5a, 1);
    set_field(512, 7);
    __asm__ volatile("fninit\n\tvzeroall");
    SAVE("xrstor", AVX);
    read_ymm3();
    check("XRSTOR of AVX alone: lower half", ymm3[0], 0);
    check("XRSTOR of AVX alone: upper half", ymm3[7], 0x88);
    SAVE("xrstor", 7);
    read_ymm3();
    check("XRSTOR: lower half", ymm3[1], 0x22);
    set_field(512, X87 | SSE);
    SAVE("xrstor", 7);
    read_ymm3();
    check("XRSTOR of a clear XSTATE_BV bit initialises", ymm3[7], 0);
    check("XRSTOR leaves nothing else", ymm3[1], 0x22);
    memset(area[1], 0x5a, sizeof(area[1]));
    memcpy(area[0] + 512, "\0\0\0\0\0\0\0\0", 8);
    SAVE("xsave", SSE);
    check("XSAVE of SSE alone: XSTATE_BV", field(512), SSE);
}

static void header_rules(void)
{
    fill();
    memset(area, 0, sizeof(area));
    SAVE("xsave", 7);
    TRY_SAVE("xsave", area[0] + 16, 7);
    check_fault("misaligned XSAVE is #GP", GP, 0);
    TRY_SAVE("xrstor", area[0] + 32, 7);
    check_fault("misaligned XRSTOR is #GP", GP, 0);
    set_field(512, 0x10);
    TRY_SAVE("xrstor", area[0], 1);
    check_fault("XSTATE_BV beyond XCR0 is #GP", GP, 0);
    set_field(512, 7);
    set_field(520, 1);
    TRY_SAVE("xrstor", area[0], 7);
    check_fault("XCOMP_BV without bit 63 is #GP", GP, 0);
    set_field(520, 0);
    set_field(528, 1);
    TRY_SAVE("xrstor", area[0], 7);
    check_fault("a reserved byte of the header is #GP", GP, 0);
    set_field(528, 0);
    set_field(24, 0x80001f80);
    TRY_SAVE("xrstor", area[0], SSE);
    check_fault("a reserved bit of MXCSR is #GP", GP, 0);
    TRY_SAVE("xrstor", area[0], X87);
    check_fault("unless MXCSR is not restored", NONE, 0);
    set_field(512, 0);
    TRY_SAVE("xrstor", area[0], AVX);
    check_fault("AVX restores it too, in the standard form", GP, 0);
    set_field(24, 0x1f80);
}

static void compacted(void)
{
    uint32_t out[4], csr;
    cpuid_sub(0xd, 1, out);
    if (!(out[0] & 2)) {
        skip("XSAVEC");
        return;
    }
    __asm__ volatile("fninit\n\tvzeroall\n\tldmxcsr %0" ::"m"((uint32_t){0x1f80}));
    memset(area, 0x5a, sizeof(area));
    SAVE("xsavec", SSE | AVX);
    check("XSAVEC: nothing is in use", field(512), 0);
    check("XSAVEC: XCOMP_BV", field(520), 0x8000000000000006);
    check("XSAVEC writes no unused component", area[0][160] == 0x5a && area[0][24] == 0x5a, 1);
    fill();
    memset(area[0] + 528, 0, 48);
    SAVE("xsavec", 7);
    check("XSAVEC: all are in use", field(512), 7);
    __asm__ volatile("fninit\n\tvzeroall");
    SAVE("xrstor", 7);
    read_ymm3();
    check("XRSTOR of the compacted form", ymm3[6], 0x77);
    set_field(24, 0xffffffff);
    set_field(512, AVX);
    TRY_SAVE("xrstor", area[0], SSE | AVX);
    check_fault("MXCSR belongs to SSE there", NONE, 0);
    __asm__ volatile("stmxcsr %0" : "=m"(csr));
    check("and is initialised with it", csr, 0x1f80);
    set_field(520, 0x8000000000000003);
    TRY_SAVE("xrstor", area[0], 7);
    check_fault("XSTATE_BV beyond XCOMP_BV is #GP", GP, 0);
    set_field(520, 0x800000000000000f);
    TRY_SAVE("xrstor", area[0], 7);
    check_fault("XCOMP_BV beyond XCR0 is #GP", GP, 0);
    set_field(520, 0x8000000000000007);
    set_field(568, 1);
    TRY_SAVE("xrstor", area[0], 7);
    check_fault("the compacted form reserves the whole header", GP, 0);
    __asm__ volatile("vzeroall");
    csr = 0x1f00;
    __asm__ volatile("ldmxcsr %0" ::"m"(csr));
    SAVE("xsavec", SSE | AVX);
    check("MXCSR alone is SSE in use", field(512), SSE);
    csr = 0x1f80;
    __asm__ volatile("ldmxcsr %0" ::"m"(csr));
    if (out[0] & 4) {
        uint32_t lo, hi;
        __asm__ volatile("vzeroall\n\txgetbv" : "=a"(lo), "=d"(hi) : "c"(1));
        check("XGETBV of XINUSE", lo & (SSE | AVX), 0);
    }
    if (out[0] & 1) {
        memset(area, 0x5a, sizeof(area));
        SAVE("xsaveopt", AVX);
        check("XSAVEOPT does not write what is not in use", area[0][576], 0x5a);
        check("XSAVEOPT: its bit is cleared, others stay", field(512), 0x5a5a5a5a5a5a5a5a & ~4ull);
    }
}

static void user(void)
{
    XSETBV(0, 0, 1);
}

void guest_main(void)
{
    uint32_t out[4];
    cpuid_sub(1, 0, out);
    if (!(out[2] >> 26 & 1) || !(out[2] >> 28 & 1)) {
        skip("no XSAVE or AVX");
        return;
    }
    without_osxsave();
    xcr0_rules();
    task_switched();
    upper_halves();
    round_trip();
    header_rules();
    compacted();
    run_user(user);
    check_fault("XSETBV in ring 3 is #GP", GP, 0);
}
