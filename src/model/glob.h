/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Wildcard patterns over paths, with the meaning they have in rsync(1),
 * "PATTERN MATCHING RULES"; written from that page and from what rsync does.
 *
 *	?	any byte but '/'
 *	*	any number of bytes, none of them '/'
 *	**	any number of bytes; three and more stars in a row are the same
 *	[abc]	one of these bytes, never '/'; ranges (a-z), [!...] and [^...] for
 *		"none of", classes such as [:alpha:] inside; ']' in the first place and
 *		'-' in the first or last are themselves; a backslash takes the next byte
 *		as it is
 *	\x	the byte x
 *
 * Bytes are bytes: '?' is half of a two-byte character, and the classes hold ASCII
 * characters only, as they do for rsync in any UTF-8 locale and in C.
 *
 * A pattern is compiled once into tokens.  To match, every token that can be next is
 * carried along while the text is read once, so there is no backtracking: the cost
 * is at most the product of both lengths, whatever the pattern (Thompson, "Regular
 * expression search algorithm", CACM 11(6), 1968).
 */
#ifndef MODEL_GLOB_H
#define MODEL_GLOB_H

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct glob;

/* In bytes, of one pattern. */
enum { GLOB_PATTERN_MAX = 4096 };

enum glob_flag {
	GLOB_TAIL = 1,	       /* the match may begin at any component, not only at the first */
	GLOB_SLASH_BEFORE = 2, /* match as if a '/' stood before the text */
	GLOB_SLASH_AFTER = 4,  /* match as if a '/' stood behind the text */
};

/*
 * Compile `len` bytes without NUL, at most GLOB_PATTERN_MAX (asserted).  The result lives
 * in the arena.  Never fails: what has no meaning (an open '[', an unknown class, a lone
 * backslash at the end) compiles to something that matches nothing, as it does in rsync.
 */
struct glob *glob_compile(struct arena *arena, const char *pattern, size_t len);

/*
 * Whether all of `text` (or, with GLOB_TAIL, all from the beginning of some component on)
 * matches.  `flags` are of enum glob_flag.  `steps` may be NULL; otherwise it is increased
 * by the tokens looked at, at most (strlen(text) + 3) * (length of the pattern + 1).
 */
bool glob_match(const struct glob *glob, const char *text, unsigned flags, size_t *steps);

#endif
