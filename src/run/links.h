/* SPDX-License-Identifier: BSD-2-Clause */
/* What one operation on a name of a file does to the stat keys of its other names. */
#ifndef RUN_LINKS_H
#define RUN_LINKS_H

#include <stddef.h>

struct changes;
struct err;
struct plan;
struct session;

/*
 * Replacing one name of a file changes the ctime of its other names: look at those that are to be
 * linked again. Only what is known by its digest to be the version that was planned is expected.
 */
int links_look_again(struct session *session, const struct plan *plan, size_t begin, size_t end,
		     struct err *err);
/* Linking changes the ctime of the file that is linked to: record what it shows at the end. */
int links_record(struct session *session, const struct changes *changes, const struct plan *plan,
		 struct err *err);

#endif
