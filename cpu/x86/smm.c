/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System management mode: entry, state save map, RSM. */
#include "cpu/x86/smm.h"

#include "cpu/x86/debugreg.h"
#include "cpu/x86/mem.h"
#include "cpu/x86/privilege.h"

#define SAVE_REVISION   0xfefcu /* offsets from SMBASE; the same in both maps */
#define REVISION_32     0x20000u
#define REVISION_64     0x20064u
#define SAVE_32_HALT    0xff02u /* auto halt restart: 16 bits, 8 in the 64-bit map */
#define SAVE_64_HALT    0xfec9u
#define SAVE_32_SMBASE  0xfef8u
#define SAVE_64_SMBASE  0xff00u
#define SMM_HANDLER     0x8000u
#define EFLAGS_RESERVED 0xffc0802au /* bits that are always zero; bit 1 is always one */

void smm_request(struct cpu *cpu)
{
    __atomic_store_n(&cpu->smi_pending, true, __ATOMIC_RELAXED);
    vcpu_kick(&cpu->v);
}

/* ---- the map ---- */

/* One direction of a transfer between the processor and its state save map. */
struct transfer {
    struct cpu *cpu;
    bool save;
};

static void field64(const struct transfer *t, unsigned offset, uint64_t *v)
{
    uint64_t at = (uint64_t)t->cpu->smbase + offset;
    if (t->save)
        phys_store(t->cpu, at, 8, *v);
    else
        *v = phys_load(t->cpu, at, 8);
}

static void field32(const struct transfer *t, unsigned offset, uint32_t *v)
{
    uint64_t at = (uint64_t)t->cpu->smbase + offset;
    if (t->save)
        phys_store(t->cpu, at, 4, *v);
    else
        *v = (uint32_t)phys_load(t->cpu, at, 4);
}

static void field16(const struct transfer *t, unsigned offset, uint16_t *v)
{
    uint64_t at = (uint64_t)t->cpu->smbase + offset;
    if (t->save)
        phys_store(t->cpu, at, 2, *v);
    else
        *v = (uint16_t)phys_load(t->cpu, at, 2);
}

/* The low half of a 64-bit register. */
static void low32(const struct transfer *t, unsigned offset, uint64_t *v)
{
    uint32_t low = (uint32_t)*v;
    field32(t, offset, &low);
    *v = low;
}

/* Attributes as bits 40-55 of a descriptor stand, the limit's cut out. */
static uint16_t attr_pack(uint16_t attr)
{
    return (uint16_t)((attr & 0xff) | (attr & 0xf00) << 4);
}

static uint16_t attr_unpack(uint16_t v)
{
    return (uint16_t)((v & 0xff) | (v >> 4 & 0xf00));
}

/* What is not in struct cpu in the map's form. */
struct image {
    uint64_t cr0, cr4, rflags;
};

/* ---- 64-bit map (AMD APM vol. 2 table 10-1) ---- */

static void segment64(const struct transfer *t, unsigned offset, struct segment *s)
{
    uint16_t attr = attr_pack(s->attr);
    field16(t, offset, &s->sel);
    field16(t, offset + 2, &attr);
    field32(t, offset + 4, &s->limit);
    field64(t, offset + 8, &s->base);
    s->attr = attr_unpack(attr);
}

static void table64(const struct transfer *t, unsigned offset, struct table_register *r)
{
    field16(t, offset + 4, &r->limit);
    field64(t, offset + 8, &r->base);
}

static void transfer64(const struct transfer *t, struct image *i)
{
    static const uint8_t order[] = {R_RDI, R_RSI, R_RBP, R_RSP, R_RBX, R_RDX, R_RCX, R_RAX};
    struct cpu *cpu = t->cpu;

    for (unsigned n = 0; n < 6; n++)
        segment64(t, 0xfe00 + 16 * n, &cpu->seg[n]);
    table64(t, 0xfe60, &cpu->gdtr);
    segment64(t, 0xfe70, &cpu->ldtr);
    table64(t, 0xfe80, &cpu->idtr);
    segment64(t, 0xfe90, &cpu->tr);
    field64(t, 0xfed0, &cpu->efer);
    field64(t, 0xff48, &i->cr4);
    field64(t, 0xff50, &cpu->cr3);
    field64(t, 0xff58, &i->cr0);
    field64(t, 0xff60, &cpu->dr[7]);
    field64(t, 0xff68, &cpu->dr[6]);
    field64(t, 0xff70, &i->rflags);
    field64(t, 0xff78, &cpu->r[R_RIP]);
    for (unsigned n = 0; n < 8; n++)
        field64(t, 0xff80 + 8 * n, &cpu->r[R_RAX + 15 - n]);
    for (unsigned n = 0; n < 8; n++)
        field64(t, 0xffc0 + 8 * n, &cpu->r[order[n]]);
}

/* ---- 32-bit map (SDM vol. 3C, State Save Map) ---- */

static void segment32(const struct transfer *t, unsigned selector_at, unsigned hidden_at,
                      struct segment *s)
{
    uint32_t sel = s->sel, attr = attr_pack(s->attr);
    field32(t, selector_at, &sel);
    field32(t, hidden_at, &attr);
    field32(t, hidden_at + 4, &s->limit);
    low32(t, hidden_at + 8, &s->base);
    s->sel = (uint16_t)sel;
    s->attr = attr_unpack((uint16_t)attr);
}

static void table32(const struct transfer *t, unsigned offset, struct table_register *r)
{
    uint32_t limit = r->limit;
    field32(t, offset, &limit);
    low32(t, offset + 4, &r->base);
    r->limit = (uint16_t)limit;
}

static void transfer32(const struct transfer *t, struct image *i)
{
    static const uint8_t order[] = {R_RAX, R_RCX, R_RDX, R_RBX, R_RSP, R_RBP, R_RSI, R_RDI};
    struct cpu *cpu = t->cpu;

    low32(t, 0xff14, &i->cr4);
    for (unsigned n = 0; n < 6; n++)
        segment32(t, 0xffa8 + 4 * n, n < 3 ? 0xff84 + 12 * n : 0xff2c + 12 * (n - 3), &cpu->seg[n]);
    table32(t, 0xff54, &cpu->idtr);
    segment32(t, 0xffc4, 0xff5c, &cpu->tr);
    table32(t, 0xff70, &cpu->gdtr);
    segment32(t, 0xffc0, 0xff78, &cpu->ldtr);
    low32(t, 0xffc8, &cpu->dr[7]);
    low32(t, 0xffcc, &cpu->dr[6]);
    for (unsigned n = 0; n < 8; n++)
        low32(t, 0xffd0 + 4 * n, &cpu->r[order[n]]);
    low32(t, 0xfff0, &cpu->r[R_RIP]);
    low32(t, 0xfff4, &i->rflags);
    low32(t, 0xfff8, &cpu->cr3);
    low32(t, 0xfffc, &i->cr0);
}

/* ---- entry ---- */

static bool wide_map(const struct cpu *cpu)
{
    return model_has(&cpu->model, F_lm);
}

static void save_state(struct cpu *cpu, bool was_halted)
{
    struct transfer t = {cpu, true};
    struct image i = {cpu->cr0, cpu->cr4, cpu_eflags(cpu)};
    uint32_t revision = wide_map(cpu) ? REVISION_64 : REVISION_32;
    uint16_t halt = was_halted;

    if (wide_map(cpu)) {
        transfer64(&t, &i);
        phys_store(cpu, (uint64_t)cpu->smbase + SAVE_64_HALT, 1, halt);
    } else {
        transfer32(&t, &i);
        field16(&t, SAVE_32_HALT, &halt);
    }
    field32(&t, SAVE_REVISION, &revision);
    field32(&t, wide_map(cpu) ? SAVE_64_SMBASE : SAVE_32_SMBASE, &cpu->smbase);
}

/* The handler's environment: like real mode, with 4 GiB segments. */
static void enter_handler(struct cpu *cpu)
{
    for (unsigned n = 0; n < 6; n++)
        cpu->seg[n] = (struct segment){
            .limit = 0xffffffff,
            .attr = SEG_ATTR_G | SEG_ATTR_P | SEG_ATTR_S | 0x3, /* writable, accessed */
        };
    cpu->seg[SEG_CS].sel = (uint16_t)(cpu->smbase >> 4);
    cpu->seg[SEG_CS].base = cpu->smbase;
    cpu->seg[SEG_CS].attr |= 0x8; /* code */
    cpu_set_eflags(cpu, EFLAGS_FIXED);
    cpu->r[R_RIP] = SMM_HANDLER;
    cpu->cr0 &= ~(CR0_PE | CR0_EM | CR0_TS | CR0_PG);
    cpu->cr4 = 0;
    cpu->efer = 0;
    cpu->dr[7] = DR7_FIXED;
    cpu->cpl = 0;
}

void smm_enter(struct cpu *cpu)
{
    bool was_halted = cpu->v.halted;

    log_line(&cpu->v.m->log, LOG_INT, "SMI at %04x:%016llx, SMBASE %x", cpu->seg[SEG_CS].sel,
             (unsigned long long)cpu->r[R_RIP], cpu->smbase);
    cpu->smi_pending = false;
    cpu->smm = true; /* before the state is saved: SMRAM is visible */
    cpu->smm_nmi_blocked = cpu->nmi_blocked;
    cpu->nmi_blocked = true;
    cpu->v.halted = false;
    cpu->insn = NULL;
    save_state(cpu, was_halted);
    enter_handler(cpu);
    cpu_mode_changed(cpu);
    tlb_flush_all(cpu);
}

/* ---- RSM ---- */

/* Can a processor be in this state? (SDM vol. 3C, Exiting From SMM.) */
static bool image_valid(struct cpu *cpu, const struct image *i)
{
    bool paged = i->cr0 & CR0_PG, active = cpu->efer & EFER_LMA;

    if (i->cr0 >> 32 || (paged && !(i->cr0 & CR0_PE)) || (i->cr0 & CR0_NW && !(i->cr0 & CR0_CD)))
        return false;
    if (i->cr4 & ~(uint64_t)cr4_known(cpu) || cpu->efer & ~efer_known(cpu))
        return false;
    /* LMA is LME and PG, and needs PAE; VM86 needs protection. */
    if (active != (paged && cpu->efer & EFER_LME) || (active && !(i->cr4 & CR4_PAE)))
        return false;
    if (i->cr4 & CR4_PCIDE && !active)
        return false;
    return cpu->cr3 >> cpu->model.phys_bits == 0;
}

static void restore_control(struct cpu *cpu, const struct image *i)
{
    cpu->cr0 = ((uint32_t)i->cr0 & CR0_KNOWN) | CR0_ET;
    cpu->cr4 = (uint32_t)i->cr4;
    cpu_set_eflags(cpu, ((uint32_t)i->rflags & ~EFLAGS_RESERVED) | EFLAGS_FIXED);
    if (!(cpu->cr0 & CR0_PE))
        cpu->eflags &= ~EFLAGS_VM;
    cpu->dr[6] = (cpu->dr[6] & DR6_WRITABLE) | DR6_FIXED;
    cpu->dr[7] = (cpu->dr[7] & DR7_WRITABLE) | DR7_FIXED;
    cpu->cpl = !cpu_protected(cpu) ? 0 : cpu_v86(cpu) ? 3 : SEG_ATTR_DPL(cpu->seg[SEG_SS].attr);
}

/* Everything but SMBASE, which decides where the rest is read. False: not a possible state. */
static bool restore_state(struct cpu *cpu, bool *halt)
{
    struct transfer t = {cpu, false};
    struct image i = {0};
    uint16_t halt16;

    if (wide_map(cpu)) {
        transfer64(&t, &i);
        *halt = phys_load(cpu, (uint64_t)cpu->smbase + SAVE_64_HALT, 1) & 1;
    } else {
        transfer32(&t, &i);
        field16(&t, SAVE_32_HALT, &halt16);
        *halt = halt16 & 1;
    }
    if (!image_valid(cpu, &i))
        return false;
    restore_control(cpu, &i);
    return true;
}

int smm_leave(struct cpu *cpu)
{
    struct transfer t = {cpu, false};
    uint32_t smbase;
    bool halt;

    if (!cpu->smm)
        return raise_ud(cpu);
    field32(&t, wide_map(cpu) ? SAVE_64_SMBASE : SAVE_32_SMBASE, &smbase);
    bool ok = restore_state(cpu, &halt);
    cpu->smbase = smbase;
    cpu->smm = false;
    cpu->nmi_blocked = cpu->smm_nmi_blocked;
    cpu_mode_changed(cpu);
    tlb_flush_all(cpu);
    if (!ok || pdptes_reload(cpu)) {
        cpu->exc = (struct pending_exception){.shutdown = true};
        return OP_FAULT;
    }
    log_line(&cpu->v.m->log, LOG_INT, "RSM to %04x:%016llx, SMBASE %x", cpu->seg[SEG_CS].sel,
             (unsigned long long)cpu->r[R_RIP], cpu->smbase);
    return halt ? OP_HALT : OP_LEAVE;
}
