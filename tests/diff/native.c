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

#include <asm/prctl.h>
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static void keep_outcome(struct diff_outcome *o, const ucontext_t *uc)
{
    const greg_t *g = uc->uc_mcontext.gregs;
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
}

static void load_case(const struct diff_case *c, ucontext_t *uc)
{
    greg_t *g = uc->uc_mcontext.gregs;
    diff_fill_memory((uint8_t *)DIFF_DATA, SHARED, c);
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
static void on_signal(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    struct diff_shared *s = SHARED;
    struct diff_batch *b = &s->batches[s->turn & 1];
    (void)sig;
    (void)info;
    if (s->running) {
        keep_outcome(&b->outcomes[b->current], uc);
        b->current++;
    }
    s->running = 1;
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
    load_case(&b->cases[b->current], uc);
}

static void map_or_die(uint64_t addr, size_t len, int prot, int flags, int fd)
{
    void *p = mmap((void *)addr, len, prot, flags | MAP_FIXED_NOREPLACE, fd, 0);
    if (p != (void *)addr) {
        fprintf(stderr, "host: cannot map %#llx: %s\n", (unsigned long long)addr, strerror(errno));
        _exit(3);
    }
}

static void child_main(struct native *n)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    map_or_die(DIFF_CODE, DIFF_CODE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, n->code_fd);
    map_or_die(DIFF_DATA, DIFF_RW + DIFF_RO, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1);
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
    n->shared->running = 0;
    raw_syscall(SYS_arch_prctl, ARCH_SET_FS, (long)DIFF_FSBASE, 0, 0);
    raw_syscall(SYS_arch_prctl, ARCH_SET_GS, (long)DIFF_GSBASE, 0, 0);
    __asm__ volatile("int3");
    __builtin_unreachable();
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
    n->code = mmap(NULL, DIFF_CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, n->code_fd, 0);
    if (n->code == MAP_FAILED)
        return false;
    memset(n->code, 0xcc, DIFF_CODE_SIZE);
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
    munmap(n->code, DIFF_CODE_SIZE);
    munmap(n->shared, sizeof(struct diff_shared));
    close(n->code_fd);
}

void native_submit(struct native *n, unsigned batch)
{
    struct diff_batch *b = &n->shared->batches[batch];
    for (unsigned k = 0; k < b->count; k++)
        memcpy(n->code + (b->cases[k].slot - DIFF_CODE), b->cases[k].code, DIFF_SLOT);
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
