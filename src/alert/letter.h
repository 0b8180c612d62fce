/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What somebody is told: a subject, and a text whose first lines say what happened, what it means and
 * what to do.  Pure; names are escaped by whom they come from.
 */
#ifndef ALERT_LETTER_H
#define ALERT_LETTER_H

#include <stdint.h>

#include "base/buf.h"

struct config;
struct outcome;
struct policy_found;
struct policy_memory;
struct policy_verdict;

struct letter {
	char *subject; /* one line */
	struct buf text;
};

struct letter_facts {
	const struct config *config;
	const struct outcome *outcome;
	const struct policy_memory *memory; /* as policy_note has left it */
	const struct policy_found *found;
	const struct policy_verdict *verdict;
	const char *host;
	const char *setup;   /* what TROUBLE_SETUP is about: lines, or "" */
	const char *version; /* of osync */
};

/* Released by letter_release. */
struct letter letter_write(const struct letter_facts *facts);
void letter_release(struct letter *letter);

#endif
