/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rsync's include and exclude patterns, with rsync's own meaning (rsync(1), "FILTER
 * RULES" and "PATTERN MATCHING RULES"; tests/system/test_filter_rsync.py compares the
 * two on random rules).  The first rule that matches decides; none decides for
 * inclusion; a folder that is excluded hides everything below it.
 *
 *	foo	matches where the last component is foo, at any depth
 *	a/foo	matches where the last two components are a and foo
 *	/foo	matches at the root only
 *	foo/	matches folders only (a symlink to a folder is not one)
 *	*?[	wildcards, see model/glob.h; '*', '?' and '[...]' do not match '/'
 *	a**b	with "**" anywhere in it, a pattern may begin at any component and span
 *		any number of them; at its front, it also matches nothing and the '/'
 *		behind it, so that "**" "/foo" matches foo at the root too
 *	"***"	behind "foo/": matches the folder foo and everything below it
 *
 * In a pattern without wildcards a backslash is itself; where there is one of '*', '?',
 * '[', even an escaped one, it takes the next byte as it is.  Bytes are bytes, upper and
 * lower case differ.
 *
 * Lists are what the INCLUDE/EXCLUDE pattern keys hold; files are what --include-from and
 * --exclude-from read.  In both, as in rsync, a pattern may begin with "+ " or "- " to
 * say its kind itself, and a lone "!" forgets all rules so far.  There is nothing more:
 * what only --filter understands (". file", ": file", "-s foo", "hide foo") is the name
 * of a file here, as it is to rsync's --exclude.
 *
 * Differences to rsync, all of them refusals instead of a guess: an empty pattern from
 * filter_add() (rsync ignores it), a NUL byte in a file (rsync cuts the line there, so
 * that a file in UTF-16 excludes one-letter names), and a pattern of more than 4096
 * bytes (rsync drops one of 4096 or more with a warning).  Classes hold ASCII only, as
 * they do for rsync in a UTF-8 locale; in a one-byte locale rsync may count accented letters in.
 *
 * Two things are always excluded and no rule can bring them back: ".osync_workdir"
 * at any depth, and osync 1.3's ".osync-update.push" at the top; with what is below them.
 *
 * A filter is a value once built: filter_excludes() is pure and may be called in
 * the order of a walk (a folder before what is below it; the caller prunes).
 */
#ifndef MODEL_FILTER_H
#define MODEL_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct dec;
struct err;
struct filter;

/* How many rules one filter holds, in all. Far beyond what anybody writes; bounds the wire. */
enum { FILTER_RULES_MAX = 10000 };

enum filter_kind { FILTER_EXCLUDE = 0, FILTER_INCLUDE = 1 };

struct filter *filter_new(void);
void filter_free(struct filter *filter);

/*
 * Append one pattern as --include=/--exclude= would take it.  `where` says where it
 * came from for messages ("osync.conf:12").  ERR_CONFIG with what is wrong and where:
 * an empty pattern, nothing behind "+ " or "- ", a pattern longer than 4096 bytes, too
 * many rules.  An error leaves the rules added before in place.
 */
int filter_add(struct filter *filter, enum filter_kind kind, const char *pattern, const char *where,
	       struct err *err);
/* Append the patterns of `list`, separated by `separator`; empty parts are skipped. */
int filter_add_list(struct filter *filter, enum filter_kind kind, const char *list, char separator,
		    const char *where, struct err *err);
/*
 * Append what --include-from/--exclude-from would read from the file's bytes: a pattern a
 * line, ended by LF, CR or both; empty lines and lines that start with '#' or ';' are
 * skipped; spaces count.  `name` is the file's, for messages ("name:line: ...").
 */
int filter_add_text(struct filter *filter, enum filter_kind kind, const char *text, size_t len,
		    const char *name, struct err *err);

/*
 * Whether rsync would leave this path out of its file list, given that its parents
 * are in.  `path` is valid and relative to the root.  At worst O(rules * pattern length *
 * path length), whatever the patterns; O(rules) for the usual ones.
 */
bool filter_excludes(const struct filter *filter, const char *path, bool is_dir);

/* A checksum of the rules in order: equal rules, equal checksum; stable over versions. */
uint64_t filter_checksum(const struct filter *filter);

/*
 * For the wire.  Decoding is bounded (at most FILTER_RULES_MAX rules of 4096 bytes) and
 * takes what encoding wrote as it is, without prefixes.  NULL and dec->bad on nonsense.
 */
void filter_encode(struct buf *out, const struct filter *filter);
struct filter *filter_decode(struct dec *dec);

#endif
