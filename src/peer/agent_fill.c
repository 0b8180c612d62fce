/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * New folders that are put in place with the files in them: one rename, one note and one look for many.
 *
 * A folder is filled from its OP on, until a FLUSH takes it. One of which something has come waits for no file of
 * which nothing has (fill_part): what was sent is in its place after the second FLUSH at the latest, however
 * much is still to come into the folder. What lies in it or below and is no file of its own waits for it, as it
 * may only be placed there then. Operations come in path order, so those folders that may still get something
 * form a chain.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/worthwhile.h"
#include "peer/agent_ops_internal.h"
#include "tree/changer.h"
#include "tree/partial.h"
#include "tree/root.h"

/* A folder of more files is seen after so many of them, and gets the others one by one. */
enum { FILL_MAX = WORTHWHILE(500, 4) };

struct fill {
	bool taken;	       /* by a FLUSH: nothing comes into it any more */
	bool come;	       /* a file in it or below is there */
	bool closed;	       /* since a FLUSH that has found one no put joins it */
	struct buf attrs;      /* extended attributes that it is to get */
	struct pending *first; /* of the puts in it, */
	struct pending **end;  /* in the order in which they came, */
	unsigned count;	       /* how many there are, */
	unsigned missing;      /* and how many of them are not complete */
};

struct pending *fill_above(struct agent_ops *ops, const char *path)
{
	while (ops->filling && !path_is_below(path, ops->filling->path))
		ops->filling = ops->filling->under;
	return ops->filling;
}

void fill_begin(struct agent_ops *ops, struct pending *op, const unsigned char *attrs,
		size_t attrs_len)
{
	op->fill = xcalloc(1, sizeof(*op->fill));
	op->fill->end = &op->fill->first;
	buf_add(&op->fill->attrs, attrs, attrs_len);
	op->staged = staged_filling(ops->changer, &op->status);
	ops->filling = op;
}

void fill_free(struct fill *fill)
{
	if (!fill)
		return;
	buf_release(&fill->attrs);
	free(fill);
}

/* What no path of the root may be called is refused where it is to be placed by itself. */
static bool may_join(const struct pending *op, const struct pending *folder)
{
	return folder->staged && !folder->fill->closed && folder->fill->count < FILL_MAX &&
	       op->size < PARTIAL_MIN && op->expect.type == ENTRY_ABSENT &&
	       path_parent_len(op->path) == strlen(folder->path) &&
	       strcmp(path_name(op->path), ROOT_WORKDIR) != 0;
}

static void list_inside(struct pending *op)
{
	struct fill *fill = op->under->fill;

	op->next_inside = NULL;
	*fill->end = op;
	fill->end = &op->next_inside;
}

void fill_join(struct pending *op)
{
	if (!op->under || !may_join(op, op->under))
		return;
	op->inside = true;
	list_inside(op);
	op->under->fill->count++;
	op->under->fill->missing++;
}

struct staged *fill_stage(struct agent_ops *ops, struct pending *op, mode_t mode)
{
	struct staged *staged = NULL;

	if (op->inside)
		staged = staged_file_in(op->under->staged, path_name(op->path), mode, NULL);
	return staged ? staged : staged_file(ops->changer, mode, &op->status);
}

void fill_complete(struct pending *op)
{
	op->complete = true;
	if (op->inside)
		op->under->fill->missing--;
	for (struct pending *folder = op->under; folder; folder = folder->under)
		folder->fill->come = true;
}

void fill_part(struct agent_ops *ops)
{
	for (struct pending *op = ops->first; op; op = op->next) {
		if (op->fill) {
			op->fill->closed = op->fill->come;
			op->fill->first = NULL;
			op->fill->end = &op->fill->first;
		} else if (op->inside && op->under->fill->closed && !op->complete && !op->staged) {
			op->inside = false;
			op->under->fill->missing--;
		} else if (op->inside) {
			list_inside(op);
		}
	}
}

bool fill_must_wait(struct pending *op)
{
	if (op->under && op->under->fill->taken)
		op->under = NULL;
	return op->under || (op->fill && op->fill->missing > 0);
}

void fill_take(struct pending *op)
{
	if (op->fill)
		op->fill->taken = true;
}

void fill_forget_taken(struct agent_ops *ops)
{
	struct pending **link = &ops->filling;

	while (*link)
		if ((*link)->fill->taken)
			*link = (*link)->under;
		else
			link = &(*link)->under;
}

void fill_finish(struct pending *op)
{
	const struct buf *attrs = &op->fill->attrs;
	const struct meta meta = ops_folder_meta(op, attrs->data, attrs->len);

	if (op->staged)
		staged_filled(op->staged, &meta, &op->status);
}

static bool is_in_folder(const struct pending *op)
{
	return op->staged && staged_is_in_folder(op->staged);
}

static void give_up_inside(const struct pending *op)
{
	for (struct pending *put = op->fill->first; put; put = put->next_inside)
		if (is_in_folder(put) && !err_is_set(&put->status))
			err_set(&put->status, op->status.kind,
				"not done, because '%s' could not be", op->path);
}

void fill_place(struct agent_ops *ops, struct pending *op)
{
	if (err_is_set(&op->status) || ops_place(ops, op) < 0) {
		give_up_inside(op);
		return;
	}
	ops_put_note(ops, op);
	for (struct pending *put = op->fill->first; put; put = put->next_inside) {
		if (!is_in_folder(put) || err_is_set(&put->status))
			continue;
		if (changer_placed_in(put->staged, &put->result, &put->status) == 0)
			ops_put_note(ops, put);
		put->folder = op->result.ino;
	}
	done_log_write(&ops->done);
}
