/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's side: a child process whose signal handler is its main loop.
 *
 * Every case ends in a signal: of its own fault, or of the INT3 behind its last instruction. The
 * handler keeps what the kernel saved on the alternate stack, puts the next case's registers in its
 * place and returns into that case. So all registers (RSP, x87 and SSE too) are loaded and saved by
 * the kernel, and no case needs more than one signal and no system call.
 *
 * Once the first case runs, FS does not point to the C library's data any more: the handler uses
 * nothing of it. */
#include "tests/diff/diff.h"

#include <asm/ldt.h>
#include <asm/prctl.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Fixed, so that the handler finds it without a variable; far from what cases point at. */
#define SHARED_ADDR 0x500000000000ull /* free under the sanitizers too */
#define SHARED      ((struct diff_shared *)SHARED_ADDR)
/* Offset of XSTATE_BV in the kernel's XSAVE frame, and of the software-reserved words. */
#define XSTATE_BV  512
#define XSTATE_AVX 576 /* standard format: SDM vol. 1 13.4.3 and CPUID.(0DH,2):EBX */

static const uint8_t greg_of[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                    REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                    REG_R12, REG_R13, REG_R14, REG_R15};

/* ucontext.uc_flags: SS is in the frame, and is to be restored whatever it is (asm/ucontext.h). */
#define SS_SAVED   2u
#define SS_RESTORE 4u
/* A second, writable view of the code pages. */
#define CODE_ALIAS   0x500100000000ull
#define HAS_FSGSBASE 2u /* AT_HWCAP2 */

/* System call without the C library's errno. */
static long raw_syscall(long nr, long a, long b, long c, long d)
{
    register long r10 __asm__("r10") = d;
    long ret;
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return ret;
}

static void futex_wait(uint32_t *word, uint32_t value, const struct timespec *limit)
{
    raw_syscall(SYS_futex, (long)word, FUTEX_WAIT, (long)value, (long)limit);
}

static void futex_set(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
    raw_syscall(SYS_futex, (long)word, FUTEX_WAKE, 1, 0);
}

/* Copies without calling out: the fixed sizes here are small or page-sized. */
static void copy_bytes(void *to, const void *from, size_t n)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n)::"memory");
}

void diff_fill_memory(uint8_t *rw, const struct diff_shared *s, const struct diff_case *c)
{
    copy_bytes(rw, s->pools[c->pool], DIFF_RW);
    for (unsigned k = 0; k < c->npatches; k++)
        copy_bytes(rw + c->patches[k].off, c->patches[k].bytes, c->patches[k].len);
}

void diff_fill_code(uint8_t *code, uint64_t before, const struct diff_case *c)
{
    unsigned fill = 0xcc;
    if (before) {
        uint64_t at = before - DIFF_CODE, len = DIFF_SLOT;
        if (diff_writable_slot(before)) { /* what was stored may be anywhere in that page */
            at = at < DIFF_CODE_RX ? at : DIFF_CODE_RX;
            len = DIFF_CODE_SIZE - at;
        }
        void *to = code + at;
        __asm__ volatile("rep stosb" : "+D"(to), "+c"(len) : "a"(fill) : "memory");
    }
    uint64_t at = c->slot - DIFF_CODE, room = DIFF_CODE_SIZE - at;
    copy_bytes(code + at, c->code, room < DIFF_SLOT ? room : DIFF_SLOT);
}

/* ES, DS, FS and GS are not in the frame: the handler still has the case's. */
static void keep_selectors(uint16_t *sel, uint64_t csgsfs)
{
    __asm__ volatile("mov %%es, %0" : "=r"(sel[0]));
    __asm__ volatile("mov %%ds, %0" : "=r"(sel[3]));
    __asm__ volatile("mov %%fs, %0" : "=r"(sel[4]));
    __asm__ volatile("mov %%gs, %0" : "=r"(sel[5]));
    sel[1] = (uint16_t)csgsfs;
    sel[2] = (uint16_t)(csgsfs >> 48);
}

static void keep_outcome(struct diff_outcome *o, const struct diff_case *c, const ucontext_t *uc)
{
    const greg_t *g = uc->uc_mcontext.gregs;
    keep_selectors(o->out.sel, (uint64_t)g[REG_CSGSFS]);
    for (unsigned k = 0; k < 16; k++)
        o->out.gpr[k] = (uint64_t)g[greg_of[k]];
    o->out.rip = (uint64_t)g[REG_RIP];
    o->out.rflags = (uint64_t)g[REG_EFL];
    o->vector = (uint8_t)g[REG_TRAPNO];
    o->error = (uint32_t)g[REG_ERR];
    o->cr2 = (uint64_t)g[REG_CR2];
    o->lost = false;
    if (o->vector == 3) {
        o->vector = DIFF_NO_FAULT;
        o->out.rip--;
    }
    const uint8_t *fp = (const uint8_t *)uc->uc_mcontext.fpregs;
    copy_bytes(o->out.fx, fp, 512);
    if (*(const uint64_t *)(fp + XSTATE_BV) & 4)
        copy_bytes(o->out.ymmh, fp + XSTATE_AVX, sizeof(o->out.ymmh));
    else
        for (unsigned k = 0; k < 32; k++)
            ((volatile uint64_t *)o->out.ymmh)[k] = 0; /* no call of memset */
    copy_bytes(o->mem, (void *)DIFF_DATA, DIFF_RW);
    if (diff_writable_slot(c->slot))
        copy_bytes(o->code, (void *)(CODE_ALIAS + DIFF_CODE_RX), sizeof(o->code));
}

/* In 64-bit code FS and GS have bases of their own. */
static void load_bases(void)
{
    if (SHARED->host_fsgsbase) {
        __asm__ volatile("wrfsbase %0" : : "r"(DIFF_FSBASE));
        __asm__ volatile("wrgsbase %0" : : "r"(DIFF_GSBASE));
    } else {
        raw_syscall(SYS_arch_prctl, ARCH_SET_FS, (long)DIFF_FSBASE, 0, 0);
        raw_syscall(SYS_arch_prctl, ARCH_SET_GS, (long)DIFF_GSBASE, 0, 0);
    }
}

static void load_selectors(const struct diff_case *c, ucontext_t *uc)
{
    const uint16_t *sel = c->in.sel;
    __asm__ volatile("mov %0, %%es" : : "r"(sel[0]));
    __asm__ volatile("mov %0, %%ds" : : "r"(sel[3]));
    __asm__ volatile("mov %0, %%fs" : : "r"(sel[4]));
    __asm__ volatile("mov %0, %%gs" : : "r"(sel[5]));
    if (c->mode == DIFF_64)
        load_bases();
    uc->uc_mcontext.gregs[REG_CSGSFS] = (greg_t)(sel[1] | (uint64_t)sel[2] << 48);
    uc->uc_flags |= SS_SAVED | SS_RESTORE;
}

static void load_case(const struct diff_case *c, uint64_t before, ucontext_t *uc)
{
    greg_t *g = uc->uc_mcontext.gregs;
    diff_fill_memory((uint8_t *)DIFF_DATA, SHARED, c);
    diff_fill_code((uint8_t *)CODE_ALIAS, before, c);
    load_selectors(c, uc);
    for (unsigned k = 0; k < 16; k++)
        g[greg_of[k]] = (greg_t)c->in.gpr[k];
    g[REG_RIP] = (greg_t)c->in.rip;
    g[REG_EFL] = (greg_t)c->in.rflags;
    uint8_t *fp = (uint8_t *)uc->uc_mcontext.fpregs;
    /* Bytes 464-511 are the kernel's own description of the frame. */
    copy_bytes(fp, c->in.fx, 464);
    /* x87, SSE and AVX from the frame, everything else in its initial state. */
    *(uint64_t *)(fp + XSTATE_BV) = 3;
    if (SHARED->host_avx) {
        *(uint64_t *)(fp + XSTATE_BV) = 7;
        copy_bytes(fp + XSTATE_AVX, c->in.ymmh, sizeof(c->in.ymmh));
    }
}

/* The child's main loop. */
static __attribute__((used)) void on_case(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    struct diff_shared *s = SHARED;
    struct diff_batch *b = &s->batches[s->turn & 1];
    (void)sig;
    (void)info;
    if (s->running) {
        keep_outcome(&b->outcomes[b->current], &b->cases[b->current], uc);
        s->last = b->cases[b->current].slot;
        b->current++;
    }
    for (;;) {
        while (!__atomic_load_n(&b->go, __ATOMIC_ACQUIRE))
            futex_wait(&b->go, 0, NULL);
        if (b->current < b->count)
            break;
        b->go = 0;
        s->turn++;
        futex_set(&b->done, 1);
        b = &s->batches[s->turn & 1];
    }
    load_case(&b->cases[b->current], s->running ? s->last : 0, uc);
    s->running = 1;
}

/* The kernel leaves EFLAGS.AC, NT and ID as the case had them; the handler is compiled code. */
__asm__(".text\n"
        ".type on_signal, @function\n"
        "on_signal:\n"
        "    pushq $0x202\n"
        "    popfq\n"
        "    jmp on_case\n"
        ".size on_signal, . - on_signal\n");
void on_signal(int sig, siginfo_t *info, void *context);

static void map_or_die(uint64_t addr, size_t len, int prot, int flags, int fd, uint64_t off)
{
    void *p = mmap((void *)addr, len, prot, flags | MAP_FIXED_NOREPLACE, fd, (off_t)off);
    if (p != (void *)addr) {
        fprintf(stderr, "host: cannot map %#llx: %s\n", (unsigned long long)addr, strerror(errno));
        _exit(3);
    }
}

/* The LDT of diff_ldt. False: there is no modify_ldt here, or it refuses something. */
static bool set_ldt(void)
{
    for (unsigned n = 0; n < DIFF_LDT_ENTRIES; n++) {
        const struct diff_seg *s = &diff_ldt[n];
        struct user_desc d = {.entry_number = n,
                              .base_addr = s->base,
                              .limit = s->limit,
                              .seg_32bit = s->big,
                              .contents = (s->code ? 2u : 0u) | (s->down ? 1u : 0u),
                              .read_exec_only = !s->rw,
                              .limit_in_pages = s->pages,
                              .seg_not_present = s->absent};
        if (syscall(SYS_modify_ldt, 0x11, &d, sizeof(d)))
            return false;
    }
    return true;
}

/* Whatever a case comes to run, no system call of its own has an effect. */
static void forbid_system_calls(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xc000003e, 0, 5), /* AUDIT_ARCH_X86_64 */
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_arch_prctl, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        _exit(3);
}

static void child_main(struct native *n)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    map_or_die(DIFF_CODE, DIFF_CODE_RX, PROT_READ | PROT_EXEC, MAP_SHARED, n->code_fd, 0);
    map_or_die(DIFF_CODE + DIFF_CODE_RX, DIFF_CODE_SIZE - DIFF_CODE_RX,
               PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED, n->code_fd, DIFF_CODE_RX);
    map_or_die(CODE_ALIAS, DIFF_CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, n->code_fd, 0);
    memset((void *)CODE_ALIAS, 0xcc, DIFF_CODE_SIZE);
    map_or_die(DIFF_DATA, DIFF_RW + DIFF_RO, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    memcpy((void *)(DIFF_DATA + DIFF_RW), n->shared->readonly, DIFF_RO);
    mprotect((void *)(DIFF_DATA + DIFF_RW), DIFF_RO, PROT_READ);

    stack_t alt = {.ss_size = 1 << 18};
    alt.ss_sp = mmap(NULL, alt.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (alt.ss_sp == MAP_FAILED || sigaltstack(&alt, NULL))
        _exit(3);
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigfillset(&sa.sa_mask);
    static const int caught[] = {SIGSEGV, SIGFPE, SIGILL, SIGBUS, SIGTRAP};
    for (unsigned k = 0; k < sizeof(caught) / sizeof(caught[0]); k++)
        sigaction(caught[k], &sa, NULL);
    if (n->shared->has_ldt && !set_ldt())
        _exit(3);
    forbid_system_calls();
    n->shared->running = 0;
    __asm__ volatile("int3");
    __builtin_unreachable();
}

bool native_has_ldt(void)
{
    int status = 1, pid = fork();
    if (pid == 0)
        _exit(!set_ldt());
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

bool native_has_compatibility(void)
{
    unsigned long access = 0;
    __asm__("lar %1, %0" : "+r"(access) : "r"((unsigned long)DIFF_CS32));
    return (access & 0x409800) == 0x409800; /* present 32-bit code */
}

static void start_child(struct native *n)
{
    fflush(NULL);
    n->pid = fork();
    if (n->pid == 0)
        child_main(n);
    if (n->pid < 0) {
        perror("host: fork");
        exit(3);
    }
}

bool native_init(struct native *n)
{
    void *p = mmap((void *)SHARED_ADDR, sizeof(struct diff_shared), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    n->code_fd = memfd_create("diff-code", MFD_CLOEXEC);
    if (p != (void *)SHARED_ADDR || n->code_fd < 0 || ftruncate(n->code_fd, DIFF_CODE_SIZE))
        return false;
    n->shared = p;
    n->shared->host_avx = __builtin_cpu_supports("avx");
    n->shared->host_fsgsbase = getauxval(AT_HWCAP2) & HAS_FSGSBASE;
    n->pid = -1;
    return true;
}

static void stop_child(struct native *n)
{
    if (n->pid > 0) {
        kill(n->pid, SIGKILL);
        waitpid(n->pid, NULL, 0);
    }
    n->pid = -1;
}

void native_destroy(struct native *n)
{
    stop_child(n);
    munmap(n->shared, sizeof(struct diff_shared));
    close(n->code_fd);
}

void native_submit(struct native *n, unsigned batch)
{
    struct diff_batch *b = &n->shared->batches[batch];
    b->current = 0;
    b->done = 0;
    if (n->pid < 0) {
        n->shared->turn = batch;
        start_child(n);
    }
    futex_set(&b->go, 1);
}

/* The child is dead or stands still: its case is lost, a new child goes on behind it. */
static void replace_child(struct native *n, unsigned batch)
{
    struct diff_batch *b = &n->shared->batches[batch];
    stop_child(n);
    if (b->current < b->count) {
        b->outcomes[b->current].lost = true;
        b->current++;
    }
    n->shared->turn = batch;
    start_child(n);
}

void native_wait(struct native *n, unsigned batch)
{
    struct diff_batch *b = &n->shared->batches[batch];
    const struct timespec tenth = {.tv_nsec = 100000000};
    uint32_t seen = UINT32_MAX;
    for (unsigned still = 0; !__atomic_load_n(&b->done, __ATOMIC_ACQUIRE);) {
        futex_wait(&b->done, 0, &tenth);
        if (b->done)
            break;
        uint32_t now = __atomic_load_n(&b->current, __ATOMIC_RELAXED);
        still = now == seen ? still + 1 : 0;
        seen = now;
        if (waitpid(n->pid, NULL, WNOHANG) == n->pid) {
            n->pid = -1;
            replace_child(n, batch);
        } else if (still > 20) {
            replace_child(n, batch);
            still = 0;
        }
    }
}
