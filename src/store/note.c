/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/note.h"

#include <stdint.h>

#include "base/digest.h"
#include "store/atomic.h"

void note_put(struct buf *out, const struct buf *payload)
{
	enc_le64(out, digest_checksum(payload->data, payload->len));
	enc_bytes(out, payload->data, payload->len);
}

bool note_next(struct dec *dec, size_t max, struct dec *payload)
{
	uint64_t checksum = dec_le64(dec);
	size_t len = 0;
	const unsigned char *bytes = dec_bytes(dec, max, &len);

	if (dec->bad || digest_checksum(bytes, len) != checksum)
		return false;
	dec_init(payload, bytes, len);
	return true;
}

bool note_load(int dirfd, const char *name, struct buf *bytes, struct dec *payload)
{
	struct dec file;

	if (atomic_read(dirfd, name, NOTE_FILE_MAX, bytes, NULL) != 1)
		return false;
	dec_init(&file, bytes->data, bytes->len);
	return note_next(&file, NOTE_FILE_MAX, payload);
}

int note_save(int dirfd, const char *name, const struct buf *payload, struct err *err)
{
	AUTO_BUF bytes = BUF_INIT;

	note_put(&bytes, payload);
	return atomic_write(dirfd, name, bytes.data, bytes.len, err);
}
