/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processors: MTRRs (SDM vol. 3A, 12.11), the local APIC in virtual wire mode, and waking the
 * others so that they have the same (MultiProcessor specification 1.4, appendix B). */
#include "post.h"

#define APIC_BASE   0xfee00000u
#define IOAPIC_BASE 0xfec00000u

static void cpuid(u32 leaf, u32 *a, u32 *b, u32 *c, u32 *d)
{
    asm volatile("cpuid" : "=a"(*a), "=b"(*b), "=c"(*c), "=d"(*d) : "0"(leaf), "2"(0));
}

static u64 rdmsr(u32 msr)
{
    u32 low, high;

    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (u64)high << 32 | low;
}

static void wrmsr(u32 msr, u64 v)
{
    asm volatile("wrmsr" ::"c"(msr), "a"((u32)v), "d"((u32)(v >> 32)));
}

/* A 486 may have no CPUID: bit 21 of EFLAGS can then not be changed. */
static bool has_cpuid(void)
{
    u32 before, after;

    asm volatile(
        "pushfl; popl %0; movl %0, %1; xorl $0x200000, %1; pushl %1; popfl; pushfl; popl %1"
        : "=&r"(before), "=&r"(after)::"cc");
    return (before ^ after) & 0x200000;
}

static u32 features(void)
{
    u32 a, b, c, d;

    if (!has_cpuid())
        return 0;
    cpuid(1, &a, &b, &c, &d);
    return d;
}

bool has_apic(void)
{
    return features() & 1 << 9;
}

void cpu_init(void)
{
    if (!has_apic())
        return;
    mmio_write32(APIC_BASE + 0xf0, 0x1ff);  /* on; spurious vector FFh */
    mmio_write32(APIC_BASE + 0x350, 0x700); /* LINT0: ExtINT, the PICs */
    mmio_write32(APIC_BASE + 0x360, 0x400); /* LINT1: NMI */
}

/* ---- MTRRs ---- */

/* Write-back is the default; the display and the hole below 4 GiB are uncached, ROM write-protected
 * in effect by the host bridge. */
static void set_mtrrs(void)
{
    static const u32 fixed[] = {0x250, 0x258, 0x268, 0x269, 0x26a,
                                0x26b, 0x26c, 0x26d, 0x26e, 0x26f};
    u32 a, b, c, d, bits = 36,
                    hole = MAX(0xc0000000u, (shared.ram_below_4g + 0x0fffffff) & 0xf0000000u);
    u64 mask;

    if ((features() & (1 << 12 | 1 << 5)) != (1 << 12 | 1 << 5))
        return;
    cpuid(0x80000000u, &a, &b, &c, &d);
    if (a >= 0x80000008u) {
        cpuid(0x80000008u, &a, &b, &c, &d);
        bits = a & 0xff;
    }
    wrmsr(0x2ff, 0);
    if (rdmsr(0xfe) & 0x100)
        for (u32 i = 0; i < ARRAY_SIZE(fixed); i++)
            wrmsr(fixed[i], i < 2 ? 0x0606060606060606ull : i == 2 ? 0 : 0x0505050505050505ull);
    mask = (((u64)1 << (bits - 32)) - 1) << 32;
    if (rdmsr(0xfe) & 0xff) {
        wrmsr(0x200, hole); /* type 0: uncached */
        wrmsr(0x201, mask | (u32) - (hole == 0xe0000000u ? 0x20000000u : 0x40000000u) | 0x800);
    }
    wrmsr(0x2ff, 0xc06);
}

void mtrr_init(void)
{
    set_mtrrs();
}

/* ---- the others ---- */

extern u8 ap_start[], ap_end[];
extern volatile u32 ap_lock, ap_count;
static u8 apic_ids[256];
static volatile u32 n_ids;

void ap_main(void);
void ap_main(void)
{
    cpu_init();
    mmio_write32(APIC_BASE + 0x350, 0x10000); /* the PICs are the boot processor's */
    set_mtrrs();
    if (n_ids < sizeof(apic_ids))
        apic_ids[n_ids++] = (u8)(mmio_read32(APIC_BASE + 0x20) >> 24);
}

static u32 expected(void)
{
    u16 n = 0;

    if (fwcfg_present())
        fwcfg_read_key(0x05, &n, 2);
    return n ? n : cmos_read(0x5f) + 1u;
}

u32 cpu_count(void)
{
    return n_ids;
}

void smp_init(void)
{
    n_ids = 1;
    if (!has_apic())
        return;
    apic_ids[0] = (u8)(mmio_read32(APIC_BASE + 0x20) >> 24);
    if (expected() == 1)
        return;
    memcpy((void *)0x9000, ap_start, (size_t)(ap_end - ap_start));
    mmio_write32(APIC_BASE + 0x300, 0x000c4500); /* INIT, all but us */
    delay_ms(10);
    mmio_write32(APIC_BASE + 0x300, 0x000c4609); /* start-up at 9000h */
    for (u32 start = timer_now(); ap_count + 1 < expected() && !timer_past(start, 3000);)
        ;
    if (ap_count + 1 < expected())
        debug("%u of %u processors started\n", ap_count + 1, expected());
}

/* ---- MP configuration table (specification 1.4, chapter 4) ---- */

struct PACKED mp_table {
    char signature[4];
    u16 length;
    u8 revision, checksum;
    char oem[8], product[12];
    u32 oem_table;
    u16 oem_size, entries;
    u32 apic;
    u16 extended_length;
    u8 extended_checksum, reserved;
};

struct writer {
    u8 *at;
    u16 entries;
};

static void put(struct writer *w, const void *entry, u32 n)
{
    memcpy(w->at, entry, n);
    w->at += n;
    w->entries++;
}

static void put_cpus(struct writer *w)
{
    u32 a = 0, b, c, d = features();

    if (d)
        cpuid(1, &a, &b, &c, &d);
    for (u32 i = 0; i < n_ids; i++) {
        struct PACKED {
            u8 type, id, version, flags;
            u32 signature, features, reserved[2];
        } e = {0, apic_ids[i], 0x14, i ? 1 : 3, a, d, {0, 0}};

        put(w, &e, sizeof(e));
    }
}

static void put_interrupt(struct writer *w, u8 kind, u8 type, u16 flags, u8 bus, u8 irq, u8 apic,
                          u8 pin)
{
    u8 e[8] = {kind, type, (u8)flags, (u8)(flags >> 8), bus, irq, apic, pin};

    put(w, e, 8);
}

/* PCI first, active high and level as the PIIX's PIRQs are to the IOAPIC here; then ISA, of which
 * the timer is at pin 2. */
static void put_interrupts(struct writer *w, u8 ioapic)
{
    static const u8 pirq[4] = {10, 10, 11, 11};

    for (u8 slot = 1; slot < 32; slot++)
        for (u8 pin = 0; pin < 4; pin++)
            put_interrupt(w, 3, 0, 0x0d, 0, (u8)(slot << 2 | pin), ioapic,
                          pirq[(slot + pin - 1) & 3]);
    for (u8 irq = 0; irq < 16; irq++)
        if (irq != 2 && irq != 10 && irq != 11)
            put_interrupt(w, 3, 0, irq == 9 ? 0x0d : 0, 1, irq, ioapic, irq ? irq : 2);
    put_interrupt(w, 4, 3, 0, 1, 0, apic_ids[0], 0); /* ExtINT at LINT0 */
    put_interrupt(w, 4, 1, 0, 1, 0, 0xff, 1);        /* NMI at LINT1 */
}

static u8 free_id(void)
{
    u8 id = 0;

    for (u32 i = 0; i < n_ids; i++)
        if (apic_ids[i] == id) {
            id++;
            i = (u32)-1;
        }
    return id < 15 ? id : 0;
}

void mp_table(void)
{
    u8 *floating, ioapic = free_id();
    struct mp_table *t;
    struct writer w = {NULL, 0};

    if (!has_apic() || shared.pm_base == 0)
        return;
    t = alloc_high(sizeof(*t) + n_ids * 20 + 180 * 8, 16);
    floating = alloc_fseg(16);
    if (!t || !floating)
        return;
    mmio_write32(IOAPIC_BASE, 0);
    mmio_write32(IOAPIC_BASE + 0x10, (u32)ioapic << 24);
    w.at = (u8 *)(t + 1);
    put_cpus(&w);
    put(&w, "\1\0PCI   ", 8);
    put(&w, "\1\1ISA   ", 8);
    struct PACKED {
        u8 type, id, version, flags;
        u32 address;
    } io = {2, ioapic, 0x11, 1, IOAPIC_BASE};
    put(&w, &io, 8);
    put_interrupts(&w, ioapic);
    memcpy(t->signature, "PCMP", 4);
    t->length = (u16)(w.at - (u8 *)t);
    t->revision = 4;
    memcpy(t->oem, "CALQUE  ", 8);
    memcpy(t->product, "PC          ", 12);
    t->entries = w.entries;
    t->apic = APIC_BASE;
    t->checksum = (u8)-sum8(t, t->length);
    memcpy(floating, "_MP_", 4);
    *(u32 *)(floating + 4) = (u32)t;
    floating[8] = 1;
    floating[9] = 4;
    floating[10] = (u8)-sum8(floating, 16);
}
