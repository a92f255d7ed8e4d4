/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memsave and pmemsave. A file of its own, so that fuzz targets can be without it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "monitor/control.h"
#include "vm/machine.h"

#define COPY_SIZE 65536 /* how much is copied under one hold of the lock */

static bool write_all(int fd, const uint8_t *buf, size_t len)
{
    while (len) {
        ssize_t n = write(fd, buf, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        buf += n;
        len -= (size_t)n;
    }
    return true;
}

static bool save_piece(struct control *ctl, int cpu, uint64_t addr, size_t len, uint8_t *buf,
                       struct error *err)
{
    machine_lock(ctl->m);
    bool was_running = control_hold(ctl);
    size_t got = control_read_memory(ctl, cpu, addr, buf, len);
    control_release(ctl, was_running);
    machine_unlock(ctl->m);
    return got == len || error_set(err, "Invalid addr 0x%016llx/size %zu specified",
                                   (unsigned long long)addr, len);
}

bool control_save_memory(struct control *ctl, int cpu, uint64_t addr, uint64_t size,
                         const char *path, struct error *err)
{
    uint8_t *buf = malloc(COPY_SIZE);
    bool ok = buf || error_set(err, "out of memory");
    int fd = -1;

    if (ok) {
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
        ok = fd >= 0 || error_set(err, "Could not open '%s': %s", path, strerror(errno));
    }
    for (uint64_t done = 0; ok && done < size;) {
        size_t n = size - done < COPY_SIZE ? (size_t)(size - done) : COPY_SIZE;

        ok = save_piece(ctl, cpu, addr + done, n, buf, err) &&
             (write_all(fd, buf, n) || error_set(err, "%s: %s", path, strerror(errno)));
        done += n;
    }
    if (fd >= 0 && close(fd) < 0 && ok)
        ok = error_set(err, "%s: %s", path, strerror(errno));
    free(buf);
    return ok;
}
