/* SPDX-License-Identifier: GPL-2.0-or-later */
/* KVM as an engine: KVM_RUN, and what comes out of it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"
#include "cpu/x86/kvm/kvm_internal.h"
#include "cpu/x86/mem.h"
#include "cpu/x86/paging.h"
#include "cpu/x86/privilege.h"

/* Ends KVM_RUN; the handler does nothing, and interrupted calls of devices are restarted. */
#define KICK_SIGNAL SIGUSR1

#define TURN_NS (2 * 1000 * 1000) /* of a CPU that shares its thread */

/* So often at least our clock and KVM's counter are held against each other: no more than
 * microseconds between them, where the host's clocks run 100 ppm apart. */
#define TSC_KEEP_NS (100ull * 1000 * 1000)

static struct kvm_cpu *kvm_of(const struct vcpu *v)
{
    return (struct kvm_cpu *)(uintptr_t)((const char *)v->ops - offsetof(struct kvm_cpu, ops));
}

/* ---- trouble: the CPU's state once, and the machine ends ---- */

static void print_register_line(void *opaque, const char *text)
{
    (void)opaque;
    fprintf(stderr, "%s\n", text);
}

static enum vcpu_exit fail(struct kvm_cpu *c, const char *what, uint64_t code)
{
    struct machine *m = c->k->m;

    if (!atomic_exchange(&c->k->failed, true)) {
        fprintf(stderr, "calque: KVM: CPU %u: %s (%#llx); its state is\n", c->cpu->v.index, what,
                (unsigned long long)code);
        cpu_print_registers(c->cpu, print_register_line, NULL);
    }
    vcpu_lock_machine(&c->cpu->v);
    machine_request_end(m, STOP_ENGINE, 0);
    vcpu_unlock_machine(&c->cpu->v);
    return VCPU_EXIT_REQUEST;
}

/* ---- registers here or there ---- */

/* What KVM still has to do for an access that was answered: it does that and nothing else. */
static void complete_access(struct kvm_cpu *c)
{
    if (!c->unfinished)
        return;
    __atomic_store_n(&c->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    ioctl(c->fd, KVM_RUN, 0);
    c->unfinished = false;
}

/* Local APICs of CPUs that run change under others' hands: by themselves, and by each other. */
static void begin_alone(struct kvm_cpu *c)
{
    vcpu_lock_machine(&c->cpu->v);
    if (c->k->split)
        machine_exclusive_begin(c->k->m);
}

static void end_alone(struct kvm_cpu *c)
{
    if (c->k->split)
        machine_exclusive_end(c->k->m);
    vcpu_unlock_machine(&c->cpu->v);
}

static bool put_chip(struct kvm_cpu *c, const char **what)
{
    if (c->chip_in)
        return true;
    begin_alone(c);
    bool ok = kvm_irqchip_put(c, what);
    end_alone(c);
    return ok;
}

/* Before the first CPU runs. */
static bool put_all_chips(struct kvm_cpu *c, const char **what)
{
    if (!c->k->split || atomic_load(&c->k->chips_in))
        return true;
    begin_alone(c);
    bool ok = atomic_load(&c->k->chips_in) || kvm_irqchip_enter(c->k, what);
    end_alone(c);
    return ok;
}

static bool load(struct kvm_cpu *c, const char **what)
{
    if (c->loaded)
        return true;
    complete_access(c);
    c->run->ready_for_interrupt_injection = 0; /* it speaks of another state */
    if ((c->k->split && !put_chip(c, what)) || !kvm_state_load(c, what))
        return false;
    c->stats.loads++;
    kvm_state_loaded(c, true);
    return true;
}

/* Lock held; no CPU is in KVM_RUN, if the local APIC is KVM's. */
static bool fetch_all(struct kvm_cpu *c, const char **what)
{
    struct kvm_chip chip = {.there = false};
    bool loaded = c->loaded;

    if (loaded)
        complete_access(c);
    bool ok = kvm_irqchip_take(c, &chip, what);
    kvm_state_loaded(c, false);
    ok = (!loaded || kvm_state_fetch(c, what)) && ok;
    kvm_irqchip_settle(c, &chip);
    return ok;
}

static bool fetch(struct kvm_cpu *c, const char **what)
{
    if (!c->loaded && !c->chip_in)
        return true;
    begin_alone(c);
    bool ok = fetch_all(c, what);
    end_alone(c);
    return ok;
}

/* Forgets what was derived from memory that KVM's CPU has written since. */
static void refresh(struct kvm_cpu *c)
{
    if (!c->code_old)
        return;
    tlb_flush_all(c->cpu);
    block_cache_flush(c->cpu);
    c->code_old = false;
}

/* The machine stands still: everybody may look at everything. Lock held. */
static void stopped(struct vcpu *v)
{
    struct kvm_cpu *c = kvm_of(v);
    const char *what;

    kvm_kept_make(c->k);
    atomic_store(&c->k->chips_in, false);
    if (!fetch_all(c, &what))
        fprintf(stderr, "calque: KVM: CPU %u: %s: %s\n", v->index, what, strerror(errno));
    refresh(c);
    if (c->wrote)
        kvm_memory_written(c->k);
    c->wrote = false;
}

static void reset(struct vcpu *v)
{
    struct kvm_cpu *c = kvm_of(v);

    kvm_state_loaded(c, false);
    c->chip_in = false;
    atomic_store(&c->k->chips_in, false);
    c->before->reset(v);
}

static void map_changed(struct vcpu *v)
{
    struct kvm_cpu *c = kvm_of(v);
    struct error err;

    c->before->map_changed(v);
    if (c == c->k->cpus && !kvm_memory_update(c->k, &err)) {
        fprintf(stderr, "calque: %s\n", err.text);
        machine_request_end(c->k->m, STOP_ENGINE, 0);
    }
    if (c == c->k->cpus)
        kvm_kept_update(c->k);
}

static void ports_changed(struct vcpu *v)
{
    struct kvm_cpu *c = kvm_of(v);

    if (c == c->k->cpus)
        kvm_kept_update(c->k);
}

static void kick(struct vcpu *v)
{
    struct kvm_cpu *c = kvm_of(v);

    __atomic_store_n(&c->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    if (atomic_load(&c->inside) && !pthread_equal(pthread_self(), c->thread))
        pthread_kill(c->thread, KICK_SIGNAL);
}

/* ---- what KVM does not do ---- */

/* The interpreter runs the rest of the slice, or n instructions. */
static enum vcpu_exit interpret(struct kvm_cpu *c, int64_t n)
{
    struct vcpu *v = &c->cpu->v;
    const char *what;

    if (!fetch(c, &what))
        return fail(c, what, (uint64_t)errno);
    refresh(c);
    c->stats.interpreted++;
    if (c->k->split) {
        begin_alone(c);
        kvm_irqchip_collect(c);
        end_alone(c);
    }
    if (n < v->budget) {
        v->slice -= (uint64_t)(v->budget - n);
        v->budget = n;
    }
    return c->before->run(v, v->slice);
}

static bool must_interpret(const struct kvm_cpu *c)
{
    const struct cpu *cpu = c->cpu;
    const struct run_control *r = &cpu->v.m->run;

    return cpu->smm || (cpu->smi_pending && !cpu->wait_sipi) || ~cpu->a20_mask ||
           !kvm_engine_can_watch(c->k, cpu) || cpu->watch || r->step_cpu ||
           r->stop_count != UINT64_MAX || r->stop_time != UINT64_MAX || cpu->v.m->arena.keepers ||
           cpu->v.m->record;
}

/* One that KVM has sleeps there. */
static bool has_work(const struct vcpu *v)
{
    const struct kvm_cpu *c = kvm_of(v);

    return (c->k->split && !must_interpret(c)) || c->before->has_work(v);
}

/* ---- accesses ---- */

static uint64_t read_memory(struct cpu *cpu, uint64_t at, unsigned size)
{
    if (is_apic_page(cpu, at)) /* 32-bit registers, 16 bytes apart */
        return apic_read(cpu, at & 0xffc) >> 8 * (at & 3);
    return address_space_read(&cpu->v.m->mem, at, size);
}

static void write_memory(struct cpu *cpu, uint64_t at, uint64_t value, unsigned size)
{
    if (is_apic_page(cpu, at))
        apic_write(cpu, at & 0xfff, (uint32_t)value);
    else
        address_space_write(&cpu->v.m->mem, at, value, size);
}

static void memory_exit(struct kvm_cpu *c)
{
    struct kvm_run *run = c->run;

    c->stats.memory_accesses++;
    vcpu_lock_machine(&c->cpu->v);
    for (unsigned at = 0, n; at < run->mmio.len && at < sizeof(run->mmio.data); at += n) {
        uint64_t v = 0;

        n = kvm_unit(run->mmio.len - at);
        if (run->mmio.is_write) {
            memcpy(&v, run->mmio.data + at, n);
            write_memory(c->cpu, run->mmio.phys_addr + at, v, n);
        } else {
            v = read_memory(c->cpu, run->mmio.phys_addr + at, n);
            memcpy(run->mmio.data + at, &v, n);
        }
    }
    vcpu_unlock_machine(&c->cpu->v);
    c->unfinished = true;
}

/* A device may look at registers and change them (vmmouse): those that it may. */
enum { LENT = 6 };

static void lent_fields(struct kvm_regs *regs, __u64 *field[LENT])
{
    __u64 *const list[LENT] = {&regs->rax, &regs->rbx, &regs->rcx,
                               &regs->rdx, &regs->rsi, &regs->rdi};

    memcpy(field, list, sizeof(list));
}

static const uint8_t lent[LENT] = {R_RAX, R_RBX, R_RCX, R_RDX, R_RSI, R_RDI};

static void lend_registers(struct kvm_cpu *c)
{
    __u64 *field[LENT];

    lent_fields(&c->run->s.regs.regs, field);
    for (unsigned n = 0; n < LENT; n++)
        c->cpu->r[lent[n]] = *field[n];
}

/* What the device changed; RAX is the instruction's. */
static bool take_registers(struct kvm_cpu *c)
{
    __u64 *was[LENT], *now[LENT];
    struct kvm_regs regs;
    bool changed = false;

    lent_fields(&c->run->s.regs.regs, was);
    for (unsigned n = 1; n < LENT; n++)
        changed |= c->cpu->r[lent[n]] != *was[n];
    if (!changed)
        return true;
    complete_access(c);
    if (ioctl(c->fd, KVM_GET_REGS, &regs) < 0)
        return false;
    lent_fields(&regs, now);
    for (unsigned n = 1; n < LENT; n++)
        *now[n] = c->cpu->r[lent[n]];
    return ioctl(c->fd, KVM_SET_REGS, &regs) == 0;
}

static bool port_exit(struct kvm_cpu *c)
{
    struct kvm_run *run = c->run;
    struct machine *m = c->k->m;
    uint8_t *data = (uint8_t *)run + run->io.data_offset;

    c->stats.port_accesses++;
    lend_registers(c);
    vcpu_lock_machine(&c->cpu->v);
    for (uint32_t n = 0; n < run->io.count; n++, data += run->io.size) {
        uint64_t v = 0;

        if (run->io.direction == KVM_EXIT_IO_OUT) {
            memcpy(&v, data, run->io.size);
            address_space_write(&m->io, run->io.port, v, run->io.size);
        } else {
            v = address_space_read(&m->io, run->io.port, run->io.size);
            memcpy(data, &v, run->io.size);
        }
    }
    vcpu_unlock_machine(&c->cpu->v);
    c->unfinished = true;
    return take_registers(c);
}

/* Deadlines are counts of KVM's counter. */
static void keep_tsc(struct kvm_cpu *c)
{
    if (vm_clock_now(&c->k->m->clock) - c->tsc_fetched >= TSC_KEEP_NS)
        kvm_state_fetch_tsc(c);
}

static void msr_exit(struct kvm_cpu *c)
{
    struct kvm_run *run = c->run;

    /* What the filter lets pass is KVM's; so is the local APIC, if split. What comes out all the
     * same KVM refuses. It does not filter x2APIC's MSRs (api.rst, KVM_X86_SET_MSR_FILTER). */
    if (is_apic_msr(run->msr.index) ? c->k->split : run->msr.reason != KVM_MSR_EXIT_REASON_FILTER) {
        run->msr.error = 1;
        c->unfinished = true;
        return;
    }
    keep_tsc(c);
    bool write = run->exit_reason == KVM_EXIT_X86_WRMSR;
    uint64_t v = run->msr.data;
    bool ok = write ? msr_write(c->cpu, run->msr.index, v) : msr_read(c->cpu, run->msr.index, &v);

    c->stats.msr_accesses++;
    run->msr.data = v;
    run->msr.error = !ok;
    c->unfinished = true;
}

/* ---- interrupts ---- */

/* Split: what the PIC has. The others go through our own local APIC first. */
static bool waits(const struct kvm_cpu *c)
{
    const struct cpu *cpu = c->cpu;

    return c->k->split ? cpu->intr_level || cpu->extint_pending : cpu_interrupt_waits(cpu);
}

static bool interrupt(struct kvm_cpu *c, int vector)
{
    struct kvm_interrupt irq = {.irq = (uint32_t)vector};

    c->stats.injections++;
    c->run->ready_for_interrupt_injection = 0;
    return c->k->split ? kvm_irqchip_interrupt(c, (uint8_t)vector)
                       : ioctl(c->fd, KVM_INTERRUPT, &irq) == 0;
}

static bool inject(struct kvm_cpu *c)
{
    struct cpu *cpu = c->cpu;
    int vector;

    if (cpu->nmi_pending) {
        if (ioctl(c->fd, KVM_NMI) < 0)
            return false;
        cpu->nmi_pending = false;
    }
    if (c->run->ready_for_interrupt_injection && waits(c)) {
        vector = c->k->split ? cpu_acknowledge_extint(cpu) : cpu_acknowledge(cpu);
        if (vector >= 0 && !interrupt(c, vector))
            return false;
    }
    c->run->request_interrupt_window = waits(c);
    return true;
}

/* ---- running ---- */

static void enter(struct kvm_cpu *c)
{
    struct kvm_run *run = c->run;
    struct cpu *cpu = c->cpu;

    run->cr8 = apic_get_cr8(cpu);
    c->code_old = c->wrote = true;
    c->stats.runs++;
    /* A kick before this is seen in exit_req, one after it in immediate_exit or by the signal. */
    __atomic_store_n(&run->immediate_exit, 0, __ATOMIC_SEQ_CST);
    if (atomic_load(&cpu->v.exit_req))
        __atomic_store_n(&run->immediate_exit, 1, __ATOMIC_SEQ_CST);
}

/* The machine's threads block all signals. */
static void allow_kicks(struct kvm_cpu *c)
{
    sigset_t set;

    if (c->thread_known && pthread_equal(c->thread, pthread_self()))
        return;
    sigemptyset(&set);
    sigaddset(&set, KICK_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    c->thread = pthread_self();
    c->thread_known = true;
}

/* CPUs that share a thread take turns: the signal ends a turn, once more in case it came between
 * two calls. */
static void time_turn(struct kvm_cpu *c, bool begin)
{
    struct kvm_engine *k = c->k;
    const struct timespec turn = {.tv_nsec = begin ? TURN_NS : 0};
    const struct itimerspec when = {.it_value = turn, .it_interval = turn};

    if (k->m->ncpus == 1 || k->m->run.parallel)
        return;
    if (!k->has_timer || !pthread_equal(k->timed, pthread_self())) {
        struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = KICK_SIGNAL};

        event._sigev_un._tid = gettid();
        if (k->has_timer)
            timer_delete(k->timer);
        k->has_timer = timer_create(CLOCK_MONOTONIC, &event, &k->timer) == 0;
        k->timed = pthread_self();
    }
    if (k->has_timer)
        timer_settime(k->timer, 0, &when, NULL);
}

static bool run_once(struct kvm_cpu *c, int *error)
{
    allow_kicks(c);
    atomic_store(&c->inside, true);
    enter(c);
    uint8_t cr8 = (uint8_t)c->run->cr8;
    *error = ioctl(c->fd, KVM_RUN, 0) < 0 ? errno : 0;
    atomic_store(&c->inside, false);
    c->unfinished = false;
    if (!c->k->split && (c->run->cr8 & 15) != cr8) {
        vcpu_lock_machine(&c->cpu->v);
        apic_set_cr8(c->cpu, c->run->cr8 & 15);
        vcpu_unlock_machine(&c->cpu->v);
    }
    return *error == 0;
}

static enum vcpu_exit halt_exit(struct kvm_cpu *c)
{
    struct cpu *cpu = c->cpu;
    struct kvm_regs regs;

    c->stats.halts++;
    if (ioctl(c->fd, KVM_GET_REGS, &regs) < 0)
        return fail(c, "KVM_GET_REGS", (uint64_t)errno);
    cpu->eflags = (cpu->eflags & ~EFLAGS_IF) | ((uint32_t)regs.rflags & EFLAGS_IF);
    cpu->v.halted = true;
    return VCPU_EXIT_HALT;
}

static enum vcpu_exit shutdown_exit(struct kvm_cpu *c)
{
    const char *what;

    if (!fetch(c, &what))
        return fail(c, what, (uint64_t)errno);
    c->cpu->shut_down = true;
    return VCPU_EXIT_SHUTDOWN;
}

static enum vcpu_exit error_exit(struct kvm_cpu *c)
{
    const struct kvm_run *run = c->run;
    const char *what;

    if (!fetch(c, &what))
        return fail(c, what, (uint64_t)errno);
    if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR &&
        run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION) {
        c->cpu->exc_pending = false; /* the #UD that KVM would raise instead */
        return interpret(c, 1);
    }
    switch (run->exit_reason) {
    case KVM_EXIT_FAIL_ENTRY:
        return fail(c, "the processor refuses its state",
                    run->fail_entry.hardware_entry_failure_reason);
    case KVM_EXIT_INTERNAL_ERROR:
        return fail(c, "internal error of KVM", run->internal.suberror);
    default:
        return fail(c, "an exit of unknown reason", run->exit_reason);
    }
}

/* True: go on. */
static bool handle_exit(struct kvm_cpu *c, enum vcpu_exit *why)
{
    switch (c->run->exit_reason) {
    case KVM_EXIT_IO:
        if (!port_exit(c))
            *why = fail(c, "KVM_SET_REGS", (uint64_t)errno);
        return *why == VCPU_EXIT_SLICE;
    case KVM_EXIT_MMIO:
        memory_exit(c);
        return true;
    case KVM_EXIT_X86_RDMSR:
    case KVM_EXIT_X86_WRMSR:
        msr_exit(c);
        return true;
    case KVM_EXIT_IRQ_WINDOW_OPEN:
        c->stats.windows++;
        return true;
    case KVM_EXIT_INTR:
    case KVM_EXIT_SET_TPR:
        return true;
    case KVM_EXIT_IOAPIC_EOI:
        c->stats.eois++;
        kvm_irqchip_eoi(c);
        return true;
    case KVM_EXIT_DEBUG:
        c->stats.breakpoints++;
        *why = interpret(c, 1);
        return false;
    case KVM_EXIT_HLT:
        *why = halt_exit(c);
        return false;
    case KVM_EXIT_SHUTDOWN:
        *why = shutdown_exit(c);
        return false;
    default:
        *why = error_exit(c);
        return false;
    }
}

/* INIT and start-up IPIs change the whole state. */
static bool take_init(struct kvm_cpu *c, const char **what)
{
    if (!c->cpu->init_pending && !c->cpu->sipi_pending)
        return true;
    if (!fetch(c, what))
        return false;
    c->cpu->shadow = c->cpu->shadow_ss = false;
    cpu_take_interrupts(c->cpu);
    return true;
}

/* What comes before KVM_RUN. True: run. */
static bool prepare(struct kvm_cpu *c, enum vcpu_exit *why)
{
    struct cpu *cpu = c->cpu;
    const char *what;

    if (!take_init(c, &what)) {
        *why = fail(c, what, (uint64_t)errno);
        return false;
    }
    if (!c->k->split) {
        if (cpu->v.halted && (cpu->wait_sipi || !cpu_interrupt_ready(cpu))) {
            *why = VCPU_EXIT_HALT;
            return false;
        }
        cpu->v.halted = false;
    }
    if (!c->loaded && (cpu->exc_pending || kvm_debug_passes(c))) {
        *why = interpret(c, 1);
        return false;
    }
    if (put_all_chips(c, &what) && load(c, &what) && (what = "KVM_INTERRUPT", inject(c)) &&
        (what = "KVM_SET_GUEST_DEBUG", kvm_debug_load(c)))
        return true;
    *why = fail(c, what, (uint64_t)errno);
    return false;
}

static enum vcpu_exit run_slice(struct kvm_cpu *c)
{
    struct vcpu *v = &c->cpu->v;
    enum vcpu_exit why = VCPU_EXIT_SLICE;
    int error;

    do {
        if (must_interpret(c))
            return interpret(c, v->budget);
        if (!prepare(c, &why))
            return why;
        bool ended = run_once(c, &error);
        if (c->run->flags & KVM_RUN_X86_SMM)
            return fail(c,
                        "an SMI as interprocessor interrupt, which -machine kernel-irqchip=off has",
                        c->run->exit_reason);
        if (!ended) {
            if (error != EINTR && error != EAGAIN)
                return fail(c, strerror(error), (uint64_t)error);
            c->stats.signals++;
            return atomic_load(&v->exit_req) ? VCPU_EXIT_SLICE : VCPU_EXIT_YIELD;
        }
        if (!handle_exit(c, &why))
            return why;
    } while (!atomic_load(&v->exit_req));
    return VCPU_EXIT_SLICE;
}

static enum vcpu_exit run(struct vcpu *v, uint64_t budget)
{
    struct kvm_cpu *c = kvm_of(v);

    (void)budget;
    time_turn(c, true);
    enum vcpu_exit why = run_slice(c);
    time_turn(c, false);
    return why;
}

/* ---- what the engine's life takes of this ---- */

void kvm_run_take_operations(struct vcpu_ops *ops)
{
    ops->run = run;
    ops->reset = reset;
    ops->map_changed = map_changed;
    ops->ports_changed = ports_changed;
    ops->kick = kick;
    ops->has_work = has_work;
    ops->stopped = stopped;
}

struct kvm_cpu *kvm_run_cpu(const struct vcpu *v)
{
    return v->ops->run == run ? kvm_of(v) : NULL;
}

static void ignore_signal(int number)
{
    (void)number;
}

void kvm_run_catch_kicks(void)
{
    struct sigaction action = {.sa_handler = ignore_signal, .sa_flags = SA_RESTART};

    sigaction(KICK_SIGNAL, &action, NULL);
}
