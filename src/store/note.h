/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Notes: records appended to a file, for the run that comes after a killed one. Each stands behind
 * its checksum (digest_checksum), so that a reader stops at the first that is torn.
 */
#ifndef STORE_NOTE_H
#define STORE_NOTE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/codec.h"

/* Append `payload` as one record. */
void note_put(struct buf *out, const struct buf *payload);

/*
 * The next record's payload, of at most `max` bytes, borrowed from what `dec` reads. False, with
 * `payload` untouched, where it is not whole: what follows is not to be read.
 */
bool note_next(struct dec *dec, size_t max, struct dec *payload);

#endif
