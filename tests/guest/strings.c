/* SPDX-License-Identifier: GPL-2.0-or-later */
/* String instructions (SDM vol. 2: REP, MOVS, STOS, CMPS, SCAS, LODS, INS): page crossings, faults
 * in the middle with the registers at the failing element, overlap, DF, address size. */
#include "lib/rt.h"

static uint8_t pages[4][4096] __attribute__((aligned(4096)));
static word di, si, cx, ax;

/* Runs a string instruction from the variables above and stores the registers back. */
#define STRING(text)                                                                               \
    TRY(text, : "+D"(di), "+S"(si), "+c"(cx), "+a"(ax)::"memory", "cc");                           \
    fix()
/* After a fault the registers are those of the frame: trap stubs restore them, so the outputs of
 * the statement are right already; only DF has to be put back. */
static void fix(void)
{
    __asm__ volatile("cld");
}

static uint8_t *const w = (uint8_t *)WINDOW;

static void fill(void)
{
    for (unsigned i = 0; i < sizeof pages; i++)
        (&pages[0][0])[i] = (uint8_t)(i * 7 + (i >> 8));
}

static void plain(void)
{
    fill();
    map_window(0, pages[0], 7);
    map_window(1, pages[1], 7);
    map_window(2, pages[2], 7);
    map_window(3, pages[3], 7);
    si = WINDOW + 4000, di = WINDOW + 8192 + 90, cx = 200;
    STRING("rep movsb");
    check("REP MOVSB across pages: count", cx, 0);
    check("REP MOVSB across pages: source", si, WINDOW + 4200);
    check("REP MOVSB across pages: destination", di, WINDOW + 8192 + 290);
    check("REP MOVSB across pages: bytes", memcmp(w + 4000, w + 8192 + 90, 200), 0);
    di = WINDOW + 4090, cx = 5, ax = 0x44332211;
    STRING("rep stosl");
    check("REP STOSD across pages",
          *(uint32_t *)(w + 4094) == 0x44332211 && *(uint32_t *)(w + 4106) == 0x44332211, 1);
    check("REP STOSD across pages: destination", di, WINDOW + 4110);
    cx = 0, di = 1, si = 1;
    STRING("rep movsb");
    check_fault("REP with count 0 touches nothing", NONE, 0);
    check("REP with count 0 leaves the destination", di, 1);

    /* Overlap: a forward copy by one byte repeats the first byte. */
    fill();
    uint8_t first = w[100];
    si = WINDOW + 100, di = WINDOW + 101, cx = 64;
    STRING("rep movsb");
    bool ok = true;
    for (int i = 0; i <= 64; i++)
        ok &= w[100 + i] == first;
    report(ok, "REP MOVSB overlapping by one replicates");
    fill();
    uint32_t v = *(uint32_t *)(w + 200);
    si = WINDOW + 200, di = WINDOW + 204, cx = 8;
    STRING("rep movsl");
    check("REP MOVSD overlapping by four replicates", *(uint32_t *)(w + 232), v);
    fill();
    memcpy(pages[3], w + 300, 64);
    si = WINDOW + 363, di = WINDOW + 364, cx = 64;
    STRING("std\n\trep movsb");
    check("REP MOVSB with DF moves up", memcmp(w + 301, pages[3], 64), 0);
    check("REP MOVSB with DF: source", si, WINDOW + 299);
    si = WINDOW + 4096 + 1, di = WINDOW + 8192 + 2, cx = 3;
    fill();
    STRING("std\n\trep movsw");
    check("REP MOVSW with DF across pages", *(uint16_t *)(w + 8190), *(uint16_t *)(w + 4093));
    check("REP MOVSW with DF: destination", di, WINDOW + 8192 - 4);

    memset(pages[0], 0, 4096);
    pages[0][77] = 5;
    di = WINDOW, cx = 4096, ax = 5;
    STRING("repne scasb");
    check("REPNE SCASB stops behind the match", di, WINDOW + 78);
    check("REPNE SCASB count", cx, 4096 - 78);
    di = WINDOW, cx = 4096, ax = 0;
    STRING("repe scasb");
    check("REPE SCASB stops behind the difference", di, WINDOW + 78);
    memset(pages[1], 0, 4096);
    si = WINDOW, di = WINDOW + 4096, cx = 1024;
    STRING("repe cmpsl");
    check("REPE CMPSD", si, WINDOW + 80);
    si = WINDOW + 77, cx = 1, ax = 0;
    STRING("rep lodsb");
    check("REP LODSB", ax, 5);

    /* Address size 67h. */
    si = WINDOW, di = WINDOW + 8192, cx = 16;
#ifdef __x86_64__
    si |= 0x1111111100000000, di |= 0x2222222200000000, cx |= 0x3333333300000000;
    fill();
    STRING("addr32 rep movsb");
    check_fault("67h in 64-bit mode uses 32-bit registers", NONE, 0);
    check("67h: ESI is written zero-extended", si, WINDOW + 16);
    check("67h: EDI is written zero-extended", di, WINDOW + 8192 + 16);
    check("67h: ECX is written zero-extended", cx, 0);
    check("67h: bytes", memcmp(w, w + 8192, 16), 0);
#else
    /* 16-bit registers: memory below 64 KiB, upper halves kept, SI wraps. */
    uint8_t *low = (uint8_t *)0x7000;
    memset(low, 0, 64);
    fill();
    di = 0x12347000, cx = 0xabcd0010, ax = 0x5a;
    STRING("addr16 rep stosb");
    check("67h: DI is 16 bits", di, 0x12347010);
    check("67h: CX is 16 bits", cx, 0xabcd0000);
    check("67h: bytes", low[15] == 0x5a && low[16] == 0, 1);
    si = 0x1234ffff, ax = 0;
    STRING("addr16 lodsb");
    check("67h: SI wraps at 64 KiB", si, 0x12340000);
#endif
}

/* MOVS element by element, as the manual has it, on a copy of what is around a page boundary. */
enum { AROUND = 4096 - 400, SIZE_AROUND = 800 };
static uint8_t expected[SIZE_AROUND];
static void move_by_elements(unsigned to, unsigned from, unsigned n, unsigned size, bool down)
{
    uint8_t *e = expected - AROUND;
    for (unsigned k = 0; k < n; k++) {
        uint8_t v[8];
        for (unsigned b = 0; b < size; b++)
            v[b] = e[from + b];
        for (unsigned b = 0; b < size; b++)
            e[to + b] = v[b];
        from += down ? 0 - size : size, to += down ? 0 - size : size;
    }
}

static void move(unsigned size, bool down)
{
    if (down)
        __asm__ volatile("std");
    if (size == 1) {
        STRING("rep movsb");
    } else if (size == 2) {
        STRING("rep movsw");
    } else if (size == 4) {
        STRING("rep movsl");
#ifdef __x86_64__
    } else {
        STRING("rep movsq");
#endif
    }
}

/* All distances of overlap, across a page boundary, both ways. */
static void overlaps(void)
{
    for (unsigned size = 1; size <= sizeof(word); size *= 2) {
        unsigned bad = 0, n = 120 / size;
        for (int distance = -18; distance <= 18; distance++) {
            for (unsigned down = 0; down < 2; down++) {
                unsigned from = 4096 + (down ? 80 : -60), to = from + (unsigned)distance;
                for (unsigned k = 0; k < SIZE_AROUND; k++)
                    expected[k] = w[AROUND + k] = (uint8_t)(k * 7 + (k >> 8));
                move_by_elements(to, from, n, size, down);
                si = WINDOW + from, di = WINDOW + to, cx = n;
                move(size, down);
                word by = down ? 0 - (word)n * size : (word)n * size;
                bad += cx || si != WINDOW + from + by || di != WINDOW + to + by ||
                       memcmp(expected, w + AROUND, SIZE_AROUND);
            }
        }
        check(size == 1   ? "REP MOVSB, every overlap"
              : size == 2 ? "REP MOVSW, every overlap"
              : size == 4 ? "REP MOVSD, every overlap"
                          : "REP MOVSQ, every overlap",
              bad, 0);
    }
}

/* Scans and comparisons that end in the second page, up and down; the flags are the last one's. */
static void searches(void)
{
    word flags;
    memset(pages, 0x11, sizeof pages);
    w[5000] = 0x12, w[3000] = 0x10;
    di = WINDOW + 4000, cx = 2000, ax = 0x11;
    STRING("repe scasb; pushf; pop %%" R "cx");
    flags = cx;
    check("REPE SCASB up to the next page", di, WINDOW + 5001);
    check("REPE SCASB: flags of the last", flags & 0x8d5, 0x95); /* 0x11 - 0x12 */
    __asm__ volatile("std");
    di = WINDOW + 4998, cx = 2000 + 1;
    STRING("repe scasb");
    check("REPE SCASB down to the page before", di, WINDOW + 2999);
    check("REPE SCASB down: count", cx, 2001 - (4998 - 3000 + 1));
    si = WINDOW + 4000, di = WINDOW + 8192 + 4000, cx = 600;
    STRING("repe cmpsw; pushf; pop %%" R "cx");
    check("REPE CMPSW up to the next page: source", si, WINDOW + 5002);
    check("REPE CMPSW: destination", di, WINDOW + 8192 + 5002);
    check("REPE CMPSW: flags of the last", cx & 0x8d5, 0); /* 0x1112 - 0x1111 */
    __asm__ volatile("std");
    si = WINDOW + 4998, di = WINDOW + 8192 + 4998, cx = 2200;
    STRING("repe cmpsb");
    check("REPE CMPSB down: source", si, WINDOW + 2999);
    __asm__ volatile("std");
    di = WINDOW + 4998, cx = 3, ax = 0x33221111;
    STRING("repne scasw");
    check("REPNE SCASW down, at once", di, WINDOW + 4996);
    __asm__ volatile("std");
    di = WINDOW + 4100, cx = 5, ax = 0xa1a2a3a4;
    STRING("rep stosl");
    check("REP STOSD down across pages",
          *(uint32_t *)(w + 4084) == 0xa1a2a3a4 && w[4083] == 0x11 && w[4104] == 0x11, 1);
    check("REP STOSD down: destination", di, WINDOW + 4080);
    si = WINDOW + 4090, cx = 4;
    *(uint16_t *)(w + 4096) = 0x7788;
    STRING("rep lodsw");
    check("REP LODSW: the last", ax & 0xffff, 0x7788);
}

static void faults(void)
{
    fill();
    map_window(1, pages[1], 0);
    si = (word)pages[2], di = WINDOW + 4096 - 100, cx = 300;
    STRING("rep movsb");
    check_fault("REP MOVSB into an absent page", PF, 2);
    check("REP MOVSB fault: CR2", exc.cr2, WINDOW + 4096);
    check("REP MOVSB fault: count", exc.f.cx, 200);
    check("REP MOVSB fault: source", exc.f.si, (word)pages[2] + 100);
    check("REP MOVSB fault: destination", exc.f.di, WINDOW + 4096);
    check("REP MOVSB fault: what came before is done", memcmp(pages[0] + 3996, pages[2], 100), 0);
    si = WINDOW + 4096 - 8, di = (word)pages[2], cx = 9;
    STRING("rep movsl");
    check_fault("REP MOVSD from an absent page", PF, 0);
    check("REP MOVSD fault: count", exc.f.cx, 7);
    check("REP MOVSD fault: source", exc.f.si, WINDOW + 4096);
    check("REP MOVSD fault: destination", exc.f.di, (word)pages[2] + 8);
    /* An element that straddles the edge is not partly written. */
    fill();
    uint16_t before = *(uint16_t *)(pages[0] + 4094);
    di = WINDOW + 4096 - 10, cx = 6, ax = 0;
    STRING("rep stosl");
    check("REP STOSD straddling fault: count", exc.f.cx, 4);
    check("REP STOSD straddling fault: destination", exc.f.di, WINDOW + 4096 - 2);
    check("REP STOSD straddling fault: CR2", exc.cr2, WINDOW + 4096);
    check("REP STOSD straddling fault: nothing of it written", *(uint16_t *)(pages[0] + 4094),
          before);
    /* Downwards out of page 2 into the absent page 1. */
    map_window(2, pages[2], 7);
    di = WINDOW + 8192 + 9, cx = 20, ax = 0xee;
    STRING("std\n\trep stosb");
    check("REP STOSB downwards fault: count", exc.f.cx, 10);
    check("REP STOSB downwards fault: destination", exc.f.di, WINDOW + 8191);
    check("REP STOSB downwards fault: CR2", exc.cr2, WINDOW + 8191);
    memset(pages[0], 1, 4096);
    di = WINDOW + 4000, cx = 1000, ax = 2;
    STRING("repne scasb");
    check_fault("REPNE SCASB into an absent page", PF, 0);
    check("REPNE SCASB fault: count", exc.f.cx, 904);
    si = WINDOW + 4000, di = WINDOW + 3000, cx = 1000;
    STRING("repe cmpsb");
    check_fault("REPE CMPSB into an absent page", PF, 0);
    check("REPE CMPSB fault: count", exc.f.cx, 904);
    check("REPE CMPSB fault: destination", exc.f.di, WINDOW + 3096);
    si = WINDOW + 4096, di = (word)pages[2], cx = 1;
    STRING("rep movsb");
    check("fault in the first element: count", exc.f.cx, 1);
    /* INS faults before the port is read or anything is counted. */
    word port = 0x21;
    di = WINDOW + 4096, cx = 2;
    TRY("rep insb", : "+D"(di), "+c"(cx) : "d"(port) : "memory");
    check_fault("REP INSB into an absent page", PF, 2);
    check("REP INSB fault: count", exc.f.cx, 2);
    __asm__ volatile("outw %w0, %w1" ::"a"(0), "d"(0x510)); /* fw_cfg: "QEMU", a byte a read */
    if (inb(0x511) != 'Q') {
        skip("REP INSB fault: no fw_cfg");
        return;
    }
    port = 0x511, di = WINDOW + 4096, cx = 2;
    TRY("rep insb", : "+D"(di), "+c"(cx) : "d"(port) : "memory");
    check("REP INSB fault: nothing is lost", inb(0x511), 'E');
}

/* Makes the page present and lets the instruction go on. */
static void repair(struct frame *f)
{
    (void)f;
    map_window(1, pages[1], 7);
}

static void restart(void)
{
    fill();
    map_window(1, pages[1], 0);
    handlers[PF] = repair;
    unsigned before = exc.count;
    di = WINDOW + 4000, si = (word)pages[2], cx = 500;
    STRING("rep movsb");
    check("restarted REP MOVSB: one fault", exc.count - before, 1);
    check("restarted REP MOVSB: count", cx, 0);
    check("restarted REP MOVSB: bytes", memcmp(w + 4000, pages[2], 500), 0);
    handlers[PF] = 0;
}

void guest_main(void)
{
    paging_on();
    plain();
    overlaps();
    searches();
    faults();
    restart();
}
