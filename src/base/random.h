/* SPDX-License-Identifier: BSD-2-Clause */
/* Random numbers from the kernel, and the 128-bit identifiers made of them. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fill out[0..len) with random bytes; ends the program if the kernel has none. */
void random_bytes(void *out, size_t len);
uint64_t random_u64(void);

/* A random UUID (version 4), or all zero for "none". */
struct uuid {
	unsigned char bytes[16];
};

enum { UUID_TEXT_LEN = 36 };

struct uuid uuid_new(void);
bool uuid_is_none(const struct uuid *uuid);
bool uuid_same(const struct uuid *a, const struct uuid *b);
/* The usual 8-4-4-4-12 lower-case form and a NUL. */
void uuid_text(const struct uuid *uuid, char out[static UUID_TEXT_LEN + 1]);
/* Read that form from the first UUID_TEXT_LEN bytes of text; 0, or -1 if it is not one. */
int uuid_parse(const char *text, struct uuid *out);

#endif
