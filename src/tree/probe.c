/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/probe.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"
#include "base/sys.h"
#include "tree/spelling.h"

enum { PROBE_NAMES = 3, PROBE_NAME_SIZE = 40 };

#define COMPOSED   "\xc3\xa9"  /* U+00E9 */
#define DECOMPOSED "e\xcc\x81" /* U+0065 U+0301 */

static const int64_t TICKS_NS = 20 * NS_PER_MS;

/* Random names, so that what a killed probe left behind is in nobody's way. */
struct probe {
	int dirfd;
	char name[PROBE_NAMES][PROBE_NAME_SIZE];
	int trouble; /* errno of a call whose failure says nothing of the file system, or 0 */
};

/*
 * A failure that says what the file system is like. Any other, known or not, may be gone at another
 * try: taken for an answer, it would stay one for ever.
 */
static bool is_refusal(int errnum)
{
	static const int refusals[] = { EPERM,	EOPNOTSUPP, ENOSYS, EINVAL, ENOTTY,
					EMLINK, ENOENT,	    EEXIST, EILSEQ, ENAMETOOLONG };

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (refusals[i] == errnum)
			return true;
	return false;
}

/* Whether a call succeeded; a failure that is no answer is kept as trouble. */
static bool went(struct probe *probe, int result)
{
	if (result < 0 && !is_refusal(errno) && !probe->trouble)
		probe->trouble = errno;
	return result >= 0;
}

/* The same for looking at our own files, which nothing forbids. */
static bool saw(struct probe *probe, int result)
{
	if (result < 0 && errno != ENOENT && !probe->trouble)
		probe->trouble = errno;
	return result >= 0;
}

struct root_caps probe_defaults(void)
{
	return (struct root_caps){
		.exchange = true,
		.noreplace = true,
		.hardlinks = true,
		.symlinks = true,
		.xattrs = true,
		.acls = true,
		.modes = true,
		.chown = geteuid() == 0,
		.step_ns = 1,
		.granularity_ns = TICKS_NS,
		.clock_offset_ns = 0,
	};
}

/* The same name with its "\u00e9" taken apart into a letter and an accent. */
static void decompose(char out[static PROBE_NAME_SIZE], const char *name)
{
	size_t stem = strcspn(name, COMPOSED);

	snprintf(out, PROBE_NAME_SIZE, "%.*s%s", (int)stem, name, DECOMPOSED);
}

static void probe_clean(struct probe *probe)
{
	for (int i = 0; i < PROBE_NAMES; i++)
		sys_unlinkat(probe->dirfd, probe->name[i], 0);
}

static int probe_create(const struct probe *probe, int which)
{
	return sys_openat(probe->dirfd, probe->name[which],
			  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
}

/* Success onto a free name and EEXIST onto a taken one: some servers ignore the flag. */
static bool probe_noreplace(struct probe *probe)
{
	const char *a = probe->name[0];
	const char *b = probe->name[1];
	const char *c = probe->name[2];
	int dirfd = probe->dirfd;

	if (went(probe, sys_renameat2(dirfd, a, dirfd, b, RENAME_NOREPLACE)) || errno != EEXIST)
		return false;
	return went(probe, sys_renameat2(dirfd, a, dirfd, c, RENAME_NOREPLACE)) &&
	       went(probe, sys_renameat2(dirfd, c, dirfd, a, RENAME_NOREPLACE));
}

static bool probe_exchange(struct probe *probe)
{
	struct stat before = { 0 };
	struct stat after = { 0 };
	int dirfd = probe->dirfd;

	return saw(probe, sys_fstatat(dirfd, probe->name[0], &before, AT_SYMLINK_NOFOLLOW)) &&
	       went(probe,
		    sys_renameat2(dirfd, probe->name[0], dirfd, probe->name[1], RENAME_EXCHANGE)) &&
	       saw(probe, sys_fstatat(dirfd, probe->name[1], &after, AT_SYMLINK_NOFOLLOW)) &&
	       before.st_ino == after.st_ino;
}

/* Whether both names are one file to see: some of FUSE number names, not files. */
static bool are_one_file(struct probe *probe, const char *a, const char *b)
{
	struct stat one = { 0 };
	struct stat two = { 0 };

	return saw(probe, sys_fstatat(probe->dirfd, a, &one, AT_SYMLINK_NOFOLLOW)) &&
	       saw(probe, sys_fstatat(probe->dirfd, b, &two, AT_SYMLINK_NOFOLLOW)) &&
	       sys_same_file(&one, &two) && two.st_nlink == 2;
}

/* Needs the third name free; leaves it free. */
static bool probe_links(struct probe *probe, bool hard)
{
	int dirfd = probe->dirfd;
	const char *name = probe->name[2];
	int made = hard ? sys_linkat(dirfd, probe->name[0], dirfd, name)
			: sys_symlinkat("nowhere", dirfd, name);

	if (!went(probe, made))
		return false;
	bool linked = !hard || are_one_file(probe, probe->name[0], name);

	return went(probe, sys_unlinkat(dirfd, name, 0)) && linked;
}

/* Whether permission bits that nobody would choose for a whole file system come back. */
static bool probe_modes(struct probe *probe, int fd)
{
	static const mode_t odd[] = { 0640, 0710, 0600 };
	struct stat st = { 0 };

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		if (!went(probe, sys_fchmod(fd, odd[i])) || !saw(probe, sys_fstat(fd, &st)) ||
		    (st.st_mode & 07777) != odd[i])
			return false;
	return true;
}

/* The ACL that says no more than the mode: rw for the owner. */
static bool probe_acls(struct probe *probe, int fd)
{
	static const unsigned char acl[] = { 2,	   0,	 0, 0, 1,    0,	   6,	 0,    0xff, 0xff,
					     0xff, 0xff, 4, 0, 0,    0,	   0xff, 0xff, 0xff, 0xff,
					     0x20, 0,	 0, 0, 0xff, 0xff, 0xff, 0xff };

	return went(probe, sys_fsetxattr(fd, "system.posix_acl_access", acl, sizeof(acl)));
}

static bool finds(struct probe *probe, const char *name)
{
	struct stat st = { 0 };

	return went(probe, sys_fstatat(probe->dirfd, name, &st, AT_SYMLINK_NOFOLLOW));
}

/* Whether other spellings of a name find it, and whether it is listed as it was given. */
static void probe_spelling(struct probe *probe, struct root_caps *caps)
{
	char upper[PROBE_NAME_SIZE];
	char apart[PROBE_NAME_SIZE];
	const char *name = probe->name[0];
	const char *accented = probe->name[2];
	AUTO_CLOSE int fd = -1;

	snprintf(upper, sizeof(upper), "%s", name);
	for (char *c = upper; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	caps->folds = finds(probe, upper);
	fd = probe_create(probe, 2);
	if (!went(probe, fd))
		return;
	decompose(apart, accented);
	caps->folds = caps->folds || finds(probe, apart);
	caps->respells = !spelling_is_listed(probe->dirfd, accented) &&
			 spelling_is_listed(probe->dirfd, apart);
	sys_unlinkat(probe->dirfd, accented, 0);
}

/* The step in which mtimes are kept: set one that is odd in every digit and read it back. */
static int64_t probe_step_ns(struct probe *probe, int fd)
{
	static const int64_t steps[] = { 1,	     100,	    1000, NS_PER_MS, 10 * NS_PER_MS,
					 NS_PER_SEC, 2 * NS_PER_SEC };
	const int64_t odd = 1000000001 * NS_PER_SEC + 123456789;
	const struct timespec times[2] = { clock_to_timespec(odd), clock_to_timespec(odd) };
	struct stat st = { 0 };

	if (!went(probe, sys_futimens(fd, times)) || !saw(probe, sys_fstat(fd, &st)))
		return 2 * NS_PER_SEC;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (clock_from_timespec(st.st_mtim) == odd - odd % steps[i])
			return steps[i];
	}
	return 2 * NS_PER_SEC;
}

int64_t probe_offset_ns(int64_t before_ns, int64_t ctime_ns, int64_t after_ns, int64_t slack_ns)
{
	if (ctime_ns >= before_ns - slack_ns && ctime_ns <= after_ns + slack_ns)
		return 0;
	return ctime_ns - after_ns;
}

int probe_folder(int dirfd, struct root_caps *caps, struct err *err)
{
	AUTO(probe_clean) struct probe probe = { .dirfd = dirfd };
	AUTO_CLOSE int a = -1;
	AUTO_CLOSE int b = -1;
	struct stat st = { 0 };
	int64_t before_ns = clock_file_ns();

	for (unsigned i = 0; i < PROBE_NAMES; i++)
		snprintf(probe.name[i], sizeof(probe.name[i]), "probe-%016llx-%u%s",
			 (unsigned long long)random_u64(), i, i == 2 ? COMPOSED : "");
	a = probe_create(&probe, 0);
	if (a < 0 || sys_fstat(a, &st) < 0)
		return err_sys(err, errno, "cannot create a file in '" ROOT_WORKDIR "/stage'");
	caps->step_ns = probe_step_ns(&probe, a);
	caps->granularity_ns = caps->step_ns + TICKS_NS;
	caps->clock_offset_ns = probe_offset_ns(before_ns, clock_from_timespec(st.st_ctim),
						clock_file_ns(), caps->granularity_ns);
	b = probe_create(&probe, 1);
	if (b < 0)
		return err_sys(err, errno, "cannot create a file in '" ROOT_WORKDIR "/stage'");
	caps->noreplace = probe_noreplace(&probe);
	caps->exchange = probe_exchange(&probe);
	caps->hardlinks = probe_links(&probe, true);
	caps->symlinks = probe_links(&probe, false);
	caps->modes = probe_modes(&probe, a);
	caps->acls = probe_acls(&probe, a);
	probe_spelling(&probe, caps);
	caps->xattrs = went(&probe, sys_fsetxattr(a, "user.osync.probe", "1", 1));
	caps->chown = went(&probe, sys_fchown(a, geteuid() == 0 ? 1 : 0, (gid_t)-1));
	if (probe.trouble)
		return err_sys(err, probe.trouble, "cannot try it in '" ROOT_WORKDIR "/stage'");
	return 0;
}
