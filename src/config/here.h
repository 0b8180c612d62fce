/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which job a folder belongs to: for `osync` without a name.
 *
 * The profiles of the user and of the system say it, by their INITIATOR_SYNC_DIR; nothing is
 * looked for in the folder itself or above it.  So whoever can write there cannot have commands
 * run by those who come by, and what is known of a folder stands in one place.
 */
#ifndef CONFIG_HERE_H
#define CONFIG_HERE_H

#include <stddef.h>

struct err;

/* A profile and its folders. */
struct here_job {
	char *file;	 /* the path of the profile */
	char *name;	 /* what the user calls it */
	char *initiator; /* resolved as by overlap_resolved(); NULL where it is not absolute */
	char *target;	 /* likewise; NULL also for one on a server */
	char *given;	 /* TARGET_SYNC_DIR as it stands there, or "" */
};

struct here_jobs {
	struct here_job *items;
	size_t count;
};

#define HERE_JOBS_INIT  \
	{               \
		NULL, 0 \
	}
#define AUTO_HERE_JOBS AUTO(here_jobs_release) struct here_jobs

void here_jobs_release(struct here_jobs *jobs);

/*
 * All profiles that can be read, the user's first; one of the system that has the name of one of the
 * user's is left out, as it is where profiles are named.  What is wrong with them is for those who
 * load them.
 */
void here_list(struct here_jobs *out);

/*
 * The profile whose folder holds the working folder, the nearest of several: its path, malloc'ed.
 * NULL and ERR_USAGE where there is none, or where several have the same folder, with their names.
 */
char *here_profile(struct err *err);

#endif
