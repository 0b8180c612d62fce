/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decoding bytes that anybody may have sent.
 *
 * The first byte chooses: an entry, a base, or a row of values whose kinds the input names
 * too.  What is promised: nothing outside the input is read, what is bad reads as zero, and
 * what is taken can be encoded and decoded again to the same.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec.h"
#include "model/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_entry(struct dec *dec)
{
	static const struct entry nothing;
	AUTO(arena_release) struct arena arena = ARENA_INIT;
	AUTO_BUF first = BUF_INIT;
	AUTO_BUF second = BUF_INIT;
	struct entry entry;
	struct entry again;

	entry_decode(dec, &arena, &entry);
	if (dec->bad) {
		assert(memcmp(&entry, &nothing, sizeof(entry)) == 0);
		return;
	}
	assert(entry.type <= ENTRY_SPECIAL && entry.mode <= 07777);
	assert(!entry.link || (entry.type == ENTRY_SYMLINK && strlen(entry.link) <= 65535));
	assert(entry_same_stat(&entry, &entry));
	entry_encode(&first, &entry);
	dec_init(dec, first.data, first.len);
	entry_decode(dec, &arena, &again);
	assert(dec_done(dec) && entry_same_stat(&entry, &again));
	entry_encode(&second, &again);
	assert(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
}

static void check_base(struct dec *dec)
{
	AUTO(arena_release) struct arena arena = ARENA_INIT;
	AUTO_BUF first = BUF_INIT;
	AUTO_BUF second = BUF_INIT;
	struct base base;
	struct base again;

	base_decode(dec, &arena, &base);
	assert(base.type <= ENTRY_SPECIAL && !base.side[0].link && !base.side[1].link);
	if (dec->bad) {
		assert(base.type == ENTRY_ABSENT && base.side[1].type == ENTRY_ABSENT);
		return;
	}
	base_encode(&first, &base);
	dec_init(dec, first.data, first.len);
	base_decode(dec, &arena, &again);
	assert(dec_done(dec) && digest_same(&base.digest, &again.digest));
	for (int s = 0; s < SIDES; s++)
		assert(entry_same_stat(&base.side[s], &again.side[s]) &&
		       digest_same(&base.side[s].digest, &again.side[s].digest));
	base_encode(&second, &again);
	assert(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
}

static void check_value(struct dec *dec, unsigned kind, struct arena *arena)
{
	unsigned char raw[20] = "";
	size_t len = 1;
	const unsigned char *bytes = NULL;

	switch (kind % 8) {
	case 0:
		dec_uint(dec);
		break;
	case 1:
		dec_int(dec);
		break;
	case 2:
		dec_u32(dec);
		break;
	case 3:
		bytes = dec_bytes(dec, 100, &len);
		assert(len <= 100 && (bytes || (len == 0 && dec->bad)));
		break;
	case 4:
		assert(strlen(dec_str(dec, 100, arena)) <= 100);
		break;
	case 5:
		dec_raw(dec, raw, sizeof(raw));
		break;
	case 6:
		dec_le64(dec);
		break;
	default:
		dec_le32(dec);
		break;
	}
}

/* Kinds first, values after them. */
static void check_values(struct dec *dec)
{
	AUTO(arena_release) struct arena arena = ARENA_INIT;
	size_t count = 0;
	const unsigned char *kinds = dec_bytes(dec, 100, &count);

	for (size_t i = 0; i < count; i++) {
		size_t before = dec_left(dec);

		check_value(dec, kinds[i], &arena);
		assert(dec_left(dec) <= before);
		/* Bad once is bad for good. */
		if (dec->bad)
			assert(dec_left(dec) == 0 && dec_uint(dec) == 0 && !dec_done(dec));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dec dec;

	dec_init(&dec, data, size);
	switch (dec_u8(&dec) % 3) {
	case 0:
		check_entry(&dec);
		break;
	case 1:
		check_base(&dec);
		break;
	default:
		check_values(&dec);
		break;
	}
	return 0;
}
