/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A new job for a folder, from what somebody said to files: the order in which `osync init` works.
 *
 *	new_job_plan()	everything is judged; nothing is changed, nothing is connected to
 *	new_job_introduce()	the server's host key; known_hosts is all that may change
 *	new_job_write()	the key, the patterns, and last the profile, with which the job is there
 *
 * So what fails leaves no half of a job behind, and what was made before (a key, a known host) is used
 * by the next try.
 */
#ifndef SETUP_NEW_JOB_H
#define SETUP_NEW_JOB_H

#include <stdbool.h>

#include "base/buf.h"
#include "config/here.h"
#include "setup/bitpocket.h"
#include "setup/host.h"

struct config;
struct err;

/* What was asked for. */
struct new_job_wish {
	const char *name;   /* --name, or NULL */
	const char *target; /* as for TARGET_SYNC_DIR, or NULL */
	bool no_bitpocket;
	enum host_consent consent;
	const char *fingerprint; /* with HOST_PRINT */
	int argc;		 /* options of `osync sync`, kept in the profile */
	char **argv;
};

struct new_job {
	const struct new_job_wish *wish;
	char *root;    /* the folder, resolved */
	char *folder;  /* where the user's profiles are */
	char *name;    /* of the profile */
	char *profile; /* its path */
	char *rules;   /* the path of its patterns; NULL: it has none of its own */
	char *key;     /* the path of its key; NULL: it needs none, or was given one */
	bool key_made;
	struct config *config;
	struct bitpocket bitpocket;
	bool has_bitpocket;
	bool told;	 /* what is wrong stands in the messages, all of it */
	struct buf text; /* of the profile */
};

#define AUTO_NEW_JOB AUTO(new_job_release) struct new_job

void new_job_release(struct new_job *job);

/*
 * Judge the wish for the working folder.  Warnings and, on failure, problems go to `messages`, a line
 * each.  ERR_USAGE or ERR_CONFIG with what to do otherwise.
 */
int new_job_plan(struct new_job *job, const struct here_jobs *jobs, struct buf *messages,
		 struct err *err);
/* Get to know the server where there is one to be reached by our own ssh. */
int new_job_introduce(const struct new_job *job, struct err *err);
int new_job_write(struct new_job *job, struct err *err);

#endif
