/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/parse.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "config/problems.h"

#define UTF8_BOM "\xef\xbb\xbf"

/* What is left of one line, and where it stands. */
struct parser {
	const char *pos;
	const char *end;
	struct origin at;
	const struct parse_lookup *lookup;
	struct assignments *out;
	struct problems *problems;
	struct buf value; /* the value read so far */
};

#define refuse(p, ...) problems_add((p)->problems, PROBLEM_ERROR, &(p)->at, __VA_ARGS__)

void assignments_release(struct assignments *assignments)
{
	free(assignments->items);
	arena_release(&assignments->arena);
	*assignments = (struct assignments)ASSIGNMENTS_INIT;
}

static struct assignment *assignments_find(struct assignments *all, const char *key)
{
	for (size_t i = all->count; i > 0; i--)
		if (strcmp(all->items[i - 1].key, key) == 0)
			return &all->items[i - 1];
	return NULL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_name_start(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool is_name(char c)
{
	return is_name_start(c) || (c >= '0' && c <= '9');
}

/* The next byte, or NUL at the end of the line (a NUL in the text was refused before). */
static char peek(const struct parser *p, size_t ahead)
{
	return ahead < (size_t)(p->end - p->pos) ? p->pos[ahead] : '\0';
}

static void skip_blanks(struct parser *p)
{
	while (is_blank(peek(p, 0)))
		p->pos++;
}

/* A NAME at the current place, in the arena; empty where there is none. */
static char *take_name(struct parser *p)
{
	size_t len = 0;
	char *name = NULL;

	if (is_name_start(peek(p, 0)))
		while (is_name(peek(p, len)))
			len++;
	name = arena_strndup(&p->out->arena, p->pos, len);
	p->pos += len;
	return name;
}

/* Expansion ------------------------------------------------------------------ */

static int add_expanded(struct parser *p, const char *name)
{
	const char *value = p->lookup->get(p->lookup->context, name);
	struct assignment *earlier = assignments_find(p->out, name);

	if (earlier)
		earlier->used = true;
	if (!value && earlier)
		value = earlier->value;
	if (!value)
		return refuse(p, "%s is not set, neither above nor in the environment", name);
	if (p->value.len + strlen(value) > PARSE_VALUE_MAX)
		return refuse(p, "the value is longer than %d bytes", PARSE_VALUE_MAX);
	buf_addstr(&p->value, value);
	return 0;
}

/* After "${". */
static int expand_braces(struct parser *p)
{
	const char *name = take_name(p);

	if (!*name || peek(p, 0) != '}')
		return refuse(p, "of the ${...} forms only ${NAME} is known here");
	p->pos++;
	return add_expanded(p, name);
}

/* At "$"; what bash would leave alone stays a dollar sign. */
static int expand_dollar(struct parser *p, bool quoted)
{
	char next = peek(p, 1);

	if (next == '{') {
		p->pos += 2;
		return expand_braces(p);
	}
	if (is_name_start(next)) {
		p->pos++;
		return add_expanded(p, take_name(p));
	}
	if (next == '(' || next == '[')
		return refuse(p, "$%c is refused: this file is read, never executed", next);
	if (next && strchr("0123456789@*#?-$!", next))
		return refuse(p, "$%c has no value here; put single quotes around a dollar sign",
			      next);
	if (!quoted && (next == '\'' || next == '"'))
		return refuse(p, "$%c...%c is not known here; drop the dollar sign", next, next);
	buf_addch(&p->value, '$');
	p->pos++;
	return 0;
}

/* A "~" that begins the value. */
static int expand_tilde(struct parser *p)
{
	char next = peek(p, 1);

	if (peek(p, 0) != '~')
		return 0;
	if (is_name(next))
		return refuse(p, "'~USER' is not known here; write the folder out");
	if (next && next != '/' && !is_blank(next))
		return 0;
	p->pos++;
	return add_expanded(p, "HOME");
}

/* Values --------------------------------------------------------------------- */

static int take_single_quoted(struct parser *p)
{
	const char *start = p->pos + 1;
	const char *close = memchr(start, '\'', (size_t)(p->end - start));

	if (!close)
		return refuse(p, "the single quote does not end on this line");
	buf_add(&p->value, start, (size_t)(close - start));
	p->pos = close + 1;
	return 0;
}

static int take_double_quoted(struct parser *p)
{
	p->pos++;
	while (p->pos < p->end && *p->pos != '"') {
		char next = peek(p, 1);

		if (*p->pos == '`')
			return refuse(p,
				      "a backtick is refused: this file is read, never executed");
		if (*p->pos == '$') {
			if (expand_dollar(p, true) < 0)
				return -1;
			continue;
		}
		if (*p->pos == '\\' && next && strchr("\"\\$`", next))
			p->pos++;
		buf_addch(&p->value, *p->pos++);
	}
	if (p->pos == p->end)
		return refuse(p, "the double quote does not end on this line");
	p->pos++;
	return 0;
}

static int take_escaped(struct parser *p)
{
	if (p->pos + 1 == p->end)
		return refuse(p, "a line that goes on in the next one is not known here");
	buf_addch(&p->value, p->pos[1]);
	p->pos += 2;
	return 0;
}

static int take_piece(struct parser *p)
{
	char c = *p->pos;

	switch (c) {
	case '\'':
		return take_single_quoted(p);
	case '"':
		return take_double_quoted(p);
	case '$':
		return expand_dollar(p, false);
	case '\\':
		return take_escaped(p);
	case '`':
		return refuse(p, "a backtick is refused: this file is read, never executed");
	case ';':
	case '&':
	case '|':
	case '<':
	case '>':
	case '(':
	case ')':
		return refuse(p, "'%c' needs quotes around the value", c);
	default:
		buf_addch(&p->value, c);
		p->pos++;
		return 0;
	}
}

/* Everything behind "KEY=". */
static int take_value(struct parser *p)
{
	if (peek(p, 0) == '(')
		return refuse(p, "arrays are not known here");
	if (expand_tilde(p) < 0)
		return -1;
	while (p->pos < p->end && !is_blank(*p->pos))
		if (take_piece(p) < 0)
			return -1;
	skip_blanks(p);
	if (p->pos < p->end && *p->pos != '#')
		return refuse(p, "a value with blanks needs quotes (a comment needs a '#')");
	if (p->value.len > PARSE_VALUE_MAX)
		return refuse(p, "the value is longer than %d bytes", PARSE_VALUE_MAX);
	if (p->out->bytes + p->value.len > PARSE_TOTAL_MAX)
		return refuse(p, "all values together are longer than %d bytes", PARSE_TOTAL_MAX);
	return 0;
}

/* Lines ---------------------------------------------------------------------- */

static struct assignment *assignments_extend(struct assignments *all)
{
	if (all->count == all->cap) {
		all->cap = all->cap ? 2 * all->cap : 64;
		all->items = xrealloc(all->items, all->cap * sizeof(*all->items));
	}
	all->items[all->count] = (struct assignment){ 0 };
	return &all->items[all->count++];
}

/*
 * A refused line counts as an assignment, too, so that what is missing for its
 * sake is not reported on top.
 */
static void assign(struct parser *p, const char *key, bool broken)
{
	struct assignment *earlier = assignments_find(p->out, key);
	struct assignment *new = NULL;
	bool used = earlier && earlier->used;

	if (earlier && !earlier->broken)
		problems_add(p->problems, PROBLEM_WARNING, &p->at,
			     "%s is set on line %u already; this line counts", key, earlier->line);
	if (broken)
		buf_reset(&p->value);
	new = assignments_extend(p->out);
	new->key = key;
	new->value = arena_strndup(&p->out->arena, buf_cstr(&p->value), p->value.len);
	new->line = p->at.line;
	new->used = used;
	new->broken = broken;
	p->out->bytes += p->value.len;
}

/* A name that is not followed by '=': say what was meant. */
static int refuse_name(struct parser *p, const char *name)
{
	static const char *const commands[] = { "export", "declare", "typeset", "readonly",
						"local" };

	if (peek(p, 0) == '[')
		return refuse(p, "arrays are not known here (%s[...])", name);
	if (peek(p, 0) == '+' && peek(p, 1) == '=')
		return refuse(p, "'+=' is not known here; write the whole value (%s=...)", name);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (strcmp(name, commands[i]) == 0)
			return refuse(p, "'%s' is not known here; write KEY=VALUE alone", name);
	skip_blanks(p);
	if (peek(p, 0) == '=')
		return refuse(p, "no blanks may stand before the '=' (%s=...)", name);
	return refuse(p, "expected KEY=VALUE");
}

static void parse_section(struct parser *p)
{
	const char *close = memchr(p->pos, ']', (size_t)(p->end - p->pos));

	if (close) {
		p->pos = close + 1;
		skip_blanks(p);
	}
	if (!close || (p->pos < p->end && *p->pos != '#'))
		refuse(p, "expected [SECTION] or KEY=VALUE");
}

static void parse_assignment(struct parser *p, bool indented)
{
	const char *key = take_name(p);

	if (peek(p, 0) != '=' || !*key) {
		refuse_name(p, key);
		return;
	}
	p->pos++;
	if (indented)
		problems_add(p->problems, PROBLEM_WARNING, &p->at, "%s stands after blanks", key);
	buf_reset(&p->value);
	assign(p, key, take_value(p) < 0);
}

static void parse_line(struct parser *p)
{
	const char *start = p->pos;

	if (memchr(p->pos, '\0', (size_t)(p->end - p->pos))) {
		refuse(p, "a NUL byte; is this a text file?");
		return;
	}
	skip_blanks(p);
	if (p->pos == p->end || *p->pos == '#')
		return;
	if (*p->pos == '[')
		parse_section(p);
	else
		parse_assignment(p, p->pos > start);
}

void parse_text(const char *text, size_t len, const char *file, const struct parse_lookup *lookup,
		struct assignments *out, struct problems *problems)
{
	const char *end = text + len;
	struct parser p = { text, text, { SOURCE_FILE, file, 0 }, lookup, out, problems, BUF_INIT };

	if (len >= strlen(UTF8_BOM) && memcmp(text, UTF8_BOM, strlen(UTF8_BOM)) == 0)
		text += strlen(UTF8_BOM);
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));

		p.at.line++;
		p.pos = text;
		p.end = newline ? newline : end;
		text = newline ? newline + 1 : end;
		if (p.end > p.pos && p.end[-1] == '\r')
			p.end--;
		if (out->count >= PARSE_KEYS_MAX) {
			refuse(&p, "more than %d assignments", PARSE_KEYS_MAX);
			break;
		}
		parse_line(&p);
	}
	buf_release(&p.value);
}
