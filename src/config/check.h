/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What only several keys together tell: the two folders and how the target is
 * reached, the job's name, the state folders, the files to log in with.
 */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

struct config;
struct problems;
struct settings;

/*
 * Complete *config, which holds every single key already (settings_apply):
 *
 * - instance_id is set and a name that may stand in a file name;
 * - initiator_dir and a local target's path are absolute, and neither is the other
 *   or inside it, whatever links or mounts they are reached through;
 * - transport is TRANSPORT_AUTO for a local target only;
 * - state folders are absolute and not among what is synced;
 * - with ssh, ssh_key_file is NULL or can be read.
 *
 * What is wrong goes to *problems.  What was reported before is not again.
 */
void check_config(const struct settings *settings, struct config *config,
		  struct problems *problems);

/*
 * CONFIG_FILE_REVISION: osync before 1.3.0 is refused with what has changed since.
 * Without the key it is our own format.
 */
void check_revision(const struct settings *settings, struct problems *problems);

#endif
