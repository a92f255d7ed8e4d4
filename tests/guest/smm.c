/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System management mode: entry state, state save map, SMRAM of the i440FX, SMBASE relocation, auto
 * halt restart, what is held back until RSM (SDM vol. 3C, System Management Mode; AMD APM vol. 2
 * chapter 10; 82441FX datasheet, SMRAM; 82371AB datasheet, DEVACTB, GLBCTL). Firmware may have used
 * SMM before (QEMU's has): the handler is put where either finds it. */
#include "lib/rt.h"

#define PM_BASE  0x600
#define LOW_BASE 0x30000u
#define RAM_BASE 0x40000u
#define SMRAM    0xa0000u
#define APIC     ((volatile uint32_t *)0xfee00000)

/* What the handler is asked to do, and what it saw. */
enum { ASK_BASE = 1, ASK_NO_HALT = 2, ASK_NMI = 4, ASK_SMI = 8, ASK_IPI = 16, ASK_CLOSE = 32 };
uint32_t smm_ask, smm_new_base, smm_ipi;
volatile uint32_t smm_count, smm_inside, smm_again;
uint32_t smm_cr0, smm_cr4, smm_flags, smm_dr7, smm_ds, smm_efer_lo, smm_byte, smm_closed_byte;
uint32_t smm_revision, smm_cs, smm_halt, smm_limit;
uint32_t smm_save[128]; /* the map, from FE00h */
extern char smm_code[], smm_code_end[];

/* Runs at SMBASE + 8000h, in 16-bit code with flat data; RSM restores what it changes. */
__asm__("    .text\n"
        "    .code16\n"
        "smm_code:\n"
        "    movl $0, %edi\n" /* (%edi): 32-bit addresses */
        "    pushfl\n"
        "    popl %eax\n"
        "    movl %eax, smm_flags(%edi)\n"
        "    incl smm_count(%edi)\n"
        "    movl $1, smm_inside(%edi)\n"
        "    movl %cr0, %eax\n"
        "    movl %eax, smm_cr0(%edi)\n"
        "    movl %cr4, %eax\n"
        "    movl %eax, smm_cr4(%edi)\n"
        "    movl %dr7, %eax\n"
        "    movl %eax, smm_dr7(%edi)\n"
        "    xorl %eax, %eax\n"
        "    movw %cs, %ax\n"
        "    movl %eax, smm_cs(%edi)\n"
        "    movw %ds, %ax\n"
        "    movl %eax, smm_ds(%edi)\n"
        "    movl $0xc0000080, %ecx\n"
        "    rdmsr\n"
        "    movl %eax, smm_efer_lo(%edi)\n"
        "    movzbl 0xa0010(%edi), %eax\n"
        "    movl %eax, smm_byte(%edi)\n"
        "    movl %cs:0xfefc, %eax\n"
        "    movl %eax, smm_revision(%edi)\n"
        "    movzbl %cs:0xfec9, %eax\n"
        "    orl %eax, smm_halt(%edi)\n"
        "    xorl %ebx, %ebx\n"
        "1:  movl %cs:0xfe00(,%ebx,4), %eax\n"
        "    movl %eax, smm_save(,%ebx,4)\n"
        "    incl %ebx\n"
        "    cmpl $128, %ebx\n"
        "    jb 1b\n"
        "    testl $1, smm_ask(%edi)\n"
        "    jz 2f\n"
        "    movl smm_new_base(%edi), %eax\n"
        "    movl %eax, %cs:0xff00\n"
        "2:  testl $2, smm_ask(%edi)\n"
        "    jz 3f\n"
        "    movb $0, %cs:0xfec9\n"
        "3:  testl $4, smm_ask(%edi)\n"
        "    jz 4f\n"
        "    movl $0x4400, 0xfee00300(%edi)\n"
        "4:  testl $8, smm_ask(%edi)\n"
        "    jz 5f\n"
        "    cmpl $0, smm_again(%edi)\n"
        "    jne 5f\n"
        "    incl smm_again(%edi)\n"
        "    outb %al, $0xb2\n"
        "5:  testl $16, smm_ask(%edi)\n"
        "    jz 6f\n"
        "    movl smm_ipi(%edi), %eax\n"
        "    movl %eax, 0xfee00300(%edi)\n"
        "6:  testl $32, smm_ask(%edi)\n"
        "    jz 7f\n"
        "    movl $0x80000070, %eax\n"
        "    movw $0xcf8, %dx\n"
        "    outl %eax, %dx\n"
        "    movw $0xcfe, %dx\n"
        "    movb $0x2a, %al\n" /* D_CLS, G_SMRAME */
        "    outb %al, %dx\n"
        "    movzbl 0xa0010(%edi), %ebx\n"
        "    movb $0x0a, %al\n"
        "    outb %al, %dx\n"
        "    movl %ebx, smm_closed_byte(%edi)\n"
        "7:  movl $0, smm_inside(%edi)\n"
        "    rsm\n"
        "smm_code_end:\n"
#ifdef __x86_64__
        "    .code64\n");
#else
        "    .code32\n");
#endif

static void pci_write(unsigned devfn, unsigned reg, uint8_t v)
{
    outl(0xcf8, 0x80000000u | devfn << 8 | (reg & ~3u));
    outb((uint16_t)(0xcfc + (reg & 3)), v);
}

static uint8_t pci_read(unsigned devfn, unsigned reg)
{
    outl(0xcf8, 0x80000000u | devfn << 8 | (reg & ~3u));
    return inb((uint16_t)(0xcfc + (reg & 3)));
}

#define PM_DEVFN (1 << 3 | 3)

/* Asks for an SMI through the APM control port; false if none came. */
static bool smi(uint32_t ask)
{
    uint32_t before = smm_count;

    smm_ask = ask;
    outb(0xb2, 0x77);
    for (volatile int n = 0; n < 1000 && smm_count == before; n++)
        ;
    return smm_count != before;
}

static void install(uint32_t base)
{
    memcpy((void *)(word)(base + 0x8000), smm_code, (size_t)(smm_code_end - smm_code));
}

static void set_up(void)
{
    pci_write(0, 0x72, 0x4a); /* D_OPEN, G_SMRAME */
    install(SMRAM);
    *(volatile uint8_t *)(word)(SMRAM + 0x10) = 0x5a;
    install(LOW_BASE);
    install(RAM_BASE);
    report(!smi(0) || pci_read(PM_DEVFN, 0x5b) & 2, "no SMI without APMC_EN");
    pci_write(PM_DEVFN, 0x5b, pci_read(PM_DEVFN, 0x5b) | 2);
    pci_write(PM_DEVFN, 0x40, 1);
    pci_write(PM_DEVFN, 0x41, PM_BASE >> 8);
    pci_write(PM_DEVFN, 0x80, 1);
    outl(PM_BASE + 0x28, 1);
}

static uint64_t saved(unsigned offset, unsigned bytes)
{
    uint64_t v = 0;

    memcpy(&v, (char *)smm_save + offset - 0xfe00, bytes);
    return v;
}

static void entry(void)
{
    smm_count = 0;
    smm_flags = smm_cr4 = smm_ds = smm_efer_lo = ~0u;
    report(smi(0), "an SMI through the APM control port");
    check("one", smm_count, 1);
    check("the APM control port keeps the command", inb(0xb2), 0x77);
    check("entry: EFLAGS", smm_flags, 2);
    check("entry: CR0.PE, EM, TS, PG are clear", smm_cr0 & 0x8000000d, 0);
    check("entry: CR0's other bits stay", smm_cr0 | 0x8000000d, read_cr0() | 0x8000000d);
    check("entry: CR4", smm_cr4, 0);
    check("entry: DR7", smm_dr7, 0x400);
    check("entry: DS", smm_ds, 0);
    check("entry: EFER", smm_efer_lo, 0);
    check("revision", smm_revision, 0x20064);
}

/* The map of an SMI that comes to known registers. */
static void save_map(void)
{
    word after, rip;
    struct {
        uint16_t limit;
        word base;
    } __attribute__((packed)) gdtr;

    __asm__ volatile("sgdt %0" : "=m"(gdtr));
    smm_ask = smm_halt = 0;
    write_dr0(0x1234);
    __asm__ volatile("mov" W " $1f, %0\n\tmov $0x11223344, %%ebx\n\tmov $0x55667788, %%esi\n"
                     "\tstc\n\toutb %%al, $0xb2\n1:\tjmp 2f\n2:\tnop\n\tnop"
                     : "=r"(after)
                     : "a"(0x5a5a5a99)
                     : "ebx", "esi", "memory", "cc");
    rip = (word)saved(0xff78, 8);
    report(rip >= after && rip < after + 8, "map: RIP is behind the OUT");
    check("map: RAX", saved(0xfff8, 8), 0x5a5a5a99);
    check("map: RBX", saved(0xffe0, 8), 0x11223344);
    check("map: RSI", saved(0xffc8, 8), 0x55667788);
    check("map: RFLAGS", saved(0xff70, 8) & 0x203, 3);
    check("map: CR0", saved(0xff58, 8), read_cr0());
    check("map: CR3", saved(0xff50, 8), read_cr3());
    check("map: CR4", saved(0xff48, 8), read_cr4());
    check("map: CS", saved(0xfe10, 2), SEL_CODE);
    check("map: CS attributes", saved(0xfe12, 2), sizeof(word) == 8 ? 0xa09b : 0xc09b);
    check("map: SS", saved(0xfe20, 2), SEL_DATA);
    check("map: SS limit", saved(0xfe24, 4), 0xffffffff);
    check("map: TR", saved(0xfe90, 2), SEL_TSS);
    check("map: TR base", saved(0xfe98, 8), (word)tss);
    check("map: GDTR base", saved(0xfe68, 8), gdtr.base);
    check("map: GDTR limit", saved(0xfe64, 2), gdtr.limit);
    check("map: EFER", saved(0xfed0, 8), rdmsr(0xc0000080));
    check("map: no halt", smm_halt & 1, 0);
    check("map: DR7", saved(0xff60, 8), 0x400);
}

static bool restored(void)
{
    word ax, bx, cx, flags;

    smm_ask = 0;
    __asm__ volatile("std\n\tstc\n\toutb %%al, $0xb2\n\tjmp 1f\n1:\tpushf\n\tpop %3\n\tcld"
                     : "=a"(ax), "=b"(bx), "=c"(cx), "=r"(flags)
                     : "0"(0x101), "1"(0x202), "2"(0x303)
                     : "memory", "cc");
    return ax == 0x101 && bx == 0x202 && cx == 0x303 && (flags & 0x401) == 0x401;
}

static void relocation(void)
{
    smm_new_base = RAM_BASE;
    smi(ASK_BASE);
    report(smi(0), "SMBASE is moved");
    check("its CS", smm_cs, RAM_BASE >> 4);
    check("the map has the new SMBASE", saved(0xff00, 4), RAM_BASE);
    smm_new_base = SMRAM;
    smi(ASK_BASE);
    pci_write(0, 0x72, 0x0a); /* closed, for SMM only */
    smm_byte = 0;
    report(smi(0), "a handler in SMRAM");
    check("its CS", smm_cs, SMRAM >> 4);
    check("SMM sees SMRAM", smm_byte, 0x5a);
    report(*(volatile uint8_t *)(word)(SMRAM + 0x10) != 0x5a, "nobody else does");
    smi(ASK_CLOSE);
    report(smm_closed_byte != 0x5a, "D_CLS hides it from data accesses of SMM");
    pci_write(0, 0x72, 0x4a);
    check("D_OPEN shows it to all", *(volatile uint8_t *)(word)(SMRAM + 0x10), 0x5a);
    pci_write(0, 0x72, 0x0a);
}

static volatile unsigned nmis, nmi_inside, ipis;
static void on_nmi(struct frame *f)
{
    (void)f;
    nmis++;
    nmi_inside |= smm_inside;
}

static void on_ipi(struct frame *f)
{
    (void)f;
    ipis++;
    APIC[0xb0 / 4] = 0;
}

/* NMI, another SMI and interrupts wait for RSM. */
static void held_back(void)
{
    handlers[NMI] = on_nmi;
    smi(ASK_NMI);
    for (volatile int n = 0; n < 1000 && !nmis; n++)
        ;
    check("an NMI in SMM is taken", nmis, 1);
    check("after RSM", nmi_inside, 0);
    smm_count = smm_again = 0;
    smi(ASK_SMI);
    for (volatile int n = 0; n < 1000 && smm_count < 2; n++)
        ;
    check("an SMI in SMM comes after it", smm_count, 2);
}

static void from_apic(void)
{
    uint32_t before = smm_count;

    smm_ask = 0;
    APIC[0x310 / 4] = APIC[0x20 / 4]; /* to ourselves, by ID */
    APIC[0x300 / 4] = 0x4200;
    for (volatile int n = 0; n < 1000 && smm_count == before; n++)
        ;
    check("an SMI as IPI", smm_count, before + 1);
}

/* PIT channel 0 in a mode, 3.4 ms, as an SMI through pin 2 of the IOAPIC. */
static void smi_from_pit(uint8_t mode)
{
    volatile uint32_t *ioapic = (volatile uint32_t *)0xfec00000;

    outb(0x43, mode); /* its count does not run before it is written */
    ioapic[0] = 0x10 + 2 * 2 + 1;
    ioapic[4] = APIC[0x20 / 4];
    ioapic[0] = 0x10 + 2 * 2;
    ioapic[4] = 0x200;
    outb(0x40, 0x00);
    outb(0x40, 0x10);
}

static void mask_ioapic(void)
{
    volatile uint32_t *ioapic = (volatile uint32_t *)0xfec00000;

    ioapic[0] = 0x10 + 2 * 2;
    ioapic[4] = 0x10000;
}

/* RSM halts again what was halted, unless the handler says no. */
static void halt_restart(void)
{
    unsigned seen;

    APIC[0xf0 / 4] = 0x1ff;
    handlers[0x60] = on_ipi;
    smm_ask = ASK_NO_HALT;
    smm_halt = 0;
    smi_from_pit(0x34); /* again and again: the first may come before HLT */
    __asm__ volatile("sti\n\thlt\n\tcli" ::: "memory");
    mask_ioapic();
    check("an SMI to a halted processor", smm_halt & 1, 1);
    check("the handler ends the halt", ipis, 0);
    smm_ask = ASK_IPI;
    smm_ipi = 0x44060;
    smi_from_pit(0x30);
    __asm__ volatile("sti\n\thlt\n\tmov %1, %0\n\tcli" : "=r"(seen) : "m"(ipis) : "memory");
    check("RSM halts again until an interrupt comes", seen, 1);
    mask_ioapic();
}

void guest_main(void)
{
    set_up();
    entry();
    save_map();
    report(restored(), "RSM restores registers and flags");
    relocation();
    held_back();
    from_apic();
    halt_restart();
    TRY("rsm", ::: "memory");
    check_fault("#UD: RSM outside SMM", UD, 0);
}
