/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kernel's types in memory (BTF): members of structs, and what is no BTF. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "debugger/btf.h"

#define HEADER     24
#define MEMBERS    (HEADER + 4 * 43) /* of module */
#define BIT_FIELDS (1u << 31)

/* struct list { struct list *next; }; struct layout { void *base; unsigned size; };
 * typedef const struct layout layout_t;
 * struct module { unsigned state; struct list list; char name[56]; union { layout_t core; };
 *                 unsigned low : 4; unsigned whole; };  the last two by bit offsets */
static const uint32_t types[] = {
    /* name, kind and elements, size or type */
    1,
    1 << 24,
    4,
    32, /* 1: int */
    5,
    4 << 24 | 1,
    8,
    10,
    3,
    0, /* 2: list: next */
    0,
    2 << 24,
    2, /* 3: struct list * */
    0,
    3 << 24,
    0,
    1,
    1,
    56, /* 4: an array */
    15,
    4 << 24 | 2,
    16,
    22,
    3,
    0,
    27,
    1,
    64, /* 5: layout: base, size */
    0,
    10 << 24,
    5, /* 6: const struct layout */
    32,
    8 << 24,
    6, /* 7: layout_t */
    0,
    5 << 24 | 1,
    16,
    41,
    7,
    0, /* 8: union: core */
    46,
    BIT_FIELDS | 4u << 24 | 6,
    96, /* 9: module */
    53,
    1,
    0,
    5,
    2,
    64,
    59,
    4,
    128,
    0,
    8,
    576,
    64,
    1,
    4 << 24 | 704,
    68,
    1,
    736,
};
static const char strings[] = "\0int\0list\0next\0layout\0base\0size\0layout_t\0core\0module\0"
                              "state\0name\0low\0whole";

static uint8_t *make(size_t *size)
{
    uint8_t *p = calloc(1, HEADER + sizeof(types) + sizeof(strings));

    assert_non_null(p);
    *size = HEADER + sizeof(types) + sizeof(strings);
    st_le16(p, 0xeb9f);
    p[2] = 1;
    st_le32(p + 4, HEADER);
    st_le32(p + 12, sizeof(types));
    st_le32(p + 16, sizeof(types));
    st_le32(p + 20, sizeof(strings));
    for (size_t n = 0; n < sizeof(types) / 4; n++)
        st_le32(p + HEADER + 4 * n, types[n]);
    memcpy(p + HEADER + sizeof(types), strings, sizeof(strings));
    return p;
}

static void check(const struct btf *b, const char *record, const char *path, uint64_t offset,
                  uint64_t size)
{
    uint64_t at = 0, length = 0;

    assert_true(btf_member(b, record, path, 8, &at, &length));
    assert_int_equal(at, offset);
    assert_int_equal(length, size);
}

static void test_members(void **state)
{
    size_t size;
    uint8_t *data = make(&size);
    struct btf *b = btf_new(data, size);
    uint64_t at, length;

    (void)state;
    assert_non_null(b);
    check(b, "list", "next", 0, 8);
    check(b, "module", "state", 0, 4);
    check(b, "module", "list", 8, 8);
    check(b, "module", "list.next", 8, 8);
    check(b, "module", "name", 16, 0);
    check(b, "module", "core", 72, 16);
    check(b, "module", "core.size", 80, 4);
    check(b, "module", "whole", 92, 4);
    assert_false(btf_member(b, "module", "low", 8, &at, &length));
    assert_false(btf_member(b, "module", "nothing", 8, &at, &length));
    assert_false(btf_member(b, "module", "state.next", 8, &at, &length));
    assert_false(btf_member(b, "layout_t", "base", 8, &at, &length));
    assert_false(btf_member(b, "modul", "state", 8, &at, &length));
    btf_free(b);
}

/* Cut off anywhere, and with any byte another one: refused, or looked at without harm. */
static void test_damaged(void **state)
{
    size_t size, whole;
    uint64_t at, length;

    (void)state;
    free(make(&whole));
    for (size_t n = 0; n < whole; n++) {
        uint8_t *data = make(&size), *part = malloc(n ? n : 1);

        assert_non_null(part);
        memcpy(part, data, n);
        assert_null(btf_new(part, n));
        free(data);
    }
    for (size_t n = 0; n < whole * 8; n++) {
        uint8_t *data = make(&size);
        struct btf *b;

        data[n / 8] ^= (uint8_t)(1 << n % 8);
        b = btf_new(data, size);
        if (b) {
            btf_member(b, "module", "core.size", 8, &at, &length);
            btf_member(b, "list", "nothing", 4, &at, &length);
        }
        btf_free(b);
    }
}

/* Unnamed structs of themselves: it ends. */
static void test_endless(void **state)
{
    size_t size;
    uint8_t *data = make(&size);
    struct btf *b;
    uint64_t at, length;

    (void)state;
    for (unsigned m = 0; m < 6; m++) {
        st_le32(data + MEMBERS + 12 * m, 0);
        st_le32(data + MEMBERS + 12 * m + 4, 9);
    }
    b = btf_new(data, size);
    assert_non_null(b);
    assert_false(btf_member(b, "module", "nothing", 8, &at, &length));
    btf_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_endless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
