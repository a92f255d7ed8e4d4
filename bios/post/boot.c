/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What to boot, and booting it (BIOS boot specification 1.01; El Torito 1.0). */
#include "post.h"

/* ---- floppies ---- */

/* The first drive's sectors are those of INT 1Eh's table. */
static void set_table(u8 type)
{
    static const u8 sectors[7] = {18, 9, 15, 9, 18, 36, 36};

    dpt[4] = sectors[type < 7 ? type : 0];
}

void floppy_init(void)
{
    u8 types = cmos_read(0x10);

    set_table(types >> 4);

    for (u8 i = 0; i < MAX_FLOPPY; i++) {
        u8 type = i ? types & 15 : types >> 4;
        struct drive *d = &shared.floppies[i];

        memset(d, 0, sizeof(*d));
        if (!type)
            continue;
        d->type = DRIVE_FLOPPY;
        d->floppy = type;
        d->slave = i;
        shared.nfloppies = (u8)(i + 1);
    }
    if (shared.nfloppies)
        bda->equipment |= (u16)(1 | (shared.nfloppies - 1) << 6);
}

/* ---- the list ---- */

static void add(u8 kind, u8 index, const char *what, const char *name)
{
    struct boot_entry *b = &shared.boot[shared.nboot];

    if (shared.nboot == MAX_BOOT)
        return;
    shared.nboot++;
    memset(b, 0, sizeof(*b));
    b->kind = kind;
    b->index = index;
    format(b->name, sizeof(b->name), "%s %u%s%s", what, index + 1u, *name ? ": " : "", name);
}

/* CMOS 3Dh and 38h: three nibbles, 1 floppy, 2 disk, 3 CD, 4 network (as QEMU and Bochs set them).
 */
static u8 rank_of(const struct boot_entry *b, u32 order)
{
    static const u8 codes[] = {[BOOT_FLOPPY] = 1, [BOOT_DISK] = 2, [BOOT_CD] = 3, [BOOT_ROM] = 4};

    for (u8 i = 0; i < 3; i++)
        if ((order >> i * 4 & 15) == codes[b->kind])
            return i;
    return (u8)(4 + b->kind);
}

static void sort_by(u8 (*rank)(const struct boot_entry *b, u32 opaque), u32 opaque)
{
    for (u32 i = 1; i < shared.nboot; i++)
        for (u32 j = i; j && rank(&shared.boot[j], opaque) < rank(&shared.boot[j - 1], opaque);
             j--) {
            struct boot_entry t = shared.boot[j];

            shared.boot[j] = shared.boot[j - 1];
            shared.boot[j - 1] = t;
        }
}

/* "bootorder": lines with Open Firmware paths, as QEMU gives them to drives with a bootindex. */
static char order[7680];

/* Behind "/NAME@SLOT" or "/NAME@SLOT,FUNCTION" at p; NULL: it is not there. */
static const char *after_function(const char *p, const char *name, u16 device)
{
    u32 slot = device >> 3 & 31, function = device & 7;
    char at[8];

    format(at, sizeof(at), function ? "@%x,%x/" : "@%x/", slot, function);
    if (*p++ != '/' || !starts_with(p, name))
        return NULL;
    while (*p && *p != '/' && *p != '@' && *p != '\n')
        p++;
    if (!starts_with(p, at))
        return NULL;
    while (*p != '/')
        p++;
    return p;
}

/* Behind the host bridge's name and those of the bridges on the way to a device's bus. */
static const char *after_bridges(const char *p, u16 device)
{
    u16 bridge;

    if (!(device >> 8))
        return starts_with(p, "/pci@i0cf8") ? p + 10 : NULL;
    bridge = pci_bridge_of(device);
    p = bridge ? after_bridges(p, bridge) : NULL;
    return p ? after_function(p, "pci-bridge", bridge) : NULL;
}

/* The rest of a path: the drive at its controller. */
static void drive_path(const struct drive *d, char *out, u32 size)
{
    if (d->type == DRIVE_ATA || d->type == DRIVE_ATAPI)
        format(out, size, "/drive@%x/disk@%x", (u32)d->channel, (u32)d->slave);
    else if (d->type == DRIVE_AHCI || d->type == DRIVE_AHCI_ATAPI)
        format(out, size, "/drive@%x/", (u32)d->slave);
    else
        format(out, size, "/disk@");
}

static bool match_drive(const char *path, const struct drive *d)
{
    char want[32];

    drive_path(d, want, sizeof(want));
    path = after_bridges(path, d->pci);
    path = path ? after_function(path, "", d->pci) : NULL;
    return path && starts_with(path, want);
}

static bool match_path(const char *path, const struct boot_entry *b)
{
    char want[16];

    if (b->kind == BOOT_ROM && !b->device)
        return starts_with(path, "/rom@");
    if (b->kind == BOOT_ROM) {
        path = after_bridges(path, b->device);
        return path && after_function(path, "ethernet", b->device);
    }
    if (b->kind != BOOT_FLOPPY)
        return match_drive(path,
                           b->kind == BOOT_DISK ? &shared.disks[b->index] : &shared.cds[b->index]);
    format(want, sizeof(want), "floppy@%u", (u32)b->index);
    for (; *path && *path != '\n'; path++)
        if (starts_with(path, want))
            return true;
    return false;
}

static u8 rank_in_file(const struct boot_entry *b, u32 opaque)
{
    u8 line = 0;
    const char *p = order;

    (void)opaque;
    while (*p) {
        if (match_path(p, b))
            return line;
        while (*p && *p != '\n')
            p++;
        if (*p)
            p++;
        line++;
    }
    return 255;
}

void boot_collect(void)
{
    u32 size, key;

    for (u8 i = 0; i < shared.nfloppies; i++)
        if (shared.floppies[i].type)
            add(BOOT_FLOPPY, i, "Floppy", "");
    for (u8 i = 0; i < shared.ndisks; i++)
        add(BOOT_DISK, i, "Disk", shared.disks[i].name);
    for (u8 i = 0; i < shared.ncds; i++)
        add(BOOT_CD, i, "CD", shared.cds[i].name);
    bda->disk_count = shared.ndisks;
    sort_by(rank_of, cmos_read(0x3d) | (u32)(cmos_read(0x38) & 0xf0) << 4);
    key = fwcfg_find("bootorder", &size);
    if (key && size > 1) {
        fwcfg_read_key((u16)key, order, MIN(size, sizeof(order) - 1));
        sort_by(rank_in_file, 0);
    }
}

/* Disks are numbered in the order in which they are booted: systems expect to be on 80h. */
void boot_number_disks(void)
{
    static struct drive sorted[MAX_DISKS];
    u8 n = 0;

    for (u32 i = 0; i < shared.nboot; i++)
        if (shared.boot[i].kind == BOOT_DISK) {
            sorted[n] = shared.disks[shared.boot[i].index];
            shared.boot[i].index = n++;
        }
    memcpy(shared.disks, sorted, n * sizeof(sorted[0]));
}

/* ---- starting ---- */

/* At FARPTR target with DL the drive. ES is 0, as SeaBIOS has it, and does not lead to the Plug and
 * Play structure (BIOS boot specification 1.01, 6.5), which is found by looking for it too. Comes
 * back only by a far return, which is not expected. */
static void start(u32 target, u8 drive)
{
    memset(&call16_block.r, 0, sizeof(call16_block.r));
    call16_block.r.edx = drive;
    call16_block.r.eax = 0xaa55;
    call16_block.r.flags = FLAG_IF;
    call16_far((u16)(target >> 16), (u16)target);
}

/* True for success; false, with the status in AH, otherwise. */
static bool read_chs1(u8 drive)
{
    for (u32 tries = 0; tries < 3; tries++) {
        memset(&call16_block.r, 0, sizeof(call16_block.r));
        call16_block.r.eax = 0x0201;
        call16_block.r.ecx = 0x0001;
        call16_block.r.edx = drive;
        call16_block.r.ebx = 0x7c00;
        call16_int(0x13);
        if (!(call16_block.r.flags & FLAG_CF))
            return true;
        if (call16_block.r.ah == 0x31 || call16_block.r.ah == 0x80)
            return false;
        memset(&call16_block.r, 0, sizeof(call16_block.r));
        call16_block.r.edx = drive;
        call16_int(0x13);
    }
    return false;
}

static bool signature_wanted(void)
{
    return !(cmos_read(0x38) & 1);
}

static void boot_disk(u8 drive)
{
    const u16 *sector = (const u16 *)0x7c00;

    if (!read_chs1(drive)) {
        print("cannot be read\n");
        return;
    }
    /* Old floppies have no signature; they may be booted when CMOS says so. */
    if (sector[255] != 0xaa55 && (drive & 0x80 || signature_wanted() || !sector[0])) {
        print("is not bootable\n");
        return;
    }
    start(FARPTR(0, 0x7c00), drive);
}

/* ---- El Torito ---- */

static u8 cd_sector[2048];

static bool read_cd(u8 cd, u32 lba)
{
    struct PACKED {
        u8 size, reserved;
        u16 count;
        u32 buffer;
        u64 lba;
    } *packet = (void *)0x7000;

    memset(packet, 0, sizeof(*packet));
    packet->size = 16;
    packet->count = 1;
    packet->buffer = FARPTR((u32)cd_sector >> 4, (u32)cd_sector & 15);
    packet->lba = lba;
    memset(&call16_block.r, 0, sizeof(call16_block.r));
    call16_block.r.eax = 0x4200;
    call16_block.r.edx = 0xe0u + cd;
    call16_block.r.ds = 0x700;
    call16_int(0x13);
    return !(call16_block.r.flags & FLAG_CF);
}

/* The catalog's sector number; 0: not a bootable CD. */
static u32 catalog_of(u8 cd)
{
    if (!read_cd(cd, 17) || memcmp(cd_sector, "\0CD001\1EL TORITO SPECIFICATION", 30))
        return 0;
    return *(u32 *)(cd_sector + 0x47);
}

/* The image's first sectors go to its segment. */
static bool load_image(u8 cd, u32 lba, u16 sectors, u32 address)
{
    for (u32 done = 0; done < sectors * 512u; done += 2048) {
        if (!read_cd(cd, lba + done / 2048))
            return false;
        memcpy((void *)(address + done), cd_sector, MIN(2048, sectors * 512u - done));
    }
    return true;
}

/* Geometry of the emulated drive: 1.2, 1.44, 2.88 MB; a hard disk's from its partition table. */
static bool set_emulation(struct emulation *e, u32 address)
{
    static const u8 spt[4] = {0, 15, 18, 36};

    if (e->media < 4) {
        e->cyls = 80;
        e->heads = 2;
        e->spt = spt[e->media];
        return true;
    }
    const u8 *end =
        (const u8 *)(address + 446 + 5); /* the first partition's last head, sector, cyl. */
    e->heads = (u8)(end[0] + 1);
    e->spt = end[1] & 0x3f;
    e->cyls = (u16)(end[2] + ((end[1] & 0xc0) << 2) + 1);
    return e->spt && e->heads;
}

/* An emulated drive is one more: of the disks at 0040:0075, or a floppy in the equipment word,
 * which stays. */
static void count_emulated(const struct emulation *e, bool on)
{
    if (!e->media)
        return;
    if (e->drive)
        bda->disk_count = (u8)(shared.ndisks + on);
    else if (on)
        bda->equipment = (u16)((bda->equipment & ~0xc0) | 1 | (shared.nfloppies & 3) << 6);
}

static void boot_cd(u8 cd)
{
    u32 catalog = catalog_of(cd), address;
    struct emulation *e = &shared.emu;
    const u8 *entry = cd_sector + 32;

    if (!catalog || !read_cd(cd, catalog) || cd_sector[0] != 1 || cd_sector[30] != 0x55 ||
        cd_sector[31] != 0xaa || entry[0] != 0x88 || (entry[1] & 15) > 4) {
        print("is not bootable\n");
        return;
    }
    e->media = entry[1] & 15;
    e->cd = cd;
    e->catalog = catalog;
    e->lba = *(const u32 *)(entry + 8);
    e->load_segment = *(const u16 *)(entry + 2);
    e->sector_count = *(const u16 *)(entry + 6);
    if (!e->load_segment)
        e->load_segment = 0x7c0;
    e->drive = e->media == 0 ? (u8)(0xe0 + cd) : e->media == 4 ? 0x80 : 0;
    address = (u32)e->load_segment << 4;
    if (address + e->sector_count * 512u > 0x9f000 ||
        !load_image(cd, e->lba, e->sector_count ? e->sector_count : 1, address) ||
        (e->media && !set_emulation(e, address))) {
        print("cannot be read\n");
        return;
    }
    e->active = 1;
    count_emulated(e, true);
    start(FARPTR(e->load_segment == 0x7c0 ? 0 : e->load_segment,
                 e->load_segment == 0x7c0 ? 0x7c00 : 0),
          e->drive);
    count_emulated(e, false);
    e->active = 0;
}

/* ---- in turn ---- */

static void boot_one(const struct boot_entry *b)
{
    print("Booting from %s\n", b->name);
    shared.emu.active = 0;
    switch (b->kind) {
    case BOOT_FLOPPY:
        boot_disk(b->index);
        break;
    case BOOT_DISK:
        boot_disk((u8)(0x80 + b->index));
        break;
    case BOOT_CD:
        boot_cd(b->index);
        break;
    case BOOT_ROM:
        start(FARPTR(b->segment, b->offset), 0);
        break;
    default:
        break;
    }
}

void boot_loop(u32 first)
{
    for (;;) {
        for (u32 i = first; i < shared.nboot; i++) {
            shared.boot_next = (u8)(i + 1);
            boot_one(&shared.boot[i]);
        }
        print("No bootable device. Press a key to try again.\n");
        get_key();
        first = 0;
    }
}

/* An option ROM may have taken INT 19h over to boot something itself. */
void boot_start(void)
{
    if (((volatile u32 *)0)[0x19] != FARPTR(SEG_BIOS, F_INT19))
        call16_int(0x19);
    boot_loop(0);
}
