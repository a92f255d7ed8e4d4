/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may use SYSCALL, SYSRET, SYSENTER and SYSEXIT in which mode, and what they refuse
 * (SDM vol. 2B; AMD APM vol. 3). */
#include "lib/rt.h"

#define EFER 0xc0000080u
static bool intel;

#ifdef __x86_64__

#define BAD 0x0000800000000000ul
volatile word entry_flags, entry_count;
__asm__(
    ".text\nsyscall_entry:\n\tincq entry_count\n\tnop\n\tpushfq\n\tpopq entry_flags\n\tsysretq\n"
    /* in compatibility mode */
    ".code32\ncompat_syscall:\n\tsyscall\n\tlret\n.code64\n");
extern char syscall_entry[], compat_syscall[];

static void user_sysret(void)
{
    TRY("sysretq", ::: "memory");
}

static void user_sysexit(void)
{
    TRY("sysexitl", ::: "memory");
}

static void user_syscall(void)
{
    TRY("mov %%rsp, %%rbx\n\tsyscall", ::: "rax", "rbx", "rcx", "r11", "memory");
}

static void user_syscall_tf(void)
{
    TRY("pushf\n\torq $0x100, (%%rsp)\n\tpopf\n\tsyscall\n\tnop", ::
            : "rax", "rcx", "r11", "memory");
}

/* #UD in compatibility mode: back to 64-bit code. */
static void to_64(struct frame *f)
{
    f->cs = SEL_CODE;
    f->ip = exc_resume;
}

static void refusals(void)
{
    uint64_t efer = rdmsr(EFER);

    TRY("sysretq", ::: "memory");
    check_fault("#UD: SYSRET without EFER.SCE", UD, 0);
    wrmsr(EFER, efer | 1);
    wrmsr(0xc0000081, (uint64_t)SEL_UCODE32 << 48 | (uint64_t)SEL_CODE << 32);
    wrmsr(0xc0000082, (word)syscall_entry);
    wrmsr(0xc0000084, 0x700);
    run_user(user_sysret);
    check_fault("#GP: SYSRET in ring 3", GP, 0);
    if (intel) {
        TRY("sysretq", ::"c"(BAD), "r"(0) : "r11", "memory");
        check_fault("#GP: SYSRET to a non-canonical address, in ring 0", GP, 0);
        exc.vector = NONE; /* the flags that it would replace, of an instruction before */
        __asm__ volatile("mov $990f, %%eax\n\tmov %%rax, try_begin\n\tmovq $991f, exc_resume\n\t"
                         "or $-1, %%eax\n\ttest %%al, %%al\n\tmovsbl exc, %%edx\n"
                         "990:\tsysretq\n991:\tmovq $0, exc_resume" ::"c"(1ul << 63)
                         : "rax", "rdx", "memory");
        check("#GP: SYSRET, flags", exc.f.flags & 0x8c5, 0x84);
        check("its CS", exc.f.cs, SEL_CODE);
        wrmsr(0x174, SEL_CODE);
        run_user(user_sysexit);
        check_fault("#GP: SYSEXIT in ring 3", GP, 0);
        TRY("sysexitq", ::"d"(BAD), "c"(0) : "memory");
        check_fault("#GP: SYSEXIT to a non-canonical address", GP, 0);
        TRY("sysexitq", ::"d"(0), "c"(BAD) : "memory");
        check_fault("#GP: SYSEXIT to a non-canonical stack", GP, 0);
        wrmsr(0x174, 0);
        TRY("sysexitl", ::"d"(0), "c"(0) : "memory");
        check_fault("#GP: SYSEXIT with a null SYSENTER_CS", GP, 0);
    } else {
        wrmsr(0x174, SEL_CODE);
        TRY("sysexitl", ::"d"(0), "c"(0) : "memory");
        check_fault("#UD: AMD: SYSEXIT in long mode", UD, 0);
    }
}

static void steps(void)
{
    run_user(user_syscall);
    check_fault("SYSCALL and SYSRET", NONE, 0);
    entry_count = 0;
    run_user(user_syscall_tf);
    check("TF that FMASK clears: the kernel runs", entry_count, 1);
    check("TF that FMASK clears: not stepped", exc.f.cs & 3, 3);
    wrmsr(0xc0000084, 0);
    run_user(user_syscall_tf);
    check("TF that FMASK leaves: #DB", (unsigned)exc.vector, DB);
    check("TF that FMASK leaves: at the entry", exc.f.ip, (word)syscall_entry);
    wrmsr(0xc0000084, 0x700);
}

volatile word often_cs, often_ss, often_flags;
__asm__(".text\noften_entry:\n\tmov %cs, often_cs\n\tmov %ss, often_ss\n\tpushfq\n\tpopq "
        "often_flags\n\tsysretq\n");
extern char often_entry[];
static volatile unsigned often_bad;

/* So often that an engine knows the way; with all arithmetic flags and DF, one after the other. */
static void user_often(void)
{
    for (word n = 0; n < 300; n++) {
        word flags = 2 | (n & 0x1f) << 2 | (n >> 5 & 1) | (n >> 6 & 3) << 10, after, rcx, r11, next;
        word mask = 0xcd5, cs, ss;

        flags &= mask | 2;
        __asm__ volatile("lea 1f(%%rip), %[next]\n\tpush %[flags]\n\tpopfq\n\tsyscall\n1:\t"
                         "pushfq\n\tpop %[after]\n\tcld\n\tmov %%r11, %[r11]\n\t"
                         "mov %%cs, %[cs]\n\tmov %%ss, %[ss]"
                         : [next] "=&r"(next), [after] "=&r"(after), [r11] "=&r"(r11),
                           "=&c"(rcx), [cs] "=&r"(cs), [ss] "=&r"(ss)
                         : [flags] "r"(flags)
                         : "r11", "memory", "cc");
        often_bad += rcx != next || ((after ^ flags) & mask) || ((r11 ^ flags) & mask) ||
                     (uint16_t)cs != SEL_UCODE64 || (uint16_t)ss != SEL_UDATA ||
                     often_cs != SEL_CODE || often_ss != SEL_DATA || often_flags & 0x700 ||
                     ((often_flags ^ flags) & 0x8d5);
    }
}

static void often(void)
{
    wrmsr(0xc0000082, (word)often_entry);
    run_user(user_often);
    check("SYSCALL and SYSRET, again and again", often_bad, 0);
    wrmsr(0xc0000082, (word)syscall_entry);
}

static void compatibility(void)
{
    struct {
        uint32_t off;
        uint16_t sel;
    } __attribute__((packed)) far = {(uint32_t)(word)compat_syscall, SEL_CODE32};

    if (intel) {
        handlers[UD] = to_64;
        TRY("ljmp *%0", ::"m"(far) : "rax", "rcx", "r11", "memory");
        handlers[UD] = 0;
        check("#UD: Intel: SYSCALL in compatibility mode", (unsigned)exc.vector, UD);
        check("its IP", exc.f.ip, (word)compat_syscall);
    }
}

static void rules(void)
{
    refusals();
    steps();
    often();
    compatibility();
}

#else

volatile uint32_t entry_cs, entry_ss, entry_ecx;
__asm__(".text\nlegacy_entry:\n\tmov %cs, %eax\n\tmov %eax, entry_cs\n\tmov %ss, %eax\n\t"
        "mov %eax, entry_ss\n\tmov %ecx, entry_ecx\n\tcli\n\tsysret\n");
extern char legacy_entry[], legacy_next[];

static void user_syscall(void)
{
    TRY("syscall\nlegacy_next:\tpushf\n\tpop %%eax\n\t", ::: "eax", "ecx", "memory");
}

static void rules(void)
{
    TRY("syscall", ::: "eax", "ecx", "memory");
    check_fault("#UD: SYSCALL without EFER.SCE", UD, 0);
    wrmsr(EFER, rdmsr(EFER) | 1);
    if (intel) {
        TRY("syscall", ::: "eax", "ecx", "memory");
        check_fault("#UD: Intel: SYSCALL in protected mode", UD, 0);
        return;
    }
    wrmsr(0xc0000081,
          (uint64_t)SEL_UCODE32 << 48 | (uint64_t)SEL_CODE << 32 | (uint32_t)legacy_entry);
    pic_mask(0xffff);
    run_user(user_syscall);
    check_fault("AMD: SYSCALL and SYSRET in protected mode", NONE, 0);
    check("its CS", entry_cs, SEL_CODE);
    check("its SS", entry_ss, SEL_DATA);
    check("its ECX", entry_ecx, (word)legacy_next);
}
#endif

void guest_main(void)
{
    uint32_t id[4];

    cpuid(0, id);
    intel = id[1] == 0x756e6547;
    rules();
}
