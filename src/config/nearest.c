/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/nearest.h"

#include <ctype.h>
#include <string.h>

/* Longer words than our longest key and then some are not compared. */
enum { WORD_MAX_LEN = 48 };

struct nearest nearest_to(const char *typed)
{
	unsigned len = (unsigned)strnlen(typed, WORD_MAX_LEN + 1);

	/* One more than what is still near: nearest_try() wants less. */
	return (struct nearest){ typed, NULL, 0, len / 3 + 1 };
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static int same(char a, char b)
{
	return toupper((unsigned char)a) == toupper((unsigned char)b);
}

static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned d[WORD_MAX_LEN + 1][WORD_MAX_LEN + 1];

	for (size_t i = 0; i <= a_len; i++)
		d[i][0] = (unsigned)i;
	for (size_t j = 0; j <= b_len; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		for (size_t j = 1; j <= b_len; j++) {
			d[i][j] = d[i - 1][j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1);
			d[i][j] = least(d[i][j], d[i - 1][j] + 1);
			d[i][j] = least(d[i][j], d[i][j - 1] + 1);
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[a_len][b_len];
}

void nearest_try(struct nearest *nearest, const char *word, size_t len)
{
	size_t typed_len = strnlen(nearest->typed, WORD_MAX_LEN + 1);
	unsigned found = 0;
	size_t longer = typed_len > len ? typed_len : len;
	size_t shorter = typed_len > len ? len : typed_len;

	/* The difference in length is a lower bound: most words need no closer look. */
	if (longer > WORD_MAX_LEN || longer - shorter >= nearest->distance)
		return;
	found = distance(nearest->typed, typed_len, word, len);
	if (found < nearest->distance) {
		nearest->distance = found;
		nearest->word = word;
		nearest->len = len;
	}
}
