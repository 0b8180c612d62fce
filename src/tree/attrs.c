/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/attrs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/sys.h"
#include "tree/scan.h"

/* One attribute; names and values live in an arena. */
struct attr {
	const char *name;
	const void *value;
	size_t len;
};

struct attr_list {
	struct attr *attrs;
	size_t count;
	size_t cap;
	size_t bytes;
	struct arena arena;
};

#define ATTR_LIST_INIT              \
	{                           \
		.arena = ARENA_INIT \
	}
#define AUTO_ATTRS AUTO(list_release) struct attr_list

static void list_release(struct attr_list *list)
{
	free(list->attrs);
	arena_release(&list->arena);
}

static void list_add(struct attr_list *list, struct attr attr)
{
	if (list->count == list->cap) {
		list->cap = list->cap ? 2 * list->cap : 8;
		list->attrs = xrealloc(list->attrs, list->cap * sizeof(*list->attrs));
	}
	list->attrs[list->count++] = attr;
}

static bool starts_with(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* Whether this process reads and writes it, of the kinds in flags. */
static bool name_counts(const char *name, unsigned flags)
{
	if (flags & SCAN_ACL && (strcmp(name, "system.posix_acl_access") == 0 ||
				 strcmp(name, "system.posix_acl_default") == 0))
		return true;
	if (!(flags & SCAN_XATTR))
		return false;
	if (starts_with(name, "user.") && name[strlen("user.")])
		return true;
	return geteuid() == 0 &&
	       (starts_with(name, "trusted.") || strcmp(name, "security.capability") == 0);
}

static int attr_cmp(const void *a, const void *b)
{
	return strcmp(((const struct attr *)a)->name, ((const struct attr *)b)->name);
}

/* The value of one attribute: 1, 0 where it vanished meanwhile, -1 on an error. */
static int read_value(int fd, const char *name, struct buf *out, struct err *err)
{
	size_t room = 256;

	for (;; room *= 4) {
		ssize_t len = 0;

		buf_reset(out);
		buf_extend(out, room);
		len = sys_fgetxattr(fd, name, out->data, room);
		if (len >= 0) {
			out->len = (size_t)len;
			return 1;
		}
		if (errno == ENODATA)
			return 0;
		if (errno != ERANGE || room > ATTRS_MAX)
			return err_sys(err, errno, "cannot read attribute '%s'", name);
	}
}

static int too_many(struct err *err)
{
	return err_sys(err, E2BIG, "more than %d bytes of attributes", ATTRS_MAX);
}

static int read_names(int fd, struct buf *out, struct err *err)
{
	size_t room = 1024;

	for (;; room *= 4) {
		ssize_t len = 0;

		buf_reset(out);
		buf_extend(out, room);
		len = sys_flistxattr(fd, (char *)out->data, room);
		if (len >= 0) {
			out->len = (size_t)len;
			return 0;
		}
		out->len = 0;
		if (errno == ENOTSUP)
			return 0;
		if (errno != ERANGE || room > ATTRS_MAX)
			return err_sys(err, errno, "cannot list attributes");
	}
}

static int list_one(int fd, const char *name, struct attr_list *list, struct err *err)
{
	AUTO_BUF value = BUF_INIT;
	struct attr attr = { .name = NULL };
	int found = read_value(fd, name, &value, err);

	if (found <= 0)
		return found;
	list->bytes += strlen(name) + value.len + 8;
	if (list->bytes > ATTRS_MAX)
		return too_many(err);
	attr.name = arena_strdup(&list->arena, name);
	attr.value = arena_strndup(&list->arena, (const char *)value.data, value.len);
	attr.len = value.len;
	list_add(list, attr);
	return 0;
}

/* What is there now, sorted by name. */
static int list_present(int fd, unsigned flags, struct attr_list *list, struct err *err)
{
	AUTO_BUF names = BUF_INIT;
	size_t len = 0;

	if (read_names(fd, &names, err) < 0)
		return -1;
	for (const char *name = buf_cstr(&names); len < names.len; len += strlen(name + len) + 1) {
		if (name_counts(name + len, flags) && list_one(fd, name + len, list, err) < 0)
			return -1;
	}
	if (list->count > 0)
		qsort(list->attrs, list->count, sizeof(*list->attrs), attr_cmp);
	return 0;
}

int attrs_read(int fd, unsigned flags, struct buf *out, struct err *err)
{
	AUTO_ATTRS list = ATTR_LIST_INIT;

	if (!(flags & (SCAN_XATTR | SCAN_ACL)))
		return 0;
	if (list_present(fd, flags, &list, err) < 0)
		return -1;
	for (size_t i = 0; i < list.count; i++) {
		enc_str(out, list.attrs[i].name);
		enc_bytes(out, list.attrs[i].value, list.attrs[i].len);
	}
	return 0;
}

uint64_t attrs_checksum(const struct buf *value)
{
	uint64_t sum = value->len > 0 ? digest_checksum(value->data, value->len) : 0;

	return value->len > 0 && sum == 0 ? 1 : sum;
}

/* The bytes may come from anywhere: names must be sorted, and nothing but attributes we know. */
static int decode(const void *value, size_t len, struct attr_list *list, struct err *err)
{
	struct dec dec = { NULL, NULL, false };

	if (len > ATTRS_MAX)
		return too_many(err);
	dec_init(&dec, value, len);
	while (!dec.bad && dec_left(&dec) > 0) {
		struct attr attr = { .name = dec_str(&dec, 255, &list->arena) };

		attr.value = dec_bytes(&dec, ATTRS_MAX, &attr.len);
		if (!dec.bad &&
		    (!starts_with(attr.name, "user.") && !starts_with(attr.name, "trusted.") &&
		     strcmp(attr.name, "security.capability") != 0 &&
		     !starts_with(attr.name, "system.posix_acl_")))
			dec.bad = true;
		if (!dec.bad && list->count > 0 &&
		    strcmp(list->attrs[list->count - 1].name, attr.name) >= 0)
			dec.bad = true;
		if (!dec.bad)
			list_add(list, attr);
	}
	return dec.bad ? err_set(err, ERR_PROTOCOL, "attributes do not make sense") : 0;
}

static const struct attr *list_find(const struct attr_list *list, const char *name)
{
	const struct attr wanted = { .name = name };

	return list->count == 0
		       ? NULL
		       : bsearch(&wanted, list->attrs, list->count, sizeof(wanted), attr_cmp);
}

static int remove_others(int fd, const struct attr_list *present, const struct attr_list *wanted,
			 struct err *err)
{
	for (size_t i = 0; i < present->count; i++) {
		const char *name = present->attrs[i].name;

		if (!list_find(wanted, name) && sys_fremovexattr(fd, name) < 0 && errno != ENODATA)
			return err_sys(err, errno, "cannot remove attribute '%s'", name);
	}
	return 0;
}

int attrs_write(int fd, unsigned flags, const void *value, size_t len, struct err *err)
{
	AUTO_ATTRS wanted = ATTR_LIST_INIT;
	AUTO_ATTRS present = ATTR_LIST_INIT;

	if (decode(value, len, &wanted, err) < 0 || list_present(fd, flags, &present, err) < 0 ||
	    remove_others(fd, &present, &wanted, err) < 0)
		return -1;
	for (size_t i = 0; i < wanted.count; i++) {
		const struct attr *attr = &wanted.attrs[i];
		const struct attr *old = list_find(&present, attr->name);

		if (!name_counts(attr->name, flags) ||
		    (old && old->len == attr->len &&
		     memcmp(old->value, attr->value, attr->len) == 0))
			continue;
		if (sys_fsetxattr(fd, attr->name, attr->value, attr->len) < 0)
			return err_sys(err, errno, "cannot set attribute '%s'", attr->name);
	}
	return 0;
}
