/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_CPU_H
#define CALQUE_CPU_X86_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "cpu/x86/apic.h"
#include "cpu/x86/cpuid.h"
#include "cpu/x86/insn.h"
#include "cpu/x86/jit_state.h"
#include "cpu/x86/kvmclock.h"
#include "cpu/x86/probe.h"
#include "vm/machine.h"

/* Architectural state of one processor and what its engines share.
 *
 * While a block runs, r[R_RIP] is the linear-free address (RIP) of the block's first byte and an
 * instruction's own RIP is r[R_RIP] + off. Outside, r[R_RIP] is the architectural RIP.
 *
 * Arithmetic flags are kept lazily inside the interpreter as (cc_res, cc_aux), see flags.h; the
 * other bits of EFLAGS are in `eflags`. cpu_eflags() is the architectural image. */

#define EFLAGS_CF    (1u << 0)
#define EFLAGS_PF    (1u << 2)
#define EFLAGS_AF    (1u << 4)
#define EFLAGS_ZF    (1u << 6)
#define EFLAGS_SF    (1u << 7)
#define EFLAGS_TF    (1u << 8)
#define EFLAGS_IF    (1u << 9)
#define EFLAGS_DF    (1u << 10)
#define EFLAGS_OF    (1u << 11)
#define EFLAGS_IOPL  (3u << 12)
#define EFLAGS_NT    (1u << 14)
#define EFLAGS_RF    (1u << 16)
#define EFLAGS_VM    (1u << 17)
#define EFLAGS_AC    (1u << 18)
#define EFLAGS_VIF   (1u << 19)
#define EFLAGS_VIP   (1u << 20)
#define EFLAGS_ID    (1u << 21)
#define EFLAGS_ARITH (EFLAGS_CF | EFLAGS_PF | EFLAGS_AF | EFLAGS_ZF | EFLAGS_SF | EFLAGS_OF)
#define EFLAGS_FIXED 2u

#define CR0_PE (1u << 0)
#define CR0_MP (1u << 1)
#define CR0_EM (1u << 2)
#define CR0_TS (1u << 3)
#define CR0_ET (1u << 4)
#define CR0_NE (1u << 5)
#define CR0_WP (1u << 16)
#define CR0_AM (1u << 18)
#define CR0_NW (1u << 29)
#define CR0_CD (1u << 30)
#define CR0_PG (1u << 31)

#define CR4_VME        (1u << 0)
#define CR4_PVI        (1u << 1)
#define CR4_TSD        (1u << 2)
#define CR4_DE         (1u << 3)
#define CR4_PSE        (1u << 4)
#define CR4_PAE        (1u << 5)
#define CR4_MCE        (1u << 6)
#define CR4_PGE        (1u << 7)
#define CR4_PCE        (1u << 8)
#define CR4_OSFXSR     (1u << 9)
#define CR4_OSXMMEXCPT (1u << 10)
#define CR4_UMIP       (1u << 11)
#define CR4_FSGSBASE   (1u << 16)
#define CR4_PCIDE      (1u << 17)
#define CR4_OSXSAVE    (1u << 18)
#define CR4_SMEP       (1u << 20)
#define CR4_SMAP       (1u << 21)

#define EFER_SCE (1u << 0)
#define EFER_LME (1u << 8)
#define EFER_LMA (1u << 10)
#define EFER_NXE (1u << 11)

#define DEBUGCTL_LBR (1u << 0)
#define DEBUGCTL_BTF (1u << 1)

#define MTRR_DEF_ENABLE (1u << 11)
#define MTRR_WRITE_BACK 6u

enum exception_vector {
    EXC_DE = 0,
    EXC_DB = 1,
    EXC_NMI = 2,
    EXC_BP = 3,
    EXC_OF = 4,
    EXC_BR = 5,
    EXC_UD = 6,
    EXC_NM = 7,
    EXC_DF = 8,
    EXC_TS = 10,
    EXC_NP = 11,
    EXC_SS = 12,
    EXC_GP = 13,
    EXC_PF = 14,
    EXC_MF = 16,
    EXC_AC = 17,
    EXC_MC = 18,
    EXC_XM = 19,
};

/* Segment register with its hidden part. attr: descriptor access byte in bits 0-7 (type, S, DPL,
 * P), AVL, L, D/B, G in bits 8-11. An unusable (null) segment has P clear. */
struct segment {
    uint64_t base;
    uint32_t limit; /* in bytes, granularity applied */
    uint16_t sel;
    uint16_t attr;
};
#define SEG_ATTR_TYPE   0x00f
#define SEG_ATTR_S      0x010
#define SEG_ATTR_DPL(a) (((a) >> 5) & 3)
#define SEG_ATTR_P      0x080
#define SEG_ATTR_L      0x200
#define SEG_ATTR_DB     0x400
#define SEG_ATTR_G      0x800

struct table_register {
    uint64_t base;
    uint16_t limit;
};

/* The exception that an instruction raised and that is about to be delivered. */
struct pending_exception {
    uint8_t vector;
    bool has_error;
    uint32_t error;
    uint64_t cr2;  /* with EXC_PF */
    uint64_t dr6;  /* with EXC_DB: bits to set */
    bool shutdown; /* no exception: the processor shuts down (RSM of an invalid state) */
    bool external; /* no exception: an interrupt that was acknowledged */
};

/* What an operation says to whoever called it. */
enum op_result {
    OP_OK = 0,
    OP_BRANCH, /* r[R_RIP] is the target; mode unchanged */
    OP_LEAVE,  /* done, r[R_RIP] is the next instruction; look at mode and interrupts again */
    OP_FAULT,  /* not done; cpu->exc is to be delivered at this instruction */
    OP_AGAIN,  /* REP: an iteration is done, registers are updated, RIP stays */
    OP_HALT,   /* as OP_LEAVE, and wait for an interrupt */
    OP_PAUSE,  /* as OP_LEAVE, and let another processor have its turn */
};

struct tlb_entry {
    uint64_t page; /* linear page address; an impossible one when empty */
    uint8_t *host; /* where that page is */
};
#define TLB_BITS 13
#define TLB_SIZE (1u << TLB_BITS)

enum tlb_class { TLB_USER, TLB_KERNEL, TLB_KERNEL_AC, NUM_TLB_CLASSES };

#define ITLB_SIZE 256

/* Which entries were filled since the last flush: table << TLB_BITS | slot. n beyond the size
 * means that not all are listed. */
#define TLB_LOG_SIZE (2 * TLB_SIZE)
struct tlb_log {
    unsigned n;
    uint16_t filled[TLB_LOG_SIZE];
};

/* The entry of the page where the stack was last, for translated code: one for each table. An empty
 * one has a page that no address reaches, by chance (see mmu.c). */
#define STACK_SLOT_EMPTY(cpu) ((struct tlb_entry){.page = (cpu)->stack_slot_empty})

/* A page with code: stores elsewhere in it need nobody's attention. table: the one of the access
 * class, NULL when empty. */
struct code_store {
    const struct tlb_entry *table;
    uint64_t page;
    uint8_t *host;
    const uint64_t *map; /* of its granules */
};
#define CODE_STORES 16u

/* Where large pages are, pieces of which are in the TLB: see paging.h. */
#define TLB_SPAN_WORDS 16
struct tlb_spans {
    uint64_t large[TLB_SPAN_WORDS], huge[TLB_SPAN_WORDS];
};

/* Memory that is plain RAM for loads and stores, as the TLB's refill found it: physical addresses
 * start to last are at offset `arena` and on. Empty: start > last. */
#define RAM_WINDOWS 4
struct ram_window {
    uint64_t start, last, arena;
};

struct block;
struct block_cache;
struct history;
struct store_watch;

struct x87_reg {
    uint64_t mant;
    uint16_t sexp; /* sign and exponent */
};

struct cpu {
    struct vcpu v;
    uint64_t r[NUM_REGS];
    int64_t cc_res;
    uint32_t cc_aux;
    uint32_t eflags;       /* without EFLAGS_ARITH */
    uint32_t eflags_image; /* the whole, in saved state only */

    /* Derived from the mode; cpu_mode_changed() recomputes. */
    struct tlb_entry *tlb_load, *tlb_store; /* tables for data accesses at this CPL */
    uint64_t ea_base[NUM_SEGS];             /* segment bases as they count in this mode */
    uint8_t flat; /* bit per segment: accesses need no limit, type or presence check */
    uint8_t cpl;
    uint8_t code_mode;                       /* enum code_mode */
    uint8_t stack_size;                      /* log2 bytes: 1, 2, 3 */
    uint8_t bp_code, bp_data, bp_io, bp_any; /* breakpoints that DR7 enables, bit per register */
    bool long_mode;                          /* EFER.LMA */
    bool real_or_v86;                        /* real mode, or EFLAGS.VM */

    struct segment seg[6], ldtr, tr;
    struct table_register gdtr, idtr;
    uint32_t cr0, cr4;
    uint64_t cr2, cr3, efer, xcr0;
    uint64_t pdpte[4]; /* PAE paging: loaded by MOV CR3 (SDM vol. 3A 4.4.1) */
    uint64_t dr[8];
    uint64_t a20_mask; /* ~0, or with bit 20 clear */

    struct pending_exception exc;
    bool exc_pending;    /* exc is to be delivered before the next instruction: a task switch */
    uint8_t bp_hits;     /* data and I/O breakpoints hit, #DB not raised yet */
    bool rep_unfinished; /* the next instruction is the rest of a repeated one */
    bool shadow;         /* interrupts blocked for one instruction: STI, MOV SS, POP SS */
    bool shadow_ss;      /* it was MOV SS or POP SS: #DB is held back too */
    bool nmi_blocked;
    /* What may interrupt, besides the APIC's IRR, together: translated STI looks at all of it. */
    bool nmi_pending;
    bool smi_pending;    /* latched until SMM is left */
    bool intr_level;     /* level of the INTR/LINT0 input from the PIC */
    bool extint_pending; /* a message asked for an INTA cycle */
    bool init_pending, sipi_pending;
    bool smm;             /* in system management mode */
    bool smm_nmi_blocked; /* nmi_blocked when SMM was entered */
    uint32_t smbase;
    bool wait_sipi; /* halted after INIT: only a start-up IPI goes on (SDM vol. 3A 9.4.3) */
    uint8_t sipi_vector;
    uint32_t apic_id; /* initial APIC ID */
    struct intack_source intack;
    struct irq_line ferr_out; /* FERR#; the machine connects it */
    bool ferr, ignne;         /* levels of FERR# and IGNNE#, as if active high */
    bool ferr_frozen;         /* an x87 instruction waits for the interrupt that FERR# causes */
    bool map_stale;           /* atomic: memory map changed, flush TLBs before running on */
    bool store_stale;         /* atomic: drop store entries */

    /* MSRs */
    uint64_t star, lstar, cstar, fmask, kernel_gs_base, tsc_aux;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, misc_enable, tsc_adjust;
    uint64_t tsc_base; /* guest TSC = virtual time * frequency + tsc_base */
    uint64_t mtrr_def_type, mtrr_fixed[11], mtrr_var[16], mcg_status, mcg_ctl, ucode_rev;
    uint64_t debugctl, spec_ctrl;
    uint64_t tsc_hz;
    struct kvmclock kvmclock;

    /* x87, MMX, SSE, AVX */
    struct x87_reg fpr[8];  /* physical registers R0-R7; MMX register n is fpr[n].mant */
    uint16_t fcw, fsw, fop; /* TOP is in fsw */
    uint8_t ftw;            /* abridged tag: bit set = register not empty */
    uint16_t fcs, fds;
    uint64_t fip, fdp;
    uint32_t mxcsr;
    union vector {
        uint8_t b[32];
        uint16_t w[16];
        uint32_t d[8];
        uint64_t q[4];
    } xmm[16] __attribute__((aligned(32)));

    struct local_apic apic;
    struct cpu_model model; /* features: what CPUID reports and what is executed */

    /* Read-modify-write of what is not plain memory, or locked: see mem.h. */
    struct {
        uint8_t buf[64] __attribute__((aligned(16)));
        uint64_t lin;
        unsigned size;
        /* Locked: buf is a copy, and these are what it was made from and the flags before. */
        uint8_t *target;
        uint8_t old[16] __attribute__((aligned(16)));
        int64_t cc_res;
        uint32_t cc_aux;
        bool exclusive; /* in an exclusive section instead */
    } rmw;

    struct tlb_entry tlb[2][NUM_TLB_CLASSES][TLB_SIZE]; /* [0] loads, [1] stores */
    struct tlb_entry tlb_none[TLB_SIZE]; /* always empty: every access takes the slow path */
    struct tlb_log tlb_filled, tlb_filled_global;
    struct tlb_entry stack_slot[2][NUM_TLB_CLASSES];
    uint64_t stack_slot_empty;
    struct code_store code_stores[CODE_STORES]; /* by linear page */
    bool code_stores_filled;
    struct ram_window ram[RAM_WINDOWS];
    unsigned next_ram;           /* the one to be replaced */
    bool has_thread;             /* others run at the same time: LOCK counts */
    unsigned pauses;             /* PAUSE instructions since then */
    struct store_watch *watch;   /* told of stores and device accesses, or NULL */
    const struct probes *probes; /* what a debugger wants to know, or NULL */
    struct cpu_probe probe;
    uint64_t probe_marks[64];      /* of the set for which blocks were formed; the first CPU's */
    struct tlb_spans tlb_spans[2]; /* of global pages: [1] */
    struct block_cache *blocks;    /* shared by the machine's CPUs */
    struct cpu *next_user;         /* of it */
    struct block *scratch; /* an instruction that is not kept: straddling, or from a device */
    /* Names the state of the fetch translations, for CPL < 3 and 3: new whenever one of them, or
     * the code segment's base, may have changed. Never 0. */
    uint64_t fetch_keys[2];
    uint64_t fetch_base; /* the code segment's base that they stand for */
    /* The running instruction; the first one not yet taken off the budget; where this run of the
     * block ends (a device access or a store into the block may move it closer). */
    const struct insn *insn, *settled, *run_end;
    /* Fetch TLB: arena pages of code. */
    struct {
        uint64_t page; /* linear page address | (CPL == 3), impossible when empty */
        uint64_t arena;
        bool global; /* MOV CR3 leaves it */
    } itlb[ITLB_SIZE];

    /* Of a shutdown, to tell people (report.h): no state of the machine. */
    struct pending_exception faults[8];
    unsigned nfaults;
    bool double_fault, double_fault_told; /* one was just delivered; that was said */
    bool shut_down;
    struct history *history; /* NULL: not kept */

    /* The engine: runs blocks, and interp_go_on() between them where something special happens,
     * until that ends the run. */
    enum vcpu_exit (*run_blocks)(struct cpu *cpu);
    struct jit_state jit;

    struct code_listener code_listener;
    unsigned unimp_logged; /* lines of "not implemented" written */
};

static inline struct cpu *cpu_of(struct vcpu *v)
{
    return (struct cpu *)v;
}

/* ---- life ---- */

/* The machine's processor `index` (0: the bootstrap processor) in its reset state (SDM vol. 3A
 * 10.1.1), not attached to a machine's lines yet. */
struct cpu *cpu_new(struct machine *m, const struct cpu_model *model, unsigned index,
                    struct error *err);
void cpu_reset(struct cpu *cpu);
/* INIT: as RESET, but for x87, SSE, MSRs, cache control and the APIC's identity. A processor that
 * is not the bootstrap one waits for a start-up IPI afterwards, as it does after RESET. */
void cpu_init_reset(struct cpu *cpu);
/* A start-up IPI: real mode at vector << 12. */
void cpu_start_up(struct cpu *cpu, uint8_t vector);
/* Line into LINT0 (the PIC's INTR output). */
struct irq_line cpu_intr_line(struct cpu *cpu);
/* Line into IGNNE# (high: x87 errors are ignored while CR0.NE is clear). */
struct irq_line cpu_ignne_line(struct cpu *cpu);
/* Line into SMI#: each rise is latched. */
struct irq_line cpu_smi_line(struct cpu *cpu);

/* ---- flags ---- */
uint32_t cpu_eflags(const struct cpu *cpu);           /* architectural image */
void cpu_set_eflags(struct cpu *cpu, uint32_t value); /* all bits; does not look at modes */

/* ---- mode ---- */

/* Recomputes everything derived from CRs, EFER, EFLAGS.VM/AC, CS, SS and CPL. Call after changing
 * any of them; then return OP_LEAVE. */
void cpu_mode_changed(struct cpu *cpu);
static inline bool cpu_protected(const struct cpu *cpu)
{
    return cpu->cr0 & CR0_PE;
}
static inline bool cpu_v86(const struct cpu *cpu)
{
    return cpu->eflags & EFLAGS_VM;
}
static inline unsigned cpu_iopl(const struct cpu *cpu)
{
    return (cpu->eflags >> 12) & 3;
}
/* RIP of the instruction, and of the one after it, cut to the code size. */
static inline uint64_t cpu_ip_mask(const struct cpu *cpu)
{
    return cpu->code_mode == CODE64 ? ~0ull : cpu->code_mode == CODE32 ? 0xffffffffull : 0xffff;
}
static inline uint64_t insn_rip(const struct cpu *cpu, const struct insn *i)
{
    return (cpu->r[R_RIP] + i->off) & cpu_ip_mask(cpu);
}
static inline uint64_t insn_next_rip(const struct cpu *cpu, const struct insn *i)
{
    return (cpu->r[R_RIP] + i->off + i->len) & cpu_ip_mask(cpu);
}
static inline bool is_canonical(uint64_t a)
{
    return (uint64_t)((int64_t)(a << 16) >> 16) == a;
}

/* ---- exceptions (exception.c) ---- */

void exception_note(struct cpu *cpu, unsigned vector);
void exception_note_error(struct cpu *cpu, unsigned vector, uint32_t error_code);
/* Note an exception; return OP_FAULT for `return raise_...(cpu, ...)`. */
static inline int raise_exception(struct cpu *cpu, unsigned vector)
{
    exception_note(cpu, vector);
    return OP_FAULT;
}
static inline int raise_error(struct cpu *cpu, unsigned vector, uint32_t error_code)
{
    exception_note_error(cpu, vector, error_code);
    return OP_FAULT;
}
static inline int raise_ud(struct cpu *cpu)
{
    return raise_exception(cpu, EXC_UD);
}
static inline int raise_gp(struct cpu *cpu, uint32_t error_code)
{
    return raise_error(cpu, EXC_GP, error_code);
}
/* Delivers cpu->exc with r[R_RIP] as the saved RIP; escalates to #DF. False: triple fault. */
bool exception_deliver(struct cpu *cpu);
enum int_kind { INT_EXTERNAL, INT_SOFTWARE, INT3_INTO, INT1, INT_EXCEPTION };
/* One delivery through IVT or IDT (SDM vol. 3A 6.12, 6.14). Saves r[R_RIP]. Returns OP_LEAVE, or
 * OP_FAULT with cpu->exc set and state unchanged. */
int interrupt_deliver(struct cpu *cpu, unsigned vector, enum int_kind kind, bool has_error,
                      uint32_t error);
/* Takes a pending NMI, SMI, INIT or external interrupt if it may be taken now. False: triple fault
 * (while delivering). */
bool cpu_take_interrupts(struct cpu *cpu);
/* An interrupt is pending and deliverable (IF, shadow, priority considered). */
bool cpu_interrupt_ready(const struct cpu *cpu);
/* A maskable interrupt is there, whatever EFLAGS.IF says. */
bool cpu_interrupt_waits(const struct cpu *cpu);
/* Its vector, acknowledged; -1 if it went away. Takes the machine lock. */
int cpu_acknowledge(struct cpu *cpu);
/* The same for the PIC's alone: whether its interrupt may come in is known already. */
int cpu_acknowledge_extint(struct cpu *cpu);

/* ---- engine ---- */
enum vcpu_exit interp_run(struct vcpu *v, uint64_t budget);
/* cpu->run_blocks of the interpreter. */
enum vcpu_exit interp_blocks(struct cpu *cpu);
/* After blocks, the last of which returned r, if r is more than OP_BRANCH, the budget is used up or
 * an exit is requested: delivers exceptions, takes interrupts, runs instructions that must run
 * alone. True: blocks may run again, from RIP; the mode may have changed. False: the run ends, *why
 * says why. */
bool interp_go_on(struct cpu *cpu, int r, enum vcpu_exit *why);
/* Runs one block, as far as the budget goes. enum op_result. */
int interp_block(struct cpu *cpu, const struct block *b);
/* The same for its first n instructions; the budget lasts for them. */
int interp_block_part(struct cpu *cpu, const struct block *b, unsigned n);
bool block_cache_init(struct cpu *cpu);
void block_cache_free(struct cpu *cpu);
void block_cache_flush(struct cpu *cpu);
/* Discards the blocks with instructions at places in the page (a bit each) that changed; in any
 * page. */
void block_cache_remark(struct cpu *cpu, const uint64_t changed[64]);
/* Bytes at an arena offset were stored to: retires the blocks made from them. */
void block_cache_code_written(struct cpu *cpu, uint64_t arena_offset, uint64_t len);
/* Executes one instruction without delivering what it raises: 0, or 1 with *fault filled and the
 * state as before the instruction (completed REP iterations apart), or behind it if it is the trap
 * of a single step. For oracles and debuggers. */
int interp_step(struct cpu *cpu, struct pending_exception *fault);

/* Makes the budget exact; before anything that can see the instruction count (device accesses). */
static inline void cpu_settle(struct cpu *cpu)
{
    cpu->v.budget -= cpu->insn - cpu->settled;
    cpu->settled = cpu->insn;
}
/* Ends the block after the running instruction. */
static inline void cpu_leave_block(struct cpu *cpu)
{
    cpu->run_end = cpu->insn + 1;
}
/* Instructions that may still be retired, the running one included. */
static inline int64_t cpu_budget_left(const struct cpu *cpu)
{
    return cpu->v.budget - (cpu->insn - cpu->settled);
}
/* After a device access: leaves the block if it changed what is due next. */
static inline void cpu_after_device(struct cpu *cpu)
{
    if (atomic_load_explicit(&cpu->v.exit_req, memory_order_relaxed))
        cpu_leave_block(cpu);
}
/* Gives the CPU fetch keys that no CPU of the machine had before, and takes back all passes to
 * pages of code; those to pages that are not global; that to a page. */
void fetch_key_renew(struct cpu *cpu);
void fetch_key_renew_nonglobal(struct cpu *cpu);
void fetch_key_renew_page(struct cpu *cpu, uint64_t lin);
/* Drops all cached fetch translations. */
static inline void itlb_flush(struct cpu *cpu)
{
    fetch_key_renew(cpu);
    for (unsigned n = 0; n < ITLB_SIZE; n++)
        cpu->itlb[n].page = ~0ull;
}

/* Text of all registers, as `info registers` and -d cpu_reset print it. */
void cpu_print_registers(const struct cpu *cpu, void (*line)(void *opaque, const char *text),
                         void *opaque);

#endif
