/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TRANSLATOR_INTERNAL_H
#define CALQUE_TRANSLATOR_INTERNAL_H

#include <stdio.h>

#include "cpu/x86/block.h"
#include "cpu/x86/cpu.h"
#include "translator/translator.h"

/* The rooms of the translator:
 *   cache.c      memory for host code: two mappings of the same pages
 *   engine.c     runs translated and interpreted blocks; retires and finds them; modes, passes
 *   tblocks.c    the translations there are, links between them, eviction
 *   lockstep.c   runs blocks in both engines and compares
 *   describe.c   shows translations to people and to perf
 *   quick.c, quick_system.c
 *                TLB misses, SYSCALL and SYSRET that leave vector registers alone
 *   runtime.c    the C that translated code calls: misses, handlers, links, returns
 *   x86_64/      the emitter for x86-64 hosts: thunks, and a file per kind of instruction
 *   none/        hosts without an emitter: the public functions, which say so */

/* ---- memory for code (cache.c) ---- */
struct code_cache {
    uint8_t *rw, *rx; /* the same bytes: where they are written, where they run */
    /* For what belongs to the code and is not code, of the same size: at an offset either this is
     * used or the others are, so that together they stay about `size`. The first touch of a private
     * page costs half of a shared one's, which is that of translating 40 instructions. */
    uint8_t *side;
    uint64_t size;
    uint64_t used, end; /* where the next code goes, and where its segment ends */
};
bool code_cache_init(struct code_cache *c, uint64_t size, struct error *err);
void code_cache_destroy(struct code_cache *c);

static inline const uint8_t *to_rx(const struct code_cache *c, const uint8_t *rw)
{
    return c->rx + (rw - c->rw);
}
static inline uint8_t *to_rw(const struct code_cache *c, const uint8_t *rx)
{
    return c->rw + (rx - c->rx);
}

/* ---- translated blocks ---- */

/* A jump of a translation's that leads straight to another. */
struct tblock_link {
    uint32_t site;       /* offset in the cache of its struct exit_site; 0: not linked */
    uint32_t to;         /* translation */
    uint32_t next, prev; /* others that lead there: translation * TBLOCK_LINKS + number */
};
#define TBLOCK_LINKS (BLOCK_JOIN_MAX + 1u) /* no block has more exits */
#define NO_LINK      UINT32_MAX

/* A translation of a decoded block for one linear address and one mode. Its memory is used again
 * when its segment of the cache is; retired, its entries lead to the dispatcher until then. */
struct tblock {
    struct block *block; /* valid while not retired, or if owned */
    struct tblock *next; /* other translations of the same block */
    uint64_t rip;        /* of the first instruction */
    uint32_t mode;       /* number of the mode */
    uint16_t ninsn;
    bool retired;
    bool owns_block; /* it is in the segment of this translation */
    uint8_t nswaps;
    struct tblock_link links[TBLOCK_LINKS];
    uint32_t linked_from; /* the first link that leads here */
    /* Host code, where it runs. checked: any entry from outside the page; head: from inside. dead:
     * where both lead once retired. */
    const uint8_t *checked, *head, *dead;
    uint32_t code_size;   /* bytes from checked on, stubs included */
    uint64_t entry[2];    /* the words that hold checked and head, while suspended */
    uint32_t pass;        /* the page pass that checked asks for, */
    uint16_t pass_index;  /* and where */
    uint16_t pass2_index; /* of the second page, if there is one: both entries ask for it */
    uint32_t pass2;       /* 0: there is none */
    /* Guest registers that have no place of their own took those of others (host side numbering
     * is the emitter's; these are guest registers). */
    struct {
        uint8_t guest, taken;
    } swap[4];
};

/* What an emitter leaves in the code after a call to a thunk. C comes back right after it; after a
 * miss that means to try again, and further on is the way past the instruction. */
struct site {
    uint32_t tblock;  /* index */
    uint8_t insn;     /* number in the block */
    uint8_t producer; /* instruction whose flags are the guest's now, or NO_PRODUCER: the image */
    uint8_t size;     /* of the access */
    uint8_t align;    /* linear address bits that must be 0, or the instruction raises #GP */
};
#define NO_PRODUCER       0xff
#define SITE_BEFORE_STORE 5 /* between a store's call and its site: a jump to the access */
#define SITE_LOADED       5 /* only after loads: TEMP is where the bytes are */
#define SITE_DONE_LOAD    10
#define SITE_DONE_STORE   5

/* After a call for an exit. */
struct exit_site {
    uint64_t target; /* RIP */
    int32_t jump;    /* from here to the displacement to patch; 0: none */
    uint32_t tblock; /* the block that is left; EXIT_RETURNS: after a call, during which its page
                      * may have become another one */
} __attribute__((packed));
#define EXIT_RETURNS    (1u << 31)
#define THUNK_CALL_SIZE 5 /* of the call in front of a site */

/* ---- modes ---- */
enum {
    MODE_CODE = 3, /* enum code_mode */
    MODE_CPL3 = 1 << 2,
    MODE_CLASS_SHIFT = 3,  /* 2 bits: enum tlb_class */
    MODE_FLAT_SHIFT = 5,   /* 6 bits: segments that need no check */
    MODE_BASE_SHIFT = 11,  /* 6 bits: segments whose base counts and is not 0 */
    MODE_STACK_SHIFT = 17, /* 2 bits: log2 of the stack width */
    MODE_SSE = 1 << 19,    /* SSE instructions run without #UD, #NM, #XM */
    MODE_AVX = 1 << 20,    /* VEX-encoded ones do */
    MODE_X87 = 1 << 21,    /* x87 and MMX instructions run without #UD, #NM, #MF */
    MODE_FPU = MODE_SSE | MODE_AVX | MODE_X87,
    MODE_VALID = 1 << 22,
};
#define MAX_MODES 4096

struct page_pass {
    uint64_t linear; /* page address | (CPL == 3) */
    uint64_t arena;
};

/* A part of the code cache, and of the table of translations. */
struct segment_of_code {
    uint64_t start, used;      /* offsets in the cache: of code, */
    uint64_t blocks_from, end; /* and of the decoded blocks */
    uint32_t ntblocks;
    uint64_t evictions;
};
#define CODE_SEGMENTS 16u
static inline uint64_t segment_used(const struct segment_of_code *s)
{
    return s->used - s->start + (s->end - s->blocks_from);
}

/* Thunks: what translated code calls. The first is jumped to. */
enum {
    THUNK_LEAVE, /* back to C, state in struct cpu already */
    THUNK_MISS_LOAD,
    THUNK_MISS_STORE,
    THUNK_HANDLER,
    THUNK_ASK,      /* a debugger, before a marked instruction */
    THUNK_EXIT,     /* an exit that is not linked */
    THUNK_OUT,      /* the budget does not last for the block */
    THUNK_REFETCH,  /* the page pass failed */
    THUNK_INDIRECT, /* the jump cache does not know t0 */
    THUNK_RETURN,   /* the frame on top is not the right one */
    THUNK_DEAD,     /* a retired block was entered */
    THUNK_SYSCALL,  /* at the end of a block, all of it unswapped and saved */
    THUNK_SYSRET,
    THUNK_TIME_STAMP,
    THUNK_STRING,   /* REP MOVS and REP STOS of 64-bit code */
    THUNK_LOAD_SSE, /* state of the FPU into host registers: these come back */
    THUNK_LOAD_X87,
    THUNK_SAVE_FPU, /* called by other thunks, around C */
    THUNK_RELOAD_FPU,
    NUM_THUNKS
};

#define STACK_SLOT_SIZES 6 /* accesses of 1, 2, ... 32 bytes */

#define WAITING_MAX 16u

/* Counts the TLB misses of an instruction; those that miss often keep their place in the table. */
struct missing {
    uint32_t tblock, n;
    uint8_t insn;
};
#define MISSING_PLACES 1024u

struct translator {
    struct machine *m;
    struct translator_config config;
    struct code_cache cache;
    struct segment_of_code segments[CODE_SEGMENTS];
    unsigned filling;       /* segment */
    struct tblock *tblocks; /* segment_tblocks for each segment */
    uint32_t segment_tblocks, max_tblocks;
    bool notes; /* translations note that they are entered, for cpu->history */
    bool told;  /* of a block that cannot be translated */
    uint32_t modes[MAX_MODES];
    unsigned nmodes;
    struct page_pass *passes; /* by number */
    uint32_t npasses, max_passes, *pass_hash;
    uint32_t last_pass; /* 0: none */
    /* Hot blocks, to be translated together: the emitter is in the caches then, which running the
     * guest has filled with other things between. */
    struct {
        struct block *block;
        uint64_t rip;
        uint32_t mode; /* number */
    } waiting[WAITING_MAX];
    unsigned nwaiting;
    struct missing missing[MISSING_PLACES];
    struct translator_stats stats;
    uint64_t calls[NUM_OPERATIONS]; /* of semantic functions */
    struct cpu *cpus;               /* linked by jit.next */
    FILE *perf_map;                 /* NULL: none */
    bool host_has[NUM_FEATURES];    /* what the host's processor executes */
    /* Entry points in the cache. */
    const uint8_t *thunk[NUM_THUNKS];
    const uint8_t *stack_slot_miss[2 * NUM_TLB_CLASSES][STACK_SLOT_SIZES];
    unsigned (*enter)(struct cpu *cpu, const void *code);
};

static inline void count_miss(struct translator *tr, const struct site *s)
{
    struct missing *m = &tr->missing[(s->tblock * 31 + s->insn) % MISSING_PLACES];

    tr->stats.misses++;
    if (m->tblock == s->tblock && m->insn == s->insn) {
        m->n++;
    } else if (m->n > 1) {
        m->n--;
    } else {
        m->tblock = s->tblock;
        m->insn = s->insn;
        m->n = 1;
    }
}

/* ---- state of the FPU in host registers (x86_64/fpu.c) ---- */

/* Guest XMM/YMM0-15 and MXCSR; x87 or MMX registers, FCW, FSW, FTW. */
enum { FPU_SSE = 1, FPU_X87 = 2 };
/* jit.x87_insn: instruction `insn` of a translation. */
#define X87_INSN(tblock, insn) (1u << 31 | (uint32_t)(tblock) << 6 | (insn))

void fpu_init(struct cpu *cpu);
/* C runs with x87 registers left in the host as long as it does not look at them (it never uses
 * the x87 itself): this brings them to struct cpu. Before anything that may, before leaving, and
 * before blocks may go, which x87_insn may name. */
void fpu_take_x87(struct cpu *cpu);

/* ---- emitter (x86_64/) ---- */

/* By features as CPUID names them; those with YMM registers only if the host's kernel keeps these.
 */
void find_host_features(bool has[NUM_FEATURES]);
/* Its time stamp counter. */
uint64_t host_cycles(void);
/* Writes the thunks to the start of the cache. */
bool emit_thunks(struct translator *tr);
/* Translates. False: no room (flush and try again), or nothing to translate. */
bool emit_block(struct translator *tr, struct cpu *cpu, struct tblock *t);
/* Makes both entries of a block lead to its dead end, and undoes that. */
void emit_suspend(struct translator *tr, struct tblock *t);
void emit_resume(struct translator *tr, struct tblock *t);
/* Points the jump or call whose displacement is at `at` to `target` (both where they run). */
void emit_link(struct translator *tr, const uint8_t *at, const uint8_t *target);
/* The C that thunks call: where to go on. */
typedef const uint8_t *runtime_fn(struct cpu *cpu);
runtime_fn fpu_load_x87;
extern runtime_fn *const runtime_functions[NUM_THUNKS];
/* Tried first by the misses: see quick.c. NULL: no. Where to go on otherwise, with TEMP = jit.t0.
 */
runtime_fn quick_miss_load, quick_miss_store;
/* The same for the thunks of that name: quick_system.c. */
runtime_fn quick_syscall, quick_sysret, quick_time_stamp, quick_string;

/* EFLAGS' arithmetic bits of jit.flags, and the reverse. */
#define LAHF_FLAGS 0xd5u /* SF ZF AF PF CF */
static inline uint32_t jit_arith_flags(uint32_t f)
{
    return (f >> 8 & LAHF_FLAGS) | (f & 1 ? EFLAGS_OF : 0);
}
static inline uint32_t jit_flags_of(uint32_t eflags)
{
    return (eflags & LAHF_FLAGS) << 8 | 0x200 | (eflags & EFLAGS_OF ? 1 : 0);
}

/* ---- tblocks.c ---- */

/* Cuts the room that the thunks leave into segments. False: no memory. */
bool tblocks_init(struct translator *tr);
/* Room for one more in the segment that is being filled; NULL: none. tblock_keep(), once its code
 * is there, makes it one of its block's, and moves the block if this is the first. False: there is
 * no room for that. */
struct tblock *tblock_next(struct translator *tr);
bool tblock_keep(struct translator *tr, struct cpu *cpu, struct tblock *t);
/* Links the exit of translation `from` at `site` to an entry of another. */
void tblock_link(struct translator *tr, uint32_t from, const uint8_t *site, struct tblock *to,
                 const uint8_t *entry);
/* The block's code has changed or is forgotten: its translations (whose entries are closed) end. */
void tblocks_retire(struct translator *tr, struct block *b);
/* The next segment is emptied and filled. No translated code runs, and none is gone back to. */
void segment_advance(struct translator *tr);
bool segment_is_empty(const struct translator *tr);
/* All are. */
void tblocks_flush(struct translator *tr);

/* ---- engine.c ---- */

/* The translation for RIP now, if there is one. */
struct tblock *tblock_now(struct cpu *cpu, struct block *b);
/* Goes on in C after what returned r (enum op_result), until there is translated code to run at
 * RIP. NULL: the run ends, jit.why says why. Flags are in the interpreter's form. */
const struct tblock *jit_go_on(struct cpu *cpu, int r);
/* Where to enter a block from C. */
const uint8_t *jit_enter_at(struct cpu *cpu, const struct tblock *t);
/* The number of the pass for a fetch of the page at `linear`, which is at arena. */
uint32_t page_pass_number(struct translator *tr, uint64_t linear, uint64_t arena);
static inline unsigned jump_cache_index(uint64_t pc)
{
    return pc & ((1u << JUMP_CACHE_BITS) - 1);
}
/* Drops all frames of the return stack. */
void jit_stack_reset(struct cpu *cpu);
uint32_t jit_mode_key(const struct cpu *cpu);
/* Its number, valid until the next flush. */
uint32_t jit_mode_number(struct translator *tr, uint32_t key);
/* Makes jit.mode and what goes with it right, before translated code is looked for. */
void jit_update_mode(struct cpu *cpu);
/* Its MODE_FPU bits. */
uint32_t jit_fpu_mode(const struct cpu *cpu);
/* Lockstep: runs t alone. enum op_result. */
int run_translated(struct cpu *cpu, const struct tblock *t);

/* The CPU's history hears of the translations that were entered: before anything else is noted,
 * and before they may go. */
void jit_tell_history(struct cpu *cpu);

/* ---- lockstep.c ---- */

/* How a translated block was run. */
enum lockstep_run {
    LOCKSTEP_COMPARED,
    LOCKSTEP_CHANCE,
    LOCKSTEP_SYSTEM,
    LOCKSTEP_CODE,
    LOCKSTEP_CUT,
    LOCKSTEP_FULL,
    NUM_LOCKSTEP_RUNS
};
/* False: no memory. */
bool lockstep_attach(struct cpu *cpu);
void lockstep_detach(struct cpu *cpu);
/* Runs t in both engines. enum op_result; after a difference the machine is asked to end. */
int lockstep_run(struct cpu *cpu, const struct tblock *t);
void lockstep_report(const struct cpu *cpu, void (*line)(void *opaque, const char *text),
                     void *opaque);

/* ---- describe.c ---- */

/* The block's instructions and its host code, disassembled. */
void describe_block(const struct translator *tr, const struct tblock *t, FILE *out);
/* /tmp/perf-PID.map, where perf(1) looks for names of code without a file. NULL: errno. */
FILE *perf_map_open(void);
void perf_map_add(FILE *map, const struct tblock *t);

#endif
