/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a person vouches for the server's key, so that it may be noted in known_hosts. */
#ifndef SETUP_HOST_H
#define SETUP_HOST_H

#include <stdbool.h>

struct config;
struct err;

enum host_consent {
	HOST_ASK,   /* the person at the terminal; refused where there is none */
	HOST_PRINT, /* whoever shows this fingerprint */
	HOST_ANY,   /* whoever answers: said on the command line */
};

/*
 * Meet the server of a configuration whose transport is ssh, and note its key where it is new and
 * somebody vouches for it.  What comes of it is printed: the key is always shown.
 * ERR_DENIED where nobody does, or the key is another one than it was; else as meet_server().
 */
int host_introduce(const struct config *config, enum host_consent consent, const char *fingerprint,
		   struct err *err);

#endif
