/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/budget.h"

#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "model/change.h"
#include "model/plan.h"

/* What is kept of a new path besides its text: itself, what both sides show of it, and what is done. */
enum { PATH_COST = sizeof(struct change) + 2 * sizeof(struct entry) + sizeof(struct op) };

static uint64_t least(uint64_t bytes, const struct rlimit *limit)
{
	return limit->rlim_cur < bytes ? limit->rlim_cur : bytes;
}

struct budget budget_new(void)
{
	struct rlimit data = { .rlim_cur = RLIM_INFINITY };
	struct rlimit all = { .rlim_cur = RLIM_INFINITY };
	long pages = sysconf(_SC_PHYS_PAGES);
	long size = sysconf(_SC_PAGESIZE);
	uint64_t bytes = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : UINT64_MAX;

	/* One that cannot be asked for is none. */
	getrlimit(RLIMIT_DATA, &data);
	getrlimit(RLIMIT_AS, &all);
	return (struct budget){ .limit = least(least(bytes, &data), &all) / 2 };
}

int budget_take(struct budget *budget, enum side side, size_t len, struct err *err)
{
	budget->paths[side]++;
	budget->used[side] += PATH_COST + len;
	if (budget->used[side] <= budget->limit)
		return 0;
	return err_set(
		err, ERR_PROTOCOL,
		"the %s lists more than this machine has memory for (%llu new paths so far, "
		"%llu MiB): is that the right folder, and an osync to be trusted? then sync it "
		"for the first time in parts (with filters), or from a machine with more memory",
		side_name(side), (unsigned long long)budget->paths[side],
		(unsigned long long)(budget->used[side] >> 20));
}

int budget_take_name(struct budget *budget, enum side side, struct err *err)
{
	if (++budget->names[side] <= BUDGET_NAMES_MAX)
		return 0;
	return err_set(err, ERR_PROTOCOL, "the %s names more than %d owners of files",
		       side_name(side), BUDGET_NAMES_MAX);
}
