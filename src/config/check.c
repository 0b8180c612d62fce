/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"
#include "config/keys.h"
#include "config/mail.h"
#include "config/overlap.h"
#include "config/settings.h"
#include "config/target.h"
#include "model/entry.h"

#define WORKDIR "/.osync_workdir"

/* A part of file names in both state folders. */
enum { INSTANCE_ID_MAX = 64 };

struct checker {
	const struct settings *settings;
	struct config *config;
	struct problems *problems;
};

#define complain(c, origin, ...) problems_add((c)->problems, PROBLEM_ERROR, origin, __VA_ARGS__)

static void complain_missing(struct checker *c, const char *name, const char *option)
{
	struct origin origin = { SOURCE_FILE, c->config->file, 0 };

	complain(c, &origin, "%s is missing", c->config->file ? name : option);
}

/* CONFIG_FILE_REVISION -------------------------------------------------------- */

/* The number at *text, which moves behind it; -1 where there is none. */
static int take_number(const char **text)
{
	int value = 0;
	const char *start = *text;

	while (**text >= '0' && **text <= '9' && value < 1000)
		value = value * 10 + (*(*text)++ - '0');
	return *text > start ? value : -1;
}

/* 1 for a revision of osync 1.3 or later ("1.3.0-beta" is one), 0 for an older one, or -1. */
static int is_readable_revision(const char *text)
{
	int major = take_number(&text);
	int minor = *text == '.' ? (text++, take_number(&text)) : -1;

	if (major < 0 || minor < 0)
		return -1;
	return major > 1 || (major == 1 && minor >= 3);
}

void check_revision(const struct settings *settings, struct problems *problems)
{
	const struct setting *setting = settings_get(settings, "CONFIG_FILE_REVISION");
	int readable =
		setting->broken || !*setting->value ? 1 : is_readable_revision(setting->value);

	if (readable < 0)
		problems_add(problems, PROBLEM_ERROR, &setting->origin,
			     "CONFIG_FILE_REVISION is '%s', not a version as in 1.3.0",
			     setting->value);
	if (readable == 0)
		problems_add(
			problems, PROBLEM_ERROR, &setting->origin,
			"CONFIG_FILE_REVISION is '%s', older than 1.3.0. Since then "
			"MASTER_SYNC_DIR is INITIATOR_SYNC_DIR, SLAVE_SYNC_DIR is "
			"TARGET_SYNC_DIR, SYNC_ID is INSTANCE_ID, and CONFLICT_PREVALANCE takes "
			"initiator or target: osync-upgrade-conf changes these in the file, and "
			"keeps the old one beside it",
			setting->value);
}

/* INSTANCE_ID ----------------------------------------------------------------- */

static bool is_instance_id(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= INSTANCE_ID_MAX && text[0] != '.' &&
	       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
		       len;
}

static void check_instance(struct checker *c)
{
	const struct setting *setting = settings_get(c->settings, "INSTANCE_ID");

	if (setting->broken)
		return;
	if (!c->config->instance_id && c->config->file)
		complain_missing(c, "INSTANCE_ID", "--instance-id");
	else if (!c->config->instance_id)
		c->config->instance_id = xstrdup("quicksync_task");
	else if (!is_instance_id(c->config->instance_id))
		complain(c, &setting->origin,
			 "INSTANCE_ID is '%s'; it takes up to %d of A-Z a-z 0-9 . _ - and does not "
			 "begin with a dot",
			 setting->value, INSTANCE_ID_MAX);
}

/* The folders ----------------------------------------------------------------- */

static void check_initiator(struct checker *c)
{
	const struct key *key = keys_find("INITIATOR_SYNC_DIR");
	const struct setting *setting = settings_get(c->settings, key->name);

	if (setting->broken)
		return;
	if (!*setting->value)
		complain_missing(c, key->name, "--initiator");
	else if (target_is_url(setting->value))
		complain(c, &setting->origin,
			 "INITIATOR_SYNC_DIR is a folder of this machine; run osync on the other "
			 "one, or swap the two");
	else
		c->config->initiator_dir =
			keys_absolute(key, setting->value, &setting->origin, c->problems);
}

/* TRANSPORT says what it is going to be, not what was asked for. */
static void resolve_transport(struct checker *c, const struct setting *target)
{
	struct config *config = c->config;
	const struct setting *asked = settings_get(c->settings, "TRANSPORT");
	bool has_command = settings_given(c->settings, "TRANSPORT_COMMAND");

	if (config->transport == TRANSPORT_AUTO && has_command)
		config->transport = TRANSPORT_COMMAND;
	if (config->transport == TRANSPORT_AUTO && config->target.remote)
		config->transport = TRANSPORT_SSH;
	if (config->transport == TRANSPORT_COMMAND && !has_command)
		complain(c, &asked->origin,
			 "TRANSPORT is command, but TRANSPORT_COMMAND is missing");
	if (config->transport == TRANSPORT_SSH && config->target.path && !config->target.remote)
		complain(
			c, &target->origin,
			"TRANSPORT is ssh, but TARGET_SYNC_DIR is not ssh://[USER@]HOST[:PORT]/PATH");
}

/* A path that a command reaches: as it is, "~/" being where the command arrives. */
static void make_remote(struct target *target)
{
	const char *path = target->path;

	if (strncmp(path, "~/", 2) == 0) {
		char *below = xstrdup(path + 1 + strspn(path + 1, "/"));

		free(target->path);
		target->path = below;
	}
	target->remote = true;
}

static void make_local(struct checker *c, const struct setting *setting)
{
	const struct key *key = keys_find("TARGET_SYNC_DIR");
	char *path = keys_absolute(key, c->config->target.path, &setting->origin, c->problems);

	free(c->config->target.path);
	c->config->target.path = path;
}

static void check_target(struct checker *c)
{
	const struct setting *setting = settings_get(c->settings, "TARGET_SYNC_DIR");
	struct target *target = &c->config->target;
	struct err err = ERR_INIT;

	if (!setting->broken && !*setting->value)
		complain_missing(c, "TARGET_SYNC_DIR", "--target");
	else if (!setting->broken && target_parse(setting->value, target, &err) < 0)
		complain(c, &setting->origin, "TARGET_SYNC_DIR: %s", err.msg);
	resolve_transport(c, setting);
	if (!target->path || target->remote)
		return;
	if (c->config->transport == TRANSPORT_COMMAND)
		make_remote(target);
	else
		make_local(c, setting);
}

static void check_overlap(struct checker *c)
{
	const struct setting *setting = settings_get(c->settings, "TARGET_SYNC_DIR");
	/* Two values that do not go together: of the configuration, wherever they stand. */
	struct origin origin = { SOURCE_FILE, setting->origin.where, setting->origin.line };
	AUTO_FREE char *initiator = NULL;
	AUTO_FREE char *target = NULL;
	bool target_inside = false;
	bool initiator_inside = false;

	if (!c->config->initiator_dir || !c->config->target.path || c->config->target.remote)
		return;
	initiator = overlap_resolved(c->config->initiator_dir);
	target = overlap_resolved(c->config->target.path);
	target_inside = overlap_inside(target, initiator);
	initiator_inside = overlap_inside(initiator, target);
	if (target_inside && initiator_inside)
		complain(c, &origin, "INITIATOR_SYNC_DIR and TARGET_SYNC_DIR are the same folder");
	else if (target_inside)
		complain(c, &origin, "TARGET_SYNC_DIR lies inside INITIATOR_SYNC_DIR");
	else if (initiator_inside)
		complain(c, &origin, "INITIATOR_SYNC_DIR lies inside TARGET_SYNC_DIR");
}

/* State folders --------------------------------------------------------------- */

/* State inside a synced folder would be synced, unless it lies in the work folder. */
static void check_state_outside(struct checker *c, const struct setting *setting, const char *name,
				const char *state_dir, const char *root)
{
	AUTO_FREE char *state = NULL;
	AUTO_FREE char *outer = NULL;

	if (!root || strstr(state_dir, WORKDIR))
		return;
	state = overlap_resolved(state_dir);
	outer = overlap_resolved(root);
	if (overlap_inside(state, outer))
		complain(c, &setting->origin, "%s lies inside the synced folder '%s'", name, root);
}

static void check_state_dir(struct checker *c, enum side side)
{
	static const char *const names[] = { "INITIATOR_CUSTOM_STATE_DIR",
					     "TARGET_CUSTOM_STATE_DIR" };
	const struct setting *setting = settings_get(c->settings, names[side]);
	const struct target *target = &c->config->target;
	bool here = side == SIDE_INITIATOR || !target->remote;
	bool home = here && (setting->value[0] == '~');

	if (setting->broken || !*setting->value)
		return;
	if (setting->value[0] != '/' && !home) {
		complain(c, &setting->origin, "%s is '%s', but has to be absolute", names[side],
			 setting->value);
		return;
	}
	if (!here)
		return;
	free(c->config->state_dir[side]);
	c->config->state_dir[side] = keys_absolute(keys_find(names[side]), setting->value,
						   &setting->origin, c->problems);
	if (!c->config->state_dir[side])
		return;
	check_state_outside(c, setting, names[side], c->config->state_dir[side],
			    c->config->initiator_dir);
	check_state_outside(c, setting, names[side], c->config->state_dir[side],
			    target->remote ? NULL : target->path);
}

/* Mount points ---------------------------------------------------------------- */

/* A relative one is below the working folder here, and below the login folder there. */
static char *mountpoint_path(struct checker *c, const struct setting *setting, enum side side,
			     const char *name)
{
	const char *value = setting->value;

	if (side == SIDE_INITIATOR || !c->config->target.remote)
		return keys_absolute(keys_find(name), value, &setting->origin, c->problems);
	if (strncmp(value, "~/", 2) == 0)
		value += 1 + strspn(value + 1, "/");
	return xstrdup(value);
}

/* "yes" is the root itself. */
static void check_mountpoint(struct checker *c, enum side side)
{
	static const char *const names[] = { "INITIATOR_MOUNTPOINT", "REMOTE_MOUNTPOINT" };
	const struct setting *setting = settings_get(c->settings, names[side]);
	const char *value = setting->value;

	if (setting->broken || !*value)
		return;
	free(steal_ptr(&c->config->mountpoint[side]));
	if (strcasecmp(value, "yes") == 0 || strcasecmp(value, "true") == 0)
		c->config->mountpoint[side] = xstrdup(".");
	else if (strcasecmp(value, "no") != 0 && strcasecmp(value, "false") != 0)
		c->config->mountpoint[side] = mountpoint_path(c, setting, side, names[side]);
}

/* The log ----------------------------------------------------------------------- */

/* Each run would have the last one's log to sync. */
static void check_log_file(struct checker *c)
{
	const struct setting *setting = settings_get(c->settings, "LOGFILE");
	const struct target *target = &c->config->target;

	if (!c->config->log_file)
		return;
	check_state_outside(c, setting, "LOGFILE", c->config->log_file, c->config->initiator_dir);
	check_state_outside(c, setting, "LOGFILE", c->config->log_file,
			    target->remote ? NULL : target->path);
}

/* Logging in ------------------------------------------------------------------ */

static void check_readable(struct checker *c, const char *name, const char *path)
{
	if (path && access(path, R_OK) < 0)
		complain(c, &settings_get(c->settings, name)->origin, "%s: cannot read '%s': %s",
			 name, path, strerrordesc_np(errno));
}

/* osync 1.3's rule: a key that is not there is fine as long as there is a password file. */
static void check_ssh(struct checker *c)
{
	struct config *config = c->config;

	if (config->transport != TRANSPORT_SSH)
		return;
	if (config->ssh_password_file && config->ssh_key_file &&
	    access(config->ssh_key_file, R_OK) < 0)
		free(steal_ptr(&config->ssh_key_file));
	check_readable(c, "SSH_RSA_PRIVATE_KEY", config->ssh_key_file);
	check_readable(c, "SSH_PASSWORD_FILE", config->ssh_password_file);
	check_readable(c, "SSH_CONFIG_FILE", config->ssh_config_file);
	if (config->ssh_ignore_known_hosts)
		problems_add(c->problems, PROBLEM_WARNING,
			     &settings_get(c->settings, "SSH_IGNORE_KNOWN_HOSTS")->origin,
			     "SSH_IGNORE_KNOWN_HOSTS: anybody on the way can pose as the server");
}

/* What is compressed already does not get smaller. */
static void check_compression(struct checker *c)
{
	struct config *config = c->config;

	if (!config->rsync_compress && config->compression == COMPRESSION_AUTO)
		config->compression = COMPRESSION_OFF;
	if (!config->ssh_compression || config->transport != TRANSPORT_SSH)
		return;
	if (config->compression == COMPRESSION_ON)
		complain(c, &settings_get(c->settings, "COMPRESSION")->origin,
			 "COMPRESSION=on and SSH_COMPRESSION=yes would compress twice: leave out "
			 "SSH_COMPRESSION");
	config->compression = COMPRESSION_OFF;
}

/* Nothing of it goes over a line: not worth failing, but whoever set it expects something. */
static void check_bandwidth(struct checker *c)
{
	if (c->config->bandwidth_kib > 0 && c->config->target.path && !c->config->target.remote)
		problems_add(c->problems, PROBLEM_WARNING,
			     &settings_get(c->settings, "BANDWIDTH")->origin,
			     "BANDWIDTH has no effect: the target is on this machine");
}

/* The server's filter compares it byte for byte with what we send: no quotes may stand around it. */
static void check_token(struct checker *c)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789/._-:,@+";
	const char *token = c->config->remote_token;

	if (token && token[strspn(token, plain)])
		complain(c, &settings_get(c->settings, "_REMOTE_TOKEN")->origin,
			 "_REMOTE_TOKEN takes letters, digits and / . _ - : , @ + only");
}

/* Both at once may be written in either order. */
static void check_skip_deletion(struct checker *c)
{
	if (c->config->skip_deletion > (SKIP_ON_INITIATOR | SKIP_ON_TARGET))
		c->config->skip_deletion = SKIP_ON_INITIATOR | SKIP_ON_TARGET;
}

void check_config(const struct settings *settings, struct config *config, struct problems *problems)
{
	struct checker c = { settings, config, problems };

	check_instance(&c);
	check_initiator(&c);
	check_target(&c);
	check_overlap(&c);
	check_state_dir(&c, SIDE_INITIATOR);
	check_state_dir(&c, SIDE_TARGET);
	check_mountpoint(&c, SIDE_INITIATOR);
	check_mountpoint(&c, SIDE_TARGET);
	check_log_file(&c);
	mail_config_check(settings, config, problems);
	check_ssh(&c);
	check_bandwidth(&c);
	check_compression(&c);
	check_token(&c);
	check_skip_deletion(&c);
}
