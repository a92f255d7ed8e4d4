/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_SEGMENT_H
#define CALQUE_CPU_X86_SEGMENT_H

#include "cpu/x86/cpu.h"

/* Descriptors and segment registers (SDM vol. 3A chapters 3 and 5). A descriptor is its 8 bytes
 * as one little-endian number. */

/* System descriptor types (SDM vol. 3A table 3-2); in long mode the 32-bit ones are the 64-bit. */
enum system_type {
    SYS_TSS16 = 1,
    SYS_LDT = 2,
    SYS_TSS16_BUSY = 3,
    SYS_CALL16 = 4,
    SYS_TASK_GATE = 5,
    SYS_INT16 = 6,
    SYS_TRAP16 = 7,
    SYS_TSS = 9,
    SYS_TSS_BUSY = 11,
    SYS_CALL = 12,
    SYS_INT = 14,
    SYS_TRAP = 15,
};

/* attr bits of code and data segments' type field */
#define SEG_TYPE_A    1 /* accessed */
#define SEG_TYPE_RW   2 /* data: writable; code: readable */
#define SEG_TYPE_EC   4 /* data: expand down; code: conforming */
#define SEG_TYPE_CODE 8

static inline uint16_t desc_attr(uint64_t d) /* as struct segment's attr */
{
    return (d >> 40 & 0xff) | (d >> 44 & 0xf00);
}
static inline uint32_t desc_base(uint64_t d)
{
    return (uint32_t)(d >> 16 & 0xffffff) | (uint32_t)(d >> 32 & 0xff000000);
}
static inline uint32_t desc_limit(uint64_t d)
{
    uint32_t limit = (uint32_t)(d & 0xffff) | (uint32_t)(d >> 32 & 0xf0000);
    return d >> 55 & 1 ? limit << 12 | 0xfff : limit;
}
static inline unsigned desc_dpl(uint64_t d)
{
    return d >> 45 & 3;
}
static inline unsigned desc_type(uint64_t d)
{
    return d >> 40 & 15;
}
static inline bool desc_present(uint64_t d)
{
    return d >> 47 & 1;
}
static inline bool desc_is_system(uint64_t d)
{
    return !(d >> 44 & 1);
}
static inline bool desc_is_code(uint64_t d)
{
    return (d >> 43 & 3) == 3;
}
static inline bool desc_is_conforming(uint64_t d)
{
    return desc_is_code(d) && d >> 42 & 1;
}
static inline bool desc_is_writable_data(uint64_t d)
{
    return (d >> 43 & 3) == 2 && d >> 41 & 1;
}
/* Gates: where they lead. The upper half of a long-mode offset is in the next 8 bytes. */
static inline uint16_t gate_selector(uint64_t d)
{
    return (uint16_t)(d >> 16);
}
static inline uint32_t gate_offset(uint64_t d)
{
    return (uint32_t)(d & 0xffff) | (uint32_t)(d >> 32 & 0xffff0000);
}
static inline bool selector_is_null(uint16_t sel)
{
    return !(sel & ~3);
}

static inline bool segment_is_code(const struct segment *s)
{
    const uint16_t code = SEG_ATTR_P | SEG_ATTR_S | SEG_TYPE_CODE;
    return (s->attr & code) == code;
}
/* seg_check() without the type: what CLFLUSH may touch. Not for real and virtual-8086 mode. */
int seg_check_limit(struct cpu *cpu, unsigned seg, uint64_t off, unsigned size, uint64_t *lin);

/* Reads the descriptor that sel names. Null, no LDT, or outside the table: raises fault_vector with
 * the selector as error code. */
int desc_load(struct cpu *cpu, uint16_t sel, uint64_t *desc, unsigned fault_vector);
/* Upper 8 bytes of a 16-byte system descriptor (SDM vol. 3A 3.5.2); as desc_load. */
int desc_load_high(struct cpu *cpu, uint16_t sel, uint64_t *high, unsigned fault_vector);
/* Sets the accessed bit of a code or data descriptor in *desc and in the table. */
int desc_set_accessed(struct cpu *cpu, uint16_t sel, uint64_t *desc);

/* Fills the register from a descriptor; nothing is checked. */
void segment_from_descriptor(struct segment *s, uint16_t sel, uint64_t desc);
/* Real-address mode load: base from the selector, limit and attributes stay. */
void segment_set_real(struct segment *s, uint16_t sel);
/* Virtual-8086 mode: base from the selector, limit 64 KiB, DPL 3 (SDM vol. 3A 20.2). */
void segment_set_v86(struct segment *s, uint16_t sel);
/* An unusable register. */
void segment_set_null(struct segment *s, uint16_t sel);

/* MOV Sreg, POP Sreg and the like for ES, SS, DS, FS, GS: all checks, then the load. Calls
 * cpu_mode_changed(); returns 0 or OP_FAULT. */
int segment_load(struct cpu *cpu, unsigned seg, uint16_t sel);

/* The instruction's far pointer in memory: an offset of the operand size, then the selector, two
 * accesses (SDM vol. 3A table 6-7: alignment). */
int load_far_operand(struct cpu *cpu, const struct insn *i, uint64_t *off, uint16_t *sel);

/* Checks sel as SS for privilege level cpl, as transfers between levels do: on failure raises
 * fault_vector (EXC_TS for a stack from the TSS, EXC_GP for one popped) with the selector, #SS if
 * not present. Does not set the accessed bit. */
int stack_desc_load(struct cpu *cpu, uint16_t sel, unsigned cpl, uint64_t *desc,
                    unsigned fault_vector);
/* SS and ESP of a privilege level from a 16- or 32-bit TSS (SDM vol. 3A 7.2.1). */
int tss_stack(struct cpu *cpu, unsigned level, uint16_t *ss, uint32_t *esp);
/* RSPn (0-2) or ISTn (slot 3 + n) of a 64-bit TSS (SDM vol. 3A 7.7); must be canonical. */
int tss64_stack(struct cpu *cpu, unsigned slot, uint64_t *rsp);

/* Loads CS from a checked descriptor with this CPL, sets the accessed bit first if it is clear. */
int code_segment_load(struct cpu *cpu, uint16_t sel, uint64_t desc, unsigned cpl);

/* After a return to an outer level: data segments that it may not use become null
 * (SDM vol. 3A 5.8.6). */
void segments_drop_inner(struct cpu *cpu, unsigned cpl);

/* LLDT and LTR. */
int ldtr_load(struct cpu *cpu, uint16_t sel);
int tr_load(struct cpu *cpu, uint16_t sel);

#endif
