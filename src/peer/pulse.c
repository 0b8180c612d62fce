/* SPDX-License-Identifier: BSD-2-Clause */
#include "peer/pulse.h"

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/stop.h"
#include "peer/msg.h"
#include "peer/patience.h"
#include "peer/protocol.h"
#include "store/lock.h"
#include "tree/reader.h"

struct pulse {
	pthread_t thread;
	pthread_mutex_t mutex; /* held by whoever writes */
	pthread_cond_t wake;
	int fd;
	bool working;
	bool stopped;
	uint64_t step; /* counts pulse_work() */
	struct lock *lock;
};

/* Whether all of a small frame can be written at once; pipes and sockets then take it whole. */
static bool has_room(int fd)
{
	struct pollfd out = { .fd = fd, .events = POLLOUT };

	return poll(&out, 1, 0) == 1 && (out.revents & POLLOUT);
}

static void say_pong(const struct pulse *pulse)
{
	AUTO_BUF out = BUF_INIT;
	ssize_t ignored = 0;

	msg_put_number(&out, PEER_PONG, reader_total());
	if (has_room(pulse->fd))
		ignored = write(pulse->fd, out.data, out.len);
	(void)ignored;
}

static void show_life(const struct pulse *pulse)
{
	say_pong(pulse);
	if (pulse->lock)
		lock_beat(pulse->lock);
}

static void sleep_ms(struct pulse *pulse, int64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until = clock_to_timespec(clock_from_timespec(until) + ms * NS_PER_MS);
	pthread_cond_timedwait(&pulse->wake, &pulse->mutex, &until);
}

/* A step that is still the one of the last look has lasted since then. While it reads, it may last. */
static void *run(void *arg)
{
	struct pulse *pulse = arg;
	const int64_t every_ms = patience_ms(PEER_PING_MS);
	const int64_t most = PEER_STEP_MS / PEER_PING_MS;
	uint64_t seen = 0;
	uint64_t read = 0;
	int64_t said = 0;

	pthread_mutex_lock(&pulse->mutex);
	while (!pulse->stopped) {
		sleep_ms(pulse, every_ms);
		said = pulse->step == seen && reader_total() == read ? said : 0;
		if (!pulse->stopped && pulse->working && pulse->step == seen && said++ < most)
			show_life(pulse);
		seen = pulse->step;
		read = reader_total();
	}
	pthread_mutex_unlock(&pulse->mutex);
	return NULL;
}

struct pulse *pulse_start(int fd)
{
	struct pulse *pulse = xcalloc(1, sizeof(*pulse));
	pthread_condattr_t monotonic;

	pulse->fd = fd;
	pthread_mutex_init(&pulse->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&pulse->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (stop_start_thread(&pulse->thread, run, pulse) == 0)
		return pulse;
	free(pulse);
	return NULL;
}

void pulse_work(struct pulse *pulse)
{
	if (!pulse)
		return;
	pthread_mutex_lock(&pulse->mutex);
	pulse->working = true;
	pulse->step++;
	pthread_mutex_unlock(&pulse->mutex);
}

void pulse_rest(struct pulse *pulse)
{
	if (!pulse)
		return;
	pthread_mutex_lock(&pulse->mutex);
	pulse->working = false;
	pthread_mutex_unlock(&pulse->mutex);
}

void pulse_beat(struct pulse *pulse, struct lock *lock)
{
	if (!pulse)
		return;
	pthread_mutex_lock(&pulse->mutex);
	pulse->lock = lock;
	pthread_mutex_unlock(&pulse->mutex);
}

void pulse_stop(struct pulse *pulse)
{
	if (!pulse)
		return;
	pthread_mutex_lock(&pulse->mutex);
	pulse->stopped = true;
	pthread_cond_signal(&pulse->wake);
	pthread_mutex_unlock(&pulse->mutex);
	pthread_join(pulse->thread, NULL);
	pthread_cond_destroy(&pulse->wake);
	pthread_mutex_destroy(&pulse->mutex);
	free(pulse);
}
