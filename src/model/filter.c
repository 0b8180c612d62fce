/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/filter.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/digest.h"
#include "base/err.h"
#include "model/glob.h"

enum rule_flag {
	RULE_INCLUDE = 1,
	RULE_ANCHORED = 2, /* began with '/' */
	RULE_DIRS = 4,	   /* ended with '/' */
	RULE_DEEP = 8,	   /* has "**", escaped or not */
	RULE_FRONT = 16,   /* begins with "**" and is not anchored */
	RULE_BELOW = 32,   /* ends with "***" */
};

struct rule {
	unsigned flags;		 /* enum rule_flag */
	const char *pattern;	 /* as it was given, behind its prefix: what makes rules equal */
	const char *name;	 /* the pattern without the '/' in front and at the end */
	size_t slashes;		 /* in name */
	const struct glob *glob; /* name compiled; NULL where it has no wildcard */
};

struct filter {
	struct arena arena; /* patterns and globs; grows only, also when rules are cleared */
	struct rule *rules;
	size_t count;
	size_t cap;
};

struct filter *filter_new(void)
{
	return xcalloc(1, sizeof(struct filter));
}

void filter_free(struct filter *filter)
{
	if (!filter)
		return;
	arena_release(&filter->arena);
	free(filter->rules);
	free(filter);
}

static void filter_cleanup(struct filter **filter)
{
	filter_free(*filter);
}

/* A pattern's bytes, while it is read. */
struct span {
	const char *text;
	size_t len;
};

static size_t count_byte(const char *text, char byte)
{
	size_t count = 0;

	for (; *text; text++)
		count += *text == byte;
	return count;
}

static bool ends_with(const char *text, size_t len, const char *end)
{
	size_t end_len = strlen(end);

	return len >= end_len && memcmp(text + len - end_len, end, end_len) == 0;
}

/* What rsync reads off the bytes of a name, before any thought of escapes and brackets. */
static unsigned name_flags(const char *name, size_t len, bool anchored)
{
	unsigned flags = anchored ? RULE_ANCHORED : 0;

	if (strstr(name, "**"))
		flags |= RULE_DEEP;
	if (!anchored && strncmp(name, "**", 2) == 0)
		flags |= RULE_FRONT;
	if (ends_with(name, len, "***"))
		flags |= RULE_BELOW;
	return flags;
}

static struct rule *filter_next_rule(struct filter *filter)
{
	if (filter->count == filter->cap) {
		filter->cap = filter->cap ? 2 * filter->cap : 16;
		filter->rules = xrealloc(filter->rules, filter->cap * sizeof(struct rule));
	}
	return &filter->rules[filter->count++];
}

/* Append one rule, its prefix taken away; the pattern's length is within its bound. */
static void filter_append(struct filter *filter, enum filter_kind kind, struct span pattern)
{
	struct rule *rule = filter_next_rule(filter);
	bool dirs = pattern.text[pattern.len - 1] == '/';
	size_t len = pattern.len - dirs;
	bool anchored = len > 0 && pattern.text[0] == '/';

	len -= anchored;
	rule->pattern = arena_strndup(&filter->arena, pattern.text, pattern.len);
	rule->name = arena_strndup(&filter->arena, pattern.text + anchored, len);
	rule->slashes = count_byte(rule->name, '/');
	rule->flags = name_flags(rule->name, len, anchored);
	rule->flags |= kind == FILTER_INCLUDE ? RULE_INCLUDE : 0;
	rule->flags |= dirs ? RULE_DIRS : 0;
	rule->glob = NULL;
	if (strpbrk(rule->name, "*?["))
		rule->glob = glob_compile(&filter->arena, rule->name, len);
}

static int filter_add_span(struct filter *filter, enum filter_kind kind, struct span pattern,
			   const char *where, struct err *err)
{
	if (pattern.len == 0)
		return err_set(err, ERR_CONFIG, "%s: empty pattern", where);
	if (pattern.len == 1 && pattern.text[0] == '!') {
		filter->count = 0;
		return 0;
	}
	if (pattern.len >= 2 && strchr("+-", pattern.text[0]) && pattern.text[1] == ' ') {
		kind = pattern.text[0] == '+' ? FILTER_INCLUDE : FILTER_EXCLUDE;
		pattern.text += 2;
		pattern.len -= 2;
		if (pattern.len == 0)
			return err_set(err, ERR_CONFIG, "%s: no pattern behind '%c '", where,
				       pattern.text[-2]);
	}
	if (pattern.len > GLOB_PATTERN_MAX)
		return err_set(err, ERR_CONFIG, "%s: pattern of more than %d bytes", where,
			       GLOB_PATTERN_MAX);
	if (filter->count == FILTER_RULES_MAX)
		return err_set(err, ERR_CONFIG, "%s: more than %d patterns in all", where,
			       FILTER_RULES_MAX);
	filter_append(filter, kind, pattern);
	return 0;
}

int filter_add(struct filter *filter, enum filter_kind kind, const char *pattern, const char *where,
	       struct err *err)
{
	struct span span = { pattern, strlen(pattern) };

	return filter_add_span(filter, kind, span, where, err);
}

int filter_add_list(struct filter *filter, enum filter_kind kind, const char *list, char separator,
		    const char *where, struct err *err)
{
	const char separators[2] = { separator, '\0' };

	while (*list) {
		struct span part = { list, strcspn(list, separators) };

		if (part.len > 0 && filter_add_span(filter, kind, part, where, err) < 0)
			return -1;
		list += part.len;
		list += *list != '\0';
	}
	return 0;
}

static int filter_add_line(struct filter *filter, enum filter_kind kind, struct span line,
			   const char *where, struct err *err)
{
	if (line.len == 0 || line.text[0] == '#' || line.text[0] == ';')
		return 0;
	if (memchr(line.text, '\0', line.len))
		return err_set(err, ERR_CONFIG, "%s: NUL byte in a pattern (is the file UTF-16?)",
			       where);
	return filter_add_span(filter, kind, line, where, err);
}

/* Take the next line off the text, together with its LF, CR or CR LF. */
static struct span take_line(struct span *text)
{
	struct span line = { text->text, 0 };
	size_t end = 0;

	while (line.len < text->len && line.text[line.len] != '\n' && line.text[line.len] != '\r')
		line.len++;
	end = line.len;
	if (end < text->len && line.text[end] == '\r')
		end++;
	if (end < text->len && line.text[end] == '\n')
		end++;
	text->text += end;
	text->len -= end;
	return line;
}

int filter_add_text(struct filter *filter, enum filter_kind kind, const char *text, size_t len,
		    const char *name, struct err *err)
{
	struct span rest = { text, len };
	AUTO_BUF where = BUF_INIT;

	for (size_t number = 1; rest.len > 0; number++) {
		struct span line = take_line(&rest);

		buf_reset(&where);
		buf_addf(&where, "%s:%zu", name, number);
		if (filter_add_line(filter, kind, line, buf_cstr(&where), err) < 0)
			return -1;
	}
	return 0;
}

/* The last count + 1 components of a path, or NULL where it has fewer. */
static const char *last_components(const char *path, size_t len, size_t count)
{
	const char *pos = path + len;

	while (pos > path) {
		if (pos[-1] == '/' && count-- == 0)
			return pos;
		pos--;
	}
	return count == 0 ? path : NULL;
}

static unsigned glob_flags(const struct rule *rule, bool is_dir)
{
	unsigned flags = 0;

	if (rule->flags & RULE_FRONT)
		flags |= GLOB_SLASH_BEFORE;
	else if (rule->flags & RULE_DEEP && !(rule->flags & RULE_ANCHORED))
		flags |= GLOB_TAIL;
	if (rule->flags & RULE_BELOW && is_dir)
		flags |= GLOB_SLASH_AFTER;
	return flags;
}

static bool rule_matches(const struct rule *rule, const char *path, size_t len, bool is_dir)
{
	const char *text = path;

	if (rule->flags & RULE_DIRS && !is_dir)
		return false;
	/*
	 * The slashes are counted as they stand, also those in brackets, which match none:
	 * "[/x]b" is compared with the last two components and so matches nothing.
	 */
	if (!(rule->flags & (RULE_ANCHORED | RULE_DEEP)))
		text = last_components(path, len, rule->slashes);
	if (!text)
		return false;
	if (!rule->glob)
		return strcmp(text, rule->name) == 0;
	return glob_match(rule->glob, text, glob_flags(rule, is_dir), NULL);
}

/* Whether the path begins with this component. */
static bool begins_with_component(const char *path, const char *name)
{
	size_t len = strlen(name);

	return strncmp(path, name, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* The component behind this one, or NULL. */
static const char *next_component(const char *component)
{
	const char *slash = strchr(component, '/');

	return slash ? slash + 1 : NULL;
}

/* What belongs to osync itself, with everything below it. */
static bool is_our_own(const char *path)
{
	if (begins_with_component(path, ".osync-update.push"))
		return true;
	for (const char *pos = path; pos; pos = next_component(pos)) {
		if (begins_with_component(pos, ".osync_workdir"))
			return true;
	}
	return false;
}

bool filter_excludes(const struct filter *filter, const char *path, bool is_dir)
{
	size_t len = strlen(path);

	if (is_our_own(path))
		return true;
	for (size_t i = 0; i < filter->count; i++) {
		if (rule_matches(&filter->rules[i], path, len, is_dir))
			return !(filter->rules[i].flags & RULE_INCLUDE);
	}
	return false;
}

uint64_t filter_checksum(const struct filter *filter)
{
	AUTO_BUF rules = BUF_INIT;

	filter_encode(&rules, filter);
	return digest_checksum(rules.data, rules.len);
}

/* The number of rules, then of each its kind and its pattern. */
void filter_encode(struct buf *out, const struct filter *filter)
{
	enc_uint(out, filter->count);
	for (size_t i = 0; i < filter->count; i++) {
		const struct rule *rule = &filter->rules[i];

		enc_u8(out, rule->flags & RULE_INCLUDE ? FILTER_INCLUDE : FILTER_EXCLUDE);
		enc_str(out, rule->pattern);
	}
}

static void filter_decode_rule(struct filter *filter, struct dec *dec)
{
	unsigned kind = dec_u8(dec);
	size_t len = 0;
	const unsigned char *bytes = dec_bytes(dec, GLOB_PATTERN_MAX, &len);
	struct span pattern = { (const char *)bytes, len };

	if (kind > FILTER_INCLUDE || len == 0 || memchr(bytes, '\0', len))
		dec->bad = true;
	else
		filter_append(filter, kind == FILTER_INCLUDE ? FILTER_INCLUDE : FILTER_EXCLUDE,
			      pattern);
}

struct filter *filter_decode(struct dec *dec)
{
	AUTO(filter_cleanup) struct filter *filter = filter_new();
	uint64_t count = dec_uint(dec);

	if (count > FILTER_RULES_MAX)
		dec->bad = true;
	for (uint64_t i = 0; i < count && !dec->bad; i++)
		filter_decode_rule(filter, dec);
	return dec->bad ? NULL : steal_ptr(&filter);
}
