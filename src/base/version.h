/* SPDX-License-Identifier: BSD-2-Clause */
/* The program's version and the exact build, as `--version` and the hello tell them. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

extern const char version_string[]; /* "0.1.0" */
extern const char version_build[];  /* build id, e.g. the commit */

#endif
