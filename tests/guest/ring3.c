/* SPDX-License-Identifier: GPL-2.0-or-later */
/* To ring 3 and back: INT, faults, IRET, SYSENTER/SYSEXIT, SYSCALL/SYSRET (SDM vol. 2B and vol. 3A
 * 5.8.7, 5.8.8). */
#include "lib/rt.h"

volatile word seen_cs, seen_ss;
static volatile word seen_flags, counter;
extern char trap_stack_top[], user_stack_top[];

static void look(void)
{
    word cs, ss;
    __asm__ volatile("mov %%cs, %0\n\tmov %%ss, %1" : "=r"(cs), "=r"(ss));
    seen_cs = cs;
    seen_ss = ss;
    seen_flags = read_flags();
    /* POPF in ring 3 changes neither IF nor IOPL, silently. */
    __asm__ volatile("pushf\n\torl $0x3200, (%%" R "sp)\n\tpopf" ::: "memory");
    counter = read_flags() & 0x3200;
}

static void fault(void)
{
    TRY("ud2", ::: "memory");
}

static void many(void)
{
    counter++;
}

#ifdef __x86_64__
static void do_syscall(void)
{
    TRY("syscall\n\tsyscall_return:", ::: "rax", "rcx", "r11", "memory");
}

extern char syscall_entry[], sysenter_entry[], syscall_return[];
word sys_cs, sys_ss, sys_rcx, sys_r11, sys_flags, sys_sp;
__asm__(
    ".text\nsyscall_entry:\n\t"
    "mov %rcx, sys_rcx\n\tmov %r11, sys_r11\n\tmov %rsp, sys_sp\n\t"
    "mov %cs, %rax\n\tmov %rax, sys_cs\n\tmov %ss, %rax\n\tmov %rax, sys_ss\n\t"
    "mov $trap_stack_top, %rsp\n\tpushf\n\tpop %rax\n\tmov %rax, sys_flags\n\t"
    "mov sys_sp, %rsp\n\tsysretq\n"
    "sysenter_entry:\n\t"
    "mov %rsp, sys_sp\n\tmov %cs, %rax\n\tmov %rax, sys_cs\n\tmov %ss, %rax\n\tmov %rax, sys_ss\n\t"
    "pushf\n\tpop %rax\n\tmov %rax, sys_flags\n\tsysexitq\n");
#else
extern char sysenter_entry[];
word sys_cs, sys_ss, sys_flags, sys_sp;
__asm__(
    ".text\nsysenter_entry:\n\t"
    "mov %esp, sys_sp\n\tmov %cs, %eax\n\tmov %eax, sys_cs\n\tmov %ss, %eax\n\tmov %eax, sys_ss\n\t"
    "pushf\n\tpop %eax\n\tmov %eax, sys_flags\n\tsysexit\n");
#endif

static void do_sysenter(void)
{
    TRY("mov $992f, %%" R "dx\n\tmov %%" R "sp, %%" R "cx\n\tsysenter\n992:\tmov %%cs, %%eax\n\t"
        "mov %%eax, seen_cs\n\tmov %%ss, %%eax\n\tmov %%eax, seen_ss",
        ::
            : R "ax", R "cx", R "dx", "memory");
}

void guest_main(void)
{
    unsigned ucode = sizeof(word) == 8 ? SEL_UCODE64 : SEL_UCODE32;
    run_user(look);
    check("IRET to ring 3: CS", seen_cs, ucode);
    check("IRET to ring 3: SS", seen_ss, SEL_UDATA);
    check("POPF in ring 3 leaves IF and IOPL", counter, 0);
    run_user(fault);
    check_fault("fault in ring 3", UD, 0);
    check("fault in ring 3: pushed CS", exc.f.cs & 0xffff, ucode);
    check("fault in ring 3: pushed SS", exc.f.ss & 0xffff, SEL_UDATA);
    report(exc.f.sp <= (word)user_stack_top && exc.f.sp > (word)user_stack_top - 4096,
           "fault in ring 3: pushed stack pointer");
    counter = 0;
    for (int i = 0; i < 1000; i++)
        run_user(many);
    check("a thousand round trips", counter, 1000);

    uint32_t id[4];
    cpuid(0, id);
    bool intel = id[1] == 0x756e6547;
    wrmsr(0x174, 0);
    run_user(do_sysenter);
    if (sizeof(word) == 8 && !intel) {
        /* #UD in long mode on AMD's processors (APM vol. 3, SYSENTER). */
        report(exc.vector == UD || exc.vector == GP, "SYSENTER is refused");
    } else {
        check("#GP: SYSENTER with a null SYSENTER_CS", (unsigned)exc.vector, GP);
        wrmsr(0x174, SEL_CODE);
        wrmsr(0x175, (word)trap_stack_top);
        wrmsr(0x176, (word)sysenter_entry);
        run_user(do_sysenter);
        check("SYSENTER and SYSEXIT without exception", (uint64_t)exc.vector, (uint64_t)NONE);
        check("SYSENTER: CS", sys_cs, SEL_CODE);
        check("SYSENTER: SS", sys_ss, SEL_DATA);
        check("SYSENTER: stack pointer", sys_sp, (word)trap_stack_top);
        check("SYSENTER clears IF", sys_flags & 0x200, 0);
        check("SYSEXIT: CS", seen_cs, ucode);
        check("SYSEXIT: SS", seen_ss, sizeof(word) == 8 ? 0x33 : SEL_UDATA);
    }
#ifdef __x86_64__
    run_user(do_syscall);
    check_fault("#UD: SYSCALL without EFER.SCE", UD, 0);
    wrmsr(0xc0000080, rdmsr(0xc0000080) | 1);
    wrmsr(0xc0000081, (uint64_t)(SEL_UCODE32) << 48 | (uint64_t)SEL_CODE << 32);
    wrmsr(0xc0000082, (word)syscall_entry);
    wrmsr(0xc0000084, 0x4d5);
    run_user(do_syscall);
    check("SYSCALL and SYSRET without exception", (uint64_t)exc.vector, (uint64_t)NONE);
    check("SYSCALL: CS", sys_cs, SEL_CODE);
    check("SYSCALL: SS", sys_ss, SEL_DATA);
    check("SYSCALL: RCX is the next instruction", sys_rcx, (word)syscall_return);
    check("SYSCALL: R11 has the flags", sys_r11 & 0x202, 2);
    check("SYSCALL masks flags by FMASK", sys_flags & 0x4d5, 0);
    run_user(look);
    check("after SYSRET ring 3 goes on", seen_cs, ucode);
#endif
}
