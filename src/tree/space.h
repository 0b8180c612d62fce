/* SPDX-License-Identifier: BSD-2-Clause */
/* How much room there is on a file system, and what could be had. */
#ifndef TREE_SPACE_H
#define TREE_SPACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct uuid;

/* Bytes. `total` is 0 where nobody knows: some file systems do not say. */
struct space {
	uint64_t total;
	uint64_t free;	/* for this user: without what is reserved for root */
	uint64_t block; /* what a file of one byte takes, at least 1 */
};

/* Of the file system that this descriptor is on. */
struct space space_of(int fd);

/* What this takes on the disk: less than its size where it has holes. */
uint64_t space_taken(const struct stat *st);

/* Whether the folder of this name is looked into. */
typedef bool space_into_fn(const char *name, const struct uuid *boot);

/*
 * What removing the files of this folder would give back (those in its folders are looked at where `into` says so
 * of their names, and only one deep; NULL: of none); 0 where it cannot be read. `boot` is passed on to `into`.
 */
uint64_t space_in_folder(int dirfd, space_into_fn *into, const struct uuid *boot);

#endif
