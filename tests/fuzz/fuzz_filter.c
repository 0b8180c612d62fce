/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules that anybody may have written, and those that come over the wire.
 *
 * The input is a path and, behind the first NUL, either a from-file or (where the path
 * is empty) an encoded filter.  What is promised: no pattern takes more steps than its
 * contract says, a filter that went over the wire says the same, and a path written as a
 * pattern, every byte escaped, matches itself.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/path.h"
#include "model/filter.h"
#include "model/glob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Longer inputs find nothing new, only slower. */
enum { INPUT_BYTES = 8192 };

static void check_steps(const char *pattern, size_t len, const char *path)
{
	struct arena arena = ARENA_INIT;
	struct glob *glob = glob_compile(&arena, pattern, len);

	for (unsigned flags = 0; flags < 8; flags++) {
		size_t steps = 0;

		glob_match(glob, path, flags, &steps);
		assert(steps <= (strlen(path) + 3) * (len + 1));
	}
	arena_release(&arena);
}

static void check_escaped(const char *path)
{
	struct arena arena = ARENA_INIT;
	AUTO_BUF pattern = BUF_INIT;
	struct glob *glob = NULL;

	for (const char *pos = path; *pos; pos++) {
		buf_addch(&pattern, '\\');
		buf_addch(&pattern, *pos);
	}
	if (pattern.len <= GLOB_PATTERN_MAX) {
		glob = glob_compile(&arena, buf_cstr(&pattern), pattern.len);
		assert(glob_match(glob, path, 0, NULL));
	}
	arena_release(&arena);
}

/* What a filter says must survive the wire. */
static void check_wire(const struct filter *filter, const char *path)
{
	AUTO_BUF wire = BUF_INIT;
	struct dec dec;
	struct filter *copy = NULL;

	filter_encode(&wire, filter);
	dec_init(&dec, wire.data, wire.len);
	copy = filter_decode(&dec);
	assert(copy && dec_done(&dec));
	assert(filter_checksum(copy) == filter_checksum(filter));
	for (int is_dir = 0; is_dir < 2; is_dir++)
		assert(filter_excludes(copy, path, is_dir) ==
		       filter_excludes(filter, path, is_dir));
	filter_free(copy);
}

static void decode_anything(const uint8_t *data, size_t size)
{
	struct dec dec;
	struct filter *filter = NULL;

	dec_init(&dec, data, size);
	filter = filter_decode(&dec);
	assert((filter == NULL) == dec.bad);
	if (filter)
		check_wire(filter, "a/b");
	filter_free(filter);
}

static void read_rules(const char *path, const char *text, size_t len)
{
	struct filter *filter = filter_new();

	if (len > 0 && len <= GLOB_PATTERN_MAX && !memchr(text, '\0', len))
		check_steps(text, len, path);
	(void)filter_add_text(filter, FILTER_EXCLUDE, text, len, "f", NULL);
	check_wire(filter, path);
	filter_free(filter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size > 0 ? memchr(data, 0, size) : NULL;
	size_t path_len = nul ? (size_t)(nul - data) : 0;
	char *path = NULL;

	if (!nul || size > INPUT_BYTES)
		return 0;
	path = xstrndup((const char *)data, path_len);
	if (path_len == 0) {
		decode_anything(nul + 1, size - 1);
	} else if (path_valid(path, path_len)) {
		check_escaped(path);
		read_rules(path, (const char *)nul + 1, size - path_len - 1);
	}
	free(path);
	return 0;
}
