/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mail by SMTP, through libcurl.  The library is loaded when there is something to send: neither a run
 * nor an agent on a server needs it to be there.
 *
 * Each recipient gets a delivery of its own over one connection, so that one address that is refused
 * keeps nobody else from being told.  The certificate of a server is always checked.
 */
#ifndef ALERT_SMTP_H
#define ALERT_SMTP_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct mail_config;

/*
 * Send message[0..len) (as mime_to_wire makes it) to all recipients until deadline_ms
 * (clock_monotonic_ms).  The number of those that have got it; where it is not all, err says why for
 * the first who has not, by address.
 */
size_t smtp_send(const struct mail_config *mail, const char *sender, const void *message,
		 size_t len, int64_t deadline_ms, struct err *err);

#endif
