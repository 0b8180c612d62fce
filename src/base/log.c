/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log_file.h"
#include "base/log_syslog.h"
#include "base/process.h"

enum {
	RUN_MAX = 40,
	GATHER_MAX = 32 * 1024, /* bytes of lines written at once */
	/* A mail with more than that attached is no help to anybody. */
	COPY_CALM_MAX = 256 * 1024,
	COPY_MAX = 512 * 1024,
};

static struct {
	enum log_level level;
	const char *prefix;
	struct log_file *file;
	int copy_fd; /* -1: none */
	bool syslog;
	char run[RUN_MAX];
	bool gathers;
	struct buf gathered; /* lines for the file */
	pid_t gatherer;	     /* whose they are: a child has a copy */
} sink = { .level = LOG_WARN, .prefix = "osync", .copy_fd = -1 };

void log_setup(enum log_level level, const char *prefix)
{
	sink.level = level;
	sink.prefix = prefix;
}

enum log_level log_current(void)
{
	return sink.level;
}

/* The log ------------------------------------------------------------------------- */

int log_to_file(const char *path, struct err *err)
{
	struct log_file *file = log_file_open(path, LOG_FILE_MAX, err);

	if (!file)
		return -1;
	log_file_close(sink.file);
	sink.file = file;
	/* Read the time zone now: a child that is confined cannot. */
	tzset();
	return 0;
}

void log_to_syslog(void)
{
	log_syslog_open();
	sink.syslog = true;
}

int log_keep_copy(struct err *err)
{
	int fd = process_lift_above_stdio(memfd_create("osync-log", MFD_CLOEXEC));

	if (fd < 0)
		return err_sys(err, errno, "cannot keep a copy of the log");
	/* Children write to it as well. */
	fcntl(fd, F_SETFL, O_APPEND);
	cleanup_close(&sink.copy_fd);
	sink.copy_fd = fd;
	return 0;
}

void log_copy(struct buf *out)
{
	off_t offset = 0;
	ssize_t got = 1;

	while (sink.copy_fd >= 0 && got > 0) {
		buf_reserve(out, BUFSIZ);
		got = pread(sink.copy_fd, out->data + out->len, BUFSIZ, offset);
		if (got > 0) {
			out->len += (size_t)got;
			offset += got;
		}
	}
}

bool log_is_on(void)
{
	return sink.file || sink.syslog || sink.copy_fd >= 0;
}

const char *log_failure(void)
{
	return sink.file ? log_file_failure(sink.file) : NULL;
}

void log_name_run(const char *run)
{
	snprintf(sink.run, sizeof(sink.run), "%s", run ? run : "");
}

void log_gather(bool gathers)
{
	log_flush();
	sink.gathers = gathers;
	sink.gatherer = getpid();
}

void log_flush(void)
{
	int saved = errno;

	if (sink.file && sink.gathered.len > 0 && sink.gatherer == getpid())
		log_file_append(sink.file, sink.gathered.data, sink.gathered.len);
	buf_reset(&sink.gathered);
	errno = saved;
}

void log_close(void)
{
	log_gather(false);
	buf_release(&sink.gathered);
	log_file_close(sink.file);
	sink.file = NULL;
	cleanup_close(&sink.copy_fd);
	if (sink.syslog)
		log_syslog_close();
	sink.syslog = false;
	log_name_run(NULL);
}

int log_descriptors(int fds[static LOG_FDS])
{
	int count = 0;

	if (sink.file)
		fds[count++] = log_file_fd(sink.file);
	if (sink.copy_fd >= 0)
		fds[count++] = sink.copy_fd;
	return count;
}

void log_enter_child(void)
{
	if (sink.file)
		log_file_share(sink.file);
	if (!sink.syslog)
		return;
	log_syslog_close();
	log_syslog_open();
}

/* Lines --------------------------------------------------------------------------- */

/* Backslashes stay: the text is escaped already. */
static void add_harmless(struct buf *line, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c == 0x7f)
			buf_addf(line, "\\x%02x", c);
		else
			buf_addch(line, c);
	}
}

static const char *rank_name(enum log_rank rank)
{
	switch (rank) {
	case RANK_ERROR:
		return "error";
	case RANK_WARN:
		return "warn";
	case RANK_INFO:
		return "info";
	case RANK_DEBUG:
		return "debug";
	}
	return "-";
}

/* The same text for all lines of a second. */
static void add_time(struct buf *line)
{
	static char text[40];
	static time_t then = -1;
	time_t now = clock_to_timespec(clock_realtime_ns()).tv_sec;
	struct tm tm = { 0 };

	if (now != then &&
	    (!localtime_r(&now, &tm) || strftime(text, sizeof(text), "%FT%T%z", &tm) == 0))
		snprintf(text, sizeof(text), "-");
	then = now;
	buf_addstr(line, text);
}

static void add_to_file(enum log_rank rank, const struct buf *line)
{
	if (!sink.gathers) {
		log_file_append(sink.file, line->data, line->len);
		return;
	}
	buf_add(&sink.gathered, line->data, line->len);
	if (rank <= RANK_WARN || sink.gathered.len >= GATHER_MAX)
		log_flush();
}

static void add_to_copy(enum log_rank rank, const struct buf *line)
{
	struct stat st;
	off_t max = rank <= RANK_WARN ? COPY_MAX : COPY_CALM_MAX;

	if (fstat(sink.copy_fd, &st) < 0 || st.st_size + (off_t)line->len > max)
		return;
	ssize_t ignored = write(sink.copy_fd, line->data, line->len);

	(void)ignored;
}

void log_event(enum log_rank rank, const char *text)
{
	AUTO_BUF line = BUF_INIT;
	int saved = errno;

	if (!log_is_on())
		return;
	if (sink.syslog)
		log_syslog_line((int)rank, text);
	add_time(&line);
	buf_addf(&line, " %s %-5s ", sink.run[0] ? sink.run : "-", rank_name(rank));
	add_harmless(&line, text);
	buf_addch(&line, '\n');
	if (sink.file)
		add_to_file(rank, &line);
	if (sink.copy_fd >= 0)
		add_to_copy(rank, &line);
	errno = saved;
}

static enum log_rank rank_of(enum log_level level)
{
	if (level == LOG_WARN)
		return RANK_WARN;
	return level == LOG_INFO ? RANK_INFO : RANK_DEBUG;
}

/* Nor those of several threads. */
static pthread_mutex_t one_line = PTHREAD_MUTEX_INITIALIZER;

__attribute__((format(printf, 2, 0))) static void log_line(enum log_level level, const char *fmt,
							   va_list ap)
{
	char line[1024];
	int saved = errno;
	bool print = level <= sink.level;
	bool keep = level <= (sink.level > LOG_INFO ? sink.level : LOG_INFO);

	if (!print && !(keep && log_is_on()))
		return;
	vsnprintf(line, sizeof(line), fmt, ap);
	pthread_mutex_lock(&one_line);
	/* One call, so that lines of several processes do not mix. */
	if (print)
		fprintf(stderr, "%s: %s\n", sink.prefix, line);
	if (keep)
		log_event(rank_of(level), line);
	pthread_mutex_unlock(&one_line);
	errno = saved;
}

void log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_WARN, fmt, ap);
	va_end(ap);
}

void log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_INFO, fmt, ap);
	va_end(ap);
}

void log_debug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_DEBUG, fmt, ap);
	va_end(ap);
}
