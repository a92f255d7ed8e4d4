/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers by name. What may be set is what the processor could be brought to: the checks are
 * those of the instructions that load them, and what follows from the mode is derived anew. */
#include "cpu/x86/registers.h"

#include <strings.h>

#include "cpu/x86/debugreg.h"
#include "cpu/x86/mem.h"
#include "cpu/x86/ops.h"
#include "cpu/x86/privilege.h"
#include "cpu/x86/segment.h"
#include "cpu/x86/x87.h"
#include "cpu/x86/xsave.h"

static uint64_t number_of(const struct cpu_register *r, const void *value)
{
    uint64_t v = 0;

    memcpy(&v, value, r->size < 8 ? r->size : 8);
    return v;
}

/* ---- a field of struct cpu, or its lower part; `which`: where it is ---- */

static void get_field(const struct cpu *cpu, const struct cpu_register *r, void *value)
{
    memcpy(value, (const char *)cpu + r->which, r->size);
}

static bool set_field(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    memcpy((char *)cpu + r->which, value, r->size);
    return true;
}

/* ---- where it is, and flags ---- */

/* A CPU that waits for an interrupt is taken out of that by a jump elsewhere. */
static void jump(struct cpu *cpu, uint64_t rip)
{
    if (rip == cpu->r[R_RIP])
        return;
    cpu->r[R_RIP] = rip;
    cpu->rep_unfinished = cpu->shadow = cpu->shadow_ss = false;
    if (!cpu->wait_sipi)
        cpu->v.halted = false;
}

static bool set_rip(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    uint64_t old = cpu->r[R_RIP] >> (8 * r->size - 1) >> 1, v = number_of(r, value);

    v |= old << (8 * r->size - 1) << 1;
    if (cpu->code_mode == CODE64 ? !is_canonical(v) : v > UINT32_MAX)
        return false;
    jump(cpu, v);
    return true;
}

static uint64_t code_base(const struct cpu *cpu)
{
    return cpu->code_mode == CODE64 ? 0 : cpu->seg[SEG_CS].base;
}

static void get_pc(const struct cpu *cpu, const struct cpu_register *r, void *value)
{
    (void)r;
    st_le64(value, cut_address(cpu, code_base(cpu) + cpu->r[R_RIP]));
}

static bool set_pc(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    uint64_t v = number_of(r, value) - code_base(cpu);

    if (cpu->code_mode == CODE64 ? !is_canonical(v) : v > UINT32_MAX)
        return false;
    jump(cpu, v);
    return true;
}

static void get_sp(const struct cpu *cpu, const struct cpu_register *r, void *value)
{
    (void)r;
    st_le64(value, stack_pointer(cpu));
}

static bool set_sp(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    uint64_t v = number_of(r, value);

    if (cpu->stack_size < 3 && v >> (8 << cpu->stack_size))
        return false;
    set_stack_pointer(cpu, v);
    return true;
}

static void get_eflags(const struct cpu *cpu, const struct cpu_register *r, void *value)
{
    uint32_t v = cpu_eflags(cpu);

    memcpy(value, &v, r->size);
}

/* VM changes with the segments, or not at all: interrupts and IRET do that. */
static bool set_eflags(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    const uint32_t known = EFLAGS_ARITH | EFLAGS_TF | EFLAGS_IF | EFLAGS_DF | EFLAGS_IOPL |
                           EFLAGS_NT | EFLAGS_RF | EFLAGS_VM | EFLAGS_AC | EFLAGS_VIF | EFLAGS_VIP |
                           EFLAGS_ID;
    uint32_t now = cpu_eflags(cpu), v = now;

    memcpy(&v, value, r->size);
    if ((v ^ now) & EFLAGS_VM)
        return false;
    cpu_set_eflags(cpu, (v & known) | EFLAGS_FIXED);
    cpu_mode_changed(cpu);
    return true;
}

/* ---- segments ---- */

/* 8 bytes of memory at a linear address, without faults and devices. */
static bool peek(struct cpu *cpu, uint64_t lin, uint64_t *v)
{
    const struct address_space *as = &cpu->v.m->mem;

    for (unsigned n = 0; n < 8; n++) {
        uint64_t phys = mmu_debug_translate(cpu, lin + n);
        if (phys > as->last)
            return false;
        uint64_t page = phys & ~(uint64_t)(VM_PAGE_SIZE - 1);
        struct page_view view =
            cpu->smm ? address_space_hidden_page(as, page, false) : address_space_page(as, page);
        if (view.read_at == ARENA_NONE)
            return false;
        ((uint8_t *)v)[n] = as->arena->host[view.read_at + (phys & (VM_PAGE_SIZE - 1))];
    }
    return true;
}

static bool peek_descriptor(struct cpu *cpu, uint16_t sel, uint64_t *desc)
{
    bool local = sel & 4;
    uint64_t base = local ? cpu->ldtr.base : cpu->gdtr.base;
    uint32_t limit = local ? cpu->ldtr.limit : cpu->gdtr.limit;

    if ((local && !(cpu->ldtr.attr & SEG_ATTR_P)) || (sel | 7u) > limit)
        return false;
    base += sel & ~7u;
    return peek(cpu, cpu->long_mode ? base : (uint32_t)base, desc);
}

static bool segment_allows(const struct cpu *cpu, unsigned n, uint16_t sel, uint64_t desc)
{
    unsigned rpl = sel & 3;

    if (!desc_present(desc) || desc_is_system(desc))
        return false;
    if (n == SEG_CS)
        return desc_is_code(desc) &&
               (desc_is_conforming(desc) ? desc_dpl(desc) <= rpl : desc_dpl(desc) == rpl);
    if (n == SEG_SS)
        return desc_is_writable_data(desc) && rpl == cpu->cpl && desc_dpl(desc) == rpl;
    return !desc_is_code(desc) || desc >> 41 & 1;
}

/* As a load by the guest in this mode, with the descriptor from its table. */
static bool load_selector(struct cpu *cpu, unsigned n, uint16_t sel)
{
    uint64_t desc;

    if (cpu->real_or_v86) {
        if (cpu_v86(cpu))
            segment_set_v86(&cpu->seg[n], sel);
        else
            segment_set_real(&cpu->seg[n], sel);
        return true;
    }
    if (selector_is_null(sel)) {
        if (n == SEG_CS || (n == SEG_SS && (cpu->code_mode != CODE64 || cpu->cpl == 3)))
            return false;
        segment_set_null(&cpu->seg[n], sel);
        return true;
    }
    if (!peek_descriptor(cpu, sel, &desc) || !segment_allows(cpu, n, sel, desc))
        return false;
    segment_from_descriptor(&cpu->seg[n], sel, desc);
    if (n == SEG_CS)
        cpu->cpl = sel & 3;
    return true;
}

static bool set_selector(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    unsigned n = (unsigned)((r->which - offsetof(struct cpu, seg)) / sizeof(struct segment));
    uint16_t sel = ld_le16(value);

    if (sel == cpu->seg[n].sel)
        return true;
    if (!load_selector(cpu, n, sel))
        return false;
    cpu_mode_changed(cpu);
    return true;
}

/* The hidden parts, LDTR's and TR's too. */
static bool set_base(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    if (cpu->long_mode ? !is_canonical(ld_le64(value)) : ld_le64(value) > UINT32_MAX)
        return false;
    set_field(cpu, r, value);
    cpu_mode_changed(cpu);
    return true;
}

static bool set_hidden(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    set_field(cpu, r, value);
    cpu_mode_changed(cpu);
    return true;
}

static bool set_attributes(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    return !(ld_le16(value) >> 12) && set_hidden(cpu, r, value);
}

/* ---- control registers (as in ops_sys.c; SDM vol. 3A 2.5) ---- */

static void get_cr32(const struct cpu *cpu, const struct cpu_register *r, void *value)
{
    st_le64(value, ld_le32((const char *)cpu + r->which));
}

/* PAE paging reads four entries when CR3 is loaded: what is not memory has none. */
static bool reload_pdptes(struct cpu *cpu)
{
    bool used = cpu->cr0 & CR0_PG && cpu->cr4 & CR4_PAE && !(cpu->efer & EFER_LMA);
    uint64_t page = (cpu->cr3 & 0xfffff000) & cpu->a20_mask;

    if (!used)
        return true;
    if (address_space_page(&cpu->v.m->mem, page).read_at == ARENA_NONE)
        return false;
    return !pdptes_reload(cpu);
}

/* Takes the new values together, or none of them. */
static bool take_paging(struct cpu *cpu, uint32_t cr0, uint64_t cr3, uint32_t cr4, uint64_t efer)
{
    uint32_t old_cr0 = cpu->cr0, old_cr4 = cpu->cr4;
    uint64_t old_cr3 = cpu->cr3, old_efer = cpu->efer;

    cpu->cr0 = cr0;
    cpu->cr3 = cr3;
    cpu->cr4 = cr4;
    cpu->efer = efer;
    if (!reload_pdptes(cpu)) {
        cpu->cr0 = old_cr0;
        cpu->cr3 = old_cr3;
        cpu->cr4 = old_cr4;
        cpu->efer = old_efer;
        return false;
    }
    if ((cr0 ^ old_cr0) & CR0_PE)
        cpu->cpl = 0;
    tlb_flush_all(cpu);
    cpu_mode_changed(cpu);
    return true;
}

static bool set_cr0(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    uint64_t v = number_of(r, value), efer = cpu->efer;
    bool on = v & CR0_PG && !(cpu->cr0 & CR0_PG), off = !(v & CR0_PG) && cpu->cr0 & CR0_PG;

    if (v & ~(uint64_t)CR0_KNOWN || (v & CR0_PG && !(v & CR0_PE)) ||
        (v & CR0_NW && !(v & CR0_CD)) || (!(v & CR0_PE) && cpu_v86(cpu)))
        return false;
    if (on && efer & EFER_LME) {
        if (!(cpu->cr4 & CR4_PAE) || cpu->seg[SEG_CS].attr & SEG_ATTR_L)
            return false;
        efer |= EFER_LMA;
    }
    if (off && (cpu->code_mode == CODE64 || cpu->cr4 & CR4_PCIDE))
        return false;
    if (off)
        efer &= ~(uint64_t)EFER_LMA;
    return take_paging(cpu, (uint32_t)v | CR0_ET, cpu->cr3, cpu->cr4, efer);
}

static bool set_cr3(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    uint64_t v = number_of(r, value);

    if (cpu->long_mode ? v >> cpu->model.phys_bits : v > UINT32_MAX)
        return false;
    return take_paging(cpu, cpu->cr0, v, cpu->cr4, cpu->efer);
}

static bool set_cr4(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    uint64_t v = number_of(r, value);

    if (v & ~(uint64_t)cr4_known(cpu) || (cpu->long_mode && !(v & CR4_PAE)) ||
        (v & CR4_PCIDE && !cpu->long_mode))
        return false;
    return take_paging(cpu, cpu->cr0, cpu->cr3, (uint32_t)v, cpu->efer);
}

/* EFER has no other way in than WRMSR; LMA follows CR0. */
static bool set_efer(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    if (!msr_poke(cpu, 0xc0000080, number_of(r, value)))
        return false;
    cpu_mode_changed(cpu);
    return true;
}

static void get_cr8(const struct cpu *cpu, const struct cpu_register *r, void *value)
{
    (void)r;
    st_le64(value, apic_get_cr8(cpu));
}

static bool set_cr8(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    uint64_t v = number_of(r, value);

    if (v > 15 || !model_has(&cpu->model, F_lm))
        return false;
    apic_set_cr8(cpu, (uint8_t)v);
    return true;
}

static bool set_xcr0(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    uint64_t v = number_of(r, value);

    if (v & ~(uint64_t)xcr0_supported(&cpu->model) || !(v & XCR0_X87) ||
        (v & (XCR0_SSE | XCR0_AVX)) == XCR0_AVX)
        return false;
    cpu->xcr0 = v;
    cpu_mode_changed(cpu);
    return true;
}

static bool set_debug(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    unsigned n = (unsigned)((r->which - offsetof(struct cpu, dr)) / sizeof(cpu->dr[0]));
    uint64_t v = number_of(r, value);

    if (n >= 6 && v >> 32)
        return false;
    cpu->dr[n] = n == 6   ? (v & DR6_WRITABLE) | DR6_FIXED
                 : n == 7 ? (v & DR7_WRITABLE) | DR7_FIXED
                          : v;
    cpu_mode_changed(cpu);
    return true;
}

/* ---- x87 (SDM vol. 1 8.1) ---- */

static void get_st(const struct cpu *cpu, const struct cpu_register *r, void *value)
{
    const struct x87_reg *st = &cpu->fpr[(x87_top(cpu) + r->which) & 7];

    st_le64(value, st->mant);
    st_le16((char *)value + 8, st->sexp);
}

static bool set_st(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    *x87_st(cpu, (unsigned)r->which) =
        (struct x87_reg){.mant = ld_le64(value), .sexp = ld_le16((const char *)value + 8)};
    return true;
}

/* As x87_update_summary(), by a holder of the machine lock. */
static void update_summary(struct cpu *cpu)
{
    cpu->fsw &= (uint16_t) ~(FSW_ES | FSW_B);
    if (cpu->fsw & ~cpu->fcw & FSW_EXC) {
        cpu->fsw |= FSW_ES | FSW_B;
    } else if (cpu->ferr) {
        cpu->ferr = false;
        irq_set(cpu->ferr_out, false);
    }
}

static bool set_fctrl(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    cpu->fcw = (number_of(r, value) & 0x1f3f) | 0x40;
    update_summary(cpu);
    return true;
}

static bool set_fstat(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    cpu->fsw = (uint16_t)number_of(r, value);
    update_summary(cpu);
    return true;
}

static void get_ftag(const struct cpu *cpu, const struct cpu_register *r, void *value)
{
    (void)r;
    st_le16(value, x87_full_tags(cpu));
}

static bool set_ftag(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    cpu->ftw = x87_short_tags((uint16_t)number_of(r, value));
    return true;
}

static bool set_fop(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    return !(number_of(r, value) >> 11) && set_field(cpu, r, value);
}

static bool set_mxcsr(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    return !(number_of(r, value) >> 16) && set_field(cpu, r, value);
}

/* ---- MSRs; `which`: the number ---- */

static void get_msr(const struct cpu *cpu, const struct cpu_register *r, void *value)
{
    uint64_t v;

    st_le64(value, msr_peek((struct cpu *)cpu, (uint32_t)r->which, &v) ? v : 0);
}

static bool set_msr(struct cpu *cpu, const struct cpu_register *r, const void *value)
{
    if (!msr_poke(cpu, (uint32_t)r->which, ld_le64(value)))
        return false;
    cpu_mode_changed(cpu);
    return true;
}

/* ---- the tables ---- */

#define FIELD(field) offsetof(struct cpu, field)
#define REG(name, n)                                                                               \
    {                                                                                              \
        name, REGS_GENERAL, 8, get_field, set_field, FIELD(r[n])                                   \
    }
#define PART(name, n, size)                                                                        \
    {                                                                                              \
        name, REGS_GENERAL, size, get_field, set_field, FIELD(r[n])                                \
    }
#define HIGH(name, n)                                                                              \
    {                                                                                              \
        name, REGS_GENERAL, 1, get_field, set_field, FIELD(r[n]) + 1                               \
    }
#define SELECTOR(name, n)                                                                          \
    {                                                                                              \
        name, REGS_SEGMENT, 2, get_field, set_selector, FIELD(seg[n].sel)                          \
    }
#define HIDDEN(name, s)                                                                            \
    {name "_base", REGS_SEGMENT, 8, get_field, set_base, FIELD(s.base)},                           \
        {name "_limit", REGS_SEGMENT, 4, get_field, set_hidden, FIELD(s.limit)},                   \
    {                                                                                              \
        name "_attr", REGS_SEGMENT, 2, get_field, set_attributes, FIELD(s.attr)                    \
    }
#define TABLE(name, t)                                                                             \
    {name "_base", REGS_SEGMENT, 8, get_field, set_base, FIELD(t.base)},                           \
    {                                                                                              \
        name "_limit", REGS_SEGMENT, 2, get_field, set_field, FIELD(t.limit)                       \
    }
#define CONTROL(name, get, set, field)                                                             \
    {                                                                                              \
        name, REGS_CONTROL, 8, get, set, FIELD(field)                                              \
    }
#define DEBUG(name, n) CONTROL(name, get_field, set_debug, dr[n])
#define ST(n)                                                                                      \
    {                                                                                              \
        "st" #n, REGS_X87, 10, get_st, set_st, n                                                   \
    }
#define XMM(n)                                                                                     \
    {                                                                                              \
        "xmm" #n, REGS_SSE, 16, get_field, set_field, FIELD(xmm[n])                                \
    }
#define YMMH(n)                                                                                    \
    {                                                                                              \
        "ymm" #n "h", REGS_SSE, 16, get_field, set_field, FIELD(xmm[n]) + 16                       \
    }
#define MSR(name, number)                                                                          \
    {                                                                                              \
        name, REGS_MSR, 8, get_msr, set_msr, number                                                \
    }

/* Parts and other names. */
#define LETTERED(l, n) PART("e" l "x", n, 4), PART(l "x", n, 2), PART(l "l", n, 1), HIGH(l "h", n)
#define POINTER(p, n)  PART("e" p, n, 4), PART(p, n, 2), PART(p "l", n, 1)
#define NUMBERED(p, n) PART(p "d", n, 4), PART(p "w", n, 2), PART(p "b", n, 1)
#define NUM_PARTS      59

const struct cpu_register cpu_registers[] = {
    REG("rax", R_RAX),
    REG("rbx", R_RBX),
    REG("rcx", R_RCX),
    REG("rdx", R_RDX),
    REG("rsi", R_RSI),
    REG("rdi", R_RDI),
    REG("rbp", R_RBP),
    REG("rsp", R_RSP),
    REG("r8", R_R8),
    REG("r9", R_R8 + 1),
    REG("r10", R_R8 + 2),
    REG("r11", R_R8 + 3),
    REG("r12", R_R8 + 4),
    REG("r13", R_R8 + 5),
    REG("r14", R_R8 + 6),
    REG("r15", R_R8 + 7),
    {"rip", REGS_GENERAL, 8, get_field, set_rip, FIELD(r[R_RIP])},
    {"eflags", REGS_GENERAL, 4, get_eflags, set_eflags, 0},

    SELECTOR("cs", SEG_CS),
    SELECTOR("ss", SEG_SS),
    SELECTOR("ds", SEG_DS),
    SELECTOR("es", SEG_ES),
    SELECTOR("fs", SEG_FS),
    SELECTOR("gs", SEG_GS),
    HIDDEN("cs", seg[SEG_CS]),
    HIDDEN("ss", seg[SEG_SS]),
    HIDDEN("ds", seg[SEG_DS]),
    HIDDEN("es", seg[SEG_ES]),
    HIDDEN("fs", seg[SEG_FS]),
    HIDDEN("gs", seg[SEG_GS]),
    {"ldtr", REGS_SEGMENT, 2, get_field, set_field, FIELD(ldtr.sel)},
    HIDDEN("ldtr", ldtr),
    {"tr", REGS_SEGMENT, 2, get_field, set_field, FIELD(tr.sel)},
    HIDDEN("tr", tr),
    TABLE("gdtr", gdtr),
    TABLE("idtr", idtr),

    CONTROL("cr0", get_cr32, set_cr0, cr0),
    CONTROL("cr2", get_field, set_field, cr2),
    CONTROL("cr3", get_field, set_cr3, cr3),
    CONTROL("cr4", get_cr32, set_cr4, cr4),
    CONTROL("cr8", get_cr8, set_cr8, apic),
    CONTROL("efer", get_field, set_efer, efer),
    CONTROL("xcr0", get_field, set_xcr0, xcr0),
    DEBUG("dr0", 0),
    DEBUG("dr1", 1),
    DEBUG("dr2", 2),
    DEBUG("dr3", 3),
    DEBUG("dr6", 6),
    DEBUG("dr7", 7),

    ST(0),
    ST(1),
    ST(2),
    ST(3),
    ST(4),
    ST(5),
    ST(6),
    ST(7),
    {"fctrl", REGS_X87, 2, get_field, set_fctrl, FIELD(fcw)},
    {"fstat", REGS_X87, 2, get_field, set_fstat, FIELD(fsw)},
    {"ftag", REGS_X87, 2, get_ftag, set_ftag, 0},
    {"fiseg", REGS_X87, 2, get_field, set_field, FIELD(fcs)},
    {"fioff", REGS_X87, 8, get_field, set_field, FIELD(fip)},
    {"foseg", REGS_X87, 2, get_field, set_field, FIELD(fds)},
    {"fooff", REGS_X87, 8, get_field, set_field, FIELD(fdp)},
    {"fop", REGS_X87, 2, get_field, set_fop, FIELD(fop)},

    XMM(0),
    XMM(1),
    XMM(2),
    XMM(3),
    XMM(4),
    XMM(5),
    XMM(6),
    XMM(7),
    XMM(8),
    XMM(9),
    XMM(10),
    XMM(11),
    XMM(12),
    XMM(13),
    XMM(14),
    XMM(15),
    {"mxcsr", REGS_SSE, 4, get_field, set_mxcsr, FIELD(mxcsr)},
    YMMH(0),
    YMMH(1),
    YMMH(2),
    YMMH(3),
    YMMH(4),
    YMMH(5),
    YMMH(6),
    YMMH(7),
    YMMH(8),
    YMMH(9),
    YMMH(10),
    YMMH(11),
    YMMH(12),
    YMMH(13),
    YMMH(14),
    YMMH(15),

    MSR("tsc", 0x10),
    MSR("apic_base", 0x1b),
    MSR("tsc_adjust", 0x3b),
    MSR("spec_ctrl", 0x48),
    MSR("sysenter_cs", 0x174),
    MSR("sysenter_esp", 0x175),
    MSR("sysenter_eip", 0x176),
    MSR("misc_enable", 0x1a0),
    MSR("debugctl", 0x1d9),
    MSR("pat", 0x277),
    MSR("mtrr_def_type", 0x2ff),
    MSR("tsc_deadline", 0x6e0),
    MSR("star", 0xc0000081),
    MSR("lstar", 0xc0000082),
    MSR("cstar", 0xc0000083),
    MSR("fmask", 0xc0000084),
    MSR("kernel_gs_base", 0xc0000102),
    MSR("tsc_aux", 0xc0000103),
    /* Parts and other names: behind num_cpu_registers, NUM_PARTS of them. */
    LETTERED("a", R_RAX),
    LETTERED("b", R_RBX),
    LETTERED("c", R_RCX),
    LETTERED("d", R_RDX),
    POINTER("si", R_RSI),
    POINTER("di", R_RDI),
    POINTER("bp", R_RBP),
    PART("esp", R_RSP, 4),
    PART("spl", R_RSP, 1),
    NUMBERED("r8", R_R8),
    NUMBERED("r9", R_R8 + 1),
    NUMBERED("r10", R_R8 + 2),
    NUMBERED("r11", R_R8 + 3),
    NUMBERED("r12", R_R8 + 4),
    NUMBERED("r13", R_R8 + 5),
    NUMBERED("r14", R_R8 + 6),
    NUMBERED("r15", R_R8 + 7),
    {"eip", REGS_GENERAL, 4, get_field, set_rip, FIELD(r[R_RIP])},
    {"ip", REGS_GENERAL, 2, get_field, set_rip, FIELD(r[R_RIP])},
    {"rflags", REGS_GENERAL, 4, get_eflags, set_eflags, 0},
    {"flags", REGS_GENERAL, 2, get_eflags, set_eflags, 0},
    {"pc", REGS_GENERAL, 8, get_pc, set_pc, 0},
    {"sp", REGS_GENERAL, 8, get_sp, set_sp, 0},
    {"gdtbase", REGS_SEGMENT, 8, get_field, set_base, FIELD(gdtr.base)},
    {"idtbase", REGS_SEGMENT, 8, get_field, set_base, FIELD(idtr.base)},
};
const unsigned num_cpu_registers = ARRAY_SIZE(cpu_registers) - NUM_PARTS;

const struct cpu_register *cpu_register_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(cpu_registers); i++)
        if (!strcasecmp(cpu_registers[i].name, name))
            return &cpu_registers[i];
    return NULL;
}

int cpu_register_general(const struct cpu_register *r)
{
    size_t off = r->which - FIELD(r[0]), n = off / sizeof(uint64_t);

    return r->get == get_field && r->group == REGS_GENERAL && n <= R_R15 &&
                   off % sizeof(uint64_t) == 0
               ? (int)n
               : -1;
}

uint64_t cpu_register_value(const struct cpu *cpu, const struct cpu_register *r)
{
    uint8_t value[16] = {0};

    r->get(cpu, r, value);
    return ld_le64(value);
}
