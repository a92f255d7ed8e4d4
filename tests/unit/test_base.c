/* SPDX-License-Identifier: GPL-2.0-or-later */
/* base/: sizes, numbers, suggestions, key=value lists; host/char/match. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/options.h"
#include "base/size.h"
#include "base/suggest.h"
#include "host/char/match.h"

static void test_sizes(void **state)
{
    uint64_t v;
    struct error err;

    (void)state;
    assert_true(size_parse("512", 1 << 20, &v, &err));
    assert_int_equal(v, 512ull << 20);
    assert_true(size_parse("1.5G", 1, &v, &err));
    assert_int_equal(v, 3ull << 29);
    assert_true(size_parse("64k", 1, &v, &err));
    assert_int_equal(v, 65536);
    assert_true(size_parse("16777215T", 1, &v, &err));
    assert_false(size_parse("16777216T", 1, &v, &err));
    for (const char *const *bad = (const char *const[]){"", "-1", "M", "1X", "1MM", " 1", "1..5",
                                                        "99999999999999999999", NULL};
         *bad; bad++)
        assert_false(size_parse(*bad, 1, &v, &err));
}

static void test_numbers(void **state)
{
    uint64_t v;
    struct error err;

    (void)state;
    assert_true(number_parse("0xf4", 0, 0xffff, &v, &err));
    assert_int_equal(v, 0xf4);
    assert_false(number_parse("65536", 0, 0xffff, &v, &err));
    assert_false(number_parse("-1", 0, UINT64_MAX, &v, &err));
    assert_false(number_parse("4x", 0, UINT64_MAX, &v, &err));
}

static void test_suggestions(void **state)
{
    static const char *const names[] = {"serial", "kernel", "initrd", NULL};

    (void)state;
    assert_int_equal(edit_distance("", "abc"), 3);
    assert_int_equal(edit_distance("kitten", "sitting"), 3);
    assert_int_equal(edit_distance("sreial", "serial"), 1); /* two neighbours swapped */
    assert_string_equal(suggest("sreial", names), "serial");
    assert_string_equal(suggest("kern", names), "kernel");
}

static void test_option_lists(void **state)
{
    struct option_list l;
    struct error err;
    bool wait = true;
    uint64_t n = 0;

    (void)state;
    assert_true(
        option_list_parse(&l, "socket,id=a,path=/tmp/x,,y,server,nowait,n=0x10", "b", &err));
    assert_string_equal(option_get(&l, "b"), "socket");
    assert_string_equal(option_get(&l, "path"), "/tmp/x,y");
    assert_string_equal(option_get(&l, "server"), "on");
    assert_true(option_get_bool(&l, "wait", &wait, &err));
    assert_false(wait);
    assert_true(option_get_number(&l, "n", 0, 16, &n, &err));
    assert_int_equal(n, 16);
    assert_false(option_get_number(&l, "n", 0, 15, &n, &err));
    assert_null(option_get(&l, "absent"));
    option_list_free(&l);
    assert_false(option_list_parse(&l, "a=1,,,=2", NULL, &err));
    assert_false(option_list_parse(&l, "", NULL, &err));
    assert_false(option_list_parse(&l, "a=1,", NULL, &err));
}

static void test_matcher(void **state)
{
    struct matcher m;

    (void)state;
    assert_false(matcher_init(&m, ""));
    assert_true(matcher_init(&m, "aabaaab"));
    assert_false(matcher_feed(&m, "aabaa", 5));
    assert_false(matcher_feed(&m, "baa", 3));
    assert_true(matcher_feed(&m, "ab", 2)); /* the text overlaps its own failed beginning */
    matcher_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),       cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_suggestions), cmocka_unit_test(test_option_lists),
        cmocka_unit_test(test_matcher),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
