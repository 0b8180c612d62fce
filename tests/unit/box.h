/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A box: a temporary folder of the test's own, which is its working folder too, and a
 * way to run something in a child process that is killed at a chosen system call.
 */
#ifndef TESTS_BOX_H
#define TESTS_BOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct buf;

/* For cmocka_unit_test_setup_teardown. */
int box_setup(void **state);
int box_teardown(void **state);
/* The folder. */
int box_dirfd(void);

void box_write(const char *name, const void *data, size_t len);
/* Append the file's bytes to out; false where there is no such file. */
bool box_read(const char *name, struct buf *out);
bool box_exists(const char *name);
/* Number of names in the box. */
size_t box_names(void);
off_t box_size(const char *name);

/*
 * Make the next system calls of this process that go through base/sys.h obey `fault`
 * (see there), counting from 1.
 */
void box_fault(const char *fault, ...) __attribute__((format(printf, 1, 2)));
void box_fault_off(void);
/* After box_fault("count:calls"): append the names of the calls made since, and forget them. */
void box_calls(struct buf *out);

/* Run work(arg) in a child under a fault; its wait status. 0: it came to its end. */
int box_fork(const char *fault, void (*work)(void *arg), void *arg);

/* The same numbers for the same seed. */
unsigned box_random(unsigned *seed, unsigned below);

#endif
