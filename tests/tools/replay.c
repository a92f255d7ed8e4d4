/* SPDX-License-Identifier: GPL-2.0-or-later */
/* replay SOCKET TRANSCRIPT: sends the QMP requests of a recording (a JSON object a line, with "dir"
 * and "msg") to a server at a unix socket, one after the other, whatever their answers are. Prints
 * for each same COMMAND              answered as it was: a value of the same JSON type, or an error
 *   refused COMMAND CLASS     an error in place of a value
 *   other COMMAND             a value of another type, or in place of an error
 * and ends with status 1 when an answer does not come, or has another request's id. */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define WAIT_MS 30000

static int fd;
static char *line; /* what the server said last */
static size_t room, have;

static void fail(const char *what, const char *detail)
{
    fprintf(stderr, "replay: %s: %.300s\n", what, detail);
    exit(1);
}

static void put(const char *text, size_t len)
{
    if (send(fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
        fail("the server takes no more", text);
}

/* The next line, without its end; it stays until the next call. */
static void get_line(void)
{
    static size_t used;
    char *end;

    memmove(line, line + used, have -= used);
    while (!(end = memchr(line, '\n', have))) {
        struct pollfd p = {fd, POLLIN, 0};

        if (have + 65536 > room)
            line = realloc(line, room += 1 << 20);
        ssize_t n = poll(&p, 1, WAIT_MS) == 1 ? read(fd, line + have, 65536) : -1;
        if (n <= 0)
            fail("no answer", "");
        have += (size_t)n;
    }
    used = (size_t)(end - line) + 1;
    while (end > line && end[-1] == '\r')
        end--;
    *end = '\0';
}

/* What follows "KEY": in the text, or NULL. */
static const char *value(const char *text, const char *key)
{
    char quoted[64];
    const char *p;

    snprintf(quoted, sizeof(quoted), "\"%s\":", key);
    p = strstr(text, quoted);
    if (!p)
        return NULL;
    for (p += strlen(quoted); *p == ' '; p++)
        ;
    return p;
}

/* The string there, without quotes. */
static void string(const char *text, const char *key, char *to, size_t size)
{
    const char *p = text ? value(text, key) : NULL;

    *to = '\0';
    if (p && *p == '"')
        snprintf(to, size, "%.*s", (int)strcspn(p + 1, "\""), p + 1);
}

/* '{', '[', '"', 't' for both truths, '0' for numbers; 'e' for errors. */
static char kind(const char *text)
{
    const char *p = strncmp(text, "{\"error\"", 8) ? value(text, "return") : NULL;

    if (!p)
        return 'e';
    return strchr("{[\"", *p) ? *p : strchr("tf", *p) ? 't' : '0';
}

/* Events come between. */
static void get_answer(const char *id)
{
    char quoted[80];

    do
        get_line();
    while (strncmp(line, "{\"return\"", 9) != 0 && strncmp(line, "{\"error\"", 8) != 0);
    snprintf(quoted, sizeof(quoted), "\"id\": \"%s\"}", id);
    if (strlen(line) < strlen(quoted) || strcmp(line + strlen(line) - strlen(quoted), quoted) != 0)
        fail("an answer to something else", line);
}

/* The recorded answer to that id, from here on. */
static char recorded_kind(FILE *f, const char *id)
{
    long here = ftell(f);
    char *text = NULL, quoted[80], result = '?';
    size_t size = 0;

    snprintf(quoted, sizeof(quoted), "\"id\":\"%s\"", id);
    while (result == '?' && getline(&text, &size, f) > 0) {
        if (strncmp(text, "{\"dir\":\"reply\"", 14) != 0 &&
            strncmp(text, "{\"dir\":\"error\"", 14) != 0)
            continue;
        if (strstr(text, quoted))
            result = text[8] == 'e' ? 'e' : kind(text);
    }
    free(text);
    fseek(f, here, SEEK_SET);
    return result;
}

static void request(FILE *f, char *text)
{
    char *msg = strstr(text, "\"msg\":"), *end = strrchr(text, '}'), command[64], id[64], class[64];
    char was;

    string(text, "execute", command, sizeof(command));
    string(strrchr(text, ','), "id", id, sizeof(id));
    if (!msg || !end || !*command || !*id || !strcmp(command, "qmp_capabilities"))
        return;
    *end = '\n';
    put(msg + 6, (size_t)(end + 1 - msg - 6));
    get_answer(id);
    was = recorded_kind(f, id);
    string(line, "class", class, sizeof(class));
    if (kind(line) == was)
        printf("same %s\n", command);
    else if (kind(line) == 'e')
        printf("refused %s %s\n", command, class);
    else
        printf("other %s\n", command);
}

int main(int argc, char **argv)
{
    static const char hello[] = "{\"execute\":\"qmp_capabilities\"}\n";
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    FILE *f = argc == 3 ? fopen(argv[2], "r") : NULL;
    char *text = NULL;
    size_t size = 0;

    if (!f)
        fail("a socket and a transcript are expected", "");
    snprintf(un.sun_path, sizeof(un.sun_path), "%s", argv[1]);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&un, sizeof(un)))
        fail(argv[1], "cannot connect");
    line = malloc(room = 1 << 20);
    get_line();
    put(hello, sizeof(hello) - 1);
    get_line();
    while (getline(&text, &size, f) > 0)
        if (!strncmp(text, "{\"dir\":\"request\"", 16))
            request(f, text);
    free(text);
    free(line);
    fclose(f);
    return 0;
}
