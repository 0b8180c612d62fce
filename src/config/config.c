/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/config.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/worthwhile.h"
#include "config/check.h"
#include "config/here.h"
#include "config/locate.h"
#include "config/options.h"
#include "config/parse.h"
#include "config/patterns.h"
#include "config/problems.h"
#include "config/settings.h"
#include "config/target.h"
#include "model/entry.h"
#include "model/filter.h"

void config_free(struct config *config)
{
	if (!config)
		return;
	free(config->file);
	free(config->instance_id);
	free(config->initiator_dir);
	target_release(&config->target);
	for (int side = 0; side < SIDES; side++) {
		free(config->state_dir[side]);
		free(config->mountpoint[side]);
		free(config->before_cmd[side]);
		free(config->after_cmd[side]);
	}
	free(config->on_conflict_cmd);
	free(config->on_error_cmd);
	free(config->slow_start_cmd);
	free(config->slow_stop_cmd);
	free(config->transport_command);
	free(config->ssh_key_file);
	free(config->ssh_password_file);
	free(config->ssh_known_hosts_file);
	free(config->ssh_config_file);
	free(config->remote_osync_path);
	free(config->third_party_hosts);
	free(config->remote_token);
	free(config->log_file);
	mail_config_release(&config->mail);
	filter_free(config->filter);
	free(config);
}

static bool has_hooks(const struct config *config, enum side side)
{
	return !config->dry_run && (config->before_cmd[side] || config->after_cmd[side]);
}

bool config_is_far(const struct config *config)
{
	return config->target.remote || WORTHWHILE(false, true);
}

bool config_has_local_hooks(const struct config *config)
{
	return has_hooks(config, SIDE_INITIATOR);
}

bool config_has_remote_hooks(const struct config *config)
{
	return has_hooks(config, SIDE_TARGET);
}

const char *config_target_state_dir(const struct config *config)
{
	return config->state_dir[SIDE_TARGET];
}

static void free_config(struct config **config)
{
	config_free(*config);
}

static const char *environment(void *context, const char *name)
{
	(void)context;
	return getenv(name);
}

static bool names_folders(const struct settings *settings)
{
	return settings_given(settings, "INITIATOR_SYNC_DIR") ||
	       settings_given(settings, "TARGET_SYNC_DIR") || getenv("INITIATOR_SYNC_DIR") ||
	       getenv("TARGET_SYNC_DIR");
}

/* The file that is meant, in config->file; NULL on a quick sync. */
static int choose_file(const struct options *options, struct config *config,
		       const struct settings *settings, struct problems *problems)
{
	static const struct origin command_line = { SOURCE_OPTION, NULL, 0 };
	struct err err = ERR_INIT;

	if (!options->file && names_folders(settings))
		return 0;
	if (!options->file)
		config->file = here_profile(&err);
	else
		config->file = options->file_is_path ? xstrdup(options->file)
						     : locate_config(options->file, &err);
	if (config->file)
		return 0;
	return problems_add(problems, PROBLEM_ERROR, options->file ? NULL : &command_line, "%s",
			    err.msg);
}

/* What the configuration file says, if there is one. */
static int load_file(const struct options *options, struct config *config,
		     struct settings *settings, struct problems *problems)
{
	static const struct parse_lookup lookup = { environment, NULL };
	AUTO_ASSIGNMENTS file = ASSIGNMENTS_INIT;
	AUTO_BUF text = BUF_INIT;
	struct err err = ERR_INIT;

	if (choose_file(options, config, settings, problems) < 0)
		return -1;
	if (!config->file)
		return 0;
	if (locate_read(config->file, PARSE_FILE_MAX, &text, &err) < 0)
		return problems_add(problems, PROBLEM_ERROR, NULL, "%s", err.msg);
	parse_text(buf_cstr(&text), text.len, config->file, &lookup, &file, problems);
	settings_put_file(settings, &file, config->file, problems);
	return 0;
}

static void take_options(const struct options *options, struct config *config)
{
	config->dry_run = options->dry_run;
	config->json = options->json;
	config->summary = options->summary;
	config->quiet = options->quiet || options->silent;
	config->silent = options->silent;
	config->allow_deletes = options->allow_deletes;
	config->allow_changes = options->allow_changes;
	config->no_maxtime = options->no_maxtime;
	config->adopt = options->adopt;
	config->initialize = options->initialize;
	config->log_level = config->quiet ? LOG_QUIET : LOG_WARN;
	if (options->silent)
		return;
	if (options->verbose == 1)
		config->log_level = LOG_INFO;
	if (options->verbose > 1)
		config->log_level = LOG_DEBUG;
}

static void build(struct settings *settings, struct config *config, struct problems *problems)
{
	settings_apply(settings, config, problems);
	check_revision(settings, problems);
	check_config(settings, config, problems);
	config->filter = filter_new();
	patterns_build(settings, config->file, config->filter, problems);
}

int config_load(int argc, char **argv, struct config **out, struct buf *messages, struct err *err)
{
	AUTO_PROBLEMS problems = PROBLEMS_INIT;
	AUTO_SETTINGS settings = settings_init();
	AUTO(free_config) struct config *config = xcalloc(1, sizeof(*config));
	struct options options = { 0 };

	options_parse(argc, argv, &options, &settings, &problems);
	if (problems_stop(&problems)) {
		/* Which file was meant is not certain: judge only what stands here. */
		settings_apply(&settings, config, &problems);
	} else if (load_file(&options, config, &settings, &problems) == 0) {
		settings_put_environment(&settings);
		take_options(&options, config);
		build(&settings, config, &problems);
	}
	problems_report(&problems, messages);
	if (problems_judge(&problems, err) < 0)
		return -1;
	*out = steal_ptr(&config);
	return 0;
}
