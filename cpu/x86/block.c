/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cache of decoded blocks: one for all CPUs of a machine that take turns, one for each of those
 * that run at the same time. In another CPU's nothing is changed but in exclusive sections.
 *
 * Blocks live in a pool of segments that are filled and evicted in FIFO order. A hash finds
 * them; a list per page finds those to retire when the page is written. Before bytes
 * are decoded their granules are marked in the arena, which withdraws store permission, so that
 * every later store to them reports here (block_cache_code_written). A block whose bytes may have
 * changed is suspended: looked for again, it is compared with memory, and decodes what differs. A
 * discarded block's memory stays readable until its segment is reused, which happens only while
 * none is running. */
#include "cpu/x86/block.h"

#include <stdlib.h>

#include "cpu/x86/disas.h"
#include "cpu/x86/ops.h"

#define HASH_BITS    17
#define NUM_SEGMENTS 16
#define SEGMENT_SIZE (3u << 18)

struct block_cache {
    struct cpu *users; /* linked by next_user */
    uint64_t keys;     /* the last fetch key given out */
    uint64_t evictions;
    struct block_listener listener;
    struct block *hash[1u << HASH_BITS];
    struct block **page_list; /* per arena page */
    uint8_t *pool;
    uint32_t used[NUM_SEGMENTS];
    unsigned filling;
};

static inline size_t hash_of(uint64_t arena, uint32_t mode)
{
    return (arena + mode) * 0x9e3779b97f4a7c15ull >> (64 - HASH_BITS);
}

/* With the copy of its code. */
static size_t block_size(unsigned ninsn, unsigned nbytes)
{
    return (sizeof(struct block) + ninsn * sizeof(struct insn) + nbytes + 7) & ~(size_t)7;
}

static uint8_t *decoded_bytes(struct block *b)
{
    return (uint8_t *)&b->insns[b->ninsn];
}

const uint8_t *block_bytes(const struct block *b)
{
    return (const uint8_t *)&b->insns[b->ninsn];
}

static void cache_destroy(struct block_cache *c)
{
    free(c->page_list);
    free(c->pool);
    free(c);
}

static struct block_cache *cache_create(const struct machine *m)
{
    struct block_cache *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->page_list = calloc(m->arena.capacity / VM_PAGE_SIZE + 1, sizeof(*c->page_list));
    c->pool = malloc((size_t)NUM_SEGMENTS * SEGMENT_SIZE);
    if (c->page_list && c->pool)
        return c;
    cache_destroy(c);
    return NULL;
}

bool block_cache_init(struct cpu *cpu)
{
    struct machine *m = cpu->v.m;
    bool share = m->ncpus && !m->run.threads;
    struct block_cache *c = share ? cpu_of(m->cpus[0])->blocks : cache_create(m);
    cpu->scratch = malloc(block_size(1, 0));
    cpu->blocks = c;
    if (!c)
        return false;
    cpu->next_user = c->users;
    c->users = cpu;
    fetch_key_renew(cpu);
    return cpu->scratch;
}

void block_cache_free(struct cpu *cpu)
{
    struct block_cache *c = cpu->blocks;
    free(cpu->scratch);
    if (!c)
        return;
    struct cpu **link = &c->users;
    while (*link != cpu)
        link = &(*link)->next_user;
    *link = cpu->next_user;
    if (!c->users)
        cache_destroy(c);
    cpu->blocks = NULL;
}

void block_cache_listen(struct cpu *cpu, const struct block_listener *l)
{
    cpu->blocks->listener = l ? *l : (struct block_listener){0};
}

size_t block_cache_memory(const struct cpu *cpu)
{
    return sizeof(*cpu->blocks) + (size_t)NUM_SEGMENTS * SEGMENT_SIZE;
}

static void tell(const struct block_cache *c, struct block *b, enum block_event e)
{
    if (c->listener.fn)
        c->listener.fn(c->listener.opaque, b, e);
}

/* Takes back what translated code may fetch. */
static void drop_page_passes(struct jit_state *j, struct page_log *log)
{
    if (log->n > ARRAY_SIZE(log->word))
        memset(j->code_page, 0, sizeof(j->code_page));
    else
        for (unsigned n = 0; n < log->n; n++)
            j->code_page[log->word[n]] = 0;
    log->n = 0;
}

static void new_keys(struct cpu *cpu)
{
    cpu->blocks->keys += 2;
    cpu->fetch_keys[0] = cpu->blocks->keys;
    cpu->fetch_keys[1] = cpu->blocks->keys + 1;
}

void fetch_key_renew_nonglobal(struct cpu *cpu)
{
    drop_page_passes(&cpu->jit, &cpu->jit.pages);
    new_keys(cpu);
}

void fetch_key_renew(struct cpu *cpu)
{
    drop_page_passes(&cpu->jit, &cpu->jit.pages_global);
    fetch_key_renew_nonglobal(cpu);
}

void fetch_key_renew_page(struct cpu *cpu, uint64_t lin)
{
    cpu->jit.code_page[code_page_index(lin)] = 0;
    new_keys(cpu);
}

/* Memory of blocks is used again: no block's successors are known any more. */
static void forget_successors(struct block_cache *c)
{
    c->evictions++;
    for (struct cpu *user = c->users; user; user = user->next_user)
        new_keys(user);
}

static void link_in_hash(struct block_cache *c, struct block *b)
{
    struct block **h = &c->hash[hash_of(b->arena, b->mode)];
    b->next_in_hash = *h;
    *h = b;
}

static void link_in_page(struct block_cache *c, struct block *b)
{
    struct block **page = &c->page_list[b->arena >> VM_PAGE_SHIFT];
    b->next_in_page = *page;
    b->link_in_page = page;
    if (b->next_in_page)
        b->next_in_page->link_in_page = &b->next_in_page;
    *page = b;
}

/* Decoded code of the page is kept nowhere. Others may be decoding some while they run. */
static void clear_code_if_gone(struct cpu *cpu, uint64_t page)
{
    struct machine *m = cpu->v.m;
    if (cpu->blocks->page_list[page] || !machine_is_exclusive(m))
        return;
    for (unsigned n = 0; n < m->ncpus && m->run.threads; n++)
        if (cpu_of(m->cpus[n])->blocks->page_list[page])
            return;
    arena_clear_code(&m->arena, page << VM_PAGE_SHIFT);
}

static void unlink_from_page(struct cpu *cpu, struct block *b)
{
    uint64_t page = b->arena >> VM_PAGE_SHIFT;
    *b->link_in_page = b->next_in_page;
    if (b->next_in_page)
        b->next_in_page->link_in_page = b->link_in_page;
    b->link_in_page = NULL;
    clear_code_if_gone(cpu, page);
}

/* From now on stores to its bytes do not report. */
static void suspend(struct cpu *cpu, struct block *b)
{
    if (!b->link_in_page)
        return;
    tell(cpu->blocks, b, BLOCK_SUSPENDED);
    unlink_from_page(cpu, b);
    if (b->tail)
        unlink_from_page(cpu, b->tail);
}

/* Takes a block out of hash and page list; its memory stays. */
static void discard(struct cpu *cpu, struct block *b)
{
    struct block_cache *c = cpu->blocks;
    if (b->discarded)
        return;
    suspend(cpu, b);
    tell(c, b, BLOCK_GONE);
    struct block **h = &c->hash[hash_of(b->arena, b->mode)];
    while (*h != b)
        h = &(*h)->next_in_hash;
    *h = b->next_in_hash;
    b->discarded = true;
}

size_t block_footprint(const struct block *b)
{
    return block_size(b->ninsn, b->nbytes) + (b->tail ? block_size(0, b->tail->nbytes) : 0);
}

/* In the list of its page `to` takes the place of b. */
static void take_place(struct block *b, struct block *to)
{
    to->link_in_page = b->link_in_page;
    to->next_in_page = b->next_in_page;
    *to->link_in_page = to;
    if (to->next_in_page)
        to->next_in_page->link_in_page = &to->next_in_page;
    b->link_in_page = NULL;
}

struct block *block_move(struct cpu *cpu, struct block *b, void *to)
{
    struct block *moved = to;
    struct block **h = &cpu->blocks->hash[hash_of(b->arena, b->mode)];
    memcpy(moved, b, block_footprint(b));
    while (*h != b)
        h = &(*h)->next_in_hash;
    *h = moved;
    take_place(b, moved);
    if (b->tail) { /* right behind it */
        moved->tail = (struct block *)((uint8_t *)to + ((uint8_t *)b->tail - (uint8_t *)b));
        moved->tail->whole = moved;
        take_place(b->tail, moved->tail);
    }
    b->discarded = true;
    return moved;
}

void block_forget(struct cpu *cpu, struct block *b)
{
    discard(cpu, b);
    forget_successors(cpu->blocks);
}

/* Forgets the blocks of the segment that is about to be filled again, and all links to them. */
static void evict_segment(struct cpu *cpu, unsigned segment)
{
    struct block_cache *c = cpu->blocks;
    forget_successors(c);
    uint8_t *base = c->pool + (size_t)segment * SEGMENT_SIZE;
    for (uint32_t at = 0; at < c->used[segment];) {
        struct block *b = (struct block *)(base + at);
        if (!b->whole)
            discard(cpu, b);
        at += (uint32_t)block_size(b->ninsn, b->nbytes);
    }
    c->used[segment] = 0;
}

void block_cache_flush(struct cpu *cpu)
{
    struct block_cache *c = cpu->blocks;
    for (unsigned n = 0; n < ARRAY_SIZE(c->hash); n++) /* those that were moved, too */
        while (c->hash[n])
            discard(cpu, c->hash[n]);
    for (unsigned s = 0; s < NUM_SEGMENTS; s++)
        evict_segment(cpu, s);
}

static bool has_instruction_at(const struct block *b, const uint64_t places[64])
{
    for (unsigned n = 0; n < b->ninsn; n++) {
        uint64_t at = b->arena + b->insns[n].off;
        if (places[at / 64 % 64] >> at % 64 & 1)
            return true;
    }
    return false;
}

void block_cache_remark(struct cpu *cpu, const uint64_t changed[64])
{
    struct block_cache *c = cpu->blocks;
    for (unsigned n = 0; n < ARRAY_SIZE(c->hash); n++) {
        struct block *next;
        for (struct block *b = c->hash[n]; b; b = next) {
            next = b->next_in_hash;
            if (has_instruction_at(b, changed))
                discard(cpu, b);
        }
    }
}

static struct block *pool_alloc(struct cpu *cpu, size_t size)
{
    struct block_cache *c = cpu->blocks;
    if (c->used[c->filling] + size > SEGMENT_SIZE) {
        c->filling = (c->filling + 1) % NUM_SEGMENTS;
        evict_segment(cpu, c->filling);
    }
    struct block *b =
        (struct block *)(c->pool + (size_t)c->filling * SEGMENT_SIZE + c->used[c->filling]);
    c->used[c->filling] += (uint32_t)size;
    return b;
}

static void leave_if_running(struct cpu *cpu, const struct block *b)
{
    if (cpu->insn && cpu->settled >= b->insns && cpu->settled <= b->insns + b->ninsn)
        cpu_leave_block(cpu);
}

void block_cache_code_written(struct cpu *cpu, uint64_t arena_offset, uint64_t len)
{
    struct block_cache *c = cpu->blocks;
    uint64_t first = arena_offset >> VM_PAGE_SHIFT;
    uint64_t last = (arena_offset + len - 1) >> VM_PAGE_SHIFT;
    for (uint64_t page = first; page <= last; page++) {
        struct block *next;
        for (struct block *b = c->page_list[page]; b; b = next) {
            next = b->next_in_page;
            if (b->arena >= arena_offset + len || b->arena + b->nbytes <= arena_offset)
                continue;
            b = b->whole ? b->whole : b;
            if (len >= VM_PAGE_SIZE) /* something else is there now */
                discard(cpu, b);
            else
                suspend(cpu, b);
            for (struct cpu *user = c->users; user; user = user->next_user)
                leave_if_running(user, b);
        }
        if (cpu->v.m->run.threads) /* it may have gone before, when others ran */
            clear_code_if_gone(cpu, page);
    }
}

/* What decoding says becomes an instruction that says it when executed. */
static void replace(struct insn *i, unsigned op)
{
    i->op = (uint16_t)op;
    i->flags |= INSN_ENDS;
}

/* A CPU without BMI1 or LZCNT ignores the F3 of TZCNT and LZCNT and runs BSF and BSR; kernels rely
 * on it (SDM vol. 2B, TZCNT). */
static void older_meaning(const struct cpu *cpu, struct insn *i)
{
    const struct operation_info *op = op_operation(i->op);
    if (op == &operations[OPN_tzcnt] && !model_has(&cpu->model, F_bmi1))
        i->op = (uint16_t)(i->op - op->first_op + operations[OPN_bsf].first_op);
    if (op == &operations[OPN_lzcnt] && !model_has(&cpu->model, F_abm))
        i->op = (uint16_t)(i->op - op->first_op + operations[OPN_bsr].first_op);
}

static bool has_what_it_needs(const struct cpu *cpu, const struct insn *i)
{
    const struct operation_info *op = op_operation(i->op);
    if (!model_executes(&cpu->model, op))
        return false;
    return !(op->props & P_INT256 && i->flags & INSN_L256) || model_has(&cpu->model, F_avx2);
}

/* Turns a pure decoding into what this CPU executes: features it lacks raise #UD, and addresses
 * that need no segmentation are marked. */
static void adapt(struct cpu *cpu, struct insn *i, enum decode_result result)
{
    if (result == DECODE_OK)
        older_meaning(cpu, i);
    if (result == DECODE_INVALID)
        replace(i, OP_unimplemented_x);
    else if (result == DECODE_TOO_LONG)
        replace(i, OP_too_long_x);
    else if (!has_what_it_needs(cpu, i))
        replace(i, OP_unimplemented_x);
    if (cpu->code_mode == CODE64 && insn_asize(i) == 8 && i->seg != SEG_FS && i->seg != SEG_GS)
        i->flags |= INSN_FLAT;
    i->fl_live = FL_ARITH;
}

/* A debugger wants to be asked before it runs: see probe.h. `at`: an address of it, whichever. */
static bool is_marked(const struct cpu *cpu, uint64_t at)
{
    return unlikely(cpu->probes) && probes_mark(cpu->probes, at);
}

static bool has_marked(const struct insn *list, unsigned n)
{
    unsigned any = 0;
    for (unsigned k = 0; k < n; k++)
        any |= list[k].probed;
    return any;
}

/* RIP-relative operands become relative to the block's start. False: the sum does not fit (then
 * the instruction must start its own block, or is refused). */
static bool fold_rip(struct insn *i)
{
    if (!(i->flags & INSN_MEM) || i->base != R_RIP)
        return true;
    return !__builtin_add_overflow(i->disp, (int32_t)(i->off + i->len), &i->disp);
}

static void log_block(struct cpu *cpu, const struct block *b, const uint8_t *bytes)
{
    if (log_on(&cpu->v.m->log, LOG_IN_ASM))
        disas_log(&cpu->v.m->log, LOG_IN_ASM, cpu->r[R_RIP], bytes, b->nbytes, cpu->code_mode);
}

/* How many of n bytes at RIP lie within CS's limit, which counts before the pages do. */
static unsigned within_limit(const struct cpu *cpu, unsigned n)
{
    uint64_t rip = cpu->r[R_RIP], limit = cpu->seg[SEG_CS].limit;
    if (cpu->code_mode == CODE64 || rip + n - 1 <= limit)
        return n;
    return rip > limit ? 0 : (unsigned)(limit - rip + 1);
}

/* One instruction that crosses the page end, or comes from a device: decoded each time. */
static struct block *make_scratch(struct cpu *cpu, uint64_t lin)
{
    uint8_t bytes[15];
    unsigned got = 0;
    struct block *b = cpu->scratch;
    struct insn *i = b->insns;
    unsigned len = within_limit(cpu, sizeof(bytes));
    if (!len || mem_fetch_bytes(cpu, lin, bytes, len, &got)) {
        if (!len)
            raise_gp(cpu, 0);
        return NULL;
    }
    enum decode_result result = decode(bytes, got, (enum code_mode)cpu->code_mode, i);
    if (result == DECODE_MORE && got == len && len < sizeof(bytes)) {
        raise_gp(cpu, 0);
        return NULL;
    }
    if (result == DECODE_MORE) {
        /* the rest is on a page that cannot be fetched: raise what fetching it raises */
        if (mem_fetch_bytes(cpu, lin + got, bytes, 1, &got) == 0)
            raise_gp(cpu, 0);
        return NULL;
    }
    i->off = 0;
    adapt(cpu, i, result);
    if (!fold_rip(i))
        replace(i, OP_unimplemented_x);
    i->probed = is_marked(cpu, lin);
    *b = (struct block){.arena = ARENA_NONE,
                        .mode = cpu->code_mode,
                        .ninsn = 1,
                        .nbytes = i->len,
                        .marked = i->probed};
    log_block(cpu, b, bytes);
    return b;
}

/* The bytes of an instruction on two pages. */
static void mark_both(struct arena *a, uint64_t at, unsigned len, uint64_t second, unsigned rest)
{
    do
        arena_mark_code(a, at, len);
    while (arena_mark_code(a, second, rest));
}

/* Decodes a block from memory. changes: of the one that was there. NULL: not even the first
 * instruction lies within the page. */
static struct block *make_block(struct cpu *cpu, uint64_t arena, unsigned changes)
{
    struct arena *a = &cpu->v.m->arena;
    struct insn list[BLOCK_MAX];
    uint8_t bytes[BLOCK_MAX * 15];
    unsigned n = 0, at = 0, room = VM_PAGE_SIZE - (unsigned)(arena & (VM_PAGE_SIZE - 1));
    bool ended = false;
    while (n < BLOCK_MAX && at < room && !ended) {
        struct insn *i = &list[n];
        unsigned len = room - at < 15 ? room - at : 15;
        if (arena_mark_code(a, arena + at, len) && n) {
            n = at = 0;
            continue;
        }
        memcpy(bytes + at, a->host + arena + at, len);
        enum decode_result result = decode(bytes + at, len, (enum code_mode)cpu->code_mode, i);
        if (result == DECODE_MORE)
            break;
        i->off = (uint16_t)at;
        adapt(cpu, i, result);
        if (!fold_rip(i)) {
            if (n > 0)
                break;
            replace(i, OP_unimplemented_x);
        }
        i->probed = is_marked(cpu, arena + at);
        n++;
        at += i->len;
        ended = i->flags & INSN_ENDS;
    }
    if (n == 0)
        return NULL;
    struct block *b = pool_alloc(cpu, block_size(n, at));
    *b = (struct block){.arena = arena,
                        .mode = cpu->code_mode,
                        .ninsn = (uint16_t)n,
                        .nbytes = (uint16_t)at,
                        .marked = has_marked(list, n),
                        .changes = (uint8_t)changes};
    memcpy(b->insns, list, n * sizeof(*list));
    memcpy(decoded_bytes(b), bytes, at);
    link_in_hash(cpu->blocks, b);
    link_in_page(cpu->blocks, b);
    log_block(cpu, b, a->host + arena);
    return b;
}

/* Decodes instruction i of a block again, from its changed bytes. False: it has got another length,
 * or another part in the block. */
static bool decode_again(struct cpu *cpu, const struct block *b, struct insn *i)
{
    const struct arena *a = &cpu->v.m->arena;
    uint8_t bytes[15];
    struct insn now;
    unsigned room = VM_PAGE_SIZE - (unsigned)((b->arena + i->off) & (VM_PAGE_SIZE - 1));
    unsigned len = room < sizeof(bytes) ? room : sizeof(bytes);
    memcpy(bytes, a->host + b->arena + i->off, len);
    enum decode_result result = decode(bytes, len, (enum code_mode)b->mode, &now);
    if (result == DECODE_MORE || now.len != i->len)
        return false;
    now.off = i->off;
    adapt(cpu, &now, result);
    if (!fold_rip(&now) || (now.flags ^ i->flags) & INSN_ENDS)
        return false;
    now.probed = i->probed;
    memcpy(decoded_bytes((struct block *)b) + i->off, bytes, i->len);
    *i = now;
    return true;
}

static void link_in_pages(struct block_cache *c, struct block *b)
{
    link_in_page(c, b);
    if (b->tail)
        link_in_page(c, b->tail);
}

/* A suspended block on two pages is looked for: the same. */
static bool resume_straddler(struct cpu *cpu, struct block *b)
{
    struct arena *a = &cpu->v.m->arena;
    unsigned first = b->nbytes - b->tail->nbytes;
    mark_both(a, b->arena, first, b->tail->arena, b->tail->nbytes);
    if (memcmp(a->host + b->arena, block_bytes(b), first) ||
        memcmp(a->host + b->tail->arena, block_bytes(b) + first, b->tail->nbytes))
        return false;
    link_in_pages(cpu->blocks, b);
    tell(cpu->blocks, b, BLOCK_RESUMED);
    return true;
}

/* A suspended block is looked for: makes it right again. False: it is no block any more. */
static bool resume(struct cpu *cpu, struct block *b)
{
    struct arena *a = &cpu->v.m->arena;
    if (b->tail)
        return resume_straddler(cpu, b);
    const uint8_t *now = a->host + b->arena, *was = decoded_bytes(b);
    bool changed = false;
    arena_mark_code(a, b->arena, b->nbytes);
    for (unsigned n = 0; n < b->ninsn; n++) {
        struct insn *i = &b->insns[n];
        if (likely(!memcmp(now + i->off, was + i->off, i->len)))
            continue;
        if (!changed)
            tell(cpu->blocks, b, BLOCK_GONE);
        changed = true;
        if (!decode_again(cpu, b, i))
            return false;
    }
    if (changed) {
        b->hits = 0;
        b->changes += b->changes < BLOCK_CHANGES_MAX;
    }
    link_in_page(cpu->blocks, b);
    if (!changed)
        tell(cpu->blocks, b, BLOCK_RESUMED);
    return true;
}

/* Arena offset of the page at a linear address, through the fetch TLB. */
static int fetch_page(struct cpu *cpu, uint64_t lin, uint64_t *arena)
{
    uint64_t key = (lin & ~0xfffull) | (cpu->cpl == 3);
    unsigned slot = lin >> VM_PAGE_SHIFT & (ITLB_SIZE - 1);
    if (likely(cpu->itlb[slot].page == key)) {
        *arena = cpu->itlb[slot].arena;
        return 0;
    }
    bool global;
    if (mmu_fetch_page(cpu, lin, arena, &global))
        return OP_FAULT;
    if (*arena != ARENA_NONE) {
        cpu->itlb[slot].page = key;
        cpu->itlb[slot].arena = *arena;
        cpu->itlb[slot].global = global;
    }
    return 0;
}

/* The page after lin's, or ARENA_NONE. */
static uint64_t second_page(struct cpu *cpu, uint64_t lin)
{
    struct pending_exception saved = cpu->exc;
    uint64_t next = (lin | (VM_PAGE_SIZE - 1)) + 1, page;
    if (fetch_page(cpu, cpu->code_mode == CODE64 ? next : (uint32_t)next, &page)) {
        cpu->exc = saved; /* fetching the whole instruction will tell */
        return ARENA_NONE;
    }
    return page;
}

/* Whether b, which is on two pages, is the one that starts at lin now: the second page may be
 * mapped to something else. */
static bool has_this_tail(struct cpu *cpu, const struct block *b, uint64_t lin)
{
    return second_page(cpu, lin) == b->tail->arena;
}

/* An instruction that crosses the end of its page. NULL: not one to be kept. */
static struct block *make_straddler(struct cpu *cpu, uint64_t lin, uint64_t arena, unsigned changes)
{
    struct arena *a = &cpu->v.m->arena;
    unsigned first = VM_PAGE_SIZE - (unsigned)(arena & (VM_PAGE_SIZE - 1)), rest = 15 - first;
    uint64_t second;
    uint8_t bytes[15];
    struct insn i;
    if (cpu->code_mode != CODE64 &&
        (cpu->code_mode != CODE32 || cpu->seg[SEG_CS].limit != 0xffffffff))
        return NULL;
    second = second_page(cpu, lin);
    if (second == ARENA_NONE)
        return NULL;
    mark_both(a, arena, first, second, rest);
    memcpy(bytes, a->host + arena, first);
    memcpy(bytes + first, a->host + second, rest);
    enum decode_result result = decode(bytes, sizeof(bytes), (enum code_mode)cpu->code_mode, &i);
    if (result != DECODE_OK || i.len <= first)
        return NULL;
    i.off = 0;
    adapt(cpu, &i, result);
    if (!fold_rip(&i))
        return NULL;
    i.probed = is_marked(cpu, arena);
    size_t size = block_size(1, i.len);
    struct block *b = pool_alloc(cpu, size + block_size(0, i.len - first));
    struct block *tail = (struct block *)((uint8_t *)b + size);
    *tail = (struct block){.arena = second, .nbytes = (uint16_t)(i.len - first), .whole = b};
    *b = (struct block){.arena = arena,
                        .mode = cpu->code_mode,
                        .ninsn = 1,
                        .nbytes = i.len,
                        .marked = i.probed,
                        .changes = (uint8_t)changes,
                        .tail = tail};
    b->insns[0] = i;
    memcpy(decoded_bytes(b), bytes, i.len);
    link_in_hash(cpu->blocks, b);
    link_in_pages(cpu->blocks, b);
    log_block(cpu, b, bytes);
    return b;
}

static struct block *make(struct cpu *cpu, uint64_t lin, uint64_t arena, unsigned changes)
{
    struct block *b = make_block(cpu, arena, changes);
    b = b ? b : make_straddler(cpu, lin, arena, changes);
    return b ? b : make_scratch(cpu, lin);
}

struct block *block_find(struct cpu *cpu)
{
    struct block_cache *c = cpu->blocks;
    uint64_t rip = cpu->r[R_RIP], page;
    uint64_t lin = cpu->code_mode == CODE64 ? rip : (uint32_t)(cpu->seg[SEG_CS].base + rip);
    cpu->insn = NULL; /* nothing is running: a fault is the fetch's */
    if (unlikely(fetch_page(cpu, lin, &page))) {
        if (!within_limit(cpu, 1))
            raise_gp(cpu, 0);
        return NULL;
    }
    if (unlikely(page == ARENA_NONE))
        return make_scratch(cpu, lin);
    uint64_t arena = page + (lin & (VM_PAGE_SIZE - 1));
    struct block *b = c->hash[hash_of(arena, cpu->code_mode)];
    while (b && (b->arena != arena || b->mode != cpu->code_mode ||
                 (unlikely(b->tail) && !has_this_tail(cpu, b, lin))))
        b = b->next_in_hash;
    if (likely(b && b->link_in_page))
        return b;
    if (b && resume(cpu, b))
        return b;
    unsigned changes = 0;
    if (b) {
        changes = b->changes + (b->changes < BLOCK_CHANGES_MAX);
        discard(cpu, b);
    }
    return make(cpu, lin, arena, changes);
}

/* ---- joining ---- */

/* It went on behind its end a third of the time: what is saved then is three times what an exit in
 * the middle costs. */
static bool falls_through(const struct block *b)
{
    return insn_is_jcc(&b->insns[b->ninsn - 1]) && b->fell && 3 * b->fell >= b->hits;
}

static bool jumps_to_itself(const struct block *b)
{
    const struct insn *last = &b->insns[b->ninsn - 1];
    return insn_is_jcc(last) && last->imm == -(uint64_t)b->nbytes;
}

/* The block that starts at `at` of the page of b and may be joined to it. */
static struct block *part_at(const struct block_cache *c, const struct block *b, uint64_t at)
{
    struct block *next = c->hash[hash_of(at, b->mode)];
    while (next && (next->arena != at || next->mode != b->mode))
        next = next->next_in_hash;
    if (!next || !next->link_in_page || next->tail || jumps_to_itself(next) ||
        (at ^ b->arena) >> VM_PAGE_SHIFT)
        return NULL;
    return next;
}

/* Appends the instructions of a part, and its bytes, which begin `at` bytes behind the block's
 * start. False: no room, or an operand is too far away. */
static bool append(struct insn *list, unsigned *n, unsigned *joined, uint8_t *bytes, unsigned at,
                   const struct block *part)
{
    if (*n + part->ninsn > BLOCK_MAX || *joined + part->joined + 1u > BLOCK_JOIN_MAX)
        return false;
    for (unsigned k = 0; k < part->ninsn; k++) {
        struct insn *i = &list[*n + k];
        *i = part->insns[k];
        i->off = (uint16_t)(i->off + at);
        if (i->flags & INSN_MEM && i->base == R_RIP &&
            __builtin_add_overflow(i->disp, (int32_t)at, &i->disp))
            return false;
    }
    *n += part->ninsn;
    *joined += part->joined + 1;
    memcpy(bytes + at, block_bytes(part), part->nbytes);
    return true;
}

struct block *block_join(struct cpu *cpu, struct block *b)
{
    struct insn list[BLOCK_MAX];
    uint8_t bytes[BLOCK_MAX * 15];
    unsigned n = 0, at = 0, parts = 0;
    bool falls = true;
    if (b->code || b->tail || b->arena == ARENA_NONE || !falls_through(b) || jumps_to_itself(b))
        return b;
    for (struct block *part = b; part && append(list, &n, &parts, bytes, at, part);) {
        at += part->nbytes;
        falls = falls_through(part);
        if (part != b) /* by itself it is cold again */
            part->hits = part->fell = 0;
        part = falls ? part_at(cpu->blocks, b, b->arena + at) : NULL;
    }
    if (at == b->nbytes)
        return b;
    struct block joined = {.arena = b->arena,
                           .mode = b->mode,
                           .ninsn = (uint16_t)n,
                           .nbytes = (uint16_t)at,
                           .joined = (uint8_t)(parts - 1),
                           .marked = has_marked(list, n),
                           .lost_code = b->lost_code,
                           .changes = b->changes,
                           .hits = b->hits,
                           .fell = falls ? b->hits : 0};
    discard(cpu, b);
    arena_mark_code(&cpu->v.m->arena, joined.arena, at);
    b = pool_alloc(cpu, block_size(n, at));
    *b = joined;
    memcpy(b->insns, list, n * sizeof(*list));
    memcpy(decoded_bytes(b), bytes, at);
    link_in_hash(cpu->blocks, b);
    link_in_page(cpu->blocks, b);
    return b;
}

struct block *block_after(struct cpu *cpu, struct block *from)
{
    uint64_t rip = cpu->r[R_RIP], key = cpu->fetch_keys[cpu->cpl == 3];
    struct block *b = from->succ[0].block;
    if (likely(from->succ[0].rip == rip && from->succ[0].key == key && b->link_in_page))
        return b;
    struct successor first = from->succ[0];
    b = from->succ[1].block;
    if (!(from->succ[1].rip == rip && from->succ[1].key == key && b->link_in_page)) {
        uint64_t evictions = cpu->blocks->evictions;
        b = block_find(cpu);
        if (!b || b->arena == ARENA_NONE || evictions != cpu->blocks->evictions)
            return b;
    }
    from->succ[1] = first;
    from->succ[0] = (struct successor){.rip = rip, .key = key, .block = b};
    return b;
}
