/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An agent, driven by well-formed frames that mean no good.
 *
 * The input is a program: each command is a byte, followed by bytes that choose among a handful of
 * paths, entries and numbers.  What it says is put into a socket, one frame a packet so that jobs go on
 * in between, and then agent_serve() runs on that to the end, in this process.
 *
 * What is promised: the folder beside the root is neither changed nor told about, the other root, which files are
 * taken from, is not changed, and what the agent says is well-formed.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/codec.h"
#include "base/digest.h"
#include "base/err.h"
#include "model/filter.h"
#include "model/plan.h"
#include "peer/agent.h"
#include "peer/frame.h"
#include "peer/listing.h"
#include "peer/msg.h"
#include "peer/packer.h"
#include "peer/protocol.h"
#include "peer/unpacker.h"
#include "tree/scan.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECRET "nobody is told of this"

/* The box is the working folder while a program runs, and not when libFuzzer reads its corpus. */
static char box[256];
static int box_fd = -1;
static int home_fd = -1;

/* All that an operation may be about. Only the first of them are as they should be. */
static const char *const paths[] = {
	"file",
	"folder",
	"folder/inner",
	"link",
	"new",
	"folder/new",
	"new/below",
	"fifo",
	"out",	      /* a link to the folder outside */
	"out/secret", /* through that link */
	"out/new",
	"secret",	     /* a link to the file in it */
	"folder/out/secret", /* relative */
	".osync_workdir",
	".osync_workdir/identity",
	".osync_workdir/stage/x",
	"folder/.osync_workdir/x",
	"../outside/secret",
	"/etc/passwd",
	"",
};
enum { PATHS = sizeof(paths) / sizeof(paths[0]) };

/* The box -------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

static void remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void box_remove(void)
{
	remove_tree(box);
}

static void write_file(int dirfd, const char *path, const char *text)
{
	int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	close(fd);
}

static void make_tree(const char *name)
{
	remove_tree(name);
	if (mkdir(name, 0755) < 0)
		abort();
	AUTO_CLOSE int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || mkdirat(fd, "folder", 0755) < 0 || symlinkat("../outside", fd, "out") < 0 ||
	    symlinkat("file", fd, "link") < 0 || symlinkat("../outside/secret", fd, "secret") < 0 ||
	    symlinkat("../../outside", fd, "folder/out") < 0 || mkfifoat(fd, "fifo", 0644) < 0)
		abort();
	write_file(fd, "file", "content");
	write_file(fd, "folder/inner", "inner content");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	(void)argc;
	(void)argv;
	snprintf(box, sizeof(box), "%s/osync-fuzz-XXXXXX", base);
	home_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (home_fd < 0 || !mkdtemp(box))
		abort();
	atexit(box_remove);
	box_fd = open(box, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (box_fd < 0 || fchdir(box_fd) < 0 || mkdir("outside", 0755) < 0)
		abort();
	write_file(AT_FDCWD, "outside/secret", SECRET);
	make_tree("other");
	if (fchdir(home_fd) < 0)
		abort();
	return 0;
}

/* What is never changed: what lies outside, and what is only read. */
static const char *const kept[] = { "outside",	  "outside/secret", "other",
				    "other/file", "other/folder",   "other/folder/inner" };
enum { KEPT = sizeof(kept) / sizeof(kept[0]) };

/* When each of them was last changed. */
static void kept_stamps(struct timespec out[KEPT])
{
	for (size_t i = 0; i < KEPT; i++) {
		struct stat st;

		if (lstat(kept[i], &st) < 0)
			abort();
		out[i] = st.st_ctim;
	}
}

/* The program ------------------------------------------------------------------------- */

struct program {
	const uint8_t *at;
	const uint8_t *end;
	int fd;		       /* where its frames go */
	struct buf out;	       /* one frame, or more where they are packed */
	struct packer *packer; /* NULL: they are not */
};

static uint8_t take(struct program *program)
{
	return program->at < program->end ? *program->at++ : 0;
}

static const char *take_path(struct program *program)
{
	return paths[take(program) % PATHS];
}

/* Nothing, or what is (or is said to be) at a path, or a variation of it. */
static struct entry take_entry_of(struct program *program, const char *root)
{
	struct entry entry = { .type = ENTRY_ABSENT };
	uint8_t choice = take(program);
	char path[300];
	struct stat st;

	if (choice == 0)
		return entry;
	snprintf(path, sizeof(path), "%s/%s", root, paths[choice % PATHS]);
	if (lstat(path, &st) == 0)
		scan_entry_from_stat(&entry, &st);
	if (choice >= 128) {
		entry.type = take(program) % (ENTRY_SPECIAL + 1);
		entry.size = take(program);
		entry.flags = take(program) & (ENTRY_RACY | ENTRY_OPAQUE);
	}
	if (entry.type == ENTRY_FILE && (choice & 64)) {
		entry.flags |= ENTRY_HAS_DIGEST;
		entry.digest = digest_of("content", 7, 0);
	}
	if (entry.type == ENTRY_SYMLINK)
		entry.link = paths[take(program) % PATHS];
	return entry;
}

static struct entry take_entry(struct program *program)
{
	return take_entry_of(program, "root");
}

/* Whether frames are kept back, for there are not enough to be packed. */
static bool waits_for_more(const struct program *program)
{
	return program->packer && program->out.len < PACKER_LEAST && program->at < program->end;
}

/* One packet. What does not fit into the socket is not said. */
static void say(struct program *program)
{
	AUTO_BUF wire = BUF_INIT;

	if (waits_for_more(program))
		return;
	packer_take(program->packer, &program->out, &wire);
	if (send(program->fd, wire.data, wire.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		program->at = program->end;
	buf_reset(&program->out);
}

static void add_hello(struct program *program)
{
	uint8_t choice = take(program);
	const struct msg_hello hello = { .version_min = PEER_VERSION,
					 .version_max = PEER_VERSION,
					 .build = "fuzz",
					 .profile = "p",
					 .flags = (choice & 3) |
						  (choice & 128 ? PEER_HELLO_PACKED : 0U),
					 .silence_s = 180,
					 .state_dir = "",
					 .scan_flags = choice >> 4 & 7,
					 .fsync_mode = choice >> 2 & 3 };

	msg_put_hello(&program->out, &hello);
}

static void add_op(struct program *program)
{
	uint8_t first = take(program);
	struct msg_op op = { .id = first % 4 };
	uint8_t attrs = 0;

	op.kind = (enum op_kind)(take(program) % (OP_META + 1));
	op.filled = op.kind == OP_MKDIR && (first & 4);
	op.path = take_path(program);
	op.from = take_path(program);
	op.expect = take_entry(program);
	op.source = take_entry(program);
	op.meta.mask = take(program);
	op.meta.mode = (uint16_t)(take(program) * 17 % 010000);
	op.meta.uid = take(program);
	op.meta.mtime_ns = (int64_t)take(program) << 55;
	attrs = take(program);
	if (attrs > (size_t)(program->end - program->at))
		attrs = (uint8_t)(program->end - program->at);
	op.attrs = program->at;
	op.attrs_len = attrs;
	program->at += attrs;
	msg_put_op(&program->out, &op);
}

static void add_record(struct program *program, uint8_t type)
{
	struct listing_writer writer = LISTING_WRITER_INIT(type);

	for (unsigned left = take(program) % 4; left > 0; left--) {
		struct listing_item item = { .path = take_path(program), .kind = PEER_ITEM_GONE };

		if (take(program) % 2) {
			item.kind = PEER_ITEM_ENTRY;
			item.entry = take_entry(program);
		}
		listing_add(&writer, &item);
	}
	listing_take(&writer, &program->out);
	listing_writer_release(&writer);
}

static void add_scan(struct buf *out, uint8_t choice)
{
	struct filter *filter = filter_new();

	if (choice & 2)
		filter_add(filter, FILTER_EXCLUDE, "folder/*", "here", NULL);
	enc_u8(out, choice & 1);
	enc_le64(out, choice >> 2 & 1);
	filter_encode(out, filter);
	filter_free(filter);
}

static void add_prepare(struct buf *out, uint8_t choice)
{
	struct uuid identity = { { 1 } };
	struct uuid initiator = { { choice } };

	enc_str(out, choice & 1 ? "run" : paths[choice % PATHS]);
	msg_enc_uuid(out, &identity);
	msg_enc_uuid(out, &initiator);
	enc_le64(out, choice);
	enc_uint(out, choice % 3);
	enc_uint(out, choice % 2);
}

static void add_put_end(struct program *program)
{
	static const char *const contents[] = { "", "content", "xxxxxxxx" };
	const char *content = contents[take(program) % 3];
	struct digest digest = digest_of(content, strlen(content), 0);
	struct buf *out = &program->out;

	enc_uint(out, take(program) % 4);
	enc_u8(out, take(program) % 4 != 0);
	enc_raw(out, digest.bytes, DIGEST_LEN);
	enc_bytes(out, "", 0);
}

/* Bytes as they are, in a frame of a type for which they may stand for anything. */
static void add_raw(struct program *program)
{
	size_t len = take(program);

	if (len > (size_t)(program->end - program->at))
		len = (size_t)(program->end - program->at);
	enc_raw(&program->out, program->at, len);
	program->at += len;
}

static void add_difference(struct program *program, uint8_t type)
{
	struct buf *out = &program->out;
	struct entry entry = { .type = ENTRY_ABSENT };

	enc_uint(out, take(program) % 4);
	if (type == PEER_COPY) {
		enc_uint(out, take(program));
		enc_uint(out, take(program));
		return;
	}
	if (type == PEER_READ_CHANGES) {
		enc_str(out, take_path(program));
		entry = take_entry(program);
		entry_encode(out, &entry);
		enc_u8(out, take(program) % 2);
	}
	enc_uint(out, UINT64_C(1024) << (take(program) % 12));
	if (type == PEER_READ_CHANGES)
		enc_uint(out, (uint64_t)take(program) * 64);
	else
		enc_u8(out, take(program) % 2);
}

/* About one path of this root, or of the other one. */
static void add_request(struct program *program, uint8_t type)
{
	struct buf *out = &program->out;
	struct entry entry = { .type = ENTRY_ABSENT };

	enc_uint(out, type == PEER_FETCH ? take(program) % 4 : take(program));
	enc_str(out, take_path(program));
	if (type == PEER_ATTRS || type == PEER_STORED)
		return;
	entry = take_entry_of(program, type == PEER_FETCH ? "other" : "root");
	if (type == PEER_HASH)
		enc_le64(out, 0);
	if (type == PEER_HASH)
		enc_u8(out, entry.type != ENTRY_ABSENT);
	if (type != PEER_HASH || entry.type != ENTRY_ABSENT)
		entry_encode(out, &entry);
	if (type != PEER_HASH)
		enc_u8(out, take(program) % 2);
	if (type == PEER_FETCH)
		enc_u8(out, entry.size % 2);
}

static void add_payload(struct program *program, uint8_t type)
{
	struct buf *out = &program->out;

	switch (type) {
	case PEER_CREDIT:
		enc_uint(out, (uint64_t)take(program) << (take(program) % 60));
		return;
	case PEER_LOCK:
		enc_u8(out, take(program) % 3);
		enc_str(out, "me");
		enc_u8(out, take(program) % 3);
		enc_uint(out, 0);
		enc_uint(out, take(program));
		return;
	case PEER_PREPARE:
		add_prepare(out, take(program));
		return;
	case PEER_SCAN:
		add_scan(out, take(program));
		return;
	case PEER_HASH:
	case PEER_ATTRS:
	case PEER_STORED:
	case PEER_READ:
	case PEER_FETCH:
		add_request(program, type);
		return;
	case PEER_DATA:
		enc_uint(out, take(program) % 4);
		for (unsigned left = take(program) % 32; left > 0; left--)
			enc_u8(out, 'x');
		return;
	case PEER_HOLE:
		enc_uint(out, take(program) % 4);
		enc_uint(out, (uint64_t)take(program) << (take(program) % 12)); /* zeros to hash */
		return;
	case PEER_BASIS:
	case PEER_COPY:
	case PEER_READ_CHANGES:
		add_difference(program, type);
		return;
	case PEER_PUT_END:
		add_put_end(program);
		return;
	case PEER_COMMIT:
		enc_le64(out, take(program));
		return;
	case PEER_PING:
	case PEER_PONG:
	case PEER_FLUSH:
	case PEER_FINISH:
	case PEER_BYE:
		return;
	default:
		add_raw(program);
	}
}

/*
 * One command: the type of a frame, and what it needs.  From 128 on its payload is whatever follows,
 * but for those that could name a folder outside or a hole without end.
 */
static void add_frame(struct program *program)
{
	uint8_t choice = take(program);
	uint8_t type = choice % 128 % (PEER_FETCHED + 1);
	size_t start = 0;

	if (type == PEER_HELLO) {
		add_hello(program);
	} else if (type == PEER_OP && choice < 128) {
		add_op(program);
	} else if ((type == PEER_RECORD || type == PEER_LIST) && choice < 128) {
		add_record(program, type);
	} else {
		start = frame_begin(&program->out, type);
		if (choice < 128 || type == PEER_HOLE)
			add_payload(program, type);
		else
			add_raw(program);
		frame_end(&program->out, start);
	}
	if (program->out.len > 0)
		say(program);
}

static void say_simple(struct program *program, uint8_t type, uint8_t choice)
{
	size_t start = 0;

	if (type == PEER_HELLO) {
		const struct msg_hello hello = { .version_max = PEER_VERSION,
						 .build = "",
						 .profile = "p",
						 .flags = choice,
						 .silence_s = 180,
						 .state_dir = "" };

		msg_put_hello(&program->out, &hello);
	} else {
		start = frame_begin(&program->out, type);
		if (type == PEER_LOCK) {
			enc_u8(&program->out, choice);
			enc_str(&program->out, "me");
			enc_u8(&program->out, 0);
			enc_uint(&program->out, 0);
			enc_uint(&program->out, 0);
		} else if (type == PEER_PREPARE) {
			add_prepare(&program->out, choice);
		}
		frame_end(&program->out, start);
	}
	say(program);
}

/* How far the session is before the program begins: otherwise few would ever get there. */
static void say_preamble(struct program *program)
{
	uint8_t choice = take(program);
	unsigned far = choice % 4;

	if (far > 0)
		say_simple(program, PEER_HELLO, choice & 4 ? PEER_HELLO_PACKED : 0);
	if (far > 1)
		say_simple(program, PEER_LOCK, 0);
	if (far > 2)
		say_simple(program, PEER_PREPARE, 1);
	if (choice & 4)
		program->packer = packer_new(PACKER_ON);
}

static void run_program(const uint8_t *data, size_t size, int fd)
{
	struct program program = { .at = data, .end = data + size, .fd = fd };

	say_preamble(&program);
	while (program.at < program.end)
		add_frame(&program);
	if (program.out.len > 0)
		say(&program);
	packer_free(program.packer);
	buf_release(&program.out);
}

/* Afterwards ------------------------------------------------------------------------- */

static void check_output(int fd)
{
	struct unpacker *unpacker = unpacker_new();
	AUTO_BUF said = BUF_INIT;
	struct stat st;
	size_t at = PEER_GREETING_LEN;
	size_t size = 0;

	if (fstat(fd, &st) < 0)
		abort();
	if (pread(fd, buf_extend(&said, (size_t)st.st_size), (size_t)st.st_size, 0) != st.st_size)
		abort();
	assert(said.len >= at && memcmp(said.data, PEER_GREETING, PEER_GREETING_LEN) == 0);
	for (; at < said.len; at += size) {
		struct frame frame;

		if (frame_parse(said.data + at, said.len - at, &frame, &size, NULL) != 1)
			abort();
		if (frame.type != PEER_PACKED)
			continue;
		if (unpacker_replace(unpacker, &said, at, size, &frame, NULL) < 0)
			abort();
		size = 0;
	}
	unpacker_free(unpacker);
	assert(!memmem(said.data, said.len, SECRET, strlen(SECRET)));
}

static void check_kept(const struct timespec before[KEPT])
{
	struct timespec after[KEPT];
	char text[64] = "";
	int fd = open("outside/secret", O_RDONLY | O_CLOEXEC);

	kept_stamps(after);
	assert(memcmp(before, after, sizeof(after)) == 0);
	assert(fd >= 0 && read(fd, text, sizeof(text) - 1) == (ssize_t)strlen(SECRET));
	assert(strcmp(text, SECRET) == 0);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct agent_options options = { .dir = "root",
					       .other_dir = "other",
					       .role = "target agent" };
	struct timespec before[KEPT];
	int fds[2] = { -1, -1 };
	int out = memfd_create("said", MFD_CLOEXEC);

	if (fchdir(box_fd) < 0 || out < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
	make_tree("root");
	kept_stamps(before);
	run_program(data, size, fds[0]);
	close(fds[0]);
	agent_serve(fds[1], out, &options);
	close(fds[1]);
	check_output(out);
	check_kept(before);
	close(out);
	if (fchdir(home_fd) < 0)
		abort();
	return 0;
}
