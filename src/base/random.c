/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/random.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/err.h"

void random_bytes(void *out, size_t len)
{
	unsigned char *pos = out;

	while (len > 0) {
		ssize_t got = getrandom(pos, len, 0);

		/* A signal may come while the kernel still gathers entropy, early after boot. */
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			err_die("the kernel has no random numbers");
		pos += got;
		len -= (size_t)got;
	}
}

uint64_t random_u64(void)
{
	uint64_t value = 0;

	random_bytes(&value, sizeof(value));
	return value;
}

struct uuid uuid_new(void)
{
	struct uuid uuid;

	random_bytes(uuid.bytes, sizeof(uuid.bytes));
	uuid.bytes[6] = (unsigned char)((uuid.bytes[6] & 0x0f) | 0x40);
	uuid.bytes[8] = (unsigned char)((uuid.bytes[8] & 0x3f) | 0x80);
	return uuid;
}

bool uuid_is_none(const struct uuid *uuid)
{
	static const struct uuid none;

	return uuid_same(uuid, &none);
}

bool uuid_same(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* Whether a dash stands before byte i. */
static bool dash_before(size_t i)
{
	return i == 4 || i == 6 || i == 8 || i == 10;
}

void uuid_text(const struct uuid *uuid, char out[static UUID_TEXT_LEN + 1])
{
	char *pos = out;

	for (size_t i = 0; i < sizeof(uuid->bytes); i++) {
		if (dash_before(i))
			*pos++ = '-';
		snprintf(pos, 3, "%02x", uuid->bytes[i]);
		pos += 2;
	}
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int uuid_parse(const char *text, struct uuid *out)
{
	if (strnlen(text, UUID_TEXT_LEN) < UUID_TEXT_LEN)
		return -1;
	for (size_t i = 0; i < sizeof(out->bytes); i++) {
		if (dash_before(i) && *text++ != '-')
			return -1;
		int high = hex_value(text[0]);
		int low = hex_value(text[1]);

		if (high < 0 || low < 0)
			return -1;
		out->bytes[i] = (unsigned char)(high << 4 | low);
		text += 2;
	}
	return 0;
}
