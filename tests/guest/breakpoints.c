/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Debug registers (SDM vol. 3B 18.2, 18.3): every length, kind and alignment of breakpoints against
 * a model, DR6 and DR7, general detect, what comes first. Exceptions.c and faults.c have the rest.
 */
#include "lib/rt.h"

enum { B0 = 1, B1 = 2, BD = 1 << 13, BS = 1 << 14, BITS = 0xe00f };
enum { EXECUTE, ON_WRITE, ON_PORT, ON_ACCESS };
static uint8_t cells[64] __attribute__((aligned(64)));
static const unsigned lengths[4] = {1, 2, 8, 4};

static void set_address(unsigned n, word at)
{
    switch (n) {
    case 0:
        __asm__ volatile("mov %0, %%dr0" ::"r"(at));
        break;
    case 1:
        __asm__ volatile("mov %0, %%dr1" ::"r"(at));
        break;
    case 2:
        __asm__ volatile("mov %0, %%dr2" ::"r"(at));
        break;
    default:
        __asm__ volatile("mov %0, %%dr3" ::"r"(at));
        break;
    }
}

/* DR7 with breakpoint n, local or global. */
static word control(unsigned n, unsigned kind, unsigned len, bool local)
{
    return 0x400 | (local ? 1u : 2u) << 2 * n | (kind | len << 2) << (16 + 4 * n);
}

/* ---- every kind, length, alignment ---- */

static void touch(uint8_t *p, unsigned size, bool write)
{
    switch (size << 1 | write) {
    case 2:
        TRY("movb (%0), %%al", ::"r"(p) : R "ax", "memory");
        break;
    case 3:
        TRY("movb %%al, (%0)", ::"r"(p) : "memory");
        break;
    case 4:
        TRY("movw (%0), %%ax", ::"r"(p) : R "ax", "memory");
        break;
    case 5:
        TRY("movw %%ax, (%0)", ::"r"(p) : "memory");
        break;
    case 8:
        TRY("movl (%0), %%eax", ::"r"(p) : R "ax", "memory");
        break;
    case 9:
        TRY("movl %%eax, (%0)", ::"r"(p) : "memory");
        break;
#ifdef __x86_64__
    case 16:
        TRY("movq (%0), %%rax", ::"r"(p) : "rax", "memory");
        break;
    default:
        TRY("movq %%rax, (%0)", ::"r"(p) : "memory");
        break;
#endif
    }
}

/* Wrong answers of a breakpoint of `length` bytes at `first`, to accesses around it. */
static unsigned around(uint8_t *first, unsigned length, unsigned kind, unsigned n)
{
    unsigned wrong = 0;

    for (unsigned size = 1; size <= sizeof(word); size *= 2)
        for (uint8_t *p = first - 9; p <= first + 9; p++)
            for (unsigned write = 0; write < 2; write++) {
                bool hit = p < first + length && p + size > first && (write || kind == ON_ACCESS);
                touch(p, size, write);
                if (hit)
                    wrong += exc.vector != DB || exc.f.ip != try_end || (exc.dr6 & BITS) != 1u << n;
                else
                    wrong += exc.vector != NONE;
            }
    return wrong;
}

static void data(void)
{
    unsigned wrong[4] = {0}, number = 0;

    for (unsigned kind = ON_WRITE; kind <= ON_ACCESS; kind += 2)
        for (unsigned len = 0; len < 4; len++) {
            unsigned length = lengths[len];
            if (length > sizeof(word))
                continue;
            for (uint8_t *first = cells + 24; first < cells + 32; first += length, number++) {
                set_address(number % 4, (word)first);
                write_dr7(control(number % 4, kind, len, number / 4 % 2));
                wrong[len] += around(first, length, kind, number % 4);
                write_dr7(0x400);
            }
        }
    check("data breakpoints of 1 byte", wrong[0], 0);
    check("data breakpoints of 2 bytes", wrong[1], 0);
    check("data breakpoints of 4 bytes", wrong[3], 0);
    if (sizeof(word) == 8)
        check("data breakpoints of 8 bytes", wrong[2], 0);
    /* The low bits of an address are not compared. */
    set_address(0, (word)cells + 27);
    write_dr7(control(0, ON_WRITE, 3, false));
    check("low bits of an address are ignored", around(cells + 24, 4, ON_WRITE, 0), 0);
    write_dr7(control(0, ON_WRITE, 3, false) & ~3ul);
    touch(cells + 24, 4, true);
    check_fault("a disabled breakpoint", NONE, 0);
    write_dr7(0x400);
}

static void ports(void)
{
    unsigned wrong = 0;

    write_cr4(read_cr4() | 8);
    for (unsigned len = 0; len < 4; len++) {
        unsigned length = lengths[len];
        if (length == 8)
            continue;
        set_address(1, 0x84);
        write_dr7(control(1, ON_PORT, len, true));
        for (unsigned port = 0x80; port < 0x8a; port++)
            for (unsigned size = 1; size <= 4; size *= 2) {
                bool hit = port < 0x84 + length && port + size > 0x84;
                if (size == 1)
                    TRY("inb %%dx, %%al", ::"d"(port) : R "ax", "memory");
                else if (size == 2)
                    TRY("inw %%dx, %%ax", ::"d"(port) : R "ax", "memory");
                else
                    TRY("inl %%dx, %%eax", ::"d"(port) : R "ax", "memory");
                wrong += hit ? exc.vector != DB || exc.f.ip != try_end || (exc.dr6 & BITS) != B1
                             : exc.vector != NONE;
            }
    }
    check("I/O breakpoints of 1, 2 and 4 bytes", wrong, 0);
    word from = (word)cells, count = 3;
    TRY("rep outsb", : "+S"(from), "+c"(count) : "d"(0x84) : "memory");
    check("I/O breakpoint: REP OUTS stops after an iteration", exc.f.cx, 2);
    write_dr7(0x400);
    write_cr4(read_cr4() & ~8ul);
}

/* ---- DR6, DR7 ---- */

static void registers(void)
{
    write_dr6(0);
    check("DR6: bits that are always set", read_dr6(), 0xffff0ff0);
    write_dr6(0xffffffff);
    check("DR6: bit 12 is clear", read_dr6(), 0xffffefff);
    write_dr6(0xffff0ff0);
    write_dr7(0);
    check("DR7: bit 10 is set", read_dr7(), 0x400);
    write_dr7(0xffffdf00); /* neither GD nor a breakpoint */
    check("DR7: bits 11, 12, 14, 15 are clear", read_dr7() & ~0x300ul, 0xffff0400);
    write_dr7(0x400);
    word dr4, dr5;
    __asm__ volatile("mov %%dr4, %0\n\tmov %%dr5, %1" : "=r"(dr4), "=r"(dr5));
    check("DR4 is DR6 without CR4.DE", dr4, read_dr6());
    check("DR5 is DR7 without CR4.DE", dr5, read_dr7());
#ifdef __x86_64__
    TRY("mov %0, %%dr6", ::"r"(1ul << 32) : "memory");
    check_fault("#GP: upper half of DR6", GP, 0);
    TRY("mov %0, %%dr7", ::"r"(1ul << 32) : "memory");
    check_fault("#GP: upper half of DR7", GP, 0);
    TRY(".byte 0x44, 0x0f, 0x23, 0xc0", ::: "memory"); /* mov %rax, %dr8 */
    check_fault("#UD: DR8", UD, 0);
#endif
    set_address(0, (word)cells);
    write_dr7(control(0, ON_WRITE, 0, false));
    write_dr6(0xffff4ff0);
    touch(cells, 1, true);
    check("DR6.BS stays until software clears it", exc.dr6 & BITS, BS | B0);
    write_dr7(0x400);
}

static void general_detect(void)
{
    unsigned wrong = 0;

#define DETECT(text)                                                                               \
    write_dr7(0x2400);                                                                             \
    TRY(text, ::"a"(0x400l) : "memory");                                                           \
    wrong +=                                                                                       \
        exc.vector != DB || exc.f.ip != try_begin || (exc.dr6 & BITS) != BD || read_dr7() != 0x400
    DETECT("mov %%dr0, %%" R "ax");
    DETECT("mov %%dr1, %%" R "ax");
    DETECT("mov %%dr2, %%" R "ax");
    DETECT("mov %%dr3, %%" R "ax");
    DETECT("mov %%dr6, %%" R "ax");
    DETECT("mov %%dr7, %%" R "ax");
    DETECT("mov %%" R "ax, %%dr0");
    DETECT("mov %%" R "ax, %%dr3");
    DETECT("mov %%" R "ax, %%dr6");
    DETECT("mov %%" R "ax, %%dr7");
    check("general detect: each register, both ways", wrong, 0);
}

static void user_moves(void)
{
    TRY("mov %%dr7, %%" R "ax", ::: R "ax", "memory");
}

/* ---- what comes first ---- */

static struct event {
    word ip, dr6, flags;
} events[8];
static unsigned seen;

static void note(struct frame *f)
{
    if (seen < 8)
        events[seen++] = (struct event){f->ip, exc.dr6 & BITS, f->flags};
    if (exc.dr6 & B0 && (read_dr7() >> 16 & 3) == EXECUTE)
        f->flags |= 0x10000; /* RF: it runs now */
}

#define STEP "pushf\n\tor" W " $0x100, (%%" R "sp)\n\tpopf\n\t"

static void order(void)
{
    extern char step_next[], int_next[], prefixed[], behind_hlt[];

    handlers[DB] = note;
    seen = 0;
    set_address(0, (word)step_next);
    write_dr7(control(0, EXECUTE, 0, false));
    __asm__ volatile(STEP "nop\nstep_next:\tnop" ::: "memory");
    write_dr7(0x400);
    check("step, then breakpoint: two exceptions", seen, 2);
    check("the trap of the instruction before comes first", events[0].dr6, BS);
    check("it is at the next instruction", events[0].ip, (word)step_next);
    check("then the breakpoint", events[1].dr6, B0);
    check("at the same instruction", events[1].ip, (word)step_next);
    /* One exception for a step and two breakpoints on data. */
    seen = 0;
    set_address(0, (word)cells);
    set_address(1, (word)cells + 8);
    write_dr7(control(0, ON_ACCESS, 0, false) | control(1, ON_WRITE, 0, false));
    word from = (word)cells, to = (word)cells + 8;
    __asm__ volatile(STEP "movsb" : "+S"(from), "+D"(to)::"memory");
    write_dr7(0x400);
    check("step and two data breakpoints: one exception", seen, 1);
    check("DR6 has all three", events[0].dr6, BS | B0 | B1);
    /* INT clears TF; IRET brings it back, for the instruction after the next. */
    seen = 0;
    __asm__ volatile(STEP "int $0x82\n\tnop\nint_next:\tnop" ::: "memory");
    check("a step over INT: one exception", seen, 1);
    check("it is behind the instruction after INT", events[0].ip, (word)int_next);
    seen = 0;
    __asm__ volatile(STEP "hlt\nbehind_hlt:" ::: "memory");
    check("a step over HLT does not wait", events[0].ip, (word)behind_hlt);
    handlers[DB] = 0;
    /* On the first byte, prefixes are the instruction's. */
    set_address(0, (word)prefixed);
    write_dr7(control(0, EXECUTE, 0, true));
    TRY("prefixed:\t.byte 0x66, 0x90", ::: "memory");
    check_fault("breakpoint on a prefix", DB, 0);
    write_dr7(0x400);
}

static void second_byte(void)
{
    extern char two[];

    set_address(0, (word)two + 1);
    write_dr7(control(0, EXECUTE, 0, true));
    TRY("two:\t.byte 0x66, 0x90", ::: "memory");
    write_dr7(0x400);
    check_fault("a breakpoint on another byte of an instruction", NONE, 0);
    set_address(0, (word)cells + 8);
    write_dr7(control(0, ON_WRITE, 0, true));
    TRY("divb %b0\n\tmovb %%al, (%1)", ::"q"(0), "r"(cells + 8) : R "ax", "memory");
    check_fault("a fault, and the breakpoint behind it", DE, 0);
    TRY(STEP "ud2", ::: "memory");
    check("a fault is not a step", (unsigned)exc.vector, UD);
    check("and pushes TF", exc.f.flags >> 8 & 1, 1);
    write_dr7(0x400);
    /* Priority 7 of table 6-2, before the fault of the fetch. */
    paging_on();
    map_window(0, 0, 0);
    set_address(0, WINDOW);
    write_dr7(control(0, EXECUTE, 0, true));
    TRY("jmp *%0", ::"r"(WINDOW) : "memory");
    write_dr7(0x400);
    check("a breakpoint comes before the page fault of its fetch", (unsigned)exc.vector, DB);
    /* The access faults: the breakpoint on its first part is not hit. */
    static uint8_t page[4096] __attribute__((aligned(4096)));
    map_window(0, page, 7);
    map_window(1, 0, 0);
    set_address(0, WINDOW + 4094);
    write_dr7(control(0, ON_WRITE, 0, true));
    TRY("movl %%eax, (%0)", ::"r"(WINDOW + 4094) : "memory");
    write_dr7(0x400);
    check_fault("a data breakpoint and a page fault", PF, 2);
    TRY("nop", ::: "memory");
    check_fault("it is not hit later", NONE, 0);
}

static void nothing(struct frame *f)
{
    (void)f;
}

void guest_main(void)
{
    handlers[0x82] = nothing;
    data();
    ports();
    registers();
    general_detect();
    run_user(user_moves);
    check_fault("#GP: MOV from DR7 in ring 3", GP, 0);
    order();
    second_byte();
}
