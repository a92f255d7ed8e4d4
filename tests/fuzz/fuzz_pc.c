/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PC as a whole: traffic at all ports and addresses, time, resets, saving and loading, and
 * pieces of program, so that interrupts, IPIs and SMIs meet a processor. */
#include <string.h>

#include "tests/fuzz/box.h"

static const struct fuzz_window windows[] = {
    {true, 0, 0x10000},
    {true, 0, 0x100},
    {true, 0x3f8, 8},
    {true, 0x4d0, 2},
    {true, 0x510, 12},
    {true, 0x600, 64},
    {true, 0xcf8, 8},
    {true, 0xc000, 0x100},
    {false, 0, BOX_RAM},
    {false, 0xa0000, 0x60000},
    {false, IOAPIC_BASE, 0x20},
    {false, HPET_BASE, HPET_SIZE},
    {false, 0xff000000, PC_TESTDEV_IOMEM_SIZE},
    {false, 0xc0000000, 0x2000},
    {true, 0x3b0, 0x30},
    {true, 0x1ce, 3},
    {false, 0, 0xffffffff},
};

static void pass(void *opaque, uint64_t ns)
{
    struct box *b = opaque;
    struct vm_clock *c = &b->pc.m.clock;
    uint64_t end = vm_clock_now(c) + ns, now;

    for (unsigned n = 0; n < 100 && vm_clock_deadline(c) < end; n++) {
        if (!vm_clock_skip_to_deadline(c))
            break;
        vm_clock_run_timers(c);
    }
    now = vm_clock_now(c);
    c->skipped += end > now ? end - now : 0;
    vm_clock_run_timers(c);
}

static void run(struct box *b, uint64_t insns)
{
    machine_unlock(&b->pc.m);
    box_run(b, insns);
    machine_lock(&b->pc.m);
}

static void reset(void *opaque)
{
    struct box *b = opaque;

    b->pc.m.run.reset_wanted = true;
    run(b, 1);
}

/* A local APIC's register, as the processor would access it. */
static void access_apic(struct box *b, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);
    struct cpu *cpu = cpu_of(b->pc.m.cpus[what >> 7 & (b->pc.m.ncpus - 1)]);
    unsigned offset = (what & 0x3f) << 4;

    if (what & 0x40)
        apic_write(cpu, offset, (uint32_t)fuzz_number(in));
    else
        apic_read(cpu, offset);
}

static void access_apic_msr(struct box *b, struct fuzz_input *in)
{
    static const uint32_t others[2] = {0x1b, 0x6e0};
    uint8_t what = fuzz_u8(in);
    struct cpu *cpu = cpu_of(b->pc.m.cpus[what >> 7 & (b->pc.m.ncpus - 1)]);
    uint32_t msr = (what & 0x3f) < 0x3e ? 0x800u + (what & 0x3f) : others[what & 1];
    uint64_t value;

    if (what & 0x40)
        apic_wrmsr(cpu, msr, fuzz_number(in));
    else
        apic_rdmsr(cpu, msr, &value);
}

/* Program text for all processors to come to. */
static void put_program(struct box *b, struct fuzz_input *in)
{
    static const uint32_t places[2] = {BOX_CODE, 0x8000};
    uint8_t code[64];
    unsigned n = fuzz_u8(in) % sizeof(code);
    uint32_t at = places[fuzz_u8(in) & 1];

    for (unsigned i = 0; i < n; i++)
        code[i] = fuzz_u8(in);
    address_space_write_block(&b->pc.m.mem, at, code, n);
}

static void event(void *opaque, struct fuzz_input *in)
{
    struct box *b = opaque;
    uint8_t what = fuzz_u8(in);

    switch (what & 7) {
    case 0:
        run(b, 1 + (what >> 3));
        break;
    case 1:
    case 2:
        access_apic(b, in);
        break;
    case 3:
        access_apic_msr(b, in);
        break;
    case 4:
        put_program(b, in);
        break;
    case 5:
        ps2kbd_key(&b->pc.kbd, fuzz_u8(in), what & 8);
        break;
    case 6: {
        uint8_t byte = fuzz_u8(in);

        fuzz_check(input_push(&b->pc.m, &b->pc.serial[what >> 3 & 3].input, &byte, 1));
        break;
    }
    default:
        if (what & 0x80)
            piix4_pm_press_power_button(&b->pc.pm);
        cpu_of(b->pc.m.cpus[0])->r[R_RIP] = BOX_CODE;
        input_deliver(&b->pc.m);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct box *b = box_get(1 + (fuzz_u8(&in) & 1));
    struct fuzz_traffic t = {.m = &b->pc.m,
                             .windows = windows,
                             .nwindows = sizeof(windows) / sizeof(windows[0]),
                             .pass = pass,
                             .event = event,
                             .reset = reset,
                             .opaque = b};

    machine_lock(&b->pc.m);
    fuzz_traffic(&t, &in);
    machine_unlock(&b->pc.m);
    return 0;
}
