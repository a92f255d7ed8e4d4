/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/cmdline_open.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/size.h"
#include "cli/cmdline.h"
#include "cli/cmdline_drives.h"
#include "host/block/drive.h"
#include "machines/boot.h"
#include "machines/gunzip.h"
#include "machines/load_elf.h"
#include "machines/load_linux.h"
#include "machines/load_multiboot.h"

#define HEAD_SIZE        32768 /* what kernels are known by lies in there */
#define ELF_TYPE         16    /* e_type */
#define COMPRESSED_MAX   (64u << 20)
#define UNCOMPRESSED_MAX (256u << 20)
#define FOUND_MAX        10   /* shown by `calque` alone */
#define ENTRIES_MAX      1000 /* looked at for that */

/* What a file is, and the option that takes it. */
struct content {
    const char *what, *option;
    enum drive_guess guess; /* GUESS_UNKNOWN: a kernel, if there is an option */
};

/* ---- kernels ---- */

/* Programs of the host are ELF files, too, but most can be loaded anywhere (ET_DYN). */
static bool is_elf_program(const struct boot_image *head)
{
    return elf_probe(head) && head->size > ELF_TYPE + 1 && get_le16(head->data + ELF_TYPE) == 2;
}

static const char *kernel_name(const struct boot_image *head)
{
    if (linux_probe(head))
        return "a Linux kernel";
    if (multiboot_probe(head))
        return "a Multiboot kernel";
    return multiboot2_probe(head) || is_elf_program(head) ? "an ELF program" : NULL;
}

/* What is in a compressed file: a kernel, or something else (initial RAM disks are compressed). */
static const char *compressed_kernel(const char *path)
{
    struct boot_image image;
    const char *name = NULL;

    if (!boot_image_read(&image, path, COMPRESSED_MAX, NULL))
        return NULL;
    if (gunzip(&image, UNCOMPRESSED_MAX, NULL))
        name = kernel_name(&image);
    boot_image_free(&image);
    return name;
}

static bool read_head(const char *path, struct boot_image *head, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    ssize_t n;

    if (fd < 0)
        return error_set(err, "%s: %s", path, strerror(errno));
    *head = (struct boot_image){.name = path, .data = malloc(HEAD_SIZE)};
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        n = -1;
    } else {
        n = head->data ? read(fd, head->data, HEAD_SIZE) : -1;
    }
    close(fd);
    if (n >= 0) {
        head->size = (size_t)n;
        return true;
    }
    error_set(err, "%s: %s", path, strerror(errno));
    free(head->data);
    return false;
}

/* ---- anything ---- */

static struct content disk_content(enum drive_guess guess, const char *format, char *text,
                                   size_t size)
{
    if (guess == GUESS_CDROM)
        return (struct content){"a CD or DVD", "-cdrom", guess};
    if (guess == GUESS_FLOPPY)
        return (struct content){"a floppy disk", "-fda", guess};
    snprintf(text, size, "a disk (%s)", format);
    return (struct content){text, "-hda", guess};
}

/* c->option NULL: nothing that could be opened. text holds what c->what may point to. A file with a
 * kernel's header is a kernel even if it could boot as a disk, too: bzImages were floppies once. */
static bool look(const char *path, struct content *c, char *text, size_t size, struct error *err)
{
    struct boot_image head;
    enum drive_guess guess;
    const char *format, *kernel;

    *c = (struct content){NULL, NULL, GUESS_UNKNOWN};
    if (!read_head(path, &head, err))
        return false;
    kernel = gzip_probe(&head) ? compressed_kernel(path) : kernel_name(&head);
    free(head.data);
    if (kernel) {
        *c = (struct content){kernel, "-kernel", GUESS_UNKNOWN};
        return true;
    }
    if (!drive_guess(path, &guess, &format, err))
        return false;
    if (guess != GUESS_UNKNOWN)
        *c = disk_content(guess, format, text, size);
    return true;
}

static bool open_as(struct settings *s, const struct content *c, const char *path,
                    struct error *err)
{
    switch (c->guess) {
    case GUESS_UNKNOWN:
        s->kernel = path;
        return true;
    case GUESS_CDROM:
        return drives_add_cdrom(s, path, err);
    case GUESS_FLOPPY:
        return drives_add_floppy(s, 0, path, err);
    default:
        return drives_add_disk(s, 0, path, err);
    }
}

const char *open_by_content(struct settings *s, const char *path, struct error *err)
{
    struct content c;
    char text[64];

    if (!look(path, &c, text, sizeof(text), err))
        return NULL;
    if (!c.option)
        error_set(err,
                  "%s: neither a kernel nor a disk, CD or floppy by its content; say what it "
                  "is: -kernel, -hda, -cdrom or -bios",
                  path);
    else if (c.guess == GUESS_UNKNOWN && s->kernel)
        error_set(err, "%s: an option is expected; the kernel is %s already", path, s->kernel);
    if (err->text[0])
        return NULL;
    fprintf(stderr, "calque: %s is %s: calque %s %s\n", path, c.what, c.option, path);
    return open_as(s, &c, path, err) ? c.option : NULL;
}

/* ---- `calque` alone ---- */

static unsigned show(const char *name)
{
    struct content c;
    struct stat st;
    char text[64], size[32];

    if (stat(name, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < 512 ||
        !look(name, &c, text, sizeof(text), NULL) || !c.option)
        return 0;
    fprintf(stderr, "  calque %-30s %s, %s\n", name, c.what,
            size_format((uint64_t)st.st_size, size));
    return 1;
}

static int not_hidden(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

void print_examples(void)
{
    struct dirent **list = NULL;
    int n = scandir(".", &list, not_hidden, alphasort);
    unsigned found = 0;

    fputs("calque: what shall it run?\n"
          "  calque installer.iso           a CD's menu\n"
          "  calque -m 1G disk.qcow2        a disk, with 1 GiB of memory\n"
          "  calque -nographic -append console=ttyS0 -initrd initrd.gz vmlinuz\n",
          stderr);
    fputs("In this folder:\n", stderr);
    for (int i = 0; i < n; i++) {
        if (i < ENTRIES_MAX && found < FOUND_MAX)
            found += show(list[i]->d_name);
        free(list[i]);
    }
    free(list);
    if (!found)
        fputs("  nothing that it knows\n", stderr);
    else if (found == FOUND_MAX)
        fputs("  ...\n", stderr);
    fputs("calque --help lists the options\n", stderr);
}
