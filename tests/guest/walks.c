/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Page walks with every combination of permissions at every level, against a model of SDM vol. 3A
 * 4.6 (access rights), 4.7 (error codes) and 4.8 (accessed and dirty flags): U/S, R/W, XD, P and
 * reserved bits; CPL 0 and 3; CR0.WP, CR4.SMEP, CR4.SMAP with EFLAGS.AC, EFER.NXE; PWT, PCD and
 * PAT. 32-bit and PAE paging in the 32-bit program, 4-level paging in the other. */
#include "lib/rt.h"

enum access { READ, WRITE, FETCH };
enum { WP = 1, SMEP = 2, SMAP = 4, AC_SET = 8, NXE = 16, CONTEXTS = 32 };
#define NX       (1ull << 63)
#define RESERVED (1ull << 51)
enum { SPOT = 8 }; /* where data is in the page; JMP *(R)BX is at its start */

/* Levels whose entries have rights (not the PDPTEs of PAE paging), entries of 8 bytes. */
static struct mode {
    const char *name;
    unsigned top;
    bool wide;
    word base;
} mode;

static uint64_t table[5][512] __attribute__((aligned(4096))); /* by level, of the range at base */
static uint64_t user_table[512] __attribute__((aligned(4096)));
static uint8_t page[4096] __attribute__((aligned(4096))),
    user_code[4096] __attribute__((aligned(4096)));
static void *top_entry;
static unsigned features; /* of SMEP, SMAP, NXE */
static bool giant;

/* One translation: entries by level, without accessed and dirty; the walk ends at leaf. */
struct trial {
    uint64_t e[5];
    unsigned leaf;
};

/* ---- the model ---- */

static bool has_reserved(uint64_t e, unsigned level, unsigned leaf, unsigned context)
{
    if (!mode.wide)
        return level == 2 && leaf == 2 && e & 1 << 21;
    if (e & RESERVED || (e & NX && !(context & NXE)))
        return true;
    if (mode.top == 2 && e & 0x7ff0000000000000)
        return true;
    if (level == 4)
        return e & PTE_PS;
    return level > 1 && level == leaf && e & 1 << 13;
}

static bool allowed(bool u, bool w, bool nx, unsigned context, enum access kind, bool user)
{
    if (user)
        return u && (kind == READ || (kind == WRITE ? w : !nx));
    if (kind == FETCH)
        return !nx && !(u && context & SMEP);
    if (u && context & SMAP && !(context & AC_SET))
        return false;
    return kind == READ || w || !(context & WP);
}

/* The error code of the page fault, or NONE. */
static int model(const struct trial *t, unsigned context, enum access kind, bool user)
{
    bool u = true, w = true, nx = false;
    int code = (kind == WRITE ? 2 : 0) | (user ? 4 : 0);

    if (kind == FETCH && ((mode.wide && context & NXE) || context & SMEP))
        code |= 16;
    for (unsigned l = mode.top; l >= t->leaf; l--) {
        if (!(t->e[l] & PTE_P))
            return code;
        if (has_reserved(t->e[l], l, t->leaf, context))
            return code | 9;
        u &= !!(t->e[l] & PTE_U);
        w &= !!(t->e[l] & PTE_W);
        nx |= mode.wide && t->e[l] & NX;
    }
    return allowed(u, w, nx, context, kind, user) ? NONE : code | 1;
}

/* ---- the machine ---- */

void go_user(word ip, word bx, word ax);
void go_back(void);
word go_saved;
#ifdef __x86_64__
__asm__(".text\ngo_user:\n\tpush %rbx\n\tpush %rbp\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\t"
        "push %r15\n\tmov %rsp, go_saved\n\tmov %rsi, %rbx\n\tmov %rdx, %rax\n\t"
        "pushq $0x23\n\tpushq $0\n\tpushq $2\n\tpushq $0x2b\n\tpush %rdi\n\tiretq\n"
        "go_back:\n\tmov go_saved, %rsp\n\tpop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\t"
        "pop %rbp\n\tpop %rbx\n\tret\n");
#else
__asm__(".text\ngo_user:\n\tpush %ebx\n\tpush %ebp\n\tpush %esi\n\tpush %edi\n\t"
        "mov %esp, go_saved\n\tmov 20(%esp), %edx\n\tmov 24(%esp), %ebx\n\tmov 28(%esp), %eax\n\t"
        "mov $0x23, %ecx\n\tmov %ecx, %ds\n\tmov %ecx, %es\n\t"
        "push %ecx\n\tpush $0\n\tpush $2\n\tpush $0x1b\n\tpush %edx\n\tiret\n"
        "go_back:\n\tmov $0x10, %eax\n\tmov %eax, %ds\n\tmov %eax, %es\n\tmov go_saved, %esp\n\t"
        "pop %edi\n\tpop %esi\n\tpop %ebp\n\tpop %ebx\n\tret\n");
#endif

static void on_trap(struct frame *f)
{
    if (f->cs & 3)
        go_back();
    f->ip = exc_resume;
}

/* Ring 3's: one for each access, 16 bytes apart, then the way back. */
static void write_user_code(void)
{
    static const uint8_t code[4][16] = {
        {0x8a, 0x08, 0xcd, 0x81}, /* mov (%eax), %cl; int $0x81 */
        {0x88, 0x08, 0xcd, 0x81}, /* mov %cl, (%eax) */
        {0xff, 0xe0},             /* jmp *%eax */
        {0xcd, 0x81},
    };

    memcpy(user_code, code, sizeof code);
    page[0] = 0xff, page[1] = 0xe3; /* jmp *%ebx */
}

enum { USER_CODE = 0x1000000 }; /* 16 MiB, behind what is mapped one to one */

static void set_ac(bool on)
{
    __asm__ volatile("pushf\n\tand" W " %0, (%%" R "sp)\n\tor" W " %1, (%%" R
                     "sp)\n\tpopf" ::"i"(~0x40000),
                     "r"(on ? (word)0x40000 : 0)
                     : "memory", "cc");
}

static void access_supervisor(enum access kind, word at, unsigned context)
{
    set_ac(context & AC_SET);
    if (kind == READ)
        TRY("movb (%0), %%cl", ::"a"(at) : R "cx", "memory");
    else if (kind == WRITE)
        TRY("movb %%cl, (%0)", ::"a"(at) : "memory");
    else
        TRY("mov" W " $992f, %%" R "bx\n\tjmp *%0\n\t992:", ::"a"(at) : R "bx", "memory");
    set_ac(false);
}

static void set_context(unsigned context)
{
    word cr4 = read_cr4() & ~(3ul << 20);

    write_cr0((read_cr0() & ~(1ul << 16)) | (context & WP ? 1ul << 16 : 0));
    write_cr4(cr4 | (context & SMEP ? 1ul << 20 : 0) | (context & SMAP ? 1ul << 21 : 0));
    if (features & NXE)
        wrmsr(0xc0000080, (rdmsr(0xc0000080) & ~0x800ull) | (context & NXE ? 0x800 : 0));
}

static void *entry_at(unsigned level)
{
    return level == mode.top ? top_entry : table[level];
}

static uint64_t get(unsigned level)
{
    return mode.wide ? *(volatile uint64_t *)entry_at(level)
                     : *(volatile uint32_t *)entry_at(level);
}

static void put(const struct trial *t)
{
    for (unsigned l = mode.top; l >= t->leaf; l--)
        if (mode.wide)
            *(volatile uint64_t *)entry_at(l) = t->e[l];
        else
            *(volatile uint32_t *)entry_at(l) = (uint32_t)t->e[l];
    write_cr3(read_cr3());
}

/* ---- a trial ---- */

static unsigned trials, wrong_faults, wrong_addresses, wrong_flags;

static void say(const struct trial *t, unsigned context, enum access kind, bool user, int want)
{
    print("  context ");
    print_hex(context);
    print(user ? " user" : " supervisor");
    print(kind == READ ? " read, entries" : kind == WRITE ? " write, entries" : " fetch, entries");
    for (unsigned l = mode.top; l >= t->leaf; l--) {
        print(" ");
        print_hex(t->e[l]);
    }
    print(": got ");
    print_hex(exc.vector == PF ? exc.f.error : (unsigned)exc.vector);
    print(", expected ");
    print_hex((unsigned)want);
    print("\n");
}

/* Accessed in each entry that was used, dirty in the last one by a write; nothing else changes. */
static bool flags_right(const struct trial *t, bool fault, enum access kind)
{
    bool right = true;

    for (unsigned l = mode.top; l >= t->leaf; l--) {
        uint64_t now = get(l), d = l == t->leaf && kind == WRITE ? PTE_D : 0;
        if (fault) /* entries above the one at fault may be accessed, none is dirty */
            right &= (now & ~(uint64_t)PTE_A) == t->e[l];
        else
            right &= now == (t->e[l] | PTE_A | d);
    }
    return right;
}

static void try(const struct trial *t, unsigned context, enum access kind, bool user)
{
    word size = 1ul << (t->leaf == 1 ? 12 : t->leaf == 3 ? 30 : mode.wide ? 21 : 22);
    word at = mode.base + ((word)page & (size - 1)) + (kind == FETCH ? 0 : SPOT);
    int want = model(t, context, kind, user);

    put(t);
    exc.vector = NONE;
    if (user)
        go_user(USER_CODE + 16 * kind, USER_CODE + 16 * 3, at);
    else
        access_supervisor(kind, at, context);
    bool fault = exc.vector == PF;
    bool right =
        want == NONE ? exc.vector == (user ? 0x81 : NONE) : fault && exc.f.error == (word)want;
    trials++;
    if (!right && !wrong_faults++)
        say(t, context, kind, user, want);
    wrong_addresses += fault && exc.cr2 != at;
    if (right && !flags_right(t, fault, kind) && !wrong_flags++)
        say(t, context, kind, user, want);
}

/* Entries with all rights. */
static struct trial open_trial(unsigned leaf)
{
    struct trial t = {.leaf = leaf};
    word size = 1ul << (leaf == 1 ? 12 : leaf == 3 ? 30 : mode.wide ? 21 : 22);

    for (unsigned l = mode.top; l > leaf; l--)
        t.e[l] = (word)table[l - 1] | 7;
    t.e[leaf] = ((word)page & ~(size - 1)) | 7 | (leaf > 1 ? PTE_PS : 0);
    return t;
}

static const uint64_t rights[] = {0, PTE_W, PTE_U, PTE_W | PTE_U};

/* Number n of the combinations of rights: two bits a level, or three with XD. */
static struct trial combination(unsigned leaf, unsigned n)
{
    struct trial t = open_trial(leaf);
    unsigned bits = mode.wide && features & NXE ? 3 : 2;

    for (unsigned l = mode.top; l >= leaf; l--, n >>= bits)
        t.e[l] = (t.e[l] & ~6ull) | rights[n & 3] | (bits == 3 && n & 4 ? NX : 0);
    return t;
}

static unsigned combinations(unsigned leaf)
{
    return 1u << ((mode.wide && features & NXE ? 3 : 2) * (mode.top - leaf + 1));
}

/* SMAP and SMEP only where they are; AC matters with SMAP. */
static bool is_there(unsigned context)
{
    return !(context & (SMEP | SMAP | NXE) & ~features) && (context & SMAP || !(context & AC_SET));
}

static void all_accesses(const struct trial *t, unsigned context)
{
    for (unsigned k = 0; k < 6; k++)
        try(t, context, k % 3, k >= 3);
}

static void begin(void)
{
    trials = wrong_faults = wrong_addresses = wrong_flags = 0;
}

static void end(const char *what)
{
    static const char *const aspects[] = {": faults and error codes", ": CR2",
                                          ": accessed and dirty flags"};
    unsigned wrong[] = {wrong_faults, wrong_addresses, wrong_flags};

    for (unsigned n = 0; n < 3; n++) {
        char name[96], *p = name;
        const char *parts[] = {mode.name, ": ", what, aspects[n]};
        for (unsigned k = 0; k < 4; k++)
            for (const char *s = parts[k]; *s;)
                *p++ = *s++;
        *p = 0;
        check(name, trials ? wrong[n] : ~0u, 0);
    }
    set_context(0);
}

/* ---- what is tried ---- */

/* Every combination of rights in every context; those of four levels in an eighth of them, each in
 * others. */
static void every_right(unsigned leaf)
{
    unsigned all = combinations(leaf), stride = all > 512 ? 8 : 1;

    begin();
    for (unsigned context = 0; context < CONTEXTS; context++) {
        if (!is_there(context))
            continue;
        set_context(context);
        for (unsigned n = 0; n < all; n++) {
            struct trial t = combination(leaf, n);
            if (((n * 0x9e3779b1u >> 16) + context) % stride == 0)
                all_accesses(&t, context);
        }
    }
    end(leaf == 1 ? "rights" : leaf == 2 ? "rights of large pages" : "rights of 1 GiB pages");
}

/* One right taken away at one level, or the present bit, or a reserved bit set, in every context.
 */
static void one_bit(unsigned leaf)
{
    const uint64_t bits[] = {PTE_P, PTE_W, PTE_U, NX, RESERVED, 1ull << 52, 1 << 13, 1 << 21};

    begin();
    for (unsigned context = 0; context < CONTEXTS; context++) {
        if (!is_there(context))
            continue;
        set_context(context);
        for (unsigned l = mode.top; l >= leaf; l--)
            for (unsigned n = 0; n < sizeof bits / sizeof *bits; n++) {
                struct trial t = open_trial(leaf);
                /* bit 13 and 21 are an address in the others */
                if ((n == 6 && (l != leaf || leaf == 1 || !mode.wide)) ||
                    (n == 7 && (l != leaf || leaf == 1 || mode.wide)) ||
                    (n >= 3 && n <= 5 && !mode.wide))
                    continue;
                t.e[l] ^= bits[n];
                all_accesses(&t, context);
            }
    }
    end(leaf == 1 ? "one bit" : leaf == 2 ? "one bit, large pages" : "one bit, 1 GiB pages");
}

/* An absent entry and one with a reserved bit: the walk ends at the upper one. */
static void two_faults(void)
{
    begin();
    set_context(features & NXE);
    for (unsigned a = mode.top; mode.wide && a >= 1; a--)
        for (unsigned b = mode.top; b >= 1; b--) {
            struct trial t = open_trial(1);
            t.e[a] &= ~1ull;
            t.e[b] |= RESERVED;
            all_accesses(&t, features & NXE);
        }
    for (unsigned l = mode.top; mode.top == 4 && l == 4; l--) { /* PS is reserved in a PML4E */
        struct trial t = open_trial(1);
        t.e[l] |= PTE_PS;
        all_accesses(&t, features & NXE);
    }
    if (mode.wide)
        end("two faults");
}

/* Each index of the PAT, by PWT, PCD and PAT at the last level, PWT and PCD above it; ignored bits.
 */
static void memory_types(unsigned leaf)
{
    begin();
    set_context(0);
    for (unsigned n = 0; n < 32; n++) {
        struct trial t = open_trial(leaf);
        t.e[leaf] |= (n & 3) << 3 | (n & 4 ? (leaf == 1 ? 1 << 7 : 1 << 12) : 0);
        t.e[leaf] |= 0xe00; /* available to software */
        if (leaf < mode.top)
            t.e[leaf + 1] |= (n >> 3 & 3) << 3 | 0xf00;
        all_accesses(&t, 0);
    }
    end(leaf == 1   ? "PAT indexes"
        : leaf == 2 ? "PAT indexes, large pages"
                    : "PAT indexes, 1 GiB pages");
}

static void all_trials(void)
{
    for (unsigned leaf = 1; leaf <= (mode.top == 4 && giant ? 3 : 2); leaf++) {
        every_right(leaf);
        one_bit(leaf);
        memory_types(leaf);
    }
    two_faults();
}

/* ---- the modes ---- */

#ifdef __x86_64__
extern uint64_t boot_pml4[], boot_pd[];

static void run(void)
{
    mode = (struct mode){"4-level", 4, true, 0x8000000000};
    for (unsigned n = 0; n < 2048; n++)
        boot_pd[n] &= ~4ull;
    user_table[0] = (word)user_code | 5;
    boot_pd[USER_CODE >> 21] = (word)user_table | 7;
    top_entry = &boot_pml4[1];
    write_cr3(read_cr3());
    all_trials();
}
#else
static uint32_t directory[1024] __attribute__((aligned(4096)));
static uint64_t pdpt[4] __attribute__((aligned(32))), low[512] __attribute__((aligned(4096)));

static void run_32_bit(void)
{
    mode = (struct mode){"32-bit", 2, false, 0xc0000000};
    for (unsigned n = 0; n < USER_CODE >> 22; n++)
        directory[n] = n << 22 | 0x83;
    *(uint32_t *)user_table = (word)user_code | 5;
    directory[USER_CODE >> 22] = (word)user_table | 7;
    top_entry = &directory[mode.base >> 22];
    write_cr4(read_cr4() | 0x10);
    write_cr3((word)directory);
    write_cr0(read_cr0() | 0x80000000);
    all_trials();
    write_cr0(read_cr0() & 0x7fffffff);
}

static void run_pae(void)
{
    mode = (struct mode){"PAE", 2, true, 0xc0000000};
    for (unsigned n = 0; n < USER_CODE >> 21; n++)
        low[n] = n << 21 | 0x83;
    user_table[0] = (word)user_code | 5;
    low[USER_CODE >> 21] = (word)user_table | 7;
    pdpt[0] = (word)low | 1;
    pdpt[3] = (word)table[2] | 1;
    top_entry = table[2];
    write_cr4(read_cr4() | 0x20);
    write_cr3((word)pdpt);
    write_cr0(read_cr0() | 0x80000000);
    all_trials();
    write_cr0(read_cr0() & 0x7fffffff);
}

static void run(void)
{
    run_32_bit();
    run_pae();
}
#endif

void guest_main(void)
{
    uint32_t id[4];

    cpuid(7, id);
    features = (id[1] >> 7 & 1 ? SMEP : 0) | (id[1] >> 20 & 1 ? SMAP : 0);
    cpuid(0x80000001, id);
    features |= id[3] >> 20 & 1 ? NXE : 0;
    giant = id[3] >> 26 & 1;
    set_gate(0x81, stub(0x81), 0xee);
    handlers[0x81] = handlers[PF] = on_trap;
    write_user_code();
    run();
}
