/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fault points: how a test makes the n-th system call fail, or kills the program at it.
 *
 * Every call through base/sys.h passes here first.  Where OSYNC_FAULTS is not defined (a
 * release) all of this is an inline function that says FAULT_NONE, and nothing is left of it.
 *
 * There are three doors, each with a count of its own that begins anew with the role:
 *
 *	change	what changes a file system
 *	look	what reads one: open for reading, stat, readdir, read, readlink, ...
 *	link	what moves bytes between processes, and what starts them
 *
 * The environment variable OSYNC_FAULT says what becomes of which passage:
 *
 *	kill:N[:ROLE[:DOOR]]		SIGKILL before the call
 *	fail:N:ERRNO[:ROLE[:DOOR]]	that errno (a number) instead of the call
 *	short:N[:ROLE[:DOOR]]		read or write half of what was asked for, at least a byte;
 *					the end of a folder's names for readdir is no such thing
 *	cut:N[:ROLE]			the link ends: nothing goes either way from here on
 *	count:FILE[:ROLE[:DOOR]]	append "ROLE N CALL" for each passage to FILE
 *
 * N counts from 1; "N+" is that passage and all later ones (a disk stays full).  DOOR is
 * `change` where nothing is said, `link` for cut.  ROLE is what sys_set_role() was last given in
 * this process; an empty one is any.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

enum fault_door { FAULT_CHANGE, FAULT_LOOK, FAULT_LINK };
enum { FAULT_DOORS = FAULT_LINK + 1 };

/* What a call has to do. Those that have no length take FAULT_SHORT for FAULT_NONE. */
enum fault_deed {
	FAULT_NONE,  /* what it was asked for */
	FAULT_FAIL,  /* return -1; errno is set */
	FAULT_SHORT, /* half of it */
	FAULT_CUT,   /* end the link, then see */
};

#ifdef OSYNC_FAULTS

/* Who this process is; kept, not copied. All counts begin anew. */
void fault_set_role(const char *name);
/* One passage of `call`. May not return. errno is kept but for FAULT_FAIL. */
enum fault_deed fault_here(enum fault_door door, const char *call);

#else

static inline void fault_set_role(const char *name)
{
	(void)name;
}

static inline enum fault_deed fault_here(enum fault_door door, const char *call)
{
	(void)door;
	(void)call;
	return FAULT_NONE;
}

#endif
#endif
