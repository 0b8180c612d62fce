/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of config/keys.h, apart from the code that reads it. */
#include "config/keys.h"

#include <stddef.h>

#include "config/config.h"
#include "model/entry.h"

#define FIELD(name) offsetof(struct config, name)

/* What is set: type, default, field. */
#define BOOL(key, fallback, field)                                                \
	{                                                                         \
		key, KEY_BOOL, KEY_SETS, fallback, 0, 0, NULL, FIELD(field), NULL \
	}
#define INT(key, fallback, min, max, field)                                          \
	{                                                                            \
		key, KEY_INT, KEY_SETS, fallback, min, max, NULL, FIELD(field), NULL \
	}
#define INT64(key, fallback, min, max, field)                                          \
	{                                                                              \
		key, KEY_INT64, KEY_SETS, fallback, min, max, NULL, FIELD(field), NULL \
	}
#define WORD(key, fallback, words, field)                                          \
	{                                                                          \
		key, KEY_WORD, KEY_SETS, fallback, 0, 0, words, FIELD(field), NULL \
	}
#define TEXT(key, fallback, field)                                                \
	{                                                                         \
		key, KEY_TEXT, KEY_SETS, fallback, 0, 0, NULL, FIELD(field), NULL \
	}
#define PATH(key, field)                                                      \
	{                                                                     \
		key, KEY_PATH, KEY_SETS, NULL, 0, 0, NULL, FIELD(field), NULL \
	}
#define READ(key, type, fallback, words)                            \
	{                                                           \
		key, type, KEY_READ, fallback, 0, 0, words, 0, NULL \
	}

/* What is not: treatment, default or "off", why. */
#define ACCEPTED(key)                                                  \
	{                                                              \
		key, KEY_TEXT, KEY_ACCEPTED, NULL, 0, 0, NULL, 0, NULL \
	}
#define ALWAYS(key, note)                                              \
	{                                                              \
		key, KEY_BOOL, KEY_ALWAYS, "true", 0, 0, NULL, 0, note \
	}
#define LATER(key, off, note)                                      \
	{                                                          \
		key, KEY_TEXT, KEY_LATER, off, 0, 0, NULL, 0, note \
	}
#define NEVER(key, off, note)                                      \
	{                                                          \
		key, KEY_TEXT, KEY_NEVER, off, 0, 0, NULL, 0, note \
	}
#define NO_EFFECT(key, fallback, note)                                      \
	{                                                                   \
		key, KEY_TEXT, KEY_NO_EFFECT, fallback, 0, 0, NULL, 0, note \
	}
#define RENAMED(key, now)                                            \
	{                                                            \
		key, KEY_TEXT, KEY_RENAMED, NULL, 0, 0, NULL, 0, now \
	}

#define NO_RSYNC "rsync does not run here"

enum {
	HOUR_S = 3600,
	DAY_S = 24 * HOUR_S,
	WEEK_S = 7 * DAY_S,
	YEAR_S = 365 * DAY_S,
};

/* KiB/s, as PEER_RATE_MAX of peer/protocol.h. */
enum { BANDWIDTH_MAX = 100 * 1000 * 1000 };

/* As run/again.h has it. */
enum { AGAIN_MOST = 20 };

/* More files than any file system holds. */
#define COUNT_MAX INT64_C(1000000000000)

/* clang-format off */
const struct key keys_table[] = {
	/* folders */
	READ("CONFIG_FILE_REVISION", KEY_TEXT, NULL, NULL),
	TEXT("INSTANCE_ID", NULL, instance_id),
	READ("INITIATOR_SYNC_DIR", KEY_TEXT, NULL, NULL),
	READ("TARGET_SYNC_DIR", KEY_TEXT, NULL, NULL),
	BOOL("CREATE_DIRS", "false", create_dirs),
	PATH("INITIATOR_CUSTOM_STATE_DIR", state_dir[SIDE_INITIATOR]),
	/* A folder of the target's machine: not for us to complete. */
	TEXT("TARGET_CUSTOM_STATE_DIR", NULL, state_dir[SIDE_TARGET]),
	/* yes, no, or a path: see check.c */
	TEXT("INITIATOR_MOUNTPOINT", NULL, mountpoint[SIDE_INITIATOR]),
	TEXT("REMOTE_MOUNTPOINT", NULL, mountpoint[SIDE_TARGET]),

	/* the server */
	WORD("TRANSPORT", "auto", "auto ssh command", transport),
	TEXT("TRANSPORT_COMMAND", NULL, transport_command),
	PATH("SSH_RSA_PRIVATE_KEY", ssh_key_file),
	PATH("SSH_PASSWORD_FILE", ssh_password_file),
	PATH("SSH_KNOWN_HOSTS_FILE", ssh_known_hosts_file),
	PATH("SSH_CONFIG_FILE", ssh_config_file),
	BOOL("SSH_IGNORE_KNOWN_HOSTS", "false", ssh_ignore_known_hosts),
	BOOL("SSH_COMPRESSION", "false", ssh_compression),
	WORD("COMPRESSION", "auto", "auto on off", compression),
	BOOL("RSYNC_COMPRESS", "true", rsync_compress),
	INT("BANDWIDTH", "0", 0, BANDWIDTH_MAX, bandwidth_kib),
	INT("SSH_CONNECT_TIMEOUT", "30", 1, HOUR_S, ssh_connect_timeout_s),
	INT("SSH_KEEPALIVE", "15", 1, HOUR_S, ssh_keepalive_s),
	INT("PEER_TIMEOUT", "180", 60, HOUR_S, peer_timeout_s),
	BOOL("RESUME_SYNC", "true", resume_sync),
	INT("RESUME_TRY", "2", 0, AGAIN_MOST, resume_tries),
	BOOL("REMOTE_HOST_PING", "false", remote_host_ping),
	TEXT("REMOTE_3RD_PARTY_HOSTS", NULL, third_party_hosts),
	TEXT("REMOTE_OSYNC_PATH", "osync", remote_osync_path),
	TEXT("_REMOTE_TOKEN", NULL, remote_token),
	BOOL("SUDO_EXEC", "false", sudo_exec),

	/* what is synced */
	READ("RSYNC_PATTERN_FIRST", KEY_WORD, "include", "include exclude"),
	READ("RSYNC_INCLUDE_PATTERN", KEY_TEXT, NULL, NULL),
	READ("RSYNC_EXCLUDE_PATTERN", KEY_TEXT, NULL, NULL),
	READ("RSYNC_INCLUDE_FROM", KEY_TEXT, NULL, NULL),
	READ("RSYNC_EXCLUDE_FROM", KEY_TEXT, NULL, NULL),
	READ("PATH_SEPARATOR_CHAR", KEY_TEXT, ";", NULL),
	BOOL("PRESERVE_PERMISSIONS", "true", preserve_permissions),
	BOOL("PRESERVE_OWNER", "true", preserve_owner),
	BOOL("PRESERVE_GROUP", "true", preserve_group),
	BOOL("PRESERVE_EXECUTABILITY", "true", preserve_executability),
	BOOL("PRESERVE_ACL", "false", preserve_acl),
	BOOL("PRESERVE_XATTR", "false", preserve_xattr),
	BOOL("PRESERVE_HARDLINKS", "false", preserve_hardlinks),
	BOOL("CHECKSUM", "false", checksum),
	INT("VERIFY_DAYS", "90", 0, 36500, verify_days),

	/* conflicts and guards; the words stand in the order of the enums */
	WORD("CONFLICT_POLICY", "keep-both", "keep-both newer initiator target skip",
	     conflict_policy),
	WORD("CONFLICT_PREVALANCE", "initiator", "initiator target", prevalence),
	WORD("SYNC_TYPE", "both", "both initiator2target target2initiator", sync_type),
	WORD("SKIP_DELETION", "none", "none initiator target initiator,target target,initiator",
	     skip_deletion),
	INT("MAX_DELETE_PERCENT", "50", 0, 100, max_delete_percent),
	INT64("MAX_DELETE_COUNT", "10", 0, COUNT_MAX, max_delete_count),
	INT("MAX_CHANGE_PERCENT", "50", 0, 100, max_change_percent),
	INT64("MAX_CHANGE_COUNT", "100", 0, COUNT_MAX, max_change_count),
	/* osync 1.3's sample file has so much */
	INT64("MINIMUM_SPACE", "10240", 0, COUNT_MAX, minimum_space_kib),
	WORD("FSYNC", "batch", "batch file off", fsync),

	/* locks */
	INT64("LOCK_WAIT", "0", 0, WEEK_S, lock_wait_s),
	INT64("LOCK_TTL", "900", 0, WEEK_S, lock_ttl_s),
	BOOL("FORCE_STRANGER_LOCK_RESUME", "false", force_unlock),
	INT64("START_JITTER", "0", 0, DAY_S, start_jitter_s),

	/* the log */
	PATH("LOGFILE", log_file),
	BOOL("SYSLOG", "false", syslog),

	/* commands */
	TEXT("LOCAL_RUN_BEFORE_CMD", NULL, before_cmd[SIDE_INITIATOR]),
	TEXT("LOCAL_RUN_AFTER_CMD", NULL, after_cmd[SIDE_INITIATOR]),
	TEXT("REMOTE_RUN_BEFORE_CMD", NULL, before_cmd[SIDE_TARGET]),
	TEXT("REMOTE_RUN_AFTER_CMD", NULL, after_cmd[SIDE_TARGET]),
	INT("MAX_EXEC_TIME_PER_CMD_BEFORE", "0", 0, YEAR_S, before_limit_s),
	INT("MAX_EXEC_TIME_PER_CMD_AFTER", "0", 0, YEAR_S, after_limit_s),
	BOOL("STOP_ON_CMD_ERROR", "true", stop_on_cmd_error),
	BOOL("RUN_AFTER_CMD_ON_ERROR", "false", run_after_cmd_on_error),
	TEXT("ON_CONFLICT_CMD", NULL, on_conflict_cmd),
	TEXT("ON_ERROR_CMD", NULL, on_error_cmd),
	INT("SLOW_SYNC_TIME", "0", 0, YEAR_S, slow_sync_s),
	TEXT("SLOW_SYNC_START_CMD", NULL, slow_start_cmd),
	TEXT("SLOW_SYNC_STOP_CMD", NULL, slow_stop_cmd),

	/* time */
	INT("SOFT_MAX_EXEC_TIME", "0", 0, YEAR_S, soft_limit_s),
	INT("HARD_MAX_EXEC_TIME", "0", 0, YEAR_S, hard_limit_s),
	/* osync 1.3's, of which nobody knows why it is that */
	INT("KEEP_LOGGING", "1801", 0, YEAR_S, keep_logging_s),

	/* mail */
	TEXT("DESTINATION_MAILS", NULL, mail.destinations),
	TEXT("MAIL_ON", "error warning conflict recovery", mail.on_words),
	BOOL("ALWAYS_SEND_MAILS", "false", mail.always),
	BOOL("ALERT_CONFLICTS", "false", mail.conflicts),
	INT("MAIL_REPEAT", "24", 0, 8760, mail.repeat_h),
	INT64("LOCK_ALERT_AFTER", "7200", 0, YEAR_S, mail.lock_alert_after_s),
	INT64("OFFLINE_ALERT_AFTER", "86400", 0, YEAR_S, mail.offline_alert_after_s),
	TEXT("SENDER_MAIL", NULL, mail.sender),
	TEXT("SENDMAIL", "/usr/sbin/sendmail -t -i", mail.sendmail),
	TEXT("SMTP_URL", NULL, mail.smtp_url),
	TEXT("SMTP_SERVER", NULL, mail.server),
	INT("SMTP_PORT", "0", 0, 65535, mail.port),
	WORD("SMTP_ENCRYPTION", "none", "none tls ssl", mail.encryption),
	TEXT("SMTP_USER", NULL, mail.user),
	TEXT("SMTP_PASSWORD", NULL, mail.password),
	PATH("SMTP_PASSWORD_FILE", mail.password_file),
	PATH("SMTP_CA_FILE", mail.ca_file),
	ACCEPTED("MAIL_BODY_CHARSET"), /* it is UTF-8 */

	/* the trash */
	INT("TRASH_DAYS", "0", 0, 36500, trash_days),
	INT("SOFT_DELETE_DAYS", "0", 0, 36500, soft_delete_days),
	INT("CONFLICT_BACKUP_DAYS", "0", 0, 36500, conflict_backup_days),
	INT("TRASH_PACK_DAYS", "0", 0, 36500, trash_pack_days),

	/* always so */
	ALWAYS("SOFT_DELETE", "what is deleted always goes to the trash"),
	ALWAYS("CONFLICT_BACKUP", "what is overwritten always goes to the trash"),
	ACCEPTED("CONFLICT_BACKUP_MULTIPLE"), /* the trash has a folder for each run */
	ACCEPTED("LOG_CONFLICTS"), /* the log has them all */

	/* matter only together with a key or an option that is refused */
	ACCEPTED("MIN_WAIT"),
	ACCEPTED("MAX_WAIT"),

	/* not yet */
	{ "DIGEST", KEY_TEXT, KEY_LATER, "", 0, 0, "xxh3 xxh128 xxh3-128", 0,
	  "digests other than XXH3-128" },

	/* on purpose not */
	NEVER("COPY_SYMLINKS", "false", "symlinks are synced as symlinks and never followed"),
	NEVER("KEEP_DIRLINKS", "false", "symlinks are synced as symlinks and never followed"),
	NEVER("KRB5", "", "for Kerberos set TRANSPORT=command and a TRANSPORT_COMMAND that starts "
	      "the OpenSSH client"),

	/* without effect */
	NO_EFFECT("RSYNC_EXECUTABLE", "rsync", NO_RSYNC),
	NO_EFFECT("RSYNC_REMOTE_PATH", "", "rsync does not run here; see REMOTE_OSYNC_PATH"),
	NO_EFFECT("RSYNC_OPTIONAL_ARGS", "", NO_RSYNC),
	NO_EFFECT("PARTIAL", "false", NO_RSYNC),
	NO_EFFECT("DELTA_COPIES", "true", NO_RSYNC),
	NO_EFFECT("SSH_OPTIONAL_ARGS", "", "ssh's command line is not used; see SSH_CONFIG_FILE"),
	NO_EFFECT("SSH_CONTROLMASTER", "false", "a run has only one connection anyway"),

	/* osync 1.0 */
	RENAMED("MASTER_SYNC_DIR", "INITIATOR_SYNC_DIR"),
	RENAMED("SLAVE_SYNC_DIR", "TARGET_SYNC_DIR"),
	RENAMED("SYNC_ID", "INSTANCE_ID"),
	RENAMED("MASTER_CUSTOM_STATE_DIR", "INITIATOR_CUSTOM_STATE_DIR"),
	RENAMED("SLAVE_CUSTOM_STATE_DIR", "TARGET_CUSTOM_STATE_DIR"),
};
/* clang-format on */

const size_t keys_count = sizeof(keys_table) / sizeof(*keys_table);
