/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_GUNZIP_H
#define CALQUE_MACHINES_GUNZIP_H

#include "machines/boot.h"

/* True if the file is gzip'ed (RFC 1952). */
bool gzip_probe(const struct boot_image *image);
/* Puts what is packed in it, at most max bytes, in its place. */
bool gunzip(struct boot_image *image, size_t max, struct error *err);

#endif
