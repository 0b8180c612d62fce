/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Look for bit rot: contents that changed although nothing says so.
 *
 * A file whose stat key is as agreed is not read by a run; should its disk have turned a bit, nobody
 * would know until it is needed.  So every agreed file is read again, on both sides, once in
 * VERIFY_DAYS (0: never), a share of them after a run: of all that is agreed as much as of the
 * VERIFY_DAYS have passed, but at most a twentieth (or 64 MiB, if that is more) at once; and none
 * before that share has grown to 64 MiB, or to a day's.  A run that follows another soon
 * therefore reads nothing.
 *
 * What is found is reported with the way to restore it, and counts as a failure of this path.  It is
 * neither copied nor recorded: with its stat key unchanged it is no edit.  Files that are being changed,
 * or were too young when recorded to be sure of, are left to the next round.
 *
 * How far the round has come is in INSTANCE.verify beside the saved list: the time in seconds, a new
 * line, and the path read last.  Nothing but the schedule depends on it.
 */
#ifndef RUN_VERIFY_H
#define RUN_VERIFY_H

struct census;
struct err;
struct session;

/* After everything else of a run that is no dry run, with both sides locked. -1 only for a connection that was lost. */
int verify(struct session *session, const struct census *census, struct err *err);

#endif
