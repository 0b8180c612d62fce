/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a folder may become the root of a new job, or its target on this machine.
 *
 * Refused: what lies in a folder that is synced, or holds one; what holds osync's own profiles and
 * keys (the home folder, "/"), since a private key would be sent to the other side; the inside of a
 * work folder; a folder that we may not write.
 */
#ifndef SETUP_PLACE_H
#define SETUP_PLACE_H

struct config;
struct err;
struct here_jobs;

/*
 * config    of the new job; the folder and a local target are judged
 * private   folders with what must not be synced, resolved, ended by NULL
 * jobs      all that there are already
 *
 * ERR_CONFIG with what is wrong and what to do. Changes nothing. O(what lies in the folder), but looks
 * at no more than some 100,000 names there for a synced folder that no profile tells of.
 */
int place_check(const struct config *config, const char *const private[],
		const struct here_jobs *jobs, struct err *err);

#endif
