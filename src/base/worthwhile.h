/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sizes and counts from which on something is worth its while.
 *
 * Built with OSYNC_SMALL they are tiny, and every target counts as one on another machine: so random
 * histories, whose files are small and few, go the ways of large and many ones as well (make soak-small).
 */
#ifndef BASE_WORTHWHILE_H
#define BASE_WORTHWHILE_H

#ifdef OSYNC_SMALL
enum { IS_SMALL_LARGE = 1 };
#else
enum { IS_SMALL_LARGE = 0 };
#endif

#define WORTHWHILE(usual, small) (IS_SMALL_LARGE ? (small) : (usual))

#endif
