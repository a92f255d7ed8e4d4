/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System instructions: control and debug registers, descriptor tables, flags, ports, MSRs
 * (SDM vol. 2; vol. 3A chapter 2). */
#include "cpu/x86/debugreg.h"
#include "cpu/x86/io.h"
#include "cpu/x86/ops.h"
#include "cpu/x86/privilege.h"
#include "cpu/x86/segment.h"
#include "cpu/x86/smm.h"
#include "cpu/x86/store_watch.h"

/* The instruction changed what blocks depend on. */
static int leave(struct cpu *cpu, const struct insn *i)
{
    cpu->r[R_RIP] = insn_next_rip(cpu, i);
    return OP_LEAVE;
}

/* As leave(), with the mode derived anew. The next RIP is cut to the old mode's size. */
static int leave_mode(struct cpu *cpu, const struct insn *i)
{
    cpu->r[R_RIP] = insn_next_rip(cpu, i);
    cpu_mode_changed(cpu);
    return OP_LEAVE;
}

/* ---- control registers (SDM vol. 3A 2.5) ---- */

static bool pae_tables(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    return cr0 & CR0_PG && cr4 & CR4_PAE && !(efer & EFER_LMA);
}

/* Loads the four page-directory-pointer entries (SDM vol. 3A 4.4.1). Reserved bits: #GP(0). */
static int load_pdptes(struct cpu *cpu, uint64_t cr3)
{
    uint64_t pdpte[4], reserved = 0x1e6 | ~0ull << cpu->model.phys_bits;

    for (unsigned n = 0; n < 4; n++)
        pdpte[n] = phys_load(cpu, (cr3 & 0xffffffe0) + 8 * n, 8);
    for (unsigned n = 0; n < 4; n++) {
        if (pdpte[n] & 1 && pdpte[n] & reserved)
            return raise_gp(cpu, 0);
    }
    memcpy(cpu->pdpte, pdpte, sizeof(pdpte));
    return 0;
}

int pdptes_reload(struct cpu *cpu)
{
    return pae_tables(cpu->cr0, cpu->cr4, cpu->efer) ? load_pdptes(cpu, cpu->cr3) : 0;
}

/* EFER after a change of CR0.PG (SDM vol. 3A 9.8.5): LMA follows LME while paging is on. */
static uint64_t efer_for(const struct cpu *cpu, uint64_t cr0)
{
    bool active = cpu->efer & EFER_LME && cr0 & CR0_PG;

    return (cpu->efer & ~(uint64_t)EFER_LMA) | (active ? EFER_LMA : 0);
}

static bool cr0_allowed(const struct cpu *cpu, uint64_t v)
{
    bool on = v & CR0_PG && !(cpu->cr0 & CR0_PG);
    bool off = !(v & CR0_PG) && cpu->cr0 & CR0_PG;

    if (v >> 32 || (v & CR0_PG && !(v & CR0_PE)) || (v & CR0_NW && !(v & CR0_CD)))
        return false;
    bool tss16 = (cpu->tr.attr & SEG_ATTR_P) && !(cpu->tr.attr & 8);
    if (on && cpu->efer & EFER_LME &&
        (!(cpu->cr4 & CR4_PAE) || cpu->seg[SEG_CS].attr & SEG_ATTR_L || tss16))
        return false;
    return !(off && (cpu->code_mode == CODE64 || cpu->cr4 & CR4_PCIDE));
}

static int set_cr0(struct cpu *cpu, const struct insn *i, uint64_t v)
{
    if (!cr0_allowed(cpu, v))
        return raise_gp(cpu, 0);
    uint32_t next = ((uint32_t)v & CR0_KNOWN) | CR0_ET, changed = next ^ cpu->cr0;
    uint64_t efer = efer_for(cpu, next);
    if (pae_tables(next, cpu->cr4, efer) && changed & (CR0_PG | CR0_CD | CR0_NW) &&
        load_pdptes(cpu, cpu->cr3))
        return OP_FAULT;
    cpu->r[R_RIP] = insn_next_rip(cpu, i);
    cpu->cr0 = next;
    cpu->efer = efer;
    if (changed & CR0_PE)
        cpu->cpl = 0;
    if (changed & (CR0_PG | CR0_WP | CR0_PE))
        tlb_flush_all(cpu);
    cpu_mode_changed(cpu);
    return OP_LEAVE;
}

int cr3_load_legacy(struct cpu *cpu, uint32_t v)
{
    if (pae_tables(cpu->cr0, cpu->cr4, cpu->efer) && load_pdptes(cpu, v))
        return OP_FAULT;
    cpu->cr3 = v;
    tlb_flush_nonglobal(cpu);
    return 0;
}

static int set_cr3(struct cpu *cpu, const struct insn *i, uint64_t v)
{
    if (cpu->long_mode) {
        /* Bit 63 asks to keep the PCID's translations. Ours carry no PCID, so they go anyway. */
        if (cpu->cr4 & CR4_PCIDE)
            v &= ~(1ull << 63);
        if (v >> cpu->model.phys_bits)
            return raise_gp(cpu, 0);
    } else {
        return cr3_load_legacy(cpu, (uint32_t)v) ? OP_FAULT : leave_mode(cpu, i);
    }
    cpu->cr3 = v;
    tlb_flush_nonglobal(cpu);
    return leave_mode(cpu, i);
}

uint32_t cr4_known(const struct cpu *cpu)
{
    static const struct {
        uint32_t bits;
        uint8_t feature;
    } rows[] = {
        {CR4_VME | CR4_PVI, F_vme}, {CR4_TSD, F_tsc},   {CR4_DE, F_de},
        {CR4_PSE, F_pse},           {CR4_PAE, F_pae},   {CR4_MCE, F_mce},
        {CR4_PGE, F_pge},           {CR4_PCE, F_msr},   {CR4_OSFXSR, F_fxsr},
        {CR4_OSXMMEXCPT, F_sse},    {CR4_UMIP, F_umip}, {CR4_FSGSBASE, F_fsgsbase},
        {CR4_PCIDE, F_pcid},        {CR4_SMEP, F_smep}, {CR4_SMAP, F_smap},
        {CR4_OSXSAVE, F_xsave},
    };
    uint32_t known = 0;

    for (unsigned n = 0; n < ARRAY_SIZE(rows); n++)
        known |= model_has(&cpu->model, rows[n].feature) ? rows[n].bits : 0;
    return known;
}

static int set_cr4(struct cpu *cpu, const struct insn *i, uint64_t v)
{
    uint32_t next = (uint32_t)v, changed = next ^ cpu->cr4;
    uint32_t paging = CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP;

    if (v & ~(uint64_t)cr4_known(cpu) || (cpu->long_mode && !(next & CR4_PAE)))
        return raise_gp(cpu, 0);
    if (next & changed & CR4_PCIDE && (!cpu->long_mode || cpu->cr3 & 0xfff))
        return raise_gp(cpu, 0);
    if (pae_tables(cpu->cr0, next, cpu->efer) &&
        changed & (CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP) && load_pdptes(cpu, cpu->cr3))
        return OP_FAULT;
    cpu->cr4 = next;
    if (changed & paging)
        tlb_flush_all(cpu);
    return leave_mode(cpu, i);
}

static int set_cr8(struct cpu *cpu, const struct insn *i, uint64_t v)
{
    if (v > 15)
        return raise_gp(cpu, 0);
    vcpu_lock_machine(&cpu->v);
    apic_set_cr8(cpu, (uint8_t)v);
    vcpu_unlock_machine(&cpu->v);
    return leave(cpu, i);
}

static bool cr_exists(const struct cpu *cpu, unsigned n)
{
    return n == 0 || n == 2 || n == 3 || (n == 4 && cr4_known(cpu)) ||
           (n == 8 && model_has(&cpu->model, F_lm));
}

static int set_cr(struct cpu *cpu, const struct insn *i, uint64_t v)
{
    switch (i->reg) {
    case 0:
        return set_cr0(cpu, i, v);
    case 2:
        cpu->cr2 = v;
        return leave(cpu, i);
    case 3:
        return set_cr3(cpu, i, v);
    case 4:
        return set_cr4(cpu, i, v);
    default:
        return set_cr8(cpu, i, v);
    }
}

/* Notes what went well. */
static int cr_written(struct cpu *cpu, unsigned n, uint64_t v, int r)
{
    if (unlikely(cpu->probes) && r != OP_FAULT)
        probe_note(cpu, PROBE_CR_WRITE, n, v);
    return r;
}

int op_mov_to_cr_x(struct cpu *cpu, const struct insn *i)
{
    uint64_t v = cpu->code_mode == CODE64 ? cpu->r[i->rm] : (uint32_t)cpu->r[i->rm];

    if (!cr_exists(cpu, i->reg))
        return raise_ud(cpu);
    if (not_supervisor(cpu))
        return raise_gp(cpu, 0);
    return cr_written(cpu, i->reg, v, set_cr(cpu, i, v));
}

/* Control and debug registers are moved whole: 64 bits in 64-bit mode, 32 elsewhere. */
static int give(struct cpu *cpu, const struct insn *i, uint64_t v)
{
    set_reg(cpu, i->rm, cpu->code_mode == CODE64 ? 8 : 4, v);
    return OP_OK;
}

int op_mov_from_cr_x(struct cpu *cpu, const struct insn *i)
{
    if (!cr_exists(cpu, i->reg))
        return raise_ud(cpu);
    if (not_supervisor(cpu))
        return raise_gp(cpu, 0);
    switch (i->reg) {
    case 0:
        return give(cpu, i, cpu->cr0);
    case 2:
        return give(cpu, i, cpu->cr2);
    case 3:
        return give(cpu, i, cpu->cr3);
    case 4:
        return give(cpu, i, cpu->cr4);
    default:
        return give(cpu, i, apic_get_cr8(cpu));
    }
}

int op_clts_x(struct cpu *cpu, const struct insn *i)
{
    if (not_supervisor(cpu))
        return raise_gp(cpu, 0);
    cpu->cr0 &= ~CR0_TS;
    return cr_written(cpu, 0, cpu->cr0, leave_mode(cpu, i));
}

/* LMSW writes PE, MP, EM and TS; it cannot clear PE (SDM vol. 2A). */
static int lmsw(struct cpu *cpu, const struct insn *i, uint16_t v)
{
    uint32_t next = (cpu->cr0 & ~0xeu) | (v & 0xfu);

    return cr_written(cpu, 0, next, set_cr0(cpu, i, next));
}

int op_lmsw_r(struct cpu *cpu, const struct insn *i)
{
    return not_supervisor(cpu) ? raise_gp(cpu, 0) : lmsw(cpu, i, (uint16_t)cpu->r[i->rm]);
}

int op_lmsw_m(struct cpu *cpu, const struct insn *i)
{
    uint16_t v;

    if (not_supervisor(cpu))
        return raise_gp(cpu, 0);
    return mem_load16(cpu, i, &v) ? OP_FAULT : lmsw(cpu, i, v);
}

/* UMIP hides where tables are from user programs (SDM vol. 3A 2.5, CR4.UMIP). */
static bool umip_forbids(const struct cpu *cpu)
{
    return cpu->cr4 & CR4_UMIP && cpu->cpl > 0;
}

static int store_word_r(struct cpu *cpu, const struct insn *i, uint64_t v)
{
    if (umip_forbids(cpu))
        return raise_gp(cpu, 0);
    set_reg(cpu, i->rm, insn_osize(i), v);
    return OP_OK;
}

static int store_word_m(struct cpu *cpu, const struct insn *i, uint64_t v)
{
    return umip_forbids(cpu) ? raise_gp(cpu, 0) : mem_store16(cpu, i, (uint16_t)v);
}

int op_smsw_r(struct cpu *cpu, const struct insn *i)
{
    return store_word_r(cpu, i, cpu->cr0);
}

int op_smsw_m(struct cpu *cpu, const struct insn *i)
{
    return store_word_m(cpu, i, cpu->cr0);
}

/* ---- debug registers (SDM vol. 3B 17.2) ---- */

/* DR4 and DR5 are DR6 and DR7 unless CR4.DE. Raises; *n is the register. */
static int dr_access(struct cpu *cpu, const struct insn *i, unsigned *n)
{
    *n = i->reg;
    if (*n > 7 || ((*n == 4 || *n == 5) && cpu->cr4 & CR4_DE))
        return raise_ud(cpu);
    if (not_supervisor(cpu))
        return raise_gp(cpu, 0);
    if (*n == 4 || *n == 5)
        *n += 2;
    if (cpu->dr[7] & DR7_GD) {
        raise_exception(cpu, EXC_DB);
        cpu->exc.dr6 = DR6_BD;
        return OP_FAULT;
    }
    return 0;
}

int op_mov_from_dr_x(struct cpu *cpu, const struct insn *i)
{
    unsigned n;

    if (dr_access(cpu, i, &n))
        return OP_FAULT;
    return give(cpu, i, cpu->dr[n]);
}

int op_mov_to_dr_x(struct cpu *cpu, const struct insn *i)
{
    uint64_t v = cpu->code_mode == CODE64 ? cpu->r[i->rm] : (uint32_t)cpu->r[i->rm];
    unsigned n;

    if (dr_access(cpu, i, &n))
        return OP_FAULT;
    if (n >= 6 && v >> 32)
        return raise_gp(cpu, 0);
    if (n == 6)
        v = (v & DR6_WRITABLE) | DR6_FIXED;
    if (n == 7)
        v = (v & DR7_WRITABLE) | DR7_FIXED;
    cpu->dr[n] = v;
    return leave_mode(cpu, i); /* which breakpoints are enabled */
}

/* ---- descriptor tables ---- */

static int load_table(struct cpu *cpu, const struct insn *i, struct table_register *t)
{
    bool is64 = cpu->code_mode == CODE64;
    uint8_t raw[10];

    if (not_supervisor(cpu))
        return raise_gp(cpu, 0);
    if (mem_load_bytes(cpu, i, is64 ? 10 : 6, raw))
        return OP_FAULT;
    uint64_t base = is64 ? ld_le64(raw + 2) : ld_le32(raw + 2);
    if (!is64 && insn_osize(i) == 2)
        base &= 0xffffff; /* a 16-bit operand has a 24-bit base, as on the 80286 */
    if (!is_canonical(base))
        return raise_gp(cpu, 0);
    t->base = base;
    t->limit = ld_le16(raw);
    return OP_OK;
}

static int store_table(struct cpu *cpu, const struct insn *i, const struct table_register *t)
{
    uint8_t raw[10];

    if (umip_forbids(cpu))
        return raise_gp(cpu, 0);
    st_le16(raw, t->limit);
    st_le64(raw + 2, t->base);
    return mem_store_bytes(cpu, i, cpu->code_mode == CODE64 ? 10 : 6, raw);
}

int op_lgdt_x(struct cpu *cpu, const struct insn *i)
{
    return load_table(cpu, i, &cpu->gdtr);
}

int op_lidt_x(struct cpu *cpu, const struct insn *i)
{
    return load_table(cpu, i, &cpu->idtr);
}

int op_sgdt_x(struct cpu *cpu, const struct insn *i)
{
    return store_table(cpu, i, &cpu->gdtr);
}

int op_sidt_x(struct cpu *cpu, const struct insn *i)
{
    return store_table(cpu, i, &cpu->idtr);
}

/* LLDT and LTR */
static int load_system(struct cpu *cpu, const struct insn *i, bool mem,
                       int (*load)(struct cpu *, uint16_t))
{
    uint16_t sel = (uint16_t)cpu->r[i->rm];

    if (cpu->real_or_v86)
        return raise_ud(cpu);
    if (not_supervisor(cpu))
        return raise_gp(cpu, 0);
    if (mem && mem_load16(cpu, i, &sel))
        return OP_FAULT;
    return load(cpu, sel);
}

int op_lldt_r(struct cpu *cpu, const struct insn *i)
{
    return load_system(cpu, i, false, ldtr_load);
}

int op_lldt_m(struct cpu *cpu, const struct insn *i)
{
    return load_system(cpu, i, true, ldtr_load);
}

int op_ltr_r(struct cpu *cpu, const struct insn *i)
{
    return load_system(cpu, i, false, tr_load);
}

int op_ltr_m(struct cpu *cpu, const struct insn *i)
{
    return load_system(cpu, i, true, tr_load);
}

int op_sldt_r(struct cpu *cpu, const struct insn *i)
{
    return cpu->real_or_v86 ? raise_ud(cpu) : store_word_r(cpu, i, cpu->ldtr.sel);
}

int op_sldt_m(struct cpu *cpu, const struct insn *i)
{
    return cpu->real_or_v86 ? raise_ud(cpu) : store_word_m(cpu, i, cpu->ldtr.sel);
}

int op_str_r(struct cpu *cpu, const struct insn *i)
{
    return cpu->real_or_v86 ? raise_ud(cpu) : store_word_r(cpu, i, cpu->tr.sel);
}

int op_str_m(struct cpu *cpu, const struct insn *i)
{
    return cpu->real_or_v86 ? raise_ud(cpu) : store_word_m(cpu, i, cpu->tr.sel);
}

/* ---- translations and caches ---- */

int op_invlpg_x(struct cpu *cpu, const struct insn *i)
{
    if (not_supervisor(cpu))
        return raise_gp(cpu, 0);
    tlb_flush_page(cpu, cut_address(cpu, cpu->ea_base[i->seg] + insn_ea(cpu, i)));
    return leave(cpu, i);
}

enum { INVPCID_ADDRESS, INVPCID_ONE, INVPCID_ALL, INVPCID_ALL_NONGLOBAL };

/* SDM vol. 2A, INVPCID. Only the current PCID's translations are ever cached. The type is all of
 * the register, of 64 bits in 64-bit code without REX.W, too. */
int op_invpcid_x(struct cpu *cpu, const struct insn *i)
{
    uint64_t type = cpu->code_mode == CODE64 ? cpu->r[i->reg] : (uint32_t)cpu->r[i->reg];
    uint64_t d[2];

    if (not_supervisor(cpu))
        return raise_gp(cpu, 0);
    if (mem_load_bytes(cpu, i, 16, d))
        return OP_FAULT;
    bool names_pcid = type <= INVPCID_ONE;
    if (type > INVPCID_ALL_NONGLOBAL || d[0] >> 12 ||
        (names_pcid && d[0] && !(cpu->cr4 & CR4_PCIDE)) ||
        (type == INVPCID_ADDRESS && !is_canonical(d[1])))
        return raise_gp(cpu, 0);
    bool current = !(cpu->cr4 & CR4_PCIDE) || d[0] == (cpu->cr3 & 0xfff);
    if (type == INVPCID_ALL)
        tlb_flush_all(cpu);
    else if (type == INVPCID_ALL_NONGLOBAL || (type == INVPCID_ONE && current))
        tlb_flush_nonglobal(cpu);
    else if (type == INVPCID_ADDRESS && current)
        tlb_flush_page(cpu, d[1]);
    return leave(cpu, i);
}

/* Caches are not modelled: their instructions check privilege and do nothing. */
int op_invd_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    return not_supervisor(cpu) ? raise_gp(cpu, 0) : OP_OK;
}

int op_wbinvd_x(struct cpu *cpu, const struct insn *i)
{
    return op_invd_x(cpu, i);
}

/* CLFLUSH faults as a load of a byte does. */
int op_clflush_x(struct cpu *cpu, const struct insn *i)
{
    uint8_t byte;
    uint64_t lin;

    /* As a load, but from execute-only code too (SDM vol. 2A, CLFLUSH). */
    if (!cpu->real_or_v86 && i->seg < SEG_NONE && segment_is_code(&cpu->seg[i->seg])) {
        if (seg_check_limit(cpu, i->seg, insn_ea(cpu, i), 1, &lin))
            return OP_FAULT;
        return lin_load8(cpu, lin, &byte);
    }
    return mem_load8(cpu, i, &byte);
}

int op_clflushopt_x(struct cpu *cpu, const struct insn *i)
{
    return op_clflush_x(cpu, i);
}

int op_clwb_x(struct cpu *cpu, const struct insn *i)
{
    return op_clflush_x(cpu, i);
}

int op_mfence_x(struct cpu *cpu, const struct insn *i)
{
    (void)cpu;
    (void)i;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return OP_OK;
}

int op_lfence_x(struct cpu *cpu, const struct insn *i)
{
    (void)cpu;
    (void)i;
    return OP_OK;
}

int op_sfence_x(struct cpu *cpu, const struct insn *i)
{
    (void)cpu;
    (void)i;
    return OP_OK;
}

/* ---- segment bases ---- */

static void set_base(struct cpu *cpu, unsigned seg, uint64_t base)
{
    cpu->seg[seg].base = base;
    cpu_mode_changed(cpu);
}

int op_swapgs_x(struct cpu *cpu, const struct insn *i)
{
    uint64_t base = cpu->seg[SEG_GS].base;

    (void)i;
    if (not_supervisor(cpu))
        return raise_gp(cpu, 0);
    /* 64-bit mode only, where the base counts as it is: nothing else is derived from it. */
    cpu->seg[SEG_GS].base = cpu->ea_base[SEG_GS] = cpu->kernel_gs_base;
    cpu->kernel_gs_base = base;
    return OP_OK;
}

static int read_base(struct cpu *cpu, const struct insn *i, unsigned seg)
{
    if (!(cpu->cr4 & CR4_FSGSBASE))
        return raise_ud(cpu);
    set_reg(cpu, i->rm, insn_osize(i), cpu->seg[seg].base);
    return OP_OK;
}

static int write_base(struct cpu *cpu, const struct insn *i, unsigned seg)
{
    uint64_t base = insn_osize(i) == 8 ? cpu->r[i->rm] : (uint32_t)cpu->r[i->rm];

    if (!(cpu->cr4 & CR4_FSGSBASE))
        return raise_ud(cpu);
    if (!is_canonical(base))
        return raise_gp(cpu, 0);
    set_base(cpu, seg, base);
    return OP_OK;
}

int op_rdfsbase_x(struct cpu *cpu, const struct insn *i)
{
    return read_base(cpu, i, SEG_FS);
}

int op_rdgsbase_x(struct cpu *cpu, const struct insn *i)
{
    return read_base(cpu, i, SEG_GS);
}

int op_wrfsbase_x(struct cpu *cpu, const struct insn *i)
{
    return write_base(cpu, i, SEG_FS);
}

int op_wrgsbase_x(struct cpu *cpu, const struct insn *i)
{
    return write_base(cpu, i, SEG_GS);
}

/* ---- time, identification, MSRs ---- */

static void set_edx_eax(struct cpu *cpu, uint64_t v)
{
    cpu->r[R_RAX] = (uint32_t)v;
    cpu->r[R_RDX] = v >> 32;
}

static bool tsc_forbidden(const struct cpu *cpu)
{
    return cpu->cr4 & CR4_TSD && cpu->cpl > 0;
}

/* The budget is exact. */
static uint64_t read_tsc(struct cpu *cpu)
{
    uint64_t v = 0;

    if (likely(!cpu->watch))
        return cpu_tsc(cpu);
    if (!store_watch_replays(cpu, WATCH_CLOCK, &v)) {
        v = cpu_tsc(cpu);
        store_watch_accessed(cpu, WATCH_CLOCK, v, cpu->v.budget);
    }
    return v;
}

int op_rdtsc_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    if (tsc_forbidden(cpu))
        return raise_gp(cpu, 0);
    cpu_settle(cpu);
    set_edx_eax(cpu, read_tsc(cpu));
    return OP_OK;
}

int op_rdtscp_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    if (tsc_forbidden(cpu))
        return raise_gp(cpu, 0);
    cpu_settle(cpu);
    set_edx_eax(cpu, read_tsc(cpu));
    cpu->r[R_RCX] = (uint32_t)cpu->tsc_aux;
    return OP_OK;
}

/* There are no performance counters: every number is out of range. */
int op_rdpmc_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    return raise_gp(cpu, 0);
}

int op_rdpid_x(struct cpu *cpu, const struct insn *i)
{
    set_reg(cpu, i->rm, cpu->code_mode == CODE64 ? 8 : 4, (uint32_t)cpu->tsc_aux);
    return OP_OK;
}

int op_cpuid_x(struct cpu *cpu, const struct insn *i)
{
    static const uint8_t order[4] = {R_RAX, R_RBX, R_RCX, R_RDX};
    uint32_t out[4];

    (void)i;
    cpuid_query(cpu, (uint32_t)cpu->r[R_RAX], (uint32_t)cpu->r[R_RCX], out);
    for (unsigned n = 0; n < 4; n++)
        cpu->r[order[n]] = out[n];
    return OP_OK;
}

int op_rdmsr_x(struct cpu *cpu, const struct insn *i)
{
    uint64_t v;

    (void)i;
    cpu_settle(cpu);
    if (not_supervisor(cpu) || !msr_read(cpu, (uint32_t)cpu->r[R_RCX], &v))
        return raise_gp(cpu, 0);
    set_edx_eax(cpu, v);
    if (unlikely(cpu->probes))
        probe_note(cpu, PROBE_RDMSR, (uint32_t)cpu->r[R_RCX], v);
    return OP_OK;
}

int op_wrmsr_x(struct cpu *cpu, const struct insn *i)
{
    uint64_t v = (uint32_t)cpu->r[R_RAX] | cpu->r[R_RDX] << 32;

    cpu_settle(cpu);
    if (not_supervisor(cpu) || !msr_write(cpu, (uint32_t)cpu->r[R_RCX], v))
        return raise_gp(cpu, 0);
    if (unlikely(cpu->probes))
        probe_note(cpu, PROBE_WRMSR, (uint32_t)cpu->r[R_RCX], v);
    return leave_mode(cpu, i);
}

static int give_random(struct cpu *cpu, const struct insn *i)
{
    uint64_t v = 0;

    vcpu_lock_machine(&cpu->v);
    input_random(cpu->v.m, &v, sizeof(v));
    vcpu_unlock_machine(&cpu->v);
    set_reg(cpu, i->rm, insn_osize(i), v);
    flags_set_image(cpu, EFLAGS_CF);
    return OP_OK;
}

int op_rdrand_x(struct cpu *cpu, const struct insn *i)
{
    return give_random(cpu, i);
}

int op_rdseed_x(struct cpu *cpu, const struct insn *i)
{
    return give_random(cpu, i);
}

/* ---- flags ---- */

/* Who may change IF, and whether it is IF or its virtual image (SDM vol. 2A CLI, table 3-7). */
enum if_access { IF_REAL, IF_VIRTUAL, IF_DENIED };

static enum if_access if_access(const struct cpu *cpu)
{
    if (cpu->cpl <= cpu_iopl(cpu))
        return IF_REAL;
    uint32_t virtual = cpu_v86(cpu) ? CR4_VME : CR4_PVI;
    return cpu->cpl == 3 && cpu->cr4 & virtual ? IF_VIRTUAL : IF_DENIED;
}

int op_cli_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    switch (if_access(cpu)) {
    case IF_REAL:
        cpu->eflags &= ~EFLAGS_IF;
        return OP_OK;
    case IF_VIRTUAL:
        cpu->eflags &= ~EFLAGS_VIF;
        return OP_OK;
    default:
        return raise_gp(cpu, 0);
    }
}

int op_sti_x(struct cpu *cpu, const struct insn *i)
{
    switch (if_access(cpu)) {
    case IF_REAL:
        cpu->shadow = !(cpu->eflags & EFLAGS_IF);
        cpu->eflags |= EFLAGS_IF;
        return leave(cpu, i);
    case IF_VIRTUAL:
        if (cpu->eflags & EFLAGS_VIP)
            return raise_gp(cpu, 0);
        cpu->eflags |= EFLAGS_VIF;
        return leave(cpu, i);
    default:
        return raise_gp(cpu, 0);
    }
}

static int set_ac(struct cpu *cpu, const struct insn *i, uint32_t ac)
{
    if (not_supervisor(cpu))
        return raise_ud(cpu);
    cpu->eflags = (cpu->eflags & ~EFLAGS_AC) | ac;
    return leave_mode(cpu, i);
}

int op_clac_x(struct cpu *cpu, const struct insn *i)
{
    return set_ac(cpu, i, 0);
}

int op_stac_x(struct cpu *cpu, const struct insn *i)
{
    return set_ac(cpu, i, EFLAGS_AC);
}

/* In virtual-8086 mode below IOPL 3, PUSHF and POPF of 16 bits work on VIF if CR4.VME. */
static bool flags_virtual(const struct cpu *cpu)
{
    return cpu_v86(cpu) && cpu_iopl(cpu) < 3;
}

int op_pushf_x(struct cpu *cpu, const struct insn *i)
{
    uint32_t image = cpu_eflags(cpu) & ~(EFLAGS_RF | EFLAGS_VM);

    if (flags_virtual(cpu)) {
        if (!(cpu->cr4 & CR4_VME) || insn_osize(i) != 2)
            return raise_gp(cpu, 0);
        image = (image & ~EFLAGS_IF) | EFLAGS_IOPL | (image & EFLAGS_VIF ? EFLAGS_IF : 0);
    }
    return push(cpu, insn_osize(i), image);
}

int op_popf_x(struct cpu *cpu, const struct insn *i)
{
    unsigned size = insn_osize(i);
    /* VIF and VIP are IRET's to change; RF is cleared (SDM vol. 2B, POPF). */
    uint32_t mask = eflags_writable(cpu, size) & ~(EFLAGS_VIF | EFLAGS_VIP | EFLAGS_RF);
    uint64_t image;

    if (flags_virtual(cpu) && (!(cpu->cr4 & CR4_VME) || size != 2))
        return raise_gp(cpu, 0);
    if (stack_peek(cpu, 0, size, &image))
        return OP_FAULT;
    if (flags_virtual(cpu)) {
        if (image & EFLAGS_TF || (image & EFLAGS_IF && cpu->eflags & EFLAGS_VIP))
            return raise_gp(cpu, 0);
        mask = (mask & ~EFLAGS_IF) | EFLAGS_VIF;
        image = (image & ~(uint64_t)EFLAGS_VIF) | (image & EFLAGS_IF ? EFLAGS_VIF : 0);
    }
    set_stack_pointer(cpu, stack_pointer(cpu) + size);
    eflags_merge(cpu, (uint32_t)image, mask | EFLAGS_RF);
    cpu->eflags &= ~EFLAGS_RF;
    return leave_mode(cpu, i);
}

/* ---- ports ---- */

int io_check(struct cpu *cpu, uint16_t port, unsigned size)
{
    uint64_t map, access;
    bool tss32 = (cpu->tr.attr & SEG_ATTR_P) && (cpu->tr.attr & 8);

    if (!cpu_protected(cpu) || (!cpu_v86(cpu) && cpu->cpl <= cpu_iopl(cpu)))
        return 0;
    if (!tss32 || cpu->tr.limit < 103)
        return raise_gp(cpu, 0);
    if (sys_load(cpu, cpu->tr.base + 102, 2, &map))
        return OP_FAULT;
    /* Two bytes are always read: the access may cross one (SDM vol. 1 19.5.2). */
    uint64_t at = map + port / 8;
    if (at + 1 > cpu->tr.limit)
        return raise_gp(cpu, 0);
    if (sys_load(cpu, cpu->tr.base + at, 2, &access))
        return OP_FAULT;
    return access >> (port & 7) & ((1u << size) - 1) ? raise_gp(cpu, 0) : 0;
}

static uint16_t port_of(const struct cpu *cpu, const struct insn *i)
{
    return i->vreg ? (uint8_t)i->imm : (uint16_t)cpu->r[R_RDX];
}

static uint32_t port_read(struct cpu *cpu, uint16_t port, unsigned size)
{
    struct machine *m = cpu->v.m;

    vcpu_lock_machine(&cpu->v);
    uint32_t v = (uint32_t)address_space_read(&m->io, port, size);
    vcpu_unlock_machine(&cpu->v);
    return v;
}

static void port_write(struct cpu *cpu, uint16_t port, unsigned size, uint32_t value)
{
    struct machine *m = cpu->v.m;

    vcpu_lock_machine(&cpu->v);
    address_space_write(&m->io, port, value, size);
    vcpu_unlock_machine(&cpu->v);
}

/* The same with everything watched. */
static uint32_t watched_port(struct cpu *cpu, uint16_t port, unsigned size, uint32_t value,
                             bool write)
{
    uint64_t where = WATCH_PORT | port | (uint64_t)size << 56 | (write ? WATCH_WRITE : 0);
    uint64_t v = value;
    int64_t budget = cpu->v.budget;

    if (store_watch_replays(cpu, where, &v))
        return (uint32_t)v;
    if (write)
        port_write(cpu, port, size, value);
    else
        v = port_read(cpu, port, size);
    store_watch_accessed(cpu, where, v, budget);
    return (uint32_t)v;
}

uint32_t io_read(struct cpu *cpu, uint16_t port, unsigned size)
{
    cpu_settle(cpu);
    uint32_t v =
        unlikely(cpu->watch) ? watched_port(cpu, port, size, 0, false) : port_read(cpu, port, size);
    if (unlikely(cpu->bp_io))
        debug_note_port(cpu, port, size);
    if (unlikely(cpu->probes))
        probe_note(cpu, PROBE_PORT_IN, port, size | (uint64_t)v << 8);
    cpu_after_device(cpu);
    return v;
}

void io_write(struct cpu *cpu, uint16_t port, unsigned size, uint32_t value)
{
    cpu_settle(cpu);
    if (unlikely(cpu->watch))
        watched_port(cpu, port, size, value, true);
    else
        port_write(cpu, port, size, value);
    if (unlikely(cpu->bp_io))
        debug_note_port(cpu, port, size);
    if (unlikely(cpu->probes))
        probe_note(cpu, PROBE_PORT_OUT, port, size | (uint64_t)value << 8);
    cpu_after_device(cpu);
}

static int port_in(struct cpu *cpu, const struct insn *i, unsigned size)
{
    uint16_t port = port_of(cpu, i);

    if (io_check(cpu, port, size))
        return OP_FAULT;
    uint32_t v = io_read(cpu, port, size);
    if (size == 1)
        *reg8(cpu, R_RAX * 8) = (uint8_t)v;
    else
        set_reg(cpu, R_RAX, size, v);
    return OP_OK;
}

static int port_out(struct cpu *cpu, const struct insn *i, unsigned size)
{
    uint16_t port = port_of(cpu, i);

    if (io_check(cpu, port, size))
        return OP_FAULT;
    io_write(cpu, port, size, (uint32_t)(cpu->r[R_RAX] & (~0ull >> (64 - 8 * size))));
    return OP_OK;
}

#define PORT_OPS(bits, bytes)                                                                      \
    int op_in_##bits(struct cpu *cpu, const struct insn *i)                                        \
    {                                                                                              \
        return port_in(cpu, i, bytes);                                                             \
    }                                                                                              \
    int op_out_##bits(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        return port_out(cpu, i, bytes);                                                            \
    }
PORT_OPS(8, 1)
PORT_OPS(16, 2)
PORT_OPS(32, 4)
#undef PORT_OPS

/* ---- the rest ---- */

int op_hlt_x(struct cpu *cpu, const struct insn *i)
{
    if (not_supervisor(cpu))
        return raise_gp(cpu, 0);
    cpu->r[R_RIP] = insn_next_rip(cpu, i);
    return OP_HALT;
}

int op_ud_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    return raise_ud(cpu);
}

int op_rsm_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    return smm_leave(cpu);
}

/* Bytes that mean an instruction on some processor, but not on this one yet. */
int op_unimplemented_x(struct cpu *cpu, const struct insn *i)
{
    uint8_t code[15];
    unsigned got = 0;
    char text[3 * sizeof(code) + 1] = "";
    uint64_t lin = cut_address(cpu, cpu->ea_base[SEG_CS] + insn_rip(cpu, i));

    if (mem_fetch_bytes(cpu, lin, code, i->len, &got) == OP_FAULT)
        got = 0;
    for (unsigned n = 0; n < got && n < sizeof(code); n++)
        snprintf(text + 3 * n, 4, "%02x ", code[n]);
    log_unimp(cpu, "instruction not implemented: %sat %llx", text, (unsigned long long)lin);
    return raise_ud(cpu);
}
