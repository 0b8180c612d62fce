/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The peer protocol, version 6: how the initiator drives an agent, over any reliable
 * byte stream.  This header is the specification.
 *
 * GREETING.  The agent begins with the 8 bytes PEER_GREETING; whatever a login shell's
 * start files print before them (at most 64 KiB) is skipped and reported.  The initiator
 * sends its HELLO without waiting for the greeting.
 *
 * FRAMES.  After that both directions carry frames:
 *
 *	le32 length | u8 type | payload (length - 1 bytes)		1 <= length <= PEER_FRAME_MAX
 *
 * Payload values are written as in base/codec.h: unsigned LEB128 ("uint"), zigzag ("int"),
 * byte strings ("str": uint length, bytes), "entry" as entry_encode() writes it, u8, le64.
 * A frame that does not decode to its last byte, is too long, or comes where it makes no
 * sense ends the session (an agent says why in an ERROR frame, if it still can).
 *
 * CREDIT.  Bulk frames (LIST, DATA, SUMS, COPY) may be sent only against credit, so that neither side
 * can block the other: each side may have PEER_WINDOW bytes of bulk frames (headers
 * included) under way, and the receiver gives back with CREDIT what it has dealt with.  All
 * other frames are bounded by the requests they answer, of which at most PEER_REQUESTS_MAX
 * may be open.
 *
 * PACKED.  Where HELLO (for what the agent sends) or WELCOME (for the initiator) says that they are
 * understood, frames may be put into a PACKED frame: together, whole, at most PEER_PACKED_MAX bytes and
 * no PACKED ones.  They count, against credit too, as if they had come by themselves in its place.  The
 * payloads of one direction's PACKED frames, less the lengths in front, are one stream of zstd, flushed
 * after each, with a window of at most 2^PEER_PACK_WINDOW_LOG bytes.
 *
 * SESSION.  HELLO/WELCOME, then LOCK/LOCKED, SCAN/LIST.../LISTED, HASH/HASHED..., and for
 * a run that changes something PREPARE/READY, the operations, FINISH, RECORD..., COMMIT.
 * BYE or the end of the stream ends the session; the agent drops its lock and exits.
 *
 *	type		from	payload
 *	HELLO		I	uint min, uint max protocol version; int clock (ns); str build;
 *				str profile; str place ("" = none); u8 flags (PEER_HELLO_*); str state
 *				folder ("" = default); uint scan flags (tree/scan.h); u8 fsync mode; uint how
 *				long either side may be silent (s); str where something must be mounted, on the
 *				root or above it ("" = nowhere, "." = on the root): else ERR_GUARD;
 *				with PEER_HELLO_LIMITED uint KiB that the agent may write per second
 *	WELCOME		A	uint version; int clock (ns); str build; 16 bytes root identity (0: none);
 *				u8 1 if a folder at this place was here before, then 16 bytes its identity;
 *				le64 generation of the cache for this profile, le64 generation in the mark
 *				(store/mark.h; 0: none); u8 1 if owners can be set;
 *				u8 flags (PEER_WELCOME_*)
 *				PACKED: the initiator may pack what it sends, too.
 *				HOOKS: it runs hooks (asked for with PEER_HELLO_HOOKS, and allowed). STATE: a
 *				synchronizer has kept its state there before, we or osync 1.3. READ_ONLY:
 *				nothing can be changed; LOCK is asked for as by a dry run, PREPARE makes durable
 *				what is there and gives no identity, and of the frames behind it only those
 *				come that ask
 *	ERROR		A	status: ends the session
 *	PING		both	empty; the initiator asks when it has been silent for 15 s
 *	PONG		both	uint bytes of files that were read so far (nobody looks at the initiator's); an agent
 *				says it unasked in the middle of something that takes 15 s, and when it has only
 *				listened for as long
 *	CREDIT		both	uint bytes
 *	LOCK		I	u8 mode (store/lock.h); str holder; u8 flags (PEER_LOCK_*); uint how long the answer
 *				may wait for the lock (ms); uint for how long a holder must have been silent to
 *				lose it (ms; 0: it never does)
 *	LOCKED		A	status (kind ERR_LOCKED: somebody else has it; ask again); str from whom it was
 *				taken over, "" for nobody; uint what
 *				the file system can do (PEER_CAP_*); uint step in which it keeps mtimes (ns, > 0);
 *				le64 generation and str records (store/done_log.h) of what a run that was
 *				killed has done here, "" for nothing
 *	PREPARE		I	str run; 16 bytes identity for a root that has none yet; 16 bytes
 *				initiator's identity (0: this is the initiator); le64 the generation that
 *				this run begins, for the mark; uint days for which the trash of this run is to
 *				be kept, uint days after which it may be packed (0: for ever, never)
 *	READY		A	status; 16 bytes root identity; u8 1 if a part of a large file is there, of a run
 *				that was cut off (tree/partial.h)
 *	SCAN		I	u8 what to leave out (PEER_SCAN_*); le64 digest seed for this session; filter
 *	NAME		A	u8 kind (0 user, 1 group); uint id; str name; before its first use in LIST
 *	LIST		A	items: uint bytes shared with the previous path; str rest; u8 item (PEER_ITEM_*);
 *				ENTRY: entry. GONE: nothing (it could have been left out). PROBLEM: entry; str why.
 *				SAME: nothing. It is left out, as it is known; told now and then, for how far the
 *				listing has come
 *	LISTED		A	status; uint entries seen; le64 checksum of what could be left out
 *				(peer/listing.h); space of the root's file system (what lies in stage/ counts
 *				as free), space of that of the folder of caches (unknown: it is the same)
 *	HASH		I	uint id; str path; le64 seed; u8 1 and entry expected, or u8 0
 *	HASHED		A	uint id; status; entry (absent, or with its digest where it is a file; a folder
 *				with ENTRY_HOLDS where it does, by the rules of the last SCAN)
 *	ATTRS		I	uint id; str path
 *	ATTRS_IS	A	uint id; status; str attributes (tree/attrs.h)
 *	STORED		I	uint id; str path
 *	STORED_IS	A	uint id; uint bytes that it takes on the disk, UINT64_MAX where nobody can tell
 *	READ		I	uint id; str path; entry expected; u8 1 to have attributes too
 *	DATA		both	uint id; bytes to the end of the frame
 *	HOLE		both	uint id; uint length (at most PEER_HOLE_MAX)
 *	READ_END	A	uint id; status; entry with digest; str attributes
 *	OP		I	uint id; u8 kind (model/plan.h); str path; str from; entry expected (absent:
 *				nothing); entry source; meta; str attributes; u8 1 if it is a folder to be filled,
 *				else 0; u8 what it settles (0 nothing, else enum done_kind), with 1 and 2 entry of
 *				the other side
 *	PUT_END		I	uint id; u8 1 if complete (0: drop it); 16 bytes digest; str attributes
 *	BASIS		I	uint id; uint bytes of a block (at least block_size() of base/blocks.h); u8 0: the sums
 *				of the version that this OP_PUT is to replace, 1: of the part that is there of
 *				the one that it brings; at most once for each, before its first byte
 *	SUMS		both	uint id; le32 of each block, in order (base/blocks.h)
 *	SUMS_END	A	uint id; uint bytes of the version they are of; status
 *	READ_CHANGES	I	as READ; uint bytes of a block, uint bytes of the version whose SUMS came before
 *	COPY		both	uint id; uint offset, uint length (at most PEER_COPY_MAX) in that version
 *	FETCH		I	as READ, of the other side's root, for the OP_PUT with this id, of which no byte is sent;
 *				u8 1 if the file system there has PEER_CAP_CLOCK
 *	FETCHED		A	as READ_END, but without attributes; the entry is absent where DONE is going to say why it
 *				could not be written
 *	AGAIN		A	uint id: PUT_END came, but not what it says: send all of it, without COPY
 *	FLUSH		I	empty: finish, make durable and report every operation sent so far
 *	DONE		A	uint id; status; entry that is there now
 *	FLUSHED		A	empty: all DONE of this FLUSH were sent
 *	RECORDED	I	empty: all DONE so far stand in the saved list
 *	FINISH		I	empty: put the mtimes of touched folders back, make them durable, and
 *				write into the mark that the run has come to its end
 *	FINISHED	A	status
 *	RECORD		I	items as in LIST (ENTRY or GONE): what the saved list now says of this side
 *	COMMIT		I	le64 generation; make the cache durable under this number
 *	COMMITTED	A	status
 *	FORGET		I	empty: the cache is not what the saved list says; what follows in RECORD frames
 *				is all of it
 *	HOOK		I	str command; uint ms it may take (0: any time); u8 1 if the root must be the
 *				same folder when it has ended; uint count; so many str NAME=VALUE for its
 *				environment (NAME begins with OSYNC_)
 *	OUTPUT		A	bytes to the end of the frame: what it has printed
 *	HOOKED		A	status: it has ended, and nothing that it started is left
 *	TIDY		I	empty: with the lock; remove and pack old trash, where a day has passed since
 *	TIDIED		A	status; uint removed, packed, failed
 *	PACKED		both	uint bytes that it unpacks to; zstd to the end of the frame
 *	BYE		I	empty
 *
 *	status	u8 kind (enum err_kind, 0 = well); uint errno; str message (only if kind is not 0)
 *	space	uint bytes in all (0: unknown); uint free; uint bytes of a block (at least 1)
 *	meta	uint mask; uint mode; uint uid; uint gid; int mtime (ns); str user; str group
 *		("" = the number counts)
 *
 * PREPARE makes durable what the tree holds already (unless the fsync mode is off): what was listed
 * before it may stand in the saved list.
 *
 * OPERATIONS are done in the order in which they come, but nothing is durable or reported
 * before FLUSH; files of OP_PUT and OP_COPY appear under their names only then, and OP_DELETE deletes
 * only then (they among themselves in order).  The bytes of OP_PUT
 * follow as DATA and HOLE frames and end with PUT_END.
 *
 * A new folder that is to be FILLED is put in place with the files in it that came after its OP: also only at
 * FLUSH, and where nothing has come of them then, or one of them only in part, at a later one, with all that lies
 * in it or below.  So DONE may not be said of every OP before a FLUSH, but is of all before one that follows the
 * last PUT_END.
 *
 * FILES.  The bytes of a READ are those of the entry that was expected: never more, and READ_END, where
 * it is no failure, comes behind the last.  Of SCAN, one may be open.
 *
 * DIFFERENCES.  A file that is to be replaced may be sent as what has changed in it: the receiver says with
 * SUMS what it has (BASIS), the sender has them before READ_CHANGES, at most PEER_DIFFERENCES_MAX files of them at a
 * time, and answers with COPY beside DATA and HOLE.  The receiver takes the bytes of a COPY from the
 * version that it has given the sums of, and no other; what it has put together must have the digest in PUT_END, or
 * nothing of it is kept: a sum that has deceived costs an AGAIN.
 *
 * WITHIN A MACHINE.  An agent that was told of the other side's root by whoever has started it (never in a frame), and
 * can read there, says so in WELCOME (FETCHES).  It then takes files from there itself: after FETCHED, an
 * OP_PUT is as after PUT_END.
 *
 * HOOKS are commands for /bin/sh, run while the lock is held, and beside everything else: an agent answers
 * PING and beats its lock meanwhile.  When the session ends, so does the hook; so it does when another one
 * is asked for, which then begins (each has its HOOKED).
 * ERR_GUARD: the root's name leads to another folder than the one that is served.
 *
 * AHEAD.  SCAN may be sent behind a LOCK that is not answered yet: nothing is looked at before LOCKED is said.
 * Where the lock is refused, so is the SCAN: LISTED with ERR_LOCKED.
 *
 * READS and FETCHES are answered in the order in which they were asked, one after the other.
 *
 * Every path from the wire is checked with path_valid() when it is decoded; that of a PROBLEM about which
 * nothing is known may only be longer.
 */
#ifndef PEER_PROTOCOL_H
#define PEER_PROTOCOL_H

#include <stdint.h>

enum {
	PEER_VERSION = 6,
	PEER_FRAME_MAX = 2 * 1024 * 1024, /* attributes (1 MiB) and long paths must fit */
	PEER_COMMAND_MAX = 64 * 1024,	  /* bytes of a hook; execve() takes 128 KiB */
	PEER_VARIABLES_MAX = 32,	  /* of its environment */
	PEER_HOOKS_MAX = 2,		  /* one that is being ended, and the next */
	PEER_PACKED_MAX = 256 * 1024,	  /* bytes that a PACKED frame unpacks to */
	PEER_PACK_WINDOW_LOG = 19,	  /* half a MiB on the receiving end */
	PEER_DATA_MAX = 128 * 1024,	  /* bytes of content per DATA frame */
	PEER_HOLE_MAX =
		1024 * 1024 * 1024, /* bytes: their zeros are hashed, which must not take long */
	PEER_COPY_MAX = 4 * 1024 * 1024, /* bytes: done between two looks at the input */
	PEER_DIFFERENCES_MAX = 16,	 /* files whose sums an agent keeps */
	PEER_LIST_TARGET = 32 * 1024, /* a LIST or RECORD frame is sent when it has grown to this */
	PEER_WINDOW = 4 * 1024 * 1024,	/* bandwidth times delay of a long link at some 20 MB/s */
	PEER_WINDOW_NEAR = 1024 * 1024, /* the same of a short one: see channel_narrow() */
	PEER_REQUESTS_MAX = 4096,
	PEER_NOISE_MAX = 64 * 1024,
	PEER_NAME_MAX = 256,  /* user, group, run, profile */
	PEER_TEXT_MAX = 4096, /* messages, holders, folders */
	PEER_PING_MS = 15000,
	PEER_RATE_MAX = 100 * 1000 * 1000, /* KiB/s */
	/* Who hears nothing for as long gives the other side up; an agent drops its lock then. */
	PEER_SILENCE_MIN_S = 60, /* a few PINGs */
	PEER_SILENCE_MAX_S = 3600,
	PEER_SILENCE_MS = 180000,	 /* until the initiator has said what it is */
	PEER_LOCK_WAIT_MS = 3600 * 1000, /* whoever waits for longer asks again */
	PEER_LOCK_TTL_MIN_MS = 60000,	 /* heartbeats come every 15 s at least */
	PEER_STEP_MS =
		6 * 3600 * 1000, /* for as long nothing may come but PONGs that say the same */
};

/* Coarser than any file system's: with it no agent can make times of different hours look alike. */
#define PEER_STEP_MAX_NS UINT64_C(60000000000)

/* A year. */
#define PEER_LOCK_TTL_MAX_MS UINT64_C(31622400000)

#define PEER_GREETING "\0osync\1\n"
enum { PEER_GREETING_LEN = 8 };

enum peer_type {
	PEER_HELLO = 1,
	PEER_WELCOME,
	PEER_ERROR,
	PEER_PING,
	PEER_PONG,
	PEER_CREDIT,
	PEER_LOCK,
	PEER_LOCKED,
	PEER_PREPARE,
	PEER_READY,
	PEER_SCAN,
	PEER_NAME,
	PEER_LIST,
	PEER_LISTED,
	PEER_HASH,
	PEER_HASHED,
	PEER_ATTRS,
	PEER_ATTRS_IS,
	PEER_READ,
	PEER_DATA,
	PEER_HOLE,
	PEER_READ_END,
	PEER_OP,
	PEER_PUT_END,
	PEER_FLUSH,
	PEER_DONE,
	PEER_FLUSHED,
	PEER_FINISH,
	PEER_FINISHED,
	PEER_RECORD,
	PEER_COMMIT,
	PEER_COMMITTED,
	PEER_BYE,
	PEER_FORGET,
	PEER_RECORDED,
	PEER_HOOK,
	PEER_OUTPUT,
	PEER_HOOKED,
	PEER_TIDY,
	PEER_TIDIED,
	PEER_STORED,
	PEER_STORED_IS,
	PEER_BASIS,
	PEER_SUMS,
	PEER_SUMS_END,
	PEER_READ_CHANGES,
	PEER_COPY,
	PEER_AGAIN,
	PEER_PACKED,
	PEER_FETCH,
	PEER_FETCHED,
};

/* What is as it was then is not listed. */
enum peer_scan {
	PEER_SCAN_ALL = 0 /* everything is */,
	PEER_SCAN_LESS_CACHE = 1 /* as the cache has it */,
	PEER_SCAN_LESS_LIST =
		2 /* as the saved list has it, for an agent that was told where that is: the initiator's own */
};
enum peer_hello_flag {
	PEER_HELLO_CREATE = 1 /* make the root folder */,
	PEER_HELLO_DRY = 2 /* change nothing */,
	PEER_HELLO_HOOKS = 4 /* HOOK will be asked for */,
	PEER_HELLO_LIMITED = 8 /* with a limit of the bandwidth */,
	PEER_HELLO_PACKED = 16 /* the agent may pack, where that helps */,
	PEER_HELLO_PACK_ALL = 32 /* ... and should in any case */
};
enum peer_welcome_flag {
	PEER_WELCOME_HOOKS = 1,
	PEER_WELCOME_READ_ONLY = 2,
	PEER_WELCOME_STATE = 4,
	PEER_WELCOME_PACKED = 8,
	PEER_WELCOME_FETCHES = 16,
	PEER_WELCOME_FLAGS = 31,
};
enum peer_lock_flag { PEER_LOCK_QUEUE = 1 /* keep a place in the queue for me */ };
enum peer_cap {
	PEER_CAP_HARDLINKS = 1,
	PEER_CAP_SYMLINKS = 2,
	PEER_CAP_XATTRS = 4,
	PEER_CAP_ACLS = 8,
	PEER_CAP_MODES = 16,
	PEER_CAP_OWNERS = 32,
	PEER_CAP_RESPELLS = 64, /* lists names in another Unicode form than they were given */
	PEER_CAP_CLOCK = 128,	/* its time stamps are from the clock of the agent's machine */
	PEER_CAP_INODES = 256,	/* an inode is the same file's at each mount: tree/inodes.h */
	PEER_CAPS = 511,
};
enum peer_item {
	PEER_ITEM_ENTRY = 1,
	PEER_ITEM_GONE = 2,
	PEER_ITEM_PROBLEM = 3,
	PEER_ITEM_SAME = 4,
};

#endif
