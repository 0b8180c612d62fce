/* SPDX-License-Identifier: BSD-2-Clause */
/* A root with a changer on it, and its operations in one call each. */
#ifndef TESTS_CHANGER_HELP_H
#define TESTS_CHANGER_HELP_H

#include "base/err.h"
#include "model/entry.h"
#include "tree/changer.h"

struct root;

#define STAGE "t/.osync_workdir/stage"
#define TRASH "t/.osync_workdir/trash"
#define RUN   TRASH "/run"

struct bench {
	struct root *root;
	struct changer *changer;
	struct err err; /* of the last operation */
};

/* On the folder "t", which may hold anything. */
struct bench bench_open(enum changer_sync_mode sync);
void bench_close(struct bench *bench);

/* Put a file / symlink / folder where `expect` is (NULL: what is there now). */
int bench_put(struct bench *bench, const char *path, const char *content,
	      const struct entry *expect);
int bench_put_link(struct bench *bench, const char *path, const char *target,
		   const struct entry *expect);
int bench_put_folder(struct bench *bench, const char *path, const struct entry *expect);
int bench_delete(struct bench *bench, const char *path, const struct entry *expect);
int bench_move(struct bench *bench, const char *from, const char *to, const struct entry *expect);
int bench_chmod(struct bench *bench, const char *path, uint16_t mode, const struct entry *expect);

/* Let a shell command run at a point inside the next operations; NULL: none any more. */
void bench_at(const char *point, const char *command);

/* Run as the user nobody in a child process; 0, or the number of the check that failed. */
int bench_as_nobody(int (*child)(void));

#endif
