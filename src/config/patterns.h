/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pattern keys (RSYNC_INCLUDE_PATTERN and its three kin) into one filter, in
 * the order that RSYNC_PATTERN_FIRST asks for: the first kind's list, its file,
 * then the other kind's list and its file.
 */
#ifndef CONFIG_PATTERNS_H
#define CONFIG_PATTERNS_H

struct filter;
struct problems;
struct settings;

enum { PATTERNS_FILE_MAX = 4 * 1024 * 1024 }; /* bytes of one pattern file */

/*
 * Fill the new, empty `filter`.  A pattern file named without '/' lies beside
 * `config_file` (NULL: in the working folder).  What is wrong goes to *problems.
 */
void patterns_build(const struct settings *settings, const char *config_file, struct filter *filter,
		    struct problems *problems);

#endif
