/* SPDX-License-Identifier: BSD-2-Clause */
#include "peer/packer.h"

#include <stdlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/err.h"
#include "peer/frame.h"
#include "peer/protocol.h"

enum {
	SPEED_BYTES = 1024 * 1024,
	SPEED_LONG_MS = 1000, /* a very slow line says enough with fewer */
	LEVEL = 3,	      /* some 200 MB/s */
	/* Sixteenths of what it was that packing must leave at most to be worth it. */
	WORTH = 15,
};

struct packer {
	enum packer_mode mode;
	ZSTD_CCtx *zstd; /* NULL until something is packed */
	struct packer_speed speed;
	size_t skip;   /* bytes that still go as they are, */
	size_t missed; /* and how many did after what was last tried in vain */
};

/* Speed ----------------------------------------------------------------------- */

static void know(struct packer_speed *speed, int64_t rate)
{
	speed->rate = rate;
	speed->busy_ms = speed->busy_bytes = speed->free_bytes = 0;
}

void packer_speed_note(struct packer_speed *speed, int64_t now_ms, size_t bytes, bool left)
{
	if (speed->waits) {
		speed->busy_ms += now_ms - speed->last_ms;
		speed->busy_bytes += (int64_t)bytes;
	} else {
		speed->free_bytes += (int64_t)bytes;
	}
	speed->waits = left;
	speed->last_ms = now_ms;
	if (speed->busy_ms >= PACKER_SPEED_MS &&
	    (speed->busy_bytes >= SPEED_BYTES || speed->busy_ms >= SPEED_LONG_MS))
		know(speed, speed->busy_bytes * 1000 / speed->busy_ms);
	else if (speed->busy_bytes + speed->free_bytes >= PACKER_PROBE)
		know(speed, INT64_MAX);
}

/* Packing --------------------------------------------------------------------- */

struct packer *packer_new(enum packer_mode mode)
{
	struct packer *packer = NULL;

	if (mode == PACKER_OFF)
		return NULL;
	packer = xcalloc(1, sizeof(*packer));
	packer->mode = mode;
	return packer;
}

void packer_free(struct packer *packer)
{
	if (!packer)
		return;
	ZSTD_freeCCtx(packer->zstd);
	free(packer);
}

void packer_note(struct packer *packer, int64_t now_ms, size_t bytes, bool left)
{
	if (packer)
		packer_speed_note(&packer->speed, now_ms, bytes, left);
}

static bool is_worth_trying(const struct packer *packer)
{
	if (packer->mode == PACKER_ON)
		return true;
	return packer->skip == 0 && packer->speed.rate < PACKER_FAST;
}

/* The bytes of the frames from the front that are packed together; 0: the first is too long for that. */
static size_t block_len(const struct buf *out)
{
	size_t len = 0;

	while (len < out->len && len < PACKER_BLOCK) {
		struct frame frame;
		size_t size = 0;

		if (frame_parse(out->data + len, out->len - len, &frame, &size, NULL) <= 0 ||
		    len + size > PEER_PACKED_MAX)
			break;
		len += size;
	}
	return len;
}

static void start_zstd(struct packer *packer)
{
	if (packer->zstd)
		return;
	packer->zstd = ZSTD_createCCtx();
	if (!packer->zstd)
		err_die("out of memory: zstd");
	ZSTD_CCtx_setParameter(packer->zstd, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(packer->zstd, ZSTD_c_windowLog, PEER_PACK_WINDOW_LOG);
}

/* Append a PACKED frame around data[0..len); the size of what it holds. */
static size_t pack(struct packer *packer, const void *data, size_t len, struct buf *wire)
{
	size_t start = frame_begin(wire, PEER_PACKED);
	ZSTD_inBuffer in = { data, len, 0 };
	size_t before = 0;
	size_t left = 0;

	start_zstd(packer);
	enc_uint(wire, len);
	before = wire->len;
	do {
		size_t room = ZSTD_compressBound(len) + ZSTD_CStreamOutSize();
		ZSTD_outBuffer out = { buf_extend(wire, room), room, 0 };

		left = ZSTD_compressStream2(packer->zstd, &out, &in, ZSTD_e_flush);
		wire->len -= room - out.pos;
		if (ZSTD_isError(left))
			err_die("out of memory: zstd");
	} while (left > 0);
	frame_end(wire, start);
	return wire->len - before;
}

bool packer_pays(const struct packer_speed *speed, size_t len, size_t packed, int64_t took_us)
{
	int64_t saved = (int64_t)len - (int64_t)packed;

	if (packed > len / 16 * WORTH)
		return false;
	return speed->rate == 0 || took_us < saved * 500000 / speed->rate;
}

/* What does not pay is tried again after twice as much as the last time. */
static void judge(struct packer *packer, size_t len, size_t packed, int64_t took_us)
{
	if (packer_pays(&packer->speed, len, packed, took_us)) {
		packer->missed = 0;
		return;
	}
	packer->missed = packer->missed ? packer->missed * 2 : PACKER_SKIP_MIN;
	if (packer->missed > PACKER_SKIP_MAX)
		packer->missed = PACKER_SKIP_MAX;
	packer->skip = packer->missed;
}

void packer_take(struct packer *packer, struct buf *out, struct buf *wire)
{
	size_t len = packer && is_worth_trying(packer) ? block_len(out) : 0;
	int64_t begun_ns = 0;
	size_t packed = 0;

	if (len < PACKER_LEAST) {
		struct buf all = *out;

		if (packer)
			packer->skip -= packer->skip < out->len ? packer->skip : out->len;
		*out = *wire;
		*wire = all;
		return;
	}
	begun_ns = clock_monotonic_ns();
	packed = pack(packer, out->data, len, wire);
	judge(packer, len, packed, (clock_monotonic_ns() - begun_ns) / 1000);
	buf_consume(out, len);
}
