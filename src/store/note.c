/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/note.h"

#include <stdint.h>

#include "base/digest.h"

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
