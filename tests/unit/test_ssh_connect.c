/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/ssh_connect.h"

/* Two ends of a connection of this machine with itself. */
static void connect_two(int ends[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(ends[0], (struct sockaddr *)&address, sizeof(address)), 0);
	ends[1] = accept(listener, NULL, NULL);
	assert_true(ends[1] >= 0);
	close(listener);
}

static int acknowledges_at_once(int fd)
{
	int on = -1;
	socklen_t len = sizeof(on);

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, &len), 0);
	return on;
}

static void test_before_waiting_what_has_come_is_acknowledged(void **state)
{
	int ends[2];
	int off = 0;

	(void)state;
	connect_two(ends);
	const struct ssh_link link = { .fd = ends[0], .error_fd = -1 };

	assert_int_equal(setsockopt(ends[0], IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off)), 0);
	assert_int_equal(acknowledges_at_once(ends[0]), 0);
	ssh_link_acknowledge(&link);
	assert_int_equal(acknowledges_at_once(ends[0]), 1);
	close(ends[0]);
	close(ends[1]);
}

/* Of a ProxyCommand. */
static void test_what_has_no_acknowledgements_is_left_alone(void **state)
{
	int ends[2];
	char byte = 'x';

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	const struct ssh_link link = { .fd = ends[0], .error_fd = -1 };

	ssh_link_acknowledge(&link);
	assert_int_equal(write(ends[1], &byte, 1), 1);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_waiting_what_has_come_is_acknowledged),
		cmocka_unit_test(test_what_has_no_acknowledgements_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
