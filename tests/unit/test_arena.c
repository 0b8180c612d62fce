/* SPDX-License-Identifier: BSD-2-Clause */
/* The arena: aligned, zeroed, apart from one another, and gone at once. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdalign.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"

static void objects_are_aligned_and_zeroed(void **state)
{
	AUTO(arena_release) struct arena arena = ARENA_INIT;

	for (size_t size = 0; size < 3000; size += 7) {
		unsigned char *object = arena_alloc(&arena, size);

		assert_int_equal((uintptr_t)object % alignof(uint64_t), 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(object[i], 0);
		/* Whoever gets memory that was used before would see this. */
		memset(object, 0xff, size);
		/* Strings in between are packed without alignment. */
		arena_strdup(&arena, "odd");
	}
}

static void objects_do_not_overlap(void **state)
{
	enum { OBJECTS = 2000 };
	AUTO(arena_release) struct arena arena = ARENA_INIT;
	unsigned char *objects[OBJECTS];

	for (size_t i = 0; i < OBJECTS; i++) {
		objects[i] = arena_alloc(&arena, i % 300 + 1);
		memset(objects[i], (int)(i % 255), i % 300 + 1);
	}
	for (size_t i = 0; i < OBJECTS; i++)
		for (size_t b = 0; b <= i % 300; b++)
			assert_int_equal(objects[i][b], i % 255);
}

static void a_large_object_fits(void **state)
{
	AUTO(arena_release) struct arena arena = ARENA_INIT;
	char *small = arena_strdup(&arena, "before");
	unsigned char *large = arena_alloc(&arena, 1000000);
	char *after = arena_strdup(&arena, "after");

	memset(large, 1, 1000000);
	assert_string_equal(small, "before");
	assert_string_equal(after, "after");
}

static void a_block_can_be_filled_to_the_last_byte(void **state)
{
	for (size_t size = 65536 - 40; size <= 65536 + 40; size++) {
		AUTO(arena_release) struct arena arena = ARENA_INIT;

		memset(arena_alloc(&arena, size), 1, size);
		memset(arena_alloc(&arena, 1), 1, 1);
		memset(arena_alloc(&arena, 65536), 1, 65536);
	}
}

static void strings_are_copied_and_terminated(void **state)
{
	AUTO(arena_release) struct arena arena = ARENA_INIT;
	char text[] = "abcdef";
	char *part = arena_strndup(&arena, text, 3);
	char *whole = arena_strdup(&arena, text);

	text[0] = 'X';
	assert_string_equal(part, "abc");
	assert_string_equal(whole, "abcdef");
	assert_string_equal(arena_strndup(&arena, "", 0), "");
}

static void a_released_arena_can_be_used_again(void **state)
{
	struct arena arena = ARENA_INIT;

	arena_release(&arena);
	arena_alloc(&arena, 100);
	arena_release(&arena);
	arena_release(&arena);
	assert_string_equal(arena_strdup(&arena, "again"), "again");
	arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_are_aligned_and_zeroed),
		cmocka_unit_test(objects_do_not_overlap),
		cmocka_unit_test(a_large_object_fits),
		cmocka_unit_test(a_block_can_be_filled_to_the_last_byte),
		cmocka_unit_test(strings_are_copied_and_terminated),
		cmocka_unit_test(a_released_arena_can_be_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
