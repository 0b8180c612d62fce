/* SPDX-License-Identifier: BSD-2-Clause */
/* The buffer: it grows, keeps its bytes, and ends the program rather than wrap around. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"

static void appending_keeps_what_is_there(void **state)
{
	AUTO_BUF buf = BUF_INIT;

	for (int i = 0; i < 100000; i++) {
		buf_addch(&buf, i % 256);
		assert_true(buf.cap > buf.len);
	}
	assert_int_equal(buf.len, 100000);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(buf.data[i], i % 256);
}

static void bytes_strings_and_formats_add_up(void **state)
{
	AUTO_BUF buf = BUF_INIT;

	buf_add(&buf, "a\0b", 3);
	buf_addstr(&buf, "-str-");
	buf_addf(&buf, "%d%s", 42, "!");
	buf_addf(&buf, "%s", "");
	buf_add(&buf, NULL, 0);
	assert_int_equal(buf.len, 11);
	assert_memory_equal(buf_cstr(&buf), "a\0b-str-42!", 12);
}

static void a_format_of_any_length_fits(void **state)
{
	for (int len = 0; len < 600; len++) {
		AUTO_BUF buf = BUF_INIT;

		buf_addf(&buf, "%*s|", len, "");
		assert_int_equal(buf.len, len + 1);
		assert_int_equal(strlen(buf_cstr(&buf)), len + 1);
		assert_int_equal(buf.data[len], '|');
	}
}

static void an_empty_buffer_is_an_empty_string(void **state)
{
	AUTO_BUF buf = BUF_INIT;

	assert_string_equal(buf_cstr(&buf), "");
	assert_int_equal(buf.len, 0);
}

static void resetting_forgets_the_bytes_and_keeps_the_memory(void **state)
{
	AUTO_BUF buf = BUF_INIT;
	size_t cap = 0;

	buf_addf(&buf, "%500s", "");
	cap = buf.cap;
	buf_reset(&buf);
	assert_int_equal(buf.len, 0);
	assert_int_equal(buf.cap, cap);
	buf_addstr(&buf, "x");
	assert_string_equal(buf_cstr(&buf), "x");
}

static void consuming_drops_from_the_front(void **state)
{
	AUTO_BUF buf = BUF_INIT;

	buf_consume(&buf, 0);
	buf_addstr(&buf, "abcdef");
	buf_consume(&buf, 2);
	assert_string_equal(buf_cstr(&buf), "cdef");
	buf_consume(&buf, 0);
	buf_consume(&buf, 4);
	assert_string_equal(buf_cstr(&buf), "");
}

static void extending_gives_room_at_the_end(void **state)
{
	AUTO_BUF buf = BUF_INIT;

	buf_addstr(&buf, "ab");
	memcpy(buf_extend(&buf, 300), "cd", 2);
	assert_int_equal(buf.len, 302);
	assert_memory_equal(buf.data, "abcd", 4);
}

static void stealing_empties_the_buffer(void **state)
{
	AUTO_BUF buf = BUF_INIT;
	AUTO_FREE char *str = NULL;
	AUTO_FREE char *empty = NULL;

	buf_addstr(&buf, "mine");
	str = buf_steal_cstr(&buf);
	assert_string_equal(str, "mine");
	assert_null(buf.data);
	empty = buf_steal_cstr(&buf);
	assert_string_equal(empty, "");
}

static void releasing_twice_is_fine(void **state)
{
	struct buf buf = BUF_INIT;

	buf_addstr(&buf, "x");
	buf_release(&buf);
	buf_release(&buf);
	assert_int_equal(buf.cap, 0);
}

static void copies_are_copies(void **state)
{
	AUTO_FREE char *whole = xstrdup("text");
	static const char no_end[] = { 't', 'e' };
	AUTO_FREE char *part = xstrndup("text", 2);
	AUTO_FREE char *all = xstrndup("text", 80);
	AUTO_FREE char *bytes = xstrndup(no_end, 2);
	AUTO_FREE char *made = xasprintf("%s-%d", "text", 7);
	AUTO_FREE char *nothing = xcalloc(0, 8);
	AUTO_FREE char *zeros = xcalloc(4, 8);

	assert_string_equal(whole, "text");
	assert_string_equal(part, "te");
	assert_string_equal(all, "text");
	assert_string_equal(bytes, "te");
	assert_string_equal(made, "text-7");
	assert_non_null(nothing);
	for (int i = 0; i < 32; i++)
		assert_int_equal(zeros[i], 0);
}

static void wrap(void)
{
	struct buf buf = BUF_INIT;

	buf_addstr(&buf, "x");
	buf_reserve(&buf, SIZE_MAX - 1);
}

static void consume_too_much(void)
{
	struct buf buf = BUF_INIT;

	buf_addstr(&buf, "x");
	buf_consume(&buf, 2);
}

/* The signal that ends a child which does this. */
static int death_of(void (*deed)(void))
{
	static const struct rlimit no_core = { 0, 0 };
	int status = 0;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		close(STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		deed();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void what_cannot_be_ends_the_program(void **state)
{
	assert_int_equal(death_of(wrap), SIGABRT);
	assert_int_equal(death_of(consume_too_much), SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appending_keeps_what_is_there),
		cmocka_unit_test(bytes_strings_and_formats_add_up),
		cmocka_unit_test(a_format_of_any_length_fits),
		cmocka_unit_test(an_empty_buffer_is_an_empty_string),
		cmocka_unit_test(resetting_forgets_the_bytes_and_keeps_the_memory),
		cmocka_unit_test(consuming_drops_from_the_front),
		cmocka_unit_test(extending_gives_room_at_the_end),
		cmocka_unit_test(stealing_empties_the_buffer),
		cmocka_unit_test(releasing_twice_is_fine),
		cmocka_unit_test(copies_are_copies),
		cmocka_unit_test(what_cannot_be_ends_the_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
