/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Power-on self test: in this order. */
#include "post.h"

void post(void);
u32 entry32(u32 function, u32 argument);

u32 disk_request(struct disk_request *q)
{
    switch (((struct drive *)q->drive)->type) {
    case DRIVE_AHCI:
    case DRIVE_AHCI_ATAPI:
        return ahci_request(q);
    case DRIVE_VIRTIO:
        return virtio_request(q);
    default:
        return 1;
    }
}

/* From 16-bit code. */
u32 entry32(u32 function, u32 argument)
{
    switch (function) {
    case CALL32_DISK:
        return disk_request((struct disk_request *)argument);
    case CALL32_PMM:
        return pmm_call((const struct pmm_request *)argument);
    case CALL32_COPY: {
        const struct copy_request *q = (const struct copy_request *)argument;

        memcpy((void *)q->to, (const void *)q->from, q->bytes);
        return 0;
    }
    case CALL32_BOOT:
        boot_loop(0);
    case CALL32_NEXT:
        boot_loop(shared.boot_next);
    default:
        return 0xfffffffe;
    }
}

static void banner(void)
{
    print("Calque BIOS    %u processor%s, %u MiB\n", cpu_count(), cpu_count() == 1 ? "" : "s",
          (shared.ram_below_4g >> 20) + (u32)(shared.ram_above_4g >> 20));
}

/* No machine of ours sleeps (etc/system-states): a program that asked for it starts anew. */
static void refuse_resume(void)
{
    if (cmos_read(0x0f) != 0xfe)
        return;
    cmos_write(0x0f, 0);
    debug("resuming from ACPI S3 is not supported: a cold start\n");
}

void post(void)
{
    posted = 1;
    refuse_resume();
    chipset_init();
    fwcfg_init();
    memory_init();
    bda_init();
    cpu_init();
    pci_init();
    mtrr_init();
    smp_init();
    interrupts_on();
    rom_vga();
    banner();
    tables_init();
    loader_run();
    floppy_init();
    ide_init();
    ahci_init();
    virtio_init();
    rom_others();
    boot_collect();
    boot_menu();
    boot_number_disks();
    disk_tables();
    rom_lock();
    memory_finish();
    boot_start();
}
