/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said of the room on disks: LISTED and STORED_IS. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "peer/frame.h"
#include "peer/msg.h"
#include "peer/protocol.h"

static const struct msg_listed full = { .status = { .kind = ERR_SYSTEM, .sys = 5, .msg = "half" },
					.seen = 3,
					.checksum = UINT64_MAX,
					.root = { UINT64_MAX, 7, 4096 },
					.state = { 0, 0, 1 } };

static struct frame frame_in(const struct buf *out, uint8_t type)
{
	static const size_t head = 5; /* length and type */

	return (struct frame){ .type = type, .data = out->data + head, .len = out->len - head };
}

static void test_listed_comes_as_it_was_sent(void **state)
{
	AUTO_BUF out = BUF_INIT;
	struct msg_listed got;
	struct frame frame;

	msg_put_listed(&out, &full);
	frame = frame_in(&out, PEER_LISTED);
	assert_int_equal(msg_get_listed(&frame, &got, NULL), 0);
	assert_int_equal(got.status.kind, ERR_SYSTEM);
	assert_true(got.seen == 3 && got.checksum == UINT64_MAX);
	assert_memory_equal(&got.root, &full.root, sizeof(got.root));
	assert_memory_equal(&got.state, &full.state, sizeof(got.state));
	for (; frame.len > 0; frame.len--) {
		struct frame cut = frame;

		cut.len--;
		assert_int_equal(msg_get_listed(&cut, &got, NULL), -1);
	}
}

/* Sizes are rounded up to it. */
static void test_a_block_of_nothing_is_refused(void **state)
{
	struct msg_listed listed = full;
	AUTO_BUF out = BUF_INIT;
	struct frame frame;

	listed.root.block = 0;
	msg_put_listed(&out, &listed);
	frame = frame_in(&out, PEER_LISTED);
	assert_int_equal(msg_get_listed(&frame, &listed, NULL), -1);
}

static void test_stored_comes_as_it_was_sent(void **state)
{
	AUTO_BUF out = BUF_INIT;
	uint64_t id = 0;
	uint64_t size = 0;
	struct frame frame;

	msg_put_stored_is(&out, 300, UINT64_MAX);
	frame = frame_in(&out, PEER_STORED_IS);
	assert_int_equal(msg_get_stored_is(&frame, &id, &size, NULL), 0);
	assert_true(id == 300 && size == UINT64_MAX);
	frame.len--;
	assert_int_equal(msg_get_stored_is(&frame, &id, &size, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listed_comes_as_it_was_sent),
		cmocka_unit_test(test_a_block_of_nothing_is_refused),
		cmocka_unit_test(test_stored_comes_as_it_was_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
