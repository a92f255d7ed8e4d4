/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The processor's own accesses (SDM vol. 3A 4.6): to the GDT, the IDT, an LDT and the TSS, from
 * ring 0 and from ring 3. They are a supervisor's, whatever CPL is, and SMAP holds for them
 * whatever AC is. SMEP where code is already known to an engine. Supervisor.c has the plain cases.
 */
#include "lib/rt.h"

enum { VECTOR = 0x90 };
#define SMEP    (1ul << 20)
#define SMAP    (1ul << 21)
#define WP      (1ul << 16)
#define AC      (1ul << 18)
#define FREE    (GDT_FREE * 8)
#define LDT_SEL (FREE + 16)
enum { CALL_GATE = FREE + 32, RING1_CODE = FREE + 48, RING1_DATA = FREE + 56 };
/* Windows of a page each, 4 pages apart so that a table may be longer. */
enum { OF_GDT, OF_IDT = 4, OF_TSS = 8, OF_LDT = 12, OF_CODE = 16 };
#ifdef __x86_64__
#define GATE 16
extern uint64_t boot_pd[];
#else
#define GATE 8
#endif
struct table {
    uint16_t limit;
    word base;
} __attribute__((packed));

static uint8_t pages[4][8192] __attribute__((aligned(4096)));
static uint8_t user_page[2][4096] __attribute__((aligned(4096)));
static uint8_t code[4096] __attribute__((aligned(4096)));
static struct table gdtr, idtr;

/* The GDT begins so that its entries from GDT_SECOND on are on the second page: what faults there
 * is handled with those on the first. */
enum { GDT_AT = 4096 - 0x80, GDT_SECOND = 0x80, SECOND_DATA = 0x90, SECOND_TSS = 0xa0 };

static word at(unsigned window)
{
    return WINDOW + 4096ul * window;
}

/* Pages of a table, with these flags. */
static void map(unsigned window, unsigned flags)
{
    for (unsigned n = 0; n < 2; n++)
        map_window(window + n, pages[window / 4] + 4096 * n, flags);
}

/* The runtime maps everything for ring 3, too: leaves it only the window. */
static void supervisor_map(void)
{
#ifdef __x86_64__
    for (unsigned n = 0; n < 2048; n++)
        if (n != WINDOW >> 21)
            boot_pd[n] &= ~4ul;
#else
    uint32_t *pd = (uint32_t *)read_cr3();
    for (unsigned n = 0; n < 1024; n++)
        if (n != WINDOW >> 22)
            pd[n] &= ~4u;
#endif
    write_cr3(read_cr3());
}

static void map_gdt(unsigned flags)
{
    map(OF_GDT, PTE_P | PTE_W);
    map_window(OF_GDT + 1, pages[OF_GDT / 4] + 4096, flags);
}

static void load_gdt(word base)
{
    struct table t = {gdtr.limit, base};
    __asm__ volatile("lgdt %0" ::"m"(t));
}

static void load_idt_at(word base)
{
    struct table t = {idtr.limit, base};
    __asm__ volatile("lidt %0" ::"m"(t));
}

/* Copies of the tables in the windows, the processor's own ones in use. */
static void copy_tables(void)
{
    uint64_t *second = (uint64_t *)(pages[OF_GDT / 4] + GDT_AT);
    memcpy(second, gdt, sizeof gdt);
    second[SECOND_DATA / 8] = gdt[SEL_UDATA / 8];
    second[SECOND_TSS / 8] = descriptor((uint32_t)(word)tss, 0x67, 0x89, 0);
    second[SECOND_TSS / 8 + 1] = 0;
    memcpy(pages[OF_IDT / 4], idt, sizeof idt);
    memcpy(pages[OF_TSS / 4], tss, sizeof tss);
    ((uint64_t *)pages[OF_LDT / 4])[0] = gdt[SEL_UDATA / 8];
    ((uint64_t *)pages[OF_LDT / 4])[1] = gdt[SEL_DATA / 8];
}

/* ---- ring 0 ---- */

static const struct {
    const char *name;
    unsigned flags;
    bool smap, wp;
    bool load_faults, store_faults; /* the GDT: no accessed bit to set, one to set */
} rings[] = {
    {"supervisor page", PTE_P | PTE_W, true, true, false, false},
    {"user page without SMAP", PTE_P | PTE_W | PTE_U, false, true, false, false},
    {"user page with SMAP", PTE_P | PTE_W | PTE_U, true, true, true, true},
    {"read-only with WP", PTE_P, false, true, false, true},
    {"read-only without WP", PTE_P, false, false, false, false},
    {"read-only user page, SMAP", PTE_P | PTE_U, true, true, true, true},
    {"absent", 0, false, true, true, true},
};

/* "what: row n" */
static const char *named(const char *what, unsigned n)
{
    static char name[80];
    char *to = name;

    for (const char *c = what; *c; c++)
        *to++ = *c;
    *to++ = ':', *to++ = ' ';
    for (const char *c = rings[n].name; *c; c++)
        *to++ = *c;
    *to = 0;
    return name;
}

static void protect(unsigned n)
{
    write_cr4((read_cr4() & ~SMAP) | (rings[n].smap ? SMAP : 0));
    write_cr0((read_cr0() & ~WP) | (rings[n].wp ? WP : 0));
}

static void relax(void)
{
    write_cr4(read_cr4() & ~SMAP);
    write_cr0(read_cr0() | WP);
}

/* The error code of a fault of the processor's own access. */
static word code_of(unsigned n, bool store)
{
    return (rings[n].flags & PTE_P) | (store ? 2 : 0);
}

static unsigned wrong(bool faults, word error, word address)
{
    if (!faults)
        return exc.vector != NONE;
    return exc.vector != PF || exc.f.error != error || exc.cr2 != address;
}

#define LOAD_FS(ac, sel)                                                                           \
    do {                                                                                           \
        if (ac)                                                                                    \
            TRY("stac\n\tmov %w0, %%fs\n\tclac", ::"r"(sel) : "memory");                           \
        else                                                                                       \
            TRY("mov %w0, %%fs", ::"r"(sel) : "memory");                                           \
        __asm__ volatile("mov %w0, %%fs" ::"r"(0));                                                \
    } while (0)

static void segments(void)
{
    uint64_t *ldt = (uint64_t *)pages[OF_LDT / 4], accessed = gdt[SEL_DATA / 8];

    gdt[LDT_SEL / 8] = descriptor(at(OF_LDT), 0xff, 0x82, 0);
    gdt[LDT_SEL / 8 + 1] = 0;
    __asm__ volatile("lldt %w0" ::"r"(LDT_SEL));
    for (unsigned n = 0; n < sizeof rings / sizeof *rings; n++) {
        unsigned bad = 0;
        map(OF_LDT, rings[n].flags);
        protect(n);
        for (unsigned ac = 0; ac < (rings[n].smap ? 2 : 1); ac++) {
            ldt[1] = accessed;
            LOAD_FS(ac, 0xc);
            bad += wrong(rings[n].load_faults, code_of(n, false), at(OF_LDT) + 8);
            ldt[1] = accessed & ~(1ull << 40);
            LOAD_FS(ac, 0xc);
            bool reads = rings[n].load_faults, faults = rings[n].store_faults;
            bad += exc.vector != (faults ? PF : NONE) ||
                   (faults && (exc.f.error != code_of(n, !reads)));
            bad += (ldt[1] >> 40 & 1) == faults;
        }
        relax();
        check(named("LDT", n), bad, 0);
    }
    __asm__ volatile("lldt %w0" ::"r"(0));
}

static void global_table(void)
{
    static const char *const insns[] = {"MOV FS", "LAR", "LSL", "VERR"};

    for (unsigned n = 0; n < sizeof rings / sizeof *rings; n++) {
        unsigned bad = 0;
        map_gdt(rings[n].flags);
        for (unsigned k = 0; k < sizeof insns / sizeof *insns; k++)
            for (unsigned ac = 0; ac < 2; ac++) {
                word flags = ac && rings[n].smap ? AC : 0, old = read_flags();
                protect(n);
                load_gdt(at(OF_GDT) + GDT_AT);
                __asm__ volatile("push %0\n\tpopf" ::"r"(old | flags) : "cc", "memory");
                switch (k) {
                case 0:
                    TRY("mov %w0, %%fs", ::"r"(SECOND_DATA) : "memory");
                    break;
                case 1:
                    TRY("lar %w0, %k0", ::"a"(SECOND_DATA) : "memory", "cc");
                    break;
                case 2:
                    TRY("lsl %w0, %k0", ::"a"(SECOND_DATA) : "memory", "cc");
                    break;
                default:
                    TRY("verr %w0", ::"a"(SECOND_DATA) : "memory", "cc");
                }
                load_gdt((word)gdt);
                relax();
                __asm__ volatile("push %0\n\tpopf" ::"r"(old) : "cc", "memory");
                bad += wrong(rings[n].load_faults, code_of(n, false),
                             at(OF_GDT) + GDT_AT + SECOND_DATA);
            }
        check(named("GDT", n), bad, 0);
        __asm__ volatile("mov %w0, %%fs" ::"r"(0));
    }
}

/* ---- ring 3 ---- */

enum { BACK = 0x92 };
static volatile unsigned user_vector;
static volatile word user_error, user_cr2;
word saved_sp;
extern char user_back[];

/* In a page that ring 3 can run: does something and goes back by INT 92H. */
static void put_user_code(const uint8_t *bytes, unsigned n)
{
    memcpy(user_page[0], bytes, n);
    user_page[0][n] = 0xcd;
    user_page[0][n + 1] = BACK;
}

/* Whatever ring 3 (or 1) ends with. */
static void on_user(struct frame *f)
{
    write_cr4(read_cr4() & ~SMAP);
    load_gdt((word)gdt);
    load_idt_at((word)idt);
    user_vector = (unsigned)f->vector;
    user_error = f->error;
    user_cr2 = exc.cr2;
    f->ip = (word)user_back;
    f->cs = SEL_CODE;
    f->flags = 2;
#ifdef __x86_64__
    f->ss = SEL_DATA;
    f->sp = saved_sp;
#else
    f->ds = f->es = SEL_DATA;
#endif
}

static void in_user(unsigned n)
{
    handlers[PF] = handlers[VECTOR] = handlers[BACK] = on_user;
    protect(n);
    __asm__ volatile("mov %%" R "sp, saved_sp\n\t"
                     "push" W " %0\n\tpush" W " %1\n\tpush" W " $2\n\tpush" W " %2\n\t"
                     "push" W " %3\n\tiret" W "\nuser_back:\tmov saved_sp, %%" R
                     "sp" ::"i"(SEL_UDATA),
                     "r"(at(OF_CODE + 2) + 4096),
                     "i"(sizeof(word) == 8 ? SEL_UCODE64 : SEL_UCODE32), "r"(at(OF_CODE))
                     : "memory", "cc", R "ax");
    relax();
    handlers[PF] = handlers[VECTOR] = handlers[BACK] = 0;
    __asm__ volatile("mov %w0, %%fs" ::"r"(0));
}

static void user_access(const char *what, unsigned n, unsigned good, word address)
{
    bool faults = rings[n].load_faults;

    check(named(what, n), user_vector, faults ? PF : good);
    if (faults) {
        check(named("a supervisor's access", n), user_error, code_of(n, false));
        check(named("its address", n), user_cr2, address);
    }
}

/* MOV EAX, selector; MOV FS, EAX. */
static void user_tables(void)
{
    static const uint8_t load_fs[] = {0xb8, SECOND_DATA | 3, 0, 0, 0, 0x8e, 0xe0};
    static const uint8_t load_ldt[] = {0xb8, 7, 0, 0, 0, 0x8e, 0xe0};

    for (unsigned n = 0; n < sizeof rings / sizeof *rings; n++) {
        copy_tables();
        map_gdt(rings[n].flags);
        put_user_code(load_fs, sizeof load_fs);
        load_gdt(at(OF_GDT) + GDT_AT);
        in_user(n);
        user_access("ring 3: GDT", n, BACK, at(OF_GDT) + GDT_AT + SECOND_DATA);
        map(OF_LDT, rings[n].flags);
        put_user_code(load_ldt, sizeof load_ldt);
        __asm__ volatile("lldt %w0" ::"r"(LDT_SEL));
        in_user(n);
        __asm__ volatile("lldt %w0" ::"r"(0));
        user_access("ring 3: LDT", n, BACK, at(OF_LDT));
    }
}

/* Gates from 40H on are on another page than those of exceptions. */
static void user_idt(void)
{
    static const uint8_t int_vector[] = {0xcd, VECTOR};
    word base = at(OF_IDT) + 4096 - GATE * 0x40;
    unsigned offset = 4096 - GATE * 0x40;

    set_gate(VECTOR, stub(VECTOR), 0xee);
    put_user_code(int_vector, sizeof int_vector);
    for (unsigned n = 0; n < sizeof rings / sizeof *rings; n++) {
        memcpy(pages[OF_IDT / 4] + offset, idt, GATE * 0xc0);
        map_window(OF_IDT, pages[OF_IDT / 4], PTE_P | PTE_W);
        map_window(OF_IDT + 1, pages[OF_IDT / 4] + 4096, rings[n].flags);
        load_idt_at(base);
        in_user(n);
        user_access("ring 3: IDT", n, VECTOR, base + GATE * VECTOR);
    }
}

/* A call gate to ring 1, whose stack is in the TSS, on the page behind that of ring 0's. */
static void user_tss(void)
{
    enum { TSS_AT = 4096 - 12 };
    static uint8_t ring1[2] = {0xcd, BACK}, stack[256] __attribute__((aligned(16)));
    uint8_t *copy = pages[OF_TSS / 4] + TSS_AT;
#ifdef __x86_64__
    uint8_t far_call[] = {0xff, 0x1c, 0x25, 0, 0, 0, 0}; /* through memory */
    word operand = at(OF_CODE) + 0x100;
    memcpy(far_call + 3, &operand, 4);
#else
    uint8_t far_call[] = {0x9a, 0, 0, 0, 0, CALL_GATE | 3, 0};
#endif
    word entry = (word)ring1, sp = (word)(stack + sizeof stack);

    user_page[0][0x100 + 4] = CALL_GATE | 3;
    user_page[0][0x100 + 5] = 0;
    memcpy(copy, tss, sizeof tss);
    gdt[RING1_CODE / 8] = gdt[SEL_CODE / 8] | 1ull << 45;
    gdt[RING1_DATA / 8] = gdt[SEL_DATA / 8] | 1ull << 45;
    gdt[CALL_GATE / 8] = (entry & 0xffff) | (uint64_t)(RING1_CODE | 1) << 16 | 0xecull << 40 |
                         (uint64_t)(entry >> 16 & 0xffff) << 48;
    gdt[CALL_GATE / 8 + 1] = 0;
#ifdef __x86_64__
    *(uint64_t *)(copy + 12) = sp;
#else
    *(uint32_t *)(copy + 12) = sp;
    *(uint32_t *)(copy + 16) = RING1_DATA | 1;
#endif
    put_user_code(far_call, sizeof far_call);
    gdt[SEL_TSS / 8] = descriptor((uint32_t)at(OF_TSS) + TSS_AT, 0x67, 0x89, 0);
    map(OF_TSS, PTE_P | PTE_W);
    __asm__ volatile("ltr %w0" ::"r"(SEL_TSS));
    for (unsigned n = 0; n < sizeof rings / sizeof *rings; n++) {
        map_window(OF_TSS + 1, pages[OF_TSS / 4] + 4096, rings[n].flags);
        in_user(n);
        user_access("ring 3: TSS", n, BACK, at(OF_TSS + 1));
    }
    gdt[SEL_TSS / 8] = descriptor((uint32_t)(word)tss, 0x67, 0x89, 0);
    __asm__ volatile("ltr %w0" ::"r"(SEL_TSS));
}

/* LTR sets a busy bit. */
static void busy_bit(void)
{
    for (unsigned n = 0; n < sizeof rings / sizeof *rings; n++) {
        map_gdt(rings[n].flags);
        copy_tables();
        uint64_t *d = (uint64_t *)(pages[OF_GDT / 4] + GDT_AT + SECOND_TSS);
        protect(n);
        load_gdt(at(OF_GDT) + GDT_AT);
        TRY("ltr %w0", ::"r"(SECOND_TSS) : "memory");
        load_gdt((word)gdt);
        relax();
        bool faults = rings[n].store_faults;
        check(named("LTR", n), exc.vector == (faults ? PF : NONE) && (*d >> 41 & 1) == !faults, 1);
        if (faults)
            check(named("LTR, error code", n), exc.f.error, code_of(n, !rings[n].load_faults));
    }
    gdt[SEL_TSS / 8] &= ~(2ull << 40);
    __asm__ volatile("ltr %w0" ::"r"(SEL_TSS));
}

/* ---- SMEP ---- */

/* Loads CR4 there, and comes back. */
#define GO(cr4)                                                                                    \
    TRY("mov" W " $991f, %%" R "cx\n\tjmp *%0", ::"r"(at(OF_CODE + 1)), "a"(cr4)                   \
        : "memory", R "c"                                                                          \
                      "x")

/* Code that turns SMEP on and goes on, on a page that is then a user's: the next fetch faults. */
static void smep_under_code(void)
{
    extern char smep_body[], smep_next[], smep_end[];
    unsigned bad = 0;

    memcpy(code, smep_body, (size_t)(smep_end - smep_body));
    for (unsigned n = 0; n < 30; n++) {
        map_window(OF_CODE + 1, code, PTE_P | PTE_W | PTE_U);
        word cr4 = read_cr4();
        GO(cr4);
        bad += exc.vector != NONE;
        GO(cr4 | SMEP);
        write_cr4(cr4);
        bad += exc.vector != PF || exc.f.error != 0x11;
        bad += exc.f.ip != at(OF_CODE + 1) + (word)(smep_next - smep_body);
        map_window(OF_CODE + 1, code, PTE_P | PTE_W);
        GO(cr4 | SMEP);
        write_cr4(cr4);
        bad += exc.vector != NONE;
    }
    check("SMEP turned on on a user page, again and again", bad, 0);
    /* A page that becomes a user's under code that is known. */
    bad = 0;
    write_cr4(read_cr4() | SMEP);
    for (unsigned n = 0; n < 60; n++) {
        map_window(OF_CODE + 1, code, PTE_P | PTE_W | (n % 2 ? PTE_U : 0));
        GO(read_cr4());
        bad += exc.vector != (n % 2 ? PF : NONE);
        if (n % 2)
            bad += exc.f.ip != at(OF_CODE + 1) || exc.f.error != 0x11;
    }
    check("a page of known code becomes a user's", bad, 0);
    write_cr4(read_cr4() & ~SMEP);
}

__asm__(".text\nsmep_body:\n\tmov %" R "ax, %cr4\nsmep_next:\n\tjmp *%" R "cx\nsmep_end:\n");

void guest_main(void)
{
    uint32_t id[4];

    cpuid(7, id);
    if (!(id[1] >> 7 & 1) || !(id[1] >> 20 & 1)) {
        skip("SMEP, SMAP: CPUID has none");
        report(true, "nothing to try");
        return;
    }
    paging_on();
    supervisor_map();
    __asm__ volatile("sgdt %0\n\tsidt %1" : "=m"(gdtr), "=m"(idtr));
    copy_tables();
    write_cr0(read_cr0() | WP);
    set_gate(BACK, stub(BACK), 0xee);
    map_window(OF_CODE, user_page[0], PTE_P | PTE_U);
    map_window(OF_CODE + 2, user_page[1], PTE_P | PTE_W | PTE_U);
    segments();
    global_table();
    user_tables();
    user_idt();
    user_tss();
    busy_bit();
    smep_under_code();
}
