/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/caps.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/codec.h"
#include "store/atomic.h"
#include "tree/root.h"

#define CAPS_FILE "filesystem"

enum {
	CAPS_VERSION = 1,
	CAPS_BYTES_MAX = 256, /* far more than it takes */
};

/* In the order in which they are written, a bit each. */
static const size_t flags[] = {
	offsetof(struct root_caps, exchange),  offsetof(struct root_caps, noreplace),
	offsetof(struct root_caps, hardlinks), offsetof(struct root_caps, symlinks),
	offsetof(struct root_caps, xattrs),    offsetof(struct root_caps, acls),
	offsetof(struct root_caps, modes),     offsetof(struct root_caps, chown),
	offsetof(struct root_caps, folds),     offsetof(struct root_caps, respells),
};

enum { FLAGS = sizeof(flags) / sizeof(flags[0]) };

static const bool *flag_at(const struct root_caps *caps, size_t i)
{
	return (const bool *)((const char *)caps + flags[i]);
}

/* Which file system this is, as far as can be told from outside, and who asks. */
static bool put_identity(int workdir, struct buf *out)
{
	struct statfs fs = { 0 };
	struct stat st = { 0 };

	if (fstatfs(workdir, &fs) < 0 || fstat(workdir, &st) < 0)
		return false;
	enc_u8(out, CAPS_VERSION);
	enc_le64(out, (uint64_t)st.st_dev);
	enc_le64(out, (uint64_t)fs.f_type);
	enc_uint(out, geteuid());
	return true;
}

static void put_caps(struct buf *out, const struct root_caps *caps)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < FLAGS; i++)
		bits |= (uint64_t)*flag_at(caps, i) << i;
	enc_uint(out, bits);
	enc_uint(out, (uint64_t)caps->step_ns);
	enc_uint(out, (uint64_t)caps->granularity_ns);
}

bool caps_load(int workdir, struct root_caps *caps)
{
	AUTO_BUF identity = BUF_INIT;
	AUTO_BUF kept = BUF_INIT;
	struct root_caps found = { 0 };
	uint64_t bits = 0;
	struct dec dec;

	if (!put_identity(workdir, &identity) ||
	    atomic_read(workdir, CAPS_FILE, CAPS_BYTES_MAX, &kept, NULL) <= 0 ||
	    kept.len < identity.len || memcmp(kept.data, identity.data, identity.len) != 0)
		return false;
	dec_init(&dec, kept.data + identity.len, kept.len - identity.len);
	bits = dec_uint(&dec);
	found.step_ns = (int64_t)dec_uint(&dec);
	found.granularity_ns = (int64_t)dec_uint(&dec);
	if (!dec_done(&dec) || bits >> FLAGS || found.step_ns <= 0 ||
	    found.granularity_ns < found.step_ns)
		return false;
	for (size_t i = 0; i < FLAGS; i++)
		*(bool *)((char *)&found + flags[i]) = bits >> i & 1;
	*caps = found;
	return true;
}

void caps_save(int workdir, const struct root_caps *caps)
{
	AUTO_BUF wanted = BUF_INIT;
	AUTO_BUF kept = BUF_INIT;

	if (!put_identity(workdir, &wanted))
		return;
	put_caps(&wanted, caps);
	if (atomic_read(workdir, CAPS_FILE, CAPS_BYTES_MAX, &kept, NULL) > 0 &&
	    kept.len == wanted.len && memcmp(kept.data, wanted.data, kept.len) == 0)
		return;
	atomic_write(workdir, CAPS_FILE, wanted.data, wanted.len, NULL);
}
