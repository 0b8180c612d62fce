/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hooks: LOCAL_ and REMOTE_RUN_BEFORE_CMD, LOCAL_ and REMOTE_RUN_AFTER_CMD.
 *
 * Each is run with /bin/sh -c on its own side, by that side's agent (the initiator's too: nothing here
 * knows which side is far), one after the other, this machine's first.  Both locks are held, so no two
 * runs' hooks meet, and an unmount cannot pull the disk from under another run.
 *
 * Before-hooks run when the roots are known and locked, and before anything in them is looked at: what
 * they write is synced, what they freeze stays as it is.  So the root itself cannot be mounted by one;
 * where a hook puts another folder in the place of a root, the run stops before any change.
 *
 * After-hooks run when all is done and before the locks are given back; they are told how it went
 * (run/facts.h).  When a run ends with an error, or is asked to stop, they run only with
 * RUN_AFTER_CMD_ON_ERROR, on those sides that can still be reached; for one that was asked to stop each
 * may then take HOOKS_STOPPED_S, unless its limit is set.
 *
 * A hook that fails ends the run (STOP_ON_CMD_ERROR), or is reported and leaves it with EXIT_LOOK.  How
 * hooks are kept from outliving the run is base/keeper's affair.
 */
#ifndef RUN_HOOKS_H
#define RUN_HOOKS_H

struct err;
struct session;

enum { HOOKS_STOPPED_S = 60 };

/* Whether both agents run the hooks there are. ERR_DENIED says what the server has to allow. */
int hooks_check(const struct session *session, struct err *err);
int hooks_before(struct session *session, struct err *err);
/*
 * status  how what they come after has ended: 0, or -1 with err set
 *
 * Returns how the run ends now; an err that is set stays.
 */
int hooks_after(struct session *session, int status, struct err *err);

#endif
