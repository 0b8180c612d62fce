/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames made smaller for the line, with zstd: one PACKED frame around many.  This is the sending end,
 * peer/unpacker.h the receiving one.
 *
 * Each direction of a connection has one stream of zstd, in which the PACKED frames are pieces that were
 * flushed: what one holds can be read as soon as it is there.  Between them frames go as they are, so that
 * whoever sends may decide anew each time, and a sign of life from another thread fits in between.
 *
 * PACKER_AUTO packs where the line is slower than PACKER_FAST and what is sent gets smaller.  A line about
 * which nothing is known counts as slow, until it has taken PACKER_PROBE bytes: a run that says little
 * says it in few bytes, and one that says much knows soon.  What does not get smaller, or takes longer than
 * it saves, is tried again after more and more bytes.  zstd's memory (some 2 MiB) is taken when something is
 * packed first.
 */
#ifndef PEER_PACKER_H
#define PEER_PACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct packer;

enum packer_mode { PACKER_OFF, PACKER_AUTO, PACKER_ON };

enum {
	/* Bytes a second: a tenth of what zstd packs, so it never is what is waited for. */
	PACKER_FAST = 20 * 1024 * 1024,
	/* Bytes: what the buffers between two processes and a line take, and such a line in PACKER_SPEED_MS. */
	PACKER_PROBE = 4 * 1024 * 1024,
	PACKER_SPEED_MS = 200, /* in less, a fast line may just not have been given a processor */
	PACKER_LEAST = 256,    /* bytes: less is not worth a header and a flush */
	PACKER_BLOCK = 128 * 1024, /* bytes of frames that are packed at once */
	PACKER_SKIP_MIN =
		256 * 1024, /* bytes that go as they are after some that did not get smaller */
	PACKER_SKIP_MAX = 2 * 1024 * 1024, /* trying costs a few percent of what packing would */
};

/* What a line takes: only the time counts in which something waited for it. */
struct packer_speed {
	int64_t rate; /* bytes a second; 0: not known; INT64_MAX: never seen to be waited for */
	int64_t last_ms;
	int64_t busy_ms;
	int64_t busy_bytes;
	int64_t free_bytes;
	bool waits; /* the last write left something */
};

/* At now_ms the line took so many bytes, and left some or none. */
void packer_speed_note(struct packer_speed *speed, int64_t now_ms, size_t bytes, bool left);

/*
 * Whether it pays to make `packed` out of `len` bytes where that takes so long: they must get smaller, and
 * save twice that time on the line.  A processor with too much to do makes a fast line look slow.
 */
bool packer_pays(const struct packer_speed *speed, size_t len, size_t packed, int64_t took_us);

/* NULL for PACKER_OFF. */
struct packer *packer_new(enum packer_mode mode);
void packer_free(struct packer *packer);
/* What the line did, as packer_speed_note(). NULL: nothing happens. */
void packer_note(struct packer *packer, int64_t now_ms, size_t bytes, bool left);
/*
 * Move frames from the front of `out` (whole ones only) to `wire`, which is empty: all of them as they
 * are, as with packer NULL, or some of them as one PACKED frame.
 */
void packer_take(struct packer *packer, struct buf *out, struct buf *wire);

#endif
