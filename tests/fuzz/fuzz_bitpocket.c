/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What lies in a folder of bitpocket's: four files, with a line of "=====" between them.  Properties:
 * what is taken over can be read again (the patterns by the filter, the keys by their names), and whatever
 * the patterns are, bitpocket's own folder stays out of what is synced.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/keys.h"
#include "config/parse.h"
#include "config/problems.h"
#include "model/filter.h"
#include "setup/bitpocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char separator[] = "=====\n";

static const char *get(void *context, const char *name)
{
	(void)context;
	return strcmp(name, "HOME") == 0 ? "/home/me" : NULL;
}

static void split(const uint8_t *data, size_t size, struct buf texts[BITPOCKET_FILES])
{
	for (int i = 0; i < BITPOCKET_FILES && size > 0; i++) {
		const uint8_t *end = memmem(data, size, separator, strlen(separator));
		size_t len = end ? (size_t)(end - data) : size;

		buf_add(&texts[i], data, len);
		len += end ? strlen(separator) : 0;
		data += len;
		size -= len;
	}
}

static void check_rules(const struct rules *rules)
{
	struct filter *filter = filter_new();
	AUTO_BUF file = BUF_INIT;

	rules_finish(rules, &file);
	assert(filter_add_text(filter, FILTER_EXCLUDE, buf_cstr(&file), file.len, "f", NULL) == 0);
	assert(filter_excludes(filter, ".bitpocket", true));
	filter_free(filter);
}

static void check_sets(const struct bitpocket *pocket)
{
	for (size_t i = 0; i < pocket->count; i++) {
		const char *equals = strchr(pocket->sets[i], '=');
		AUTO_FREE char *name =
			equals ? xstrndup(pocket->sets[i], (size_t)(equals - pocket->sets[i]))
			       : NULL;

		assert(name && keys_find(name));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct parse_lookup lookup = { get, NULL };
	AUTO_BITPOCKET pocket = { 0 };
	AUTO_PROBLEMS problems = PROBLEMS_INIT;

	split(data, size, pocket.texts);
	bitpocket_read(&pocket, "/home/me/box", size % 2, &lookup, &problems);
	/* Beyond what a filter holds it would be refused as a whole. */
	if (size < FILTER_RULES_MAX)
		check_rules(&pocket.rules);
	check_sets(&pocket);
	assert(size % 2 || pocket.target || problems_stop(&problems));
	return 0;
}
