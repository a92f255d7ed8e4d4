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

#include "tests/diff/explain.h"

#define FLAGS_COMPARED                                                                             \
    (EFLAGS_ARITH | EFLAGS_DF | EFLAGS_TF | EFLAGS_IF | EFLAGS_NT | EFLAGS_AC | EFLAGS_ID)

static const char *const gpr_name[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                         "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

static const char *const sel_name[6] = {"es", "cs", "ss", "ds", "fs", "gs"};

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

/* RIP of instruction k. */
static uint64_t insn_place(const struct diff_case *c, unsigned k)
{
    return c->slot + c->insns[k].off - c->base;
}

/* Registers as far as the code can see them: what 32-bit code leaves in the upper halves, and in
 * R8-R15, is undefined (SDM vol. 1 3.4.1.1). */
static uint64_t visible(bool wide, unsigned n, uint64_t v)
{
    return wide ? v : n < 8 ? (uint32_t)v : 0;
}

/* The kernel's IRET to the signal handler makes every null selector a plain 0 (SDM vol. 2A, IRET,
 * RETURN-TO-OUTER-PRIVILEGE-LEVEL). */
static uint16_t selector_as_seen(unsigned seg, uint16_t sel)
{
    return seg != SEG_CS && seg != SEG_SS && !(sel & ~3) ? 0 : sel;
}

/* Linux reports every fault at an address in the kernel's half as one of protection, so that user
 * programs cannot find out what is mapped there (arch/x86/mm/fault.c): bit 0 of the error code is
 * not the processor's. */
static bool errors_agree(const struct diff_outcome *host, const struct diff_outcome *guest)
{
    bool hidden = host->vector == EXC_PF && host->cr2 >= 0x7ffffffff000; /* TASK_SIZE_MAX */
    return !((host->error ^ guest->error) & ~(hidden ? 1u : 0u));
}

static bool has_mmx_operand(const struct encoding *e)
{
    for (unsigned o = 0; o < 4; o++) {
        unsigned am = e->opnd[o] >> 4;
        if (am == AM_P || am == AM_Q || am == AM_N)
            return true;
    }
    return false;
}

/* An MMX instruction that faults may have set TOP and the tags already: no manual says, and AMD's
 * processors have. */
static bool mmx_faulted(const struct diff_outcome *host, const struct diff_outcome *guest)
{
    if (host->vector == DIFF_NO_FAULT)
        return false;
    for (unsigned k = 0; k < num_encodings; k++)
        if (encodings[k].operation == guest->last_operation && has_mmx_operand(&encodings[k]))
            return true;
    return false;
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
                    const struct diff_outcome *guest, uint32_t undefined, unsigned *explanation,
                    char *text, size_t size)
{
    const char *what = NULL;
    *explanation = 0;
    if (host->lost || guest->lost)
        what = host->lost ? "the host never came back" : "the guest never came back";
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
    bool wide = c->mode == DIFF_64 && host->out.sel[SEG_CS] == DIFF_CS;
    for (unsigned k = 0; k < 16 && !what; k++)
        if (visible(wide, k, host->out.gpr[k]) != visible(wide, k, guest->out.gpr[k]))
            what = gpr_name[k];
    for (unsigned k = 0; k < 6 && !what; k++)
        if (selector_as_seen(k, host->out.sel[k]) != selector_as_seen(k, guest->out.sel[k]))
            what = sel_name[k];
    bool x87_differs = memcmp(host->out.fx, guest->out.fx, 160);
    bool skip_x87 = x87_differs && mmx_faulted(host, guest);
    for (size_t k = 0; k < sizeof(fx_fields) / sizeof(fx_fields[0]) && !what; k++)
        if (!(skip_x87 && fx_fields[k].off < 160 && fx_fields[k].off != 24) &&
            memcmp(host->out.fx + fx_fields[k].off, guest->out.fx + fx_fields[k].off,
                   fx_fields[k].len))
            what = fx_fields[k].name;
    if (!what && memcmp(host->out.ymmh, guest->out.ymmh, sizeof(host->out.ymmh)))
        what = "ymm";
    if (!what && !memory_agrees(host, guest))
        what = "memory";
    if (!what && diff_writable_slot(c->slot) && memcmp(host->code, guest->code, sizeof(host->code)))
        what = "code";
    if (what && !host->lost && !guest->lost)
        *explanation = explained(c, host, guest);
    if (what)
        snprintf(text, size, "%s", what);
    return !what || *explanation;
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

void print_code(const struct diff_case *c)
{
    for (unsigned k = 0; c->raw && k < 24; k++)
        printf(k ? " %02x" : "  bytes: %02x", c->code[c->code_off + k]);
    if (c->raw)
        printf("\n");
    for (unsigned k = 0; k < c->ninsns; k++) {
        const struct diff_insn *i = &c->insns[k];
        char text[128];
        disas_one(text, sizeof(text), insn_place(c, k), c->code + i->off, i->len,
                  (enum code_mode)c->mode);
        printf("  %llx: ", (unsigned long long)insn_place(c, k));
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
    for (unsigned k = 0; k < 6; k++)
        print_number(sel_name[k], c->in.sel[k], host->out.sel[k], guest->out.sel[k], UINT64_MAX);
    print_number("rip", c->in.rip, host->out.rip, guest->out.rip, UINT64_MAX);
    print_number("flags", c->in.rflags, host->out.rflags, guest->out.rflags,
                 FLAGS_COMPARED & ~undefined);
    printf("  undefined flags: %#x\n", undefined);
    print_fx(c->in.fx, host->out.fx, guest->out.fx);
    print_ymm(&c->in, &host->out, &guest->out);
    print_memory(before, host->mem, guest->mem);
    free(before);
}
