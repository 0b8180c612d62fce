/* SPDX-License-Identifier: BSD-2-Clause */
/* Words for shells: compared with what a real shell makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "transport/quote.h"

static const char *const words[] = {
	"plain",    "with blank",	"it's",	     "''",    "a\"b",  "$HOME `id` $(id)",
	"back\\sl", "semi;colon",	"new\nline", "tab\t", "*?[a]", "!history",
	"&|<>()",   "\xff\xfe",		"#",	     "~root", "-n",    "=x",
	"{a,b}",    "\xc3\xa4\xc3\xb6", "a=b",	     "'\\''", "end\\", "%s",
};

/* Whether `sh -c "printf %s LINE"` prints exactly `expected`, a number of shells deep. */
static void assert_shell_says(const char *line, const char *expected)
{
	char got[512] = "";
	FILE *pipe = popen(line, "r");

	assert_non_null(pipe);
	size_t len = fread(got, 1, sizeof(got) - 1, pipe);

	assert_int_equal(pclose(pipe), 0);
	assert_int_equal(len, strlen(expected));
	assert_memory_equal(got, expected, len);
}

static void a_quoted_word_is_one_word_to_a_shell(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		AUTO_BUF always = BUF_INIT;
		AUTO_BUF needed = BUF_INIT;

		buf_addstr(&always, "printf %s ");
		quote_word(&always, words[i]);
		assert_shell_says(buf_cstr(&always), words[i]);
		buf_addstr(&needed, "printf %s ");
		quote_if_needed(&needed, words[i]);
		assert_shell_says(buf_cstr(&needed), words[i]);
	}
}

static void plain_words_stay_as_they_are(void **state)
{
	AUTO_BUF out = BUF_INIT;

	(void)state;
	quote_if_needed(&out, "/srv/a-b_c.d:e@f,g+1");
	assert_string_equal(buf_cstr(&out), "/srv/a-b_c.d:e@f,g+1");
	buf_reset(&out);
	quote_if_needed(&out, "");
	assert_string_equal(buf_cstr(&out), "''");
}

static void a_leading_tilde_is_left_to_the_shell(void **state)
{
	static const struct {
		const char *program, *quoted;
	} table[] = {
		{ "osync", "osync" },
		{ "~/bin/osync", "~/bin/osync" },
		{ "~/my bin/osync", "~/'my bin/osync'" },
		{ "~bob/osync", "~bob/osync" },
		{ "~$(id)/osync", "'~$(id)/osync'" },
		{ "~", "'~'" },
		{ "~/", "~/" },
		{ "/opt/a b/osync", "'/opt/a b/osync'" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		AUTO_BUF out = BUF_INIT;

		quote_program(&out, table[i].program);
		assert_string_equal(buf_cstr(&out), table[i].quoted);
	}
}

static void the_remote_command_names_the_root(void **state)
{
	AUTO_BUF out = BUF_INIT;
	struct quote_agent agent = { .osync = "osync", .root = "/srv/it's" };

	(void)state;
	quote_remote(&out, &agent);
	assert_string_equal(buf_cstr(&out), "osync agent --root '/srv/it'\\''s'");
	buf_reset(&out);
	agent = (struct quote_agent){ .osync = "osync", .root = "-rf", .sudo = true };
	quote_remote(&out, &agent);
	assert_string_equal(buf_cstr(&out), "sudo -n osync agent --root './-rf'");
	buf_reset(&out);
	agent = (struct quote_agent){ .osync = "osync", .root = "x", .hooks = true };
	quote_remote(&out, &agent);
	assert_string_equal(buf_cstr(&out), "osync agent --allow-hooks --root 'x'");
	buf_reset(&out);
	agent = (struct quote_agent){
		.osync = "osync", .root = "x", .state_dir = "/a b", .token = "T9", .sudo = true
	};
	quote_remote(&out, &agent);
	assert_string_equal(buf_cstr(&out), "env _REMOTE_TOKEN=T9 sudo -n osync agent --state-dir "
					    "'/a b' --root 'x'");
}

static void a_command_gets_plain_words_unquoted(void **state)
{
	AUTO_BUF out = BUF_INIT;
	struct quote_agent agent = { .osync = "osync",
				     .root = "/srv/tree",
				     .state_dir = "/s",
				     .token = "T9",
				     .sudo = true };

	(void)state;
	quote_command(&out, "docker exec -i box", &agent);
	assert_string_equal(
		buf_cstr(&out),
		"docker exec -i box env _REMOTE_TOKEN=T9 sudo -n osync agent --state-dir "
		"/s --root /srv/tree");
}

/* `sh -c "$*"` joins its words and gives them to a shell, as ssh does. */
static void a_command_that_has_a_shell_of_its_own_sees_one_word(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		AUTO_BUF out = BUF_INIT;
		AUTO_BUF expected = BUF_INIT;
		struct quote_agent agent = { .osync = "printf", .root = words[i] };

		/* f is called as: f printf agent --root WORD. */
		quote_command(&out, "f() { printf %s \"$4\"; }; ssh() { eval \"$*\"; }; ssh f",
			      &agent);
		buf_addstr(&expected, words[i][0] == '-' ? "./" : "");
		buf_addstr(&expected, words[i]);
		assert_shell_says(buf_cstr(&out), buf_cstr(&expected));
	}
}

static const struct quote_tokens tokens = { .host = "host.example",
					    .host_given = "short",
					    .host_key_name = "alias",
					    .port = "2222",
					    .user = "bob",
					    .home = "/home/b b",
					    .local_user = NULL };

static void tokens_are_expanded(void **state)
{
	AUTO_BUF out = BUF_INIT;

	(void)state;
	assert_int_equal(quote_expand(&out, "nc %h %p # %r@%n %k 100%%", &tokens, true, NULL), 0);
	assert_string_equal(buf_cstr(&out), "nc host.example 2222 # bob@short alias 100%");
}

static void unknown_tokens_are_refused(void **state)
{
	AUTO_BUF out = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(quote_expand(&out, "x %C", &tokens, false, &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_int_equal(quote_expand(&out, "x %", &tokens, false, &err), -1);
	assert_int_equal(quote_expand(&out, "x %u", &tokens, false, &err), -1);
}

static void a_value_that_a_shell_would_read_is_refused(void **state)
{
	AUTO_BUF out = BUF_INIT;
	struct err err = ERR_INIT;
	struct quote_tokens evil = tokens;

	(void)state;
	evil.host = "a;id";
	assert_int_equal(quote_expand(&out, "nc %h", &evil, true, &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_int_equal(quote_expand(&out, "%d/key", &tokens, false, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_quoted_word_is_one_word_to_a_shell),
		cmocka_unit_test(plain_words_stay_as_they_are),
		cmocka_unit_test(a_leading_tilde_is_left_to_the_shell),
		cmocka_unit_test(the_remote_command_names_the_root),
		cmocka_unit_test(a_command_gets_plain_words_unquoted),
		cmocka_unit_test(a_command_that_has_a_shell_of_its_own_sees_one_word),
		cmocka_unit_test(tokens_are_expanded),
		cmocka_unit_test(unknown_tokens_are_refused),
		cmocka_unit_test(a_value_that_a_shell_would_read_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
