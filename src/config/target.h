/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the target is: a folder here, or one on a server.
 *
 *	DIR
 *	ssh://[USER@]HOST[:PORT]/PATH
 *
 * PATH is what follows the first '/' after the host, byte for byte (nothing is
 * percent-decoded): ssh://host/dir is relative to the login folder,
 * ssh://host//dir is absolute; a leading "~/" means the login folder, too.  HOST
 * may be an IPv6 address in brackets.  USER and PATH may hold '@', PATH may hold
 * ':'.  Trailing slashes are dropped.
 *
 * USER and HOST are given to other programs: they do not begin with '-' and hold
 * neither blanks nor control characters.
 */
#ifndef CONFIG_TARGET_H
#define CONFIG_TARGET_H

#include <stdbool.h>

struct err;
struct target;

/* Whether text is of the ssh:// form (well-formed or not). */
bool target_is_url(const char *text);

/*
 * Read text into *out, whose members the caller owns (target_release); ERR_CONFIG
 * and an untouched *out when it is neither form, with what was expected.  A DIR is
 * taken as it is, relative or not; "host:path" as scp would take it is refused, as
 * is any other scheme.
 */
int target_parse(const char *text, struct target *out, struct err *err);

void target_release(struct target *target);

#endif
