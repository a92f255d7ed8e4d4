/* SPDX-License-Identifier: GPL-2.0-or-later */
/* watch SOCKET SECONDS: a VNC viewer at a unix socket that asks for what has changed again and
 * again, as fast as it gets it, in raw pixels, and prints how many updates and bytes came. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int fd;
static uint8_t *buffer;
static uint64_t received;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void get(void *to, size_t len)
{
    for (size_t n = 0; n < len;) {
        ssize_t r = read(fd, (char *)to + n, len - n);

        if (r <= 0) {
            fprintf(stderr, "watch: the server has hung up\n");
            exit(1);
        }
        n += (size_t)r;
    }
    received += len;
}

static unsigned get_number(unsigned bytes)
{
    uint8_t b[4];
    unsigned v = 0;

    get(b, bytes);
    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | b[i];
    return v;
}

static void put(const void *data, size_t len)
{
    if (write(fd, data, len) != (ssize_t)len)
        exit(1);
}

static unsigned width, height;

static void rectangle(void)
{
    unsigned x = get_number(2), y = get_number(2), w = get_number(2), h = get_number(2);
    int encoding = (int)get_number(4);

    (void)x, (void)y;
    if (encoding == -223) {
        width = w;
        height = h;
    } else if (encoding == 0) {
        get(buffer, (size_t)w * h * 4);
    } else {
        fprintf(stderr, "watch: encoding %d\n", encoding);
        exit(1);
    }
}

static void request(void)
{
    const uint8_t rq[10] = {3,
                            1,
                            0,
                            0,
                            0,
                            0,
                            (uint8_t)(width >> 8),
                            (uint8_t)width,
                            (uint8_t)(height >> 8),
                            (uint8_t)height};

    put(rq, sizeof(rq));
}

static void connect_to(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&un, sizeof(un))) {
        perror(path);
        exit(1);
    }
}

/* Version, no security, shared; size and encodings. */
static void introduce(void)
{
    static const uint8_t encodings[] = {2, 0, 0, 2, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x21};
    uint8_t skip[256];

    get(skip, 12);
    put("RFB 003.008\n", 12);
    get(skip, get_number(1));
    put("\1", 1);
    get_number(4);
    put("\1", 1);
    width = get_number(2);
    height = get_number(2);
    get(skip, 16);
    get(skip, get_number(4) & 0xff);
    put(encodings, sizeof(encodings));
}

static void update(void)
{
    uint8_t skip[8];
    unsigned type = get_number(1), n;

    if (type == 2)
        return; /* a bell */
    if (type) {
        fprintf(stderr, "watch: message %u\n", type);
        exit(1);
    }
    get(skip, 1);
    for (n = get_number(2); n; n--)
        rectangle();
}

int main(int argc, char **argv)
{
    unsigned updates = 0;

    if (argc < 3)
        return 1;
    buffer = malloc(4096 * 4096 * 4);
    connect_to(argv[1]);
    introduce();
    double end = now() + atof(argv[2]), begin = now();
    received = 0;
    while (now() < end) {
        request();
        update();
        updates++;
    }
    double t = now() - begin;
    printf("%.1f updates/s, %.1f MB/s\n", updates / t, (double)received / 1e6 / t);
    return 0;
}
