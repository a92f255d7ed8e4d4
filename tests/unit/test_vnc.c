/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VNC server over a socket: a client of our own reads the picture and types, several at once,
 * with and without a password, and with nonsense. */
#include "vnc_viewer.h"

#if CONFIG_VNC

/* Two viewers see the picture, its changes and its sizes. */
static void picture(void **state)
{
    struct world w;
    struct client a, b;

    (void)state;
    begin(&w, "");
    join_in(&w, &a);
    follow(&w, &a);
    join_in(&w, &b);
    follow(&w, &b);
    change(&w, 320, 200, 0xabcdef);
    follow(&w, &a);
    follow(&w, &b);
    change(&w, 641, 301, 0x445566);
    follow(&w, &b);
    follow(&w, &a);
    hang_up(&a);
    change(&w, 64, 48, 1);
    follow(&w, &b);
    hang_up(&b);
    end(&w);
}

static void input(void **state)
{
    struct world w;
    struct client c;

    (void)state;
    begin(&w, "");
    join_in(&w, &c);
    follow(&w, &c);
    key(c.fd, true, 'a');
    key(c.fd, false, 'a');
    key(c.fd, true, 'A'); /* without Shift: it is pressed for that */
    key(c.fd, false, 'A');
    key(c.fd, true, 0xffe1); /* with it: '7' is typed without */
    key(c.fd, true, '7');
    key(c.fd, true, 0xffff);
    wait_events(&w, 11);
    expect_key(&w.events[0], 0x1e, true);
    expect_key(&w.events[1], 0x1e, false);
    expect_key(&w.events[2], SCAN_SHIFT, true);
    expect_key(&w.events[3], 0x1e, true);
    expect_key(&w.events[4], SCAN_SHIFT, false);
    expect_key(&w.events[5], 0x1e, false);
    expect_key(&w.events[6], SCAN_SHIFT, true);
    expect_key(&w.events[7], SCAN_SHIFT, false);
    expect_key(&w.events[8], 0x08, true);
    expect_key(&w.events[9], SCAN_SHIFT, true);
    expect_key(&w.events[10], 0xe053, true);
    w.nevents = 0;
    pointer(c.fd, 4, 100, 50);
    pointer(c.fd, 0x10, 319, 199);
    wait_events(&w, 5);
    assert_int_equal(w.events[0].kind, HID_PLACE);
    assert_int_equal(w.events[0].x, 100);
    assert_int_equal(w.events[0].h, 200);
    assert_int_equal(w.events[1].kind, HID_BUTTONS);
    assert_int_equal(w.events[1].buttons, 2);
    assert_int_equal(w.events[2].x, 319);
    assert_int_equal(w.events[3].buttons, 0);
    assert_int_equal(w.events[4].kind, HID_MOVE);
    assert_int_equal(w.events[4].z, 1);
    hang_up(&c);
    end(&w);
}

/* As a server answers to a password, once it has heard of what was said last. */
static void answers(struct world *w, const char *with, bool want)
{
    for (unsigned i = 0;; i++) { /* it looks from time to time */
        int fd = dial(w);
        bool in = handshake(fd, 2, with) == 0;

        close(fd);
        if (in == want)
            return;
        assert_true(i < 100);
        usleep(20000);
    }
}

static void expiry(void **state)
{
    static const char *const wrong[] = {"", "+", "soon", "-1", "+9e9", "99999999999999999999"};
    struct vnc_info info = {.enabled = true};
    struct error err;
    struct world w;

    (void)state;
    begin(&w, ",password=on");
    assert_true(vnc_set_password(w.vnc, "secret", &err));
    answers(&w, "secret", true);
    assert_true(vnc_expire_password(w.vnc, "now", &err));
    answers(&w, "secret", false);
    assert_true(vnc_expire_password(w.vnc, "+1000", &err));
    answers(&w, "secret", true);
    assert_true(vnc_expire_password(w.vnc, "1000000000", &err)); /* in 2001 */
    answers(&w, "secret", false);
    assert_true(vnc_expire_password(w.vnc, "never", &err));
    answers(&w, "secret", true);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(vnc_expire_password(w.vnc, wrong[i], &err));
    vnc_describe(w.vnc, &info);
    assert_string_equal(info.server.family, "unix");
    assert_string_equal(info.server.service, w.path);
    assert_true(info.password);
    end(&w);
}

static void password(void **state)
{
    struct world w;
    struct client c;
    struct error err;
    int fd;

    (void)state;
    begin(&w, ",password=on");
    fd = dial(&w);
    assert_int_not_equal(handshake(fd, 2, ""), 0); /* there is none yet: nobody may */
    close(fd);
    assert_true(vnc_set_password(w.vnc, "secret", &err));
    for (unsigned i = 0;; i++) { /* the server looks from time to time */
        fd = dial(&w);
        if (handshake(fd, 2, "secret") == 0)
            break;
        assert_true(i < 100);
        close(fd);
        usleep(20000);
    }
    int other = dial(&w);
    assert_int_not_equal(handshake(other, 2, "Secret"), 0);
    close(other);
    init_client(&c, fd);
    follow(&w, &c);
    hang_up(&c);
    end(&w);
    begin(&w, "");
    assert_false(vnc_set_password(w.vnc, "secret", &err));
    end(&w);
}

/* A viewer that stops in the middle of a message keeps nobody waiting, and may go on with it. */
static void half_a_message(void **state)
{
    static const uint8_t key_a[8] = {4, 1, 0, 0, 0, 0, 0, 'a'};
    struct world w;
    struct client a, b;

    (void)state;
    begin(&w, "");
    join_in(&w, &a);
    join_in(&w, &b);
    follow(&w, &b);
    put(a.fd, key_a, 3); /* a key, but which? */
    follow(&w, &b);
    put(a.fd, key_a + 3, 4);
    follow(&w, &b);
    assert_int_equal(vnc_viewers(w.vnc), 2);
    assert_int_equal(w.nevents, 0);
    put(a.fd, key_a + 7, 1);
    wait_events(&w, 1);
    expect_key(&w.events[0], 0x1e, true);
    hang_up(&a);
    hang_up(&b);
    end(&w);
}

/* A smaller picture is not to be had; asking for it does no harm, whatever sizes come after. */
static void scaling(void **state)
{
    static const uint8_t scale[] = {8, 2, 0, 0};
    struct world w;
    struct client a;

    (void)state;
    begin(&w, "");
    join_in(&w, &a);
    follow(&w, &a);
    put(a.fd, scale, sizeof(scale));
    key(a.fd, true, 'a'); /* arrives after it */
    wait_events(&w, 1);
    change(&w, 30, 20, 7);
    follow(&w, &a);
    hang_up(&a);
    end(&w);
}

/* One that asks for much and reads nothing is left alone, and does not keep the other waiting. */
static void slow_viewer(void **state)
{
    struct world w;
    struct client a, b;

    (void)state;
    begin(&w, "");
    w.width = 64;
    w.height = 48;
    join_in(&w, &a);
    join_in(&w, &b);
    for (unsigned i = 0; i < 100; i++) { /* 1.2 MB of answers */
        request(&a, false);
        if (i % 10 == 0) {
            change(&w, 64, 48, i * 77);
            follow(&w, &b);
        }
    }
    assert_int_equal(vnc_viewers(w.vnc), 2);
    hang_up(&b);
    follow(&w, &a);
    hang_up(&a);
    end(&w);
}

/* Who comes and goes, as QMP's events and query-vnc tell it. */
static void events(void **state)
{
    struct vnc_info info = {.enabled = true};
    struct world w;
    struct client c;
    int fd;

    (void)state;
    begin(&w, "");
    fd = dial(&w);
    wait_event(&w, VNC_EVENT_CONNECTED, 1);
    assert_int_equal(atomic_load(&w.happened[VNC_EVENT_INITIALIZED]), 0);
    assert_int_equal(handshake(fd, 1, NULL), 0);
    init_client(&c, fd);
    wait_event(&w, VNC_EVENT_INITIALIZED, 1);
    vnc_describe(w.vnc, &info);
    assert_int_equal(info.viewers, 1);
    assert_string_equal(info.viewer[0].family, "unix");
    hang_up(&c);
    wait_event(&w, VNC_EVENT_DISCONNECTED, 1);
    info.viewers = 0;
    vnc_describe(w.vnc, &info);
    assert_int_equal(info.viewers, 0);
    fd = dial(&w); /* one that says nothing */
    wait_event(&w, VNC_EVENT_CONNECTED, 2);
    close(fd);
    wait_event(&w, VNC_EVENT_DISCONNECTED, 2);
    assert_int_equal(atomic_load(&w.happened[VNC_EVENT_INITIALIZED]), 1);
    assert_false(w.saw_websocket);
    end(&w);
}

/* Only this host can connect, unless an address says otherwise. */
static void loopback_only(void **state)
{
    char spec[32];
    struct vnc_config config = {spec, "test", NULL, NULL, NULL, NULL};
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof(in);
    unsigned n = 20000 + (unsigned)getpid() % 10000;
    struct error err;
    struct world w;
    struct vnc *v;

    (void)state;
    begin(&w, "");
    config.display = &w.display;
    config.hid = &w.hid;
    snprintf(spec, sizeof(spec), ":%u,to=%u", n, n + 1000);
    assert_true(vnc_open(&config, &v, &err));
    assert_true(vnc_listener(v, 0) >= 0);
    for (unsigned i = 0; vnc_listener(v, i) >= 0; i++) {
        union {
            struct sockaddr any;
            struct sockaddr_in in;
            struct sockaddr_in6 in6;
        } at = {0};
        socklen_t size = sizeof(at);

        assert_int_equal(getsockname(vnc_listener(v, i), &at.any, &size), 0);
        if (at.any.sa_family == AF_INET)
            assert_int_equal(ntohl(at.in.sin_addr.s_addr), INADDR_LOOPBACK);
        else
            assert_true(IN6_IS_ADDR_LOOPBACK(&at.in6.sin6_addr));
    }
    vnc_close(v);
    snprintf(spec, sizeof(spec), "0.0.0.0:%u,to=%u", n, n + 1000);
    assert_true(vnc_open(&config, &v, &err));
    assert_int_equal(getsockname(vnc_listener(v, 0), (struct sockaddr *)&in, &len), 0);
    assert_int_equal(in.sin_addr.s_addr, INADDR_ANY);
    vnc_close(v);
    end(&w);
}

/* Whatever comes, the server goes on. */
static void nonsense(void **state)
{
    uint32_t seed = 1;
    struct world w;
    struct client c;
    int fd;

    (void)state;
    begin(&w, "");
    for (unsigned i = 0; i < 60; i++) {
        uint8_t bytes[256];

        fd = dial(&w);
        if (i % 3) {
            assert_int_equal(handshake(fd, 1, NULL), 0);
            if (i % 3 == 2) {
                init_client(&c, fd);
                free(c.pixels);
            }
        }
        for (unsigned k = 0; k < sizeof(bytes); k++) {
            seed = seed * 1664525 + 1013904223;
            bytes[k] = (uint8_t)(seed >> 24);
        }
        bytes[0] = (uint8_t)(i / 3); /* every type of message */
        if (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) < 0)
            assert_true(true);
        close(fd);
    }
    join_in(&w, &c);
    follow(&w, &c);
    hang_up(&c);
    end(&w);
}

static void bad_specs(void **state)
{
    static const char *const specs[] = {"",
                                        "5",
                                        ":x",
                                        ":70000",
                                        "unix:",
                                        ":1,colour=1",
                                        ":0,share=no",
                                        "nohost.invalid:1",
                                        ":1,to=0",
                                        ":0,websocket=x"};
    struct vnc_config config = {NULL, "test", NULL, NULL, NULL, NULL};
    struct world w;
    struct error err;
    struct vnc *v;

    (void)state;
    begin(&w, "");
    config.display = &w.display;
    config.hid = &w.hid;
    for (unsigned i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        config.spec = specs[i];
        assert_false(vnc_open(&config, &v, &err));
        assert_true(!strncmp(err.text, "-vnc ", 5));
    }
    config.spec = w.spec; /* somebody listens there */
    assert_false(vnc_open(&config, &v, &err));
    config.spec = "none";
    assert_true(vnc_open(&config, &v, &err));
    assert_null(v);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(picture),        cmocka_unit_test(input),
        cmocka_unit_test(password),       cmocka_unit_test(expiry),
        cmocka_unit_test(half_a_message), cmocka_unit_test(scaling),
        cmocka_unit_test(slow_viewer),    cmocka_unit_test(events),
        cmocka_unit_test(loopback_only),  cmocka_unit_test(nonsense),
        cmocka_unit_test(bad_specs),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
