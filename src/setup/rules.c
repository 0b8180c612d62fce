/* SPDX-License-Identifier: BSD-2-Clause */
#include "setup/rules.h"

#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "config/problems.h"

static const char head[] =
	"# What is synced and what is not, taken over from bitpocket. The first rule that\n"
	"# fits decides: \"- PATTERN\" leaves out, \"+ PATTERN\" takes in.\n"
	"- /.bitpocket\n";

/* One line of a file, and who is to be told what is wrong with it. */
struct line {
	struct rules *rules;
	const char *text;
	size_t len;
	struct origin at;
	struct problems *problems;
};

#define refuse(line, ...) problems_add((line)->problems, PROBLEM_ERROR, &(line)->at, __VA_ARGS__)

void rules_release(struct rules *rules)
{
	buf_release(&rules->text);
}

static void forget(struct rules *rules)
{
	buf_reset(&rules->text);
}

/* Add what the filter itself understands; it knows what a pattern must be. */
static void add(struct line *line, enum filter_kind kind, const char *pattern, size_t len)
{
	struct filter *trial = filter_new();
	AUTO_FREE char *copy = xstrndup(pattern, len);
	AUTO_BUF rule = BUF_INIT;
	struct err err = ERR_INIT;

	buf_addf(&rule, "%c %s\n", kind == FILTER_INCLUDE ? '+' : '-', copy);
	if (filter_add_text(trial, kind, buf_cstr(&rule), rule.len, "pattern", &err) < 0)
		refuse(line, "%s", strchr(err.msg, ' ') ? strchr(err.msg, ' ') + 1 : err.msg);
	else
		buf_add(&line->rules->text, rule.data, rule.len);
	filter_free(trial);
}

static bool begins(const struct line *line, const char *word)
{
	return line->len >= strlen(word) && memcmp(line->text, word, strlen(word)) == 0;
}

static bool is(const struct line *line, const char *word)
{
	return line->len == strlen(word) && begins(line, word);
}

/* A pattern with the prefixes that --exclude knows. */
static void take_pattern(struct line *line, enum filter_kind kind)
{
	if (is(line, "!"))
		forget(line->rules);
	else if (begins(line, "+ ") || begins(line, "- "))
		add(line, line->text[0] == '+' ? FILTER_INCLUDE : FILTER_EXCLUDE, line->text + 2,
		    line->len - 2);
	else
		add(line, kind, line->text, line->len);
}

static void take_exclude(struct line *line)
{
	take_pattern(line, FILTER_EXCLUDE);
}

static void take_include(struct line *line)
{
	take_pattern(line, FILTER_INCLUDE);
}

/* A rule of --filter: a short or a long name, then a blank or an underscore. */
static void take_filter(struct line *line)
{
	static const struct {
		const char *name;
		enum filter_kind kind;
	} names[] = { { "-", FILTER_EXCLUDE },
		      { "+", FILTER_INCLUDE },
		      { "exclude", FILTER_EXCLUDE },
		      { "include", FILTER_INCLUDE } };

	if (is(line, "!") || is(line, "clear")) {
		forget(line->rules);
		return;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t len = strlen(names[i].name);

		if (!begins(line, names[i].name) || line->len <= len ||
		    (line->text[len] != ' ' && line->text[len] != '_'))
			continue;
		add(line, names[i].kind, line->text + len + 1, line->len - len - 1);
		return;
	}
	refuse(line,
	       "this rule is more than '- PATTERN' or '+ PATTERN', and has no counterpart here: '%.*s'",
	       (int)(line->len < 60 ? line->len : 60), line->text);
}

/* Lines end with LF, CR or both; empty ones and comments are none. */
static void each_line(struct line *line, const struct buf *text, void (*take)(struct line *line))
{
	const char *pos = (const char *)text->data;
	const char *end = text->len > 0 ? pos + text->len : pos;

	while (pos < end) {
		const char *stop = pos;

		while (stop < end && *stop != '\n' && *stop != '\r')
			stop++;
		line->text = pos;
		line->len = (size_t)(stop - pos);
		line->at.line++;
		if (memchr(pos, '\0', line->len))
			refuse(line, "a NUL byte; is this a text file?");
		else if (line->len > 0 && *pos != '#' && *pos != ';')
			take(line);
		pos = stop + (stop < end);
		if (stop < end && *stop == '\r' && pos < end && *pos == '\n')
			pos++;
	}
}

void rules_add_option(struct rules *rules, enum filter_kind kind, const char *pattern,
		      const struct origin *origin, struct problems *problems)
{
	struct line line = { rules, pattern, strlen(pattern), *origin, problems };

	take_pattern(&line, kind);
}

void rules_add_patterns(struct rules *rules, enum filter_kind kind, const struct buf *text,
			const char *name, struct problems *problems)
{
	struct line line = { rules, "", 0, { SOURCE_FILE, name, 0 }, problems };

	each_line(&line, text, kind == FILTER_INCLUDE ? take_include : take_exclude);
}

void rules_add_filter(struct rules *rules, const struct buf *text, const char *name,
		      struct problems *problems)
{
	struct line line = { rules, "", 0, { SOURCE_FILE, name, 0 }, problems };

	each_line(&line, text, take_filter);
}

void rules_finish(const struct rules *rules, struct buf *out)
{
	buf_addstr(out, head);
	buf_add(out, rules->text.data, rules->text.len);
}
