/* SPDX-License-Identifier: BSD-2-Clause */
#include "peer/msg.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/path.h"
#include "peer/frame.h"
#include "peer/protocol.h"
#include "store/done_log.h"
#include "tree/attrs.h"
#include "tree/changer.h"

int msg_malformed(const struct frame *frame, struct err *err)
{
	return err_set(err, ERR_PROTOCOL, "the %s sent a malformed or unexpected message (type %u)",
		       frame->from ? frame->from : "other side", frame->type);
}

static int finish(const struct dec *dec, const struct frame *frame, struct err *err)
{
	return dec_done(dec) ? 0 : msg_malformed(frame, err);
}

void msg_enc_status(struct buf *out, const struct err *status)
{
	enc_u8(out, (unsigned)status->kind);
	enc_uint(out, (uint64_t)(unsigned)status->sys);
	if (status->kind != ERR_NONE)
		enc_str(out, status->msg);
}

/* Whether a byte, or with the one before it a character, makes a terminal do something. */
static bool is_control(unsigned char before, unsigned char byte)
{
	return byte < 0x20 || byte == 0x7f || (before == 0xc2 && byte >= 0x80 && byte < 0xa0);
}

static void make_printable(char *text)
{
	unsigned char before = 0;

	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;

		if (is_control(before, byte))
			*text = '?';
		before = byte;
	}
}

const char *msg_dec_text(struct dec *dec, size_t max, struct arena *arena)
{
	char *text = dec_str(dec, max, arena);

	make_printable(text);
	return text;
}

void msg_dec_status(struct dec *dec, struct err *status)
{
	unsigned kind = dec_u8(dec);
	uint32_t sys = dec_u32(dec);
	const unsigned char *text = NULL;
	size_t len = 0;

	err_clear(status);
	if (kind == ERR_NONE)
		return;
	text = dec_bytes(dec, PEER_TEXT_MAX, &len);
	if (kind > ERR_SIGNAL || dec->bad) {
		dec->bad = true;
		return;
	}
	/* What stopped the other side did not stop this process, whose exit status would say so. */
	status->kind = kind == ERR_SIGNAL ? ERR_UNREACHABLE : (enum err_kind)kind;
	status->sys = (int)sys;
	status->where = "the other side";
	snprintf(status->msg, sizeof(status->msg), "%.*s", (int)len,
		 text ? (const char *)text : "");
	if (!status->msg[0])
		snprintf(status->msg, sizeof(status->msg), "it gives no reason");
	make_printable(status->msg);
}

void msg_enc_uuid(struct buf *out, const struct uuid *uuid)
{
	enc_raw(out, uuid->bytes, sizeof(uuid->bytes));
}

void msg_dec_uuid(struct dec *dec, struct uuid *uuid)
{
	dec_raw(dec, uuid->bytes, sizeof(uuid->bytes));
}

const char *msg_dec_path(struct dec *dec, struct arena *arena)
{
	const char *path = dec_str(dec, PATH_BYTES_MAX, arena);

	if (!path_valid(path, strlen(path)))
		dec->bad = true;
	return path;
}

static bool dec_bool(struct dec *dec)
{
	unsigned value = dec_u8(dec);

	if (value > 1)
		dec->bad = true;
	return value == 1;
}

void msg_put_empty(struct buf *out, uint8_t type)
{
	frame_end(out, frame_begin(out, type));
}

void msg_put_number(struct buf *out, uint8_t type, uint64_t number)
{
	size_t start = frame_begin(out, type);

	enc_uint(out, number);
	frame_end(out, start);
}

int msg_get_number(const struct frame *frame, uint64_t *number, struct err *err)
{
	struct dec dec;

	dec_init(&dec, frame->data, frame->len);
	*number = dec_uint(&dec);
	return finish(&dec, frame, err);
}

void msg_put_status(struct buf *out, uint8_t type, const struct err *status)
{
	size_t start = frame_begin(out, type);

	msg_enc_status(out, status);
	frame_end(out, start);
}

int msg_get_status(const struct frame *frame, struct err *status, struct err *err)
{
	struct dec dec;

	dec_init(&dec, frame->data, frame->len);
	msg_dec_status(&dec, status);
	return finish(&dec, frame, err);
}

void msg_put_hello(struct buf *out, const struct msg_hello *hello)
{
	size_t start = frame_begin(out, PEER_HELLO);

	enc_uint(out, hello->version_min);
	enc_uint(out, hello->version_max);
	enc_int(out, hello->clock_ns);
	enc_str(out, hello->build);
	enc_str(out, hello->profile);
	enc_str(out, hello->place ? hello->place : "");
	enc_u8(out, hello->flags);
	enc_str(out, hello->state_dir);
	enc_uint(out, hello->scan_flags);
	enc_u8(out, hello->fsync_mode);
	enc_uint(out, hello->silence_s);
	enc_str(out, hello->mount ? hello->mount : "");
	if (hello->flags & PEER_HELLO_LIMITED)
		enc_uint(out, hello->rate_kib);
	frame_end(out, start);
}

/* Profile and place become part of file names. */
static bool is_file_name(const char *name)
{
	return path_valid(name, strlen(name)) && !strchr(name, '/') && name[0] != '.';
}

int msg_get_hello(const struct frame *frame, struct arena *arena, struct msg_hello *hello,
		  struct err *err)
{
	struct dec dec;

	dec_init(&dec, frame->data, frame->len);
	hello->version_min = dec_uint(&dec);
	hello->version_max = dec_uint(&dec);
	hello->clock_ns = dec_int(&dec);
	hello->build = dec_str(&dec, PEER_NAME_MAX, arena);
	hello->profile = dec_str(&dec, PEER_NAME_MAX, arena);
	hello->place = dec_str(&dec, PEER_NAME_MAX, arena);
	hello->flags = dec_u8(&dec);
	hello->state_dir = dec_str(&dec, PEER_TEXT_MAX, arena);
	hello->scan_flags = dec_u32(&dec);
	hello->fsync_mode = dec_u8(&dec);
	hello->silence_s = dec_u32(&dec);
	hello->mount = dec_str(&dec, PEER_TEXT_MAX, arena);
	hello->rate_kib = hello->flags & PEER_HELLO_LIMITED ? dec_u32(&dec) : 0;
	if (hello->rate_kib > PEER_RATE_MAX)
		dec.bad = true;
	if (!is_file_name(hello->profile) || (hello->place[0] && !is_file_name(hello->place)))
		dec.bad = true;
	if (hello->state_dir[0] && hello->state_dir[0] != '/')
		dec.bad = true;
	if (hello->fsync_mode > CHANGER_SYNC_OFF || hello->silence_s < PEER_SILENCE_MIN_S ||
	    hello->silence_s > PEER_SILENCE_MAX_S)
		dec.bad = true;
	return finish(&dec, frame, err);
}

void msg_put_welcome(struct buf *out, const struct msg_welcome *welcome)
{
	size_t start = frame_begin(out, PEER_WELCOME);

	enc_uint(out, welcome->version);
	enc_int(out, welcome->clock_ns);
	enc_str(out, welcome->build);
	msg_enc_uuid(out, &welcome->identity);
	enc_u8(out, welcome->known);
	if (welcome->known)
		msg_enc_uuid(out, &welcome->known_initiator);
	enc_le64(out, welcome->known_generation);
	enc_le64(out, welcome->mark);
	enc_u8(out, welcome->can_chown);
	enc_u8(out, (uint8_t)welcome->flags);
	frame_end(out, start);
}

int msg_get_welcome(const struct frame *frame, struct arena *arena, struct msg_welcome *welcome,
		    struct err *err)
{
	struct dec dec;

	*welcome = (struct msg_welcome){ 0 };
	dec_init(&dec, frame->data, frame->len);
	welcome->version = dec_uint(&dec);
	welcome->clock_ns = dec_int(&dec);
	welcome->build = msg_dec_text(&dec, PEER_NAME_MAX, arena);
	msg_dec_uuid(&dec, &welcome->identity);
	welcome->known = dec_bool(&dec);
	if (welcome->known)
		msg_dec_uuid(&dec, &welcome->known_initiator);
	welcome->known_generation = dec_le64(&dec);
	welcome->mark = dec_le64(&dec);
	welcome->can_chown = dec_bool(&dec);
	welcome->flags = dec_u8(&dec);
	if (welcome->flags & ~(unsigned)PEER_WELCOME_FLAGS)
		dec.bad = true;
	return finish(&dec, frame, err);
}

void msg_put_locked(struct buf *out, const struct msg_locked *locked)
{
	size_t start = frame_begin(out, PEER_LOCKED);

	msg_enc_status(out, &locked->status);
	enc_str(out, locked->seized);
	enc_uint(out, locked->caps);
	enc_uint(out, (uint64_t)locked->step_ns);
	enc_le64(out, locked->done_generation);
	enc_bytes(out, locked->done, locked->done_len);
	frame_end(out, start);
}

int msg_get_locked(const struct frame *frame, struct msg_locked *locked, struct err *err)
{
	struct dec dec;
	uint64_t caps = 0;
	uint64_t step_ns = 0;
	const unsigned char *seized = NULL;
	size_t len = 0;

	dec_init(&dec, frame->data, frame->len);
	msg_dec_status(&dec, &locked->status);
	seized = dec_bytes(&dec, sizeof(locked->seized) - 1, &len);
	snprintf(locked->seized, sizeof(locked->seized), "%.*s", (int)len,
		 seized ? (const char *)seized : "");
	make_printable(locked->seized);
	caps = dec_uint(&dec);
	step_ns = dec_uint(&dec);
	locked->done_generation = dec_le64(&dec);
	locked->done = dec_bytes(&dec, DONE_LOG_MAX, &locked->done_len);
	if (caps & ~(uint64_t)PEER_CAPS || step_ns == 0 || step_ns > PEER_STEP_MAX_NS)
		dec.bad = true;
	locked->caps = (unsigned)caps;
	locked->step_ns = (int64_t)step_ns;
	return finish(&dec, frame, err);
}

static void enc_space(struct buf *out, const struct space *space)
{
	enc_uint(out, space->total);
	enc_uint(out, space->free);
	enc_uint(out, space->block);
}

static void dec_space(struct dec *dec, struct space *space)
{
	space->total = dec_uint(dec);
	space->free = dec_uint(dec);
	space->block = dec_uint(dec);
	if (space->block == 0)
		dec->bad = true;
}

void msg_put_listed(struct buf *out, const struct msg_listed *listed)
{
	size_t start = frame_begin(out, PEER_LISTED);

	msg_enc_status(out, &listed->status);
	enc_uint(out, listed->seen);
	enc_le64(out, listed->checksum);
	enc_space(out, &listed->root);
	enc_space(out, &listed->state);
	frame_end(out, start);
}

int msg_get_listed(const struct frame *frame, struct msg_listed *listed, struct err *err)
{
	struct dec dec;

	*listed = (struct msg_listed){ .status = ERR_INIT };
	dec_init(&dec, frame->data, frame->len);
	msg_dec_status(&dec, &listed->status);
	listed->seen = dec_uint(&dec);
	listed->checksum = dec_le64(&dec);
	dec_space(&dec, &listed->root);
	dec_space(&dec, &listed->state);
	return finish(&dec, frame, err);
}

void msg_put_stored(struct buf *out, uint64_t id, const char *path)
{
	size_t start = frame_begin(out, PEER_STORED);

	enc_uint(out, id);
	enc_str(out, path);
	frame_end(out, start);
}

void msg_put_stored_is(struct buf *out, uint64_t id, uint64_t size)
{
	size_t start = frame_begin(out, PEER_STORED_IS);

	enc_uint(out, id);
	enc_uint(out, size);
	frame_end(out, start);
}

int msg_get_stored_is(const struct frame *frame, uint64_t *id, uint64_t *size, struct err *err)
{
	struct dec dec;

	dec_init(&dec, frame->data, frame->len);
	*id = dec_uint(&dec);
	*size = dec_uint(&dec);
	return finish(&dec, frame, err);
}

void msg_enc_read(struct buf *out, uint64_t id, const char *path, const struct entry *expect,
		  bool attrs)
{
	enc_uint(out, id);
	enc_str(out, path);
	entry_encode(out, expect);
	enc_u8(out, attrs);
}

void msg_put_ready(struct buf *out, const struct msg_ready *ready)
{
	size_t start = frame_begin(out, PEER_READY);

	msg_enc_status(out, &ready->status);
	msg_enc_uuid(out, &ready->identity);
	enc_u8(out, ready->partial);
	frame_end(out, start);
}

int msg_get_ready(const struct frame *frame, struct msg_ready *ready, struct err *err)
{
	struct dec dec;

	dec_init(&dec, frame->data, frame->len);
	msg_dec_status(&dec, &ready->status);
	msg_dec_uuid(&dec, &ready->identity);
	ready->partial = dec_u8(&dec) == 1;
	return finish(&dec, frame, err);
}

static void enc_meta(struct buf *out, const struct op_meta *meta)
{
	enc_uint(out, meta->mask);
	enc_uint(out, meta->mode);
	enc_uint(out, meta->uid);
	enc_uint(out, meta->gid);
	enc_int(out, meta->mtime_ns);
	enc_str(out, meta->user ? meta->user : "");
	enc_str(out, meta->group ? meta->group : "");
}

static void dec_meta(struct dec *dec, struct arena *arena, struct op_meta *meta)
{
	uint32_t mode = 0;

	meta->mask = dec_u32(dec);
	mode = dec_u32(dec);
	meta->uid = dec_u32(dec);
	meta->gid = dec_u32(dec);
	meta->mtime_ns = dec_int(dec);
	meta->user = dec_str(dec, PEER_NAME_MAX, arena);
	meta->group = dec_str(dec, PEER_NAME_MAX, arena);
	if (mode > 07777)
		dec->bad = true;
	meta->mode = (uint16_t)(mode & 07777);
}

static bool names_other_side(const struct msg_op *op)
{
	return op->settles == DONE_AGREED || op->settles == DONE_MADE;
}

void msg_put_hook(struct buf *out, const struct msg_hook *hook)
{
	size_t start = frame_begin(out, PEER_HOOK);
	size_t count = 0;

	while (hook->environment && hook->environment[count])
		count++;
	enc_str(out, hook->command);
	enc_uint(out, (uint64_t)hook->limit_ms);
	enc_u8(out, hook->keeps_root);
	enc_uint(out, count);
	for (size_t i = 0; i < count; i++)
		enc_str(out, hook->environment[i]);
	frame_end(out, start);
}

/* "OSYNC_NAME=...": who may run commands may as well set variables, but these are all that there are. */
static bool is_variable(const char *text)
{
	static const char prefix[] = "OSYNC_";

	return strncmp(text, prefix, sizeof(prefix) - 1) == 0 && strchr(text, '=');
}

int msg_get_hook(const struct frame *frame, struct arena *arena, struct msg_hook *hook,
		 struct err *err)
{
	const char **environment = NULL;
	struct dec dec;
	uint64_t limit_ms = 0;
	uint64_t count = 0;

	dec_init(&dec, frame->data, frame->len);
	hook->command = dec_str(&dec, PEER_COMMAND_MAX, arena);
	limit_ms = dec_uint(&dec);
	hook->keeps_root = dec_bool(&dec);
	count = dec_uint(&dec);
	if (count > PEER_VARIABLES_MAX || limit_ms > INT32_MAX * UINT64_C(1000)) {
		dec.bad = true;
		count = 0;
	}
	environment = arena_alloc(arena, (count + 1) * sizeof(*environment));
	for (uint64_t i = 0; i < count; i++) {
		environment[i] = dec_str(&dec, PEER_COMMAND_MAX, arena);
		dec.bad = dec.bad || !is_variable(environment[i]);
	}
	environment[count] = NULL;
	hook->limit_ms = (int64_t)limit_ms;
	hook->environment = environment;
	return finish(&dec, frame, err);
}

void msg_put_op(struct buf *out, const struct msg_op *op)
{
	size_t start = frame_begin(out, PEER_OP);

	enc_uint(out, op->id);
	enc_u8(out, (unsigned)op->kind);
	enc_str(out, op->path);
	enc_str(out, op->from ? op->from : "");
	entry_encode(out, &op->expect);
	entry_encode(out, &op->source);
	enc_meta(out, &op->meta);
	enc_bytes(out, op->attrs, op->attrs_len);
	enc_u8(out, op->filled);
	enc_u8(out, op->settles);
	if (names_other_side(op))
		entry_encode(out, &op->there);
	frame_end(out, start);
}

/* Where another path is needed it must be one; elsewhere it may be missing, but not be nonsense. */
static bool from_is_good(const struct msg_op *op)
{
	bool needed = op->kind == OP_MOVE || op->kind == OP_LINK || op->kind == OP_COPY;

	return (!needed && !op->from[0]) || path_valid(op->from, strlen(op->from));
}

int msg_get_op(const struct frame *frame, struct arena *arena, struct msg_op *op, struct err *err)
{
	struct dec dec;
	unsigned kind = 0;
	unsigned filled = 0;

	dec_init(&dec, frame->data, frame->len);
	op->id = dec_uint(&dec);
	kind = dec_u8(&dec);
	op->kind = (enum op_kind)kind;
	op->path = msg_dec_path(&dec, arena);
	op->from = dec_str(&dec, PATH_BYTES_MAX, arena);
	entry_decode(&dec, arena, &op->expect);
	entry_decode(&dec, arena, &op->source);
	dec_meta(&dec, arena, &op->meta);
	op->attrs = dec_bytes(&dec, ATTRS_MAX, &op->attrs_len);
	filled = dec_u8(&dec);
	op->filled = filled == 1;
	op->settles = dec_u8(&dec);
	if (names_other_side(op))
		entry_decode(&dec, arena, &op->there);
	if (kind > OP_META || filled > (kind == OP_MKDIR) || op->settles > DONE_MOVED ||
	    !from_is_good(op))
		dec.bad = true;
	return finish(&dec, frame, err);
}

void msg_put_hash(struct buf *out, uint64_t id, const char *path, uint64_t seed,
		  const struct entry *expect)
{
	size_t start = frame_begin(out, PEER_HASH);

	enc_uint(out, id);
	enc_str(out, path);
	enc_le64(out, seed);
	enc_u8(out, expect != NULL);
	if (expect)
		entry_encode(out, expect);
	frame_end(out, start);
}

void msg_put_result(struct buf *out, uint8_t type, const struct msg_result *result)
{
	size_t start = frame_begin(out, type);

	enc_uint(out, result->id);
	msg_enc_status(out, &result->status);
	if (type != PEER_ATTRS_IS)
		entry_encode(out, &result->entry);
	if (type == PEER_READ_END || type == PEER_ATTRS_IS)
		enc_bytes(out, result->attrs, result->attrs_len);
	frame_end(out, start);
}

int msg_get_result(const struct frame *frame, struct arena *arena, struct msg_result *result,
		   struct err *err)
{
	struct dec dec;

	*result = (struct msg_result){ 0 };
	dec_init(&dec, frame->data, frame->len);
	result->id = dec_uint(&dec);
	msg_dec_status(&dec, &result->status);
	if (frame->type != PEER_ATTRS_IS)
		entry_decode(&dec, arena, &result->entry);
	if (frame->type == PEER_READ_END || frame->type == PEER_ATTRS_IS)
		result->attrs = dec_bytes(&dec, ATTRS_MAX, &result->attrs_len);
	return finish(&dec, frame, err);
}
