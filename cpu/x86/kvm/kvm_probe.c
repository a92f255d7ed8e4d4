/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does KVM run code as a processor does? Some /dev/kvm open and run long mode's user code well, but
 * have the rest emulated, in part or so that a kernel never gets through its 32-bit entry
 * (paravirtual and nested hosts). A program goes through the modes and what a kernel needs there;
 * it writes into memory how far it has come, so that one that hangs or shuts down tells, too. It
 * runs in a process of its own: that can be ended. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/error.h"
#include "cpu/x86/kvm/kvm_internal.h"

/* Of the probe's own time: a busy host takes its turns to run it. One that sleeps has not got any.
 */
#define CPU_LIMIT_NS  2000000000u
#define WALL_LIMIT_MS 30000
#define LOOK_MS       50
#define MEMORY        0x200000u

/* Where things are in the probe's memory. */
#define PROGRESS  0x500
#define CODE      0x1000
#define GDT       0x2000
#define IDT32     0x2800
#define IDT64     0x3000
#define TSS       0x4000
#define TSS_64    0x4100
#define TABLES    0x8000 /* of 64-bit paging: three */
#define DIRECTORY 0xc000 /* of 32-bit paging */

/* Selectors; the order of the table in fill_gdt(). SYSCALL wants data behind 64-bit code. */
#define STR_(x)     #x
#define STR(x)      STR_(x)
#define CODE32      0x08
#define DATA        0x10
#define CODE16      0x18
#define CODE64      0x20
#define USER_DATA   0x33
#define USER_CODE64 0x3b
#define USER_CODE32 0x43
#define TSS32       0x48
#define TSS64       0x50

#define AT(label) "(" label " - kvm_probe_code + " STR(CODE) ")"
#define STEP(n)   "movb $" #n ", " STR(PROGRESS) "\n"

static const char *const steps[] = {
    "a loop in real mode",
    "INT in real mode",
    "string instructions in real mode",
    "the way into 32-bit protected mode",
    "a far call to a 16-bit segment",
    "an exception in protected mode",
    "32-bit paging",
    "INT 80H at privilege level 3 in 32-bit mode",
    "the way into long mode",
    "a page fault",
    "INT 80H at privilege level 3 in 64-bit mode",
    "SYSCALL",
    "SGDT at privilege level 0",
};

extern const uint8_t kvm_probe_code[], kvm_probe_end[], kvm_probe_ud[], kvm_probe_int32[],
    kvm_probe_pf[], kvm_probe_int64[];

/* clang-format off */
__asm__(".pushsection .rodata\n"
        ".code16\n"
        "kvm_probe_code:\n"
        "xor %ax, %ax\n"
        "mov %ax, %ds\n"
        "mov %ax, %es\n"
        "mov %ax, %ss\n"
        "mov $0x7000, %sp\n"
        "mov $1000, %cx\n"
        "1: add %cx, %ax\n"
        "loop 1b\n"
        "cmp $(500500 & 0xffff), %ax\n"
        "jne 9f\n"
        STEP(1)
        "movw $" AT("kvm_probe_int16") ", 0x100\n" /* vector 40H */
        "movw $0, 0x102\n"
        "int $0x40\n"
        "cmp $0x1234, %ax\n"
        "jne 9f\n"
        STEP(2)
        "mov $0x100, %ax\n"
        "mov %ax, %es\n"
        "mov $" STR(CODE) ", %si\n"
        "mov $0x5000, %di\n" /* at 6000H */
        "mov $64, %cx\n"
        "cld\n"
        "rep movsb\n"
        "mov $" STR(CODE) ", %si\n"
        "mov $0x5000, %di\n"
        "mov $64, %cx\n"
        "repe cmpsb\n"
        "jne 9f\n"
        STEP(3)
        "lgdtl " AT("5f") "\n"
        "mov %cr0, %eax\n"
        "or $0x21, %eax\n" /* PE, NE */
        "mov %eax, %cr0\n"
        "ljmpl $" STR(CODE32) ", $" AT("2f") "\n"
        "kvm_probe_int16: mov $0x1234, %ax\n"
        "iret\n"
        "9: hlt\n"
        "jmp 9b\n"
        "5: .word 0x7f\n"
        ".long " STR(GDT) "\n"
        "6: .word 0x407\n" /* up to vector 80H */
        ".long " STR(IDT32) "\n"
        "7: .word 0x80f\n"
        ".quad " STR(IDT64) "\n"
        "kvm_probe_far16: mov $0x55aa, %ax\n"
        "lretl\n"

        ".code32\n"
        "2: mov $" STR(DATA) ", %eax\n"
        "mov %eax, %ds\n"
        "mov %eax, %es\n"
        "mov %eax, %ss\n"
        "mov $0x7000, %esp\n"
        STEP(4)
        "xor %eax, %eax\n"
        "lcall $" STR(CODE16) ", $" AT("kvm_probe_far16") "\n"
        "cmp $0x55aa, %ax\n"
        "jne 9f\n"
        STEP(5)
        "lidt " AT("6b") "\n"
        "xor %eax, %eax\n"
        "ud2\n"
        "cmp $0x66, %eax\n"
        "jne 9f\n"
        STEP(6)
        "mov %cr4, %eax\n"
        "or $0x10, %eax\n" /* PSE */
        "mov %eax, %cr4\n"
        "mov $" STR(DIRECTORY) ", %eax\n"
        "mov %eax, %cr3\n"
        "mov %cr0, %eax\n"
        "or $0x80000000, %eax\n"
        "mov %eax, %cr0\n"
        "mov 0xc0000000 + " STR(CODE) ", %ebx\n"
        "and $0x7fffffff, %eax\n"
        "mov %eax, %cr0\n"
        "cmp %ebx, " STR(CODE) "\n"
        "jne 9f\n"
        STEP(7)
        "mov $" STR(TSS32) ", %eax\n"
        "ltr %ax\n"
        "push $" STR(USER_DATA) "\n"
        "push $0x6800\n"
        "push $2\n"
        "push $" STR(USER_CODE32) "\n"
        "push $" AT("3f") "\n"
        "iret\n"
        "3: int $0x80\n"
        "9: hlt\n"
        "jmp 9b\n"
        "kvm_probe_ud: mov $0x66, %eax\n"
        "addl $2, (%esp)\n"
        "iret\n"
        "kvm_probe_int32:\n"
        STEP(8)
        "mov $" STR(DATA) ", %eax\n"
        "mov %eax, %ds\n"
        "mov %cr4, %eax\n"
        "or $0x20, %eax\n" /* PAE */
        "mov %eax, %cr4\n"
        "mov $" STR(TABLES) ", %eax\n"
        "mov %eax, %cr3\n"
        "mov $0xc0000080, %ecx\n"
        "rdmsr\n"
        "or $0x101, %eax\n" /* LME, SCE */
        "wrmsr\n"
        "mov %cr0, %eax\n"
        "or $0x80000000, %eax\n"
        "mov %eax, %cr0\n"
        "ljmp $" STR(CODE64) ", $" AT("4f") "\n"

        ".code64\n"
        "4: mov $0x7000, %esp\n"
        STEP(9)
        "lidt " AT("7b") "\n"
        "mov $0x40000000, %edx\n"
        "xor %ebx, %ebx\n"
        "movb (%rdx), %al\n"
        "cmp $0x40000000, %rbx\n"
        "jne 9f\n"
        STEP(10)
        "mov $" STR(TSS64) ", %eax\n"
        "ltr %ax\n"
        "pushq $" STR(USER_DATA) "\n"
        "pushq $0x6800\n"
        "pushq $2\n"
        "pushq $" STR(USER_CODE64) "\n"
        "pushq $" AT("8f") "\n"
        "iretq\n"
        "8: int $0x80\n"
        "9: hlt\n"
        "jmp 9b\n"
        "kvm_probe_pf: mov %cr2, %rbx\n"
        "addq $2, 8(%rsp)\n"
        "add $8, %rsp\n"
        "iretq\n"
        "kvm_probe_int64:\n"
        STEP(11)
        "mov $0xc0000081, %ecx\n" /* STAR */
        "xor %eax, %eax\n"
        "mov $" STR(CODE64) ", %edx\n"
        "wrmsr\n"
        "inc %ecx\n" /* LSTAR */
        "mov $" AT("1f") ", %eax\n"
        "xor %edx, %edx\n"
        "wrmsr\n"
        "pushq $" STR(USER_DATA) "\n"
        "pushq $0x6800\n"
        "pushq $2\n"
        "pushq $" STR(USER_CODE64) "\n"
        "pushq $" AT("2f") "\n"
        "iretq\n"
        "2: syscall\n"
        "hlt\n"
        "1: mov $0x7000, %esp\n"
        STEP(12)
        "sgdt 0x508\n"
        "cmpl $" STR(GDT) ", 0x50a\n"
        "jne 9b\n"
        STEP(13)
        "1: hlt\n"
        "jmp 1b\n"
        "kvm_probe_end:\n"
        ".popsection\n");
/* clang-format on */

/* What the two processes share. */
struct shared {
    uint8_t memory[MEMORY];
    int exit_reason; /* KVM's; -1: a call failed */
    char call[40];
    pid_t pid; /* of the one that runs it */
};

static void put64(struct shared *s, unsigned at, uint64_t v)
{
    st_le64(s->memory + at, v);
}

static uint32_t address(const uint8_t *label)
{
    return CODE + (uint32_t)(label - kvm_probe_code);
}

static void fill_gdt(struct shared *s)
{
    static const uint64_t gdt[] = {
        0,
        0x00cf9b000000ffff, /* CODE32 */
        0x00cf93000000ffff, /* DATA */
        0x000f9b000000ffff, /* CODE16 */
        0x00af9b000000ffff, /* CODE64 */
        0x00cf93000000ffff,
        0x00cff3000000ffff, /* USER_DATA */
        0x00affb000000ffff, /* USER_CODE64 */
        0x00cffb000000ffff, /* USER_CODE32 */
        0x0000890000000067 | (uint64_t)TSS << 16,
        0x0000890000000067 | (uint64_t)TSS_64 << 16, /* 16 bytes */
        0,
    };

    for (unsigned n = 0; n < ARRAY_SIZE(gdt); n++)
        put64(s, GDT + 8 * n, gdt[n]);
}

static uint64_t gate(unsigned selector, uint32_t offset, unsigned dpl)
{
    return (offset & 0xffff) | (uint64_t)selector << 16 | (0x8e00ull | dpl << 13) << 32 |
           (uint64_t)(offset >> 16) << 48;
}

static void fill_memory(struct shared *s)
{
    memcpy(s->memory + CODE, kvm_probe_code, (size_t)(kvm_probe_end - kvm_probe_code));
    fill_gdt(s);
    put64(s, IDT32 + 8 * 6, gate(CODE32, address(kvm_probe_ud), 0));
    put64(s, IDT32 + 8 * 0x80, gate(CODE32, address(kvm_probe_int32), 3));
    put64(s, IDT64 + 16 * 14, gate(CODE64, address(kvm_probe_pf), 0));
    put64(s, IDT64 + 16 * 0x80, gate(CODE64, address(kvm_probe_int64), 3));
    put64(s, TSS + 4, 0x7000 | (uint64_t)DATA << 32); /* ESP0, SS0 */
    put64(s, TSS_64 + 4, 0x7000);                     /* RSP0 */
    st_le32(s->memory + DIRECTORY, 0x87);             /* 4 MiB, user; also at 3 GiB */
    st_le32(s->memory + DIRECTORY + 4 * 768, 0x87);
    put64(s, TABLES, (TABLES + 0x1000) | 7);
    put64(s, TABLES + 0x1000, (TABLES + 0x2000) | 7);
    put64(s, TABLES + 0x2000, 0x87); /* 2 MiB, user */
}

/* ---- the child ---- */

static void call(struct shared *s, int fd, unsigned long request, void *arg, const char *name)
{
    if (ioctl(fd, request, arg) >= 0)
        return;
    strncpy(s->call, name, sizeof(s->call) - 1);
    s->exit_reason = -1;
    _exit(1);
}

bool kvm_set_all_features(int dev, int cpu)
{
    enum { MOST = 256 };
    struct kvm_cpuid2 *table = calloc(1, sizeof(*table) + MOST * sizeof(table->entries[0]));

    if (!table)
        return false;
    table->nent = MOST;
    bool ok =
        ioctl(dev, KVM_GET_SUPPORTED_CPUID, table) >= 0 && ioctl(cpu, KVM_SET_CPUID2, table) >= 0;
    free(table);
    return ok;
}

static void set_cpuid(struct shared *s, int dev, int cpu)
{
    if (kvm_set_all_features(dev, cpu))
        return;
    strcpy(s->call, "KVM_SET_CPUID2");
    s->exit_reason = -1;
    _exit(1);
}

static void child(struct shared *s, int dev, int pipe_end)
{
    struct kvm_userspace_memory_region r = {.memory_size = MEMORY,
                                            .userspace_addr = (uint64_t)(uintptr_t)s->memory};
    int vm = ioctl(dev, KVM_CREATE_VM, 0), size = ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0);
    struct kvm_regs regs = {.rip = CODE, .rflags = 2};
    struct kvm_sregs sregs;
    struct kvm_run *run;

    call(s, vm, KVM_SET_TSS_ADDR, (void *)0xfeffd000ul, "KVM_SET_TSS_ADDR");
    call(s, vm, KVM_SET_USER_MEMORY_REGION, &r, "KVM_SET_USER_MEMORY_REGION");
    int cpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    set_cpuid(s, dev, cpu);
    call(s, cpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
    sregs.cs.base = 0;
    sregs.cs.selector = 0;
    call(s, cpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
    call(s, cpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
    run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
    if (run == MAP_FAILED)
        _exit(1);
    call(s, cpu, KVM_RUN, NULL, "KVM_RUN");
    s->exit_reason = (int)run->exit_reason;
    _exit(write(pipe_end, "", 1) != 1);
}

/* ---- the parent ---- */

/* Whether the child has had its time. */
static bool is_over(const struct shared *s)
{
    pid_t pid = __atomic_load_n(&s->pid, __ATOMIC_ACQUIRE);
    struct timespec used;
    clockid_t clock;

    if (pid <= 0 || clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &used) < 0)
        return false;
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec >= CPU_LIMIT_NS;
}

/* Until the child said that it is done, or ended, or the time is up. False: it had to be ended. */
static bool wait_for(const struct shared *s, int pipe_end)
{
    struct pollfd p = {.fd = pipe_end, .events = POLLIN};
    int n, looks = WALL_LIMIT_MS / LOOK_MS;

    do
        n = poll(&p, 1, LOOK_MS);
    while ((n < 0 && errno == EINTR) || (n == 0 && --looks && !is_over(s)));
    if (n <= 0 && s->pid > 0)
        kill(s->pid, SIGKILL);
    return n > 0;
}

static bool judge(const struct shared *s, bool in_time, struct error *err)
{
    unsigned done = s->memory[PROGRESS];

    if (s->exit_reason < 0)
        return error_set(err, "this host's KVM fails at %s", s->call);
    if (done >= ARRAY_SIZE(steps) && s->exit_reason == KVM_EXIT_HLT)
        return true;
    if (done >= ARRAY_SIZE(steps))
        done = ARRAY_SIZE(steps) - 1;
    return error_set(err, "this host's KVM %s: %s",
                     !in_time                              ? "hangs at"
                     : s->exit_reason == KVM_EXIT_SHUTDOWN ? "does not do this (triple fault)"
                     : s->exit_reason == KVM_EXIT_INTERNAL_ERROR
                         ? "does not do this (internal error)"
                         : "does not do this",
                     steps[done]);
}

/* The end of a virtual machine takes KVM longer than the probe: nobody waits for that. So the child
 * is one of a process that ends at once, and reaped by the host's first one. */
static void detached_child(struct shared *s, int dev, int pipe_end)
{
    pid_t pid = fork();

    if (pid)
        _exit(pid < 0);
    __atomic_store_n(&s->pid, getpid(), __ATOMIC_RELEASE);
    for (int fd = 0; fd <= 2; fd++) /* a pipe's reader does not wait for it either */
        if (fd != dev && fd != pipe_end)
            close(fd);
    child(s, dev, pipe_end); /* does not return */
}

static bool run_child(struct shared *s, int dev, struct error *err)
{
    int ends[2], status = 1;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set(err, "the probe of KVM: %s", strerror(errno));
    pid = fork();
    if (pid == 0)
        detached_child(s, dev, ends[1]);
    close(ends[1]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    bool ok = pid > 0 && status == 0;
    bool in_time = ok && wait_for(s, ends[0]);
    close(ends[0]);
    return ok ? judge(s, in_time, err) : error_set(err, "the probe of KVM: it cannot be started");
}

bool kvm_probe(struct error *err)
{
    int dev = kvm_open(err);
    struct shared *s;
    bool ok;

    if (dev < 0)
        return false;
    s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ok = s != MAP_FAILED || error_set(err, "the probe of KVM: %s", strerror(errno));
    if (ok) {
        fill_memory(s);
        ok = run_child(s, dev, err);
        munmap(s, sizeof(*s));
    }
    close(dev);
    return ok;
}
