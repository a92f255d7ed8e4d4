/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why the processor says no. */
#include "cpu/x86/explain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/printer.h"
#include "cpu/x86/mem.h"
#include "cpu/x86/paging.h"

size_t explain_read(struct cpu *cpu, uint64_t lin, uint8_t *buf, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t phys = mmu_debug_translate(cpu, lin + i);

        if (phys == UINT64_MAX)
            return i;
        buf[i] = (uint8_t)address_space_read(&cpu->v.m->mem, phys, 1);
    }
    return n;
}

/* ---- page tables ---- */

static bool read_entry(struct cpu *cpu, uint64_t phys, unsigned size, uint64_t *entry)
{
    struct address_space *mem = &cpu->v.m->mem;
    const struct mem_range *r = phys <= mem->last ? address_space_find(mem, phys) : NULL;

    if (!r || r->region->kind != REGION_MEMORY)
        return false;
    *entry = address_space_read(mem, phys, size);
    return true;
}

static const char *level_name(const struct cpu *cpu, unsigned n)
{
    static const char *const names[] = {"PML4E", "PDPTE", "PDE", "PTE"};

    return names[(cpu->long_mode ? 0 : 2) + n];
}

/* "P W U A D": the bits that are set. */
static void entry_bits(const struct walk *w, unsigned n, char *text, size_t size)
{
    static const struct {
        unsigned bit;
        const char *name;
    } bits[] = {{0, "P"}, {1, "RW"}, {2, "US"}, {3, "PWT"}, {4, "PCD"},
                {5, "A"}, {6, "D"},  {7, "PS"}, {8, "G"},   {63, "NX"}};
    bool last = n == w->n - 1;
    size_t len = 0;

    *text = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(bits); i++) {
        if (bits[i].bit == 63 ? w->size == 4 : (bits[i].bit == 6 || bits[i].bit == 8) && !last)
            continue;
        if (w->entry[n] >> bits[i].bit & 1 && len < size)
            len +=
                (size_t)snprintf(text + len, size - len, "%s%s", len ? " " : "",
                                 bits[i].bit == 7 && (!w->large || !last) ? "PAT" : bits[i].name);
    }
}

/* The first entry, from the top, that has (or lacks) a bit; its name. */
static const char *entry_with(const struct cpu *cpu, const struct walk *w, uint64_t bit, bool set)
{
    for (unsigned n = 0; n < w->n; n++)
        if (!(w->entry[n] & bit) != set)
            return level_name(cpu, n);
    return "no entry";
}

/* Why an access to a page that is there is not permitted (SDM vol. 3A 4.6). */
static void print_refusal(const struct cpu *cpu, const struct walk *w,
                          const struct explain_access *a, const struct printer *p)
{
    bool user_page = true, nx = false;

    for (unsigned n = 0; n < w->n; n++) {
        user_page = user_page && w->entry[n] & PTE_U;
        nx = nx || (w->size == 8 && w->entry[n] & PTE_NX);
    }
    if (a->user && !user_page)
        print(p, "refused: a user's access, and US is clear in the %s",
              entry_with(cpu, w, PTE_U, false));
    else if (a->fetch && nx)
        print(p, "refused: a fetch, and NX is set in the %s", entry_with(cpu, w, PTE_NX, true));
    else if (a->fetch)
        print(p, "refused: a supervisor's fetch from a user page, and CR4.SMEP is set");
    else if (!a->user && user_page && cpu->cr4 & CR4_SMAP && !(cpu->eflags & EFLAGS_AC))
        print(p, "refused: a supervisor's access to a user page, CR4.SMAP is set and EFLAGS.AC is "
                 "clear");
    else
        print(p, "refused: a write, and RW is clear in the %s%s", entry_with(cpu, w, PTE_W, false),
              a->user ? "" : "; CR0.WP is set");
}

static void print_entries(const struct cpu *cpu, const struct walk *w, const struct printer *p)
{
    for (unsigned n = 0; n < w->n; n++) {
        char bits[64];

        entry_bits(w, n, bits, sizeof(bits));
        print(p, "%-5s at %0*" PRIx64 ": %0*" PRIx64 "  %s", level_name(cpu, n),
              w->at[n] >> 32 ? 16 : 8, w->at[n], (int)w->size * 2, w->entry[n], bits);
    }
}

static void print_root(const struct cpu *cpu, uint64_t lin, const struct printer *p)
{
    print(p, "linear %016" PRIx64 "; CR3 %08" PRIx64 ", %s", lin, cpu->cr3,
          cpu->long_mode       ? "4 levels"
          : cpu->cr4 & CR4_PAE ? "PAE, 3 levels"
                               : "2 levels");
    if (!cpu->long_mode && cpu->cr4 & CR4_PAE)
        print(p, "PDPTE %u in the processor: %016" PRIx64 "%s", (unsigned)(lin >> 30 & 3),
              cpu->pdpte[lin >> 30 & 3], cpu->pdpte[lin >> 30 & 3] & PTE_P ? "  P" : "");
}

static void print_stop(const struct cpu *cpu, const struct walk *w, enum walk_result r,
                       const struct printer *p)
{
    const char *name = w->n ? level_name(cpu, w->n - 1) : "PDPTE";

    if (r == WALK_NOT_PRESENT)
        print(p, "not present: P is clear in the %s", name);
    else if (r == WALK_RESERVED)
        print(p, "a reserved bit is set in the %s: the access faults with RSVD", name);
    else
        print(p, "the next table is where there is no memory");
}

static const char *page_size_text(const struct walk *w)
{
    uint64_t size = w->large ? w->page_mask + 1 : 4096;

    return size == 4096 ? "4 KiB" : size == 2 << 20 ? "2 MiB" : size == 4 << 20 ? "4 MiB" : "1 GiB";
}

void explain_page(struct cpu *cpu, uint64_t lin, const struct explain_access *a, explain_line *line,
                  void *opaque)
{
    const struct access access = {.write = a->write, .fetch = a->fetch, .user = a->user};
    const struct printer p = {line, opaque};
    struct translation t;
    struct walk w = {.n = 0};
    enum walk_result r;

    if (!(cpu->cr0 & CR0_PG)) {
        print(&p, "paging is off: linear %08" PRIx64 " is physical %08" PRIx64, lin,
              lin & a20_mask(cpu));
        return;
    }
    if (cpu->long_mode && !is_canonical(lin)) {
        print(&p, "linear %016" PRIx64 " is not canonical: #GP or #SS before any walk", lin);
        return;
    }
    print_root(cpu, lin, &p);
    r = walk_tables(cpu, lin, &w, read_entry);
    print_entries(cpu, &w, &p);
    if (r != WALK_OK) {
        print_stop(cpu, &w, r, &p);
        return;
    }
    print(&p, "physical %016" PRIx64 ", in a page of %s",
          frame_of(cpu, &w) | (lin & (w.large ? w.page_mask : 0xfff)), page_size_text(&w));
    if (walk_translation(cpu, &w, lin, &access, &t))
        print(&p, "%s by %s: permitted",
              a->fetch   ? "a fetch"
              : a->write ? "a write"
                         : "a read",
              a->user ? "a user" : "the supervisor");
    else
        print_refusal(cpu, &w, a, &p);
}

/* ---- descriptors ---- */

static uint64_t descriptor_base(const uint8_t *d, bool wide)
{
    uint64_t base = ld_le16(d + 2) | (uint64_t)d[4] << 16 | (uint64_t)d[7] << 24;

    return wide ? base | (uint64_t)ld_le32(d + 8) << 32 : base;
}

static uint32_t descriptor_limit(const uint8_t *d)
{
    uint32_t limit = ld_le16(d) | (uint32_t)(d[6] & 0xf) << 16;

    return d[6] & 0x80 ? limit << 12 | 0xfff : limit;
}

static const char *system_type(unsigned type, bool long_mode)
{
    static const char *const names[16] = {"reserved",
                                          "TSS16",
                                          "LDT",
                                          "TSS16 busy",
                                          "call gate16",
                                          "task gate",
                                          "interrupt gate16",
                                          "trap gate16",
                                          "reserved",
                                          "TSS32",
                                          "reserved",
                                          "TSS32 busy",
                                          "call gate32",
                                          "reserved",
                                          "interrupt gate32",
                                          "trap gate32"};
    static const char *const wide[16] = {[2] = "LDT",
                                         [9] = "TSS64",
                                         [11] = "TSS64 busy",
                                         [12] = "call gate64",
                                         [14] = "interrupt gate64",
                                         [15] = "trap gate64"};

    if (long_mode)
        return wide[type] ? wide[type] : "reserved";
    return names[type];
}

static void gate_text(const uint8_t *d, const char *name, bool wide, char *text, size_t size)
{
    static const char *const stacks[] = {"",       " IST 1", " IST 2", " IST 3",
                                         " IST 4", " IST 5", " IST 6", " IST 7"};
    unsigned type = d[5] & 0xf;
    uint64_t offset = ld_le16(d);

    if (type & 8)
        offset |= (uint64_t)ld_le16(d + 6) << 16;
    if (wide)
        offset |= (uint64_t)ld_le32(d + 8) << 32;
    if (type == 5)
        snprintf(text, size, "%s TSS %04x DPL %u%s", name, ld_le16(d + 2), d[5] >> 5 & 3,
                 d[5] & 0x80 ? "" : " not present");
    else
        snprintf(text, size, "%s %04x:%0*" PRIx64 " DPL %u%s%s", name, ld_le16(d + 2),
                 wide       ? 16
                 : type & 8 ? 8
                            : 4,
                 offset, d[5] >> 5 & 3, d[5] & 0x80 ? "" : " not present",
                 wide ? stacks[d[4] & 7] : "");
}

void explain_gate(const uint8_t raw[16], bool long_mode, char *text, size_t size)
{
    unsigned type = raw[5] & 0xf;
    bool known = long_mode ? type == 14 || type == 15
                           : type == 5 || type == 6 || type == 7 || type == 14 || type == 15;

    if (raw[5] & 0x10 || !known)
        snprintf(text, size, "no gate: type %02x%s", raw[5] & 0x1f,
                 raw[5] & 0x80 ? "" : ", not present");
    else
        gate_text(raw, system_type(type, long_mode), long_mode, text, size);
}

void explain_descriptor(const uint8_t raw[16], bool long_mode, char *text, size_t size)
{
    unsigned type = raw[5] & 0xf, dpl = raw[5] >> 5 & 3;
    const char *present = raw[5] & 0x80 ? "" : " not present";
    bool code = type & 8;

    if (!(raw[5] & 0x10)) {
        const char *name = system_type(type, long_mode);
        bool gate = type == 4 || type == 5 || type == 6 || type == 7 || type == 12 || type == 14 ||
                    type == 15;

        if (gate && strcmp(name, "reserved") != 0)
            gate_text(raw, name, long_mode, text, size);
        else
            snprintf(text, size, "%s base %0*" PRIx64 " limit %08x DPL %u%s", name,
                     long_mode ? 16 : 8, descriptor_base(raw, long_mode), descriptor_limit(raw),
                     dpl, present);
        return;
    }
    snprintf(text, size, "%s%s base %08" PRIx64 " limit %08x DPL %u %s%s%s%s",
             code ? "code" : "data",
             raw[6] & 0x20   ? "64"
             : raw[6] & 0x40 ? "32"
                             : "16",
             descriptor_base(raw, false), descriptor_limit(raw), dpl,
             code       ? type & 2 ? "readable" : "execute-only"
             : type & 2 ? "writable"
                        : "read-only",
             type & 4 ? code ? " conforming" : " expand-down" : "", type & 1 ? " accessed" : "",
             present);
}

/* ---- faults ---- */

/* Where the entry of a table is that an error code names; false: the table does not reach there. */
static bool find_entry(const struct cpu *cpu, uint32_t error, unsigned size, uint64_t *lin,
                       const struct printer *p)
{
    bool idt = error & 2, local = !idt && error & 4;
    const char *name = idt ? "IDT" : local ? "LDT" : "GDT";
    uint64_t base = idt ? cpu->idtr.base : local ? cpu->ldtr.base : cpu->gdtr.base;
    uint32_t limit = idt ? cpu->idtr.limit : local ? cpu->ldtr.limit : cpu->gdtr.limit;
    uint32_t offset = idt ? (error >> 3 & 0xff) * size : error & 0xfff8;

    if (local && !(cpu->ldtr.attr & SEG_ATTR_P)) {
        print(p, "    there is no LDT: LDTR is null");
        return false;
    }
    if (offset + size - 1 > limit) {
        print(p, "    the %s ends before it: base %0*" PRIx64 ", limit %x, and %x is needed", name,
              cpu->long_mode ? 16 : 8, base, limit, offset + size - 1);
        return false;
    }
    *lin = base + offset;
    return true;
}

static void explain_idt_entry(struct cpu *cpu, const uint8_t *raw, const struct printer *p);

/* The selector or vector of #TS, #NP, #SS, #GP (SDM vol. 3A 6.13). */
static void explain_selector(struct cpu *cpu, uint32_t error, const struct printer *p)
{
    bool idt = error & 2;
    unsigned size = cpu->long_mode && idt ? 16 : 8;
    uint8_t raw[16] = {0};
    char text[160];
    uint64_t lin;

    if (!(error & 0xfffe)) /* no selector is named */
        return;
    if (!find_entry(cpu, error, size, &lin, p))
        return;
    if (explain_read(cpu, lin, raw, size) != size) {
        print(p, "    the entry at linear %" PRIx64 " cannot be read", lin);
        return;
    }
    if (!idt && cpu->long_mode && !(raw[5] & 0x10))
        explain_read(cpu, lin + 8, raw + 8, 8);
    (idt ? explain_gate : explain_descriptor)(raw, cpu->long_mode, text, sizeof(text));
    print(p, "    the entry at linear %" PRIx64 ": %s", lin, text);
    if (idt)
        explain_idt_entry(cpu, raw, p);
    else if (!(raw[5] & 0x80))
        print(p, "    the segment is not present: P is clear");
}

/* What is wrong with a gate (SDM vol. 3A 6.12.1.2, INT n). */
static void explain_idt_entry(struct cpu *cpu, const uint8_t *raw, const struct printer *p)
{
    unsigned type = raw[5] & 0xf;
    bool gate = !(raw[5] & 0x10) &&
                (type == 14 || type == 15 || (!cpu->long_mode && (type >= 5 && type <= 7)));

    if (!gate)
        print(p, "    it is no interrupt, trap or task gate");
    else if (!(raw[5] & 0x80))
        print(p, "    the gate is not present: P is clear");
    else if (!(ld_le16(raw + 2) & 0xfffc))
        print(p, "    its selector is null");
    else if (cpu->cpl > SEG_ATTR_DPL(raw[5]))
        print(p, "    its DPL is less than CPL %u: not for INT n from here", cpu->cpl);
    else
        explain_selector(cpu, ld_le16(raw + 2) & 0xfffcu, p);
}

void explain_fault(struct cpu *cpu, const struct pending_exception *e, explain_line *line,
                   void *opaque)
{
    const struct printer p = {line, opaque};

    if (e->vector >= EXC_TS && e->vector <= EXC_GP && e->has_error) {
        explain_selector(cpu, e->error, &p);
    } else if (e->vector == EXC_PF) {
        const struct explain_access a = {
            .write = e->error & 2, .fetch = e->error & 16, .user = e->error & 4};

        explain_page(cpu, e->cr2, &a, line, opaque);
    }
}
