/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A profile as a file: what was said on the command line, as lines that config/parse.h reads as the same
 * values.
 */
#ifndef SETUP_PROFILE_H
#define SETUP_PROFILE_H

struct buf;
struct config;
struct err;
struct settings;

/* Append "KEY=VALUE" and a line end, with quotes where needed. ERR_CONFIG where no quotes help. Pure. */
int profile_add(struct buf *out, const char *key, const char *value, struct err *err);

/*
 * Append the whole text: all settings whose source is the command line, in the order of keys_table.
 * Paths become absolute, as a profile is not read from where it was written.
 */
int profile_text(struct buf *out, const struct settings *settings, const struct config *config,
		 struct err *err);

/*
 * Write it, for its owner alone, as a file that is not there yet; so it is whole or not there.
 * ERR_CONFIG where there is one already.
 */
int profile_write(const char *path, const struct buf *text, struct err *err);

#endif
