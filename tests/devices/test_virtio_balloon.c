/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The balloon: pages that go back to the host and come again as zeros, the size that is asked for,
 * statistics, free pages that are reported. */
#include <sys/stat.h>

#include "base/bits.h"
#include "devices/virtio/virtio_balloon.h"
#include "tests/devices/virtio_box.h"

#define STATS     (1ull << 1)
#define REPORTING (1ull << 5)
#define MEMORY    0xc0000u /* behind the rings */

struct balloon_box {
    struct vbox b;
    struct virtio_balloon balloon;
    unsigned changes;
};

static void note_event(void *opaque, enum run_event event)
{
    ((struct balloon_box *)opaque)->changes += event == RUN_EVENT_BALLOON;
}

static int setup(void **state)
{
    struct balloon_box *x = calloc(1, sizeof(*x));
    struct virtio_balloon_config config = {.free_page_reporting = true, .stats_every = 1000};

    assert_non_null(x);
    vbox_init(&x->b);
    config.pci = vbox_pci(&x->b);
    virtio_balloon_init(&x->balloon, &x->b.r.m, "balloon", &x->b.bus, VBOX_DEVFN, &config);
    vbox_map(&x->b);
    x->b.r.m.run.event = note_event;
    x->b.r.m.run.event_opaque = x;
    memset(vbox_ram(&x->b, MEMORY), 0xaa, 0x40000);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct balloon_box *x = *state;

    rig_end(&x->b.r);
    free(x);
    return 0;
}

/* Pages of the host that the machine's memory takes. */
static uint64_t taken(struct balloon_box *x)
{
    struct stat st;

    assert_int_equal(fstat(x->b.r.m.arena.fd, &st), 0);
    return (uint64_t)st.st_blocks * 512 / VM_PAGE_SIZE;
}

static void tell(struct balloon_box *x, unsigned queue, const uint32_t *pages, unsigned n)
{
    vbox_give_out(&x->b, queue, 0, pages, 4 * n, 0);
    vbox_kick(&x->b, queue);
}

static void identity(void **state)
{
    struct balloon_box *x = *state;

    assert_int_equal(pci_config_read(&x->b.bus, VBOX_DEVFN, 0, 4), 0x10021af4);
    assert_int_equal(vbox_get(&x->b, VBOX_MODERN + 0x12, 2), 4);
}

static void inflates(void **state)
{
    struct balloon_box *x = *state;
    uint32_t pages[] = {0xc0, 0xc1, 0xc2, 0xc8, 0xc8, 0xd0, 0x100, 0xfffff, UINT32_MAX};
    uint64_t before;

    vbox_start(&x->b, 0);
    vbox_put(&x->b, VBOX_QUEUE(0), 0, 4); /* so that their pages are taken */
    vbox_put(&x->b, VBOX_BUFFER(0, 0), 0, 4);
    before = taken(x);
    arena_mark_code(&x->b.r.m.arena, 0xc1000, 16);
    tell(x, 0, pages, 9); /* the last three are no RAM */
    assert_int_equal(vbox_used(&x->b, 0), 1);
    assert_int_equal(taken(x), before - 5);
    assert_int_equal(*vbox_ram(&x->b, 0xc1000), 0);
    assert_int_equal(*vbox_ram(&x->b, 0xc3000), 0xaa);
    assert_int_equal(vbox_get(&x->b, 0xd0000, 8), 0);
    tell(x, 1, pages, 9); /* out of it again: nothing is to be done */
    assert_int_equal(vbox_used(&x->b, 1), 1);
    vbox_put(&x->b, 0xc0000, 5, 1);
    assert_int_equal(vbox_get(&x->b, 0xc0000, 1), 5);
}

/* What keeps old bytes, a checkpoint, has them. */
static uint64_t kept;

static void keep_page(void *opaque, uint64_t page)
{
    struct balloon_box *x = opaque;

    kept += x->b.r.m.arena.host[page << VM_PAGE_SHIFT] == 0xaa;
    x->b.r.m.arena.page_flags[page] |= PAGE_DIRTY_SAVE;
}

static void announces(void **state)
{
    struct balloon_box *x = *state;
    struct arena *a = &x->b.r.m.arena;
    uint32_t pages[] = {0xc0, 0xc1};
    struct store_keeper keeper = {.before_store = keep_page, .opaque = x, .flag = PAGE_DIRTY_SAVE};
    unsigned flags;

    vbox_start(&x->b, 0);
    arena_clear_dirty(a, PAGE_DIRTY_SAVE);
    arena_clear_dirty(a, PAGE_DIRTY_DIGEST);
    kept = 0;
    arena_keep(a, &keeper);
    tell(x, 0, pages, 2);
    arena_unkeep(a, &keeper);
    flags = a->page_flags[0xc0] & a->page_flags[0xc1];
    assert_int_equal(kept, 2);
    assert_true(flags & PAGE_DIRTY_DIGEST);
}

static void size(void **state)
{
    struct balloon_box *x = *state;

    vbox_start(&x->b, 0);
    assert_int_equal(virtio_balloon_actual(&x->balloon), 1 << 20);
    virtio_balloon_set_target(&x->balloon, 768 << 10);
    assert_int_equal(x->b.messages[0], 0); /* it is input */
    input_deliver(&x->b.r.m);
    assert_int_equal(x->b.messages[0], 1);
    assert_int_equal(vbox_get(&x->b, VBOX_CONFIG, 4), 64);
    vbox_put(&x->b, VBOX_CONFIG, 7, 4); /* is not the guest's */
    assert_int_equal(vbox_get(&x->b, VBOX_CONFIG, 4), 64);
    vbox_put(&x->b, VBOX_CONFIG + 4, 64, 4);
    assert_int_equal(x->changes, 1);
    assert_int_equal(virtio_balloon_actual(&x->balloon), 768 << 10);
    rig_round_trip(&x->b.r, &x->balloon.bus.pci.dev);
    vbox_put(&x->b, VBOX_CONFIG + 4, UINT32_MAX, 4);
    assert_int_equal(virtio_balloon_actual(&x->balloon), 0);
    virtio_balloon_set_target(&x->balloon, UINT64_MAX);
    input_deliver(&x->b.r.m);
    assert_int_equal(vbox_get(&x->b, VBOX_CONFIG, 4), 0);
}

static void statistics(void **state)
{
    struct balloon_box *x = *state;
    uint8_t stats[30];

    st_le16(stats, 5);
    st_le64(stats + 2, 1 << 20);
    st_le16(stats + 10, 4);
    st_le64(stats + 12, 4096);
    st_le16(stats + 20, 999);
    vbox_start(&x->b, STATS);
    vbox_give_out(&x->b, 2, 0, stats, sizeof(stats), 0);
    vbox_kick(&x->b, 2);
    assert_int_equal(vbox_used(&x->b, 2), 0); /* kept until the next are wanted */
    assert_int_equal(x->balloon.stats[5], 1 << 20);
    assert_int_equal(x->balloon.stats[4], 4096);
    assert_true(x->balloon.stats[0] == UINT64_MAX);
    rig_round_trip(&x->b.r, &x->balloon.bus.pci.dev);
    rig_pass(&x->b.r, 1000);
    assert_int_equal(vbox_used(&x->b, 2), 1);
    st_le64(stats + 2, 5);
    vbox_give_out(&x->b, 2, 0, stats, 25, 0);
    vbox_kick(&x->b, 2);
    assert_int_equal(x->balloon.stats[5], 5);
    /* Another interval, none, and one again. */
    virtio_balloon_set_stats_every(&x->balloon, 5000);
    input_deliver(&x->b.r.m);
    assert_true(vm_timer_armed(&x->balloon.timer));
    virtio_balloon_set_stats_every(&x->balloon, 0);
    input_deliver(&x->b.r.m);
    assert_false(vm_timer_armed(&x->balloon.timer));
    virtio_balloon_set_stats_every(&x->balloon, 7000);
    input_deliver(&x->b.r.m);
    assert_true(vm_timer_armed(&x->balloon.timer));
    rig_pass(&x->b.r, 6999);
    assert_int_equal(vbox_used(&x->b, 2), 1);
    rig_pass(&x->b.r, 1);
    assert_int_equal(vbox_used(&x->b, 2), 2);
}

/* The queue's number depends on what was agreed upon. */
static void reported(void **state)
{
    struct balloon_box *x = *state;
    uint64_t before;

    for (unsigned i = 0; i < 2; i++) {
        unsigned queue = i ? 2 : 3;

        vbox_start(&x->b, REPORTING | (i ? 0 : STATS));
        memset(vbox_ram(&x->b, MEMORY), 0xaa, 0x40000);
        vbox_put(&x->b, VBOX_QUEUE(queue), 0, 4); /* so that its page is taken */
        before = taken(x);
        vbox_descriptor(&x->b, queue, 0, 0xc0800, 0x3000, 3, 1); /* two whole pages */
        vbox_descriptor(&x->b, queue, 1, 0xff000, UINT32_MAX, 2, 0);
        vbox_available(&x->b, queue, 0);
        vbox_kick(&x->b, queue);
        assert_int_equal(vbox_used(&x->b, queue), 1);
        assert_int_equal(taken(x), before - 3);
        assert_int_equal(*vbox_ram(&x->b, 0xc0800), 0xaa);
        assert_int_equal(*vbox_ram(&x->b, 0xc1000), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(identity, setup, teardown),
        cmocka_unit_test_setup_teardown(inflates, setup, teardown),
        cmocka_unit_test_setup_teardown(announces, setup, teardown),
        cmocka_unit_test_setup_teardown(size, setup, teardown),
        cmocka_unit_test_setup_teardown(statistics, setup, teardown),
        cmocka_unit_test_setup_teardown(reported, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
