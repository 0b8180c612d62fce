/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/stop.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t caught;

static void on_signal(int signal)
{
	if (!caught)
		caught = signal;
}

static void set_handlers(void (*handler)(int), int flags)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGALRM };
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
}

void stop_install(void)
{
	/* SA_RESETHAND: the second signal finds the default action. No SA_RESTART: waits end. */
	set_handlers(on_signal, (int)SA_RESETHAND);
	signal(SIGPIPE, SIG_IGN);
}

int stop_signal(void)
{
	return caught;
}

void stop_after(unsigned seconds)
{
	alarm(seconds);
}

int stop_forgive(void)
{
	int signal = caught;

	alarm(0);
	caught = 0;
	return signal;
}

void stop_reset(void)
{
	alarm(0);
	set_handlers(SIG_DFL, 0);
	signal(SIGPIPE, SIG_DFL);
	caught = 0;
}

int stop_start_thread(pthread_t *thread, void *(*body)(void *arg), void *arg)
{
	sigset_t all;
	sigset_t before;
	int failed = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(thread, NULL, body, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failed;
}
