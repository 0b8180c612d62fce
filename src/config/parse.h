/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The grammar of a configuration file: the part of bash that osync 1.3's files
 * are made of, read and never executed.
 *
 *	file    = line*				a CR before the end of a line is dropped
 *	line    = blanks [comment] | section | KEY "=" value blanks [comment]
 *	section = "[" any "]"			decoration
 *	KEY     = [A-Za-z_][A-Za-z0-9_]*
 *	value   = ["~"] piece*			"~" before "/" or alone: $HOME
 *	piece   = bare | "\" any | '...' | "..." | "$NAME" | "${NAME}"
 *	comment = "#" any			after a blank, or at the start of a line
 *
 * Between double quotes a backslash takes away the meaning of " \ $ and `, and
 * stays before anything else.  Pieces are put together as they stand; nothing is
 * split or matched against files.  A quote ends on its line.  Unlike bash, a "~"
 * behind a ':' stays one: there are no search paths here.
 *
 * Refused, since bash would do something else than set a value: unquoted
 * ; & | < > ( ), commands in $( ) or backticks, ${NAME:-...} and its kind, $1 and
 * its kind, export, arrays, +=, a second word, a name that is not set.  Each is an
 * error of its line; reading goes on with the next.
 *
 * Warned about: a key after blanks, a key that is set twice (the last one counts).
 *
 * Pure: bytes and a look-up in, values and problems out.  What the keys mean is
 * config/keys.h.
 */
#ifndef CONFIG_PARSE_H
#define CONFIG_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

struct problems;

enum {
	PARSE_FILE_MAX = 1024 * 1024,	   /* bytes of a file: a thousand times what is usual */
	PARSE_VALUE_MAX = 64 * 1024,	   /* bytes of one value after expansion */
	PARSE_TOTAL_MAX = 4 * 1024 * 1024, /* bytes of all values after expansion */
	PARSE_KEYS_MAX = 5000,		   /* assignments in a file */
};

struct assignment {
	const char *key;
	const char *value;
	unsigned line;
	bool used;   /* a later line expands it: a helper, not a mistyped key */
	bool broken; /* its line was refused: the key was meant, the value is unknown ("") */
};

/* In the order of the file; of a key that comes again, the last one counts. */
struct assignments {
	struct assignment *items;
	size_t count;
	size_t cap;
	size_t bytes; /* of all values */
	struct arena arena;
};

#define ASSIGNMENTS_INIT                  \
	{                                 \
		NULL, 0, 0, 0, ARENA_INIT \
	}
#define AUTO_ASSIGNMENTS AUTO(assignments_release) struct assignments

void assignments_release(struct assignments *assignments);

/* The environment: get() returns the value of a name or NULL. HOME is asked for "~". */
struct parse_lookup {
	const char *(*get)(void *context, const char *name);
	void *context;
};

/*
 * Read text[0..len) and add its assignments to *out and what is wrong to *problems,
 * both with lines of `file` (kept, not copied, for as long as *problems is filled).
 * A name is looked up in `lookup`, then among the keys above it.
 */
void parse_text(const char *text, size_t len, const char *file, const struct parse_lookup *lookup,
		struct assignments *out, struct problems *problems);

#endif
