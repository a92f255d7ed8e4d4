/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Vector and x87 state over everything that comes between the instructions of a loop: interrupts
 * and page faults whose handlers use the registers themselves, address translations that have to be
 * found again, lazy switching by CR0.TS (SDM vol. 3A 2.5), exceptions unmasked on the way, and what
 * the pointers to the last x87 instruction say at a fault (SDM vol. 1 8.1.8). */
#include "lib/rt.h"

enum { MP = 2, EM = 4, TASK = 8, NE = 32, OSFXSR = 1 << 9, OSXMMEXCPT = 1 << 10 };
enum { ROUNDS = 40, PAGES = 8 };

static uint8_t pages[PAGES][4096] __attribute__((aligned(4096)));
static uint8_t saved[512] __attribute__((aligned(16)));
static volatile unsigned hits;
static bool expect_fault;

/* ---- what handlers do ---- */

/* Another program's use of the registers, between FXSAVE and FXRSTOR. */
static void use_registers(void)
{
    static const uint32_t csr = 0x7fbf; /* truncate; all flags set */
    __asm__ volatile("fxsave %0\n\tfninit\n\tfldpi\n\tfld1\n\tfldl2e\n\tpcmpeqd %%xmm0, %%xmm0\n\t"
                     "pcmpeqd %%xmm1, %%xmm1\n\tmovaps %%xmm0, %%xmm2\n\tmovaps %%xmm0, %%xmm3\n\t"
                     "movaps %%xmm0, %%xmm4\n\tmovaps %%xmm0, %%xmm5\n\tmovaps %%xmm0, %%xmm6\n\t"
                     "movaps %%xmm0, %%xmm7\n\tldmxcsr %1\n\tfxrstor %0"
                     : "+m"(saved)
                     : "m"(csr)
                     : "memory");
}

static void on_interrupt(struct frame *f)
{
    hits++;
    use_registers();
    pic_eoi((int)f->vector - 0x20);
}

static void on_page_fault(struct frame *f)
{
    unsigned n = (unsigned)((exc.cr2 - WINDOW) >> 12);
    (void)f;
    hits++;
    if (!expect_fault || exc.cr2 < WINDOW || n >= PAGES) {
        report(false, "a page fault that nobody expects");
        quit(1);
    }
    use_registers();
    map_window(n, pages[n], PTE_P | PTE_W);
}

/* ---- loops ---- */

struct outcome {
    uint8_t xmm[8][16], x87[108];
    uint32_t mxcsr;
} __attribute__((aligned(16)));

/* Walks over `bytes` bytes at p, reading and writing 32 of each 64. */
static __attribute__((noinline)) void vector_loop(uint8_t *p, word bytes, struct outcome *out)
{
    static const float start[4] __attribute__((aligned(16))) = {1, 1.0625f, -3, 0.3f};
    static const uint32_t csr = 0x1f80;
    uint8_t *end = p + bytes;
    __asm__ volatile(
        "ldmxcsr %[csr]\n\tmovaps %[start], %%xmm0\n\tmovaps %%xmm0, %%xmm1\n\t"
        "movaps %%xmm0, %%xmm2\n\tpxor %%xmm3, %%xmm3\n\tpcmpeqd %%xmm4, %%xmm4\n\t"
        "movaps %%xmm0, %%xmm5\n\tmovaps %%xmm0, %%xmm6\n\tmovaps %%xmm0, %%xmm7\n"
        "1:\tmovaps (%[p]), %%xmm5\n\tpaddd %%xmm4, %%xmm3\n\taddps %%xmm1, %%xmm0\n\t"
        "mulps %%xmm2, %%xmm1\n\tpxor %%xmm5, %%xmm3\n\tsqrtps %%xmm0, %%xmm6\n\t"
        "pshufd $0x39, %%xmm1, %%xmm1\n\tpaddd 16(%[p]), %%xmm3\n\tmovups %%xmm3, 16(%[p])\n\t"
        "subps %%xmm6, %%xmm7\n\tadd $64, %[p]\n\tcmp %[end], %[p]\n\tjb 1b\n\t"
        "movaps %%xmm0, (%[o])\n\tmovaps %%xmm1, 16(%[o])\n\tmovaps %%xmm2, 32(%[o])\n\t"
        "movaps %%xmm3, 48(%[o])\n\tmovaps %%xmm4, 64(%[o])\n\tmovaps %%xmm5, 80(%[o])\n\t"
        "movaps %%xmm6, 96(%[o])\n\tmovaps %%xmm7, 112(%[o])\n\tstmxcsr %[m]"
        : [p] "+r"(p), [m] "=m"(out->mxcsr)
        : [start] "m"(start), [csr] "m"(csr), [end] "r"(end), [o] "r"(out->xmm)
        : "memory");
}

/* The same on the x87, with MMX in the end; the environment is part of the outcome. */
static __attribute__((noinline)) void x87_loop(uint8_t *p, word bytes, struct outcome *out)
{
    static const double step = 1.000244140625;
    uint8_t *end = p + bytes;
    __asm__ volatile(
        "fninit\n\tfld1\n\tfldpi\n"
        "1:\tfmull %[step]\n\tfildl 4(%[p])\n\tfabs\n\tfsqrt\n\tfaddp\n\tfxch\n\t"
        "fadd %%st(1)\n\tfstl 8(%[p])\n\tfrndint\n\tfdivrs %[one]\n\tfsubl 8(%[p])\n\t"
        "fstpt 48(%[p])\n\tfldt 48(%[p])\n\tfxch\n\tadd $64, %[p]\n\tcmp %[end], %[p]\n\t"
        "jb 1b\n\tfnsave %[o]"
        : [p] "+r"(p), [o] "=m"(out->x87)
        : [step] "m"(step), [one] "m"((float){1.5f}), [end] "r"(end)
        : "memory");
}

static __attribute__((noinline)) void mmx_loop(uint8_t *p, word bytes, struct outcome *out)
{
    uint8_t *end = p + bytes;
    __asm__ volatile(
        "pxor %%mm0, %%mm0\n\tpcmpeqb %%mm1, %%mm1\n"
        "1:\tmovq (%[p]), %%mm2\n\tpaddw %%mm1, %%mm0\n\tpxor %%mm2, %%mm0\n\t"
        "paddb 8(%[p]), %%mm1\n\tmovq %%mm0, 8(%[p])\n\tadd $64, %[p]\n\t"
        "cmp %[end], %[p]\n\tjb 1b\n\tmovq %%mm0, (%[o])\n\tmovq %%mm1, 8(%[o])\n\temms"
        : [p] "+r"(p)
        : [end] "r"(end), [o] "r"(out->xmm)
        : "memory");
}

typedef void loop_fn(uint8_t *p, word bytes, struct outcome *out);

static void fill(void)
{
    uint8_t *p = pages[0];
    for (unsigned k = 0; k < sizeof pages; k++)
        p[k] = (uint8_t)(k * 7 + (k >> 8));
}

static void window(unsigned flags)
{
    for (unsigned n = 0; n < PAGES; n++)
        map_window(n, flags ? pages[n] : 0, flags);
}

static bool same(loop_fn *loop, const struct outcome *want, const uint8_t *want_memory)
{
    static struct outcome got;
    memset(&got, 0, sizeof got);
    fill();
    loop((uint8_t *)WINDOW, sizeof pages, &got);
    return !memcmp(&got, want, sizeof got) && !memcmp(pages, want_memory, sizeof pages);
}

/* ---- the loops, undisturbed and disturbed ---- */

static bool over_interrupts(loop_fn *loop, const struct outcome *want, const uint8_t *memory)
{
    bool ok = true;
    hits = 0;
    outb(0x43, 0x34); /* IRQ 0 every 100 us */
    outb(0x40, 119);
    outb(0x40, 0);
    pic_mask(0xfffe);
    __asm__ volatile("sti");
    for (unsigned n = 0; n < 100 * ROUNDS && (n < ROUNDS || hits < ROUNDS); n++)
        ok &= same(loop, want, memory);
    __asm__ volatile("cli");
    pic_mask(0xffff);
    return ok && hits >= ROUNDS;
}

static bool over_page_faults(loop_fn *loop, const struct outcome *want, const uint8_t *memory)
{
    bool ok = true;
    hits = 0;
    expect_fault = true;
    for (unsigned n = 0; n < ROUNDS; n++) {
        window(0);
        ok &= same(loop, want, memory);
    }
    expect_fault = false;
    return ok && hits == ROUNDS * PAGES;
}

static bool over_flushes(loop_fn *loop, const struct outcome *want, const uint8_t *memory)
{
    bool ok = true;
    for (unsigned n = 0; n < ROUNDS; n++) {
        window(PTE_P | PTE_W);
        ok &= same(loop, want, memory);
    }
    return ok;
}

static void run(loop_fn *loop, const char *interrupts, const char *faults, const char *flushes)
{
    static struct outcome want;
    static uint8_t memory[sizeof pages];
    memset(&want, 0, sizeof want);
    window(PTE_P | PTE_W);
    fill();
    loop((uint8_t *)WINDOW, sizeof pages, &want);
    memcpy(memory, pages, sizeof pages);
    report(over_flushes(loop, &want, memory), flushes);
    report(over_interrupts(loop, &want, memory), interrupts);
    report(over_page_faults(loop, &want, memory), faults);
    window(PTE_P | PTE_W);
}

/* ---- pointers at a fault ---- */

static word fault_fip, fault_fdp;

static void note_pointers(struct frame *f)
{
    on_page_fault(f);
    fault_fip = *(uint32_t *)(saved + 8);
    fault_fdp = *(uint32_t *)(saved + 16);
}

static void pointers(void)
{
    extern char before_fault[];
    static const double good = 2.5;
    unsigned right_ip = 0, right_dp = 0;
    handlers[PF] = note_pointers;
    expect_fault = true;
    for (unsigned n = 0; n < ROUNDS; n++) {
        map_window(1, 0, 0);
        fault_fip = fault_fdp = 0;
        __asm__ volatile("fninit\n\tfldl %0\nbefore_fault:\tfsqrt\n\tfldl (%1)\n\tfstp %%st(0)\n\t"
                         "fstp %%st(0)" ::"m"(good),
                         "r"(WINDOW + 0x1008)
                         : "memory");
        right_ip += fault_fip == (word)before_fault;
        right_dp += fault_fdp == (word)&good;
    }
    check("FIP at the fault of FLD: the instruction before", right_ip, ROUNDS);
    check("FDP at the fault of FLD: the operand before", right_dp, ROUNDS);
    expect_fault = false;
    handlers[PF] = on_page_fault;
}

/* ---- lazy switching ---- */

static uint8_t context[2][512] __attribute__((aligned(16)));
static unsigned owner, current;

static void on_no_device(struct frame *f)
{
    (void)f;
    hits++;
    __asm__ volatile("clts");
    if (owner == current)
        return;
    __asm__ volatile("fxsave %0\n\tfxrstor %1" : "=m"(context[owner]) : "m"(context[current]));
    owner = current;
}

/* One step of a program's work. */
static __attribute__((noinline)) void step(void)
{
    __asm__ volatile("paddd %%xmm1, %%xmm0\n\tpxor %%xmm0, %%xmm2\n\tfld1\n\tfaddp" ::: "memory");
}

static void lazy(void)
{
    static const uint32_t ones[4] __attribute__((aligned(16))) = {1, 1, 1, 1};
    uint32_t sum[2], x87[2];
    handlers[NM] = on_no_device;
    __asm__ volatile("fninit\n\tfldz\n\tpxor %%xmm0, %%xmm0\n\tmovaps %0, %%xmm1" ::"m"(ones));
    __asm__ volatile("fxsave %0" : "=m"(context[1]));
    hits = owner = current = 0;
    for (unsigned n = 0; n < 6 * ROUNDS; n++) {
        current = n % 3 == 0;
        write_cr0(read_cr0() | TASK);
        step();
    }
    for (current = 0; current < 2; current++) {
        write_cr0(read_cr0() | TASK);
        __asm__ volatile("movd %%xmm0, %0\n\tfistl %1" : "=r"(sum[current]), "=m"(x87[current]));
    }
    check("CR0.TS: #NM before each program's first instruction", hits, 6 * ROUNDS + 2);
    check("lazy switching: vector register of program 0", sum[0], 4 * ROUNDS);
    check("lazy switching: vector register of program 1", sum[1], 2 * ROUNDS);
    check("lazy switching: x87 register of program 0", x87[0], 4 * ROUNDS);
    check("lazy switching: x87 register of program 1", x87[1], 2 * ROUNDS);
}

/* ---- exceptions that are unmasked on the way ---- */

static void on_simd(struct frame *f)
{
    static const uint32_t csr = 0x1f80;
    (void)f;
    hits++;
    __asm__ volatile("ldmxcsr %0" ::"m"(csr));
}

static void on_x87(struct frame *f)
{
    (void)f;
    hits++;
    __asm__ volatile("fninit");
}

static void unmasked(void)
{
    unsigned flagged = 0;
    handlers[XM] = on_simd;
    handlers[MF] = on_x87;
    hits = 0;
    for (unsigned n = 0; n < ROUNDS; n++) {
        uint32_t csr = n & 1 ? 0x1d80 : 0x1f80, after; /* division by zero unmasked */
        __asm__ volatile("ldmxcsr %1\n\tpcmpeqd %%xmm0, %%xmm0\n\tpsrld $25, %%xmm0\n\t"
                         "pslld $23, %%xmm0\n\tpxor %%xmm1, %%xmm1\n\tdivps %%xmm1, %%xmm0\n\t"
                         "stmxcsr %0"
                         : "=m"(after)
                         : "m"(csr)
                         : "memory");
        flagged += after == 0x1f84;
    }
    check("#XM in each round that unmasks it", hits, ROUNDS / 2);
    check("MXCSR.ZE in each round", flagged, ROUNDS);
    hits = 0;
    for (unsigned n = 0; n < ROUNDS; n++) {
        uint16_t cw = n & 1 ? 0x37b : 0x37f;
        __asm__ volatile("fninit\n\tfldcw %0\n\tfld1\n\tfldz\n\tfdivrp\n\tfwait\n\tfninit" ::"m"(cw)
                         : "memory");
    }
    check("#MF in each round that unmasks it", hits, ROUNDS / 2);
}

static void misaligned(void)
{
    unsigned right = 0;
    for (unsigned n = 0; n < ROUNDS; n++) {
        TRY("movaps (%0), %%xmm0", ::"r"(pages[0] + (n & 1 ? 8 : 16)) : "memory");
        right += exc.vector == (n & 1 ? GP : NONE);
    }
    check("MOVAPS: #GP in each round whose operand is not aligned", right, ROUNDS);
}

void guest_main(void)
{
    paging_on();
    pic_init();
    write_cr0((read_cr0() & ~(word)(EM | TASK)) | MP | NE);
    write_cr4(read_cr4() | OSFXSR | OSXMMEXCPT);
    handlers[0x20] = on_interrupt;
    handlers[PF] = on_page_fault;
    run(vector_loop, "vector loop over interrupts", "vector loop over page faults",
        "vector loop over flushed translations");
    run(x87_loop, "x87 loop over interrupts", "x87 loop over page faults",
        "x87 loop over flushed translations");
    run(mmx_loop, "MMX loop over interrupts", "MMX loop over page faults",
        "MMX loop over flushed translations");
    pointers();
    lazy();
    unmasked();
    misaligned();
}
