/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SMBIOS structures (DSP0134 3.0.0; section numbers are its own): types 0, 1, 3, 4, 16, 17, 19, 32
 * and 127, and 2 and 11 when they were asked for. Each is a formatted area and its strings, which
 * the area refers to by number.
 *
 * Handles are type << 8 | number, so that references need no look-up. */
#include "machines/smbios.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "base/size.h"
#include "base/suggest.h"
#include "config.h"
#include "machines/boot.h"

#define NO_HANDLE     0xfffe /* "not provided" */
#define DIMM_MAX      (16ull << 30)
#define SPEED_MAX     0xffff
#define LARGE_MIB     0x7fff     /* 7.18.4: from here the extended size counts */
#define LARGE_KIB     0x80000000 /* 7.17.3: likewise, capacity and addresses */
#define MIB_SHIFT     20
#define KIB_SHIFT     10
#define CPU_SPEED_MHZ 2000 /* of a processor that has no clock; what QEMU says, too */

/* ---- what may be set ---- */

/* NUMBERED: a text, after which the structure's number stands. */
enum field_kind { TEXT, NUMBERED, RELEASE, ON_OFF, UUID, SPEED, ID64 };

/* What a system and its board (types 1 and 2) have at the same places. */
#define PRODUCT(type)                                                                              \
    {type, "manufacturer", "Calque", TEXT, 0x04},                                                  \
        {type, "product", "Standard PC (i440FX + PIIX)", TEXT, 0x05},                              \
        {type, "version", "pc", TEXT, 0x06},                                                       \
    {                                                                                              \
        type, "serial", NULL, TEXT, 0x07                                                           \
    }

/* Rows of a type are in the order of the structure's strings. */
static const struct field {
    uint8_t type;
    const char *key;
    const char *standard; /* NULL: not specified */
    enum field_kind kind;
    uint8_t at; /* where the structure has its string's number; 0: it is no string */
} fields[] = {
    {0, "vendor", "Calque", TEXT, 0x04},
    {0, "version", CALQUE_VERSION, TEXT, 0x05},
    {0, "date", "01/01/2026", TEXT, 0x08},
    {0, "release", "0.0", RELEASE, 0},
    {0, "uefi", "off", ON_OFF, 0},
    PRODUCT(1),
    {1, "uuid", NULL, UUID, 0},
    {1, "sku", NULL, TEXT, 0x19},
    {1, "family", NULL, TEXT, 0x1a},
    PRODUCT(2),
    {2, "asset", NULL, TEXT, 0x08},
    {2, "location", NULL, TEXT, 0x0a},
    {3, "manufacturer", "Calque", TEXT, 0x04},
    {3, "version", "pc", TEXT, 0x06},
    {3, "serial", NULL, TEXT, 0x07},
    {3, "asset", NULL, TEXT, 0x08},
    {3, "sku", NULL, TEXT, 0x15},
    {4, "sock_pfx", "CPU", NUMBERED, 0x04},
    {4, "manufacturer", "Calque", TEXT, 0x07},
    {4, "version", "pc", TEXT, 0x10},
    {4, "serial", NULL, TEXT, 0x20},
    {4, "asset", NULL, TEXT, 0x21},
    {4, "part", NULL, TEXT, 0x22},
    {4, "max-speed", NULL, SPEED, 0},
    {4, "current-speed", NULL, SPEED, 0},
    {4, "processor-id", NULL, ID64, 0},
    {17, "loc_pfx", "DIMM", NUMBERED, 0x10},
    {17, "bank", NULL, TEXT, 0x11},
    {17, "manufacturer", "Calque", TEXT, 0x17},
    {17, "serial", NULL, TEXT, 0x18},
    {17, "asset", NULL, TEXT, 0x19},
    {17, "part", NULL, TEXT, 0x1a},
    {17, "speed", NULL, SPEED, 0},
};
#define NUM_FIELDS (sizeof(fields) / sizeof(fields[0]))
_Static_assert(NUM_FIELDS <= SMBIOS_MAX_FIELDS, "values[] has room for every field");

/* The text of a field, NULL if there is none. */
static const char *value_of(const struct smbios_settings *s, uint8_t type, const char *key)
{
    for (size_t i = 0; i < NUM_FIELDS; i++)
        if (fields[i].type == type && !strcmp(fields[i].key, key))
            return s && s->values[i] ? s->values[i] : fields[i].standard;
    return NULL;
}

static uint64_t number_of(const struct smbios_settings *s, uint8_t type, const char *key,
                          uint64_t standard)
{
    const char *text = value_of(s, type, key);
    uint64_t n = standard;

    if (text)
        number_parse(text, 0, UINT64_MAX, &n, NULL);
    return n;
}

/* 7.2.1: the first three parts are little endian. */
static bool parse_uuid(const char *text, uint8_t out[16])
{
    static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

    for (unsigned n = 0; n < 16; n++) {
        unsigned byte;

        if (*text == '-' && (n == 4 || n == 6 || n == 8 || n == 10))
            text++;
        if (strspn(text, "0123456789abcdefABCDEF") < 2 || sscanf(text, "%2x", &byte) != 1)
            return false;
        out[order[n]] = (uint8_t)byte;
        text += 2;
    }
    return !*text;
}

static bool parse_release(const char *text, unsigned release[2])
{
    int length = 0;

    return sscanf(text, "%3u.%3u%n", &release[0], &release[1], &length) == 2 && !text[length] &&
           release[0] < 256 && release[1] < 256;
}

static bool check_field(const struct field *f, const char *value, struct error *err)
{
    uint8_t uuid[16];
    unsigned release[2];
    uint64_t n;

    switch (f->kind) {
    case RELEASE:
        return parse_release(value, release) ||
               error_set(err, "release=%s: MAJOR.MINOR is expected, each up to 255", value);
    case ON_OFF:
        return !strcmp(value, "on") || !strcmp(value, "off") ||
               error_set(err, "%s=%s: on or off is expected", f->key, value);
    case UUID:
        return parse_uuid(value, uuid) ||
               error_set(err, "uuid=%s: 32 hexadecimal digits (8-4-4-4-12) are expected", value);
    case SPEED:
    case ID64:
        return number_parse(value, 0, f->kind == SPEED ? SPEED_MAX : UINT64_MAX, &n, err) ||
               error_prefix(err, "%s", f->key);
    default:
        return true;
    }
}

static bool set_value(char **slot, const char *value, struct error *err)
{
    free(*slot);
    *slot = strdup(value);
    return *slot || error_set(err, "out of memory");
}

static bool set_oem(struct smbios_settings *s, const struct option_pair *p, struct error *err)
{
    if (strcmp(p->key, "value") != 0)
        return error_set(err, "%s: there is no such setting; did you mean value?", p->key);
    if (s->noem == SMBIOS_MAX_OEM)
        return error_set(err, "value: more than %d", SMBIOS_MAX_OEM);
    return set_value(&s->oem[s->noem++], p->value, err);
}

static bool set_field(struct smbios_settings *s, uint8_t type, const struct option_pair *p,
                      struct error *err)
{
    struct suggestion near;

    if (type == 11)
        return set_oem(s, p, err);
    suggest_begin(&near, p->key);
    for (size_t i = 0; i < NUM_FIELDS; i++) {
        if (fields[i].type != type)
            continue;
        if (!strcmp(fields[i].key, p->key))
            return check_field(&fields[i], p->value, err) &&
                   set_value(&s->values[i], p->value, err);
        suggest_offer(&near, fields[i].key);
    }
    return error_set(err, "%s: there is no such setting; did you mean %s?", p->key, near.best);
}

static bool parse_type(struct smbios_settings *s, const struct option_list *l, struct error *err)
{
    static const uint32_t known =
        1u << 0 | 1u << 1 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 11 | 1u << 17;
    uint64_t type;

    if (option_get(l, "file"))
        return error_set(err, "file=: binary tables are not in this version yet; try type=N");
    if (!option_get(l, "type"))
        return error_set(err, "type=N is expected");
    if (!number_parse(option_get(l, "type"), 0, 127, &type, err))
        return error_prefix(err, "type");
    if (type > 31 || !(known >> type & 1))
        return error_set(err, "type=%u: the types are 0 1 2 3 4 11 17", (unsigned)type);
    s->types |= 1u << type;
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->pairs[i].key, "type") != 0 && !set_field(s, (uint8_t)type, &l->pairs[i], err))
            return false;
    return true;
}

bool smbios_parse(struct smbios_settings *s, const char *text, struct error *err)
{
    struct option_list l;
    bool ok;

    if (!option_list_parse(&l, text, NULL, err))
        return error_prefix(err, "-smbios");
    ok = parse_type(s, &l, err);
    option_list_free(&l);
    return ok || error_prefix(err, "-smbios %.100s", text);
}

void smbios_settings_free(struct smbios_settings *s)
{
    for (size_t i = 0; i < NUM_FIELDS; i++)
        free(s->values[i]);
    for (unsigned i = 0; i < s->noem; i++)
        free(s->oem[i]);
    memset(s, 0, sizeof(*s));
}

/* ---- structures ---- */

struct builder {
    const struct smbios_config *config;
    struct smbios_tables *out;
    uint32_t start; /* of the structure being built */
    uint8_t nstrings;
    bool overflow;
};

static void put(struct builder *b, const void *data, size_t n)
{
    if (b->overflow || n > SMBIOS_TABLES_MAX - b->out->used) {
        b->overflow = true;
        return;
    }
    memcpy(b->out->data + b->out->used, data, n);
    b->out->used += (uint32_t)n;
}

/* 6.1.2: the header and the rest of the formatted area, to which strings are then added. */
static void begin(struct builder *b, uint8_t type, uint8_t number, uint8_t *area, uint8_t length)
{
    area[0] = type;
    area[1] = length;
    area[2] = number;
    area[3] = type;
    b->start = b->out->used;
    b->nstrings = 0;
    put(b, area, length);
}

/* Adds a string and its number at `at` of the formatted area; none, or an empty one, is number 0.
 */
static void add_string(struct builder *b, uint8_t at, const char *text)
{
    if (!text || !*text)
        return;
    put(b, text, strlen(text) + 1);
    if (!b->overflow)
        b->out->data[b->start + at] = ++b->nstrings;
}

/* 6.1.3: strings end with an empty one; a structure without any, with two zeros. */
static void end(struct builder *b)
{
    uint32_t size;

    put(b, "\0", b->nstrings ? 1 : 2);
    size = b->out->used - b->start;
    if (size > b->out->largest)
        b->out->largest = (uint16_t)size;
    b->out->count++;
}

/* A whole structure: its area, and as strings the fields that its type has. */
static void add_structure(struct builder *b, uint8_t type, uint8_t number, uint8_t *area,
                          uint8_t length)
{
    begin(b, type, number, area, length);
    for (const struct field *f = fields; f < fields + NUM_FIELDS; f++) {
        char numbered[80];
        const char *text;

        if (f->type != type || !f->at)
            continue;
        text = value_of(b->config->settings, type, f->key);
        if (f->kind == NUMBERED) {
            snprintf(numbered, sizeof(numbered), "%.64s %u", text, number);
            text = numbered;
        }
        add_string(b, f->at, text);
    }
    end(b);
}

static void add_bios(struct builder *b) /* 7.1 */
{
    const struct smbios_settings *s = b->config->settings;
    uint8_t a[0x18] = {0};
    unsigned release[2] = {0};

    if (b->config->firmware && !(s && s->types & 1))
        return;
    put_le16(a + 0x06, 0xe800); /* starting segment */
    a[0x0a] = 0x08;             /* characteristics are not supported */
    a[0x12] = 0x01;             /* ACPI */
    a[0x13] = 0x14;             /* targeted content distribution; a virtual machine */
    if (!strcmp(value_of(s, 0, "uefi"), "on"))
        a[0x13] |= 0x08;
    parse_release(value_of(s, 0, "release"), release);
    a[0x14] = (uint8_t)release[0];
    a[0x15] = (uint8_t)release[1];
    a[0x16] = a[0x17] = 0xff; /* there is no embedded controller */
    add_structure(b, 0, 0, a, sizeof(a));
}

static void add_system(struct builder *b) /* 7.2 */
{
    const char *uuid = value_of(b->config->settings, 1, "uuid");
    uint8_t a[0x1b] = {0};

    if (uuid)
        parse_uuid(uuid, a + 0x08);
    a[0x18] = 6; /* woken up by the power switch */
    add_structure(b, 1, 0, a, sizeof(a));
}

static void add_board(struct builder *b) /* 7.3 */
{
    uint8_t a[0x0f] = {0};

    if (!b->config->settings || !(b->config->settings->types >> 2 & 1))
        return;
    a[0x09] = 0x01;             /* hosting board */
    put_le16(a + 0x0b, 3 << 8); /* the chassis */
    a[0x0d] = 0x0a;             /* motherboard */
    add_structure(b, 2, 0, a, sizeof(a));
}

static void add_chassis(struct builder *b) /* 7.4 */
{
    uint8_t a[0x16] = {0};

    a[0x05] = 1;                     /* type: other */
    a[0x09] = a[0x0a] = a[0x0b] = 3; /* states are safe */
    a[0x0c] = 2;                     /* security is unknown */
    add_structure(b, 3, 0, a, sizeof(a));
}

static uint8_t byte_count(unsigned n)
{
    return n < 0xff ? (uint8_t)n : 0xff;
}

static void add_processor(struct builder *b, unsigned socket) /* 7.5 */
{
    const struct smbios_config *c = b->config;
    const struct smbios_settings *s = c->settings;
    unsigned threads = c->cores * c->threads;
    uint8_t a[0x30] = {0};

    a[0x05] = 3; /* central processor */
    a[0x06] = 1; /* family: other */
    put_le64(a + 0x08, number_of(s, 4, "processor-id",
                                 c->cpuid_signature | (uint64_t)c->cpuid_features << 32));
    put_le16(a + 0x14, (uint32_t)number_of(s, 4, "max-speed", CPU_SPEED_MHZ));
    put_le16(a + 0x16, (uint32_t)number_of(s, 4, "current-speed", CPU_SPEED_MHZ));
    a[0x18] = 0x41;            /* populated and enabled */
    a[0x19] = 1;               /* upgrade: other */
    memset(a + 0x1a, 0xff, 6); /* no cache structures */
    a[0x23] = a[0x24] = byte_count(c->cores);
    a[0x25] = byte_count(threads);
    put_le16(a + 0x26,
             (c->long_mode ? 0x04 : 0) | (c->cores > 1 ? 0x08 : 0) | (c->threads > 1 ? 0x10 : 0));
    put_le16(a + 0x28, 1); /* family 2 */
    put_le16(a + 0x2a, c->cores);
    put_le16(a + 0x2c, c->cores);
    put_le16(a + 0x2e, threads);
    add_structure(b, 4, (uint8_t)socket, a, sizeof(a));
}

static void add_oem_strings(struct builder *b) /* 7.12 */
{
    const struct smbios_settings *s = b->config->settings;
    uint8_t a[0x05] = {0}, count = 0;

    if (!s || !s->noem)
        return;
    begin(b, 11, 0, a, sizeof(a));
    for (unsigned i = 0; i < s->noem; i++)
        add_string(b, 0x04, s->oem[i]); /* each leaves its number there: the last is the count */
    count = b->nstrings;
    if (!b->overflow)
        b->out->data[b->start + 0x04] = count;
    end(b);
}

static uint64_t ram_size(const struct smbios_config *c)
{
    return c->low_ram + c->high_ram;
}

static unsigned dimms(const struct smbios_config *c)
{
    return (unsigned)((ram_size(c) + DIMM_MAX - 1) / DIMM_MAX);
}

static void add_memory_array(struct builder *b) /* 7.17 */
{
    uint64_t kib = ram_size(b->config) >> KIB_SHIFT;
    uint8_t a[0x17] = {0};

    a[0x04] = 1; /* location: other */
    a[0x05] = 3; /* system memory */
    a[0x06] = 3; /* no error correction */
    put_le32(a + 0x07, kib < LARGE_KIB ? (uint32_t)kib : LARGE_KIB);
    put_le16(a + 0x0b, NO_HANDLE);
    put_le16(a + 0x0d, dimms(b->config));
    if (kib >= LARGE_KIB)
        put_le64(a + 0x0f, kib << KIB_SHIFT);
    add_structure(b, 16, 0, a, sizeof(a));
}

static void add_dimm(struct builder *b, unsigned n) /* 7.18 */
{
    const struct smbios_settings *s = b->config->settings;
    uint64_t left = ram_size(b->config) - n * DIMM_MAX;
    uint64_t mib = (left < DIMM_MAX ? left : DIMM_MAX) >> MIB_SHIFT;
    uint32_t speed = (uint32_t)number_of(s, 17, "speed", 0);
    uint8_t a[0x28] = {0};

    put_le16(a + 0x04, 16 << 8); /* the array */
    put_le16(a + 0x06, NO_HANDLE);
    put_le16(a + 0x08, 0xffff); /* widths are unknown */
    put_le16(a + 0x0a, 0xffff);
    put_le16(a + 0x0c, mib < LARGE_MIB ? (uint32_t)mib : LARGE_MIB);
    a[0x0e] = 9;              /* DIMM */
    a[0x12] = 7;              /* RAM */
    put_le16(a + 0x13, 0x02); /* other */
    put_le16(a + 0x15, speed);
    if (mib >= LARGE_MIB)
        put_le32(a + 0x1c, (uint32_t)mib);
    put_le16(a + 0x20, speed);
    add_structure(b, 17, (uint8_t)n, a, sizeof(a));
}

static void add_mapping(struct builder *b, uint8_t n, uint64_t base, uint64_t size) /* 7.20 */
{
    uint64_t last = base + size - 1;
    uint8_t a[0x1f] = {0};

    if (!size)
        return;
    if (last >> KIB_SHIFT < UINT32_MAX) {
        put_le32(a + 0x04, (uint32_t)(base >> KIB_SHIFT));
        put_le32(a + 0x08, (uint32_t)(last >> KIB_SHIFT));
    } else {
        put_le32(a + 0x04, UINT32_MAX);
        put_le32(a + 0x08, UINT32_MAX);
        put_le64(a + 0x0f, base);
        put_le64(a + 0x17, last);
    }
    put_le16(a + 0x0c, 16 << 8);
    a[0x0e] = byte_count(dimms(b->config)); /* partition width */
    add_structure(b, 19, n, a, sizeof(a));
}

static void add_last(struct builder *b) /* 7.33: boot status, no errors; 7.45: the end */
{
    uint8_t status[0x0b] = {0}, last[4] = {0};

    add_structure(b, 32, 0, status, sizeof(status));
    add_structure(b, 127, 0, last, sizeof(last));
}

bool smbios_build(const struct smbios_config *config, struct smbios_tables *out, struct error *err)
{
    struct builder b = {.config = config, .out = out};

    out->used = out->count = out->largest = 0;
    add_bios(&b);
    add_system(&b);
    add_board(&b);
    add_chassis(&b);
    for (unsigned i = 0; i < config->sockets; i++)
        add_processor(&b, i);
    add_oem_strings(&b);
    add_memory_array(&b);
    for (unsigned i = 0; i < dimms(config); i++)
        add_dimm(&b, i);
    add_mapping(&b, 0, 0, config->low_ram);
    add_mapping(&b, 1, 1ull << 32, config->high_ram);
    add_last(&b);
    return !b.overflow ||
           error_set(err, "-smbios: the tables are longer than %d bytes", SMBIOS_TABLES_MAX);
}

/* ---- entry points ---- */

static uint8_t checksum(const uint8_t *p, size_t n)
{
    uint8_t sum = 0;

    while (n--)
        sum = (uint8_t)(sum + *p++);
    return (uint8_t)-sum;
}

void smbios_entry(const struct smbios_tables *t, uint32_t address, uint8_t out[SMBIOS_ENTRY_SIZE])
{
    memset(out, 0, SMBIOS_ENTRY_SIZE); /* 5.2.1 */
    memcpy(out, "_SM_", 4);
    out[0x05] = SMBIOS_ENTRY_SIZE;
    out[0x06] = 2;
    out[0x07] = 8;
    put_le16(out + 0x08, t->largest);
    memcpy(out + 0x10, "_DMI_", 5);
    put_le16(out + 0x16, t->used);
    put_le32(out + 0x18, address);
    put_le16(out + 0x1c, t->count);
    out[0x1e] = 0x28;
    out[0x15] = checksum(out + 0x10, 0x0f);
    out[0x04] = checksum(out, SMBIOS_ENTRY_SIZE);
}

void smbios_entry3(const struct smbios_tables *t, uint64_t address, uint8_t out[SMBIOS_ENTRY3_SIZE])
{
    memset(out, 0, SMBIOS_ENTRY3_SIZE); /* 5.2.2 */
    memcpy(out, "_SM3_", 5);
    out[0x06] = SMBIOS_ENTRY3_SIZE;
    out[0x07] = 3;
    out[0x0a] = 1; /* entry point revision */
    put_le32(out + 0x0c, t->used);
    put_le64(out + 0x10, address);
    out[0x05] = checksum(out, SMBIOS_ENTRY3_SIZE);
}
