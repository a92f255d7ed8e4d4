/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keyboard during POST, and the boot menu (F12, or Esc). */
#include "post.h"

#define KEY_F2  0x3c00
#define KEY_F12 0x8600
#define KEY_ESC 0x011b

/* INT 16h/AH=11h and 10h. Interrupts come in while call16 is in real mode. */
bool key_within(u32 ms, u16 *key)
{
    for (u32 start = timer_now();;) {
        memset(&call16_block.r, 0, sizeof(call16_block.r));
        call16_block.r.eax = 0x1100;
        call16_int(0x16);
        if (!(call16_block.r.flags & FLAG_ZF)) {
            call16_block.r.eax = 0x1000;
            call16_int(0x16);
            *key = call16_block.r.ax;
            return true;
        }
        if (ms < 4000 && timer_past(start, ms))
            return false;
    }
}

u32 get_key(void)
{
    memset(&call16_block.r, 0, sizeof(call16_block.r));
    call16_block.r.eax = 0x1000;
    call16_int(0x16);
    return call16_block.r.ax;
}

static void choose(void)
{
    print("\nBoot from:\n");
    for (u32 i = 0; i < shared.nboot; i++)
        print(" %c  %s\n", (int)(i < 9 ? '1' + i : 'a' + i - 9), shared.boot[i].name);
    print(" F2 Setup   Esc As usual\n");
    for (;;) {
        u32 key = get_key(), c = key & 0xff, i = c >= 'a' ? c - 'a' + 9 : c - '1';

        if (key == KEY_ESC)
            return;
        if (key == KEY_F2) {
            setup_screen();
            return;
        }
        if (c >= '1' && i < shared.nboot) {
            struct boot_entry t = shared.boot[i];

            for (; i; i--)
                shared.boot[i] = shared.boot[i - 1];
            shared.boot[0] = t;
            return;
        }
    }
}

/* With menu=on there is time for the key; "etc/boot-menu-wait" says how many milliseconds.
 * Otherwise a key pressed by now counts. */
void boot_menu(void)
{
    u16 on = 0, key, ms;
    u32 size, file;

    if (fwcfg_present())
        fwcfg_read_key(0x0e, &on, 2);
    file = fwcfg_find("etc/boot-menu-wait", &size);
    ms = on ? 2500 : 0;
    if (file && on)
        fwcfg_read_key((u16)file, &ms, 2);
    if (on)
        print("F12: boot menu   F2: setup\n");
    if (!key_within(MIN(ms, 3900), &key))
        return;
    if (key == KEY_F12 || key == KEY_ESC)
        choose();
    else if (key == KEY_F2)
        setup_screen();
}

/* ---- setup ---- */

static u8 from_bcd(u8 v)
{
    return (u8)((v >> 4) * 10 + (v & 15));
}

static void show_setup(void)
{
    static const char *const names[] = {"-", "Floppy", "Disk", "CD", "Network"};
    u8 low = cmos_read(0x3d), high = cmos_read(0x38) >> 4, cpu[3] = {low & 15, low >> 4, high};

    memset(&call16_block.r, 0, sizeof(call16_block.r));
    call16_block.r.eax = 3;
    call16_int(0x10);
    print("Calque BIOS setup\n\n");
    print("Processors  %u\nMemory      %u MiB\n", cpu_count(),
          (shared.ram_below_4g >> 20) + (u32)(shared.ram_above_4g >> 20));
    print("Time        20%02u-%02u-%02u %02u:%02u:%02u\n\n", (u32)from_bcd(cmos_read(9)),
          (u32)from_bcd(cmos_read(8)), (u32)from_bcd(cmos_read(7)), (u32)from_bcd(cmos_read(4)),
          (u32)from_bcd(cmos_read(2)), (u32)from_bcd(cmos_read(0)));
    for (u32 i = 0; i < 3; i++)
        print(" %u  Boot %s: %s\n", i + 1,
              i == 0   ? "first "
              : i == 1 ? "second"
                       : "third ",
              names[cpu[i] < 5 ? cpu[i] : 0]);
    print(" s  A floppy needs a boot signature: %s\n", cmos_read(0x38) & 1 ? "no" : "yes");
    print(" h, m  Next hour, next minute\n\nF10 Restart with this   Esc Go on\n");
}

static void advance(u8 reg, u8 limit)
{
    u8 v = (u8)(from_bcd(cmos_read(reg)) + 1);

    v = v >= limit ? 0 : v;
    cmos_write(0x0b, cmos_read(0x0b) | 0x80);
    cmos_write(reg, (u8)(v / 10 << 4 | v % 10));
    cmos_write(0x0b, cmos_read(0x0b) & 0x7f);
}

/* The next of the devices, in nibble n of 3Dh (two) and 38h's high half. */
static void change_order(u32 n)
{
    u8 reg = n == 2 ? 0x38 : 0x3d, shift = n == 0 ? 0 : 4, v = cmos_read(reg);

    cmos_write(reg, (u8)((v & ~(15 << shift)) | (((v >> shift & 15) + 1) % 5) << shift));
}

void setup_screen(void)
{
    for (;;) {
        u32 key, c;

        show_setup();
        key = get_key();
        c = key & 0xff;
        if (key == KEY_ESC)
            return;
        if (key == 0x4400) {
            outb(0xcf9, 2);
            outb(0xcf9, 6);
        }
        if (c >= '1' && c <= '3')
            change_order(c - '1');
        else if (c == 's')
            cmos_write(0x38, cmos_read(0x38) ^ 1);
        else if (c == 'h')
            advance(4, 24);
        else if (c == 'm')
            advance(2, 60);
    }
}
