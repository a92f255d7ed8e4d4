/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interrupt services: 16-bit code in the F segment with DS = ES = SS = F000h, FS = 0040h
 * (`bda->`) and GS for whatever else. Each service gets its caller's registers and returns an
 * action. */
#ifndef RM_H
#define RM_H

#include "bda.h"
#include "shared.h"

/* What remains to be done on the caller's stack (entry.S). */
enum action {
    ACTION_NONE,
    ACTION_WAIT, /* for an interrupt, then the service again */
    ACTION_TICK, /* INT 1Ch, end of interrupt */
    ACTION_BREAK,
    ACTION_PRINT,
    ACTION_SYSREQ,
    ACTION_SYSREQ_UP,
    ACTION_PAUSE,
    ACTION_ALARM, /* INT 4Ah */
    ACTION_IDLE,  /* HLT */
    ACTION_MOUSE,
    ACTION_START,   /* boot_target, as booting does: nothing of the caller's remains */
    ACTION_PROTECT, /* INT 15h/AH=89h */
};

/* What entry.S puts on the stack. */
struct frame {
    struct regs r;
    u32 user_esp;
    u16 user_ss;
} PACKED;

void yield(void);
void reboot(void) __attribute__((noreturn));
void pmm_entry(void);
void bios32_entry(void);

/* ---- far memory ---- */

static inline u8 peek8(u16 seg, u32 off)
{
    u8 v;
    asm volatile("movw %1, %%gs; movb %%gs:(%2), %0" : "=q"(v) : "r"(seg), "r"(off) : "memory");
    return v;
}
static inline u16 peek16(u16 seg, u32 off)
{
    u16 v;
    asm volatile("movw %1, %%gs; movw %%gs:(%2), %0" : "=r"(v) : "r"(seg), "r"(off) : "memory");
    return v;
}
static inline u32 peek32(u16 seg, u32 off)
{
    u32 v;
    asm volatile("movw %1, %%gs; movl %%gs:(%2), %0" : "=r"(v) : "r"(seg), "r"(off) : "memory");
    return v;
}
static inline void poke8(u16 seg, u32 off, u8 v)
{
    asm volatile("movw %0, %%gs; movb %2, %%gs:(%1)" ::"r"(seg), "r"(off), "q"(v) : "memory");
}
static inline void poke16(u16 seg, u32 off, u16 v)
{
    asm volatile("movw %0, %%gs; movw %2, %%gs:(%1)" ::"r"(seg), "r"(off), "r"(v) : "memory");
}
static inline void poke32(u16 seg, u32 off, u32 v)
{
    asm volatile("movw %0, %%gs; movl %2, %%gs:(%1)" ::"r"(seg), "r"(off), "r"(v) : "memory");
}
static inline void copy_to_far(u16 seg, u16 off, const void *from, u32 n)
{
    for (u32 i = 0; i < n; i++)
        poke8(seg, (u16)(off + i), ((const u8 *)from)[i]);
}
static inline void copy_from_far(void *to, u16 seg, u16 off, u32 n)
{
    for (u32 i = 0; i < n; i++)
        ((u8 *)to)[i] = peek8(seg, (u16)(off + i));
}
static inline u32 linear(u16 seg, u32 off)
{
    return ((u32)seg << 4) + off;
}

/* ---- results ---- */

static inline void set_cf(struct regs *r, bool on)
{
    r->flags = on ? r->flags | FLAG_CF : r->flags & ~FLAG_CF;
}
static inline void set_zf(struct regs *r, bool on)
{
    r->flags = on ? r->flags | FLAG_ZF : r->flags & ~FLAG_ZF;
}

/* ---- small helpers ---- */

static inline u8 cmos_read(u8 index)
{
    outb(0x70, index | 0x80);
    return inb(0x71);
}
static inline void cmos_write(u8 index, u8 v)
{
    outb(0x70, index | 0x80);
    outb(0x71, v);
}
void delay_us(u32 us); /* time.c */
/* A deadline: true when `ticks` of the 3.58 MHz timer have gone by since *start. */
u32 timer_now(void);
bool timer_past(u32 start, u32 ms);
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int v, size_t n);
u32 div64(u64 n, u32 by, u32 *rest); /* the quotient must fit */

/* ---- disks ---- */

/* INT 13h status codes. */
enum {
    DISK_OK = 0x00,
    DISK_BAD_COMMAND = 0x01,
    DISK_NO_ADDRESS_MARK = 0x02,
    DISK_WRITE_PROTECTED = 0x03,
    DISK_NO_SECTOR = 0x04,
    DISK_CHANGED = 0x06,
    DISK_DMA_OVERRUN = 0x08,
    DISK_DMA_64K = 0x09,
    DISK_BAD_MEDIA_TYPE = 0x0c,
    DISK_CRC = 0x10,
    DISK_CONTROLLER = 0x20,
    DISK_SEEK = 0x40,
    DISK_NO_MEDIA = 0x31,
    DISK_TIMEOUT = 0x80,
    DISK_NOT_READY = 0xaa,
    DISK_NOT_LOCKED = 0xb0,
    DISK_LOCKED = 0xb1,
    DISK_NOT_REMOVABLE = 0xb2,
    DISK_TOO_MANY_LOCKS = 0xb4,
};

/* A transfer of whole sectors, buffer normalized by the callee. Returns a status; *count becomes
 * what was done. */
struct transfer {
    struct drive *drive;
    u8 command; /* DISK_READ, DISK_WRITE, DISK_VERIFY */
    u64 lba;
    u16 count;
    u16 seg, off;
};
u8 disk_transfer(struct transfer *t); /* disk.c: any kind but floppies */
u8 ata_transfer(struct transfer *t);
u8 ata_reset(struct drive *d);
u8 atapi_transfer(struct transfer *t);
u8 atapi_packet(struct drive *d, const u8 *packet, u16 seg, u16 off, u32 bytes);
u32 floppy13(struct regs *r);
u32 cdrom13(struct regs *r, struct drive *d);
u32 eltorito13(struct regs *r);
u32 eltorito_start(struct regs *r);
extern u32 boot_target; /* entry.S: of ACTION_START, segment and offset */
u32 cd_lock(struct regs *r, struct drive *d);
u32 cd_eject(struct regs *r, struct drive *d);
bool emulated(u8 dl);
u32 disk_done(struct regs *r, u8 status);

void sercon_poll(void);     /* int10.c: characters of COM1 become keys */
void kbd_insert(u16 key);   /* int16.c */
u8 kbd_command(u8 command); /* mouse.c */
void kbc_output(u8 v);      /* the 8042's output port */
#endif
