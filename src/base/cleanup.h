/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scope guards: what a function opened is closed on every way out.
 *
 *	AUTO_CLOSE int fd = -1;
 *	AUTO_FREE char *name = NULL;
 *
 * Always initialise at the declaration.  Guards keep errno.  What can fail and
 * matters (fsync, rename, close after write) is called explicitly; on success
 * ownership is handed over with steal_fd()/steal_ptr().
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#define AUTO(release) __attribute__((cleanup(release)))
#define AUTO_CLOSE    AUTO(cleanup_close)
#define AUTO_FREE     AUTO(cleanup_free)

/* Close *fd unless it is negative. */
void cleanup_close(int *fd);
/* Free what the pointer at `ptr` points to; `ptr` is the address of any object pointer. */
void cleanup_free(void *ptr);

/* Take a descriptor out of its guard. */
int steal_fd(int *fd);
/* Take a pointer out of its guard. */
#define steal_ptr(ptr)                          \
	__extension__({                         \
		__typeof__(*(ptr)) p_ = *(ptr); \
		*(ptr) = NULL;                  \
		p_;                             \
	})

#endif
