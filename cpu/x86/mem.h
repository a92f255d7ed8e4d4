/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_MEM_H
#define CALQUE_CPU_X86_MEM_H

#include "cpu/x86/cpu.h"

/* Guest memory as instructions see it: segmentation, soft TLB, slow path.
 *
 * An instruction that can fault accesses everything it needs before it changes anything. Loads and
 * stores return 0 or OP_FAULT (cpu->exc is set). A store that may be followed by another access of
 * the same instruction, and any read-modify-write, first probes: mem_probe_store(), mem_rmw(). */

enum mem_access { ACCESS_LOAD, ACCESS_STORE };

/* ---- slow paths (mmu.c): TLB miss, page crossing, devices, code pages ---- */

/* Access at the current CPL. Both pages are translated before either is touched. */
int mem_load_slow(struct cpu *cpu, uint64_t lin, unsigned size, void *out);
int mem_store_slow(struct cpu *cpu, uint64_t lin, unsigned size, const void *in);
/* A load that never raises #AC. */
int mem_load_unaligned(struct cpu *cpu, uint64_t lin, unsigned size, void *out);
/* Translates [lin, lin+size) for storing (and loading) and raises what a store would raise. */
int mem_probe_store_slow(struct cpu *cpu, uint64_t lin, unsigned size);
/* Begins a read-modify-write: a host pointer to operate on (plain memory, or cpu->rmw.buf which
 * mem_rmw_commit() writes back), or NULL with a fault raised. */
void *mem_rmw_slow(struct cpu *cpu, uint64_t lin, unsigned size);
/* The same with LOCK where CPUs run at the same time: memory is written only if it still holds what
 * was read; or all of it happens in an exclusive section (across lines and pages, code). Devices
 * see a read and a write. */
void *mem_rmw_locked(struct cpu *cpu, uint64_t lin, unsigned size);
bool mem_rmw_commit(struct cpu *cpu);

/* Makes a TLB entry for an access of the running instruction that lies within a page. False: none
 * answers it; what is wrong is for the access itself to find. */
bool mem_fill(struct cpu *cpu, uint64_t lin, unsigned size, bool store);

/* The same for the page at lin, if that needs no care at all: see tlb_fill.c. Does not touch vector
 * registers. False: try mem_fill(). */
bool tlb_fill_quickly(struct cpu *cpu, uint64_t lin, bool store);

/* Implicit supervisor accesses (descriptor tables, TSS, IDT, interrupt stacks): as CPL 0;
 * EFLAGS.AC does not lift SMAP for them (SDM vol. 3A 4.6.1). size 1, 2, 4, 8. */
int sys_load(struct cpu *cpu, uint64_t lin, unsigned size, uint64_t *out);
int sys_store(struct cpu *cpu, uint64_t lin, unsigned size, uint64_t value);
int sys_probe_store(struct cpu *cpu, uint64_t lin, unsigned size);
/* Stores `wanted` in a byte that holds *seen: one locked access (SDM vol. 3A 8.1.2.1). Where it
 * holds something else nothing is stored, and *seen is that. 0 or OP_FAULT. */
int sys_swap_byte(struct cpu *cpu, uint64_t lin, uint8_t *seen, uint8_t wanted);

/* Physical memory as the processor sees it (SMRAM in SMM); within a page. size 1, 2, 4, 8. */
uint64_t phys_load(struct cpu *cpu, uint64_t phys, unsigned size);
void phys_store(struct cpu *cpu, uint64_t phys, unsigned size, uint64_t value);

/* Instruction fetch: arena offset of the page that holds linear address lin, ARENA_NONE when the
 * code is not in memory (device region; then fetch bytes with mem_fetch_byte), and whether its
 * translation is global. Returns 0 or OP_FAULT. */
int mmu_fetch_page(struct cpu *cpu, uint64_t lin, uint64_t *arena_offset, bool *global);
/* Slow fetch of n bytes that may cross a page or come from a device. *got: bytes before a fault on
 * the second page; OP_FAULT if not even the first byte could be fetched. */
int mem_fetch_bytes(struct cpu *cpu, uint64_t lin, uint8_t *buf, unsigned n, unsigned *got);

/* Translation for debuggers: no A/D bits, no faults. ARENA-independent physical address, or
 * UINT64_MAX. */
uint64_t mmu_debug_translate(struct cpu *cpu, uint64_t lin);

/* A new CPU's TLB: empty. */
void tlb_init(struct cpu *cpu);
void tlb_flush_all(struct cpu *cpu);
/* Drops non-global translations (MOV CR3). */
void tlb_flush_nonglobal(struct cpu *cpu);
void tlb_flush_page(struct cpu *cpu, uint64_t lin);
void tlb_drop_stores(struct cpu *cpu, uint64_t arena_page);
/* Where a store to a page with code goes, in the arena, if that is known without a walk; otherwise
 * ARENA_NONE. arena_store_notify() afterwards. */
uint64_t mem_code_store(const struct cpu *cpu, uint64_t lin, unsigned size);
/* Empties one entry of the CPU's TLB. */
void tlb_drop_entry(struct cpu *cpu, struct tlb_entry *e);

/* ---- segmentation ---- */

/* Linear address of [off, off+size) in seg, after the checks that are not flat's (segment.c):
 * limits, expand-down, type, null; canonical addresses are checked by the slow path. */
int seg_check(struct cpu *cpu, unsigned seg, uint64_t off, unsigned size, enum mem_access acc,
              uint64_t *lin);

static inline uint64_t cut_address(const struct cpu *cpu, uint64_t lin)
{
    return cpu->code_mode == CODE64 ? lin : (uint32_t)lin;
}
static inline int seg_linear(struct cpu *cpu, unsigned seg, uint64_t off, unsigned size,
                             enum mem_access acc, uint64_t *lin)
{
    if (unlikely(!(cpu->flat >> seg & 1)))
        return seg_check(cpu, seg, off, size, acc, lin);
    *lin = cut_address(cpu, cpu->ea_base[seg] + off);
    return 0;
}

/* Offset part of an operand's address, cut to the address size. */
static inline uint64_t insn_ea(const struct cpu *cpu, const struct insn *i)
{
    uint64_t ea = cpu->r[i->base] + (cpu->r[i->index] << i->scale) + (int64_t)i->disp;
    return ea & (~0ull >> (64 - 8 * insn_asize(i)));
}
static inline int insn_linear(struct cpu *cpu, const struct insn *i, unsigned size,
                              enum mem_access acc, uint64_t *lin)
{
    if (likely(i->flags & INSN_FLAT)) {
        *lin = cpu->r[i->base] + (cpu->r[i->index] << i->scale) + (int64_t)i->disp;
        return 0;
    }
    return seg_linear(cpu, i->seg, insn_ea(cpu, i), size, acc, lin);
}

/* ---- fast paths ---- */

static inline void *tlb_hit(const struct tlb_entry *table, uint64_t lin, unsigned size)
{
    const struct tlb_entry *e = &table[lin >> 12 & (TLB_SIZE - 1)];
    uint64_t off = lin - e->page;
    return likely(off <= 4096 - size) ? e->host + off : NULL;
}

#define DEFINE_MEM(bits)                                                                           \
    static inline int lin_load##bits(struct cpu *cpu, uint64_t lin, uint##bits##_t *out)           \
    {                                                                                              \
        const void *p = tlb_hit(cpu->tlb_load, lin, bits / 8);                                     \
        if (unlikely(!p))                                                                          \
            return mem_load_slow(cpu, lin, bits / 8, out);                                         \
        *out = ld_le##bits(p);                                                                     \
        return 0;                                                                                  \
    }                                                                                              \
    static inline int lin_store##bits(struct cpu *cpu, uint64_t lin, uint##bits##_t v)             \
    {                                                                                              \
        void *p = tlb_hit(cpu->tlb_store, lin, bits / 8);                                          \
        if (unlikely(!p))                                                                          \
            return mem_store_slow(cpu, lin, bits / 8, &v);                                         \
        st_le##bits(p, v);                                                                         \
        return 0;                                                                                  \
    }                                                                                              \
    /* the instruction's memory operand */                                                         \
    static inline int mem_load##bits(struct cpu *cpu, const struct insn *i, uint##bits##_t *out)   \
    {                                                                                              \
        uint64_t lin;                                                                              \
        if (unlikely(insn_linear(cpu, i, bits / 8, ACCESS_LOAD, &lin)))                            \
            return OP_FAULT;                                                                       \
        return lin_load##bits(cpu, lin, out);                                                      \
    }                                                                                              \
    static inline int mem_store##bits(struct cpu *cpu, const struct insn *i, uint##bits##_t v)     \
    {                                                                                              \
        uint64_t lin;                                                                              \
        if (unlikely(insn_linear(cpu, i, bits / 8, ACCESS_STORE, &lin)))                           \
            return OP_FAULT;                                                                       \
        return lin_store##bits(cpu, lin, v);                                                       \
    }                                                                                              \
    /* seg:off */                                                                                  \
    static inline int seg_load##bits(struct cpu *cpu, unsigned seg, uint64_t off,                  \
                                     uint##bits##_t *out)                                          \
    {                                                                                              \
        uint64_t lin;                                                                              \
        if (unlikely(seg_linear(cpu, seg, off, bits / 8, ACCESS_LOAD, &lin)))                      \
            return OP_FAULT;                                                                       \
        return lin_load##bits(cpu, lin, out);                                                      \
    }                                                                                              \
    static inline int seg_store##bits(struct cpu *cpu, unsigned seg, uint64_t off,                 \
                                      uint##bits##_t v)                                            \
    {                                                                                              \
        uint64_t lin;                                                                              \
        if (unlikely(seg_linear(cpu, seg, off, bits / 8, ACCESS_STORE, &lin)))                     \
            return OP_FAULT;                                                                       \
        return lin_store##bits(cpu, lin, v);                                                       \
    }
DEFINE_MEM(8)
DEFINE_MEM(16)
DEFINE_MEM(32)
DEFINE_MEM(64)
#undef DEFINE_MEM

/* Read-modify-write of memory at a linear address, locked or not: a pointer to the bytes, NULL on a
 * fault. After changing them call mem_rmw_end() with that pointer: false means that another CPU has
 * changed memory meanwhile; the bytes are the new ones and the flags as they were, to be changed
 * again. Only with `locked`. */
static inline void *lin_rmw(struct cpu *cpu, uint64_t lin, unsigned size, bool locked)
{
    if (unlikely(cpu->has_thread) && locked)
        return mem_rmw_locked(cpu, lin, size);
    void *p = tlb_hit(cpu->tlb_store, lin, size);
    return likely(p) ? p : mem_rmw_slow(cpu, lin, size);
}
/* The instruction's memory operand. */
static inline void *mem_rmw(struct cpu *cpu, const struct insn *i, unsigned size)
{
    uint64_t lin;
    if (unlikely(insn_linear(cpu, i, size, ACCESS_STORE, &lin)))
        return NULL;
    return lin_rmw(cpu, lin, size, i->flags & INSN_LOCK);
}
/* XCHG is locked without a prefix (SDM vol. 3A 8.1.2.2). */
static inline void *mem_rmw_exchange(struct cpu *cpu, const struct insn *i, unsigned size)
{
    uint64_t lin;
    if (unlikely(insn_linear(cpu, i, size, ACCESS_STORE, &lin)))
        return NULL;
    return lin_rmw(cpu, lin, size, true);
}
static inline bool mem_rmw_end(struct cpu *cpu, const void *p)
{
    return likely(p != cpu->rmw.buf) || mem_rmw_commit(cpu);
}
static inline int lin_probe_store(struct cpu *cpu, uint64_t lin, unsigned size)
{
    return likely(tlb_hit(cpu->tlb_store, lin, size)) ? 0 : mem_probe_store_slow(cpu, lin, size);
}
/* Any size up to 64 bytes: vector operands, FXSAVE areas are done in pieces after probing. */
static inline int mem_load_bytes(struct cpu *cpu, const struct insn *i, unsigned size, void *out)
{
    uint64_t lin;
    if (unlikely(insn_linear(cpu, i, size, ACCESS_LOAD, &lin)))
        return OP_FAULT;
    const void *p = tlb_hit(cpu->tlb_load, lin, size);
    if (unlikely(!p))
        return mem_load_slow(cpu, lin, size, out);
    memcpy(out, p, size);
    return 0;
}
static inline int mem_store_bytes(struct cpu *cpu, const struct insn *i, unsigned size,
                                  const void *in)
{
    uint64_t lin;
    if (unlikely(insn_linear(cpu, i, size, ACCESS_STORE, &lin)))
        return OP_FAULT;
    void *p = tlb_hit(cpu->tlb_store, lin, size);
    if (unlikely(!p))
        return mem_store_slow(cpu, lin, size, in);
    memcpy(p, in, size);
    return 0;
}

/* ---- register operands ---- */
static inline uint8_t *reg8(struct cpu *cpu, unsigned byte_offset)
{
    return (uint8_t *)cpu->r + byte_offset;
}
static inline void set_reg(struct cpu *cpu, unsigned n, unsigned size,
                           uint64_t v) /* size 2, 4, 8 */
{
    if (size == 2)
        cpu->r[n] = (cpu->r[n] & ~0xffffull) | (uint16_t)v;
    else
        cpu->r[n] = size == 4 ? (uint32_t)v : v;
}

/* ---- stack (uses SS and the stack size; RSP changes only when the access succeeded) ---- */
uint64_t stack_pointer(const struct cpu *cpu);
void set_stack_pointer(struct cpu *cpu, uint64_t sp);
int push(struct cpu *cpu, unsigned size, uint64_t v);
int pop(struct cpu *cpu, unsigned size, uint64_t *v);
/* Reads size bytes at SP + skip without moving SP. */
int stack_peek(struct cpu *cpu, unsigned skip, unsigned size, uint64_t *v);

#endif
