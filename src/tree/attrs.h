/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extended attributes and ACLs as one opaque value: sorted (name, value) pairs in
 * wire form, its checksum being entry.xattr (0 when there is no attribute).
 * `flags` are SCAN_XATTR and SCAN_ACL (tree/scan.h) and choose which names count.
 */
#ifndef TREE_ATTRS_H
#define TREE_ATTRS_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

enum { ATTRS_MAX = 1024 * 1024 /* bytes of one path's attributes; more is reported, not synced */ };

/* Read those of an open file or folder (O_PATH will not do). Appends to out. A file system without any: nothing. */
int attrs_read(int fd, unsigned flags, struct buf *out, struct err *err);
/* Checksum of what attrs_read gave; 0 for an empty value. */
uint64_t attrs_checksum(const struct buf *value);
/*
 * Make fd's attributes (of those kinds) exactly these; validates the bytes first (they come from
 * the wire: ERR_PROTOCOL where they make no sense).  Attributes that only root may set (trusted.*,
 * security.capability) are left out, silently, where we are not root, as owners are.
 */
int attrs_write(int fd, unsigned flags, const void *value, size_t len, struct err *err);

#endif
