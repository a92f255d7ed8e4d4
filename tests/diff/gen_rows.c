/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which rows of the instruction table are tried, and why the others are not. */
#include <cpuid.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/x86/cpuid.h"
#include "tests/diff/gen.h"

/* True if the host has what the row needs. */
static bool host_has_feature(unsigned feature)
{
    const struct feature_info *f = &cpu_features[feature];
    uint32_t out[4];
    if (feature == F_NONE)
        return true;
    if (!__get_cpuid_count(f->leaf, f->subleaf, &out[0], &out[1], &out[2], &out[3]))
        return false;
    return out[f->reg] >> f->bit & 1;
}

/* P_NOTEST operations whose outcome is the same on both sides all the same: they fault at CPL 3, or
 * it is made so. */
static const uint16_t comparable[] = {OPN_in,       OPN_out,     OPN_iret,     OPN_int,
                                      OPN_into,     OPN_rsm,     OPN_rdfsbase, OPN_rdgsbase,
                                      OPN_wrfsbase, OPN_wrgsbase};

/* Why the others are not compared, where there is more to say. */
static const struct {
    uint16_t operation;
    const char *reason;
} excluded[] = {
    {OPN_sgdt, "the host's kernel emulates it (UMIP)"},
    {OPN_sidt, "the host's kernel emulates it (UMIP)"},
    {OPN_sldt, "the host's kernel emulates it (UMIP)"},
    {OPN_str, "the host's kernel emulates it (UMIP)"},
    {OPN_smsw, "the host's kernel emulates it (UMIP)"},
    {OPN_int3, "it ends a case"},
    {OPN_int1, "hypervisors intercept #DB, and RIP is theirs (APM vol. 2 15.12.2)"},
    {OPN_syscall, "a system call of the host"},
    {OPN_sysenter, "a system call of the host"},
    {OPN_sysexit, "AMD's processors do not have it in long mode (APM vol. 3, SYSEXIT)"},
    {OPN_too_long, "no instruction"},
};

static const char *operation_reason(unsigned operation)
{
    for (size_t k = 0; k < sizeof(excluded) / sizeof(excluded[0]); k++)
        if (excluded[k].operation == operation)
            return excluded[k].reason;
    for (size_t k = 0; k < sizeof(comparable) / sizeof(comparable[0]); k++)
        if (comparable[k] == operation)
            return NULL;
    return operations[operation].props & P_NOTEST
               ? "its result or effect belongs to the host's system (P_NOTEST)"
               : NULL;
}

/* Why a row is not tried in a mode; NULL if it is. */
static const char *row_reason(const struct gen *g, const struct encoding *e,
                              const struct cpu_model *model, unsigned mode)
{
    const struct operation_info *o = &operations[e->operation];
    if (mode == DIFF_64 && e->match & M_N64)
        return "not in 64-bit mode";
    if (mode == DIFF_64 && e->match & M_A16)
        return "16-bit addresses are not in 64-bit mode";
    bool rexw = e->map < MAP_V0F && e->match & M_W1;
    bool rexb = e->map == MAP_1 && e->opcode == 0x90 && e->operation == OPN_xchg; /* else NOP */
    if (mode != DIFF_64 && (e->match & (M_64 | M_A64 | M_O64) || rexw || rexb))
        return "64-bit mode only";
    if (g->engines)
        return e->operation == OPN_int3 ? "it ends a case" : NULL;
    /* SDM vol. 2B, SYSRET: #UD outside 64-bit mode; APM vol. 3: #GP above CPL 0. */
    if (mode != DIFF_64 && e->operation == OPN_sysret)
        return "Intel's and AMD's processors differ";
    if (!host_has_feature(o->cpuid))
        return "the host's processor does not have it";
    if (o->cpuid != F_NONE && !model_has(model, o->cpuid))
        return "Calque does not offer the feature yet";
    return operation_reason(e->operation);
}

static bool init_rows(struct gen *gen, const struct cpu_model *model, unsigned mode,
                      const char *only)
{
    struct gen_rows *g = &gen->mode[mode];
    g->rows = calloc(num_encodings, sizeof(*g->rows));
    g->reason = calloc(num_encodings, sizeof(*g->reason));
    if (!g->rows || !g->reason)
        return false;
    for (unsigned k = 0; k < num_encodings; k++) {
        const char *name = operations[encodings[k].operation].name;
        g->reason[k] = row_reason(gen, &encodings[k], model, mode);
        if (!g->reason[k] && only && strcmp(only, name))
            g->reason[k] = "not asked for (--only)";
        if (!g->reason[k])
            g->rows[g->nrows++] = k;
    }
    return true;
}

bool gen_init(struct gen *g, uint64_t seed, const char *only)
{
    struct cpu_model model;
    if (!cpu_model_parse(&model, "max", NULL))
        return false;
    g->seed = seed;
    for (unsigned m = 0; m < DIFF_MODES; m++) {
        if (g->modes >> m & 1 && !init_rows(g, &model, m, only))
            return false;
        if (!g->mode[m].nrows)
            g->modes &= ~(1u << m);
    }
    return true;
}

void gen_free(struct gen *g)
{
    for (unsigned m = 0; m < DIFF_MODES; m++) {
        free(g->mode[m].rows);
        free(g->mode[m].reason);
    }
}

unsigned gen_mode(const struct gen *g, uint64_t number)
{
    unsigned turn = (unsigned)(number / DIFF_BATCH % (unsigned)__builtin_popcount(g->modes));
    for (unsigned m = 0;; m++)
        if (g->modes >> m & 1 && turn-- == 0)
            return m;
}
