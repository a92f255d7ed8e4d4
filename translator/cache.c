/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory for host code: shared pages, mapped once to be written and once to be run, so that no page
 * is ever both. They belong to no file: for those perf(1) does not ask the perf map. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"
#include "translator/internal.h"

bool code_cache_init(struct code_cache *c, uint64_t size, struct error *err)
{
    *c = (struct code_cache){.size = size};
    void *rw = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (rw == MAP_FAILED)
        return error_set(err, "code cache: %s", strerror(errno));
    c->rw = rw;
    void *side = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (side != MAP_FAILED)
        c->side = side;
    void *rx = mremap(rw, 0, size, MREMAP_MAYMOVE); /* old size 0: a second mapping (mremap(2)) */
    if (rx != MAP_FAILED)
        c->rx = rx;
    if (rx == MAP_FAILED || mprotect(rx, size, PROT_READ | PROT_EXEC) != 0)
        error_set(err, "code cache: no executable memory: %s", strerror(errno));
    else if (!c->side)
        error_set(err, "code cache: out of memory");
    else
        return true;
    code_cache_destroy(c);
    return false;
}

void code_cache_destroy(struct code_cache *c)
{
    if (c->rw)
        munmap(c->rw, c->size);
    if (c->side)
        munmap(c->side, c->size);
    if (c->rx)
        munmap(c->rx, c->size);
    *c = (struct code_cache){0};
}
