/* SPDX-License-Identifier: GPL-2.0-or-later */
/* calque-img: makes, shows, converts, checks and changes disk images. Commands, options and what is
 * printed are qemu-img's. */
#include "cli/img.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/size.h"
#include "base/suggest.h"
#include "config.h"

/* ---- the commands ---- */

struct command {
    const char *name;
    int (*run)(struct img *g);
    const char *letters; /* options that it takes; long ones by the letter of long_options[] */
    int min, max;        /* words */
    const char *usage;
};

enum { OPT_OUTPUT = 256, OPT_CHAIN, OPT_SHRINK, OPT_START, OPT_LENGTH, OPT_PREALLOCATION };

static const struct command commands[] = {
    {"check", img_check, "fqrTU1", 1, 1,
     "check [-f FMT] [-r leaks|all] [--output=json] [-q] [-U] FILE"},
    {"commit", img_commit, "dfpqt", 1, 1, "commit [-f FMT] [-t CACHE] [-d] [-p] [-q] FILE"},
    {"compare", img_compare, "fFpqsTU", 2, 2, "compare [-f FMT] [-F FMT] [-s] [-p] [-q] FILE FILE"},
    {"convert", img_convert, "BcCfFmnoOpqStTUW", 2, 1000,
     "convert [-p] [-c] [-f FMT] [-O FMT] [-o OPTS] [-B BACKING [-F FMT]]\n"
     "          [-S SIZE] [-n] [-t CACHE] [-T CACHE] FILE... OUTPUT"},
    {"create", img_create, "bfFoqu", 1, 2,
     "create [-f FMT] [-o OPTS] [-b BACKING [-F FMT]] [-u] [-q] FILE [SIZE]"},
    {"info", img_info, "fU12", 1, 1, "info [-f FMT] [--output=json] [--backing-chain] [-U] FILE"},
    {"map", img_map, "fU145", 1, 1,
     "map [-f FMT] [--output=json] [--start-offset=N] [--max-length=N] FILE"},
    {"rebase", img_rebase, "bfFpqtTuU", 1, 1,
     "rebase [-f FMT] [-u] [-p] [-t CACHE] -b BACKING [-F FMT] FILE"},
    {"resize", img_resize, "fq36", 2, 2,
     "resize [-f FMT] [--shrink] [--preallocation=HOW] [-q] FILE [+|-]SIZE"},
    {"snapshot", img_snapshot, "flacdqU", 1, 1,
     "snapshot [-f FMT] [-q] [-U] [-l | -c NAME | -a NAME | -d NAME] FILE"},
};

static const struct option long_options[] = {
    {"output", required_argument, NULL, '1'},
    {"backing-chain", no_argument, NULL, '2'},
    {"shrink", no_argument, NULL, '3'},
    {"start-offset", required_argument, NULL, '4'},
    {"max-length", required_argument, NULL, '5'},
    {"preallocation", required_argument, NULL, '6'},
    {"force-share", no_argument, NULL, 'U'},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static void print_format(void *opaque, const char *name, bool creates)
{
    (void)opaque;
    printf(" %s%s", name, creates ? "" : " (read)");
}

static int print_help(void)
{
    puts("usage: calque-img COMMAND [OPTION...] FILE...\n");
    for (size_t n = 0; n < ARRAY_SIZE(commands); n++)
        printf("  %s\n", commands[n].usage);
    puts("\n"
         "  -f FMT     format of the image; found by its content without\n"
         "  -O FMT     format of the output; raw without\n"
         "  -o OPTS    name=value,... of the new image; -o help lists them\n"
         "  -b, -B     the image that this one is based on; -F its format\n"
         "  -c         compress            -p  show progress       -q  say nothing\n"
         "  -S SIZE    zeros that long are left out; 0: none; 4k\n"
         "  -t, -T     cache of the output, of the input: none, writeback, unsafe, ...\n"
         "  -U         look at an image that is in use\n"
         "  SIZE       bytes, or with K, M, G or T\n");
    fputs("Formats:", stdout);
    image_each_format(print_format, NULL);
    puts("\nSee man calque-img.");
    return 0;
}

/* ---- helpers ---- */

int img_fail(const char *fmt, ...)
{
    struct error text; /* keeps it to one line */
    char raw[480];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(raw, sizeof(raw), fmt, ap);
    va_end(ap);
    error_write(&text, "%s", raw);
    fprintf(stderr, "calque-img: %s\n", text.text);
    return 1;
}

static void report(void *opaque, const char *text)
{
    (void)opaque;
    img_fail("%s", text);
}

bool img_cache(const char *name, enum file_cache *cache, struct error *err)
{
    static const char *const names[] = {"none",       "writeback", "writethrough",
                                        "directsync", "unsafe",    NULL};
    size_t n = 0;

    while (names[n] && strcmp(name, names[n]) != 0)
        n++;
    *cache = n == 4 ? FILE_UNSAFE : n == 0 || n == 3 ? FILE_DIRECT : FILE_WRITEBACK;
    return names[n] || error_set(err,
                                 "cache %s: none, writeback, writethrough, directsync or "
                                 "unsafe is expected",
                                 name);
}

struct image *img_open_with(const char *path, const struct image_options *o)
{
    struct image_options with = *o;
    struct error err;
    struct image *im;

    with.report.fn = report;
    im = image_open(path, &with, &err);
    if (!im)
        img_fail("%s", err.text);
    return im;
}

struct image *img_open(const struct img *g, const char *path, const char *format, bool write,
                       const char *cache)
{
    struct image_options o = {
        .format = format, .read_only = !write, .force_share = g->force_share && !write};
    struct error err;

    if (cache && !img_cache(cache, &o.cache, &err)) {
        img_fail("%s", err.text);
        return NULL;
    }
    return img_open_with(path, &o);
}

int img_close(struct image *im)
{
    int e = image_flush(im), other;
    char path[IMAGE_NAME_MAX];

    snprintf(path, sizeof(path), "%s", image_path(im));
    other = image_close(im);
    e = e ? e : other;
    return e ? img_fail("%s: cannot be written: %s", path, strerror(e)) : 0;
}

bool img_size(const char *text, uint64_t *size)
{
    struct error err;

    if (size_parse(text, 1, size, &err))
        return true;
    img_fail("%s", err.text);
    return false;
}

char *img_size_text(uint64_t bytes, char buf[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double v = (double)bytes;
    unsigned n = 0;

    while (v >= 1000 && n < 6) { /* three digits are shown */
        v /= 1024;
        n++;
    }
    snprintf(buf, 32, "%.3g %s", v, units[n]);
    return buf;
}

void img_json_string(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < ' ')
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

/* ---- progress ---- */

void img_progress_begin(struct img_progress *p, const struct img *g, uint64_t total)
{
    *p = (struct img_progress){.on = g->progress && !g->quiet,
                               .terminal = isatty(STDOUT_FILENO),
                               .total = total ? total : 1,
                               .shown = -1};
    img_progress_add(p, 0);
}

static void show(struct img_progress *p, double percent)
{
    char bar[41];

    if (p->terminal) {
        memset(bar, ' ', 40);
        memset(bar, '#', (size_t)(percent * 0.4));
        bar[40] = 0;
        printf("\r    [%s] (%.2f/100%%)", bar, percent);
    } else {
        printf("    (%.2f/100%%)\r", percent);
    }
    fflush(stdout);
    p->shown = percent;
}

void img_progress_add(struct img_progress *p, uint64_t bytes)
{
    double percent;

    p->done += bytes;
    percent = p->done >= p->total ? 100 : 100.0 * (double)p->done / (double)p->total;
    if (p->on && (p->shown < 0 || percent - p->shown >= (p->terminal ? 0.5 : 1)))
        show(p, percent);
}

void img_progress_end(struct img_progress *p)
{
    if (!p->on)
        return;
    show(p, 100);
    putchar('\n');
}

/* ---- the command line ---- */

static int add_options(struct img *g, const char *text)
{
    struct option_list more;
    struct error err;

    if (!option_list_parse(&more, text, NULL, &err))
        return img_fail("-o: %s", err.text);
    for (size_t n = 0; n < more.n; n++) {
        if (g->options.n == OPTION_LIST_MAX)
            return img_fail("-o: more than %d settings", OPTION_LIST_MAX);
        g->options.pairs[g->options.n++] = more.pairs[n]; /* with its strings */
    }
    return 0;
}

static int set_output(struct img *g, const char *value)
{
    g->json = strcmp(value, "json") == 0;
    return g->json || strcmp(value, "human") == 0
               ? 0
               : img_fail("--output=%s: human or json is expected", value);
}

static bool wants_help(const char *options)
{
    return strcmp(options, "help") == 0 || strcmp(options, "?") == 0;
}

static int print_options(const struct img *g)
{
    const char *f = strcmp(g->command, "create") == 0 ? g->format : g->out_format;

    if (!image_print_options(f ? f : "raw"))
        return img_fail("format %s: no such format", f);
    return 0;
}

#define TEXT(c, field)                                                                             \
    {                                                                                              \
        c, offsetof(struct img, field), true                                                       \
    }
#define FLAG(c, field)                                                                             \
    {                                                                                              \
        c, offsetof(struct img, field), false                                                      \
    }

/* Options that only set something. */
static const struct setting {
    char letter;
    size_t offset;
    bool text;
} settings[] = {
    TEXT('f', format),   TEXT('F', backing_format), TEXT('O', out_format),
    TEXT('t', cache),    TEXT('T', source_cache),   TEXT('b', backing),
    TEXT('B', backing),  TEXT('S', sparse),         TEXT('r', repair),
    TEXT('4', start),    TEXT('5', length),         TEXT('6', preallocation),
    FLAG('c', compress), FLAG('n', no_create),      FLAG('p', progress),
    FLAG('q', quiet),    FLAG('u', unsafe),         FLAG('U', force_share),
    FLAG('d', keep),     FLAG('s', strict),         FLAG('2', chain),
    FLAG('3', shrink),
};

/* Of snapshot: one of -l, -a, -c, -d, of which three have a name. */
static int take_snapshot_option(struct img *g, int c)
{
    if (g->snapshot)
        return img_fail("snapshot: one of -l, -a, -c and -d is expected");
    g->snapshot = (char)c;
    g->snapshot_name = optarg;
    return 0;
}

/* One option; 0, or the exit status. -C, -W and -m ask for nothing: how the host copies is its own.
 */
static int take_option(struct img *g, int c)
{
    if (strcmp(g->command, "snapshot") == 0 && strchr("lacd", c))
        return take_snapshot_option(g, c);
    if (c == 'o')
        return add_options(g, optarg);
    if (c == '1')
        return set_output(g, optarg);
    for (size_t n = 0; n < ARRAY_SIZE(settings); n++) {
        char *at = (char *)g + settings[n].offset;

        if (settings[n].letter != c)
            continue;
        if (settings[n].text)
            *(const char **)(void *)at = optarg;
        else
            *(bool *)(void *)at = true;
    }
    return 0;
}

static int usage_of(const struct command *c)
{
    printf("usage: calque-img %s\n", c->usage);
    return 0;
}

/* What qemu-img has besides. */
static const char *const other_commands[] = {"amend", "bench", "bitmap", "dd", "measure", NULL};
static const char *const other_options[] = {
    "--image-opts",          "--target-image-opts", "--object", "--salvage", "--bitmaps",
    "--skip-broken-bitmaps", "--target-is-zero",    "--enable", "--stable",  NULL};

static bool is_among(const char *word, const char *const *list)
{
    size_t len = strcspn(word, "=");

    while (*list && (strlen(*list) != len || strncmp(word, *list, len) != 0))
        list++;
    return *list;
}

/* -l SNAPSHOT and -r RATE (not of check), too. */
static bool is_other_option(const struct command *c, const char *word)
{
    return is_among(word, other_options) || strncmp(word, "-l", 2) == 0 ||
           (strncmp(word, "-r", 2) == 0 && strcmp(c->name, "info") != 0);
}

static int refuse_option(const struct command *c, int option, char *word)
{
    if (option == ':')
        return img_fail("%s: %s needs a value; see calque-img %s --help", c->name, word, c->name);
    if (is_other_option(c, word))
        return img_fail("%s: %s: not in this version; see calque-img %s --help", c->name, word,
                        c->name);
    return img_fail("%s: %s: no such option; see calque-img %s --help", c->name, word, c->name);
}

static bool known_format(const char *name)
{
    struct error err;

    if (!name || image_format_name(name, &err))
        return true;
    img_fail("%s", err.text);
    return false;
}

static int run_command(const struct command *c, int argc, char **argv)
{
    struct img g = {.command = c->name};
    bool help = false;
    int option, status = 0;

    opterr = 0;
    while (!status) {
        char *word = argv[optind < argc ? optind : argc - 1];

        option = getopt_long(argc, argv,
                             c->run == img_snapshot ? ":ha:c:d:f:lqU"
                                                    : ":hb:B:cCdf:F:m:no:O:pqr:sS:t:T:uUW",
                             long_options, NULL);
        if (option == -1)
            break;
        if (option == 'h')
            return usage_of(c);
        if (option == '?' || option == ':' || !strchr(c->letters, option))
            return refuse_option(c, option, word);
        if (option == 'o' && wants_help(optarg))
            help = true;
        else
            status = take_option(&g, option);
    }
    g.args = argv + optind;
    g.nargs = argc - optind;
    if (!status && help)
        status = print_options(&g);
    else if (!status && (g.nargs < c->min || g.nargs > c->max))
        status = img_fail("%s: %s; see calque-img %s --help", c->name,
                          g.nargs < c->min ? "the name of a file is missing" : "too many words",
                          c->name);
    else if (!status && known_format(g.format) && known_format(g.out_format) &&
             known_format(g.backing_format))
        status = c->run(&g);
    else if (!status)
        status = 1;
    option_list_free(&g.options);
    return status;
}

int main(int argc, char **argv)
{
    struct suggestion s;

    if (argc < 2)
        return img_fail("a command is expected; see calque-img --help");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return print_help();
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        puts("calque-img " CALQUE_VERSION);
        return 0;
    }
    if (is_among(argv[1], other_commands))
        return img_fail("%s: not in this version; see calque-img --help", argv[1]);
    suggest_begin(&s, argv[1]);
    for (size_t n = 0; n < ARRAY_SIZE(commands); n++) {
        if (strcmp(argv[1], commands[n].name) == 0) {
            int status = run_command(&commands[n], argc - 1, argv + 1);

            return fflush(stdout) == 0 ? status : img_fail("output: %s", strerror(errno));
        }
        suggest_offer(&s, commands[n].name);
    }
    return img_fail("%s: no such command; did you mean %s?", argv[1], s.best);
}
