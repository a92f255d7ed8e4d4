/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SYSCALL and SYSRET of 64-bit code, when where they lead is translated and known; RDTSC and RDTSCP
 * in host time; REP MOVS and REP STOS within a page: C that is called with the guest's vector
 * registers in the host's. Built for general registers only; calls nothing. Whatever is unusual is
 * left, with nothing changed, to the semantic function. */
#include "cpu/x86/mem.h"
#include "cpu/x86/privilege.h"
#include "cpu/x86/segment.h"
#include "translator/internal.h"

/* The number of the mode that is the current one but for CPL and TLB class; 0: none. */
static inline uint32_t mode_at(const struct cpu *cpu, unsigned class)
{
    const struct translator *tr = cpu->jit.translator;
    uint32_t level = MODE_CPL3 | 3u << MODE_CLASS_SHIFT;
    uint32_t key = (tr->modes[cpu->jit.mode] & ~level) | class << MODE_CLASS_SHIFT |
                   (class == TLB_USER ? MODE_CPL3 : 0);

    for (unsigned n = 1; n < tr->nmodes; n++)
        if (tr->modes[n] == key)
            return n;
    return 0;
}

static inline const uint8_t *code_at(const struct cpu *cpu, uint64_t rip, uint32_t mode)
{
    const struct jump_cache_entry *e = &cpu->jit.jump_cache[jump_cache_index(rip)];

    return mode && e->tag == (rip ^ (uint64_t)mode << 48) ? e->code : NULL;
}

/* The flat 64-bit code segment and the stack segment after it, of a level. */
static inline void load_segments(struct cpu *cpu, uint16_t cs, uint16_t ss, unsigned cpl)
{
    uint16_t level = (uint16_t)(cpl << 5);

    cpu->seg[SEG_CS].sel = cs;
    cpu->seg[SEG_CS].base = 0;
    cpu->seg[SEG_CS].limit = 0xffffffff;
    cpu->seg[SEG_CS].attr = (uint16_t)(0x9b | level | SEG_ATTR_G | SEG_ATTR_L);
    cpu->seg[SEG_SS].sel = ss;
    cpu->seg[SEG_SS].base = 0;
    cpu->seg[SEG_SS].limit = 0xffffffff;
    cpu->seg[SEG_SS].attr = (uint16_t)(0x93 | level | SEG_ATTR_G | SEG_ATTR_DB);
    cpu->cpl = (uint8_t)cpl;
}

/* FCS and FDS of an x87 instruction are still to be had from CS and the segments. */
static inline bool x87_needs_segments(const struct cpu *cpu)
{
    return cpu->jit.x87_insn || cpu->jit.x87_memory_insn;
}

/* What cpu_mode_changed() and the translator's mode make of it. */
static inline void set_mode(struct cpu *cpu, unsigned class, uint32_t mode, uint32_t eflags)
{
    cpu->eflags = eflags & ~EFLAGS_ARITH;
    cpu->jit.flags = jit_flags_of(eflags);
    cpu->tlb_load = cpu->tlb[0][class];
    cpu->tlb_store = cpu->tlb[1][class];
    cpu->jit.mode = mode;
    cpu->jit.mode_tag = (uint64_t)mode << 48;
}

static inline const struct insn *insn_of(const struct cpu *cpu, uint64_t *rip)
{
    const struct site *s = (const struct site *)(const void *)cpu->jit.site;
    const struct tblock *t = &cpu->jit.translator->tblocks[s->tblock];
    const struct insn *i = &t->block->insns[s->insn];

    *rip = t->rip + i->off;
    return i;
}

const uint8_t *quick_syscall(struct cpu *cpu)
{
    uint16_t cs = (uint16_t)(cpu->star >> 32) & 0xfffc;
    uint32_t eflags = cpu->eflags | jit_arith_flags(cpu->jit.flags) | EFLAGS_FIXED;
    uint32_t flags = eflags & ~EFLAGS_RF, after = (flags & ~(uint32_t)cpu->fmask) | EFLAGS_FIXED;
    unsigned class = cpu->cr4 & CR4_SMAP && after & EFLAGS_AC ? TLB_KERNEL_AC : TLB_KERNEL;
    uint32_t mode = mode_at(cpu, class);
    const uint8_t *code = code_at(cpu, cpu->lstar, mode);
    uint64_t rip;

    if (!code || !(cpu->efer & EFER_SCE) || x87_needs_segments(cpu))
        return NULL;
    const struct insn *i = insn_of(cpu, &rip);
    cpu->r[R_RCX] = rip + i->len;
    cpu->r[R_R11] = flags;
    load_segments(cpu, cs, cs + 8, 0);
    set_mode(cpu, class, mode, after);
    return code;
}

/* Something may interrupt once IF is set, or has to be looked at. Other threads ask; whoever does
 * makes the processor leave its translations afterwards, so that none is missed for long. */
#define ASKED(flag) __atomic_load_n(&(flag), __ATOMIC_RELAXED)
static inline bool something_waits(const struct cpu *cpu)
{
    uint32_t irr = 0;

    for (unsigned n = 0; n < 8; n++)
        irr |= ASKED(cpu->apic.irr[n]);
    return irr || ASKED(cpu->nmi_pending) || ASKED(cpu->smi_pending) || ASKED(cpu->intr_level) ||
           ASKED(cpu->extint_pending) || ASKED(cpu->init_pending) || ASKED(cpu->sipi_pending);
}
#undef ASKED

const uint8_t *quick_sysret(struct cpu *cpu)
{
    uint16_t base = (uint16_t)(cpu->star >> 48);
    uint64_t rip = cpu->r[R_RCX];
    uint32_t flags = ((uint32_t)cpu->r[R_R11] & 0x3c7fd7) | EFLAGS_FIXED; /* as op_sysret_x() */
    uint32_t mode = mode_at(cpu, TLB_USER);
    const uint8_t *code = code_at(cpu, rip, mode);

    if (!code || !(cpu->efer & EFER_SCE) || x87_needs_segments(cpu) || cpu->cpl ||
        !is_canonical(rip) || flags & EFLAGS_TF || (flags & EFLAGS_AC && cpu->cr0 & CR0_AM) ||
        (flags & EFLAGS_IF && something_waits(cpu)))
        return NULL;
    load_segments(cpu, (uint16_t)((base + 16) | 3), (uint16_t)((base + 8) | 3), 3);
    set_mode(cpu, TLB_USER, mode, flags);
    return code;
}

/* ---- RDTSC, RDTSCP ---- */

/* As cpu_tsc() has it. */
const uint8_t *quick_time_stamp(struct cpu *cpu)
{
    uint64_t now, rip;

    if (cpu->watch || (cpu->cr4 & CR4_TSD && cpu->cpl > 0) || cpu->tsc_hz != TSC_HZ ||
        !vm_clock_now_quick(&cpu->v.m->clock, &now) || now >= UINT64_MAX / 5)
        return NULL;
    uint64_t v = now * 5 / 2 + cpu->tsc_base;
    cpu->r[R_RAX] = (uint32_t)v;
    cpu->r[R_RDX] = v >> 32;
    if (insn_of(cpu, &rip)->op == OP_rdtscp_x)
        cpu->r[R_RCX] = (uint32_t)cpu->tsc_aux;
    return cpu->jit.site + sizeof(struct site);
}

/* ---- REP MOVS, REP STOS ---- */

static inline void copy(uint8_t *to, const uint8_t *from, uint64_t len)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len) : : "memory");
}

/* len / size elements. */
static inline void fill(uint8_t *to, uint64_t len, uint64_t v, unsigned size)
{
    if (size == 8)
        len /= 8;
    if (size == 8)
        __asm__ volatile("rep stosq" : "+D"(to), "+c"(len) : "a"(v) : "memory");
    else
        __asm__ volatile("rep stosb" : "+D"(to), "+c"(len) : "a"(v) : "memory");
}

/* All of it, going up, within a page, without overlap that repeats a pattern, and while the budget
 * lasts: an iteration counts as an instruction. */
const uint8_t *quick_string(struct cpu *cpu)
{
    uint64_t rip, count = cpu->r[R_RCX], to = cpu->r[R_RDI], from = cpu->r[R_RSI];
    const struct insn *i = insn_of(cpu, &rip);
    bool stos = i->op >= OP_stos_8 && i->op <= OP_stos_64;
    unsigned size = insn_osize(i);

    if (cpu->watch || cpu->eflags & EFLAGS_DF || count - 1 >= VM_PAGE_SIZE ||
        (int64_t)count > cpu->v.budget || (stos && size != 1 && size != 8))
        return NULL;
    uint64_t len = count * size;
    if (len > VM_PAGE_SIZE)
        return NULL;
    uint8_t *d = tlb_hit(cpu->tlb_store, to, (unsigned)len);
    const uint8_t *p = d && !stos ? tlb_hit(cpu->tlb_load, from, (unsigned)len) : NULL;
    if (!d || (!stos && (!p || (d > p && d < p + len))))
        return NULL;
    if (stos) {
        fill(d, len, cpu->r[R_RAX], size);
    } else {
        copy(d, p, len);
        cpu->r[R_RSI] = from + len;
    }
    cpu->r[R_RDI] = to + len;
    cpu->r[R_RCX] = 0;
    cpu->v.budget -= (int64_t)count - 1;
    return cpu->jit.site + sizeof(struct site);
}
