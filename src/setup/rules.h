/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Patterns of bitpocket's files, put together into one file for RSYNC_EXCLUDE_FROM.
 *
 * bitpocket hands rsync --exclude /.bitpocket, what RSYNC_OPTS says, --filter "merge .bitpocket/filter",
 * --include-from .bitpocket/include and --exclude-from .bitpocket/exclude, in this order, and the
 * first rule that matches decides.  In a file for --exclude-from a line may say its kind itself ("+ "
 * or "- "), so that one such file holds them all, in order; a "!" that forgets the rules before it is
 * carried out while they are put together.  The first rule is always "- /.bitpocket", which nothing
 * forgets: there is a key in there.
 *
 * A rule that is more than an include or an exclude (hide, protect, merge, a modifier, ...) is a problem
 * with its line, never a guess.  Pure.
 */
#ifndef SETUP_RULES_H
#define SETUP_RULES_H

#include <stddef.h>

#include "base/buf.h"
#include "model/filter.h"

struct origin;
struct problems;

struct rules {
	struct buf text; /* lines "+ PATTERN" and "- PATTERN", without the first rule */
};

#define RULES_INIT       \
	{                \
		BUF_INIT \
	}
#define AUTO_RULES AUTO(rules_release) struct rules

void rules_release(struct rules *rules);

/* What an --exclude (or --include) option says. */
void rules_add_option(struct rules *rules, enum filter_kind kind, const char *pattern,
		      const struct origin *origin, struct problems *problems);
/* The text of a file for --exclude-from (or --include-from); `name` is for problems. */
void rules_add_patterns(struct rules *rules, enum filter_kind kind, const struct buf *text,
			const char *name, struct problems *problems);
/* The text of a file for --filter "merge FILE". */
void rules_add_filter(struct rules *rules, const struct buf *text, const char *name,
		      struct problems *problems);

/* Append the file: a head of comments, the first rule, all others. */
void rules_finish(const struct rules *rules, struct buf *out);

#endif
