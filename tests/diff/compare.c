/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs between the two sides, and how it is shown.
 *
 * Not compared: the x87 instruction and data pointers and FOP, which AMD's processors keep only
 * while an exception is pending (APM vol. 2 11.4.4) and whose selectors both makers have dropped;
 * RF, which the processor sets in the image a fault saves. */
#include "tests/diff/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/x86/cpu.h"
#include "cpu/x86/disas.h"

#define FLAGS_COMPARED                                                                             \
    (EFLAGS_ARITH | EFLAGS_DF | EFLAGS_TF | EFLAGS_IF | EFLAGS_NT | EFLAGS_AC | EFLAGS_ID)

static const char *const gpr_name[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                         "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

/* FXSAVE fields that are compared. */
static const struct {
    const char *name;
    uint16_t off, len;
} fx_fields[] = {
    {"fcw", 0, 2},      {"fsw", 2, 2},      {"ftw", 4, 1},      {"mxcsr", 24, 4},
    {"st0", 32, 10},    {"st1", 48, 10},    {"st2", 64, 10},    {"st3", 80, 10},
    {"st4", 96, 10},    {"st5", 112, 10},   {"st6", 128, 10},   {"st7", 144, 10},
    {"xmm0", 160, 16},  {"xmm1", 176, 16},  {"xmm2", 192, 16},  {"xmm3", 208, 16},
    {"xmm4", 224, 16},  {"xmm5", 240, 16},  {"xmm6", 256, 16},  {"xmm7", 272, 16},
    {"xmm8", 288, 16},  {"xmm9", 304, 16},  {"xmm10", 320, 16}, {"xmm11", 336, 16},
    {"xmm12", 352, 16}, {"xmm13", 368, 16}, {"xmm14", 384, 16}, {"xmm15", 400, 16},
};

/* The environment fields that are not compared must not come back through memory either. True: one
 * of the first n instructions saves them. */
static bool stores_pointers(const struct diff_case *c, unsigned n)
{
    for (unsigned k = 0; k < n; k++) {
        unsigned o = encodings[c->insns[k].row].operation;
        if (o == OPN_fxsave || o == OPN_fnsave || o == OPN_fnstenv)
            return true;
    }
    return false;
}

/* Linux reports every fault at an address in the kernel's half as one of protection, so that user
 * programs cannot find out what is mapped there (arch/x86/mm/fault.c): bit 0 of the error code is
 * not the processor's. */
static bool errors_agree(const struct diff_outcome *host, const struct diff_outcome *guest)
{
    bool hidden = host->vector == EXC_PF && host->cr2 >= 0x7ffffffff000; /* TASK_SIZE_MAX */
    return !((host->error ^ guest->error) & ~(hidden ? 1u : 0u));
}

/* An MMX instruction that faults may have set TOP and the tags already: no manual says, and AMD's
 * processors have. */
static bool mmx_faulted(const struct diff_case *c, const struct diff_outcome *host)
{
    if (host->vector == DIFF_NO_FAULT)
        return false;
    for (unsigned k = 0; k < c->ninsns; k++) {
        const struct encoding *e = &encodings[c->insns[k].row];
        for (unsigned o = 0; o < 4; o++) {
            unsigned am = e->opnd[o] >> 4;
            if (am == AM_P || am == AM_Q || am == AM_N)
                return true;
        }
    }
    return false;
}

/* Where it is left open which of several bytes or operands is touched first: CMPS with two bad
 * operands, FXSAVE and FXRSTOR areas that begin and end badly; a near call whose target is not
 * canonical and whose push fails (the SDM's pseudo-code of CALL looks at the target first, AMD's
 * processors push first). */
static bool order_open(const struct diff_case *c, const struct diff_outcome *host,
                       const struct diff_outcome *guest)
{
    if (host->vector == DIFF_NO_FAULT || guest->vector == DIFF_NO_FAULT)
        return false;
    for (unsigned k = 0; k < c->ninsns; k++) {
        unsigned o = encodings[c->insns[k].row].operation;
        bool wide = o == OPN_fxsave || o == OPN_fxrstor;
        if (host->out.rip != c->slot + c->insns[k].off)
            continue;
        if (o == OPN_call_ind && (host->vector == EXC_PF || host->vector == EXC_SS) &&
            guest->vector == EXC_GP)
            return true;
        if (o == OPN_cmps || (wide && host->vector == guest->vector))
            return true;
    }
    return false;
}

/* AMD's processors take SHA operands in memory that are not aligned; the SDM's class of exceptions
 * for them, type 4 (vol. 2A table 2-21), has #GP. */
static bool unaligned_sha(const struct diff_case *c, const struct diff_outcome *guest)
{
    if (guest->vector != EXC_GP)
        return false;
    for (unsigned k = 0; k < c->ninsns; k++) {
        if (guest->out.rip == c->slot + c->insns[k].off)
            return operations[encodings[c->insns[k].row].operation].cpuid == F_sha;
    }
    return false;
}

/* MXCSR.MM (bit 17) exists on AMD's processors only (APM vol. 2 11.3.2): LDMXCSR and FXRSTOR take
 * it there and raise #GP here, as the SDM has it. */
static bool misaligned_mode(const struct diff_outcome *host)
{
    return host->out.fx[26] & 2;
}

/* The fields of a saved state that are not compared (pointers; MXCSR_MASK) may have been read by
 * the instructions behind the save. */
static bool reads_pointers(const struct diff_case *c)
{
    return stores_pointers(c, c->ninsns - 1u);
}

/* Memory, but for what a saved state does not have to have in it. */
static bool memory_agrees(const struct diff_outcome *host, const struct diff_outcome *guest)
{
    for (unsigned k = 0; k < DIFF_RW; k++) {
        bool blind = false;
        if (host->mem[k] == guest->mem[k])
            continue;
        for (unsigned n = 0; n < 2 * guest->nsaved; n++)
            blind |=
                DIFF_DATA + k - guest->blind[n / 2][n % 2].lin < guest->blind[n / 2][n % 2].len;
        if (!blind)
            return false;
    }
    return true;
}

bool outcomes_agree(const struct diff_case *c, const struct diff_outcome *host,
                    const struct diff_outcome *guest, uint32_t undefined, char *text, size_t size)
{
    const char *what = NULL;
    if (host->lost || guest->lost)
        what = host->lost ? "the host never came back" : "the guest never came back";
    else if (order_open(c, host, guest) || unaligned_sha(c, guest) || misaligned_mode(host))
        return true;
    else if (host->vector != guest->vector)
        what = "fault";
    else if (host->vector != DIFF_NO_FAULT && !errors_agree(host, guest))
        what = "error code";
    else if (host->vector == EXC_PF && host->cr2 != guest->cr2)
        what = "cr2";
    else if (host->out.rip != guest->out.rip)
        what = "rip";
    else if ((host->out.rflags ^ guest->out.rflags) & FLAGS_COMPARED & ~undefined)
        what = "flags";
    for (unsigned k = 0; k < 16 && !what; k++)
        if (host->out.gpr[k] != guest->out.gpr[k])
            what = gpr_name[k];
    bool skip_x87 = mmx_faulted(c, host);
    for (size_t k = 0; k < sizeof(fx_fields) / sizeof(fx_fields[0]) && !what; k++)
        if (!(skip_x87 && fx_fields[k].off < 160 && fx_fields[k].off != 24) &&
            memcmp(host->out.fx + fx_fields[k].off, guest->out.fx + fx_fields[k].off,
                   fx_fields[k].len))
            what = fx_fields[k].name;
    if (!what && memcmp(host->out.ymmh, guest->out.ymmh, sizeof(host->out.ymmh)))
        what = "ymm";
    if (!what && !memory_agrees(host, guest))
        what = "memory";
    if (what && !host->lost && !guest->lost && reads_pointers(c))
        return true;
    if (what)
        snprintf(text, size, "%s", what);
    return !what;
}

static void print_fault(const char *side, const struct diff_outcome *o)
{
    if (o->lost)
        printf("  %-6s did not come back\n", side);
    else if (o->vector == DIFF_NO_FAULT)
        printf("  %-6s no fault\n", side);
    else
        printf("  %-6s fault %u, error %#x, cr2 %#llx\n", side, o->vector, o->error,
               (unsigned long long)o->cr2);
}

static void print_number(const char *name, uint64_t before, uint64_t host, uint64_t guest,
                         uint64_t mask)
{
    printf("  %-6s %016llx  %016llx  %016llx%s\n", name, (unsigned long long)before,
           (unsigned long long)host, (unsigned long long)guest,
           (host ^ guest) & mask ? "  <--" : "");
}

static void print_bytes(const uint8_t *p, unsigned len)
{
    for (unsigned k = len; k-- > 0;)
        printf("%02x", p[k]);
}

static void print_fx(const uint8_t *before, const uint8_t *host, const uint8_t *guest)
{
    for (size_t k = 0; k < sizeof(fx_fields) / sizeof(fx_fields[0]); k++) {
        unsigned off = fx_fields[k].off, len = fx_fields[k].len;
        bool differ = memcmp(host + off, guest + off, len);
        if (!differ && k > 3 && !memcmp(before + off, host + off, len))
            continue; /* untouched */
        printf("  %-6s ", fx_fields[k].name);
        print_bytes(before + off, len);
        printf("  ");
        print_bytes(host + off, len);
        printf("  ");
        print_bytes(guest + off, len);
        puts(differ ? "  <--" : "");
    }
}

static void print_ymm(const struct diff_state *before, const struct diff_state *host,
                      const struct diff_state *guest)
{
    for (unsigned k = 0; k < 16; k++) {
        bool differ = memcmp(host->ymmh[k], guest->ymmh[k], 16);
        if (!differ && !memcmp(before->ymmh[k], host->ymmh[k], 16))
            continue;
        printf("  ymmh%-2u ", k);
        print_bytes(before->ymmh[k], 16);
        printf("  ");
        print_bytes(host->ymmh[k], 16);
        printf("  ");
        print_bytes(guest->ymmh[k], 16);
        puts(differ ? "  <--" : "");
    }
}

static void print_memory(const uint8_t *before, const uint8_t *host, const uint8_t *guest)
{
    unsigned lines = 0;
    for (unsigned k = 0; k < DIFF_RW && lines < 8; k += 8) {
        if (!memcmp(host + k, guest + k, 8) && !memcmp(host + k, before + k, 8))
            continue;
        printf("  %llx ", (unsigned long long)(DIFF_DATA + k));
        print_bytes(before + k, 8);
        printf("  ");
        print_bytes(host + k, 8);
        printf("  ");
        print_bytes(guest + k, 8);
        puts(memcmp(host + k, guest + k, 8) ? "  <--" : "");
        lines++;
    }
}

static void print_code(const struct diff_case *c)
{
    for (unsigned k = 0; k < c->ninsns; k++) {
        const struct diff_insn *i = &c->insns[k];
        char text[128];
        disas_one(text, sizeof(text), c->slot + i->off, c->code + i->off, i->len, CODE64);
        printf("  %llx: ", (unsigned long long)(c->slot + i->off));
        for (unsigned j = 0; j < i->len; j++)
            printf("%02x ", c->code[i->off + j]);
        printf("  %s\n", text);
    }
}

void print_difference(const struct diff_case *c, const struct diff_shared *s,
                      const struct diff_outcome *host, const struct diff_outcome *guest,
                      uint32_t undefined)
{
    uint8_t *before = malloc(DIFF_RW);
    if (!before)
        return;
    diff_fill_memory(before, s, c);
    print_code(c);
    print_fault("host", host);
    print_fault("guest", guest);
    printf("  %-6s %-16s  %-16s  %-16s\n", "", "before", "host", "guest");
    for (unsigned k = 0; k < 16; k++)
        print_number(gpr_name[k], c->in.gpr[k], host->out.gpr[k], guest->out.gpr[k], UINT64_MAX);
    print_number("rip", c->in.rip, host->out.rip, guest->out.rip, UINT64_MAX);
    print_number("flags", c->in.rflags, host->out.rflags, guest->out.rflags,
                 FLAGS_COMPARED & ~undefined);
    printf("  undefined flags: %#x\n", undefined);
    print_fx(c->in.fx, host->out.fx, guest->out.fx);
    print_ymm(&c->in, &host->out, &guest->out);
    print_memory(before, host->mem, guest->mem);
    free(before);
}
