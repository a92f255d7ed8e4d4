/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/kvm/kvm.h"

bool kvm_probe(struct error *err)
{
    (void)err;
    return true;
}
