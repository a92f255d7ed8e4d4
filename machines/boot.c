/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that are loaded into a machine. */
#include "machines/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"

static bool read_all(struct boot_image *image, FILE *f, size_t max, struct error *err)
{
    struct stat st;

    if (fstat(fileno(f), &st) || !S_ISREG(st.st_mode))
        return error_set(err, "%s: not a regular file", image->name);
    if (st.st_size <= 0 || (uint64_t)st.st_size > max)
        return error_set(err, "%s: %lld bytes long, expected 1 to %zu", image->name,
                         (long long)st.st_size, max);
    image->data = malloc((size_t)st.st_size);
    if (!image->data)
        return error_set(err, "%s: no memory for %lld bytes", image->name, (long long)st.st_size);
    /* The file may have become shorter since; what was read is what there is. */
    image->size = fread(image->data, 1, (size_t)st.st_size, f);
    if (image->size == 0)
        return error_set(err, "%s: cannot be read: %s", image->name, strerror(errno));
    return true;
}

bool boot_image_read(struct boot_image *image, const char *path, size_t max, struct error *err)
{
    int fd =
        open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer would block */
    FILE *f = fd >= 0 ? fdopen(fd, "rb") : NULL;
    bool ok;

    *image = (struct boot_image){.name = path};
    if (!f)
        return error_set(err, "%.200s: cannot be opened: %s", path, strerror(errno));
    ok = read_all(image, f, max, err);
    fclose(f);
    if (!ok)
        boot_image_free(image);
    return ok;
}

void boot_image_free(struct boot_image *image)
{
    free(image->data);
    image->data = NULL;
    image->size = 0;
}
