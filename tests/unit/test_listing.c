/* SPDX-License-Identifier: BSD-2-Clause */
/* LIST and RECORD frames: prefixes left out and put back, and the checksum both ends compute. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/path.h"
#include "peer/frame.h"
#include "peer/listing.h"

static struct entry some_entry(void)
{
	return (struct entry){
		.type = ENTRY_FILE, .mode = 0644, .ino = 5, .size = 1, .mtime_ns = 2, .ctime_ns = 3
	};
}

static void add(struct listing_writer *writer, const char *path)
{
	const struct listing_item item = { .path = path,
					   .kind = PEER_ITEM_ENTRY,
					   .entry = some_entry() };

	listing_add(writer, &item);
}

/* Take the whole stream apart; the paths, one a line, in `out`. Returns how many frames there were. */
static size_t read_paths(const struct buf *stream, struct buf *out)
{
	struct arena arena = ARENA_INIT;
	size_t frames = 0;
	size_t size = 0;

	for (size_t at = 0; at < stream->len; at += size, frames++) {
		struct listing_reader reader;
		struct listing_item item;
		struct frame frame = { 0 };
		int got = 0;

		assert_int_equal(
			frame_parse(stream->data + at, stream->len - at, &frame, &size, NULL), 1);
		assert_int_equal(frame.type, PEER_LIST);
		listing_reader_init(&reader, &frame);
		while ((got = listing_read(&reader, &arena, &item, NULL)) > 0)
			buf_addf(out, "%s\n", item.path);
		assert_int_equal(got, 0);
		/* The end stays the end. */
		assert_int_equal(listing_read(&reader, &arena, &item, NULL), 0);
		listing_reader_release(&reader);
	}
	arena_release(&arena);
	return frames;
}

static void test_nothing_added_is_nothing_sent(void **state)
{
	struct listing_writer writer = LISTING_WRITER_INIT(PEER_LIST);
	AUTO_BUF stream = BUF_INIT;

	assert_int_equal(listing_is_full(&writer), 0);
	assert_int_equal(listing_take(&writer, &stream), 0);
	assert_int_equal(stream.len, 0);
	listing_writer_release(&writer);
}

static void test_paths_come_back_however_they_overlap(void **state)
{
	static const char *const paths[] = { "a", "a/b",   "a/b/c",  "a/bc",   "aa",
					     "b", "b\xff", "ba/a/a", "ba/a/ab" };
	struct listing_writer writer = LISTING_WRITER_INIT(PEER_LIST);
	AUTO_BUF stream = BUF_INIT;
	AUTO_BUF expected = BUF_INIT;
	AUTO_BUF found = BUF_INIT;
	size_t size = 0;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		add(&writer, paths[i]);
		buf_addf(&expected, "%s\n", paths[i]);
	}
	size = listing_take(&writer, &stream);
	assert_int_equal(size, stream.len);
	assert_int_equal(read_paths(&stream, &found), 1);
	assert_string_equal(buf_cstr(&found), buf_cstr(&expected));
	listing_writer_release(&writer);
}

/* A frame says nothing about the one before it: each can be read alone. */
static void test_each_frame_begins_anew(void **state)
{
	struct listing_writer writer = LISTING_WRITER_INIT(PEER_LIST);
	AUTO_BUF stream = BUF_INIT;
	AUTO_BUF found = BUF_INIT;

	add(&writer, "folder/a");
	listing_take(&writer, &stream);
	add(&writer, "folder/b");
	listing_take(&writer, &stream);
	assert_int_equal(read_paths(&stream, &found), 2);
	assert_string_equal(buf_cstr(&found), "folder/a\nfolder/b\n");
	listing_writer_release(&writer);
}

static void test_a_shared_prefix_costs_no_bytes(void **state)
{
	struct listing_writer writer = LISTING_WRITER_INIT(PEER_LIST);
	AUTO_BUF stream = BUF_INIT;
	AUTO_BUF path = BUF_INIT;
	size_t first = 0;

	for (int i = 0; i < 200; i++)
		buf_addstr(&path, "deep/");
	buf_addstr(&path, "1");
	add(&writer, buf_cstr(&path));
	first = writer.frame.len;
	path.data[path.len - 1] = '2';
	add(&writer, buf_cstr(&path));
	assert_in_range(writer.frame.len - first, 1, 64);
	listing_take(&writer, &stream);
	listing_writer_release(&writer);
}

static void test_a_frame_is_full_at_its_target(void **state)
{
	struct listing_writer writer = LISTING_WRITER_INIT(PEER_LIST);
	AUTO_BUF stream = BUF_INIT;
	AUTO_BUF expected = BUF_INIT;
	AUTO_BUF found = BUF_INIT;
	size_t frames = 0;

	for (int i = 0; i < 5000; i++) {
		char path[32];

		snprintf(path, sizeof(path), "name-%05d", i);
		add(&writer, path);
		buf_addf(&expected, "%s\n", path);
		if (!listing_is_full(&writer))
			continue;
		assert_in_range(listing_take(&writer, &stream), PEER_LIST_TARGET,
				PEER_LIST_TARGET + 256);
		frames++;
	}
	frames += listing_take(&writer, &stream) > 0;
	assert_true(frames > 2);
	assert_int_equal(read_paths(&stream, &found), frames);
	assert_string_equal(buf_cstr(&found), buf_cstr(&expected));
	listing_writer_release(&writer);
}

/* The longest there is fits into a frame, even behind one that was not quite full. */
static void test_the_longest_paths_fit(void **state)
{
	struct listing_writer writer = LISTING_WRITER_INIT(PEER_LIST);
	AUTO_BUF stream = BUF_INIT;
	AUTO_BUF path = BUF_INIT;
	AUTO_BUF found = BUF_INIT;

	while (path.len + PATH_NAME_MAX + 1 <= PATH_BYTES_MAX) {
		memset(buf_extend(&path, PATH_NAME_MAX), 'n', PATH_NAME_MAX);
		buf_addch(&path, '/');
	}
	path.data[path.len - 1] = 'n';
	path.data[path.len - 2] = '/';
	assert_true(path_valid(buf_cstr(&path), path.len));
	while (!listing_is_full(&writer))
		add(&writer, "b");
	add(&writer, buf_cstr(&path));
	assert_in_range(listing_take(&writer, &stream), PATH_BYTES_MAX, PEER_FRAME_MAX);
	read_paths(&stream, &found);
	assert_true(found.len > path.len);
	assert_memory_equal(found.data + found.len - 1 - path.len, path.data, path.len);
	listing_writer_release(&writer);
}

static void put_item(struct buf *out, uint64_t shared, const char *rest, unsigned kind)
{
	enc_uint(out, shared);
	enc_str(out, rest);
	enc_u8(out, kind);
}

/* Read up to the first refusal; how many items were good. */
static int count_good(const struct buf *payload)
{
	const struct frame frame = { PEER_LIST, payload->data, payload->len, NULL };
	struct arena arena = ARENA_INIT;
	struct err err = ERR_INIT;
	struct listing_reader reader;
	struct listing_item item;
	int good = 0;

	listing_reader_init(&reader, &frame);
	while (listing_read(&reader, &arena, &item, &err) > 0)
		good++;
	assert_int_equal(err.kind, ERR_PROTOCOL);
	listing_reader_release(&reader);
	arena_release(&arena);
	return good;
}

static void test_nonsense_is_refused(void **state)
{
	static const struct {
		uint64_t shared;
		const char *rest;
		unsigned kind;
	} second[] = {
		{ 4, "x", PEER_ITEM_GONE }, /* shares more than there was */
		{ UINT64_MAX, "x", PEER_ITEM_GONE },
		{ 0, "", PEER_ITEM_GONE },
		{ 1, "/../x", PEER_ITEM_GONE }, /* valid parts, put together to nonsense */
		{ 2, "/b", PEER_ITEM_GONE },
		{ 2, "", PEER_ITEM_GONE },
		{ 0, "..", PEER_ITEM_GONE },
		{ 0, "/etc/passwd", PEER_ITEM_GONE },
		{ 0, "c", 0 },
		{ 0, "c", PEER_ITEM_SAME + 1 },
		{ 0, "c", PEER_ITEM_ENTRY }, /* and no entry behind it */
	};

	for (size_t i = 0; i < sizeof(second) / sizeof(second[0]); i++) {
		AUTO_BUF payload = BUF_INIT;

		put_item(&payload, 0, "a/b", PEER_ITEM_GONE);
		put_item(&payload, second[i].shared, second[i].rest, second[i].kind);
		assert_int_equal(count_good(&payload), 1);
	}
}

static void test_what_is_gone_or_the_same_is_but_a_path(void **state)
{
	AUTO_BUF payload = BUF_INIT;

	put_item(&payload, 0, "a/b", PEER_ITEM_GONE);
	put_item(&payload, 2, "c", PEER_ITEM_SAME);
	put_item(&payload, 2, "d", PEER_ITEM_SAME + 1);
	assert_int_equal(count_good(&payload), 2);
}

static void test_a_path_may_not_grow_beyond_its_limit(void **state)
{
	AUTO_BUF payload = BUF_INIT;
	AUTO_BUF part = BUF_INIT;

	for (int i = 0; i < PATH_BYTES_MAX / 2; i++)
		buf_addstr(&part, "n/");
	put_item(&payload, 0, "n", PEER_ITEM_GONE);
	buf_addstr(&part, "n");
	put_item(&payload, 0, buf_cstr(&part), PEER_ITEM_GONE);
	put_item(&payload, part.len, "/n", PEER_ITEM_GONE);
	assert_int_equal(count_good(&payload), 2);
}

/* A tree may be deeper, and a name longer, than can be synced: that must be told, but nothing more. */
static void test_only_an_unknown_thing_may_have_a_path_too_long(void **state)
{
	static const struct {
		unsigned kind;
		uint8_t type;
		uint8_t flags;
		bool good;
	} items[] = {
		{ PEER_ITEM_PROBLEM, ENTRY_SPECIAL, ENTRY_OPAQUE, true },
		{ PEER_ITEM_PROBLEM, ENTRY_SPECIAL, ENTRY_OPAQUE | ENTRY_MOUNT, false },
		{ PEER_ITEM_PROBLEM, ENTRY_SPECIAL, 0, false },
		{ PEER_ITEM_PROBLEM, ENTRY_DIR, ENTRY_OPAQUE, false },
		{ PEER_ITEM_ENTRY, ENTRY_SPECIAL, ENTRY_OPAQUE, false },
		{ PEER_ITEM_GONE, ENTRY_ABSENT, 0, false },
	};
	static const char *const ends[] = { "", "/x", "/..", "/", "//x" };

	for (size_t i = 0; i < 6 * 5; i++) {
		struct entry entry = { .type = items[i / 5].type, .flags = items[i / 5].flags };
		AUTO_BUF payload = BUF_INIT;
		AUTO_BUF name = BUF_INIT;

		memset(buf_extend(&name, PATH_NAME_MAX + 1), 'n', PATH_NAME_MAX + 1);
		buf_addstr(&name, ends[i % 5]);
		put_item(&payload, 0, buf_cstr(&name), items[i / 5].kind);
		if (items[i / 5].kind != PEER_ITEM_GONE)
			entry_encode(&payload, &entry);
		if (items[i / 5].kind == PEER_ITEM_PROBLEM)
			enc_str(&payload, "it is too long");
		/* And one that is refused in any case, where count_good() ends. */
		put_item(&payload, 0, "..", PEER_ITEM_GONE);
		assert_int_equal(count_good(&payload), items[i / 5].good && i % 5 < 2);
	}
}

static void test_the_checksum_sees_the_stat_key_and_nothing_else(void **state)
{
	const struct entry plain = some_entry();
	const uint64_t checksum = listing_checksum("a", &plain);
	struct entry other = plain;

	other.flags = ENTRY_HAS_DIGEST | ENTRY_RACY;
	memset(other.digest.bytes, 9, DIGEST_LEN);
	assert_true(listing_checksum("a", &other) == checksum);
	assert_false(listing_checksum("b", &plain) == checksum);
	other = plain;
	other.size++;
	assert_false(listing_checksum("a", &other) == checksum);
	other = plain;
	other.ctime_ns++;
	assert_false(listing_checksum("a", &other) == checksum);
	other = plain;
	other.mode = 0600;
	assert_false(listing_checksum("a", &other) == checksum);
}

static void test_the_checksum_of_a_link_does_not_need_its_target(void **state)
{
	struct entry link = some_entry();

	link.type = ENTRY_SYMLINK;
	link.link = "target";
	{
		const uint64_t told = listing_checksum("a", &link);

		link.link = NULL;
		assert_true(listing_checksum("a", &link) == told);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_added_is_nothing_sent),
		cmocka_unit_test(test_paths_come_back_however_they_overlap),
		cmocka_unit_test(test_each_frame_begins_anew),
		cmocka_unit_test(test_a_shared_prefix_costs_no_bytes),
		cmocka_unit_test(test_a_frame_is_full_at_its_target),
		cmocka_unit_test(test_the_longest_paths_fit),
		cmocka_unit_test(test_nonsense_is_refused),
		cmocka_unit_test(test_what_is_gone_or_the_same_is_but_a_path),
		cmocka_unit_test(test_a_path_may_not_grow_beyond_its_limit),
		cmocka_unit_test(test_only_an_unknown_thing_may_have_a_path_too_long),
		cmocka_unit_test(test_the_checksum_sees_the_stat_key_and_nothing_else),
		cmocka_unit_test(test_the_checksum_of_a_link_does_not_need_its_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
