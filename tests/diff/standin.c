/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stands in for paging, stack and exceptions until cpu/x86 has them: flat 64-bit mode at CPL 3,
 * four-level tables walked at each access. The Makefile leaves it out when cpu/x86/mmu.c exists. */
#include "cpu/x86/ops.h"

#include <stdlib.h>

#include "cpu/x86/io.h"
#include "vm/machine.h"

static void code_written(void *opaque, uint64_t offset, uint64_t len)
{
    block_cache_code_written(opaque, offset, len);
}

static void drop_store_entries(void *opaque, uint64_t page)
{
    (void)opaque, (void)page;
}

struct cpu *cpu_new(struct machine *m, const struct cpu_model *model, unsigned apic_id,
                    struct error *err)
{
    struct cpu *cpu = aligned_alloc(64, (sizeof(*cpu) + 63) & ~63ull);
    (void)apic_id, (void)err;
    if (!cpu)
        return NULL;
    memset(cpu, 0, sizeof(*cpu));
    cpu->v.m = m;
    cpu->model = *model;
    for (unsigned n = 0; n < TLB_SIZE; n++)
        cpu->tlb[0][0][n].page = 1ull << 62;
    cpu->tlb_load = cpu->tlb_store = cpu->tlb[0][0];
    itlb_flush(cpu);
    cpu->listeners.code.code_written = code_written;
    cpu->listeners.code.drop_store_entries = drop_store_entries;
    cpu->listeners.code.opaque = cpu;
    cpu->listeners.code.next = m->arena.listeners;
    m->arena.listeners = &cpu->listeners.code;
    return block_cache_init(cpu) ? cpu : NULL;
}

void cpu_mode_changed(struct cpu *cpu)
{
    cpu->code_mode = CODE64;
    cpu->stack_size = 3;
    cpu->long_mode = true;
    cpu->flat = 0x7f;
    cpu->a20_mask = ~0ull;
    cpu->ea_base[SEG_FS] = cpu->seg[SEG_FS].base;
    cpu->ea_base[SEG_GS] = cpu->seg[SEG_GS].base;
}

uint32_t cpu_eflags(const struct cpu *cpu)
{
    return cpu->eflags | flags_image(cpu);
}

void cpu_set_eflags(struct cpu *cpu, uint32_t value)
{
    cpu->eflags = (value & ~EFLAGS_ARITH) | EFLAGS_FIXED;
    flags_set_image(cpu, value);
}

int raise_error(struct cpu *cpu, unsigned vector, uint32_t error)
{
    cpu->exc = (struct pending_exception){.vector = (uint8_t)vector, .has_error = true};
    cpu->exc.error = error;
    return OP_FAULT;
}

int raise_exception(struct cpu *cpu, unsigned vector)
{
    cpu->exc = (struct pending_exception){.vector = (uint8_t)vector};
    return OP_FAULT;
}

static int page_fault(struct cpu *cpu, uint64_t lin, unsigned error)
{
    raise_error(cpu, EXC_PF, error);
    cpu->exc.cr2 = lin;
    return OP_FAULT;
}

static int walk(struct cpu *cpu, uint64_t lin, bool store, uint8_t **out)
{
    uint8_t *ram = cpu->v.m->arena.host;
    uint64_t at = cpu->cr3;
    if (!is_canonical(lin))
        return raise_gp(cpu, 0);
    for (int shift = 39; shift >= 12; shift -= 9) {
        uint64_t e = ld_le64(ram + (at & ~4095ull) + (lin >> shift & 511) * 8);
        if (!(e & 1))
            return page_fault(cpu, lin, 4 | (store ? 2 : 0));
        if (store && !(e & 2))
            return page_fault(cpu, lin, 7);
        at = e;
    }
    *out = ram + (at & ~4095ull) + (lin & 4095);
    return 0;
}

static int access_bytes(struct cpu *cpu, uint64_t lin, unsigned size, bool store, void *out,
                        const void *in)
{
    unsigned first = 4096 - (lin & 4095);
    uint8_t *p, *q = NULL;
    if (first > size)
        first = size;
    if (walk(cpu, lin, store, &p) || (first < size && walk(cpu, lin + first, store, &q)))
        return OP_FAULT;
    if (out) {
        memcpy(out, p, first);
        if (q)
            memcpy((uint8_t *)out + first, q, size - first);
    }
    if (in) {
        memcpy(p, in, first);
        if (q)
            memcpy(q, (const uint8_t *)in + first, size - first);
    }
    return 0;
}

int mem_load_slow(struct cpu *cpu, uint64_t lin, unsigned size, void *out)
{
    return access_bytes(cpu, lin, size, false, out, NULL);
}

int mem_store_slow(struct cpu *cpu, uint64_t lin, unsigned size, const void *in)
{
    return access_bytes(cpu, lin, size, true, NULL, in);
}

int mem_probe_store_slow(struct cpu *cpu, uint64_t lin, unsigned size)
{
    return access_bytes(cpu, lin, size, true, NULL, NULL);
}

void *mem_rmw_slow(struct cpu *cpu, uint64_t lin, unsigned size)
{
    if (access_bytes(cpu, lin, size, true, cpu->rmw.buf, NULL))
        return NULL;
    cpu->rmw.lin = lin;
    cpu->rmw.size = size;
    return cpu->rmw.buf;
}

void mem_rmw_commit(struct cpu *cpu)
{
    mem_store_slow(cpu, cpu->rmw.lin, cpu->rmw.size, cpu->rmw.buf);
}

int sys_load(struct cpu *cpu, uint64_t lin, unsigned size, uint64_t *out)
{
    *out = 0;
    return mem_load_slow(cpu, lin, size, out);
}

int sys_store(struct cpu *cpu, uint64_t lin, unsigned size, uint64_t value)
{
    return mem_store_slow(cpu, lin, size, &value);
}

int sys_probe_store(struct cpu *cpu, uint64_t lin, unsigned size)
{
    return mem_probe_store_slow(cpu, lin, size);
}

int mmu_fetch_page(struct cpu *cpu, uint64_t lin, uint64_t *arena_offset)
{
    uint8_t *p;
    if (walk(cpu, lin & ~4095ull, false, &p)) {
        if (cpu->exc.vector == EXC_PF) {
            cpu->exc.error |= 16;
            cpu->exc.cr2 = lin;
        }
        return OP_FAULT;
    }
    *arena_offset = (uint64_t)(p - cpu->v.m->arena.host);
    return 0;
}

int mem_fetch_bytes(struct cpu *cpu, uint64_t lin, uint8_t *buf, unsigned n, unsigned *got)
{
    for (*got = 0; *got < n; ++*got) {
        uint64_t page;
        if (mmu_fetch_page(cpu, lin + *got, &page))
            return OP_FAULT;
        buf[*got] = cpu->v.m->arena.host[page + ((lin + *got) & 4095)];
    }
    return 0;
}

void tlb_flush_all(struct cpu *cpu)
{
    itlb_flush(cpu);
}

void tlb_flush_nonglobal(struct cpu *cpu)
{
    itlb_flush(cpu);
}

void tlb_flush_page(struct cpu *cpu, uint64_t lin)
{
    (void)lin;
    itlb_flush(cpu);
}

void tlb_drop_stores(struct cpu *cpu, uint64_t arena_page)
{
    (void)cpu, (void)arena_page;
}

uint64_t stack_pointer(const struct cpu *cpu)
{
    return cpu->r[R_RSP];
}

void set_stack_pointer(struct cpu *cpu, uint64_t sp)
{
    cpu->r[R_RSP] = sp;
}

/* Non-canonical stack addresses raise #SS. */
static int stack_fault(struct cpu *cpu)
{
    if (cpu->exc.vector == EXC_GP)
        cpu->exc.vector = EXC_SS;
    return OP_FAULT;
}

int push(struct cpu *cpu, unsigned size, uint64_t v)
{
    if (mem_store_slow(cpu, cpu->r[R_RSP] - size, size, &v))
        return stack_fault(cpu);
    cpu->r[R_RSP] -= size;
    return 0;
}

int stack_peek(struct cpu *cpu, unsigned skip, unsigned size, uint64_t *v)
{
    *v = 0;
    return mem_load_slow(cpu, cpu->r[R_RSP] + skip, size, v) ? stack_fault(cpu) : 0;
}

int pop(struct cpu *cpu, unsigned size, uint64_t *v)
{
    if (stack_peek(cpu, 0, size, v))
        return OP_FAULT;
    cpu->r[R_RSP] += size;
    return 0;
}

bool exception_deliver(struct cpu *cpu)
{
    (void)cpu;
    return false;
}

int interrupt_deliver(struct cpu *cpu, unsigned vector, enum int_kind kind, bool has_error,
                      uint32_t error)
{
    (void)vector, (void)kind, (void)has_error, (void)error;
    return raise_ud(cpu);
}

bool cpu_take_interrupts(struct cpu *cpu)
{
    (void)cpu;
    return true;
}

bool cpu_interrupt_ready(const struct cpu *cpu)
{
    (void)cpu;
    return false;
}

int io_check(struct cpu *cpu, uint16_t port, unsigned size)
{
    (void)port, (void)size;
    return raise_gp(cpu, 0);
}

uint32_t io_read(struct cpu *cpu, uint16_t port, unsigned size)
{
    (void)cpu, (void)port, (void)size;
    return ~0u;
}

void io_write(struct cpu *cpu, uint16_t port, unsigned size, uint32_t value)
{
    (void)cpu, (void)port, (void)size, (void)value;
}
