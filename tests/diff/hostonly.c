/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Encodings that the host's processor has and Calque's does not (yet): by the feature that brings
 * them, which the host reports and the model lacks. */
#include <cpuid.h>
#include <stddef.h>

#include "cpu/x86/cpu.h"

#include "tests/diff/explain.h"

enum space { SPACE_1, SPACE_0F, SPACE_0F38, SPACE_0F3A, SPACE_VEX, SPACE_EVEX };
enum { EAX_, EBX_, ECX_, EDX_ };

struct place {
    enum space space;
    uint8_t opcode, modrm;
};

/* What a feature, found by CPUID (leaf 0: always there), brings. */
static const struct host_feature {
    const char *name;
    uint32_t leaf, subleaf;
    uint8_t reg, bit;
    uint8_t space, first, last, regs; /* opcodes, and a bit per value of modrm.reg */
} features[] = {
    {"AVX and what is encoded with VEX", 1, 0, ECX_, 28, SPACE_VEX, 0x00, 0xff, 0xff},
    {"AVX-512 (EVEX)", 7, 0, EBX_, 16, SPACE_EVEX, 0x00, 0xff, 0xff},
    {"XSAVE", 1, 0, ECX_, 26, SPACE_0F, 0xae, 0xae, 0x70},
    {"XSAVE (XGETBV, XSETBV)", 1, 0, ECX_, 26, SPACE_0F, 0x01, 0x01, 0x04},
    {"XSAVEC, XSAVES", 0xd, 1, EAX_, 1, SPACE_0F, 0xc7, 0xc7, 0x38},
    {"SSE4A", 0x80000001, 0, ECX_, 6, SPACE_0F, 0x78, 0x79, 0xff},
    {"SSE4A (MOVNTSS, MOVNTSD)", 0x80000001, 0, ECX_, 6, SPACE_0F, 0x2b, 0x2b, 0xff},
    {"GFNI", 7, 0, ECX_, 8, SPACE_0F38, 0xcf, 0xcf, 0xff},
    {"GFNI", 7, 0, ECX_, 8, SPACE_0F3A, 0xce, 0xcf, 0xff},
    {"SVM (AMD), VMMCALL, CLZERO, MONITORX, RDPRU", 0x80000008, 0, EBX_, 0, SPACE_0F, 0x01, 0x01,
     0xae},
    {"LOCK MOV CR0 is MOV CR8 (AMD)", 0x80000001, 0, ECX_, 4, SPACE_0F, 0x20, 0x22, 0xff},
    /* no CPUID bit hides these: hypervisors that do not report them cannot refuse them */
    {"XOP space (APM vol. 3 1.2.7: 8F with modrm.reg)", 0, 0, EAX_, 0, SPACE_1, 0x8f, 0x8f, 0xfe},
    {"MOVDIRI, MOVDIR64B", 0, 0, EAX_, 0, SPACE_0F38, 0xf8, 0xf9, 0xff},
    {"SHSTK, CET (RDSSP, WRSS)", 7, 0, ECX_, 7, SPACE_0F38, 0xf5, 0xf6, 0xff},
};

unsigned count_prefixes(const struct diff_case *c)
{
    static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65,
                                       0x66, 0x67, 0xf0, 0xf2, 0xf3};
    const uint8_t *b = c->code + c->code_off;
    unsigned k = 0;
    while (k < 15 && (memchr(prefixes, b[k], sizeof(prefixes)) ||
                      (c->mode == DIFF_64 && (b[k] & 0xf0) == 0x40)))
        k++;
    return k;
}

/* Space, opcode and ModRM of the case's first instruction. */
static struct place place_of(const struct diff_case *c)
{
    const uint8_t *b = c->code + c->code_off;
    unsigned k = count_prefixes(c), mode = c->mode;
    bool vector = mode == DIFF_64 || b[k + 1] >> 6 == 3; /* else LES, LDS, BOUND */
    if ((b[k] == 0xc4 || b[k] == 0xc5) && vector)
        return (struct place){SPACE_VEX, b[k + (b[k] == 0xc4 ? 3 : 2)], 0};
    if (b[k] == 0x62 && vector)
        return (struct place){SPACE_EVEX, b[k + 4], 0};
    if (b[k] != 0x0f)
        return (struct place){SPACE_1, b[k], b[k + 1]};
    if (b[k + 1] == 0x38 || b[k + 1] == 0x3a)
        return (struct place){b[k + 1] == 0x38 ? SPACE_0F38 : SPACE_0F3A, b[k + 2], b[k + 3]};
    return (struct place){SPACE_0F, b[k + 1], b[k + 2]};
}

bool host_only(const struct diff_case *c)
{
    uint32_t out[4];
    struct place at = place_of(c);
    for (size_t k = 0; k < sizeof(features) / sizeof(features[0]); k++) {
        const struct host_feature *f = &features[k];
        if (at.space != f->space || at.opcode < f->first || at.opcode > f->last)
            continue;
        if (!(f->regs >> (at.modrm >> 3 & 7) & 1) && f->space < SPACE_VEX)
            continue;
        if (__get_cpuid_count(f->leaf, f->subleaf, &out[0], &out[1], &out[2], &out[3]) &&
            (!f->leaf || out[f->reg] >> f->bit & 1))
            return true;
    }
    return false;
}
