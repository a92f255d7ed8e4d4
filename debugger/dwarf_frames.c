/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "debugger/dwarf.h"

#if CONFIG_DW

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/x86/insn.h"
#include "debugger/dwarf_internal.h"

/* Call frame rules: .debug_frame, which describes every function of C, or .eh_frame. */

Dwarf_Frame *dwarf_frame_at(struct dwarf_file *f, uint64_t pc)
{
    Dwarf_Addr bias;
    Dwarf_Frame *frame = NULL;
    Dwarf_CFI *cfi = dwfl_module_dwarf_cfi(f->module, &bias);

    if (cfi && dwarf_cfi_addrframe(cfi, pc - bias, &frame) == 0)
        return frame;
    cfi = dwfl_module_eh_cfi(f->module, &bias);
    if (cfi && dwarf_cfi_addrframe(cfi, pc - bias, &frame) == 0)
        return frame;
    return NULL;
}

static bool evaluate(struct dwarf_file *f, const Dwarf_Op *ops, size_t n,
                     const struct code_frame *at, uint64_t slide, bool *memory, uint64_t *value)
{
    struct code code = {0};
    struct dwarf_object what;
    struct dwarf_scope scope = {.slide = slide, .end = UINT64_MAX, .has_cfa = true};
    bool ok =
        dwarf_ops(f, NULL, ops, n, &scope, &code, &what, NULL) && code_run(&code, at, value, NULL);

    *memory = what.kind == DWARF_MEMORY;
    code_free(&code);
    return ok;
}

/* Those that a function leaves as they are when it returns (System V ABI, AMD64 supplement, figure
 * 3.4; i386 supplement, table 2.3): without a rule they are the caller's still. What libdw says of
 * registers without one takes rax for rbx (elfutils 0.188). */
static bool is_preserved(const struct dwarf_file *f, int reg)
{
    uint32_t set = 1u << R_RBX | 1u << R_RBP;

    set |= f->word == 8 ? 1u << R_R12 | 1u << R_R13 | 1u << R_R14 | 1u << R_R15
                        : 1u << R_RSI | 1u << R_RDI;
    return set >> reg & 1;
}

/* A register of the caller: in memory, computed, in a register still, or not known. */
static bool caller_register(struct dwarf_file *f, Dwarf_Frame *frame, unsigned number,
                            const struct code_frame *at, uint64_t slide,
                            const struct unwind_regs *regs, struct unwind_regs *out)
{
    Dwarf_Op mem[3], *ops;
    size_t n;
    int reg = dwarf_register(f, number);
    bool memory;
    uint64_t v;

    if (reg < 0 || dwarf_frame_register(frame, (int)number, mem, &ops, &n) != 0)
        return false;
    if (!n) {
        if (is_preserved(f, reg) && regs->known >> reg & 1) {
            out->r[reg] = regs->r[reg];
            out->known |= 1u << reg;
        }
        return true;
    }
    if (!evaluate(f, ops, n, at, slide, &memory, &v) ||
        (memory && !guest_read_int(at->guest, at->cpu, v, f->word, &v)))
        return false;
    out->r[reg] = v;
    out->known |= 1u << reg;
    return true;
}

bool dwarf_unwind(struct dwarf_file *f, uint64_t slide, const struct code_frame *at,
                  const struct unwind_regs *regs, struct unwind_regs *out, uint64_t *cfa,
                  bool *signal)
{
    Dwarf_Frame *frame = dwarf_frame_at(f, at->regs[R_RIP] - slide);
    struct code_frame here = *at;
    Dwarf_Op *ops;
    size_t n;
    bool memory, ok;
    int ra = -1;

    *out = (struct unwind_regs){0};
    ok = frame && (ra = dwarf_frame_info(frame, NULL, NULL, signal)) >= 0 &&
         dwarf_frame_cfa(frame, &ops, &n) == 0 && n &&
         evaluate(f, ops, n, &here, slide, &memory, cfa);
    here.cfa = *cfa;
    for (unsigned number = 0; ok && number <= (f->word == 8 ? 15u : 7u); number++)
        caller_register(f, frame, number, &here, slide, regs, out);
    if (ok && !(out->known >> R_RIP & 1))
        ok = caller_register(f, frame, (unsigned)ra, &here, slide, regs, out);
    free(frame);
    if (!ok || !(out->known >> R_RIP & 1))
        return false;
    out->r[R_RSP] = *cfa; /* unless a rule says otherwise, which none of C does */
    out->known |= 1u << R_RSP;
    return true;
}

#else

bool dwarf_unwind(struct dwarf_file *f, uint64_t slide, const struct code_frame *at,
                  const struct unwind_regs *regs, struct unwind_regs *out, uint64_t *cfa,
                  bool *signal)
{
    (void)f, (void)slide, (void)at, (void)regs, (void)out, (void)cfa, (void)signal;
    return false;
}

#endif
