/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "cmd/cmd.h"
#include "cmd/load.h"
#include "config/config.h"
#include "run/report.h"
#include "run/saved.h"
#include "store/list.h"

/* One side's view: size, mode, owner and time as that machine has them. */
static void add_side(struct buf *line, const struct entry *entry)
{
	char stamp[16];

	if (entry->type == ENTRY_ABSENT) {
		buf_addstr(line, "-");
		return;
	}
	clock_stamp(entry->mtime_ns, stamp);
	buf_addf(line, "%s %04o %" PRIu32 ":%" PRIu32 " %s",
		 entry_type_name((enum entry_type)entry->type), entry->mode, entry->uid, entry->gid,
		 stamp);
}

static void print_record(struct buf *line, const char *path, const struct base *base)
{
	char hex[DIGEST_HEX_LEN + 1] = "-";
	const struct entry *any =
		base->side[0].type != ENTRY_ABSENT ? &base->side[0] : &base->side[1];

	if (base->type == ENTRY_FILE || base->type == ENTRY_SYMLINK)
		digest_hex(&base->digest, hex);
	buf_reset(line);
	text_add_escaped(line, path);
	buf_addf(line, "\t%s\t%" PRIu64 "\t%s\t", entry_type_name((enum entry_type)base->type),
		 any->size, hex);
	add_side(line, &base->side[SIDE_INITIATOR]);
	buf_addch(line, '\t');
	add_side(line, &base->side[SIDE_TARGET]);
	puts(buf_cstr(line));
}

static int print_list(const struct config *config, struct err *err)
{
	struct saved saved;
	struct list_cursor *cursor = NULL;
	AUTO_BUF line = BUF_INIT;
	const char *path = NULL;
	struct base base;
	int got = 0;

	if (saved_open(&saved, config, TABLE_READ, err) < 0)
		return -1;
	if (!saved.list) {
		saved_close(&saved);
		return err_set(
			err, ERR_SYSTEM,
			"there is no saved file list of '%s' in '%s' yet: nothing was synced",
			config->instance_id, config->initiator_dir);
	}
	cursor = list_cursor_new(saved.list);
	while ((got = list_next(cursor, &path, &base, err)) > 0)
		print_record(&line, path, &base);
	list_cursor_free(cursor);
	saved_close(&saved);
	return got;
}

/* Take --state out of the arguments; false where it is not there. */
static int take_state_option(int *argc, char **argv)
{
	for (int i = 0; i < *argc; i++) {
		if (strcmp(argv[i], "--state") != 0)
			continue;
		memmove(argv + i, argv + i + 1, (size_t)(*argc - i) * sizeof(*argv));
		--*argc;
		return 1;
	}
	return 0;
}

int cmd_list(int argc, char **argv)
{
	struct config *config = NULL;
	struct err err = ERR_INIT;
	int code = 0;

	if (!take_state_option(&argc, argv)) {
		fputs("osync: usage: osync list --state CONF|PROFILE, or --initiator DIR --target DIR\n",
		      stderr);
		return EXIT_BAD_USAGE;
	}
	code = cmd_load(argc, argv, &config, &err);
	if (!config)
		return code;
	if (print_list(config, &err) < 0) {
		fprintf(stderr, "osync: %s\n", err.msg);
		code = report_exit_code(&err);
	}
	config_free(config);
	return code;
}
