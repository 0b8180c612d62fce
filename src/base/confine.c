/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

/* Younger than the oldest headers that this is built with. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

enum {
	ABI_REFER = 2, /* renames and links between folders can be allowed */
	ABI_TRUNCATE = 3,
};

static const uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;

/* Files only: what a rule about a file may allow. */
static const uint64_t of_files = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
				 LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_TRUNCATE;

/* Where the C library looks for owners: its settings, databases, modules and services. */
static const char *const owners[] = {
	"/etc",	 "/usr/lib", "/usr/lib64", "/lib", "/lib64", "/run", "/var/run", "/var/lib/sss",
#ifdef OSYNC_FAULTS
	"/proc", /* the sanitizers' reports */
#endif
};

/* All rights that this version knows of, but for those on devices and the network. */
static uint64_t rights_of(int abi)
{
	uint64_t rights = (LANDLOCK_ACCESS_FS_REFER << 1) - 1;

	return abi >= ABI_TRUNCATE ? rights | LANDLOCK_ACCESS_FS_TRUNCATE : rights;
}

/* What the user of a folder may do in it: no device is made there, and nothing is executed. */
static uint64_t rights_inside(int abi)
{
	return rights_of(abi) & ~(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
				  LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SOCK |
				  LANDLOCK_ACCESS_FS_MAKE_FIFO);
}

static int add_rule(int ruleset, int fd, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = rights, .parent_fd = fd };
	struct stat st;

	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed_access &= of_files;
	return (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

/* What is not there needs no rule. */
static int allow_owners(int ruleset)
{
	for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
		AUTO_CLOSE int fd = open(owners[i], O_PATH | O_CLOEXEC);

		if (fd >= 0 && add_rule(ruleset, fd, reading) < 0)
			return -1;
	}
	return 0;
}

static int allow_folders(int ruleset, int abi, const struct confine_folder *folders, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t rights = folders[i].is_written ? rights_inside(abi) : reading;

		if (folders[i].fd >= 0 && add_rule(ruleset, folders[i].fd, rights) < 0)
			return -1;
	}
	return 0;
}

/* For tests: what the sanitizers find, they write where the one who runs the tests looks for it. */
static int allow_reports(int ruleset)
{
#ifdef OSYNC_FAULTS
	const char *reports = getenv("OSYNC_REPORTS");
	AUTO_CLOSE int fd = reports ? open(reports, O_PATH | O_CLOEXEC) : -1;

	if (fd >= 0)
		return add_rule(ruleset, fd,
				reading | LANDLOCK_ACCESS_FS_WRITE_FILE |
					LANDLOCK_ACCESS_FS_MAKE_REG);
#endif
	(void)ruleset;
	return 0;
}

static bool is_steered(void)
{
#ifdef OSYNC_UNCONFINED
	return true;
#elif defined(OSYNC_FAULTS)
	return getenv("OSYNC_FAULT") || getenv("OSYNC_POINT");
#else
	return false;
#endif
}

int confine_to(const struct confine_folder *folders, size_t count, struct err *err)
{
	struct landlock_ruleset_attr attr = { 0 };
	AUTO_CLOSE int ruleset = -1;
	int abi =
		(int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (is_steered())
		return err_set(err, ERR_SYSTEM, "a test steers it");
	if (abi < 0)
		return err_sys(err, errno, "the kernel has no Landlock");
	if (abi < ABI_REFER)
		return err_set(err, ERR_SYSTEM, "version %d of Landlock would forbid moves", abi);
	attr.handled_access_fs = rights_of(abi);
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0 || allow_owners(ruleset) < 0 || allow_reports(ruleset) < 0 ||
	    allow_folders(ruleset, abi, folders, count) < 0)
		return err_sys(err, errno, "cannot set up Landlock");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return err_sys(err, errno, "cannot enter Landlock");
	return abi;
}
