/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "debugger/btf.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

/* Documentation/bpf/btf.rst: a header, types of 12 bytes each with what their kind has behind them,
 * numbered from 1 in their order, and strings. */

#define MAGIC       0xeb9f
#define HEADER_SIZE 24u
#define TYPE_SIZE   12u
#define DEPTH_MAX   16u        /* of typedefs, qualifiers, unnamed structs */
#define LOOKS_MAX   (1u << 20) /* at members, for one name */

enum {
    BTF_INT = 1,
    BTF_PTR,
    BTF_ARRAY,
    BTF_STRUCT,
    BTF_UNION,
    BTF_ENUM,
    BTF_FWD,
    BTF_TYPEDEF,
    BTF_VOLATILE,
    BTF_CONST,
    BTF_RESTRICT,
    BTF_FUNC,
    BTF_FUNC_PROTO,
    BTF_VAR,
    BTF_DATASEC,
    BTF_FLOAT,
    BTF_DECL_TAG,
    BTF_TYPE_TAG,
    BTF_ENUM64,
    BTF_KINDS
};

/* Bytes behind a type: always, and for each of its elements. */
static const struct {
    uint8_t fixed, each;
} tails[BTF_KINDS] = {
    [BTF_INT] = {4, 0},     [BTF_ARRAY] = {12, 0},   [BTF_STRUCT] = {0, 12},
    [BTF_UNION] = {0, 12},  [BTF_ENUM] = {0, 8},     [BTF_FUNC_PROTO] = {0, 8},
    [BTF_VAR] = {4, 0},     [BTF_DATASEC] = {0, 12}, [BTF_DECL_TAG] = {4, 0},
    [BTF_ENUM64] = {0, 12},
};

struct btf {
    uint8_t *data;
    const uint8_t *types;
    uint32_t *offsets; /* of types, by number - 1 */
    uint32_t n;
    const char *strings; /* ends with a zero */
    uint32_t strings_size;
};

static unsigned kind_of(const uint8_t *type)
{
    return ld_le32(type + 4) >> 24 & 31;
}

static unsigned elements_of(const uint8_t *type)
{
    return ld_le32(type + 4) & 0xffff;
}

/* A type's whole length, 0 if it is none. */
static uint32_t length_of(const uint8_t *type)
{
    unsigned kind = kind_of(type);

    if (!kind || kind >= BTF_KINDS)
        return 0;
    return TYPE_SIZE + tails[kind].fixed + tails[kind].each * elements_of(type);
}

/* Counts the types, and with offsets says where they are. */
static bool number_types(struct btf *b, uint32_t size)
{
    uint32_t at = 0, length;

    for (b->n = 0; at < size; at += length, b->n++) {
        length = size - at < TYPE_SIZE ? 0 : length_of(b->types + at);
        if (!length || length > size - at)
            return false;
        if (b->offsets)
            b->offsets[b->n] = at;
    }
    return b->n;
}

static bool open_parts(struct btf *b, size_t size)
{
    uint64_t header = size < HEADER_SIZE ? 0 : ld_le32(b->data + 4);
    uint64_t types, types_size, strings;

    if (header < HEADER_SIZE || ld_le16(b->data) != MAGIC || b->data[2] != 1)
        return false;
    types = header + ld_le32(b->data + 8);
    types_size = ld_le32(b->data + 12);
    strings = header + ld_le32(b->data + 16);
    b->strings_size = ld_le32(b->data + 20);
    if (types + types_size > size || !b->strings_size || strings + b->strings_size > size ||
        b->data[strings + b->strings_size - 1])
        return false;
    b->types = b->data + types;
    b->strings = (const char *)b->data + strings;
    if (!number_types(b, (uint32_t)types_size) || !(b->offsets = calloc(b->n, sizeof(*b->offsets))))
        return false;
    return number_types(b, (uint32_t)types_size);
}

struct btf *btf_new(uint8_t *data, size_t size)
{
    struct btf *b = calloc(1, sizeof(*b));

    if (!b) {
        free(data);
        return NULL;
    }
    b->data = data;
    if (open_parts(b, size))
        return b;
    btf_free(b);
    return NULL;
}

void btf_free(struct btf *b)
{
    if (!b)
        return;
    free(b->offsets);
    free(b->data);
    free(b);
}

/* ---- looking up ---- */

static const uint8_t *type_at(const struct btf *b, uint32_t number)
{
    return number && number <= b->n ? b->types + b->offsets[number - 1] : NULL;
}

static bool is_called(const struct btf *b, const uint8_t *named, const char *name, size_t len)
{
    uint32_t at = ld_le32(named);

    return at < b->strings_size && strncmp(b->strings + at, name, len) == 0 &&
           !b->strings[at + len];
}

/* Without typedefs and qualifiers. */
static const uint8_t *bare(const struct btf *b, uint32_t number)
{
    const uint8_t *t = type_at(b, number);

    for (unsigned depth = 0; t && depth < DEPTH_MAX; depth++) {
        unsigned kind = kind_of(t);

        if (kind != BTF_TYPEDEF && kind != BTF_VOLATILE && kind != BTF_CONST &&
            kind != BTF_RESTRICT && kind != BTF_TYPE_TAG)
            return t;
        t = type_at(b, ld_le32(t + 8));
    }
    return NULL;
}

static bool is_record(const uint8_t *t)
{
    return t && (kind_of(t) == BTF_STRUCT || kind_of(t) == BTF_UNION);
}

/* What is looked for, and how often still. */
struct search {
    const struct btf *b;
    const char *name;
    size_t len;
    unsigned looks;
};

/* A member of t or of an unnamed one in it: its type; *offset grows by where it is. */
static const uint8_t *find_member(struct search *s, const uint8_t *t, uint64_t *offset,
                                  unsigned depth)
{
    bool bits = ld_le32(t + 4) >> 31;

    for (unsigned n = 0; n < elements_of(t) && s->looks; n++) {
        const uint8_t *m = t + TYPE_SIZE + 12 * n, *type = bare(s->b, ld_le32(m + 4)), *found;
        uint32_t where = ld_le32(m + 8);
        uint64_t inner = *offset + (bits ? where & 0xffffff : where) / 8;

        s->looks--;
        if (!type || (bits && where >> 24) || where & 7)
            continue;
        found = is_called(s->b, m, s->name, s->len) ? type : NULL;
        if (!found && is_record(type) && depth && is_called(s->b, m, "", 0))
            found = find_member(s, type, &inner, depth - 1);
        if (found) {
            *offset = inner;
            return found;
        }
    }
    return NULL;
}

static uint64_t size_of(const uint8_t *t, unsigned word)
{
    switch (kind_of(t)) {
    case BTF_PTR:
        return word;
    case BTF_INT:
    case BTF_STRUCT:
    case BTF_UNION:
    case BTF_ENUM:
    case BTF_FLOAT:
    case BTF_ENUM64:
        return ld_le32(t + 8);
    default:
        return 0; /* an array's is not asked for */
    }
}

bool btf_member(const struct btf *b, const char *record, const char *path, unsigned word,
                uint64_t *offset, uint64_t *size)
{
    const uint8_t *t = NULL;
    uint64_t at = 0;

    for (uint32_t n = 1; n <= b->n && !t; n++)
        if (is_record(type_at(b, n)) && is_called(b, type_at(b, n), record, strlen(record)))
            t = type_at(b, n);
    while (t && *path) {
        struct search s = {b, path, strcspn(path, "."), LOOKS_MAX};

        t = is_record(t) ? find_member(&s, t, &at, DEPTH_MAX) : NULL;
        path += s.len + (path[s.len] == '.');
    }
    if (!t)
        return false;
    *offset = at;
    *size = size_of(t, word);
    return true;
}
