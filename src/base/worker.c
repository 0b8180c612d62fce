/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/worker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/stop.h"

struct worker {
	pthread_t thread;
	void (*work)(void *arg);
	void *arg;
	int fd; /* of an event */
	bool busy;
	bool threaded; /* `thread` is to be joined */
	atomic_bool done;
};

struct worker *worker_new(void)
{
	struct worker *worker = xcalloc(1, sizeof(*worker));

	worker->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return worker;
}

void worker_free(struct worker *worker)
{
	if (!worker)
		return;
	worker_end(worker);
	cleanup_close(&worker->fd);
	free(worker);
}

static void *run(void *arg)
{
	struct worker *worker = arg;
	const uint64_t one = 1;
	ssize_t ignored = 0;

	worker->work(worker->arg);
	atomic_store(&worker->done, true);
	ignored = write(worker->fd, &one, sizeof(one));
	(void)ignored;
	return NULL;
}

static bool may_thread(const struct worker *worker)
{
	if (worker->fd < 0)
		return false;
#ifdef OSYNC_FAULTS
	return !getenv("OSYNC_FAULT") && !getenv("OSYNC_POINT");
#else
	return true;
#endif
}

void worker_begin(struct worker *worker, void (*work)(void *arg), void *arg)
{
	worker->work = work;
	worker->arg = arg;
	worker->busy = true;
	atomic_store(&worker->done, false);
	worker->threaded =
		may_thread(worker) && stop_start_thread(&worker->thread, run, worker) == 0;
	if (!worker->threaded)
		run(worker);
}

bool worker_is_busy(const struct worker *worker)
{
	return worker->busy;
}

bool worker_is_done(const struct worker *worker)
{
	return !worker->busy || atomic_load(&worker->done);
}

int worker_fd(const struct worker *worker)
{
	return worker->fd;
}

void worker_end(struct worker *worker)
{
	uint64_t told = 0;
	ssize_t ignored = 0;

	if (!worker->busy)
		return;
	if (worker->threaded)
		pthread_join(worker->thread, NULL);
	worker->busy = false;
	ignored = read(worker->fd, &told, sizeof(told));
	(void)ignored;
}
