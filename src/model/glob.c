/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/glob.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"

enum token_kind {
	TOKEN_BYTE,	/* this byte */
	TOKEN_ANY,	/* '?' */
	TOKEN_SET,	/* '[...]' */
	TOKEN_STAR,	/* '*' */
	TOKEN_STARSTAR, /* '**' and longer; never next to another star token */
	TOKEN_NEVER,	/* matches nothing */
	TOKEN_END,	/* stands behind the last one */
};

/* One bit for each byte. */
struct set {
	uint32_t words[8];
};

struct token {
	uint8_t kind; /* enum token_kind */
	uint8_t byte;
	const struct set *set;
};

struct glob {
	struct token *tokens; /* `count` of them and a TOKEN_END */
	size_t count;
	const char *tail; /* the bytes that every match ends with */
	size_t tail_len;
};

/* What is left of the pattern while it is compiled. */
struct reader {
	const char *pos;
	const char *end;
};

static void set_add(struct set *set, unsigned byte)
{
	set->words[byte / 32] |= UINT32_C(1) << byte % 32;
}

static bool set_has(const struct set *set, unsigned byte)
{
	return set->words[byte / 32] >> byte % 32 & 1;
}

static void set_add_range(struct set *set, unsigned first, unsigned last)
{
	for (unsigned byte = first; byte <= last; byte++)
		set_add(set, byte);
}

static void set_invert(struct set *set)
{
	for (size_t i = 0; i < 8; i++)
		set->words[i] = ~set->words[i];
}

static void set_remove(struct set *set, unsigned byte)
{
	set->words[byte / 32] &= ~(UINT32_C(1) << byte % 32);
}

/* A named class as ranges of ASCII: pairs of first and last byte. */
struct named_class {
	const char *name;
	const char *ranges;
};

static const struct named_class classes[] = {
	{ "alnum", "09AZaz" },	 { "alpha", "AZaz" },
	{ "blank", "\t\t  " },	 { "cntrl", "\1\37\177\177" },
	{ "digit", "09" },	 { "graph", "!~" },
	{ "lower", "az" },	 { "print", " ~" },
	{ "punct", "!/:@[`{~" }, { "space", "\t\r  " },
	{ "upper", "AZ" },	 { "xdigit", "09AFaf" },
};

/* False when there is no class of that name. */
static bool set_add_class(struct set *set, const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (strlen(classes[i].name) != len || memcmp(classes[i].name, name, len) != 0)
			continue;
		for (const char *range = classes[i].ranges; *range; range += 2)
			set_add_range(set, (unsigned char)range[0], (unsigned char)range[1]);
		return true;
	}
	return false;
}

/* The next byte of a set, the backslash taken away; -1 when the pattern ends. */
static int reader_set_byte(struct reader *reader)
{
	if (reader->pos < reader->end && *reader->pos == '\\')
		reader->pos++;
	return reader->pos < reader->end ? (unsigned char)*reader->pos++ : -1;
}

/*
 * The length of "[:name:]" at the reader, or 0 where there is none.  The name ends at
 * the next ']': without a ':' before it, the '[' is itself.
 */
static size_t reader_class_len(const struct reader *reader)
{
	size_t left = (size_t)(reader->end - reader->pos);
	const char *close = left < 2 ? NULL : memchr(reader->pos + 2, ']', left - 2);

	if (!close || memcmp(reader->pos, "[:", 2) != 0)
		return 0;
	/* "[:]" is no class: its only ':' opens. */
	if (close - reader->pos < 3 || close[-1] != ':')
		return 0;
	return (size_t)(close - reader->pos) + 1;
}

/* Whether a '-' and the end of a range are next (a '-' before ']' is itself). */
static bool reader_at_range(const struct reader *reader)
{
	return reader->end - reader->pos >= 2 && reader->pos[0] == '-' && reader->pos[1] != ']';
}

/* One member of a set: a class, a byte or a range. False when it has no meaning. */
static bool read_member(struct reader *reader, struct set *set)
{
	size_t class_len = reader_class_len(reader);
	int first = 0;
	int last = 0;

	if (class_len > 0) {
		const char *name = reader->pos + 2;

		reader->pos += class_len;
		return set_add_class(set, name, class_len - 4);
	}
	first = reader_set_byte(reader);
	last = first;
	if (first >= 0 && reader_at_range(reader)) {
		reader->pos++;
		last = reader_set_byte(reader);
	}
	if (first < 0 || last < 0)
		return false;
	/* The first byte is in the set even where the range is upside down: rsync sees it first. */
	set_add(set, (unsigned)first);
	set_add_range(set, (unsigned)first, (unsigned)last);
	return true;
}

/* The rest of a set, from behind its '[' to behind its ']'. NULL when it has no meaning. */
static const struct set *read_set(struct reader *reader, struct arena *arena)
{
	struct set *set = arena_alloc(arena, sizeof(*set));
	bool inverted = reader->pos < reader->end && (*reader->pos == '!' || *reader->pos == '^');

	reader->pos += inverted;
	do {
		if (!read_member(reader, set))
			return NULL;
	} while (reader->pos < reader->end && *reader->pos != ']');
	if (reader->pos == reader->end)
		return NULL;
	reader->pos++;
	if (inverted)
		set_invert(set);
	set_remove(set, '/');
	return set;
}

static struct token read_token(struct reader *reader, struct arena *arena)
{
	struct token token = { TOKEN_BYTE, (uint8_t)*reader->pos++, NULL };

	switch (token.byte) {
	case '?':
		token.kind = TOKEN_ANY;
		break;
	case '*':
		token.kind = TOKEN_STAR;
		for (; reader->pos < reader->end && *reader->pos == '*'; reader->pos++)
			token.kind = TOKEN_STARSTAR;
		break;
	case '[':
		token.set = read_set(reader, arena);
		token.kind = token.set ? TOKEN_SET : TOKEN_NEVER;
		break;
	case '\\':
		if (reader->pos < reader->end)
			token.byte = (uint8_t)*reader->pos++;
		else
			token.kind = TOKEN_NEVER;
		break;
	default:
		break;
	}
	return token;
}

/* Note what every match ends with, so that most texts are refused without reading them. */
static void note_tail(struct glob *glob, struct arena *arena)
{
	size_t first = glob->count;
	char bytes[GLOB_PATTERN_MAX];

	while (first > 0 && glob->tokens[first - 1].kind == TOKEN_BYTE)
		first--;
	glob->tail_len = glob->count - first;
	for (size_t i = 0; i < glob->tail_len; i++)
		bytes[i] = (char)glob->tokens[first + i].byte;
	glob->tail = arena_strndup(arena, bytes, glob->tail_len);
}

struct glob *glob_compile(struct arena *arena, const char *pattern, size_t len)
{
	struct glob *glob = arena_alloc(arena, sizeof(*glob));
	struct reader reader = { pattern, pattern + len };

	assert(len <= GLOB_PATTERN_MAX);
	/* A token takes at least one byte of the pattern. */
	glob->tokens = arena_alloc(arena, (len + 1) * sizeof(struct token));
	while (reader.pos < reader.end)
		glob->tokens[glob->count++] = read_token(&reader, arena);
	glob->tokens[glob->count].kind = TOKEN_END;
	note_tail(glob, arena);
	return glob;
}

/*
 * The places in the pattern that can be next: next[i] says that tokens 0..i-1 have
 * matched what was read so far.  All of them lie in low..high; none: low > high.
 */
struct front {
	bool next[GLOB_PATTERN_MAX + 1];
	size_t low;
	size_t high;
	size_t steps;
};

static bool token_is_star(const struct token *token)
{
	return token->kind == TOKEN_STAR || token->kind == TOKEN_STARSTAR;
}

/* Token i can be next; as a star may match nothing, so can the one behind it. */
static void front_add(struct front *front, const struct glob *glob, size_t i)
{
	size_t last = token_is_star(&glob->tokens[i]) ? i + 1 : i;

	front->next[i] = true;
	front->next[last] = true;
	if (front->low > i)
		front->low = i;
	if (front->high < last)
		front->high = last;
}

static bool token_takes(const struct token *token, unsigned char byte)
{
	switch (token->kind) {
	case TOKEN_BYTE:
		return token->byte == byte;
	case TOKEN_ANY:
	case TOKEN_STAR:
		return byte != '/';
	case TOKEN_SET:
		return set_has(token->set, byte);
	case TOKEN_STARSTAR:
		return true;
	default:
		return false;
	}
}

/* Read one byte: from the highest place down, so that a place is left before it is entered. */
static void front_step(struct front *front, const struct glob *glob, unsigned char byte)
{
	size_t low = front->low;
	size_t high = front->high;

	if (low > high)
		return;
	front->low = SIZE_MAX;
	front->high = 0;
	front->steps += high - low + 1;
	for (size_t i = high + 1; i-- > low;) {
		const struct token *token = &glob->tokens[i];

		if (!front->next[i])
			continue;
		front->next[i] = false;
		if (token_takes(token, byte))
			front_add(front, glob, token_is_star(token) ? i : i + 1);
	}
}

static bool tail_differs(const struct glob *glob, const char *text, size_t len, unsigned flags)
{
	if (flags & GLOB_SLASH_AFTER || glob->tail_len > len)
		return false;
	return memcmp(text + len - glob->tail_len, glob->tail, glob->tail_len) != 0;
}

bool glob_match(const struct glob *glob, const char *text, unsigned flags, size_t *steps)
{
	struct front front;
	size_t len = strlen(text);

	if (tail_differs(glob, text, len, flags))
		return false;
	memset(front.next, 0, glob->count + 1);
	front.low = SIZE_MAX;
	front.high = 0;
	front.steps = 0;
	front_add(&front, glob, 0);
	if (flags & GLOB_SLASH_BEFORE)
		front_step(&front, glob, '/');
	for (size_t i = 0; i < len; i++) {
		front_step(&front, glob, (unsigned char)text[i]);
		if (flags & GLOB_TAIL && text[i] == '/')
			front_add(&front, glob, 0);
	}
	if (flags & GLOB_SLASH_AFTER)
		front_step(&front, glob, '/');
	if (steps)
		*steps += front.steps;
	return front.next[glob->count];
}
