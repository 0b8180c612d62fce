/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/trash.h"

#include <inttypes.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/log.h"
#include "config/config.h"
#include "peer/channel.h"
#include "peer/msg.h"
#include "peer/protocol.h"
#include "run/report.h"
#include "run/session.h"

struct keep trash_keep(const struct config *config)
{
	int days = config->trash_days;

	if (days == 0 && config->soft_delete_days > 0 && config->conflict_backup_days > 0)
		days = config->soft_delete_days > config->conflict_backup_days
			       ? config->soft_delete_days
			       : config->conflict_backup_days;
	return (struct keep){ (uint32_t)days, (uint32_t)config->trash_pack_days };
}

static int hear(struct session *session, enum side side, struct err *err)
{
	uint64_t done[TIDY_DEEDS] = { 0 };
	struct err status = ERR_INIT;
	struct frame frame;
	struct dec dec;

	if (session_wait(session, side, &frame, err) < 0 ||
	    session_expect(&frame, PEER_TIDIED, err) < 0)
		return -1;
	dec_init(&dec, frame.data, frame.len);
	msg_dec_status(&dec, &status);
	for (int i = 0; i < TIDY_DEEDS; i++)
		done[i] = dec_uint(&dec);
	if (!dec_done(&dec))
		return msg_malformed(&frame, err);
	if (done[TIDY_EXPIRED] || done[TIDY_PACKED])
		log_info("trash of the %s: %" PRIu64 " removed, %" PRIu64 " packed",
			 side_name(side), done[TIDY_EXPIRED], done[TIDY_PACKED]);
	if (err_is_set(&status) || done[TIDY_FAILED]) {
		AUTO_FREE char *text = xasprintf(
			"the old trash of the %s could not be cleared in all: %s", side_name(side),
			err_is_set(&status) ? status.msg : "'osync reap' says what is in the way");

		report_warning(session->report, text);
	}
	return 0;
}

int trash_end_of_run(struct session *session, struct err *err)
{
	struct keep keep = trash_keep(session->config);

	if (keep.trash_days == 0 && keep.pack_days == 0)
		return 0;
	for (int s = 0; s < SIDES; s++)
		if (!session->sides[s].read_only)
			msg_put_empty(channel_out(session->sides[s].channel), PEER_TIDY);
	for (int s = 0; s < SIDES; s++)
		if (!session->sides[s].read_only && hear(session, (enum side)s, err) < 0)
			return -1;
	return 0;
}
