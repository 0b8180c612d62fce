/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Notes: records in a file, for the run that comes after a killed one. Each stands behind
 * its checksum (digest_checksum), so that a reader stops at the first that is torn.
 */
#ifndef STORE_NOTE_H
#define STORE_NOTE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/codec.h"

struct err;

/* Append `payload` as one record. */
void note_put(struct buf *out, const struct buf *payload);

/*
 * The next record's payload, of at most `max` bytes, borrowed from what `dec` reads. False, with
 * `payload` untouched, where it is not whole: what follows is not to be read.
 */
bool note_next(struct dec *dec, size_t max, struct dec *payload);

/*
 * A small file that is one record: at most NOTE_FILE_MAX bytes of it are read. Where there is none, or
 * nothing whole, note_load is false; else `payload` reads what is in `bytes`. note_save replaces it (durable,
 * see atomic_write).
 */
enum { NOTE_FILE_MAX = 256 /* bytes; those there are have some sixty */ };
bool note_load(int dirfd, const char *name, struct buf *bytes, struct dec *payload);
int note_save(int dirfd, const char *name, const struct buf *payload, struct err *err);

#endif
