/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "debugger/kallsyms.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "debugger/symbols_internal.h"

#define TOKENS      256u
#define INDEX_SIZE  (2 * TOKENS)
#define TOKEN_MAX   128u /* characters of one token; the longest seen is 40 */
#define NAME_MAX_   512u /* KSYM_NAME_LEN since 6.1 */
#define MARKER_STEP 256u
#define MARKERS_MAX 8192u /* two million symbols */
#define CHUNK       (1u << 20)
#define TRIES_MAX   256u /* places that look like markers */

struct tables {
    const struct kallsyms_memory *m;
    unsigned word;             /* 8 or 4: size of pointers */
    uint64_t index, tokens;    /* addresses */
    uint16_t token_at[TOKENS]; /* within text */
    char *text;                /* token_table, ends with a zero */
    uint64_t markers_at, names_at;
    uint32_t nmarkers, nsyms;
    const uint8_t *markers;
    uint8_t *names;
    uint32_t names_size; /* with what fills up to the markers */
    uint64_t *addresses; /* of the symbols */
    uint8_t *absolute;
};

static bool read_all(const struct tables *t, uint64_t addr, void *buf, size_t len)
{
    return addr + len >= addr && t->m->read(t->m->opaque, addr, buf, len) == len;
}

static uint64_t round_up(uint64_t v, unsigned to)
{
    return (v + to - 1) & ~(uint64_t)(to - 1);
}

/* 256 places, each behind the one before by a token's length. */
static bool is_index(const uint8_t *p)
{
    unsigned last = ld_le16(p);

    if (last)
        return false;
    for (unsigned n = 1; n < TOKENS; n++) {
        unsigned at = ld_le16(p + 2 * n);

        if (at < last + 1 || at > last + TOKEN_MAX)
            return false;
        last = at;
    }
    return true;
}

/* The strings at `text`, of which the index tells the places, end just before `size`. */
static bool are_tokens(const struct tables *t, const char *text, size_t size)
{
    size_t last = t->token_at[TOKENS - 1], end;

    for (unsigned n = 0; n + 1 < TOKENS; n++)
        if (strnlen(text + t->token_at[n], size - t->token_at[n]) + 1 !=
            (size_t)(t->token_at[n + 1] - t->token_at[n]))
            return false;
    end = last + strnlen(text + last, size - last) + 1;
    if (end > size || size - end >= 8)
        return false;
    for (; end < size; end++)
        if (text[end])
            return false;
    return true;
}

/* token_table is in front of token_index; how far depends on its last string. */
static bool find_tokens(struct tables *t, const uint8_t *index)
{
    size_t last, most;
    char *buf;

    for (unsigned n = 0; n < TOKENS; n++)
        t->token_at[n] = ld_le16(index + 2 * n);
    last = t->token_at[TOKENS - 1];
    most = round_up(last + TOKEN_MAX + 8, 8);
    if (t->index < most || !(buf = malloc(most)))
        return false;
    if (read_all(t, t->index - most, buf, most))
        for (size_t size = round_up(last + 1, 4); size <= most; size += 4)
            if (are_tokens(t, buf + most - size, size)) {
                memmove(buf, buf + most - size, size);
                t->text = buf;
                t->tokens = t->index - size;
                return true;
            }
    free(buf);
    return false;
}

/* Bytes just before an address, as many as can be read up to *size. */
static uint8_t *read_before(const struct tables *t, uint64_t end, size_t *size)
{
    uint8_t *buf = malloc(*size);
    size_t left = *size;

    while (buf && left) {
        uint64_t at = (end - (*size - left) - 1) & ~4095ull;
        size_t len = end - (*size - left) - at;

        if (len > left)
            len = left;
        if (end < *size - left + len ||
            !read_all(t, end - (*size - left) - len, buf + left - len, len))
            break;
        left -= len;
    }
    if (!buf)
        return NULL;
    *size -= left;
    memmove(buf, buf + left, *size);
    return buf;
}

/* n places of every 256th name at p, the first 0. */
static bool are_markers(const uint8_t *p, uint32_t n)
{
    uint32_t last = 0;

    if (ld_le32(p))
        return false;
    for (uint32_t k = 1; k < n; k++) {
        uint32_t v = ld_le32(p + 4 * (size_t)k);

        if (v < last + 2 * MARKER_STEP || v > last + (NAME_MAX_ + 2) * MARKER_STEP)
            return false;
        last = v;
    }
    return true;
}

/* A name's length, and how many bytes that takes; 0: beyond the end. */
static unsigned name_length(const struct tables *t, uint32_t at, unsigned *len)
{
    if (at >= t->names_size)
        return 0;
    *len = t->names[at];
    if (*len < 0x80)
        return 1;
    if (at + 1 >= t->names_size)
        return 0;
    *len = (*len & 0x7f) | t->names[at + 1] << 7;
    return 2;
}

/* The names are as many as there should be, with every 256th where the markers say. */
static bool are_names(const struct tables *t)
{
    uint32_t at = 0;

    for (uint32_t n = 0; n < t->nsyms; n++) {
        unsigned len, bytes;

        if (n % MARKER_STEP == 0 && ld_le32(t->markers + 4 * (size_t)(n / MARKER_STEP)) != at)
            return false;
        bytes = name_length(t, at, &len);
        if (!bytes || !len || len > NAME_MAX_)
            return false;
        at += bytes + len;
    }
    if (at > t->names_size || t->names_size - at >= 8)
        return false;
    for (; at < t->names_size; at++)
        if (t->names[at])
            return false;
    return true;
}

/* names end at the markers; where they begin depends on the last, shorter stretch. The number of
 * symbols is in the word before and must fit the number of markers. */
static bool names_in(struct tables *t, const uint8_t *buf, size_t size)
{
    uint32_t last = ld_le32(t->markers + 4 * (size_t)(t->nmarkers - 1));

    for (size_t len = round_up(last + 2, 4); len + 8 <= size; len += 4) {
        uint32_t n = ld_le32(buf + size - len - t->word);

        if (n <= (t->nmarkers - 1) * MARKER_STEP || n > t->nmarkers * MARKER_STEP ||
            (t->word == 8 && ld_le32(buf + size - len - 4)))
            continue;
        t->nsyms = n;
        t->names = (uint8_t *)buf + size - len;
        t->names_size = (uint32_t)len;
        t->names_at = t->markers_at - len;
        if (are_names(t))
            return true;
    }
    return false;
}

/* Kernel addresses, ascending; a few may be out of order (absolute ones). */
static bool plausible(const struct tables *t)
{
    uint64_t last = 0, floor = t->word == 8 ? 0xffff800000000000ull : 0x40000000u;
    uint32_t odd = 0, n = 0, kernel = 0;

    for (n = 0; n < t->nsyms; n++) {
        if (t->absolute[n])
            continue;
        kernel++;
        odd += t->addresses[n] < last || t->addresses[n] < floor;
        last = t->addresses[n];
    }
    return kernel && odd <= n / 64;
}

/* 32-bit offsets from a base; with CONFIG_KALLSYMS_ABSOLUTE_PERCPU those that are not negative are
 * values themselves, the others count down from base - 1. */
static bool relative(struct tables *t, uint64_t offsets, uint64_t base_at)
{
    uint8_t *raw = malloc((size_t)t->nsyms * 4), word[8] = {0};
    uint32_t negative = 0;
    uint64_t base;
    bool ok = raw && read_all(t, offsets, raw, (size_t)t->nsyms * 4) &&
              read_all(t, base_at, word, t->word);

    base = ld_le64(word);
    for (uint32_t n = 0; ok && n < t->nsyms; n++)
        negative += (int32_t)ld_le32(raw + 4 * (size_t)n) < 0;
    for (uint32_t n = 0; ok && n < t->nsyms; n++) {
        int32_t v = (int32_t)ld_le32(raw + 4 * (size_t)n);

        t->absolute[n] = negative > t->nsyms / 2 && v >= 0;
        if (t->absolute[n])
            t->addresses[n] = (uint32_t)v;
        else if (negative > t->nsyms / 2)
            t->addresses[n] = base - 1 - (int64_t)v;
        else
            t->addresses[n] = base + (uint32_t)v;
        if (t->word == 4)
            t->addresses[n] = (uint32_t)t->addresses[n];
    }
    free(raw);
    return ok && plausible(t);
}

static bool direct(struct tables *t, uint64_t at)
{
    size_t size = (size_t)t->nsyms * t->word;
    uint8_t *raw = malloc(size);
    bool ok = raw && read_all(t, at, raw, size);

    for (uint32_t n = 0; ok && n < t->nsyms; n++) {
        t->addresses[n] =
            t->word == 8 ? ld_le64(raw + 8 * (size_t)n) : ld_le32(raw + 4 * (size_t)n);
        t->absolute[n] = t->addresses[n] < 0x1000000; /* per-CPU */
    }
    free(raw);
    return ok && plausible(t);
}

/* The three places where they have been in kernels so far. */
static bool find_addresses(struct tables *t)
{
    uint64_t number = t->names_at - t->word, span = round_up((uint64_t)t->nsyms * 4, t->word);
    uint64_t base = number - t->word, behind = t->index + INDEX_SIZE;

    t->addresses = calloc(t->nsyms, sizeof(*t->addresses));
    t->absolute = calloc(t->nsyms, 1);
    return t->addresses && t->absolute &&
           (relative(t, base - span, base) || relative(t, behind, behind + span) ||
            direct(t, number - (uint64_t)t->nsyms * t->word));
}

/* The first character is nm's letter. */
static uint8_t flags_of(char letter)
{
    char upper = letter & ~0x20;
    uint8_t flags = 0;

    if (upper == 'T' || upper == 'W')
        flags |= SYMBOL_FUNCTION;
    if (letter == upper)
        flags |= SYMBOL_GLOBAL;
    return flags | SYMBOL_TYPED;
}

static bool add_all(const struct tables *t, struct symbol_table *out)
{
    uint32_t at = 0;

    for (uint32_t n = 0; n < t->nsyms; n++) {
        char name[NAME_MAX_ + TOKEN_MAX];
        size_t size = 0;
        unsigned len = 0;

        at += name_length(t, at, &len);
        for (unsigned i = 0; i < len && size < NAME_MAX_; i++) {
            const char *token = t->text + t->token_at[t->names[at + i]];
            size_t chars = strnlen(token, TOKEN_MAX);

            memcpy(name + size, token, chars);
            size += chars;
        }
        at += len;
        name[size] = 0;
        if (size > 1 &&
            !symbol_table_add(out, name + 1, t->addresses[n], 0,
                              flags_of(name[0]) | (t->absolute[n] ? SYMBOL_ABSOLUTE : 0)))
            return false;
    }
    symbol_table_sizes(out);
    return true;
}

/* The n markers are at p, an address. */
static bool with_markers(struct tables *t, const uint8_t *p, uint64_t addr, uint32_t n,
                         struct symbol_table *out)
{
    size_t size = round_up(ld_le32(p + 4 * (size_t)(n - 1)) + (NAME_MAX_ + 2) * MARKER_STEP, 8);
    uint8_t *buf;
    bool found = false;

    t->markers_at = addr;
    t->markers = p;
    t->nmarkers = n;
    buf = read_before(t, addr, &size);
    for (t->word = 8; buf && !found && t->word >= 4; t->word -= 4) {
        found = names_in(t, buf, size) && find_addresses(t) && add_all(t, out);
        free(t->addresses);
        free(t->absolute);
        t->addresses = NULL;
        t->absolute = NULL;
    }
    free(buf);
    if (!found)
        symbol_table_free(out);
    return found;
}

/* markers are in front of token_table, since 6.2 with 3 bytes for each symbol between them. How
 * many they are is known from the distance, but for one. */
static bool find_markers(struct tables *t, const uint8_t *buf, size_t size,
                         struct symbol_table *out)
{
    unsigned tries = 0;

    for (size_t back = 4; back <= size; back += 4) {
        const uint8_t *p = buf + size - back;
        size_t few = back / (4 + 3 * MARKER_STEP);
        const size_t counts[] = {back / 4, back / 4 - 1, few, few + 1};

        if (ld_le32(p) || (back >= 8 && ld_le32(p + 4) && ld_le32(p + 4) < 2 * MARKER_STEP))
            continue;
        for (unsigned i = 0; i < ARRAY_SIZE(counts); i++)
            if (counts[i] && counts[i] <= MARKERS_MAX && 4 * counts[i] <= back &&
                (i < 2 || counts[i] == 1 || ld_le32(p + 4)) && are_markers(p, counts[i]) &&
                tries++ < TRIES_MAX && with_markers(t, p, t->tokens - back, counts[i], out))
                return true;
    }
    return false;
}

/* What looks like token_index is at t->index. */
static bool decode(struct tables *t, const uint8_t *index, struct symbol_table *out)
{
    size_t size = MARKERS_MAX * (4 + 3 * MARKER_STEP);
    uint8_t *buf;
    bool found;

    if (!find_tokens(t, index))
        return false;
    buf = read_before(t, t->tokens, &size);
    found = buf && find_markers(t, buf, size, out);
    free(buf);
    free(t->text);
    return found;
}

bool kallsyms_find(const struct kallsyms_memory *m, uint64_t start, uint64_t last,
                   struct symbol_table *out)
{
    uint8_t *buf = malloc(CHUNK + INDEX_SIZE);
    uint64_t at = start & ~4095ull, next;
    bool found = false;

    for (; buf && !found && at <= last; at = next) {
        size_t got = m->read(m->opaque, at, buf, CHUNK + INDEX_SIZE);

        for (size_t n = 0; n + INDEX_SIZE <= got && n < CHUNK && !found; n += 4)
            if (ld_le16(buf + n) == 0 && ld_le16(buf + n + 2) >= 1 && is_index(buf + n)) {
                struct tables t = {.m = m, .index = at + n};

                found = decode(&t, buf + n, out);
            }
        /* What cannot be read is passed over, a page at a time. */
        next = at + (got >= CHUNK ? CHUNK : (got & ~4095ull) + 4096);
        if (next < at)
            break;
    }
    free(buf);
    return found;
}
