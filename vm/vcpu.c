/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm/vcpu.h"

#include "vm/machine.h"

void vcpu_kick(struct vcpu *v)
{
    atomic_store(&v->exit_req, 1);
    if (v->ops && v->ops->kick) /* not if nothing runs it */
        v->ops->kick(v);
    if (v->m)
        pthread_cond_broadcast(&v->m->run.wake);
}
