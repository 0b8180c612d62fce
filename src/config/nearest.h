/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * "Did you mean ...?": the known word nearest to a mistyped one.
 *
 *	struct nearest near = nearest_to(typed);
 *	nearest_try(&near, word, strlen(word));	(for each known word)
 *	if (near.word) ...
 *
 * The distance counts insertions, deletions, replacements and swaps of two
 * neighbours (optimal string alignment, after Damerau, "A technique for computer
 * detection and correction of spelling errors", CACM 7(3), 1964), without regard
 * to case.  What is further away than a third of the typed word is no suggestion.
 */
#ifndef CONFIG_NEAREST_H
#define CONFIG_NEAREST_H

#include <stddef.h>

struct nearest {
	const char *typed;
	const char *word; /* the best so far, NULL while there is none near enough */
	size_t len;	  /* of word */
	unsigned distance;
};

struct nearest nearest_to(const char *typed);
/* Consider word[0..len) (kept, not copied). O(length squared). */
void nearest_try(struct nearest *nearest, const char *word, size_t len);

#endif
