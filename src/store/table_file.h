/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The base file of a table: written once, in order, and then only mapped and read.
 *
 * All fixed-width numbers are little endian on every machine, "uint" is LEB128
 * (base/codec.h), checksums are XXH3-64 with seed 0.
 *
 *	header   magic       8   89 'o' 's' 'y' 'n' 'c' 'b' 0a: a file mangled as text differs
 *	         version     4   1
 *	         byte order  4   0x01020304, to be seen in a hex dump
 *	         id         16   random, names this very file
 *	         folded     16   id of the journal whose changes this file contains
 *	         checksum    8   of the 48 bytes before
 *
 *	block    checksum    8   of the rest of the block
 *	         length      4   of the payload
 *	         records     4   in the payload
 *	         payload
 *
 *	footer   magic       8   89 'o' 's' 'y' 'n' 'c' 'f' 0a
 *	         size        8   of the whole file
 *	         records     8   in the whole file
 *	         chain       8   checksum of the whole file, see below
 *	         checksum    8   of the 32 bytes before
 *
 * The first block has no records and holds the table's head: one byte 0 or 1,
 * and after a 1 the head's bytes.  All others hold records, one behind the other:
 *
 *	shared   uint    bytes the path has in common with the one before; 0 in a block's first
 *	rest     uint    length of the rest of the path, and the rest
 *	value    uint    length of the value, and the value
 *
 * A block is closed by the first record that takes it over 64 KiB, so that whoever
 * verifies a block has it in the processor's cache when the records are decoded.
 *
 * The whole file is covered without being read twice: chain is the header's checksum
 * at first, and becomes the checksum of (chain, the block's checksum), 16 bytes, with
 * every block.  A block that is missing, twice there, or from another file shows.
 *
 * A walk checks everything there is to check as it goes: bounds, checksums, that paths
 * are valid and strictly ascending by path_cmp, the count, the chain.  One complete
 * walk is what makes a file trusted.
 */
#ifndef STORE_TABLE_FILE_H
#define STORE_TABLE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/codec.h"
#include "base/path.h"
#include "base/random.h"

struct err;

enum {
	TABLE_FILE_VERSION = 1,
	TABLE_FILE_BYTE_ORDER = 0x01020304,
	TABLE_FILE_MAGIC = 8,	   /* bytes of a magic */
	TABLE_FILE_HEADER = 56,	   /* bytes */
	TABLE_FILE_BLOCK = 16,	   /* bytes in front of a payload */
	TABLE_FILE_FOOTER = 40,	   /* bytes */
	TABLE_FILE_TARGET = 65536, /* bytes of a payload at which a block is closed */
};

extern const unsigned char table_file_magic[TABLE_FILE_MAGIC];
extern const unsigned char table_file_end_magic[TABLE_FILE_MAGIC];

/* An open base file. All pointers point into the mapping. */
struct table_file {
	const unsigned char *map;
	size_t size;
	struct uuid id;
	struct uuid folded;
	uint64_t records;
	uint64_t chain;		   /* as the footer says */
	uint64_t first_chain;	   /* after the head's block */
	size_t first_block;	   /* offset of the first block with records */
	const unsigned char *head; /* NULL where there is none */
	size_t head_len;
};

#define TABLE_FILE_INIT     \
	{                   \
		.map = NULL \
	}

/*
 * Map NAME and verify header, footer and head: 1; 0 where there is no such file.
 * ERR_CORRUPT where they are wrong.  The records are verified by walking.
 */
int table_file_open(int dirfd, const char *name, struct table_file *file, struct err *err);
/* Unmap. A file that was never opened is fine. */
void table_file_close(struct table_file *file);

/* A position in a file. It is 64 KiB large: for the heap. */
struct table_walk {
	const struct table_file *file;
	size_t at;	  /* offset of the next block */
	size_t dropped;	  /* before this offset nothing is kept in memory */
	struct dec block; /* what is left of this block */
	uint32_t left;	  /* records left in this block */
	uint64_t seen;	  /* records seen so far */
	uint64_t chain;
	const char *complaint; /* what was wrong, after -1 */
	const unsigned char *value;
	size_t value_len;
	size_t path_len;
	char path[PATH_BYTES_MAX + 1];
};

/* Begin at the first record of `file`, which must stay open. */
void table_walk_init(struct table_walk *walk, const struct table_file *file);
/*
 * Step to the next record: 1 with path (NUL-terminated) and value; 0 behind the last
 * one, when the whole file has proved sound; -1 where it is damaged (see complaint and
 * at).  O(length of the record), no allocation.
 */
int table_walk_next(struct table_walk *walk);

/* checksum of (chain, checksum): how a block enters the whole file's checksum. */
uint64_t table_file_chain(uint64_t chain, uint64_t checksum);

#endif
