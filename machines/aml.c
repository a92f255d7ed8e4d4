/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AML writer: see aml.h. Section numbers are ACPI 6.5's. */
#include "machines/aml.h"

#include <assert.h>
#include <string.h>

/* 20.2.2..20.2.5: the opcodes used. */
#define OP_ZERO      0x00
#define OP_ONE       0x01
#define OP_NAME      0x08
#define OP_BYTE      0x0a
#define OP_WORD      0x0b
#define OP_DWORD     0x0c
#define OP_STRING    0x0d
#define OP_QWORD     0x0e
#define OP_SCOPE     0x10
#define OP_BUFFER    0x11
#define OP_PACKAGE   0x12
#define OP_METHOD    0x14
#define OP_DUAL_NAME 0x2e
#define OP_MULTI     0x2f
#define OP_EXT       0x5b
#define OP_IF        0xa0
#define OP_ELSE      0xa1
#define OP_RETURN    0xa4

#define EXT_OP_REGION 0x80
#define EXT_FIELD     0x81
#define EXT_DEVICE    0x82
#define EXT_PROCESSOR 0x83

#define REGION_PCI_CONFIG 0x02

void aml_init(struct aml *a, uint8_t *data, size_t size)
{
    *a = (struct aml){.data = data, .size = size};
}

void aml_bytes(struct aml *a, const void *data, size_t n)
{
    if (n > a->size - a->used) {
        a->overflow = true;
        return;
    }
    memcpy(a->data + a->used, data, n);
    a->used += n;
}

void aml_byte(struct aml *a, uint8_t value)
{
    aml_bytes(a, &value, 1);
}

static void le(struct aml *a, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        aml_byte(a, (uint8_t)(value >> 8 * i));
}

/* ---- names and constants ---- */

/* One NameSeg: padded to four characters with underscores. Returns what follows it. */
static const char *name_seg(struct aml *a, const char *name)
{
    for (unsigned i = 0; i < 4; i++)
        aml_byte(a, *name && *name != '.' ? (uint8_t)*name++ : '_');
    assert(!*name || *name == '.');
    return name;
}

void aml_path(struct aml *a, const char *path)
{
    unsigned segments = 1;

    while (*path == '\\' || *path == '^')
        aml_byte(a, (uint8_t)*path++);
    if (!*path) {
        aml_byte(a, 0); /* NullName */
        return;
    }
    for (const char *p = path; *p; p++)
        segments += *p == '.';
    if (segments == 2)
        aml_byte(a, OP_DUAL_NAME);
    if (segments > 2) {
        aml_byte(a, OP_MULTI);
        aml_byte(a, (uint8_t)segments);
    }
    for (const char *p = path; *p; p += *p == '.')
        p = name_seg(a, p);
}

void aml_integer(struct aml *a, uint64_t value)
{
    static const struct {
        uint64_t max;
        uint8_t op, size;
    } forms[] = {{0xff, OP_BYTE, 1},
                 {0xffff, OP_WORD, 2},
                 {0xffffffff, OP_DWORD, 4},
                 {UINT64_MAX, OP_QWORD, 8}};
    unsigned i = 0;

    if (value <= 1) {
        aml_byte(a, value ? OP_ONE : OP_ZERO);
        return;
    }
    while (value > forms[i].max)
        i++;
    aml_byte(a, forms[i].op);
    le(a, value, forms[i].size);
}

void aml_string(struct aml *a, const char *text)
{
    aml_byte(a, OP_STRING);
    aml_bytes(a, text, strlen(text) + 1);
}

static unsigned hex_digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* 19.3.4: three letters in five bits each, four hex digits; big endian. */
void aml_eisaid(struct aml *a, const char *id)
{
    uint32_t value = (uint32_t)(id[0] - '@') << 26 | (uint32_t)(id[1] - '@') << 21 |
                     (uint32_t)(id[2] - '@') << 16 | hex_digit(id[3]) << 12 |
                     hex_digit(id[4]) << 8 | hex_digit(id[5]) << 4 | hex_digit(id[6]);

    aml_byte(a, OP_DWORD);
    le(a, __builtin_bswap32(value), 4);
}

/* ---- objects with a length ---- */

static void open_object(struct aml *a)
{
    assert(a->depth < AML_MAX_NESTING);
    a->open[a->depth++] = a->used;
}

/* PkgLength (20.2.4) counts itself. One byte holds up to 63; otherwise the first byte has the
 * number of further bytes and four bits, each further one eight more. */
static unsigned pkg_length(size_t body, uint8_t out[4])
{
    unsigned more = 0;
    size_t length = body + 1;

    if (length > 0x3f)
        for (more = 1; body + 1 + more >= (size_t)1 << (4 + 8 * more);)
            more++;
    length = body + 1 + more;
    out[0] = (uint8_t)(more ? more << 6 | (length & 15) : length);
    for (unsigned i = 0; i < more; i++)
        out[1 + i] = (uint8_t)(length >> (4 + 8 * i));
    return 1 + more;
}

void aml_close(struct aml *a)
{
    uint8_t length[4];
    size_t at, body;
    unsigned n;

    assert(a->depth > 0);
    at = a->open[--a->depth];
    body = a->used - at;
    n = pkg_length(body, length);
    aml_bytes(a, length, n); /* makes room; overwritten below */
    if (a->overflow)
        return;
    memmove(a->data + at + n, a->data + at, body);
    memcpy(a->data + at, length, n);
}

void aml_scope(struct aml *a, const char *path)
{
    aml_byte(a, OP_SCOPE);
    open_object(a);
    aml_path(a, path);
}

static void ext(struct aml *a, uint8_t op)
{
    aml_byte(a, OP_EXT);
    aml_byte(a, op);
}

void aml_device(struct aml *a, const char *name)
{
    ext(a, EXT_DEVICE);
    open_object(a);
    aml_path(a, name);
}

void aml_processor(struct aml *a, const char *name, uint8_t id)
{
    ext(a, EXT_PROCESSOR);
    open_object(a);
    aml_path(a, name);
    aml_byte(a, id);
    le(a, 0, 4); /* no P_BLK */
    aml_byte(a, 0);
}

void aml_method(struct aml *a, const char *name, unsigned nargs, bool serialized)
{
    aml_byte(a, OP_METHOD);
    open_object(a);
    aml_path(a, name);
    aml_byte(a, (uint8_t)(nargs | (serialized ? 8 : 0)));
}

void aml_package(struct aml *a, uint8_t elements)
{
    aml_byte(a, OP_PACKAGE);
    open_object(a);
    aml_byte(a, elements);
}

void aml_if(struct aml *a)
{
    aml_byte(a, OP_IF);
    open_object(a);
}

void aml_else(struct aml *a)
{
    aml_byte(a, OP_ELSE);
    open_object(a);
}

void aml_field(struct aml *a, const char *region, unsigned access_flags)
{
    ext(a, EXT_FIELD);
    open_object(a);
    aml_path(a, region);
    aml_byte(a, (uint8_t)access_flags);
}

void aml_field_unit(struct aml *a, const char *name, unsigned bits)
{
    assert(bits < 64); /* one byte of PkgLength; here it does not count itself */
    name_seg(a, name);
    aml_byte(a, (uint8_t)bits);
}

/* ---- statements ---- */

void aml_name(struct aml *a, const char *name)
{
    aml_byte(a, OP_NAME);
    aml_path(a, name);
}

void aml_name_integer(struct aml *a, const char *name, uint64_t value)
{
    aml_name(a, name);
    aml_integer(a, value);
}

void aml_name_eisaid(struct aml *a, const char *name, const char *id)
{
    aml_name(a, name);
    aml_eisaid(a, id);
}

void aml_pci_config_region(struct aml *a, const char *name, uint64_t offset, uint64_t length)
{
    ext(a, EXT_OP_REGION);
    aml_path(a, name);
    aml_byte(a, REGION_PCI_CONFIG);
    aml_integer(a, offset);
    aml_integer(a, length);
}

void aml_return(struct aml *a)
{
    aml_byte(a, OP_RETURN);
}

/* ---- resource templates ---- */

/* BufferSize comes before the bytes and is not known yet: a word constant, filled in later. */
void aml_resources(struct aml *a)
{
    aml_byte(a, OP_BUFFER);
    open_object(a);
    aml_byte(a, OP_WORD);
    a->buffer_at = a->used;
    le(a, 0, 2);
}

void aml_resources_close(struct aml *a)
{
    size_t length;

    le(a, 0x0079, 2); /* end tag; checksum 0 is not checked (6.4.2.9) */
    length = a->used - a->buffer_at - 2;
    if (!a->overflow) {
        a->data[a->buffer_at] = (uint8_t)length;
        a->data[a->buffer_at + 1] = (uint8_t)(length >> 8);
    }
    aml_close(a);
}

void aml_res_io(struct aml *a, uint16_t base, uint8_t length)
{
    aml_byte(a, 0x47); /* 6.4.2.5, I/O port descriptor */
    aml_byte(a, 1);    /* decodes 16 bits */
    le(a, base, 2);
    le(a, base, 2);
    aml_byte(a, 1);
    aml_byte(a, length);
}

void aml_res_dma(struct aml *a, uint8_t channel)
{
    aml_byte(a, 0x2a); /* 6.4.2.2 */
    aml_byte(a, (uint8_t)(1u << channel));
    aml_byte(a, 0); /* compatibility timing, not a bus master, 8 bits */
}

void aml_res_memory32_fixed(struct aml *a, uint32_t base, uint32_t length)
{
    aml_byte(a, 0x86); /* 6.4.3.4 */
    le(a, 9, 2);
    aml_byte(a, 1);
    le(a, base, 4);
    le(a, length, 4);
}

void aml_res_irq(struct aml *a, uint8_t irq)
{
    aml_byte(a, 0x22); /* 6.4.2.1, without flags */
    le(a, 1u << irq, 2);
}

void aml_res_irqs_extended(struct aml *a, const uint32_t *gsi, uint8_t n)
{
    aml_byte(a, 0x89); /* 6.4.3.6 */
    le(a, 2 + 4u * n, 2);
    aml_byte(a, 0x09); /* consumer, level, active high, shared */
    aml_byte(a, n);
    for (unsigned i = 0; i < n; i++)
        le(a, gsi[i], 4);
}

/* 6.4.3.5: word and dword address space descriptors, producer, both bounds fixed. */
static void address_space(struct aml *a, uint8_t tag, unsigned size, uint8_t type,
                          uint8_t type_flags, uint64_t first, uint64_t last)
{
    aml_byte(a, tag);
    le(a, 3 + 5 * size, 2);
    aml_byte(a, type);
    aml_byte(a, 0x0c); /* minimum and maximum fixed, positive decode, producer */
    aml_byte(a, type_flags);
    le(a, 0, size); /* granularity */
    le(a, first, size);
    le(a, last, size);
    le(a, 0, size); /* translation */
    le(a, last - first + 1, size);
}

void aml_res_word_bus(struct aml *a, uint16_t first, uint16_t last)
{
    address_space(a, 0x88, 2, 2, 0, first, last);
}

void aml_res_word_io(struct aml *a, uint16_t first, uint16_t last)
{
    address_space(a, 0x88, 2, 1, 3, first, last); /* ISA and non-ISA ranges */
}

void aml_res_dword_memory(struct aml *a, bool cacheable, uint32_t first, uint32_t last)
{
    address_space(a, 0x87, 4, 0, cacheable ? 3 : 1, first, last); /* read-write */
}
