/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The x86 processors of a PC board: created, connected, and given what a loader left for them. */
#include "machines/pc_cpus.h"

#include "base/error.h"

static void set_a20(void *owner, unsigned n, bool level)
{
    struct machine *m = owner;

    (void)n;
    for (unsigned i = 0; i < m->ncpus; i++) {
        __atomic_store_n(&cpu_of(m->cpus[i])->a20_mask, level ? ~0ull : ~(1ull << 20),
                         __ATOMIC_RELAXED); /* its thread looks; map_changed() orders it */
        m->cpus[i]->ops->map_changed(m->cpus[i]);
    }
}

static void set_intack(void *opaque, struct intack_source intack)
{
    struct pc_cpus *cpus = opaque;
    struct machine *m = cpus->boot->v.m;

    for (unsigned i = 0; i < m->ncpus; i++)
        cpu_of(m->cpus[i])->intack = intack;
}

/* Every local APIC broadcasts; with several CPUs each gets the sink. */
static void set_eoi(void *opaque, struct eoi_sink eoi)
{
    struct pc_cpus *cpus = opaque;
    struct machine *m = cpus->boot->v.m;

    for (unsigned i = 0; i < m->ncpus; i++)
        cpu_of(m->cpus[i])->apic.eoi = eoi;
}

static void set_ferr(void *opaque, struct irq_line ferr)
{
    struct pc_cpus *cpus = opaque;

    cpus->boot->ferr_out = ferr;
}

/* In the order of enum VMPORT_EAX... */
static const uint8_t vmport_order[VMPORT_REGISTERS] = {R_RAX, R_RBX, R_RCX, R_RDX, R_RSI, R_RDI};

/* The CPU whose access this is: nobody's, if a monitor makes it. */
static struct cpu *accessing(const struct pc_cpus *cpus)
{
    const struct machine *m = cpus->boot->v.m;
    const struct run_control *run = &m->run;

    for (unsigned i = 0; run->parallel && i < m->ncpus; i++)
        if (pthread_equal(pthread_self(), m->cpus[i]->own_thread))
            return cpu_of(m->cpus[i]);
    return run->current && pthread_equal(pthread_self(), run->thread) ? cpu_of(run->current) : NULL;
}

static bool get_registers(void *opaque, uint32_t r[VMPORT_REGISTERS])
{
    const struct cpu *cpu = accessing(opaque);

    for (unsigned i = 0; cpu && i < VMPORT_REGISTERS; i++)
        r[i] = (uint32_t)cpu->r[vmport_order[i]];
    return cpu;
}

/* EAX is what the instruction reads. */
static void set_registers_of_port(void *opaque, const uint32_t r[VMPORT_REGISTERS])
{
    struct cpu *cpu = accessing(opaque);

    for (unsigned i = 1; cpu && i < VMPORT_REGISTERS; i++)
        cpu->r[vmport_order[i]] = r[i];
}

/* ---- what a loader left (machines/boot.h) ---- */

static void set_flat(struct segment *seg, uint16_t selector, uint16_t attr)
{
    *seg = (struct segment){.limit = 0xffffffff, .sel = selector, .attr = attr};
}

/* Accessed code (read, execute) and data (read, write) of ring 0, 4 GiB. */
static void set_segments(struct cpu *cpu, const struct boot_state *b)
{
    uint16_t common = SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_G;

    set_flat(&cpu->seg[SEG_CS], b->cs,
             common | 0xb | (b->mode == BOOT_LONG64 ? SEG_ATTR_L : SEG_ATTR_DB));
    for (unsigned i = 0; i < 6; i++)
        if (i != SEG_CS)
            set_flat(&cpu->seg[i], b->ds, common | 0x3 | SEG_ATTR_DB);
}

static void set_real_segments(struct cpu *cpu, const struct boot_state *b)
{
    for (unsigned i = 0; i < 6; i++) {
        cpu->seg[i].sel = i == SEG_CS ? b->cs : b->ds;
        cpu->seg[i].base = i == SEG_CS ? b->cs_base : (uint64_t)b->ds << 4;
    }
}

static void set_registers(struct cpu *cpu, const struct boot_state *b)
{
    /* In the order of the encoding: AX CX DX BX SP BP SI DI. */
    const uint64_t values[] = {b->rax, b->rcx, b->rdx, b->rbx, b->rsp, b->rbp, b->rsi, b->rdi};

    for (unsigned i = 0; i < 8; i++)
        cpu->r[i] = values[i];
    cpu->r[R_RIP] = b->rip;
    cpu_set_eflags(cpu, EFLAGS_FIXED);
}

/* What a BIOS leaves in the processors; memory is write-back by default. */
static void set_firmware_state(struct cpu *boot)
{
    struct machine *m = boot->v.m;

    apic_virtual_wire(boot);
    for (unsigned i = 0; i < m->ncpus; i++)
        cpu_of(m->cpus[i])->mtrr_def_type = MTRR_DEF_ENABLE | MTRR_WRITE_BACK;
}

static void set_boot_state(void *opaque, const struct boot_state *b)
{
    struct pc_cpus *cpus = opaque;
    struct cpu *cpu = cpus->boot;

    if (b->mode == BOOT_RESET)
        return;
    set_registers(cpu, b);
    if (b->mode == BOOT_REAL) {
        set_real_segments(cpu, b);
    } else {
        set_segments(cpu, b);
        cpu->gdtr = (struct table_register){.base = b->gdt_base, .limit = b->gdt_limit};
        cpu->cr0 |= CR0_PE;
        set_firmware_state(cpu);
    }
    if (b->mode == BOOT_LONG64) {
        cpu->cr3 = b->cr3;
        cpu->cr4 |= CR4_PAE;
        cpu->efer |= EFER_LME | EFER_LMA;
        cpu->cr0 |= CR0_PG;
    }
    cpu_mode_changed(cpu);
}

/* ---- creation ---- */

static uint32_t apic_id(void *opaque, unsigned n)
{
    const struct pc_cpus *cpus = opaque;

    return topology_apic_id(&cpus->model.topology, n);
}

static void fill_identity(const struct cpu *cpu, struct pc_cpu_hooks *hooks)
{
    const struct cpu_topology *t = &cpu->model.topology;
    uint32_t leaf1[4];

    cpuid_query(cpu, 1, 0, leaf1);
    hooks->cpu_signature = leaf1[0];
    hooks->cpu_features = leaf1[3];
    hooks->sockets = t->sockets;
    hooks->cores = t->cores;
    hooks->threads = t->threads;
    hooks->long_mode = model_has(&cpu->model, F_lm);
}

bool pc_cpus_create(struct machine *m, unsigned ncpus, void *opaque, struct pc_cpu_hooks *hooks,
                    struct error *err)
{
    struct pc_cpus *cpus = opaque;

    if (ncpus > 1 && !model_has(&cpus->model, F_apic))
        return error_set(err, "-smp %u: -cpu %s has no APIC to start a second processor with",
                         ncpus, cpus->model.name);
    m->run.threads = cpus->threads && ncpus > 1;
    for (unsigned i = 0; i < ncpus; i++) {
        struct cpu *cpu = cpu_new(m, &cpus->model, i, err);

        if (!cpu)
            return false;
        if (!machine_add_cpu(m, &cpu->v)) {
            cpu->v.ops->destroy(&cpu->v);
            return error_set(err, "out of memory");
        }
        if (i == 0)
            cpus->boot = cpu;
    }
    hooks->intr = cpu_intr_line(cpus->boot);
    hooks->a20 = (struct irq_line){.set = set_a20, .owner = m};
    hooks->smi = cpu_smi_line(cpus->boot);
    hooks->ignne = cpu_ignne_line(cpus->boot);
    hooks->msi = apic_msi_sink(m);
    hooks->cpus = cpus;
    hooks->apic_id = apic_id;
    fill_identity(cpus->boot, hooks);
    hooks->set_intack = set_intack;
    hooks->set_eoi = set_eoi;
    hooks->set_ferr = set_ferr;
    hooks->get_registers = get_registers;
    hooks->set_registers = set_registers_of_port;
    hooks->set_boot_state = set_boot_state;
    return true;
}
