/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control transfers that change CS: far JMP, CALL and RET, INT, IRET, SYSCALL and SYSENTER
 * (SDM vol. 2; vol. 3A 5.8, 6.12, 20). Task switches are in task.c. */
#include "cpu/x86/debugreg.h"
#include "cpu/x86/ops.h"
#include "cpu/x86/privilege.h"
#include "cpu/x86/segment.h"
#include "cpu/x86/task.h"

/* Everything that an instruction can change before it knows that it will not fault. */
struct saved {
    struct segment cs, ss;
    uint64_t rip, rsp;
    uint8_t cpl;
};

static struct saved save(const struct cpu *cpu)
{
    return (struct saved){cpu->seg[SEG_CS], cpu->seg[SEG_SS], cpu->r[R_RIP], cpu->r[R_RSP],
                          cpu->cpl};
}

static uint64_t size_mask(unsigned size)
{
    return ~0ull >> (64 - 8 * size);
}

/* The transfer is done. */
static int arrive(struct cpu *cpu, uint64_t rip)
{
    cpu->r[R_RIP] = rip;
    cpu_mode_changed(cpu);
    return OP_LEAVE;
}

/* Is off a possible RIP in the segment that desc describes? */
static bool target_ok(const struct cpu *cpu, uint64_t desc, uint64_t off)
{
    if (cpu->long_mode && desc_attr(desc) & SEG_ATTR_L)
        return is_canonical(off);
    return off <= desc_limit(desc);
}

/* L and D together are reserved in long mode (SDM vol. 3A 5.2.1). */
static bool code_size_ok(const struct cpu *cpu, uint64_t desc)
{
    uint16_t both = SEG_ATTR_L | SEG_ATTR_DB;

    return !cpu->long_mode || (desc_attr(desc) & both) != both;
}

/* ---- pushing ---- */

struct frame {
    uint64_t lin[40];
    uint64_t value[40];
    unsigned n, size;
};

static void frame_add(struct frame *f, uint64_t value)
{
    f->value[f->n++] = value;
}

/* Pushes onto the current stack at the current level; all or nothing. */
static int push_frame(struct cpu *cpu, struct frame *f)
{
    uint64_t mask = size_mask(1u << cpu->stack_size), sp = stack_pointer(cpu);

    for (unsigned k = 0; k < f->n; k++) {
        sp = (sp - f->size) & mask;
        if (seg_linear(cpu, SEG_SS, sp, f->size, ACCESS_STORE, &f->lin[k]) ||
            lin_probe_store(cpu, f->lin[k], f->size))
            return OP_FAULT;
    }
    for (unsigned k = 0; k < f->n; k++) {
        if (f->size == 8   ? lin_store64(cpu, f->lin[k], f->value[k])
            : f->size == 4 ? lin_store32(cpu, f->lin[k], (uint32_t)f->value[k])
                           : lin_store16(cpu, f->lin[k], (uint16_t)f->value[k]))
            return OP_FAULT;
    }
    set_stack_pointer(cpu, sp);
    return 0;
}

/* Pushes onto an inner level's stack that is not loaded yet: supervisor accesses, limit checked
 * against the new SS (64-bit: no limit). *sp is the pointer before and after. */
static int push_inner(struct cpu *cpu, struct frame *f, const struct segment *ss, uint64_t *sp)
{
    bool flat = f->size == 8;
    uint64_t mask = flat ? ~0ull : ss->attr & SEG_ATTR_DB ? 0xffffffff : 0xffff;
    bool down = ss->attr & SEG_TYPE_EC;
    uint64_t p = *sp;

    for (unsigned k = 0; k < f->n; k++) {
        p = (p - f->size) & mask;
        bool in = down ? p > ss->limit && p + f->size - 1 <= mask : p + f->size - 1 <= ss->limit;
        if (!flat && !in)
            return raise_error(cpu, EXC_SS, ss->sel & ~3u);
        f->lin[k] = flat ? p : (uint32_t)(ss->base + p);
        if (sys_probe_store(cpu, f->lin[k], f->size))
            return OP_FAULT;
    }
    for (unsigned k = 0; k < f->n; k++) {
        if (sys_store(cpu, f->lin[k], f->size, f->value[k]))
            return OP_FAULT;
    }
    *sp = p;
    return 0;
}

/* ---- real and virtual-8086 mode ---- */

static void set_cs_real(struct cpu *cpu, uint16_t sel)
{
    if (cpu_v86(cpu))
        segment_set_v86(&cpu->seg[SEG_CS], sel);
    else
        segment_set_real(&cpu->seg[SEG_CS], sel);
}

static int far_real(struct cpu *cpu, const struct insn *i, uint16_t sel, uint64_t off, bool call)
{
    if (off > cpu->seg[SEG_CS].limit)
        return raise_gp(cpu, 0);
    if (call) {
        struct frame f = {.size = insn_osize(i)};
        frame_add(&f, cpu->seg[SEG_CS].sel);
        frame_add(&f, insn_next_rip(cpu, i));
        if (push_frame(cpu, &f))
            return OP_FAULT;
    }
    set_cs_real(cpu, sel);
    return arrive(cpu, off);
}

/* ---- far JMP and CALL in protected mode ---- */

/* Pushes CS:RIP if it is a call, and goes to a code segment at privilege level cpl = ours. */
static int enter_same_level(struct cpu *cpu, const struct insn *i, uint16_t sel, uint64_t desc,
                            uint64_t off, bool call, unsigned size)
{
    struct frame f = {.size = size};

    if (!target_ok(cpu, desc, off))
        return raise_gp(cpu, 0);
    /* The accessed bit first: after the pushes nothing may fault. */
    if (desc_set_accessed(cpu, sel, &desc))
        return OP_FAULT;
    if (call) {
        frame_add(&f, cpu->seg[SEG_CS].sel);
        frame_add(&f, insn_next_rip(cpu, i));
        if (push_frame(cpu, &f))
            return OP_FAULT;
    }
    if (code_segment_load(cpu, sel, desc, cpu->cpl))
        return OP_FAULT;
    return arrive(cpu, off);
}

/* Call gate to an inner level in long mode: 64-bit pushes, null SS (SDM vol. 3A 5.8.5.1). */
static int enter_inner64(struct cpu *cpu, const struct insn *i, uint16_t sel, uint64_t desc,
                         uint64_t off)
{
    unsigned level = desc_dpl(desc);
    struct frame f = {.size = 8};
    struct segment ss;
    uint64_t rsp;

    if (tss64_stack(cpu, level, &rsp))
        return OP_FAULT;
    if (desc_set_accessed(cpu, sel, &desc))
        return OP_FAULT;
    segment_set_null(&ss, (uint16_t)level);
    frame_add(&f, cpu->seg[SEG_SS].sel);
    frame_add(&f, cpu->r[R_RSP]);
    frame_add(&f, cpu->seg[SEG_CS].sel);
    frame_add(&f, insn_next_rip(cpu, i));
    if (push_inner(cpu, &f, &ss, &rsp) || code_segment_load(cpu, sel, desc, level))
        return OP_FAULT;
    cpu->seg[SEG_SS] = ss;
    cpu->r[R_RSP] = rsp;
    return arrive(cpu, off);
}

/* The same outside long mode: parameters are copied from the old stack (SDM vol. 3A 5.8.5). */
static int enter_inner(struct cpu *cpu, const struct insn *i, uint16_t sel, uint64_t desc,
                       uint64_t off, unsigned size, unsigned params)
{
    unsigned level = desc_dpl(desc);
    struct frame f = {.size = size};
    struct segment ss;
    uint64_t ss_desc, param[32], sp;
    uint16_t ss_sel;
    uint32_t esp;

    if (tss_stack(cpu, level, &ss_sel, &esp) ||
        stack_desc_load(cpu, ss_sel, level, &ss_desc, EXC_TS))
        return OP_FAULT;
    for (unsigned k = 0; k < params; k++) {
        if (stack_peek(cpu, k * size, size, &param[k]))
            return OP_FAULT;
    }
    if (desc_set_accessed(cpu, ss_sel, &ss_desc) || desc_set_accessed(cpu, sel, &desc))
        return OP_FAULT;
    segment_from_descriptor(&ss, ss_sel, ss_desc);
    frame_add(&f, cpu->seg[SEG_SS].sel);
    frame_add(&f, cpu->r[R_RSP]);
    for (unsigned k = params; k > 0; k--)
        frame_add(&f, param[k - 1]);
    frame_add(&f, cpu->seg[SEG_CS].sel);
    frame_add(&f, insn_next_rip(cpu, i));
    sp = esp;
    if (push_inner(cpu, &f, &ss, &sp) || code_segment_load(cpu, sel, desc, level))
        return OP_FAULT;
    cpu->seg[SEG_SS] = ss;
    cpu_mode_changed(cpu); /* the stack size is the new one's */
    set_stack_pointer(cpu, sp);
    return arrive(cpu, off);
}

static int through_call_gate(struct cpu *cpu, const struct insn *i, uint16_t gate_sel,
                             uint64_t gate, bool call)
{
    uint16_t sel = gate_selector(gate);
    uint64_t desc, high = 0, off = gate_offset(gate);
    unsigned size = cpu->long_mode ? 8 : desc_type(gate) == SYS_CALL ? 4 : 2;

    if (desc_dpl(gate) < cpu->cpl || desc_dpl(gate) < (gate_sel & 3u))
        return raise_gp(cpu, gate_sel & ~3u);
    if (!desc_present(gate))
        return raise_error(cpu, EXC_NP, gate_sel & ~3u);
    if (cpu->long_mode) {
        if (desc_load_high(cpu, gate_sel, &high, EXC_GP))
            return OP_FAULT;
        if (high >> 40 & 0x1f)
            return raise_gp(cpu, gate_sel & ~3u);
        off |= high << 32;
    } else if (size == 2) {
        off = (uint16_t)off;
    }
    if (desc_load(cpu, sel, &desc, EXC_GP))
        return OP_FAULT;
    bool inner = call && !desc_is_conforming(desc) && desc_dpl(desc) < cpu->cpl;
    bool level_ok =
        desc_is_conforming(desc) || call ? desc_dpl(desc) <= cpu->cpl : desc_dpl(desc) == cpu->cpl;
    bool is64 = (desc_attr(desc) & (SEG_ATTR_L | SEG_ATTR_DB)) == SEG_ATTR_L;
    if (!desc_is_code(desc) || !level_ok || (cpu->long_mode && !is64))
        return raise_gp(cpu, sel & ~3u);
    if (!desc_present(desc))
        return raise_error(cpu, EXC_NP, sel & ~3u);
    if (!target_ok(cpu, desc, off))
        return raise_gp(cpu, 0);
    if (!inner)
        return enter_same_level(cpu, i, sel, desc, off, call, size);
    return cpu->long_mode ? enter_inner64(cpu, i, sel, desc, off)
                          : enter_inner(cpu, i, sel, desc, off, size, gate >> 32 & 31);
}

/* SDM vol. 2A, JMP and CALL, "far". */
static int far_transfer(struct cpu *cpu, const struct insn *i, uint16_t sel, uint64_t off,
                        bool call)
{
    uint64_t desc;

    if (cpu->real_or_v86)
        return far_real(cpu, i, sel, off, call);
    if (desc_load(cpu, sel, &desc, EXC_GP))
        return OP_FAULT;
    if (desc_is_system(desc)) {
        unsigned type = desc_type(desc);
        if (type == SYS_CALL || (type == SYS_CALL16 && !cpu->long_mode))
            return through_call_gate(cpu, i, sel, desc, call);
        bool task = type == SYS_TASK_GATE || type == SYS_TSS || type == SYS_TSS16;
        if (task && !cpu->long_mode)
            return task_transfer(cpu, sel, desc, call, insn_next_rip(cpu, i));
        return raise_gp(cpu, sel & ~3u);
    }
    unsigned dpl = desc_dpl(desc);
    bool level_ok =
        desc_is_conforming(desc) ? dpl <= cpu->cpl : (sel & 3u) <= cpu->cpl && dpl == cpu->cpl;
    if (!desc_is_code(desc) || !level_ok || !code_size_ok(cpu, desc))
        return raise_gp(cpu, sel & ~3u);
    if (!desc_present(desc))
        return raise_error(cpu, EXC_NP, sel & ~3u);
    return enter_same_level(cpu, i, sel, desc, off, call, insn_osize(i));
}

static int far_memory(struct cpu *cpu, const struct insn *i, bool call)
{
    uint64_t off;
    uint16_t sel;

    if (load_far_operand(cpu, i, &off, &sel))
        return OP_FAULT;
    return far_transfer(cpu, i, sel, off, call);
}

static uint64_t immediate_offset(const struct insn *i)
{
    return i->imm & (insn_osize(i) == 2 ? 0xffff : 0xffffffff);
}

int op_jmp_far_x(struct cpu *cpu, const struct insn *i)
{
    return far_transfer(cpu, i, (uint16_t)(i->imm >> 32), immediate_offset(i), false);
}

int op_call_far_x(struct cpu *cpu, const struct insn *i)
{
    return far_transfer(cpu, i, (uint16_t)(i->imm >> 32), immediate_offset(i), true);
}

int op_jmp_far_ind_x(struct cpu *cpu, const struct insn *i)
{
    return far_memory(cpu, i, false);
}

int op_call_far_ind_x(struct cpu *cpu, const struct insn *i)
{
    return far_memory(cpu, i, true);
}

/* ---- returns ---- */

/* The code segment a far return or IRET goes back to (SDM vol. 2B, RET; vol. 2A, IRET). */
static int return_cs(struct cpu *cpu, uint16_t sel, uint64_t rip, uint64_t *desc)
{
    unsigned rpl = sel & 3;

    if (desc_load(cpu, sel, desc, EXC_GP))
        return OP_FAULT;
    bool level = desc_is_conforming(*desc) ? desc_dpl(*desc) <= rpl : desc_dpl(*desc) == rpl;
    if (!desc_is_code(*desc) || rpl < cpu->cpl || !level || !code_size_ok(cpu, *desc))
        return raise_gp(cpu, sel & ~3u);
    if (!desc_present(*desc))
        return raise_error(cpu, EXC_NP, sel & ~3u);
    return target_ok(cpu, *desc, rip) ? 0 : raise_gp(cpu, 0);
}

/* The stack it goes back to; null is allowed when returning to 64-bit mode below level 3. */
static int return_ss(struct cpu *cpu, uint16_t sel, uint64_t cs_desc, unsigned level,
                     struct segment *ss)
{
    uint64_t desc;
    bool to64 = cpu->long_mode && desc_attr(cs_desc) & SEG_ATTR_L;

    if (selector_is_null(sel) && to64 && level != 3 && (sel & 3u) == level) {
        segment_set_null(ss, sel);
        return 0;
    }
    if (stack_desc_load(cpu, sel, level, &desc, EXC_GP) || desc_set_accessed(cpu, sel, &desc))
        return OP_FAULT;
    segment_from_descriptor(ss, sel, desc);
    return 0;
}

/* Commits a return to a level, with the stack that was popped: only as much of rsp as the new SS
 * has counts. */
static int return_with_stack(struct cpu *cpu, uint16_t cs, uint64_t desc, uint64_t rip,
                             const struct segment *ss, uint64_t rsp, bool outer)
{
    if (code_segment_load(cpu, cs, desc, cs & 3))
        return OP_FAULT;
    cpu->seg[SEG_SS] = *ss;
    cpu_mode_changed(cpu);
    set_stack_pointer(cpu, rsp);
    if (outer)
        segments_drop_inner(cpu, cpu->cpl);
    return arrive(cpu, rip);
}

/* The same with the stack that there is. */
static int return_same_stack(struct cpu *cpu, uint16_t cs, uint64_t desc, uint64_t rip,
                             unsigned release)
{
    uint64_t sp = stack_pointer(cpu) + release;
    if (code_segment_load(cpu, cs, desc, cpu->cpl))
        return OP_FAULT;
    set_stack_pointer(cpu, sp);
    return arrive(cpu, rip);
}

static int retf_protected(struct cpu *cpu, unsigned size, uint64_t rip, uint16_t cs,
                          unsigned release)
{
    uint64_t desc, rsp, ss_sel;
    struct segment ss;

    if (return_cs(cpu, cs, rip, &desc))
        return OP_FAULT;
    if ((cs & 3) == cpu->cpl)
        return return_same_stack(cpu, cs, desc, rip, 2 * size + release);
    if (stack_peek(cpu, 2 * size + release, size, &rsp) ||
        stack_peek(cpu, 3 * size + release, size, &ss_sel) ||
        return_ss(cpu, (uint16_t)ss_sel, desc, cs & 3, &ss))
        return OP_FAULT;
    return return_with_stack(cpu, cs, desc, rip, &ss, rsp + release, true);
}

/* RET far, with the bytes to release in imm. */
int op_retf_x(struct cpu *cpu, const struct insn *i)
{
    unsigned size = insn_osize(i);
    uint64_t rip, cs;
    uint16_t release = (uint16_t)i->imm;

    if (stack_peek(cpu, 0, size, &rip) || stack_peek(cpu, size, size, &cs))
        return OP_FAULT;
    if (!cpu->real_or_v86)
        return retf_protected(cpu, size, rip, (uint16_t)cs, release);
    if (rip > cpu->seg[SEG_CS].limit)
        return raise_gp(cpu, 0);
    set_stack_pointer(cpu, stack_pointer(cpu) + 2 * size + release);
    set_cs_real(cpu, (uint16_t)cs);
    return arrive(cpu, rip);
}

/* ---- IRET ---- */

/* IRET lets NMIs in, even if it faults (SDM vol. 3A 6.7.1; vol. 3C 28.2.3, "NMI unblocking due to
 * IRET"). */
static int iret_done(struct cpu *cpu, int result)
{
    cpu->nmi_blocked = false;
    return result;
}

/* EFLAGS of a return to virtual-8086 mode by a VME monitor's guest: IF is VIF
 * (SDM vol. 3A 20.3, table 20-2). */
static int vme_flags(struct cpu *cpu, uint32_t image, uint32_t *merged, uint32_t *mask)
{
    uint32_t now = cpu_eflags(cpu);

    if ((image & EFLAGS_TF) || ((image & EFLAGS_IF) && (now & EFLAGS_VIP)))
        return raise_gp(cpu, 0);
    *mask = (eflags_writable(cpu, 2) & ~EFLAGS_IF) | EFLAGS_VIF;
    *merged = (image & ~EFLAGS_VIF) | (image & EFLAGS_IF ? EFLAGS_VIF : 0);
    return 0;
}

static int iret_real(struct cpu *cpu, const struct insn *i)
{
    unsigned size = insn_osize(i);
    uint64_t rip, cs, image;
    uint32_t flags, mask = eflags_writable(cpu, size);

    if (cpu_v86(cpu) && cpu_iopl(cpu) < 3 && !(cpu->cr4 & CR4_VME && size == 2))
        return raise_gp(cpu, 0);
    if (stack_peek(cpu, 0, size, &rip) || stack_peek(cpu, size, size, &cs) ||
        stack_peek(cpu, 2 * size, size, &image))
        return OP_FAULT;
    if (rip > cpu->seg[SEG_CS].limit)
        return raise_gp(cpu, 0);
    flags = (uint32_t)image;
    if (cpu_v86(cpu) && cpu_iopl(cpu) < 3 && vme_flags(cpu, flags, &flags, &mask))
        return OP_FAULT;
    /* Real mode leaves VIF and VIP alone (SDM vol. 2A, IRET). */
    if (!cpu_protected(cpu))
        mask &= ~(EFLAGS_VIF | EFLAGS_VIP);
    set_stack_pointer(cpu, stack_pointer(cpu) + 3 * size);
    set_cs_real(cpu, (uint16_t)cs);
    eflags_merge(cpu, flags, mask);
    return arrive(cpu, rip);
}

/* From CPL 0 to virtual-8086 mode: ESP, SS, ES, DS, FS, GS follow EFLAGS (SDM vol. 3A 20.2.5). */
static int iret_to_v86(struct cpu *cpu, uint64_t rip, uint16_t cs, uint32_t image)
{
    static const uint8_t order[] = {SEG_SS, SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    uint64_t esp, sel[ARRAY_SIZE(order)];

    if (stack_peek(cpu, 12, 4, &esp))
        return OP_FAULT;
    for (unsigned n = 0; n < ARRAY_SIZE(order); n++) {
        if (stack_peek(cpu, 16 + 4 * n, 4, &sel[n]))
            return OP_FAULT;
    }
    cpu_set_eflags(cpu, (image & (eflags_writable(cpu, 4) | EFLAGS_VM)) | EFLAGS_FIXED);
    for (unsigned n = 0; n < ARRAY_SIZE(order); n++)
        segment_set_v86(&cpu->seg[order[n]], (uint16_t)sel[n]);
    segment_set_v86(&cpu->seg[SEG_CS], cs);
    cpu->cpl = 3;
    cpu->r[R_RSP] = esp;
    return arrive(cpu, (uint16_t)rip);
}

static int iret_protected(struct cpu *cpu, const struct insn *i)
{
    unsigned size = insn_osize(i);
    uint64_t rip, cs, image, desc, rsp = 0, ss_sel = 0;
    bool is64 = cpu->code_mode == CODE64;
    uint32_t mask = eflags_writable(cpu, size);
    struct segment ss = cpu->seg[SEG_SS];

    if (stack_peek(cpu, 0, size, &rip) || stack_peek(cpu, size, size, &cs) ||
        stack_peek(cpu, 2 * size, size, &image))
        return OP_FAULT;
    if (image & EFLAGS_VM && cpu->cpl == 0 && size == 4 && !cpu->long_mode)
        return iret_to_v86(cpu, rip, (uint16_t)cs, (uint32_t)image);
    if (return_cs(cpu, (uint16_t)cs, rip, &desc))
        return OP_FAULT;
    unsigned level = cs & 3;
    bool outer = level != cpu->cpl;
    if (outer || is64) { /* in 64-bit mode SS:RSP is always popped (SDM vol. 3A 6.14.3) */
        if (stack_peek(cpu, 3 * size, size, &rsp) || stack_peek(cpu, 4 * size, size, &ss_sel) ||
            return_ss(cpu, (uint16_t)ss_sel, desc, level, &ss))
            return OP_FAULT;
    }
    int result = outer || is64 ? return_with_stack(cpu, (uint16_t)cs, desc, rip, &ss, rsp, outer)
                               : return_same_stack(cpu, (uint16_t)cs, desc, rip, 3 * size);
    if (result == OP_FAULT)
        return OP_FAULT;
    eflags_merge(cpu, (uint32_t)image, mask);
    cpu_mode_changed(cpu); /* EFLAGS.AC counts for SMAP */
    return result;
}

int op_iret_x(struct cpu *cpu, const struct insn *i)
{
    if (cpu->real_or_v86)
        return iret_done(cpu, iret_real(cpu, i));
    if (cpu->eflags & EFLAGS_NT) {
        if (cpu->long_mode)
            return iret_done(cpu, raise_gp(cpu, 0));
        return iret_done(cpu, task_return(cpu, insn_next_rip(cpu, i)));
    }
    return iret_done(cpu, iret_protected(cpu, i));
}

/* ---- software interrupts ---- */

static int software_interrupt(struct cpu *cpu, const struct insn *i, unsigned vector,
                              enum int_kind kind)
{
    struct saved before = save(cpu);

    cpu->r[R_RIP] = insn_next_rip(cpu, i);
    int result = interrupt_deliver(cpu, vector, kind, false, 0);
    if (result == OP_FAULT)
        cpu->r[R_RIP] = before.rip;
    return result;
}

int op_int3_x(struct cpu *cpu, const struct insn *i)
{
    return software_interrupt(cpu, i, EXC_BP, INT3_INTO);
}

int op_int1_x(struct cpu *cpu, const struct insn *i)
{
    int result = software_interrupt(cpu, i, EXC_DB, INT1);

    if (result != OP_FAULT)
        debug_entered(cpu);
    return result;
}

int op_into_x(struct cpu *cpu, const struct insn *i)
{
    if (!flag_of(cpu)) {
        cpu->r[R_RIP] = insn_next_rip(cpu, i);
        return OP_BRANCH;
    }
    return software_interrupt(cpu, i, EXC_OF, INT3_INTO);
}

/* INT n in virtual-8086 mode with VME goes to the 8086 program's own handler when the TSS's
 * redirection bit is clear (SDM vol. 3A 20.3.3). *redirect: it does. */
static int vme_redirects(struct cpu *cpu, unsigned vector, bool *redirect)
{
    uint64_t map, byte;

    *redirect = false;
    if (!cpu_v86(cpu) || !(cpu->cr4 & CR4_VME) || cpu->tr.limit < 103)
        return 0;
    if (sys_load(cpu, cpu->tr.base + 102, 2, &map))
        return OP_FAULT;
    /* The redirection map is the 32 bytes below the I/O map. */
    uint64_t at = map - 32 + vector / 8;
    if (map < 32 || at > cpu->tr.limit)
        return raise_gp(cpu, 0);
    if (sys_load(cpu, cpu->tr.base + at, 1, &byte))
        return OP_FAULT;
    *redirect = !(byte >> (vector & 7) & 1);
    return 0;
}

static int redirect_interrupt(struct cpu *cpu, const struct insn *i, unsigned vector)
{
    struct frame f = {.size = 2};
    uint32_t image = cpu_eflags(cpu), clear = EFLAGS_TF;
    uint32_t entry;

    /* The vector table of the 8086 program is at linear address 0, read at its own level. */
    if (lin_load32(cpu, vector * 4, &entry))
        return OP_FAULT;
    if (cpu_iopl(cpu) < 3) {
        image = (image & ~EFLAGS_IF) | EFLAGS_IOPL | (image & EFLAGS_VIF ? EFLAGS_IF : 0);
        clear |= EFLAGS_VIF;
    } else {
        clear |= EFLAGS_IF;
    }
    frame_add(&f, image);
    frame_add(&f, cpu->seg[SEG_CS].sel);
    frame_add(&f, insn_next_rip(cpu, i));
    if (push_frame(cpu, &f))
        return OP_FAULT;
    cpu_set_eflags(cpu, cpu_eflags(cpu) & ~clear);
    segment_set_v86(&cpu->seg[SEG_CS], (uint16_t)(entry >> 16));
    return arrive(cpu, (uint16_t)entry);
}

int op_int_x(struct cpu *cpu, const struct insn *i)
{
    unsigned vector = i->imm & 0xff;
    bool redirect;

    if (vme_redirects(cpu, vector, &redirect))
        return OP_FAULT;
    if (redirect)
        return redirect_interrupt(cpu, i, vector);
    if (cpu_v86(cpu) && cpu_iopl(cpu) < 3)
        return raise_gp(cpu, 0);
    return software_interrupt(cpu, i, vector, INT_SOFTWARE);
}

/* ---- fast system calls ---- */

/* Fixed flat segments that SYSCALL, SYSENTER and their returns load without a descriptor. */
static void load_flat(struct cpu *cpu, uint16_t cs, uint16_t ss, unsigned cpl, bool is64)
{
    uint16_t level = (uint16_t)(cpl << 5);

    cpu->seg[SEG_CS] = (struct segment){
        .sel = cs,
        .limit = 0xffffffff,
        .attr = (uint16_t)(0x9b | level | SEG_ATTR_G | (is64 ? SEG_ATTR_L : SEG_ATTR_DB)),
    };
    cpu->seg[SEG_SS] = (struct segment){
        .sel = ss,
        .limit = 0xffffffff,
        .attr = (uint16_t)(0x93 | level | SEG_ATTR_G | SEG_ATTR_DB),
    };
    cpu->cpl = (uint8_t)cpl;
}

static bool vendor_is_intel(const struct cpu *cpu)
{
    return !strcmp(cpu->model.vendor, "GenuineIntel");
}

/* Outside 64-bit mode only AMD's processors have SYSCALL and SYSRET (AMD APM vol. 3; SDM vol. 2B).
 */
static bool syscall_exists(const struct cpu *cpu)
{
    return cpu->efer & EFER_SCE && cpu_protected(cpu) &&
           (cpu->code_mode == CODE64 || !vendor_is_intel(cpu));
}

/* Legacy mode: the target is in STAR, and only IF, RF and VM change. */
static int syscall_legacy(struct cpu *cpu, const struct insn *i, uint16_t cs)
{
    cpu->r[R_RCX] = (uint32_t)insn_next_rip(cpu, i);
    load_flat(cpu, cs, cs + 8, 0, false);
    cpu_set_eflags(cpu, cpu_eflags(cpu) & ~(EFLAGS_IF | EFLAGS_RF | EFLAGS_VM));
    return arrive(cpu, (uint32_t)cpu->star);
}

int op_syscall_x(struct cpu *cpu, const struct insn *i)
{
    bool is64 = cpu->code_mode == CODE64;
    uint16_t cs = (uint16_t)(cpu->star >> 32) & 0xfffc;

    if (!syscall_exists(cpu))
        return raise_ud(cpu);
    if (!cpu->long_mode)
        return syscall_legacy(cpu, i, cs);
    uint32_t flags = cpu_eflags(cpu) & ~EFLAGS_RF;
    cpu->r[R_RCX] = insn_next_rip(cpu, i);
    cpu->r[R_R11] = flags;
    load_flat(cpu, cs, cs + 8, 0, true);
    cpu_set_eflags(cpu, (flags & ~(uint32_t)cpu->fmask) | EFLAGS_FIXED);
    return arrive(cpu, is64 ? cpu->lstar : cpu->cstar);
}

int op_sysret_x(struct cpu *cpu, const struct insn *i)
{
    bool to64 = insn_osize(i) == 8;
    uint16_t base = (uint16_t)(cpu->star >> 48);

    if (!syscall_exists(cpu))
        return raise_ud(cpu);
    /* AMD's processors go to ring 3 and fault there. */
    bool bad = to64 && vendor_is_intel(cpu) && !is_canonical(cpu->r[R_RCX]);
    if (not_supervisor(cpu) || bad)
        return raise_gp(cpu, 0);
    uint16_t cs = (uint16_t)((base + (to64 ? 16 : 0)) | 3);
    /* SDM vol. 2B, SYSRET: RF, VM and reserved bits of R11 are not taken. */
    uint32_t flags = cpu->long_mode ? ((uint32_t)cpu->r[R_R11] & 0x3c7fd7) | EFLAGS_FIXED
                                    : cpu_eflags(cpu) | EFLAGS_IF;
    uint64_t rip = to64 ? cpu->r[R_RCX] : (uint32_t)cpu->r[R_RCX];
    load_flat(cpu, cs, (uint16_t)((base + 8) | 3), 3, to64);
    cpu_set_eflags(cpu, flags);
    return arrive(cpu, rip);
}

/* AMD's processors do not have these two in long mode (AMD APM vol. 3, SYSENTER). */
static bool sysenter_exists(const struct cpu *cpu)
{
    return !cpu->long_mode || vendor_is_intel(cpu);
}

int op_sysenter_x(struct cpu *cpu, const struct insn *i)
{
    uint16_t cs = (uint16_t)cpu->sysenter_cs & 0xfffc;
    bool is64 = cpu->long_mode;

    (void)i;
    if (!sysenter_exists(cpu))
        return raise_ud(cpu);
    if (!cpu_protected(cpu) || !cs)
        return raise_gp(cpu, 0);
    cpu_set_eflags(cpu, cpu_eflags(cpu) & ~(EFLAGS_VM | EFLAGS_IF | EFLAGS_RF));
    load_flat(cpu, cs, cs + 8, 0, is64);
    cpu->r[R_RSP] = is64 ? cpu->sysenter_esp : (uint32_t)cpu->sysenter_esp;
    return arrive(cpu, is64 ? cpu->sysenter_eip : (uint32_t)cpu->sysenter_eip);
}

int op_sysexit_x(struct cpu *cpu, const struct insn *i)
{
    uint16_t base = (uint16_t)cpu->sysenter_cs & 0xfffc;
    bool to64 = insn_osize(i) == 8;
    uint64_t rip = cpu->r[R_RDX], rsp = cpu->r[R_RCX];

    if (!sysenter_exists(cpu))
        return raise_ud(cpu);
    if (!cpu_protected(cpu) || not_supervisor(cpu) || !base)
        return raise_gp(cpu, 0);
    if (to64 && (!is_canonical(rip) || !is_canonical(rsp)))
        return raise_gp(cpu, 0);
    uint16_t cs = (uint16_t)((base + (to64 ? 32 : 16)) | 3);
    load_flat(cpu, cs, cs + 8, 3, to64);
    cpu->r[R_RSP] = to64 ? rsp : (uint32_t)rsp;
    return arrive(cpu, to64 ? rip : (uint32_t)rip);
}
