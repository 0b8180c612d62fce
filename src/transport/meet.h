/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Getting to know a server, once, when somebody sets a folder up: which host key it shows, and
 * whether that is known.  Nobody logs in.
 *
 *	struct meeting meeting = MEETING_INIT;
 *	meet_server(config, &meeting, err);
 *	if (!meeting.known && the user says so)
 *		meet_remember(&meeting, err);
 *
 * Here, and nowhere else, osync writes known_hosts, and only with the consent of a person.  As in a
 * run, libssh2 stays in a process of its own; what comes from there is read as any bytes that we
 * did not write ourselves.
 */
#ifndef TRANSPORT_MEET_H
#define TRANSPORT_MEET_H

#include <stdbool.h>

#include "base/buf.h"

struct config;
struct err;

struct meeting {
	bool known;		/* known_hosts has this key */
	char *name;		/* what the host is called there */
	char *file;		/* where ssh notes new hosts; "": nowhere */
	struct buf key;		/* as it came over the wire */
	struct buf fingerprint; /* "SHA256:..." */
	const char *kind;	/* "ED25519" */
};

#define MEETING_INIT                                      \
	{                                                 \
		false, NULL, NULL, BUF_INIT, BUF_INIT, "" \
	}
#define AUTO_MEETING AUTO(meeting_release) struct meeting

void meeting_release(struct meeting *meeting);

/*
 * Connect to the target of a configuration whose transport is ssh, exchange keys, and look the key up.
 * A key that is changed, revoked, or vouched for in another way is an error as in a run (ERR_DENIED).
 */
int meet_server(const struct config *config, struct meeting *meeting, struct err *err);

/*
 * Append the key to the file (made with its folder where missing, for its owner alone), durably.
 * ERR_CONFIG where there is no such file.
 */
int meet_remember(const struct meeting *meeting, struct err *err);

/* The line of known_hosts for a host and its key, without a line end. Pure. */
void meet_line(struct buf *out, const char *name, const struct buf *key);

/*
 * What the process with the session tells: whether the key is known, the host's name, the file, the
 * key.  Decoding is -1 unless all is there and can stand in known_hosts.  Pure.
 */
void meet_encode(struct buf *out, const struct meeting *meeting);
int meet_decode(const void *data, size_t len, struct meeting *meeting);

#endif
