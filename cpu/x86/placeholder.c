/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stands in while the processor is being written: the program links and says what is missing. The
 * Makefile leaves this file out as soon as another one defines cpu_new(). */
#include "base/error.h"
#include "cpu/x86/cpu.h"

bool cpu_model_parse(struct cpu_model *model, const char *spec, struct error *err)
{
    (void)model, (void)spec, (void)err;
    return true;
}

void cpu_model_list(void (*line)(void *opaque, const char *text), void *opaque)
{
    line(opaque, "max");
}

struct cpu *cpu_new(struct machine *m, const struct cpu_model *model, unsigned apic_id,
                    struct error *err)
{
    (void)m, (void)model, (void)apic_id;
    error_set(err, "the processor is not in this build");
    return NULL;
}

struct irq_line cpu_intr_line(struct cpu *cpu)
{
    (void)cpu;
    return (struct irq_line){0};
}

struct msi_sink apic_msi_sink(struct machine *m)
{
    (void)m;
    return (struct msi_sink){0};
}

void cpu_set_eflags(struct cpu *cpu, uint32_t value)
{
    (void)cpu, (void)value;
}

void cpu_mode_changed(struct cpu *cpu)
{
    (void)cpu;
}

void cpu_print_registers(const struct cpu *cpu, void (*line)(void *opaque, const char *text),
                         void *opaque)
{
    (void)cpu, (void)line, (void)opaque;
}
