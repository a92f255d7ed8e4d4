/* SPDX-License-Identifier: GPL-2.0-or-later */
/* side PATH FILE [WORD]: the old side of a migration to unix:PATH, for tests of what happens when
 * it dies: sends FILE, hears LOADED, says WORD if there is one, and is gone. side -l PATH [WORD]:
 * the new side: says LOADED, reads as far as YOURS!, says WORD and is gone. Status 0 if the other
 * side said what is expected. */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE 60000 /* ms, of a host that may be busy */

static bool give(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* Eight letters: a word of the protocol. */
static bool say(int fd, const char *word)
{
    char text[16];

    return !word || give(fd, text, (size_t)snprintf(text, sizeof(text), "%.6s\r\n", word));
}

/* Reads as far as the word. */
static bool hear(int fd, const char *word)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    size_t at = 0;
    char c;

    while (at < strlen(word)) {
        if (poll(&p, 1, PATIENCE) <= 0 || read(fd, &c, 1) != 1)
            return false;
        at = c == word[at] ? at + 1 : c == word[0];
    }
    return true;
}

static bool send_file(int fd, const char *path)
{
    FILE *f = fopen(path, "rb");
    char buffer[65536];
    bool ok = f;
    size_t n;

    while (ok && (n = fread(buffer, 1, sizeof(buffer), f)) > 0)
        ok = give(fd, buffer, n);
    if (f)
        fclose(f);
    return ok;
}

int main(int argc, char **argv)
{
    bool is_new = argc > 1 && !strcmp(argv[1], "-l");
    const char *path = argc > 2 ? argv[1 + is_new] : "", *word = argc > 3 ? argv[3] : NULL;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    if (!is_new)
        return !(argc > 2 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
                 send_file(fd, argv[2]) && hear(fd, "LOADED\r\n") && say(fd, word));
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 1) != 0)
        return 1;
    fd = accept(fd, NULL, NULL);
    return !(fd >= 0 && say(fd, "LOADED") && hear(fd, "YOURS!\r\n") && say(fd, word));
}
