/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/fault.h"

#ifdef OSYNC_FAULTS

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const doors[FAULT_DOORS] = { "change", "look", "link" };

static const char *role = "initiator";
static unsigned long passages[FAULT_DOORS];

void fault_set_role(const char *name)
{
	role = name;
	memset(passages, 0, sizeof(passages));
}

/* The next field of the text, or "" where there are no more. */
static const char *next_field(char **text)
{
	const char *field = strsep(text, ":");

	return field ? field : "";
}

static bool concerns(const char *wanted_role, const char *wanted_door, enum fault_door usual,
		     enum fault_door door)
{
	return (!*wanted_role || strcmp(wanted_role, role) == 0) &&
	       (*wanted_door ? strcmp(wanted_door, doors[door]) == 0 : door == usual);
}

static void count(char *rest, enum fault_door door, const char *call)
{
	const char *file = next_field(&rest);
	const char *wanted = next_field(&rest);
	FILE *out = NULL;

	if (!concerns(wanted, next_field(&rest), FAULT_CHANGE, door))
		return;
	out = fopen(file, "ae");
	if (!out)
		return;
	fprintf(out, "%s %lu %s\n", role, passages[door], call);
	fclose(out);
}

/* N or N+ */
static bool is_now(const char *when, unsigned long passage)
{
	char *end = NULL;
	unsigned long n = strtoul(when, &end, 10);

	return *end == '+' ? passage >= n : passage == n;
}

/* What the spec says of this passage; the errno of a failure goes into *errnum. */
static enum fault_deed judge(char *spec, enum fault_door door, const char *call, int *errnum)
{
	char *rest = spec;
	const char *deed = next_field(&rest);
	const char *when = NULL;
	const char *wanted = NULL;

	if (strcmp(deed, "count") == 0) {
		count(rest, door, call);
		return FAULT_NONE;
	}
	when = next_field(&rest);
	if (strcmp(deed, "fail") == 0)
		*errnum = (int)strtol(next_field(&rest), NULL, 10);
	wanted = next_field(&rest);
	if (!concerns(wanted, next_field(&rest),
		      strcmp(deed, "cut") == 0 ? FAULT_LINK : FAULT_CHANGE, door) ||
	    !is_now(when, passages[door]))
		return FAULT_NONE;
	if (strcmp(deed, "kill") == 0)
		raise(SIGKILL);
	if (strcmp(deed, "short") == 0)
		return FAULT_SHORT;
	return strcmp(deed, "cut") == 0 ? FAULT_CUT : FAULT_FAIL;
}

enum fault_deed fault_here(enum fault_door door, const char *call)
{
	const char *text = getenv("OSYNC_FAULT");
	char spec[512];
	int saved = errno;
	int errnum = 0;
	enum fault_deed deed = FAULT_NONE;

	/* There may be several threads, but where anybody counts (base/worker.h). */
	__atomic_add_fetch(&passages[door], 1, __ATOMIC_RELAXED);
	if (!text)
		return FAULT_NONE;
	snprintf(spec, sizeof(spec), "%s", text);
	deed = judge(spec, door, call, &errnum);
	errno = deed == FAULT_FAIL ? errnum : saved;
	return deed;
}

#else

/* ISO C wants something in every file. */
extern int fault_is_compiled_out;

#endif
