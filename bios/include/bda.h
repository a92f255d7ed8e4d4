/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The BIOS data area at 0040:0000. In 16-bit code FS holds 0040h and `bda->` goes through it; in
 * 32-bit code all segments are flat. */
#ifndef BIOS_BDA_H
#define BIOS_BDA_H

#include "types.h"

struct bda {
    u16 com[4];           /* 00 */
    u16 lpt[3];           /* 08 */
    u16 ebda_seg;         /* 0E */
    u16 equipment;        /* 10 */
    u8 post_test;         /* 12 */
    u16 memory_kib;       /* 13 */
    u16 reserved15;       /* 15 */
    u16 kbd_flags;        /* 17 */
    u8 alt_keypad;        /* 19 */
    u16 kbd_head;         /* 1A */
    u16 kbd_tail;         /* 1C */
    u16 kbd_buffer[16];   /* 1E */
    u8 floppy_recal;      /* 3E */
    u8 floppy_motor;      /* 3F */
    u8 floppy_timeout;    /* 40 */
    u8 floppy_status;     /* 41 */
    u8 floppy_result[7];  /* 42 */
    u8 video_mode;        /* 49 */
    u16 video_cols;       /* 4A */
    u16 video_page_size;  /* 4C */
    u16 video_page_start; /* 4E */
    u16 cursor[8];        /* 50 */
    u8 cursor_end;        /* 60 */
    u8 cursor_start;      /* 61 */
    u8 video_page;        /* 62 */
    u16 crtc;             /* 63 */
    u8 video_msr;         /* 65 */
    u8 video_pal;         /* 66 */
    u32 resume;           /* 67: for shutdown codes 5 and 0Ah */
    u8 last_irq;          /* 6B */
    u32 ticks;            /* 6C */
    u8 midnight;          /* 70 */
    u8 brk;               /* 71 */
    u16 reset_flag;       /* 72 */
    u8 disk_status;       /* 74 */
    u8 disk_count;        /* 75 */
    u8 disk_control;      /* 76 */
    u8 disk_port;         /* 77 */
    u8 lpt_timeout[4];    /* 78 */
    u8 com_timeout[4];    /* 7C */
    u16 kbd_start;        /* 80 */
    u16 kbd_end;          /* 82 */
    u8 video_rows;        /* 84: less one */
    u16 char_height;      /* 85 */
    u8 video_ctl;         /* 87 */
    u8 video_switches;    /* 88 */
    u8 modeset_ctl;       /* 89 */
    u8 dcc_index;         /* 8A */
    u8 floppy_rate;       /* 8B */
    u8 disk_ctl_status;   /* 8C */
    u8 disk_ctl_error;    /* 8D */
    u8 disk_int_flag;     /* 8E */
    u8 floppy_info;       /* 8F */
    u8 floppy_media[4];   /* 90 */
    u8 floppy_track[2];   /* 94 */
    u8 kbd_mode;          /* 96 */
    u8 kbd_leds;          /* 97 */
    u32 wait_flag_ptr;    /* 98 */
    u32 wait_count;       /* 9C */
    u8 wait_active;       /* A0 */
    u8 reserved_a1[7];    /* A1 */
    u32 video_save;       /* A8 */
    u8 reserved_ac[0x44]; /* AC */
    u8 user[16];          /* F0 */
} PACKED;

_Static_assert(offsetof(struct bda, video_mode) == 0x49, "BDA");
_Static_assert(offsetof(struct bda, resume) == 0x67, "BDA");
_Static_assert(offsetof(struct bda, video_rows) == 0x84, "BDA");
_Static_assert(offsetof(struct bda, video_save) == 0xa8, "BDA");
_Static_assert(offsetof(struct bda, user) == 0xf0, "BDA");

#ifdef CODE32
#define bda ((volatile struct bda *)0x400)
#else
#define bda ((volatile struct bda __seg_fs *)0)
#endif
#endif
