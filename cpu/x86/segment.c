/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Segment registers, descriptor tables and the checks of segmentation (SDM vol. 3A chapters 3
 * and 5). */
#include "cpu/x86/segment.h"

#include "cpu/x86/mem.h"

#define TYPE_BUSY      2
#define ATTR_REAL_DATA 0x93 /* present, DPL 0, writable, accessed */
#define ATTR_V86       0xf3 /* the same with DPL 3 */

/* Limit check of an expand-down or ordinary segment (SDM vol. 3A 5.3). */
static bool within_limit(const struct segment *s, bool types, uint64_t off, unsigned size)
{
    uint64_t last = off + size - 1;
    bool expand_down = types && (s->attr & (SEG_TYPE_CODE | SEG_TYPE_EC)) == SEG_TYPE_EC;

    if (!expand_down)
        return last <= s->limit;
    return off > s->limit && last <= (s->attr & SEG_ATTR_DB ? 0xffffffffu : 0xffffu);
}

/* Type check: a store needs writable data, a load anything but execute-only code (5.5). */
static bool type_allows(const struct segment *s, enum mem_access acc)
{
    bool code = s->attr & SEG_TYPE_CODE;
    bool rw = s->attr & SEG_TYPE_RW;

    if (!(s->attr & SEG_ATTR_P))
        return false;
    return acc == ACCESS_STORE ? !code && rw : !code || rw;
}

int seg_check(struct cpu *cpu, unsigned seg, uint64_t off, unsigned size, enum mem_access acc,
              uint64_t *lin)
{
    *lin = cut_address(cpu, cpu->ea_base[seg] + off);
    if (seg >= SEG_NONE || cpu->code_mode == CODE64)
        return 0;
    /* Real and virtual-8086 mode check nothing but the limit (SDM vol. 3A 20.1.1). */
    bool types = !cpu->real_or_v86;
    const struct segment *s = &cpu->seg[seg];
    if ((types && !type_allows(s, acc)) || !within_limit(s, types, off, size))
        return raise_error(cpu, seg == SEG_SS ? EXC_SS : EXC_GP, 0);
    return 0;
}

int seg_check_limit(struct cpu *cpu, unsigned seg, uint64_t off, unsigned size, uint64_t *lin)
{
    const struct segment *s = &cpu->seg[seg];
    *lin = cut_address(cpu, cpu->ea_base[seg] + off);
    if (cpu->code_mode == CODE64 || within_limit(s, true, off, size))
        return 0;
    return raise_error(cpu, seg == SEG_SS ? EXC_SS : EXC_GP, 0);
}

/* ---- descriptor tables ---- */

/* Linear address of an entry's bytes; false when the table does not hold them. */
static bool desc_address(const struct cpu *cpu, uint16_t sel, unsigned size, uint64_t *lin)
{
    uint64_t base = cpu->gdtr.base;
    uint32_t limit = cpu->gdtr.limit;

    if (sel & 4) {
        if (!(cpu->ldtr.attr & SEG_ATTR_P))
            return false;
        base = cpu->ldtr.base;
        limit = cpu->ldtr.limit;
    }
    *lin = base + (sel & ~7u);
    if (!cpu->long_mode)
        *lin = (uint32_t)*lin;
    return (sel & ~7u) + size - 1 <= limit;
}

int desc_load(struct cpu *cpu, uint16_t sel, uint64_t *desc, unsigned fault_vector)
{
    uint64_t lin;

    if (selector_is_null(sel) || !desc_address(cpu, sel, 8, &lin))
        return raise_error(cpu, fault_vector, sel & ~3u);
    return sys_load(cpu, lin, 8, desc);
}

int desc_load_high(struct cpu *cpu, uint16_t sel, uint64_t *high, unsigned fault_vector)
{
    uint64_t lin;

    if (!desc_address(cpu, sel, 16, &lin))
        return raise_error(cpu, fault_vector, sel & ~3u);
    return sys_load(cpu, lin + 8, 8, high);
}

/* Sets a type bit in the access byte of *desc and of the table, by a locked access (SDM vol. 3A
 * 8.1.2.1). Where the table has changed since *desc was read, *seen is not as it was in *desc, and
 * the table is left alone. */
static int desc_add_type(struct cpu *cpu, uint16_t sel, uint64_t *desc, unsigned type_bit,
                         uint8_t *seen)
{
    uint64_t lin;

    if (!desc_address(cpu, sel, 8, &lin))
        return raise_gp(cpu, sel & ~3u);
    if (sys_swap_byte(cpu, lin + 5, seen, *seen | (uint8_t)type_bit))
        return OP_FAULT;
    *desc |= (uint64_t)type_bit << 40;
    return 0;
}

static uint8_t desc_access(uint64_t desc)
{
    return desc >> 40 & 0xff;
}

int desc_set_accessed(struct cpu *cpu, uint16_t sel, uint64_t *desc)
{
    uint8_t seen = desc_access(*desc), before;

    if (seen & SEG_TYPE_A)
        return 0;
    do {
        before = seen;
        if (desc_add_type(cpu, sel, desc, SEG_TYPE_A, &seen))
            return OP_FAULT;
    } while (seen != before);
    return 0;
}

/* ---- segment registers ---- */

void segment_from_descriptor(struct segment *s, uint16_t sel, uint64_t desc)
{
    s->sel = sel;
    s->base = desc_base(desc);
    s->limit = desc_limit(desc);
    s->attr = desc_attr(desc);
}

void segment_set_real(struct segment *s, uint16_t sel)
{
    s->sel = sel;
    s->base = (uint32_t)sel << 4;
    if (!(s->attr & SEG_ATTR_P)) { /* a null selector was left behind by protected mode */
        s->attr = ATTR_REAL_DATA;
        s->limit = 0xffff;
    }
}

void segment_set_v86(struct segment *s, uint16_t sel)
{
    *s =
        (struct segment){.sel = sel, .base = (uint32_t)sel << 4, .limit = 0xffff, .attr = ATTR_V86};
}

void segment_set_null(struct segment *s, uint16_t sel)
{
    /* The DPL of a null SS in 64-bit mode is its RPL (SDM vol. 3A 5.6). */
    *s = (struct segment){.sel = sel, .attr = (uint16_t)((sel & 3) << 5)};
}

int stack_desc_load(struct cpu *cpu, uint16_t sel, unsigned cpl, uint64_t *desc,
                    unsigned fault_vector)
{
    if (desc_load(cpu, sel, desc, fault_vector))
        return OP_FAULT;
    if ((sel & 3u) != cpl || desc_dpl(*desc) != cpl || !desc_is_writable_data(*desc))
        return raise_error(cpu, fault_vector, sel & ~3u);
    if (!desc_present(*desc))
        return raise_error(cpu, EXC_SS, sel & ~3u);
    return 0;
}

/* Checks of SDM vol. 2B, MOV, for DS, ES, FS, GS. */
static int data_desc_load(struct cpu *cpu, uint16_t sel, uint64_t *desc)
{
    if (desc_load(cpu, sel, desc, EXC_GP))
        return OP_FAULT;
    bool readable = !desc_is_code(*desc) || *desc >> 41 & 1;
    unsigned dpl = desc_dpl(*desc);
    bool level = desc_is_conforming(*desc) || (cpu->cpl <= dpl && (sel & 3u) <= dpl);
    if (desc_is_system(*desc) || !readable || !level)
        return raise_gp(cpu, sel & ~3u);
    if (!desc_present(*desc))
        return raise_error(cpu, EXC_NP, sel & ~3u);
    return 0;
}

static int segment_load_null(struct cpu *cpu, unsigned seg, uint16_t sel)
{
    /* 64-bit mode runs on a null SS below CPL 3 (SDM vol. 3A 5.4.1.1). */
    if (seg == SEG_SS && (cpu->code_mode != CODE64 || cpu->cpl == 3 || (sel & 3) != cpu->cpl))
        return raise_gp(cpu, 0);
    segment_set_null(&cpu->seg[seg], sel);
    cpu_mode_changed(cpu);
    return 0;
}

int segment_load(struct cpu *cpu, unsigned seg, uint16_t sel)
{
    uint64_t desc;

    if (!cpu_protected(cpu)) {
        segment_set_real(&cpu->seg[seg], sel);
    } else if (cpu_v86(cpu)) {
        segment_set_v86(&cpu->seg[seg], sel);
    } else if (selector_is_null(sel)) {
        return segment_load_null(cpu, seg, sel);
    } else {
        if (seg == SEG_SS ? stack_desc_load(cpu, sel, cpu->cpl, &desc, EXC_GP)
                          : data_desc_load(cpu, sel, &desc))
            return OP_FAULT;
        if (desc_set_accessed(cpu, sel, &desc))
            return OP_FAULT;
        segment_from_descriptor(&cpu->seg[seg], sel, desc);
    }
    cpu_mode_changed(cpu);
    return 0;
}

int code_segment_load(struct cpu *cpu, uint16_t sel, uint64_t desc, unsigned cpl)
{
    if (desc_set_accessed(cpu, sel, &desc))
        return OP_FAULT;
    segment_from_descriptor(&cpu->seg[SEG_CS], (uint16_t)((sel & ~3u) | cpl), desc);
    cpu->cpl = (uint8_t)cpl;
    return 0;
}

void segments_drop_inner(struct cpu *cpu, unsigned cpl)
{
    static const uint8_t data[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};

    for (unsigned n = 0; n < ARRAY_SIZE(data); n++) {
        struct segment *s = &cpu->seg[data[n]];
        bool conforming =
            (s->attr & (SEG_TYPE_CODE | SEG_TYPE_EC)) == (SEG_TYPE_CODE | SEG_TYPE_EC);
        if ((s->attr & SEG_ATTR_P) && !conforming && SEG_ATTR_DPL(s->attr) < cpl)
            segment_set_null(s, 0);
    }
}

/* ---- task state segment ---- */

int tss_stack(struct cpu *cpu, unsigned level, uint16_t *ss, uint32_t *esp)
{
    bool wide = cpu->tr.attr & 8; /* types 9 and 11 against 1 and 3 */
    unsigned off = wide ? 4 + 8 * level : 2 + 4 * level;
    uint64_t sp, sel;

    if (off + (wide ? 5u : 3u) > cpu->tr.limit)
        return raise_error(cpu, EXC_TS, cpu->tr.sel & ~3u);
    if (sys_load(cpu, cpu->tr.base + off, wide ? 4 : 2, &sp) ||
        sys_load(cpu, cpu->tr.base + off + (wide ? 4 : 2), 2, &sel))
        return OP_FAULT;
    *ss = (uint16_t)sel;
    *esp = wide ? (uint32_t)sp : (uint16_t)sp;
    return 0;
}

int tss64_stack(struct cpu *cpu, unsigned slot, uint64_t *rsp)
{
    unsigned off = slot < 3 ? 4 + 8 * slot : 36 + 8 * (slot - 4);

    if (off + 7 > cpu->tr.limit)
        return raise_error(cpu, EXC_TS, cpu->tr.sel & ~3u);
    if (sys_load(cpu, cpu->tr.base + off, 8, rsp))
        return OP_FAULT;
    return is_canonical(*rsp) ? 0 : raise_error(cpu, EXC_SS, 0);
}

/* Descriptor of an LDT or TSS: in the GDT, of one of two types, 16 bytes in long mode. */
static int system_desc_load(struct cpu *cpu, uint16_t sel, unsigned type, unsigned type16,
                            uint64_t *desc, uint64_t *high)
{
    *high = 0;
    if (sel & 4)
        return raise_gp(cpu, sel & ~3u);
    if (desc_load(cpu, sel, desc, EXC_GP))
        return OP_FAULT;
    bool known = desc_type(*desc) == type || (!cpu->long_mode && desc_type(*desc) == type16);
    if (!desc_is_system(*desc) || !known)
        return raise_gp(cpu, sel & ~3u);
    if (!desc_present(*desc))
        return raise_error(cpu, EXC_NP, sel & ~3u);
    if (!cpu->long_mode)
        return 0;
    if (desc_load_high(cpu, sel, high, EXC_GP))
        return OP_FAULT;
    /* The upper half's type field must be 0 (SDM vol. 3A 3.5.2). */
    if (*high >> 40 & 0x1f || !is_canonical(*high << 32 | desc_base(*desc)))
        return raise_gp(cpu, sel & ~3u);
    return 0;
}

int ldtr_load(struct cpu *cpu, uint16_t sel)
{
    uint64_t desc, high;

    if (selector_is_null(sel)) {
        segment_set_null(&cpu->ldtr, sel);
        return 0;
    }
    if (system_desc_load(cpu, sel, SYS_LDT, SYS_LDT, &desc, &high))
        return OP_FAULT;
    segment_from_descriptor(&cpu->ldtr, sel, desc);
    cpu->ldtr.base |= high << 32;
    return 0;
}

int tr_load(struct cpu *cpu, uint16_t sel)
{
    uint64_t desc, high;
    uint8_t before, seen;

    if (selector_is_null(sel))
        return raise_gp(cpu, 0);
    do { /* of two CPUs only one gets it */
        if (system_desc_load(cpu, sel, SYS_TSS, SYS_TSS16, &desc, &high))
            return OP_FAULT;
        before = seen = desc_access(desc);
        if (desc_add_type(cpu, sel, &desc, TYPE_BUSY, &seen))
            return OP_FAULT;
    } while (seen != before);
    segment_from_descriptor(&cpu->tr, sel, desc);
    cpu->tr.base |= high << 32;
    return 0;
}
