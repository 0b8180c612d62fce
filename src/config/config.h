/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the user asked for: command line, then file, then environment, then
 * default, merged into one value that nobody changes afterwards.
 *
 * The keys and their meaning are in osync.conf.example; the grammar is in
 * config/parse.h; the options in config/options.h.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "config/mail.h"

struct buf;
struct err;
struct filter;

enum { SKIP_ON_INITIATOR = 1, SKIP_ON_TARGET = 2 };

enum conflict_policy {
	CONFLICT_KEEP_BOTH, /* the newer keeps the name, the other is kept beside it */
	CONFLICT_NEWER,	    /* the newer wins, the other goes to the trash */
	CONFLICT_INITIATOR,
	CONFLICT_TARGET,
	CONFLICT_SKIP, /* leave both alone and say so */
};

enum compression { COMPRESSION_AUTO, COMPRESSION_ON, COMPRESSION_OFF };
enum fsync_mode { FSYNC_BATCH, FSYNC_FILE, FSYNC_OFF };
enum transport_kind { TRANSPORT_AUTO, TRANSPORT_SSH, TRANSPORT_COMMAND };

/* Where the target is. */
struct target {
	bool remote; /* ssh://..., or reached by TRANSPORT_COMMAND */
	char *user;  /* NULL: what ssh would take */
	char *host;  /* without brackets */
	int port;    /* 0: what ssh would take */
	char *path;  /* a path here, or on the server: absolute (always, if local), or
			  relative to the login folder; without trailing slashes */
};

struct config {
	char *file; /* the configuration file, NULL on a quick sync */
	char *instance_id;
	char *initiator_dir; /* absolute, without trailing slashes */
	struct target target;
	bool create_dirs;
	/* *_CUSTOM_STATE_DIR by enum side, absolute; NULL: <root>/.osync_workdir/state */
	char *state_dir[2];

	/* where something must be mounted: "." on the root, else a path; NULL: nowhere */
	char *mountpoint[2];

	/* reaching the target */
	enum transport_kind transport; /* resolved; TRANSPORT_AUTO only for a local target */
	char *transport_command;
	char *ssh_key_file;	    /* readable; NULL: ~/.ssh defaults and the ssh-agent */
	char *ssh_password_file;    /* NULL: none */
	char *ssh_known_hosts_file; /* NULL: what ssh would take */
	char *ssh_config_file;	    /* NULL: ~/.ssh/config through `ssh -G` */
	bool ssh_ignore_known_hosts;
	bool ssh_compression;
	bool rsync_compress;	      /* osync 1.3's: without it, compression is not AUTO but OFF */
	enum compression compression; /* of the peer protocol; never on with ssh_compression */
	int bandwidth_kib; /* KiB/s in either direction; 0: any, and without effect on a local target */
	int ssh_connect_timeout_s;
	int ssh_keepalive_s;
	bool resume_sync;	 /* connect again when the line breaks ... */
	int resume_tries;	 /* ... so many times in a row without any progress */
	bool remote_host_ping;	 /* before connecting */
	char *third_party_hosts; /* to ping where the target cannot be reached; NULL: none */
	int peer_timeout_s;	 /* of silence, on either side of a connection */
	char *remote_osync_path; /* "osync" */
	char *remote_token;	 /* NULL, or plain letters and digits and the like */
	bool sudo_exec;

	/* what is synced */
	struct filter *filter;
	bool preserve_permissions;
	bool preserve_owner;
	bool preserve_group;
	bool preserve_executability; /* only asked when preserve_permissions is off */
	bool preserve_acl;
	bool preserve_xattr;
	bool preserve_hardlinks;
	int verify_days; /* every file is read again within so many; 0: never */
	bool checksum;	 /* read every file on every run instead of trusting the stat key */

	/* decisions */
	enum conflict_policy conflict_policy;
	int prevalence;		/* enum side: breaks ties */
	int sync_type;		/* enum direction */
	int skip_deletion;	/* SKIP_ON_*: where deletions are not carried out */
	int max_delete_percent; /* guard: both must be exceeded; 0..100 */
	int64_t max_delete_count;
	int max_change_percent; /* guard, likewise */
	int64_t max_change_count;
	int64_t minimum_space_kib; /* guard: what stays free on either side; 0: nobody looks */
	enum fsync_mode fsync;

	/* the log */
	char *log_file; /* NULL: the places of config/log_places.h */
	bool syslog;

	struct mail_config mail;

	int64_t lock_wait_s;
	int64_t lock_ttl_s; /* a holder silent for so long loses its lock; 0: never */
	bool force_unlock;  /* as soon as it is seen to be silent at all */
	int64_t start_jitter_s;

	/* days for which the trash is kept, and after which it is packed; 0: for ever, never */
	int trash_days;
	int soft_delete_days;
	int conflict_backup_days;
	int trash_pack_days;

	/* commands of the user, by enum side where there are two; NULL: none */
	char *before_cmd[2]; /* LOCAL_ and REMOTE_RUN_BEFORE_CMD */
	char *after_cmd[2];
	int before_limit_s; /* what each may take; 0: any time */
	int after_limit_s;
	bool stop_on_cmd_error;
	bool run_after_cmd_on_error;
	char *on_conflict_cmd;
	char *on_error_cmd;
	int slow_sync_s; /* after so long the first of these is run; 0: never */
	char *slow_start_cmd;
	char *slow_stop_cmd;

	/* the time of a run, in s; 0: any */
	int soft_limit_s;
	int hard_limit_s;
	int keep_logging_s; /* between two signs of life in the log; 0: none */

	/* this run only: options */
	bool dry_run;
	bool json;
	bool summary;
	bool quiet;
	bool silent;	       /* --silent: job_run() makes of it what from_cron says */
	int64_t allow_deletes; /* confirm the deletion guard once, for so many files */
	int64_t allow_changes; /* confirm the change guard once, likewise */
	bool initialize;       /* record what is equal, change nothing */
	bool no_maxtime;       /* neither of the two limits counts */
	bool adopt;	       /* confirm another root identity once */
	bool from_cron;	       /* set by job_run(), where nobody watches: jitter, no output */
	enum log_level log_level;
};

void config_free(struct config *config);

/* Whether what goes to the target goes over a line that is slower than memory. */
bool config_is_far(const struct config *config);
/* Whether this run has commands for this machine, or for the target's: none in a dry run. */
bool config_has_local_hooks(const struct config *config);
bool config_has_remote_hooks(const struct config *config);
/* TARGET_CUSTOM_STATE_DIR, or NULL. */
const char *config_target_state_dir(const struct config *config);

/*
 * Build the configuration of `osync sync` from argv (argv[0] is the first argument after
 * "sync"; a first argument without "--" is a CONF file or PROFILE name; where neither that
 * nor a folder is given, it is the profile of the working folder: config/here.h).  Warnings (one a
 * line) and, on failure, all problems (one a line, "FILE:LINE: what", most useful first) go
 * to `messages`; err then holds ERR_USAGE or ERR_CONFIG and a one-line digest of them.
 * *out is owned by the caller (config_free).
 */
int config_load(int argc, char **argv, struct config **out, struct buf *messages, struct err *err);

#endif
