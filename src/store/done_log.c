/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/done_log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/codec.h"
#include "base/path.h"
#include "base/sys.h"
#include "store/atomic.h"
#include "store/note.h"

static char *log_name(const char *profile)
{
	return xasprintf("done-%s", profile);
}

/* Builds with fault points take it from OSYNC_BOOT, so that tests can cut the power. */
static const char *given_boot(void)
{
#ifdef OSYNC_FAULTS
	return getenv("OSYNC_BOOT");
#else
	return NULL;
#endif
}

struct uuid done_log_boot(void)
{
	static const char where[] = "/proc/sys/kernel/random/boot_id";
	char text[UUID_TEXT_LEN + 1] = { 0 };
	const char *given = given_boot();
	struct uuid none = { { 0 } };
	struct uuid id;
	AUTO_CLOSE int fd = given ? -1 : open(where, O_RDONLY | O_CLOEXEC);

	if (!given && (fd < 0 || read(fd, text, UUID_TEXT_LEN) != UUID_TEXT_LEN))
		return none;
	return uuid_parse(given ? given : text, &id) == 0 ? id : none;
}

static void put_header(struct buf *out, const struct uuid *boot, uint64_t generation)
{
	AUTO_BUF payload = BUF_INIT;

	enc_raw(&payload, boot->bytes, sizeof(boot->bytes));
	enc_le64(&payload, generation);
	note_put(out, &payload);
}

void done_log_init(struct done_log *log, int dirfd, const char *profile, const struct uuid *boot,
		   uint64_t generation)
{
	*log = (struct done_log){ .dirfd = dirfd,
				  .name = log_name(profile),
				  .boot = *boot,
				  .generation = generation,
				  .fd = -1,
				  .tail = BUF_INIT,
				  .useless = uuid_is_none(boot) };
	sys_unlinkat(dirfd, log->name, 0);
}

void done_log_release(struct done_log *log)
{
	cleanup_close(&log->fd);
	buf_release(&log->tail);
	free(log->name);
	log->name = NULL;
}

/* Begin a log with what is not recorded yet, in place of the one that is there. */
static bool begin(struct done_log *log)
{
	AUTO_FREE char *fresh = xasprintf("%s.new", log->name);
	AUTO_BUF bytes = BUF_INIT;

	cleanup_close(&log->fd);
	put_header(&bytes, &log->boot, log->generation);
	buf_add(&bytes, log->tail.data, log->tail.len);
	sys_unlinkat(log->dirfd, fresh, 0);
	log->fd = sys_openat(log->dirfd, fresh, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW,
			     0600);
	return log->fd >= 0 && sys_write_all(log->fd, bytes.data, bytes.len) == 0 &&
	       sys_renameat2(log->dirfd, fresh, log->dirfd, log->name, 0) == 0;
}

/* From here on nothing is noted; what stands there is true. */
static void give_up(struct done_log *log)
{
	log->useless = true;
	cleanup_close(&log->fd);
}

static void put_payload(struct buf *out, const struct done_record *record)
{
	enc_u8(out, record->kind);
	enc_str(out, record->path);
	if (record->kind == DONE_MOVED) {
		enc_str(out, record->from);
		return;
	}
	entry_encode(out, &record->here);
	entry_encode(out, &record->there);
}

void done_log_put(struct done_log *log, const struct done_record *record)
{
	AUTO_BUF payload = BUF_INIT;
	AUTO_BUF bytes = BUF_INIT;

	if (log->useless)
		return;
	put_payload(&payload, record);
	note_put(&bytes, &payload);
	if (log->tail.len + bytes.len > DONE_LOG_MAX) {
		give_up(log);
		return;
	}
	buf_add(&log->tail, bytes.data, bytes.len);
}

void done_log_write(struct done_log *log)
{
	size_t len = log->tail.len - log->written;

	if (log->useless || len == 0)
		return;
	if (log->fd < 0 ? !begin(log)
			: sys_write_all(log->fd, log->tail.data + log->written, len) < 0)
		give_up(log);
	log->written = log->tail.len;
}

void done_log_reported(struct done_log *log)
{
	log->reported = log->tail.len;
}

void done_log_recorded(struct done_log *log)
{
	buf_consume(&log->tail, log->reported);
	log->reported = 0;
	log->written = log->tail.len;
	if (log->fd < 0 && !log->useless)
		return;
	if (log->tail.len == 0) {
		cleanup_close(&log->fd);
		sys_unlinkat(log->dirfd, log->name, 0);
		log->useless = uuid_is_none(&log->boot);
	} else if (!log->useless && !begin(log)) {
		give_up(log);
	}
}

/* Bytes of whole records from the position of `dec` on. */
static size_t whole_bytes(struct dec dec)
{
	const unsigned char *start = dec.pos;
	const unsigned char *end = start;
	struct dec payload;

	while (dec_left(&dec) > 0 && note_next(&dec, DONE_LOG_MAX, &payload))
		end = dec.pos;
	return (size_t)(end - start);
}

int done_log_read(int dirfd, const char *profile, const struct uuid *boot, uint64_t *generation,
		  struct buf *out)
{
	AUTO_FREE char *name = log_name(profile);
	AUTO_BUF bytes = BUF_INIT;
	struct dec dec;
	struct dec header;
	struct uuid then;
	size_t len = 0;

	if (atomic_read(dirfd, name, (size_t)2 * DONE_LOG_MAX, &bytes, NULL) != 1)
		return 0;
	dec_init(&dec, bytes.data, bytes.len);
	if (!note_next(&dec, DONE_LOG_MAX, &header))
		return 0;
	dec_raw(&header, then.bytes, sizeof(then.bytes));
	*generation = dec_le64(&header);
	len = whole_bytes(dec);
	if (!dec_done(&header) || uuid_is_none(&then) || !uuid_same(boot, &then) || len == 0 ||
	    len > DONE_LOG_MAX)
		return 0;
	buf_add(out, dec.pos, len);
	return 1;
}

int done_log_next(struct dec *dec, struct arena *arena, struct done_record *record)
{
	struct dec payload;
	unsigned kind = 0;

	if (dec_left(dec) == 0)
		return 0;
	if (!note_next(dec, DONE_LOG_MAX, &payload)) {
		dec->bad = true;
		return 0;
	}
	*record = (struct done_record){ .from = NULL };
	kind = dec_u8(&payload);
	record->path = dec_str(&payload, PATH_BYTES_MAX, arena);
	record->kind = (enum done_kind)kind;
	if (kind == DONE_MOVED) {
		record->from = dec_str(&payload, PATH_BYTES_MAX, arena);
	} else {
		entry_decode(&payload, arena, &record->here);
		entry_decode(&payload, arena, &record->there);
	}
	if (dec_done(&payload) && kind >= DONE_AGREED && kind <= DONE_MOVED &&
	    path_valid(record->path, strlen(record->path)) &&
	    (!record->from || path_valid(record->from, strlen(record->from))))
		return 1;
	dec->bad = true;
	return 0;
}
