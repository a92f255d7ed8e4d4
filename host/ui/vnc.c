/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VNC: libvncserver speaks the protocol, WebSockets included; this listens, keeps its picture up to
 * date while somebody looks, and turns keysyms into keys.
 *
 * Two threads: one is the library's; the other accepts viewers and carries bytes between them and
 * the library (vnc_front.h). Sockets are opened here, and not by the library, so that errors name
 * the address, unix sockets work, and nobody from outside of this host connects unless asked for.
 */
#include "host/ui/vnc.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/options.h"
#include "config.h"
#include "host/ui/display.h"
#include "host/ui/hid.h"
#include "host/ui/keymap.h"
#include "host/ui/keys.h"
#include "host/ui/ui.h"
#include "host/ui/vnc_front.h"
#include "vm/host_time.h"

void vnc_print_help(void)
{
    puts("VNC servers:\n"
         "  :N              display N, port 5900 + N, for this host alone\n"
         "  HOST:N          at that address; 0.0.0.0:N for everybody\n"
         "  unix:PATH       a socket file\n"
         "  none            no server\n"
         "with\n"
         "  password=on     asks for the password that the monitor's set_password sets\n"
         "  websocket=PORT  WebSockets at a port of their own, too (the first takes them as well)\n"
         "  to=N            the first free display up to that one\n"
         "  share=POLICY    force-shared (default), or ignore: viewers say if they share");
}

#if CONFIG_VNC

#include <rfb/rfb.h>

#define VNC_PORT      5900u
#define MAX_LISTENERS 4
#define MAX_PASSWORD  8      /* bytes that the protocol looks at */
#define FRAME_US      16667  /* while somebody looks */
#define IDLE_US       100000 /* while nobody does */
#define BEHIND_BYTES  65536
#define STUCK_MS      3000 /* the front is there sooner */
#define LAST_DISPLAY  (65535u - VNC_PORT)

struct vnc {
    struct vnc_config config;
    rfbScreenInfoPtr screen;
    struct viewer viewer;
    int listeners[MAX_LISTENERS];
    unsigned nlisteners;
    char *unlink_path;
    bool shared;
    struct front *front;
    struct tunnel *arriving; /* of the viewer that the library is just being given */
    pthread_t thread, carrier;
    bool running, carrying;
    atomic_bool quit, carried; /* the threads are to end */
    unsigned clients;          /* the library's */
    int64_t next_look;         /* host time in us, at which the next frame is due */
    bool needs_password;
    pthread_mutex_t lock; /* of the password that is set: */
    char new_password[MAX_PASSWORD + 1];
    bool password_changed;
    int64_t expires;                 /* seconds since 1970 */
    char password[MAX_PASSWORD + 1]; /* the thread's, which passwords[] points to */
    char *passwords[2];
    /* Keys */
    unsigned buttons;
    bool shift, caps;
    bool held[256]; /* keys that are down: set 1's code, 80h added to the extended ones */
};

/* ---- keys and pointer ---- */

/* The key types the character only with Shift, or without; the viewer's keyboard is another one. */
static void press_shifted(struct vnc *v, const struct keymap_key *k)
{
    bool letter = k->code >= 0x10 && k->code <= 0x32;
    bool wrong = k->modifiers && !k->altgr && k->shift != v->shift && !(letter && v->caps);

    if (wrong)
        hid_key(v->config.hid, SCAN_SHIFT, k->shift, 0);
    hid_key(v->config.hid, k->code, true, 0);
    if (wrong)
        hid_key(v->config.hid, SCAN_SHIFT, !k->shift, 0);
}

static void note_held(struct vnc *v, unsigned code, bool down)
{
    if (code != SCAN_PAUSE)
        v->held[(code & 0x7f) | (code > 0xff ? 0x80 : 0)] = down;
}

/* A viewer that goes takes its fingers along. */
static void release_keys(struct vnc *v)
{
    for (unsigned i = 0; i < 256; i++)
        if (v->held[i])
            hid_key(v->config.hid, i & 0x80 ? 0xe000 | (i & 0x7f) : i, false, 0);
    memset(v->held, 0, sizeof(v->held));
    v->shift = false;
}

static void on_key(rfbBool down, rfbKeySym sym, rfbClientPtr client)
{
    struct vnc *v = client->screen->screenData;
    struct keymap_key k = keymap_keysym(v->config.keymap, (uint32_t)sym);

    if (!k.code)
        return;
    if (k.code == SCAN_SHIFT || k.code == SCAN_SHIFT_R)
        v->shift = down;
    if (k.code == SCAN_CAPS_LOCK && down)
        v->caps = !v->caps;
    note_held(v, k.code, down);
    if (down)
        press_shifted(v, &k);
    else
        hid_key(v->config.hid, k.code, false, 0);
}

/* 6.4.5 of the protocol; viewers send their "back" as the last one. */
enum {
    RFB_LEFT = 1,
    RFB_MIDDLE = 2,
    RFB_RIGHT = 4,
    RFB_WHEEL_UP = 8,
    RFB_WHEEL_DOWN = 16,
    RFB_BACK = 128,
    RFB_BUTTONS = RFB_LEFT | RFB_MIDDLE | RFB_RIGHT | RFB_BACK,
};

static void on_pointer(int buttons, int x, int y, rfbClientPtr client)
{
    struct vnc *v = client->screen->screenData;
    unsigned pressed = (unsigned)buttons & ~v->buttons, b = (unsigned)buttons;

    if (x >= 0 && y >= 0)
        hid_place(v->config.hid, (unsigned)x, (unsigned)y, (unsigned)client->screen->width,
                  (unsigned)client->screen->height);
    if ((b ^ v->buttons) & RFB_BUTTONS)
        hid_buttons(v->config.hid,
                    (b & RFB_LEFT) | (b & RFB_RIGHT) >> 1 | (b & RFB_MIDDLE) << 1 |
                        (b & RFB_BACK) >> 4,
                    HID_BUTTONS_ALL);
    if (pressed & (RFB_WHEEL_UP | RFB_WHEEL_DOWN))
        hid_move(v->config.hid, 0, 0, pressed & RFB_WHEEL_UP ? -1 : 1);
    v->buttons = b;
    rfbDefaultPtrAddEvent(buttons, x, y, client);
}

/* ---- viewers ---- */

/* Those that the library has let in since. */
static void greet_viewers(struct vnc *v)
{
    rfbClientIteratorPtr all = rfbGetClientIterator(v->screen);
    rfbClientPtr client;

    while ((client = rfbClientIteratorNext(all)))
        if (client->state == RFB_NORMAL)
            tunnel_let_in(client->clientData);
    rfbReleaseClientIterator(all);
}

static void on_client_gone(rfbClientPtr client)
{
    struct vnc *v = client->screen->screenData;

    v->clients--;
    release_keys(v);
    tunnel_gone(client->clientData);
#ifdef LIBVNCSERVER_WITH_WEBSOCKETS
    free(client->wsctx); /* the library does so from 0.9.15 on, if there is one then */
    client->wsctx = NULL;
#endif
}

static enum rfbNewClientAction on_client(rfbClientPtr client)
{
    struct vnc *v = client->screen->screenData;

    client->clientGoneHook = on_client_gone;
    client->clientData = v->arriving;
    v->arriving = NULL;
    v->clients++;
    return RFB_CLIENT_ACCEPT;
}

/* ---- the picture ---- */

static void set_format(rfbScreenInfoPtr screen)
{
    screen->serverFormat.redShift = 16;
    screen->serverFormat.greenShift = 8;
    screen->serverFormat.blueShift = 0;
}

static void on_resized(void *opaque, const struct surface *s)
{
    struct vnc *v = opaque;
    rfbClientIteratorPtr all;
    rfbClientPtr client;

    rfbNewFramebuffer(v->screen, (char *)s->pixels, (int)s->width, (int)s->height, 8, 3, 4);
    set_format(v->screen);
    all = rfbGetClientIterator(v->screen);
    while ((client = rfbClientIteratorNext(all)))
        rfbSetTranslateFunction(client);
    rfbReleaseClientIterator(all);
}

static void on_changed(void *opaque, const struct rect *r)
{
    struct vnc *v = opaque;

    rfbMarkRectAsModified(v->screen, (int)r->x, (int)r->y, (int)(r->x + r->width),
                          (int)(r->y + r->height));
}

static void take_password(struct vnc *v)
{
    pthread_mutex_lock(&v->lock);
    if (v->password_changed) {
        memcpy(v->password, v->new_password, sizeof(v->password));
        v->password_changed = false;
    }
    v->passwords[0] = *v->password && time(NULL) < v->expires ? v->password : NULL;
    pthread_mutex_unlock(&v->lock);
}

static void look(struct vnc *v)
{
    const struct viewer_events events = {on_resized, on_changed, v};

    display_refresh(v->config.display);
    display_sync(v->config.display, &v->viewer, &events);
}

/* A viewer that is behind with reading gets nothing more until it has caught up. */
static void hold_slow_viewers(struct vnc *v)
{
    rfbClientIteratorPtr all = rfbGetClientIterator(v->screen);
    rfbClientPtr client;

    while ((client = rfbClientIteratorNext(all)))
        client->onHold = tunnel_queued(client->clientData) > BEHIND_BYTES;
    rfbReleaseClientIterator(all);
}

/* A viewer may ask the library for a smaller picture (a message of UltraVNC's and PalmVNC's), with
 * which the library divides by zero when the screen becomes smaller than that. It gets the whole
 * one again, before that can be. */
static void refuse_scaling(struct vnc *v)
{
    rfbClientIteratorPtr all = rfbGetClientIterator(v->screen);
    rfbClientPtr client;

    while ((client = rfbClientIteratorNext(all))) {
        if (client->scaledScreen == v->screen || !client->scaledScreen)
            continue;
        client->scaledScreen->scaledScreenRefCount--;
        client->scaledScreen = v->screen;
        v->screen->scaledScreenRefCount++;
        client->newFBSizePending = TRUE;
        if (!client->useNewFBSize) /* it cannot be told */
            rfbCloseClient(client);
    }
    rfbReleaseClientIterator(all);
}

static int64_t now_us(void)
{
    return (int64_t)(host_now() / 1000);
}

/* Viewers that are ready. */
static void take_viewers(struct vnc *v)
{
    int fd;

    while ((v->arriving = front_next(v->front, &fd))) {
        if (!v->clients)
            look(v); /* the first one is told the right size at once */
        rfbNewClient(v->screen, fd);
        if (v->arriving) /* the library did not want it */
            tunnel_gone(v->arriving);
    }
}

/* However often viewers ask, they see a frame at a time. */
static void serve_library(struct vnc *v, long usec)
{
    int64_t now = now_us();

    take_password(v);
    take_viewers(v);
    if (v->clients && now >= v->next_look) {
        look(v);
        v->next_look = v->next_look + 2 * FRAME_US < now ? now + FRAME_US : v->next_look + FRAME_US;
    }
    hold_slow_viewers(v);
    int64_t left = v->next_look - now;
    rfbProcessEvents(v->screen, v->clients && left < usec ? (left > 0 ? (long)left : 0) : usec);
    refuse_scaling(v);
    greet_viewers(v);
}

void vnc_step(struct vnc *v, long usec)
{
    front_step(v->front, NULL, 0, 0);
    serve_library(v, usec);
    front_step(v->front, NULL, 0, 0);
}

void vnc_add_viewer(struct vnc *v, int fd)
{
    front_add(v->front, fd);
}

unsigned vnc_viewers(const struct vnc *v)
{
    return front_viewers(v->front);
}

int vnc_listener(const struct vnc *v, unsigned n)
{
    return n < v->nlisteners ? v->listeners[n] : -1;
}

static void *serve(void *opaque)
{
    struct vnc *v = opaque;

    while (!atomic_load(&v->quit)) {
        if (!v->clients)
            front_wait(v->front, IDLE_US);
        serve_library(v, v->clients ? FRAME_US : 0);
    }
    return NULL;
}

static void *carry(void *opaque)
{
    struct vnc *v = opaque;

    while (!atomic_load(&v->carried))
        front_step(v->front, v->listeners, v->nlisteners, -1);
    return NULL;
}

static void tell(void *opaque, enum vnc_event event, const struct vnc_peer *server,
                 const struct vnc_peer *viewer)
{
    const struct vnc *v = opaque;
    const struct ui_hooks *h = v->config.hooks;

    if (h && h->vnc_event)
        h->vnc_event(h->opaque, event, server, viewer, v->needs_password);
}

static bool create_front(struct vnc *v, struct error *err)
{
    const struct front_config config = {v->needs_password, tell, v};

    v->front = front_new(&config);
    return v->front || error_set(err, "%s", strerror(errno));
}

/* ---- listening ---- */

static bool listen_on(struct vnc *v, int family, const struct sockaddr *addr, socklen_t len)
{
    int on = 1, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, addr, len) || listen(fd, 16)) {
        int why = errno;

        close(fd);
        errno = why;
        return false;
    }
    v->listeners[v->nlisteners++] = fd;
    return true;
}

/* At every address of the name (localhost has two); one that works is enough. */
static bool listen_tcp(struct vnc *v, const char *host, unsigned port, struct error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    char service[8];
    bool any = false;
    int why = EADDRNOTAVAIL, r;

    snprintf(service, sizeof(service), "%u", port);
    r = getaddrinfo(host, service, &hints, &found);
    if (r)
        return error_set(err, "%s: %s", host, gai_strerror(r));
    for (struct addrinfo *a = found; a && v->nlisteners < MAX_LISTENERS; a = a->ai_next) {
        if (listen_on(v, a->ai_family, a->ai_addr, a->ai_addrlen))
            any = true;
        else if (errno != EADDRNOTAVAIL && errno != EAFNOSUPPORT)
            why = errno;
    }
    freeaddrinfo(found);
    return any || error_set(err, "%s port %u: %s", host, port, strerror(why));
}

/* A socket file that nobody listens at is what a crash has left. */
static bool listen_unix(struct vnc *v, const char *path, struct error *err)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct stat st;
    int fd;

    if (!*path || strlen(path) >= sizeof(un.sun_path))
        return error_set(err, "unix:%s: a path of 1 to %zu bytes is expected", path,
                         sizeof(un.sun_path) - 1);
    memcpy(un.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && !stat(path, &st) && S_ISSOCK(st.st_mode) &&
        connect(fd, (struct sockaddr *)&un, sizeof(un)) && errno == ECONNREFUSED)
        unlink(path);
    if (fd >= 0)
        close(fd);
    if (!listen_on(v, AF_UNIX, (struct sockaddr *)&un, sizeof(un)))
        return error_set(err, "unix:%s: %s", path, strerror(errno));
    v->unlink_path = strdup(path);
    return true;
}

static bool parse_display(const char *text, unsigned *n, struct error *err)
{
    char *end;
    unsigned long v = strtoul(text, &end, 10);

    if (end == text || *end || v > LAST_DISPLAY)
        return error_set(err, "%s: a display from 0 to %u is expected", text, LAST_DISPLAY);
    *n = (unsigned)v;
    return true;
}

/* "[::1]" is how addresses with colons are written. */
static void unbracket(char *host)
{
    size_t len = strlen(host);

    if (len < 2 || host[0] != '[' || host[len - 1] != ']')
        return;
    memmove(host, host + 1, len - 2);
    host[len - 2] = '\0';
}

static bool listen_display(struct vnc *v, char *address, const struct option_list *l,
                           struct error *err)
{
    char *colon = strrchr(address, ':');
    uint64_t last = 0;
    unsigned n;

    if (!colon)
        return error_set(err, "%s: HOST:DISPLAY is expected; -vnc help tells more", address);
    *colon = '\0';
    if (!parse_display(colon + 1, &n, err))
        return false;
    last = n;
    if (!option_get_number(l, "to", n, LAST_DISPLAY, &last, err))
        return false;
    unbracket(address);
    const char *host = *address ? address : "localhost";
    while (!listen_tcp(v, host, VNC_PORT + n, err))
        if (n++ >= last)
            return false;
    err->text[0] = '\0';
    return true;
}

/* websocket=on is what every port does. */
static bool listen_websocket(struct vnc *v, const char *host, const struct option_list *l,
                             struct error *err)
{
    const char *value = option_get(l, "websocket");
    uint64_t port;

    if (!value || !strcmp(value, "on") || !strcmp(value, "off"))
        return true;
    return option_get_number(l, "websocket", 1, 65535, &port, err) &&
           listen_tcp(v, *host ? host : "localhost", (unsigned)port, err);
}

static bool apply(struct vnc *v, const struct option_list *l, struct error *err)
{
    static const char *const keys[] = {"vnc",   "password", "websocket", "to",
                                       "share", "audiodev", NULL};
    const char *share = option_get(l, "share"), *where = option_get(l, "vnc");
    char address[300];
    bool ok;

    if (!option_list_check(l, keys, err) ||
        !option_get_bool(l, "password", &v->needs_password, err))
        return false;
    /* audiodev=: viewers hear nothing, whichever it is. */
    v->shared = !share || strcmp(share, "ignore") != 0;
    if (share && strcmp(share, "ignore") != 0 && strcmp(share, "force-shared") != 0)
        return error_set(err, "share=%s: force-shared or ignore is expected", share);
    if (!where || strlen(where) >= sizeof(address))
        return error_set(err, "an address is expected; -vnc help tells more");
    if (!strncmp(where, "unix:", 5))
        return listen_unix(v, where + 5, err) && listen_websocket(v, "", l, err);
    snprintf(address, sizeof(address), "%s", where);
    ok = listen_display(v, address, l, err);
    return ok && listen_websocket(v, address, l, err);
}

/* ---- life ---- */

static void no_log(const char *format, ...)
{
    (void)format;
}

static bool create_screen(struct vnc *v, struct error *err)
{
    rfbScreenInfoPtr s;

    rfbLog = no_log; /* the library's own, for the whole process */
    rfbErr = no_log;
    v->screen = s = rfbGetScreen(NULL, NULL, 640, 480, 8, 3, 4);
    if (!s || !surface_resize(&v->viewer.copy, 640, 480))
        return error_set(err, "out of memory");
    set_format(s);
    s->frameBuffer = (char *)v->viewer.copy.pixels;
    s->desktopName = v->config.name;
    s->screenData = v;
    s->port = s->ipv6port = 0; /* it does not listen itself */
    s->autoPort = FALSE;
    s->alwaysShared = v->shared;
    s->permitFileTransfer = FALSE;
    s->deferUpdateTime = 0;
    s->maxClientWait = STUCK_MS;
    s->kbdAddEvent = on_key;
    s->ptrAddEvent = on_pointer;
    s->newClientHook = on_client;
    s->cursor = NULL;
    if (v->needs_password) {
        s->authPasswdData = v->passwords;
        s->passwordCheck = rfbCheckPasswordByList;
    }
    rfbInitServer(s);
    return true;
}

bool vnc_open(const struct vnc_config *config, struct vnc **out, struct error *err)
{
    struct option_list l;
    struct vnc *v;
    bool ok;

    *out = NULL;
    if (!strcmp(config->spec, "none"))
        return true;
    v = calloc(1, sizeof(*v));
    if (!v)
        return error_set(err, "-vnc: out of memory");
    v->config = *config;
    v->expires = INT64_MAX;
    pthread_mutex_init(&v->lock, NULL);
    display_attach(config->display, &v->viewer);
    ok = option_list_parse(&l, config->spec, "vnc", err);
    if (ok) {
        ok = apply(v, &l, err) && create_screen(v, err) && create_front(v, err);
        option_list_free(&l);
    }
    if (!ok) {
        error_prefix(err, "-vnc %s", config->spec);
        vnc_close(v);
        return false;
    }
    *out = v;
    return true;
}

bool vnc_start(struct vnc *v, struct error *err)
{
    v->running = !pthread_create(&v->thread, NULL, serve, v);
    v->carrying = v->running && !pthread_create(&v->carrier, NULL, carry, v);
    return v->carrying || error_set(err, "-vnc: a thread cannot be started");
}

void vnc_close(struct vnc *v)
{
    if (!v)
        return;
    atomic_store(&v->quit, true);
    if (v->running)
        pthread_join(v->thread, NULL);
    if (v->screen) {
        rfbShutdownServer(v->screen, TRUE);
        rfbScreenCleanup(v->screen);
    }
    atomic_store(&v->carried, true);
    if (v->carrying) {
        front_wake(v->front);
        pthread_join(v->carrier, NULL);
    }
    front_free(v->front);
    for (unsigned i = 0; i < v->nlisteners; i++)
        close(v->listeners[i]);
    if (v->unlink_path)
        unlink(v->unlink_path);
    free(v->unlink_path);
    display_detach(v->config.display, &v->viewer);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

bool vnc_set_password(struct vnc *v, const char *password, struct error *err)
{
    if (!v->needs_password)
        return error_set(err, "the VNC server was started without password=on");
    pthread_mutex_lock(&v->lock);
    snprintf(v->new_password, sizeof(v->new_password), "%s", password ? password : "");
    v->password_changed = true;
    pthread_mutex_unlock(&v->lock);
    return true;
}

bool vnc_expire_password(struct vnc *v, const char *when, struct error *err)
{
    bool relative = *when == '+';
    int64_t at = INT64_MAX;
    char *end;

    if (!v->needs_password)
        return error_set(err, "the VNC server was started without password=on");
    if (!strcmp(when, "now")) {
        at = 0;
    } else if (strcmp(when, "never") != 0) {
        errno = 0;
        at = strtoll(when + relative, &end, 10);
        if (end == when + relative || *end || errno || at < 0 || at > INT64_MAX / 2)
            return error_set(err, "%s: now, never, +SECONDS or SECONDS since 1970 are expected",
                             when);
        at += relative ? time(NULL) : 0;
    }
    pthread_mutex_lock(&v->lock);
    v->expires = at;
    pthread_mutex_unlock(&v->lock);
    return true;
}

void vnc_describe(struct vnc *v, struct vnc_info *info)
{
    struct vnc_peer nobody;

    info->password = v->needs_password;
    describe_socket(v->listeners[0], &info->server, &nobody);
    front_describe(v->front, info);
}

#else

bool vnc_expire_password(struct vnc *v, const char *when, struct error *err)
{
    (void)v, (void)when;
    return error_set(err, "built without libvncserver");
}

void vnc_describe(struct vnc *v, struct vnc_info *info)
{
    (void)v, (void)info;
}

bool vnc_open(const struct vnc_config *config, struct vnc **out, struct error *err)
{
    *out = NULL;
    return !strcmp(config->spec, "none") ||
           error_set(err, "-vnc %s: built without libvncserver", config->spec);
}

bool vnc_start(struct vnc *v, struct error *err)
{
    (void)v;
    return error_set(err, "-vnc: built without libvncserver");
}

void vnc_add_viewer(struct vnc *v, int fd)
{
    (void)v, (void)fd;
}

void vnc_step(struct vnc *v, long usec)
{
    (void)v, (void)usec;
}

unsigned vnc_viewers(const struct vnc *v)
{
    (void)v;
    return 0;
}

int vnc_listener(const struct vnc *v, unsigned n)
{
    (void)v, (void)n;
    return -1;
}

void vnc_close(struct vnc *v)
{
    (void)v;
}

bool vnc_set_password(struct vnc *v, const char *password, struct error *err)
{
    (void)v, (void)password;
    return error_set(err, "built without libvncserver");
}

#endif
