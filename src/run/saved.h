/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the saved file list of a profile is: INSTANCE.list in the initiator's state folder. */
#ifndef RUN_SAVED_H
#define RUN_SAVED_H

#include "store/list.h"

struct config;
struct err;

struct saved {
	int fd;		   /* the state folder, -1 while it is not there */
	struct list *list; /* NULL: there is none yet, or it is not to be used */
	struct list_head head;
};

#define SAVED_INIT                      \
	{                               \
		-1, NULL,               \
		{                       \
			.generation = 0 \
		}                       \
	}

/* The folder that it is in, and its name there: new strings. */
char *saved_folder(const struct config *config);
char *saved_name(const struct config *config);
/*
 * Open it; list is NULL where no run has made one. ERR_CORRUPT where it cannot be trusted (fd stays
 * open then, for saved_set_aside).
 */
int saved_open(struct saved *saved, const struct config *config, enum table_mode mode,
	       struct err *err);
/* Open it for writing, making the folder and an empty list where missing. */
int saved_create(struct saved *saved, const struct config *config, struct err *err);
/* Rename the files away, for a person to look at. */
int saved_set_aside(struct saved *saved, const struct config *config, struct err *err);
void saved_close(struct saved *saved);

#endif
