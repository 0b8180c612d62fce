/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A mail as bytes: RFC 5322 and MIME, the same for a sendmail and for SMTP.
 *
 * What comes from outside (names, messages) gets into headers only as encoded words and into bodies
 * only as quoted-printable, in which neither a line nor a header can be begun; addresses have been
 * checked by config/mail.h.  The message is ASCII, its lines have at most 76 bytes and end in "\n"
 * (mime_to_wire for the "\r\n" of SMTP).
 */
#ifndef ALERT_MIME_H
#define ALERT_MIME_H

#include <stddef.h>
#include <stdint.h>

struct buf;

struct mime_mail {
	const char *sender;	       /* an address */
	const char *const *recipients; /* addresses, NULL behind the last */
	const char *host;	       /* of this machine, for the Message-ID */
	int64_t time_s;
	uint64_t token; /* random: tells the mail from all others */
	const char *subject;
	const char *text; /* of the body, lines ending in "\n" */
	const void *log;  /* attached as NAME; any bytes */
	size_t log_len;	  /* 0: nothing is attached */
	const char *log_name;
};

/* Append the whole message. */
void mime_compose(struct buf *out, const struct mime_mail *mail);
/* Append it with "\r\n" for each "\n". */
void mime_to_wire(struct buf *out, const void *message, size_t len);

#endif
