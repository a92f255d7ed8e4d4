/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entropy: from the machine's generator, repeatable; from the host, as input; not more than a
 * period allows. */
#include "devices/virtio/virtio_rng.h"
#include "tests/devices/virtio_box.h"

/* The host's side of this test: how much is wanted. */
struct entropy {
    size_t wanted;
    struct input_source *src;
};

void entropy_connect(struct entropy *e, struct machine *m, struct input_source *src)
{
    (void)m;
    e->src = src;
}

void entropy_want(struct entropy *e, size_t n)
{
    e->wanted = n;
}

struct rng_box {
    struct vbox b;
    struct virtio_rng rng;
    struct entropy host;
};

static struct rng_box *box_of_host(bool host, uint64_t max_bytes)
{
    struct rng_box *x = calloc(1, sizeof(*x));
    struct virtio_rng_config config = {.max_bytes = max_bytes, .period = 1000};

    assert_non_null(x);
    vbox_init(&x->b);
    config.source = host ? &x->host : NULL;
    config.pci = vbox_pci(&x->b);
    virtio_rng_init(&x->rng, &x->b.r.m, "rng", &x->b.bus, VBOX_DEVFN, &config);
    vbox_map(&x->b);
    return x;
}

static void box_free(struct rng_box *x)
{
    rig_end(&x->b.r);
    free(x);
}

static void deliver(struct rng_box *x, const void *bytes, size_t n)
{
    x->host.src->deliver(x->host.src->opaque, bytes, n);
}

static void identity(void **state)
{
    struct rng_box *x = box_of_host(false, UINT64_MAX);

    (void)state;
    assert_int_equal(pci_config_read(&x->b.bus, VBOX_DEVFN, 0, 4), 0x10051af4);
    assert_int_equal(pci_config_read(&x->b.bus, VBOX_DEVFN, PCI_SUBSYSTEM_ID, 2), VIRTIO_ID_RNG);
    assert_int_equal(vbox_get(&x->b, VBOX_MODERN + 0x12, 2), 1);
    box_free(x);
}

/* 64 bytes of a new machine's generator. */
static void first_bytes(uint64_t seed, uint8_t out[64])
{
    static const uint8_t zeros[64];
    struct rng_box *x = box_of_host(false, UINT64_MAX);

    machine_seed(&x->b.r.m, seed);
    vbox_start(&x->b, 0);
    vbox_give_in(&x->b, 0, 0, 64);
    vbox_kick(&x->b, 0);
    assert_int_equal(vbox_used(&x->b, 0), 1);
    assert_int_equal(vbox_written(&x->b, 0, 0), 64);
    assert_int_equal(x->b.messages[1], 1);
    memcpy(out, vbox_ram(&x->b, VBOX_BUFFER(0, 0)), 64);
    assert_memory_not_equal(out, zeros, 64);
    box_free(x);
}

static void repeats(void **state)
{
    uint8_t a[64], b[64], c[64];

    (void)state;
    first_bytes(1, a);
    first_bytes(1, b);
    first_bytes(2, c);
    assert_memory_equal(a, b, 64);
    assert_memory_not_equal(a, c, 64);
}

/* What a period does not allow waits for the next one. */
static void periods(void **state)
{
    struct rng_box *x = box_of_host(false, 100);

    (void)state;
    vbox_start(&x->b, 0);
    for (unsigned i = 0; i < 4; i++)
        vbox_give_in(&x->b, 0, i, 64);
    vbox_kick(&x->b, 0);
    assert_int_equal(vbox_used(&x->b, 0), 2);
    assert_int_equal(vbox_written(&x->b, 0, 1), 36);
    rig_pass(&x->b.r, 999);
    vbox_kick(&x->b, 0);
    assert_int_equal(vbox_used(&x->b, 0), 2);
    rig_round_trip(&x->b.r, &x->rng.bus.pci.dev);
    rig_pass(&x->b.r, 1);
    assert_int_equal(vbox_used(&x->b, 0), 4);
    box_free(x);
}

static void of_the_host(void **state)
{
    struct rng_box *x = box_of_host(true, UINT64_MAX);
    uint8_t bytes[200];

    (void)state;
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i + 1);
    vbox_start(&x->b, 0);
    assert_int_equal(x->host.wanted, 0);
    deliver(x, bytes, 10); /* nobody asked */
    vbox_give_in(&x->b, 0, 0, 64);
    vbox_give_in(&x->b, 0, 1, 32);
    vbox_kick(&x->b, 0);
    assert_int_equal(x->host.wanted, 64);
    assert_int_equal(vbox_used(&x->b, 0), 0);
    rig_round_trip(&x->b.r, &x->rng.bus.pci.dev);
    assert_true(x->host.wanted > 0); /* a loaded machine asks again */
    deliver(x, bytes, 40);           /* fewer than asked for: the guest has them */
    assert_int_equal(vbox_used(&x->b, 0), 1);
    assert_int_equal(vbox_written(&x->b, 0, 0), 40);
    assert_memory_equal(vbox_ram(&x->b, VBOX_BUFFER(0, 0)), bytes, 40);
    assert_int_equal(x->host.wanted, 32);
    deliver(x, bytes, 100); /* more than there is room for */
    assert_int_equal(vbox_used(&x->b, 0), 2);
    assert_int_equal(vbox_written(&x->b, 0, 1), 32);
    assert_int_equal(x->host.wanted, 0);
    box_free(x);
}

static void no_room(void **state)
{
    struct rng_box *x = box_of_host(false, UINT64_MAX);

    (void)state;
    vbox_start(&x->b, 0);
    vbox_give_out(&x->b, 0, 0, "abc", 3, 0);
    vbox_kick(&x->b, 0);
    assert_true(vbox_is_broken(&x->b));
    vbox_start(&x->b, 0); /* and it can be mended */
    vbox_give_in(&x->b, 0, 0, 1);
    vbox_kick(&x->b, 0);
    assert_int_equal(vbox_used(&x->b, 0), 1);
    box_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity),    cmocka_unit_test(repeats), cmocka_unit_test(periods),
        cmocka_unit_test(of_the_host), cmocka_unit_test(no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
