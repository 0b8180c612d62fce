/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/silence.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/sys.h"
#include "store/note.h"

static const char NAME[] = "lock.silent";

bool silence_look(int dirfd, const char *name, struct silence_mark *mark)
{
	struct stat st;

	if (sys_fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	*mark = (struct silence_mark){ .dev = (uint64_t)st.st_dev,
				       .ino = (uint64_t)st.st_ino,
				       .mtime_ns = clock_from_timespec(st.st_mtim) };
	return true;
}

static bool same(const struct silence_mark *a, const struct silence_mark *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->mtime_ns == b->mtime_ns;
}

int64_t silence_seen(struct silence *silence, const struct silence_mark *mark, int64_t now_ms)
{
	if (silence->known && same(&silence->mark, mark) && now_ms >= silence->since_ms)
		return now_ms - silence->since_ms;
	*silence = (struct silence){ .mark = *mark, .since_ms = now_ms, .known = true };
	return 0;
}

void silence_load(int dirfd, const struct uuid *boot, struct silence *silence)
{
	AUTO_BUF bytes = BUF_INIT;
	struct silence kept = { .known = true, .saved = true };
	struct uuid then = { { 0 } };
	struct dec dec;

	*silence = (struct silence){ .known = false };
	if (uuid_is_none(boot) || !note_load(dirfd, NAME, &bytes, &dec))
		return;
	dec_raw(&dec, then.bytes, sizeof(then.bytes));
	kept.mark.dev = dec_le64(&dec);
	kept.mark.ino = dec_le64(&dec);
	kept.mark.mtime_ns = dec_int(&dec);
	kept.since_ms = dec_int(&dec);
	if (dec_done(&dec) && uuid_same(boot, &then))
		*silence = kept;
}

void silence_save(int dirfd, const struct uuid *boot, struct silence *silence)
{
	AUTO_BUF payload = BUF_INIT;

	if (uuid_is_none(boot) || !silence->known || silence->saved)
		return;
	enc_raw(&payload, boot->bytes, sizeof(boot->bytes));
	enc_le64(&payload, silence->mark.dev);
	enc_le64(&payload, silence->mark.ino);
	enc_int(&payload, silence->mark.mtime_ns);
	enc_int(&payload, silence->since_ms);
	silence->saved = note_save(dirfd, NAME, &payload, NULL) == 0;
}

void silence_remove(int dirfd)
{
	sys_unlinkat(dirfd, NAME, 0);
}
