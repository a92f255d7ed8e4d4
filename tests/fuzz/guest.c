/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/guest.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cpu/x86/mem.h"
#include "cpu/x86/segment.h"

/* ---- tables ---- */

/* Descriptors in the GDT, by index. */
enum {
    G_CODE32 = 1,
    G_DATA = 2,
    G_CODE64 = 3,
    G_CODE16 = 4,
    G_DATA16 = 5,
    G_USER32 = 6,
    G_USER_DATA = 7,
    G_USER64 = 8,
    G_CONFORMING = 9,
    G_TSS = 10, /* two entries each */
    G_TSS2 = 12,
    G_LDT = 14,
    G_GATE = 16,
    G_TASK_GATE = 18,
    G_ENTRIES = 20,
};
#define RPL3 3u

static uint8_t *ram(const struct guest *g, uint64_t at)
{
    return g->m.arena.host + at;
}

static uint64_t descriptor(uint32_t base, uint32_t limit, unsigned attr)
{
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(attr & 0xff) << 40 |
           (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)(attr >> 8 & 15) << 52 |
           (uint64_t)(base >> 24) << 56;
}

static uint64_t gate(uint16_t sel, uint32_t at, unsigned attr)
{
    return (at & 0xffff) | (uint64_t)sel << 16 | (uint64_t)attr << 40 | (uint64_t)(at >> 16) << 48;
}

static void put_gdt(struct guest *g)
{
    bool wide = g->mode >= GUEST_COMPAT;
    const uint64_t entries[G_ENTRIES] = {
        [G_CODE32] = descriptor(0, 0xfffff, 0xc9b),
        [G_DATA] = descriptor(0, 0xfffff, 0xc93),
        [G_CODE64] = descriptor(0, 0xfffff, 0xa9b),
        [G_CODE16] = descriptor(GUEST_CODE, 0xffff, 0x09b),
        [G_DATA16] = descriptor(GUEST_DATA, 0xffff, 0x093),
        [G_USER32] = descriptor(0, 0xfffff, 0xcfb),
        [G_USER_DATA] = descriptor(0, 0xfffff, 0xcf3),
        [G_USER64] = descriptor(0, 0xfffff, 0xafb),
        [G_CONFORMING] = descriptor(0, 0xfffff, wide ? 0xa9f : 0xc9f),
        [G_TSS] = descriptor(GUEST_TSS, 0x7ff, 0x08b),
        [G_TSS2] = descriptor(GUEST_TSS2, 0x7ff, 0x089),
        [G_LDT] = descriptor(GUEST_LDT, 0x7f, 0x082),
        [G_GATE] = gate(8 * (wide ? G_CODE64 : G_CODE32), GUEST_CODE, 0xec),
        [G_TASK_GATE] = gate(8 * G_TSS2, 0, 0xe5),
    };

    for (unsigned n = 0; n < G_ENTRIES; n++)
        st_le64(ram(g, GUEST_GDT + 8 * n), entries[n]);
    for (unsigned n = 0; n < 4; n++) /* the LDT: the same segments, for all rings */
        st_le64(ram(g, GUEST_LDT + 8 * n), entries[G_USER32 + n]);
}

/* Every vector returns from its handler, which is IRET and, for those who come with an error code,
 * first takes it from the stack. */
static void put_idt(struct guest *g)
{
    bool wide = g->mode >= GUEST_COMPAT;
    const uint8_t take[] = {wide ? 0x48 : 0x90, 0x83, 0xc4, wide ? 8 : 4}; /* add rsp, 8 */

    for (unsigned n = 0; n < 256; n++) {
        uint32_t at = GUEST_HANDLERS + 16 * n;
        uint8_t *code = ram(g, at);
        bool error = n == 8 || (n >= 10 && n <= 14) || n == 17;

        if (g->mode == GUEST_REAL) {
            st_le32(ram(g, 4 * n), (uint32_t)(GUEST_HANDLERS >> 4) << 16 | 16 * n);
            *code = 0xcf;
            continue;
        }
        if (error)
            memcpy(code, take, sizeof(take));
        code += error ? sizeof(take) : 0;
        *code++ = wide ? 0x48 : 0x90;
        *code = 0xcf;
        if (wide) {
            st_le64(ram(g, GUEST_IDT + 16 * n), gate(8 * G_CODE64, at, 0xee));
            st_le64(ram(g, GUEST_IDT + 16 * n + 8), 0);
        } else {
            st_le64(ram(g, GUEST_IDT + 8 * n), gate(8 * G_CODE32, at, 0xee));
        }
    }
}

static void put_tss(struct guest *g, uint32_t base)
{
    uint8_t *tss = ram(g, base);

    st_le32(tss + 4, GUEST_STACK - 0x2000); /* ESP0, RSP0 */
    st_le32(tss + 8, g->mode >= GUEST_COMPAT ? 0 : 8 * G_DATA);
    if (g->mode >= GUEST_COMPAT) {
        for (unsigned n = 0; n < 7; n++) /* ISTs */
            st_le64(tss + 0x24 + 8 * n, GUEST_STACK - 0x3000 - 0x100 * n);
    } else {
        st_le32(tss + 28, g->cpu->cr3);
        st_le32(tss + 32, GUEST_CODE + 0x800);
        st_le32(tss + 36, 2);
        st_le32(tss + 56, GUEST_STACK - 0x1000);
        for (unsigned n = 0; n < 6; n++)
            st_le32(tss + 72 + 4 * n, 8 * (n == SEG_CS ? G_CODE32 : G_DATA));
    }
    st_le16(tss + 102, 0x68);
    memset(tss + 0x68, 0, 0x80);
    memset(tss + 0xe8, 0xff, 0x100);
}

/* Linear is physical for the first 2 MiB, and as it comes (large pages) up to 1 GiB. */
static void put_page_tables(struct guest *g)
{
    st_le64(ram(g, GUEST_PML4), GUEST_PDPT | 7);
    st_le64(ram(g, GUEST_PML4 + 8 * 511), GUEST_PDPT | 7);
    for (unsigned n = 0; n < 4; n++) {
        st_le64(ram(g, GUEST_PDPT + 8 * n), GUEST_PD | 7);
        st_le64(ram(g, GUEST_PDPT32 + 8 * n), GUEST_PD | 1);
    }
    st_le64(ram(g, GUEST_PD), GUEST_PT | 7);
    st_le32(ram(g, GUEST_PD32), GUEST_PT32 | 7);
    for (unsigned n = 1; n < 512; n++)
        st_le64(ram(g, GUEST_PD + 8 * n), (uint64_t)n << 21 | 0x87);
    for (unsigned n = 1; n < 1024; n++)
        st_le32(ram(g, GUEST_PD32 + 4 * n), n << 22 | 0x87);
    for (unsigned n = 0; n < 512; n++) {
        st_le64(ram(g, GUEST_PT + 8 * n), n << 12 | 7);
        st_le32(ram(g, GUEST_PT32 + 4 * n), n << 12 | 7);
    }
}

/* ---- the machine ---- */

static struct guest *guest_new(void)
{
    struct guest *g = calloc(1, sizeof(*g));
    struct cpu_model model = {.name = ""};
    struct error err;

    fuzz_check(g && machine_init(&g->m, GUEST_RAM, 0, &err));
    fuzz_check(cpu_model_parse(&model, "max", &err));
    machine_use_icount(&g->m, 3, false);
    machine_lock(&g->m);
    region_init_memory(&g->ram, "ram", GUEST_RAM, 0, 0);
    region_add(&g->m.mem, &g->ram, 0, 0);
    machine_unlock(&g->m);
    g->cpu = cpu_new(&g->m, &model, 0, &err);
    fuzz_check(g->cpu && machine_add_cpu(&g->m, &g->cpu->v));
    g->m.run.triple_fault_ends = true;
    fuzz_check(machine_save(&g->m, &g->fresh));
    return g;
}

static void load(struct guest *g, struct state_stream *s)
{
    struct error err = {""};

    s->pos = 0;
    if (!machine_load(&g->m, s, &err))
        fuzz_failed("machine_load", 0, err.text);
}

struct guest *guest_get(void)
{
    static struct guest *g;

    if (!g)
        g = guest_new();
    load(g, &g->fresh);
    g->m.run.state = RUN_PAUSED;
    g->m.run.reset_wanted = g->m.run.end_wanted = false;
    memset(ram(g, 0), 0, GUEST_RAM);
    arena_store_notify(&g->m.arena, 0, GUEST_RAM);
    return g;
}

/* ---- the processor's state ---- */

static void set_segment(struct guest *g, unsigned seg, unsigned index, unsigned rpl)
{
    segment_from_descriptor(&g->cpu->seg[seg], (uint16_t)(8 * index + rpl),
                            ld_le64(ram(g, GUEST_GDT + 8 * index)));
}

static void set_real_segments(struct cpu *cpu, bool v86)
{
    for (unsigned n = 0; n < 6; n++) {
        uint16_t sel = (n == SEG_CS ? GUEST_CODE : n == SEG_SS ? GUEST_CODE : GUEST_DATA) >> 4;

        cpu->seg[n].sel = sel;
        cpu->seg[n].base = (uint64_t)sel << 4;
        cpu->seg[n].limit = 0xffff;
        cpu->seg[n].attr = v86 ? 0xf3 : 0x93;
    }
}

static void set_segments(struct guest *g, bool user)
{
    static const uint8_t code[GUEST_NUM_MODES] = {
        [GUEST_PROT16] = G_CODE16, [GUEST_PROT32] = G_CODE32, [GUEST_PAGED32] = G_CODE32,
        [GUEST_PAE] = G_CODE32,    [GUEST_COMPAT] = G_CODE32, [GUEST_LONG] = G_CODE64};

    if (g->mode == GUEST_REAL || g->mode == GUEST_V86) {
        set_real_segments(g->cpu, g->mode == GUEST_V86);
        return;
    }
    for (unsigned n = 0; n < 6; n++)
        set_segment(g, n,
                    user                      ? G_USER_DATA
                    : g->mode == GUEST_PROT16 ? G_DATA16
                                              : G_DATA,
                    user ? RPL3 : 0);
    if (user)
        set_segment(g, SEG_CS, g->mode == GUEST_LONG ? G_USER64 : G_USER32, RPL3);
    else
        set_segment(g, SEG_CS, code[g->mode], 0);
}

#define ALL_CR4                                                                                    \
    (CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR |   \
     CR4_OSXMMEXCPT | CR4_UMIP | CR4_FSGSBASE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP)
/* What most programs want. */
#define USUAL_CR4 (CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_PSE)

static void set_control(struct guest *g, struct fuzz_input *in)
{
    struct cpu *cpu = g->cpu;
    uint8_t cr0 = fuzz_u8(in);
    bool paged = g->mode >= GUEST_PAGED32, wide = g->mode >= GUEST_COMPAT;

    cpu->cr0 = CR0_ET | (cr0 & (CR0_MP | CR0_EM | CR0_TS | CR0_NE)) | (cr0 & 1 ? CR0_WP : 0) |
               (cr0 & 0x40 ? CR0_AM : 0) | (g->mode != GUEST_REAL ? CR0_PE : 0) |
               (paged ? CR0_PG : 0);
    cpu->cr4 = cr0 & 0x80 ? fuzz_u32(in) & ALL_CR4 : USUAL_CR4;
    if (wide || g->mode == GUEST_PAE)
        cpu->cr4 |= CR4_PAE;
    cpu->efer = (wide ? EFER_LME | EFER_LMA : 0) | (cr0 & 0x10 ? EFER_SCE | EFER_NXE : 0);
    cpu->xcr0 = 7;
    cpu->cr3 = wide ? GUEST_PML4 : g->mode == GUEST_PAE ? GUEST_PDPT32 : GUEST_PD32;
}

static void set_tables(struct guest *g)
{
    struct cpu *cpu = g->cpu;

    put_gdt(g);
    put_idt(g);
    put_page_tables(g);
    put_tss(g, GUEST_TSS);
    put_tss(g, GUEST_TSS2);
    for (unsigned n = 0; n < 4; n++)
        cpu->pdpte[n] = g->mode == GUEST_PAE ? ld_le64(ram(g, GUEST_PDPT32 + 8 * n)) : 0;
    cpu->gdtr = (struct table_register){GUEST_GDT, 8 * G_ENTRIES - 1};
    cpu->idtr = (struct table_register){g->mode == GUEST_REAL ? 0 : GUEST_IDT,
                                        g->mode == GUEST_REAL     ? 0x3ff
                                        : g->mode >= GUEST_COMPAT ? 0xfff
                                                                  : 0x7ff};
    if (g->mode == GUEST_REAL)
        return;
    cpu->ldtr = (struct segment){
        .base = GUEST_LDT, .limit = 0x7f, .sel = 8 * G_LDT, .attr = SEG_ATTR_P | SYS_LDT};
    cpu->tr = (struct segment){
        .base = GUEST_TSS, .limit = 0x7ff, .sel = 8 * G_TSS, .attr = SEG_ATTR_P | SYS_TSS_BUSY};
}

#define USABLE_FLAGS                                                                               \
    (EFLAGS_ARITH | EFLAGS_TF | EFLAGS_IF | EFLAGS_DF | EFLAGS_NT | EFLAGS_RF | EFLAGS_AC |        \
     EFLAGS_VIF | EFLAGS_VIP | EFLAGS_ID | EFLAGS_IOPL)

void guest_set_mode(struct guest *g, struct fuzz_input *in)
{
    struct cpu *cpu = g->cpu;
    uint8_t what = fuzz_u8(in);
    bool user = what & 0x80 && (what & 7) >= GUEST_PROT32;

    g->mode = what & 7;
    set_control(g, in);
    set_tables(g);
    user |= g->mode == GUEST_V86;
    cpu->cpl = user ? 3 : 0;
    set_segments(g, user);
    cpu_set_eflags(cpu, EFLAGS_FIXED | (what & 0x40 ? fuzz_u32(in) & USABLE_FLAGS : 0) |
                            (what & 0x20 ? EFLAGS_IOPL : 0) |
                            (g->mode == GUEST_V86 ? EFLAGS_VM : 0));
    cpu->r[R_RIP] =
        g->mode == GUEST_REAL || g->mode == GUEST_V86 || g->mode == GUEST_PROT16 ? 0 : GUEST_CODE;
    cpu->v.halted = false;
    tlb_flush_all(cpu);
    cpu_mode_changed(cpu);
}

static void set_vectors(struct cpu *cpu, uint32_t seed)
{
    for (unsigned n = 0; n < 16; n++)
        for (unsigned k = 0; k < 4; k++) {
            seed = seed * 1664525 + 1013904223;
            cpu->xmm[n].q[k] = (uint64_t)seed << 32 | (seed ^ seed >> 7);
        }
    for (unsigned n = 0; n < 8; n++) {
        cpu->fpr[n].mant = cpu->xmm[n].q[0] | 1ull << 63;
        cpu->fpr[n].sexp = cpu->xmm[n].w[5];
    }
}

void guest_set_registers(struct guest *g, struct fuzz_input *in)
{
    static const uint32_t places[8] = {0,          1,          8,   GUEST_DATA, GUEST_DATA + 0x800,
                                       GUEST_CODE, GUEST_DATA, 0x40};
    struct cpu *cpu = g->cpu;
    bool small = cpu->seg[SEG_SS].base != 0;

    for (unsigned n = 0; n < 16; n++) {
        uint8_t how = fuzz_u8(in);

        cpu->r[n] = how & 0x80 ? fuzz_number(in) : places[how & 7];
    }
    if (!(fuzz_u8(in) & 0x80))
        cpu->r[R_RSP] = small ? 0xf000 : GUEST_STACK;
    set_vectors(cpu, fuzz_u32(in));
    if (g->mode < GUEST_COMPAT) /* what they have outside of long mode */
        for (unsigned n = 0; n < 16; n++)
            cpu->r[n] = n < 8 ? (uint32_t)cpu->r[n] : 0;
}

void guest_patch(struct guest *g, struct fuzz_input *in, unsigned n)
{
    static const uint16_t tables[8] = {GUEST_GDT, GUEST_IDT, GUEST_TSS,    GUEST_LDT,
                                       GUEST_PT,  GUEST_PD,  GUEST_PDPT32, GUEST_TSS2};

    for (unsigned count = fuzz_u8(in) % (n + 1); count && in->left; count--) {
        uint16_t what = fuzz_u16(in);
        uint32_t at = what & 0x8000 ? fuzz_u16(in) : tables[what & 7] + (what >> 3 & 0x1ff);
        unsigned size = 1 + (what >> 12 & 7);

        while (size--)
            *ram(g, at + size) = fuzz_u8(in);
    }
}

#define CODE_MAX 0x1000

void guest_set_code(struct guest *g, struct fuzz_input *in)
{
    size_t n = in->left < CODE_MAX ? in->left : CODE_MAX;

    memset(ram(g, GUEST_CODE), 0xf4, CODE_MAX + 16);
    memcpy(ram(g, GUEST_CODE), in->data, n);
}

/* ---- running ---- */

void guest_run(struct guest *g, uint64_t insns)
{
    uint64_t before = machine_retired(&g->m);

    machine_run_inline(&g->m, insns);
    fuzz_check(machine_retired(&g->m) - before <= insns);
}

void guest_run_twice(struct guest *g, uint64_t insns)
{
    static uint8_t before[GUEST_RAM], after[GUEST_RAM];
    struct state_stream start = {0};
    uint64_t digest;

    guest_run(g, insns / 2);
    if (g->m.run.state == RUN_ENDED)
        return;
    fuzz_check(machine_save(&g->m, &start));
    memcpy(before, ram(g, 0), GUEST_RAM);
    guest_run(g, insns / 2);
    digest = fuzz_state_digest(&g->m);
    memcpy(after, ram(g, 0), GUEST_RAM);
    memcpy(ram(g, 0), before, GUEST_RAM);
    arena_store_notify(&g->m.arena, 0, GUEST_RAM);
    g->m.run.state = RUN_PAUSED;
    load(g, &start);
    guest_run(g, insns / 2);
    fuzz_check(fuzz_state_digest(&g->m) == digest);
    fuzz_check(!memcmp(after, ram(g, 0), GUEST_RAM));
    state_stream_free(&start);
}
