/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/sys.h"
#include "base/text.h"
#include "tree/changer_internal.h"
#include "tree/reader.h"
#include "tree/root.h"
#include "tree/spelling.h"

int change_differs(const struct change *change, const char *how, struct err *err)
{
	AUTO_BUF shown = BUF_INIT;

	text_add_escaped(&shown, change->path);
	return err_set(err, ERR_CHANGED, "'%.300s' %s", buf_cstr(&shown), how);
}

static bool came_or_went(int errnum)
{
	return errnum == ENOENT || errnum == EEXIST || errnum == ENOTDIR || errnum == EISDIR ||
	       errnum == ENOTEMPTY || errnum == ELOOP;
}

int change_failed(const struct change *change, int errnum, struct err *err)
{
	AUTO_BUF shown = BUF_INIT;

	text_add_escaped(&shown, change->path);
	err_sys(err, errnum, "cannot %s '%.250s'", change->verb, buf_cstr(&shown));
	if (err && came_or_went(errnum))
		err->kind = ERR_CHANGED;
	return -1;
}

void expect_hand_on(const struct entry *expect, struct entry *found)
{
	if (found->type != ENTRY_FILE || !(expect->flags & ENTRY_HAS_DIGEST))
		return;
	found->digest = expect->digest;
	found->flags |= ENTRY_HAS_DIGEST;
}

/*
 * Folders change their mtime with every name in them, by our own hands above all, and a folder
 * can be taken away only when empty: it is enough that it is one.
 */
static bool same_folder(const struct entry *expect, const struct entry *found)
{
	return expect->type == found->type && !(expect->flags & ENTRY_OPAQUE) &&
	       !(found->flags & ENTRY_OPAQUE);
}

static bool same_link(const struct entry *expect, const struct entry *found)
{
	return !(expect->flags & ENTRY_HAS_DIGEST) || digest_same(&expect->digest, &found->digest);
}

static bool same_key(const struct entry *expect, const struct entry *found)
{
	if (expect->type == ENTRY_DIR)
		return same_folder(expect, found);
	if (!entry_same_stat(expect, found))
		return false;
	return expect->type != ENTRY_SYMLINK || same_link(expect, found);
}

/*
 * Whether it differs in nothing but its ctime, so that its content tells: another name of the file was renamed,
 * replaced or removed, maybe by us.
 */
static bool differs_in_ctime(const struct entry *expect, const struct entry *found)
{
	struct entry other = *found;

	other.ctime_ns = expect->ctime_ns;
	return expect->type == ENTRY_FILE && (expect->flags & ENTRY_HAS_DIGEST) &&
	       same_key(expect, &other);
}

/* Whether the content at dirfd/name is expect's; 1, 0, -1. */
static int read_content(const struct change *change, int dirfd, const char *name, struct err *err)
{
	const struct entry *expect = change->expect;
	struct err why = ERR_INIT;
	struct entry read = { 0 };

	if (reader_digest_at(&change->changer->look, dirfd, name, change->path, &read, &why) == 0)
		return digest_same(&read.digest, &expect->digest);
	if (why.kind == ERR_CHANGED)
		return 0;
	if (err)
		*err = why;
	return -1;
}

/* The same as far as only reading can tell. */
static int same_content(const struct change *change, int dirfd, const char *name, struct err *err)
{
	const struct entry *expect = change->expect;

	if (expect->type != ENTRY_FILE || !(expect->flags & ENTRY_RACY) ||
	    !(expect->flags & ENTRY_HAS_DIGEST))
		return 1;
	return read_content(change, dirfd, name, err);
}

/* Whether what was found has another name, which the file system takes for this one. */
static bool is_namesake(const struct change *change)
{
	return root_caps(change->changer->root)->folds &&
	       !spelling_is_listed(change->parent.fd, change->parent.name);
}

static const char *difference(const struct change *change, const struct entry *found)
{
	const struct entry *expect = change->expect;

	if (found->type == ENTRY_ABSENT)
		return "is not there any more";
	if (expect->type == ENTRY_ABSENT && is_namesake(change))
		return "cannot be there beside one whose name differs only in case or Unicode form";
	if (expect->type == ENTRY_ABSENT)
		return "is there by now";
	return "has changed since it was listed";
}

int expect_before(struct change *change, struct entry *found, struct err *err)
{
	const struct parent *parent = &change->parent;
	struct err why = ERR_INIT;
	int same = 0;

	sys_point("before-look");
	if (look_at(&change->changer->look, parent->fd, parent->name, found, NULL, &why) < 0)
		return change_failed(change, why.sys, err);
	if (same_key(change->expect, found))
		same = same_content(change, parent->fd, parent->name, err);
	else if (differs_in_ctime(change->expect, found))
		same = read_content(change, parent->fd, parent->name, err);
	else
		return change_differs(change, difference(change, found), err);
	if (same == 0)
		return change_differs(change, "has changed since it was listed", err);
	return same < 0 ? -1 : 0;
}

int expect_came_out(const struct change *change, int dirfd, const char *name, struct err *err)
{
	const struct entry *expect = change->expect;
	struct entry found = { 0 };
	struct err why = ERR_INIT;
	int same = 0;

	if (look_at(&change->changer->look, dirfd, name, &found, NULL, &why) < 0)
		return change_failed(change, why.sys, err);
	/* Renaming changes ctime; whatever else changed it shows in mtime, size or content. */
	if (expect->type == ENTRY_FILE || expect->type == ENTRY_SYMLINK)
		found.ctime_ns = expect->ctime_ns;
	if (!same_key(expect, &found)) {
		change_differs(change, "has changed in this moment", err);
		return 0;
	}
	same = same_content(change, dirfd, name, err);
	if (same == 0)
		change_differs(change, "has changed in this moment", err);
	return same;
}
