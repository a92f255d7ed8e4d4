/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is accepted though it differs: one entry per reason, for the operations it is about, with
 * the condition under which it applies, to the very instruction at which both sides stopped.
 *
 * Faults on executing an instruction have one priority: SDM vol. 3A table 6-2, class 10 leaves the
 * order among them to the implementation. */
#include "tests/diff/explain.h"

#include <stddef.h>

#include "cpu/x86/cpu.h"
#include "cpu/x86/segment.h"
#include "tests/diff/gen.h"

struct sides {
    const struct diff_case *c;
    const struct diff_outcome *host, *guest;
};

static bool among(const uint16_t *list, unsigned operation)
{
    for (; *list; list++)
        if (*list == operation)
            return true;
    return false;
}

static bool is_access_fault(const struct diff_outcome *o)
{
    return o->vector == EXC_PF || o->vector == EXC_AC ||
           ((o->vector == EXC_GP || o->vector == EXC_SS) && !o->error);
}

/* The pseudo-code of CALL looks at the target first, AMD's processors push first. */
static bool push_or_target(const struct sides *s)
{
    return s->guest->vector == EXC_GP && !s->guest->error && is_access_fault(s->host);
}

/* The same order with a push that succeeded, or the first of two: the frame stays in memory. */
static bool frame_left(const struct sides *s)
{
    uint64_t top = s->guest->stack - DIFF_DATA;
    if (s->host->vector != s->guest->vector || s->host->error != s->guest->error)
        return false;
    for (unsigned k = 0; k < DIFF_RW; k++)
        if (s->host->mem[k] != s->guest->mem[k] && top - k - 1 >= 16)
            return false;
    return true;
}

/* Far returns: AMD's processors read CS before RIP, and the outer stack before they look at CS. */
static bool return_frame(const struct sides *s)
{
    return is_access_fault(s->host) &&
           (is_access_fault(s->guest) || s->guest->vector == EXC_GP || s->guest->vector == EXC_NP);
}

/* Two operands, or one in several pieces. */
static bool several_accesses(const struct sides *s)
{
    return is_access_fault(s->host) && is_access_fault(s->guest);
}

/* 16 or 32 bytes that are neither aligned nor within the limit of SS. */
static bool alignment_or_limit(const struct sides *s)
{
    return s->host->vector == EXC_GP && s->guest->vector == EXC_SS && !s->host->error &&
           !s->guest->error && s->guest->operand & 31 &&
           operations[s->guest->last_operation].props & (P_SSE | P_FPU | P_AVX);
}

/* The ModRM byte of UD1 and UD0 is not there, or not fetched (SDM vol. 2B, UD). */
static bool ud_length(const struct sides *s)
{
    return s->host->vector == EXC_UD &&
           (s->guest->vector == EXC_PF || (s->guest->vector == EXC_GP && !s->guest->error));
}

/* AMD's processors take SHA operands in memory that are not aligned; the SDM's class of exceptions
 * for them, type 4 (vol. 2A table 2-21), has #GP. */
static bool unaligned_sha(const struct sides *s)
{
    return s->guest->vector == EXC_GP && s->guest->operand & 15;
}

/* The trap of a single step comes between the elements of a gather, in lieu of a later one's fault
 * (SDM vol. 2C, VGATHERDPS, has this for traps that are pending). */
static bool trap_between(const struct sides *s)
{
    return s->host->vector == EXC_DB;
}

/* A single step with a 16-bit stack: in one process of some hundreds Linux (6.18, seen on Zen 4)
 * says #GP before the instruction, from its own IRET by way of espfix64, whose part of RSP shows.
 */
static bool kernel_failed(const struct sides *s)
{
    return s->host->vector == EXC_GP && !s->host->error && s->guest->vector == EXC_DB &&
           s->c->in.rflags & EFLAGS_TF && s->host->out.rip == s->c->in.rip &&
           s->host->out.gpr[R_RSP] >> 40 == 0xffffff;
}

/* POPA: the registers popped before the fault keep their values or not. */
static bool partly_popped(const struct sides *s)
{
    return s->host->vector == s->guest->vector && is_access_fault(s->host);
}

/* MXCSR.MM (bit 17) exists on AMD's processors only (APM vol. 2 11.3.2): LDMXCSR and FXRSTOR take
 * it there and raise #GP here, as the SDM has it. */
static bool misaligned_mode(const struct sides *s)
{
    return s->host->out.fx[26] & 2;
}

/* An element of a gather that goes over the end of a segment of 4 GiB (SDM vol. 3A 5.3: "may or may
 * not cause the indicated exceptions"). */
static bool element_wraps(const struct sides *s)
{
    bool limit = s->host->vector == EXC_GP || s->host->vector == EXC_SS, last = false;
    for (unsigned n = 0; n < 6; n++)
        last |= (uint32_t)(s->guest->cr2 - segment_base_of(s->c, n)) > 0xfffffff8;
    return s->c->mode != DIFF_64 && limit && !s->host->error && s->guest->vector == EXC_PF &&
           last && operations[s->guest->last_operation].props & P_AVX;
}

/* A far call out of 64-bit mode with RSP above 4 GiB: AMD's processors push in the mode of the new
 * code segment (APM vol. 3, CALL (Far)), Intel's in that of the old (SDM vol. 2A, CALL). */
static bool pushes_in_new_mode(const struct sides *s)
{
    return is_access_fault(s->guest) && s->guest->stack >> 32 &&
           s->host->out.sel[SEG_CS] != s->c->in.sel[SEG_CS];
}

/* LSL of GDT entry 15, in whose limit Linux keeps the number of the CPU (arch/x86: asm/segment.h):
 * here it is 0, there it is where the child happens to run. */
static bool number_of_cpu(const struct sides *s)
{
    for (unsigned n = 0; n < 16; n++) {
        uint64_t host = s->host->out.gpr[n], guest = s->guest->out.gpr[n];
        if (host != guest && ((host ^ guest) > 0xfff || guest & 0xfff))
            return false;
    }
    return true;
}

/* Random bytes: an encoding of the host's only. */
static bool feature_of_host(const struct sides *s)
{
    return s->c->raw && s->guest->vector == EXC_UD && host_only(s->c);
}

/* Random bytes at the end of CS or of the code pages, or with many prefixes (15 bytes at most): how
 * many more an undefined opcode, or one with an invalid LOCK, has before it is refused. Fetching
 * comes before decoding (SDM vol. 3A table 6-2, classes 7 and 8), but only of bytes that are there.
 */
static bool length_of_undefined(const struct sides *s)
{
    const struct diff_case *c = s->c;
    bool host_ud = s->host->vector == EXC_UD, guest_ud = s->guest->vector == EXC_UD;
    const struct diff_outcome *other = host_ud ? s->guest : s->host;
    uint64_t start = c->slot + c->code_off, limit = DIFF_CODE + DIFF_CODE_SIZE;
    if (c->mode != DIFF_64) {
        uint64_t end = c->base + desc_limit(diff_descriptor(c->in.sel[SEG_CS])) + 1;
        limit = end < limit ? end : limit;
    }
    bool fetch = (other->vector == EXC_GP && !other->error) || other->vector == EXC_PF;
    bool too_long = !other->error && other->vector == EXC_GP && count_prefixes(c) >= 3;
    return c->raw && host_ud != guest_ud && fetch && (start + 15 > limit || too_long);
}

static const uint16_t calls[] = {OPN_call, OPN_call_ind, OPN_call_far, OPN_call_far_ind, 0};
static const uint16_t far_calls[] = {OPN_call_far, OPN_call_far_ind, 0};
static const uint16_t returns[] = {OPN_retf, OPN_iret, 0};
static const uint16_t pieces[] = {OPN_cmps,         OPN_fxsave,     OPN_fxrstor,
                                  OPN_fnsave,       OPN_frstor,     OPN_fnstenv,
                                  OPN_fldenv,       OPN_fld_m80,    OPN_fstp_m80,
                                  OPN_fbld,         OPN_fbstp,      OPN_bound,
                                  OPN_les,          OPN_lds,        OPN_lss,
                                  OPN_lfs,          OPN_lgs,        OPN_jmp_far_ind,
                                  OPN_call_far_ind, OPN_enter,      OPN_movs,
                                  OPN_maskmovq,     OPN_maskmovdqu, OPN_vmaskmovdqu,
                                  OPN_push,         OPN_pop,        0};
static const uint16_t lsl[] = {OPN_lsl, 0};
static const uint16_t ud[] = {OPN_ud, 0};
static const uint16_t sha[] = {OPN_sha1rnds4,   OPN_sha1nexte,  OPN_sha1msg1,   OPN_sha1msg2,
                               OPN_sha256rnds2, OPN_sha256msg1, OPN_sha256msg2, 0};
static const uint16_t gathers[] = {OPN_vpgatherdd, OPN_vpgatherdq, OPN_vpgatherqd,
                                   OPN_vpgatherqq, OPN_vgatherdps, OPN_vgatherdpd,
                                   OPN_vgatherqps, OPN_vgatherqpd, 0};
static const uint16_t popa[] = {OPN_popa, 0};

static const struct explanation {
    const char *name;
    const uint16_t *operations; /* NULL: see the condition */
    bool (*applies)(const struct sides *);
    enum { BOTH_FAULT, GUEST_FAULTS, ALWAYS } when;
} explanations[] = {
    {"CALL: target or push first", calls, push_or_target, BOTH_FAULT},
    {"far CALL: the frame is pushed before the target is checked", far_calls, frame_left,
     BOTH_FAULT},
    {"far CALL out of 64-bit mode: RSP above 4 GiB", far_calls, pushes_in_new_mode, GUEST_FAULTS},
    {"far return: which part of the frame first", returns, return_frame, BOTH_FAULT},
    {"several accesses: which first", pieces, several_accesses, BOTH_FAULT},
    {"POPA: registers before the fault", popa, partly_popped, BOTH_FAULT},
    {"unaligned and beyond the limit", NULL, alignment_or_limit, BOTH_FAULT},
    {"UD1, UD0: ModRM", ud, ud_length, BOTH_FAULT},
    {"SHA: unaligned operand", sha, unaligned_sha, GUEST_FAULTS},
    {"gather: single step between elements", gathers, trap_between, GUEST_FAULTS},
    {"random bytes: a feature of the host's only", NULL, feature_of_host, GUEST_FAULTS},
    {"random bytes: the length of what is undefined", NULL, length_of_undefined, BOTH_FAULT},
    {"gather over the end of 4 GiB", NULL, element_wraps, BOTH_FAULT},
    {"the host's kernel fails to single-step with a 16-bit stack", NULL, kernel_failed,
     GUEST_FAULTS},
    {"LSL: the number of the host's CPU", lsl, number_of_cpu, ALWAYS},
    {"MXCSR.MM", NULL, misaligned_mode, ALWAYS},
};
_Static_assert(sizeof(explanations) / sizeof(explanations[0]) < NUM_EXPLANATIONS, "one more is 0");

unsigned explained(const struct diff_case *c, const struct diff_outcome *host,
                   const struct diff_outcome *guest)
{
    struct sides s = {c, host, guest};
    bool guest_faults = guest->vector != DIFF_NO_FAULT;
    bool both = guest_faults && host->vector != DIFF_NO_FAULT && host->out.rip == guest->out.rip;
    for (unsigned k = 0; k < sizeof(explanations) / sizeof(explanations[0]); k++) {
        const struct explanation *e = &explanations[k];
        if (e->when == BOTH_FAULT ? !both : e->when == GUEST_FAULTS && !guest_faults)
            continue;
        if (e->operations && !among(e->operations, guest->last_operation))
            continue;
        if (e->applies(&s))
            return k + 1;
    }
    return 0;
}

const char *explanation_name(unsigned n)
{
    return n && n <= sizeof(explanations) / sizeof(explanations[0]) ? explanations[n - 1].name
                                                                    : NULL;
}
