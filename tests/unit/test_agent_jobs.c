/* SPDX-License-Identifier: BSD-2-Clause */
/* What an agent is asked to look at: listings, with and without the cache, reading, and credit. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/codec.h"
#include "model/entry.h"
#include "model/filter.h"
#include "peer/agent.h"
#include "peer/listing.h"
#include "peer_help.h"
#include "store/list.h"
#include "store/lock.h"
#include "tree_help.h"

/* Bytes of content: more than may be under way without credit. */
enum { BIG = PEER_WINDOW + 3 * PEER_DATA_MAX };

/* Listings ----------------------------------------------------------------------- */

/* What a listing said: "PATH PATH -GONE =SAME", how many were seen, and the checksum of the cache. */
struct heard {
	struct buf paths;
	uint64_t seen;
	uint64_t checksum;
	struct space space;
	enum err_kind status;
};

static void heard_release(struct heard *heard)
{
	buf_release(&heard->paths);
}
#define AUTO_HEARD AUTO(heard_release) struct heard

static void hear_list(struct far *far, struct heard *heard)
{
	static const char *const marks[] = { [PEER_ITEM_ENTRY] = "",
					     [PEER_ITEM_GONE] = "-",
					     [PEER_ITEM_PROBLEM] = "",
					     [PEER_ITEM_SAME] = "=" };
	struct arena arena = ARENA_INIT;
	struct listing_reader reader;
	struct listing_item item;
	int got = 0;

	listing_reader_init(&reader, &far->frame);
	while ((got = listing_read(&reader, &arena, &item, NULL)) > 0)
		buf_addf(&heard->paths, "%s%s%s", heard->paths.len ? " " : "", marks[item.kind],
			 item.path);
	assert_int_equal(got, 0);
	listing_reader_release(&reader);
	arena_release(&arena);
}

static struct heard listen_to(struct far *far)
{
	struct heard heard = { .seen = 0 };
	struct msg_listed listed;
	unsigned type = 0;

	while ((type = far_next(far)) != PEER_LISTED) {
		assert_true(type == PEER_LIST || type == PEER_NAME);
		if (type == PEER_LIST)
			hear_list(far, &heard);
	}
	assert_int_equal(msg_get_listed(&far->frame, &listed, NULL), 0);
	heard.status = listed.status.kind;
	heard.seen = listed.seen;
	heard.checksum = listed.checksum;
	heard.space = listed.root;
	return heard;
}

static void make_tree(void)
{
	/* Stamps that are too young prove nothing, and are listed again: let them grow older. */
	help_sh("mkdir t/a t/b; echo 1 > t/a/1; echo 2 > t/a/2; ln -s a t/link; sleep 0.1");
}

/* Sync what is there, as far as the agent can tell: record it, between these two, under generation 5. */
static struct far begin_to_record(void)
{
	struct far far = far_prepared();
	AUTO_HEARD heard = { .seen = 0 };

	far_scan(&far, 1);
	heard = listen_to(&far);
	return far;
}

static void record_path(struct far *far, const char *path)
{
	AUTO_FREE char *there = xasprintf("t/%s", path);
	struct entry entry = help_stat(there);

	far_record(far, path, &entry);
}

static void commit_records(struct far *far)
{
	far_commit(far, 5);
	assert_int_equal(far_status(far, PEER_COMMITTED), ERR_NONE);
	assert_int_equal(far_end(far), 0);
}

static void record_tree(void)
{
	static const char *const paths[] = { "a", "a/1", "a/2", "b", "link" };
	AUTO_FAR far = begin_to_record();

	for (size_t i = 0; i < 5; i++)
		record_path(&far, paths[i]);
	commit_records(&far);
}

static uint64_t checksum_of_tree(void)
{
	static const char *const paths[] = { "a", "a/1", "a/2", "b", "link" };
	uint64_t sum = 0;

	for (size_t i = 0; i < 5; i++) {
		AUTO_FREE char *there = xasprintf("t/%s", paths[i]);
		struct entry entry = help_stat(there);

		sum += listing_checksum(paths[i], &entry);
	}
	return sum;
}

static void expect_listing(unsigned less, const char *paths, uint64_t seen)
{
	AUTO_FAR far = far_locked();
	AUTO_HEARD heard = { .seen = 0 };

	far_scan(&far, less);
	heard = listen_to(&far);
	assert_int_equal(heard.status, ERR_NONE);
	assert_string_equal(buf_cstr(&heard.paths), paths);
	assert_int_equal(heard.seen, seen);
	assert_int_equal(far_end(&far), 0);
}

static void test_a_listing_has_everything_in_order(void **state)
{
	make_tree();
	expect_listing(0, "a a/1 a/2 b link", 5);
	expect_listing(1, "a a/1 a/2 b link", 5);
}

/* LOCK that waits for up to a minute. */
static void lock_patiently(struct far *far)
{
	size_t start = frame_begin(&far->out, PEER_LOCK);

	enc_u8(&far->out, LOCK_HOLD);
	enc_str(&far->out, "test");
	enc_u8(&far->out, PEER_LOCK_QUEUE);
	enc_uint(&far->out, 60000);
	enc_uint(&far->out, 0);
	frame_end(&far->out, start);
}

/* The cache is opened anew with the lock, and what was there before proves nothing. */
static void test_what_is_asked_behind_a_lock_is_looked_at_with_it(void **state)
{
	AUTO_FAR first = far_start();
	AUTO_FAR second = far_start();
	AUTO_HEARD heard = { .seen = 0 };

	make_tree();
	record_tree();
	far_hello(&first, 0);
	far_expect(&first, PEER_WELCOME);
	far_lock(&first, LOCK_HOLD, "first");
	assert_int_equal(far_status(&first, PEER_LOCKED), ERR_NONE);
	far_hello(&second, 0);
	far_expect(&second, PEER_WELCOME);
	lock_patiently(&second);
	far_scan(&second, 1);
	far_empty(&second, PEER_PING);
	far_expect(&second, PEER_PONG);
	help_sh("rm t/a/2 && echo > t/new");
	assert_int_equal(far_end(&first), 0);
	assert_int_equal(far_status(&second, PEER_LOCKED), ERR_NONE);
	heard = listen_to(&second);
	assert_int_equal(heard.status, ERR_NONE);
	assert_string_equal(buf_cstr(&heard.paths), "a -a/2 new");
	assert_int_equal(far_end(&second), 0);
}

static void test_what_is_asked_behind_a_lock_is_refused_with_it(void **state)
{
	AUTO_FAR first = far_locked();
	AUTO_FAR second = far_welcomed(0);
	AUTO_HEARD heard = { .seen = 0 };
	AUTO_HEARD again = { .seen = 0 };

	make_tree();
	far_lock(&second, LOCK_HOLD, "second");
	far_scan(&second, 0);
	assert_int_equal(far_status(&second, PEER_LOCKED), ERR_LOCKED);
	heard = listen_to(&second);
	assert_int_equal(heard.status, ERR_LOCKED);
	assert_int_equal(heard.paths.len, 0);
	assert_int_equal(heard.seen, 0);
	assert_int_equal(far_end(&first), 0);
	far_lock(&second, LOCK_HOLD, "second");
	far_scan(&second, 0);
	assert_int_equal(far_status(&second, PEER_LOCKED), ERR_NONE);
	again = listen_to(&second);
	assert_int_equal(again.seen, 5);
	assert_int_equal(far_end(&second), 0);
}

static void test_the_work_folder_is_not_listed(void **state)
{
	AUTO_FAR far = far_prepared();

	assert_int_equal(far_end(&far), 0);
	expect_listing(0, "", 0);
}

static void test_what_the_cache_has_is_left_out(void **state)
{
	AUTO_FAR far = far_start();
	AUTO_HEARD heard = { .seen = 0 };

	make_tree();
	record_tree();
	expect_listing(1, "", 5);
	expect_listing(0, "a a/1 a/2 b link", 5);

	far_hello(&far, 0);
	far_expect(&far, PEER_WELCOME);
	far_scan(&far, 1);
	heard = listen_to(&far);
	assert_true(heard.checksum == checksum_of_tree());
	assert_int_equal(far_end(&far), 0);
}

static void test_changes_since_are_listed(void **state)
{
	make_tree();
	record_tree();
	help_sh("rm t/a/1; echo more >> t/a/2; chmod 700 t/b; echo 3 > t/a/3");
	expect_listing(1, "a -a/1 a/2 a/3 b", 5);
}

static void test_all_that_is_gone_is_said_to_be(void **state)
{
	make_tree();
	record_tree();
	help_sh("rm -r t/a t/b t/link");
	expect_listing(1, "-a -a/1 -a/2 -b -link", 0);
}

static void test_of_what_is_left_out_it_is_told_how_far_it_is(void **state)
{
	help_sh("seq -f 't/%%04g' 0 8999 | xargs touch -d 2001-01-01; sleep 0.1");
	{
		AUTO_FAR far = begin_to_record();

		for (int i = 0; i < 9000; i++) {
			AUTO_FREE char *path = xasprintf("%04d", i);

			record_path(&far, path);
		}
		commit_records(&far);
	}
	expect_listing(1, "=4095 =8191", 9000);
	/* Only what is left out counts. */
	help_sh("rm t/0007; touch t/4095 t/8990a");
	expect_listing(1, "-0007 4095 =4097 =8193 8990a", 9000);
}

static void test_the_cache_is_known_at_the_next_hello(void **state)
{
	struct arena arena = ARENA_INIT;
	struct msg_welcome welcome;

	make_tree();
	record_tree();
	{
		AUTO_FAR far = far_welcomed(PEER_HELLO_DRY);

		assert_int_equal(msg_get_welcome(&far.frame, &arena, &welcome, NULL), 0);
		assert_true(welcome.known);
		assert_int_equal(welcome.known_generation, 5);
		assert_int_equal(welcome.known_initiator.bytes[0], 2);
		assert_true(welcome.mark == FAR_GENERATION);
		assert_int_equal(welcome.identity.bytes[0], 1);
		assert_int_equal(far_end(&far), 0);
	}
	arena_release(&arena);
}

/* Another filter shows other files: what the cache does not have is not gone. */
static void test_a_cache_made_with_other_rules_is_not_used(void **state)
{
	AUTO_FAR far = far_start();
	AUTO_HEARD heard = { .seen = 0 };
	struct filter *filter = filter_new();
	size_t start = 0;

	make_tree();
	record_tree();
	far_hello(&far, 0);
	far_expect(&far, PEER_WELCOME);
	assert_int_equal(filter_add(filter, FILTER_EXCLUDE, "2", "test", NULL), 0);
	start = frame_begin(&far.out, PEER_SCAN);
	enc_u8(&far.out, 1);
	enc_le64(&far.out, FAR_SEED);
	filter_encode(&far.out, filter);
	frame_end(&far.out, start);
	heard = listen_to(&far);
	assert_string_equal(buf_cstr(&heard.paths), "a a/1 b link");
	filter_free(filter);
	assert_int_equal(far_end(&far), 0);
}

static void test_a_damaged_cache_is_set_aside(void **state)
{
	make_tree();
	record_tree();
	help_sh("for f in t/.osync_workdir/state/*; do echo nonsense > $f; done");
	expect_listing(1, "a a/1 a/2 b link", 5);
	help_sh("ls t/.osync_workdir/state | grep -q bad");
	record_tree();
	expect_listing(1, "", 5);
}

/* Records of one run that did not come to its end are not under the generation before. */
static void test_records_count_only_with_a_commit(void **state)
{
	AUTO_FAR far = far_start();

	make_tree();
	record_tree();
	far_close(&far);
	far = far_prepared();
	far_record(&far, "a/1", NULL);
	assert_int_equal(far_end(&far), 0);
	expect_listing(1, "", 5);
}

/* The saved list of an initiator: what was agreed on of the tree, and one path that only the target has. */
static void save_list(void)
{
	static const char *const paths[] = { "a", "a/1", "a/2", "b", "link" };
	AUTO_CLOSE int fd = open("lists", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct list_head head = { .generation = 4 };
	struct base base = { .type = ENTRY_FILE };
	struct list *list = NULL;
	bool exists = true;

	list = list_open(fd, "work.list", TABLE_WRITE, &head, &exists, NULL);
	assert_non_null(list);
	list_set_head(list, &head);
	base.side[SIDE_TARGET].type = ENTRY_FILE;
	list_put(list, "a/0", &base);
	for (size_t i = 0; i < 5; i++) {
		AUTO_FREE char *there = xasprintf("t/%s", paths[i]);

		base.side[SIDE_INITIATOR] = help_stat(there);
		base.type = base.side[SIDE_INITIATOR].type;
		list_put(list, paths[i], &base);
	}
	assert_int_equal(list_flush(list, NULL), 0);
	list_close(list);
}

/* What an agent that was told of the list says to a SCAN that leaves out what that has. */
static struct heard hear_less_list(void)
{
	const struct agent_options options = {
		.dir = "t", .list_dir = "lists", .list_name = "work.list", .role = "initiator agent"
	};
	AUTO_FAR far = far_start_as(&options);
	struct heard heard;

	far_hello(&far, PEER_HELLO_CREATE);
	far_expect(&far, PEER_WELCOME);
	far_scan(&far, PEER_SCAN_LESS_LIST);
	heard = listen_to(&far);
	assert_int_equal(heard.status, ERR_NONE);
	assert_int_equal(far_end(&far), 0);
	return heard;
}

static void test_what_the_saved_list_has_is_left_out(void **state)
{
	make_tree();
	help_sh("mkdir lists");
	save_list();
	{
		AUTO_HEARD heard = hear_less_list();

		assert_string_equal(buf_cstr(&heard.paths), "");
		assert_int_equal(heard.seen, 5);
		assert_true(heard.checksum == checksum_of_tree());
	}
	help_sh("rm t/a/1; echo more >> t/a/2; chmod 700 t/b; echo 0 > t/a/0");
	{
		AUTO_HEARD heard = hear_less_list();

		assert_string_equal(buf_cstr(&heard.paths), "a a/0 -a/1 a/2 b");
		assert_true(heard.checksum != 0);
	}
}

static void test_without_its_list_an_initiator_lists_all(void **state)
{
	make_tree();
	help_sh("mkdir lists; echo nonsense > lists/work.list");
	{
		AUTO_HEARD heard = hear_less_list();

		assert_string_equal(buf_cstr(&heard.paths), "a a/1 a/2 b link");
		assert_true(heard.checksum == 0);
	}
	help_sh("rm -r lists");
	{
		AUTO_HEARD heard = hear_less_list();

		assert_string_equal(buf_cstr(&heard.paths), "a a/1 a/2 b link");
	}
}

static void test_a_target_has_no_saved_list(void **state)
{
	AUTO_FAR far = far_welcomed(0);

	far_scan(&far, PEER_SCAN_LESS_LIST);
	far_refuses(&far, ERR_PROTOCOL);
}

static void test_a_filter_that_makes_no_sense_is_refused(void **state)
{
	AUTO_FAR far = far_welcomed(0);
	size_t start = frame_begin(&far.out, PEER_SCAN);

	enc_u8(&far.out, 0);
	enc_le64(&far.out, 0);
	buf_addstr(&far.out, "\xff\xff\xff\xff nonsense");
	frame_end(&far.out, start);
	far_refuses(&far, ERR_PROTOCOL);
}

/* Reading ------------------------------------------------------------------------- */

static void make_big(void)
{
	help_sh("head -c %d /dev/urandom > t/big", BIG);
}

static void give_credit(struct far *far, uint64_t credit)
{
	size_t start = frame_begin(&far->out, PEER_CREDIT);

	enc_uint(&far->out, credit);
	frame_end(&far->out, start);
}

/* Take what comes until the agent says PONG: the bytes of bulk frames. */
static size_t take_until_pong(struct far *far, struct buf *content)
{
	size_t bulk = 0;
	unsigned type = 0;

	while ((type = far_next(far)) != PEER_PONG) {
		struct dec dec;

		assert_int_equal(type, PEER_DATA);
		bulk += FRAME_HEAD + far->frame.len;
		dec_init(&dec, far->frame.data, far->frame.len);
		assert_int_equal(dec_uint(&dec), 1);
		buf_add(content, dec.pos, dec_left(&dec));
	}
	return bulk;
}

/* All that the agent sends without further credit. */
static size_t take_all(struct far *far, struct buf *content)
{
	size_t bulk = 0;
	size_t more = 0;

	/* Between two pings without anything it may only have been slow: so until it must be all. */
	do {
		far_empty(far, PEER_PING);
		more = take_until_pong(far, content);
		bulk += more;
	} while (bulk < PEER_WINDOW);
	far_empty(far, PEER_PING);
	return bulk + take_until_pong(far, content);
}

static void test_bulk_stops_where_the_credit_ends(void **state)
{
	AUTO_FAR far = far_start();
	AUTO_BUF content = BUF_INIT;
	struct arena arena = ARENA_INIT;
	struct msg_result result;
	struct digest digest;
	struct entry expect;
	size_t bulk = 0;
	unsigned type = 0;

	make_big();
	expect = help_stat("t/big");
	far_hello(&far, 0);
	far_expect(&far, PEER_WELCOME);
	far_read(&far, 1, "big", &expect);
	bulk = take_all(&far, &content);
	assert_in_range(bulk, PEER_WINDOW, PEER_WINDOW + PEER_DATA_MAX + 64);
	give_credit(&far, bulk < PEER_WINDOW ? bulk : PEER_WINDOW);
	while ((type = far_next(&far)) == PEER_DATA) {
		struct dec dec;

		dec_init(&dec, far.frame.data, far.frame.len);
		dec_uint(&dec);
		buf_add(&content, dec.pos, dec_left(&dec));
	}
	assert_int_equal(type, PEER_READ_END);
	assert_int_equal(msg_get_result(&far.frame, &arena, &result, NULL), 0);
	assert_int_equal(result.status.kind, ERR_NONE);
	assert_int_equal(content.len, BIG);
	digest = digest_of(content.data, content.len, 0);
	assert_true(digest_same(&digest, &result.entry.digest));
	arena_release(&arena);
	assert_int_equal(far_end(&far), 0);
}

/* The first cannot go on for want of credit, so all the others wait. */
static void test_requests_without_end_are_refused(void **state)
{
	AUTO_FAR far = far_start();
	struct entry expect;
	unsigned type = 0;

	make_big();
	expect = help_stat("t/big");
	far_hello(&far, 0);
	far_expect(&far, PEER_WELCOME);
	for (int i = 0; i < PEER_REQUESTS_MAX; i++)
		far_read(&far, 1, "big", &expect);
	far_hash(&far, 2, "big", NULL);
	while ((type = far_next(&far)) == PEER_DATA)
		continue;
	assert_int_equal(type, PEER_ERROR);
	assert_int_equal(far_end(&far), 1);
}

static void test_as_many_requests_as_allowed_are_answered_in_order(void **state)
{
	AUTO_FAR far = far_welcomed(0);

	help_write("t/file", "content");
	for (uint64_t i = 0; i < PEER_REQUESTS_MAX; i++)
		far_hash(&far, i, i % 2 ? "file" : "nothing", NULL);
	for (uint64_t i = 0; i < PEER_REQUESTS_MAX; i++)
		assert_int_equal(far_result(&far, PEER_HASHED, i), ERR_NONE);
	assert_int_equal(far_end(&far), 0);
}

static void test_a_file_that_is_another_by_now_is_not_sent(void **state)
{
	AUTO_FAR far = far_welcomed(0);
	struct entry expect;

	help_write("t/file", "content");
	expect = help_stat("t/file");
	expect.mtime_ns--;
	far_read(&far, 1, "file", &expect);
	assert_int_equal(far_result(&far, PEER_READ_END, 1), ERR_CHANGED);
	far_hash(&far, 2, "file", &expect);
	assert_int_equal(far_result(&far, PEER_HASHED, 2), ERR_CHANGED);
	assert_int_equal(far_end(&far), 0);
}

static void test_holes_are_told_not_sent(void **state)
{
	AUTO_FAR far = far_start();
	struct entry expect;
	uint64_t hole = 0;
	unsigned type = 0;

	help_sh("truncate -s 100M t/sparse; printf end >> t/sparse");
	expect = help_stat("t/sparse");
	far_hello(&far, 0);
	far_expect(&far, PEER_WELCOME);
	far_read(&far, 1, "sparse", &expect);
	while ((type = far_next(&far)) != PEER_READ_END) {
		struct dec dec;

		dec_init(&dec, far.frame.data, far.frame.len);
		assert_int_equal(dec_uint(&dec), 1);
		if (type == PEER_HOLE)
			hole += dec_uint(&dec);
		else
			assert_int_equal(type, PEER_DATA);
	}
	assert_in_range(hole, 100 * 1024 * 1024 - 65536, 100 * 1024 * 1024);
	assert_int_equal(far_end(&far), 0);
}

static void test_a_fifo_is_not_opened(void **state)
{
	AUTO_FAR far = far_start();
	const struct entry file = { .type = ENTRY_FILE };

	help_sh("mkfifo t/fifo");
	far_hello(&far, 0);
	far_expect(&far, PEER_WELCOME);
	far_read(&far, 1, "fifo", &file);
	assert_int_not_equal(far_result(&far, PEER_READ_END, 1), ERR_NONE);
	far_hash(&far, 2, "fifo", NULL);
	assert_int_equal(far_result(&far, PEER_HASHED, 2), ERR_NONE);
	far_attrs(&far, 3, "fifo");
	far_result(&far, PEER_ATTRS_IS, 3);
	assert_int_equal(far_end(&far), 0);
}

/* Credit for what comes in is given back as it is dealt with, early enough for a short line. */
static void test_content_that_came_is_given_back_as_credit(void **state)
{
	const struct msg_op op = { .id = 1, .kind = OP_PUT, .path = "file" };
	AUTO_FAR far = far_prepared();
	AUTO_BUF text = BUF_INIT;
	struct dec dec;
	uint64_t sent = 0;

	memset(buf_extend(&text, PEER_DATA_MAX), 'x', PEER_DATA_MAX);
	far_op(&far, &op);
	while (sent < PEER_WINDOW_NEAR / 4) {
		size_t before = far.out.len;

		far_data(&far, 1, buf_cstr(&text));
		sent += far.out.len - before;
	}
	far_expect(&far, PEER_CREDIT);
	dec_init(&dec, far.frame.data, far.frame.len);
	assert_int_equal(dec_uint(&dec), sent);
	assert_int_equal(far_end(&far), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
		TEST(test_a_listing_has_everything_in_order),
		TEST(test_what_is_asked_behind_a_lock_is_looked_at_with_it),
		TEST(test_what_is_asked_behind_a_lock_is_refused_with_it),
		TEST(test_the_work_folder_is_not_listed),
		TEST(test_what_the_cache_has_is_left_out),
		TEST(test_changes_since_are_listed),
		TEST(test_all_that_is_gone_is_said_to_be),
		TEST(test_of_what_is_left_out_it_is_told_how_far_it_is),
		TEST(test_the_cache_is_known_at_the_next_hello),
		TEST(test_a_cache_made_with_other_rules_is_not_used),
		TEST(test_a_damaged_cache_is_set_aside),
		TEST(test_records_count_only_with_a_commit),
		TEST(test_what_the_saved_list_has_is_left_out),
		TEST(test_without_its_list_an_initiator_lists_all),
		TEST(test_a_target_has_no_saved_list),
		TEST(test_a_filter_that_makes_no_sense_is_refused),
		TEST(test_bulk_stops_where_the_credit_ends),
		TEST(test_requests_without_end_are_refused),
		TEST(test_as_many_requests_as_allowed_are_answered_in_order),
		TEST(test_a_file_that_is_another_by_now_is_not_sent),
		TEST(test_holes_are_told_not_sent),
		TEST(test_a_fifo_is_not_opened),
		TEST(test_content_that_came_is_given_back_as_credit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
