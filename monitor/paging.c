/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `info mem` and `info tlb`: what the processor's page tables map (SDM vol. 3A chapter 4). The
 * tables are the guest's: a walk is bounded in the tables that it visits, for they may lead round
 * in circles. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cpu/x86/cpu.h"
#include "monitor/monitor_internal.h"
#include "vm/machine.h"

#define TABLES_MAX 65536
#define LINES_MAX  20000

#define PTE_P  1u
#define PTE_W  2u
#define PTE_U  4u
#define PTE_A  0x20u
#define PTE_D  0x40u
#define PTE_PS 0x80u
#define PTE_G  0x100u
#define PTE_NX (1ull << 63)

struct walk {
    struct monitor *mon;
    const struct cpu *cpu;
    bool pages; /* info tlb: a line for each page; else for each stretch of equal rights */
    unsigned entry_size, levels;
    unsigned tables, lines;
    uint64_t start, end; /* the stretch so far */
    unsigned rights;
    bool cut;
};

static void line(struct walk *w, const char *text)
{
    if (w->lines++ < LINES_MAX)
        monitor_print_line(w->mon, text);
    else
        w->cut = true;
}

/* ---- info mem ---- */

static void end_stretch(struct walk *w)
{
    char text[96];

    if (w->end == w->start)
        return;
    snprintf(text, sizeof(text), "%016" PRIx64 "-%016" PRIx64 " %016" PRIx64 " %cr%c", w->start,
             w->end, w->end - w->start, w->rights & PTE_U ? 'u' : '-',
             w->rights & PTE_W ? 'w' : '-');
    line(w, text);
    w->start = w->end = 0;
}

static void add_stretch(struct walk *w, uint64_t lin, uint64_t size, unsigned rights)
{
    if (w->end == lin && w->rights == rights && w->end != w->start) {
        w->end += size;
        return;
    }
    end_stretch(w);
    w->start = lin;
    w->end = lin + size;
    w->rights = rights;
}

/* ---- info tlb ---- */

static void page_line(struct walk *w, uint64_t lin, uint64_t entry, uint64_t size)
{
    char text[96];
    uint64_t frame = entry & 0xffffffffff000ull & ~(size - 1);

    snprintf(text, sizeof(text), "%016" PRIx64 ": %016" PRIx64 " %c%c%c%c%c%c%c", lin, frame,
             w->entry_size == 8 && entry & PTE_NX ? 'X' : '-', entry & PTE_G ? 'G' : '-',
             size > 4096 ? 'P' : '-', entry & PTE_D ? 'D' : '-', entry & PTE_A ? 'A' : '-',
             entry & PTE_U ? 'U' : '-', entry & PTE_W ? 'W' : '-');
    line(w, text);
}

/* ---- the walk ---- */

static uint64_t read_entry(struct walk *w, uint64_t addr)
{
    uint8_t bytes[8] = {0};
    uint64_t v = 0;

    control_read_memory(w->mon->ctl, -1, addr, bytes, w->entry_size);
    memcpy(&v, bytes, 8);
    return v;
}

/* Bits of the linear address that one entry of a table of this level stands for. */
static unsigned shift_of(const struct walk *w, unsigned level)
{
    return 12 + (w->entry_size == 8 ? 9 : 10) * level;
}

static bool is_page(const struct walk *w, unsigned level, uint64_t entry)
{
    bool large = w->entry_size == 8 || w->cpu->cr4 & CR4_PSE;

    return level == 0 || (level <= 2 && w->levels > level && large && entry & PTE_PS);
}

static uint64_t sign_extend(const struct walk *w, uint64_t lin)
{
    return w->levels == 4 && lin >> 47 & 1 ? lin | 0xffffull << 48 : lin;
}

static void walk_table(struct walk *w, uint64_t table, unsigned level, uint64_t base,
                       unsigned rights)
{
    unsigned n = w->entry_size == 8 ? (level == 2 && w->levels == 3 ? 4 : 512) : 1024;

    if (w->tables++ >= TABLES_MAX || w->cut) {
        w->cut = true;
        return;
    }
    for (unsigned i = 0; i < n && !w->cut; i++) {
        uint64_t entry = read_entry(w, table + (uint64_t)i * w->entry_size);
        uint64_t lin = base | (uint64_t)i << shift_of(w, level);
        bool pdpte = level == 2 && w->levels == 3; /* PAE: no rights of its own */
        unsigned both = rights & (pdpte ? ~0u : (unsigned)entry);

        if (!(entry & PTE_P))
            continue;
        if (!pdpte && is_page(w, level, entry)) {
            uint64_t size = 1ull << shift_of(w, level);

            if (w->pages)
                page_line(w, sign_extend(w, lin), entry, size);
            else
                add_stretch(w, sign_extend(w, lin), size, both & (PTE_U | PTE_W));
        } else {
            walk_table(w, entry & 0xffffffffff000ull, level - 1, lin, both);
        }
    }
}

static void show(struct monitor *mon, bool pages)
{
    struct walk w = {.mon = mon, .pages = pages};

    if (mon->cpu >= mon->m->ncpus) {
        monitor_printf(mon, "the machine has no processor\n");
        return;
    }
    bool was_running = control_hold(mon->ctl);
    w.cpu = cpu_of(mon->m->cpus[mon->cpu]);
    w.entry_size = w.cpu->cr4 & CR4_PAE ? 8 : 4;
    w.levels = !(w.cpu->cr4 & CR4_PAE) ? 2 : w.cpu->efer & EFER_LMA ? 4 : 3;
    if (!(w.cpu->cr0 & CR0_PG)) {
        monitor_printf(mon, "paging is off\n");
    } else {
        uint64_t root = w.cpu->cr3 & (w.levels == 3 ? 0xffffffe0ull : 0xffffffffff000ull);

        walk_table(&w, root, w.levels - 1, 0, PTE_U | PTE_W);
        end_stretch(&w);
        if (w.cut)
            monitor_printf(mon, "... and more\n");
    }
    control_release(mon->ctl, was_running);
}

void info_mem(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    show(mon, false);
}

void info_tlb(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    show(mon, true);
}
