/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TRANSLATOR_X86_64_EMIT_H
#define CALQUE_TRANSLATOR_X86_64_EMIT_H

#include "translator/internal.h"
#include "translator/x86_64/asm.h"

/* The emitter's own state and what its files share.
 *
 * Registers: guest rcx rdx rbx rbp rsi rdi r8 r12-r14 are in the host's registers of that name,
 * rax is in r9 and rsp in r10; guest r9, r10, r11 and r15 are in memory, and a block that uses them
 * lets them take the place of registers that it does not use. Host rax and r11 are temporaries. r15
 * is the CPU, rsp the stack of frames.
 *
 * Flags: at block boundaries in jit_state.flags. Within a block `flags` says where they are. */

#define TEMP  H_R11
#define TEMP2 H_RAX

/* The CPU state's register. Not a segment base: processors forward stores to loads through a
 * register some five cycles sooner, and every block takes its share from the budget. It points
 * STATE_BIAS into struct cpu, so that the first 256 bytes are near. */
#define STATE      H_R15
#define STATE_BIAS 128

/* A member of struct cpu, and one indexed by a register. */
static inline struct host_mem h_state(size_t offset)
{
    return h_at(STATE, (int32_t)offset - STATE_BIAS);
}
static inline struct host_mem h_state_at(unsigned index, size_t offset)
{
    return (struct host_mem){
        .base = STATE, .index = (uint8_t)index, .disp = (int32_t)offset - STATE_BIAS};
}

enum flags_place {
    FLAGS_IMAGE,  /* in jit_state.flags */
    FLAGS_HOST,   /* in the host's flags */
    FLAGS_RECIPE, /* nowhere: nobody reads them, and the producer can be run again */
};

enum stub_kind {
    STUB_MISS,
    STUB_HANDLER,
    STUB_EXIT,
    STUB_SIDE_EXIT,
    STUB_INDIRECT,
    STUB_RETURN,
    STUB_THUNK,
    STUB_FPU
};

/* Code out of the way, written after the block. */
struct stub {
    enum stub_kind kind;
    uint8_t *jump;   /* displacement that leads here */
    uint8_t *again;  /* STUB_MISS, STUB_FPU: to retry the access, to go on */
    uint8_t *loaded; /* STUB_MISS: to go on with the operand's host address in TEMP */
    uint8_t *next;   /* where the next instruction starts */
    uint8_t thunk;
    uint8_t insn, producer, size, align;
    bool returns;              /* STUB_EXIT: from a call */
    bool saves, after_shift;   /* STUB_SIDE_EXIT: the flags are in the host's, of a shift */
    bool reload;               /* the next instruction wants the flags in the host's */
    const uint8_t *stack_slot; /* STUB_MISS: of the stack's slot: what looks further */
    size_t table;              /* STUB_MISS: offset of the TLB's page words */
    uint64_t target;
};
#define MAX_STUBS 256

struct xlat {
    struct assembler a;
    struct translator *tr;
    struct cpu *cpu;
    struct tblock *t;
    const struct insn *list;
    unsigned n, k;    /* instructions, the current one */
    uint8_t host[16]; /* where each guest register is */
    uint32_t mode;    /* mode key */
    enum flags_place flags;
    unsigned producer; /* FLAGS_HOST, FLAGS_RECIPE: instruction that made them; NO_PRODUCER */
    uint8_t read_after[BLOCK_MAX];    /* flags that are read after an instruction before written */
    uint8_t read_in, visible_in;      /* the same, before the first */
    uint8_t visible_after[BLOCK_MAX]; /* the same, where seeing them in a fault counts as reading */
    unsigned nstubs;
    bool ended; /* the last instruction has left the block */
    /* Vector and x87 instructions that are copied: FPU_* that they work on, else 0; and the row
     * that a vector instruction was decoded by. */
    uint8_t fpu[BLOCK_MAX];
    const struct encoding *row[BLOCK_MAX];
    struct stub stubs[MAX_STUBS]; /* last: the rest starts as zeros */
};

/* ---- flags (flags.c) ---- */
void flags_analyse(struct xlat *x);
/* Before host code that destroys the flags, at an instruction that may fault: saves them if anybody
 * may want them. */
void flags_clobber(struct xlat *x);
/* The same, where the instruction cannot fault. */
void flags_clobber_quietly(struct xlat *x);
/* Makes the guest's flags the host's; of a shift, AF apart: flags_keep_rest() first where that may
 * be seen. */
void flags_to_host(struct xlat *x);
/* Before an instruction that changes only some: the rest must be right if anybody wants it. */
void flags_keep_rest(struct xlat *x);
/* They are in the host's flags now, made by the current instruction. */
void flags_made(struct xlat *x);
/* Into memory, whatever else. */
void flags_to_image(struct xlat *x);
/* Into memory, and into the host's: before a conditional exit. */
void flags_to_both(struct xlat *x);
/* After a multiplication: the flags that the manual leaves open get the interpreter's values, from
 * the low half in `low`. TEMP2 is gone. */
void flags_of_product(struct xlat *x, unsigned size, unsigned low);
void flags_reload(struct assembler *a);
/* Out of line: the host's flags, which a shift has made or not, into memory. */
void flags_save(struct assembler *a, bool shift);
/* Before a jump out of the middle of the block: makes them the host's, and fills in s. */
void flags_for_side_exit(struct xlat *x, struct stub *s);
/* The host's into rax, as jit_state.flags has them. */
void flags_to_rax(struct assembler *a);
/* After an operation whose carry is in the host's flags and whose other flags are a logical
 * operation's on the result in register r. TEMP2 is gone. */
void flags_of_logic(struct xlat *x, unsigned size, unsigned r);

/* Whether the flags of instruction p, which compares and nothing else, can be had again by running
 * it again wherever they may be seen in another round, from the block's start on. */
bool flags_last_around(const struct xlat *x, unsigned p);

/* ---- loops (loop.c) ---- */
bool loop_is_simple(const struct xlat *x);
void emit_loop_block(struct xlat *x);

/* ---- debuggers (ask.c, condition.c) ---- */
/* Goes on here unless the program says 0, and to `*pass` then; TEMP, TEMP2 and the flags are gone.
 * `*pass`: the displacement of the last of the jumps there, each of which has the distance to the
 * one before; NULL: there is none. condition_fix() points them all to what is written next. */
void emit_condition(struct xlat *x, const struct probe_program *p, uint8_t **pass);
void condition_fix(struct xlat *x, uint8_t *jumps);
/* Before the current instruction, which is marked: asks, unless nobody can want it. */
void emit_ask(struct xlat *x);

/* ---- stubs (translate.c) ---- */
/* Instructions `from` to before `to`. */
void emit_range(struct xlat *x, unsigned from, unsigned to);
/* A call of a thunk that leaves the block at its start. */
void emit_block_thunk(struct xlat *x, unsigned n);
uint64_t next_rip(const struct xlat *x, const struct insn *i);
struct stub *add_stub(struct xlat *x, enum stub_kind kind, uint8_t *jump);
void emit_stubs(struct xlat *x);
/* Calls the semantic function of the current instruction. */
void emit_handler(struct xlat *x);
/* The same by another thunk; flags stay where they are. */
void emit_thunk_call(struct xlat *x, unsigned thunk);
/* Ends the block by calling a thunk that runs the current instruction. */
void emit_last(struct xlat *x, unsigned thunk);
/* Undoes the block's register swaps: before every way out. Flags stay. */
void emit_unswap(struct xlat *x);
/* Goes to a RIP, linked when it is known. */
void emit_exit(struct xlat *x, uint64_t target);

/* ---- memory operands (access.c, stack_slot.c) ---- */

/* In struct cpu: a table of level 1, and its slot for the stack. */
static inline size_t tlb_table_offset(unsigned table)
{
    return offsetof(struct cpu, tlb) + sizeof(struct tlb_entry) * TLB_SIZE * (size_t)table;
}
static inline size_t stack_slot_offset(unsigned table)
{
    return offsetof(struct cpu, stack_slot) + sizeof(struct tlb_entry) * (size_t)table;
}
void emit_stack_slot_miss(struct assembler *a, const struct translator *tr, unsigned table,
                          unsigned size);

/* The host address of the operand in TEMP, checked for a load, or a store (then it may be loaded
 * too). TEMP2 and the flags are gone. */
struct host_mem emit_operand(struct xlat *x, unsigned size, bool store);
/* The same for an address in TEMP, computed since `again` with nothing but its operands. The caller
 * has called flags_clobber() before. */
struct host_mem emit_operand_at(struct xlat *x, unsigned seg, unsigned size, bool store,
                                uint8_t *again);
/* The same for [guest register + disp] in SS; of rsp. */
struct host_mem emit_frame_operand(struct xlat *x, unsigned base, unsigned size, int32_t disp,
                                   bool store);
struct host_mem emit_stack_operand(struct xlat *x, unsigned size, int32_t disp, bool store);
/* The effective address alone in a register; flags stay. False: it needs a segment's base. */
void emit_address(struct xlat *x, unsigned dst, unsigned size);
/* The same for storing, where another processor may look: with LOCK an operand that crosses a cache
 * line is left to the semantic function. */
struct host_mem emit_rmw_operand(struct xlat *x, unsigned size);
/* That check alone, of the host address in TEMP. TEMP2 and the flags are gone. */
void check_line(struct xlat *x, unsigned size);
/* The prefix, if the instruction has it: right before the host's. */
void emit_lock(struct xlat *x);
/* Leaves the instruction to its semantic function unless the address in TEMP2 is canonical. TEMP
 * and the flags are gone. */
void check_canonical(struct xlat *x);
bool operand_is_simple(const struct xlat *x, const struct insn *i);
bool segment_is_flat(const struct xlat *x, unsigned seg);
bool segment_has_base(const struct xlat *x, unsigned seg);
bool stack_is_simple(const struct xlat *x);

/* The start of THUNK_MISS_STORE: stores beside code (code_store.c). */
void emit_code_store(struct assembler *a);

/* ---- the FPU (fpu.c, vector.c, x87.c) ---- */

/* Their thunks: see THUNK_*. */
void fpu_emit_load_sse(struct assembler *a);
void fpu_emit_save(struct assembler *a);
void fpu_emit_reload(struct assembler *a);
/* Finds the vector and x87 instructions of the block that are copied. */
void fpu_analyse(struct xlat *x);
/* General registers that a vector or x87 instruction names. */
uint16_t fpu_registers_used(const struct xlat *x, unsigned k);
bool x87_is_x87(const struct insn *i);
bool x87_is_copied(const struct xlat *x, const struct insn *i);
/* Behind the head: loads what the block's copied instructions need. */
void fpu_emit_check(struct xlat *x);

/* ---- emitters of instructions; false: the semantic function does it ---- */
typedef bool emit_fn(struct xlat *x, const struct insn *i);
/* By operation_index; NULL without one. */
emit_fn *emitter_of(unsigned operation);
emit_fn emit_alu, emit_mov, emit_unary, emit_shift, emit_lea, emit_setcc, emit_cmovcc, emit_extend,
    emit_imul, emit_bt, emit_cbw, emit_cwd, emit_bswap, emit_nop, emit_xchg, emit_mul, emit_div,
    emit_dshift, emit_scan, emit_count, emit_bmi, emit_mulx, emit_adx, emit_movbe, emit_xadd,
    emit_cmpxchg, emit_cmpxchg_pair, emit_lahf, emit_sahf, emit_carry, emit_direction, emit_pushf,
    emit_cli, emit_sti, emit_ac, emit_syscall, emit_rdtsc, emit_pause, emit_from_cr, emit_base,
    emit_string, emit_swapgs, emit_moffs, emit_from_seg, emit_fence;
emit_fn emit_jcc, emit_jmp, emit_call, emit_ret, emit_jmp_ind, emit_call_ind, emit_push,
    emit_push_imm, emit_pop, emit_leave, emit_jcxz, emit_loop;
emit_fn emit_vector, emit_x87;

/* Place of a guest register, and of the low byte of an 8-bit operand: a high byte is first copied
 * to `temp`. */
static inline unsigned reg_of(const struct xlat *x, unsigned guest)
{
    return x->host[guest];
}
unsigned byte_of(struct xlat *x, unsigned byte_offset, unsigned temp);
/* Puts TEMP2's low byte into an 8-bit register operand. Flags stay; TEMP2 is gone. */
void put_byte(struct xlat *x, unsigned byte_offset);
static inline bool is_high_byte(unsigned byte_offset)
{
    return byte_offset & 7;
}
static inline bool imm_fits(uint64_t v)
{
    return (int64_t)v == (int32_t)v;
}
/* The host's processor has the feature that the instruction is of. */
static inline bool host_has(const struct xlat *x, const struct insn *i)
{
    return x->tr->host_has[op_operation(i->op)->cpuid];
}
/* The place of an instruction's operand after `form`: see FORMS_* in insn.h. */
static inline unsigned form_of(const struct insn *i)
{
    return i->op - op_operation(i->op)->first_op;
}

static inline unsigned insn_cc(const struct insn *jcc)
{
    return (unsigned)(op_operation(jcc->op) - &operations[OPN_jo]);
}

#define JIT_OFF(member) (offsetof(struct cpu, jit) + offsetof(struct jit_state, member))
#define REG_OFF(n)      (offsetof(struct cpu, r) + 8 * (size_t)(n))
#define BUDGET_OFF      (offsetof(struct cpu, v) + offsetof(struct vcpu, budget))

/* Registers that an operation uses without naming them, of those that may lend their place. */
unsigned implicit_registers(const struct insn *i);

extern const uint8_t pinned_place[16]; /* H_NONE: in memory */

#endif
