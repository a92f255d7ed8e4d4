/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory for host code: one memfd, mapped once to be written and once to be run, so that no page
 * is ever both. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "translator/internal.h"

bool code_cache_init(struct code_cache *c, uint64_t size, struct error *err)
{
    *c = (struct code_cache){.fd = memfd_create("calque-code", MFD_CLOEXEC), .size = size};
    if (c->fd < 0 || ftruncate(c->fd, (off_t)size) < 0) {
        error_set(err, "code cache: %s", strerror(errno));
        code_cache_destroy(c);
        return false;
    }
    void *rw = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
    if (rw != MAP_FAILED)
        c->rw = rw;
    void *rx = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, c->fd, 0);
    if (rx != MAP_FAILED)
        c->rx = rx;
    if (c->rw && c->rx)
        return true;
    error_set(err, "code cache: no executable memory: %s", strerror(errno));
    code_cache_destroy(c);
    return false;
}

void code_cache_destroy(struct code_cache *c)
{
    if (c->rw)
        munmap(c->rw, c->size);
    if (c->rx)
        munmap(c->rx, c->size);
    if (c->fd >= 0)
        close(c->fd);
    *c = (struct code_cache){.fd = -1};
}
