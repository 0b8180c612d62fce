/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/hello.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/version.h"
#include "base/worthwhile.h"
#include "config/config.h"
#include "peer/channel.h"
#include "peer/msg.h"
#include "peer/protocol.h"
#include "run/identity.h"
#include "run/session.h"
#include "tree/changer.h"
#include "tree/scan.h"

static unsigned scan_flags(const struct config *config)
{
	return (config->preserve_xattr ? SCAN_XATTR : 0U) | (config->preserve_acl ? SCAN_ACL : 0U) |
	       (config->preserve_hardlinks ? SCAN_NLINK : 0U);
}

static enum changer_sync_mode sync_mode(enum fsync_mode mode)
{
	switch (mode) {
	case FSYNC_FILE:
		return CHANGER_SYNC_FILE;
	case FSYNC_OFF:
		return CHANGER_SYNC_OFF;
	case FSYNC_BATCH:
		break;
	}
	return CHANGER_SYNC_BATCH;
}

/* A folder that was synced before and is gone is not made again: its disk may come back. */
static bool may_create(const struct session *session, enum side side)
{
	if (!session->config->create_dirs || session->saved.list)
		return false;
	return side == SIDE_TARGET || !session->sides[SIDE_TARGET].known;
}

uint32_t hello_rate_kib(const struct config *config, enum side side)
{
	return side == SIDE_TARGET && config->target.remote ? (uint32_t)config->bandwidth_kib : 0;
}

enum packer_mode hello_packing(const struct config *config, enum side side)
{
	if (side != SIDE_TARGET || !config_is_far(config))
		return PACKER_OFF;
	switch (config->compression) {
	case COMPRESSION_ON:
		return PACKER_ON;
	case COMPRESSION_OFF:
		return PACKER_OFF;
	case COMPRESSION_AUTO:
		break;
	}
	return WORTHWHILE(PACKER_AUTO, PACKER_ON);
}

static unsigned pack_flags(const struct config *config, enum side side)
{
	switch (hello_packing(config, side)) {
	case PACKER_ON:
		return PEER_HELLO_PACKED | PEER_HELLO_PACK_ALL;
	case PACKER_AUTO:
		return PEER_HELLO_PACKED;
	case PACKER_OFF:
		break;
	}
	return 0;
}

static unsigned hello_flags(const struct session *session, enum side side)
{
	const struct config *config = session->config;
	bool hooks = side == SIDE_INITIATOR ? config_has_local_hooks(config)
					    : config_has_remote_hooks(config);

	return (may_create(session, side) ? PEER_HELLO_CREATE : 0U) |
	       (hello_rate_kib(config, side) ? PEER_HELLO_LIMITED : 0U) | pack_flags(config, side) |
	       (config->dry_run ? PEER_HELLO_DRY : 0U) | (hooks ? PEER_HELLO_HOOKS : 0U);
}

void hello_send(struct session *session, enum side side)
{
	const struct config *config = session->config;
	const char *state_dir = config->state_dir[side];
	AUTO_FREE char *profile = identity_profile(config, &session->initiator);
	AUTO_FREE char *place = identity_place(config);
	struct msg_hello hello = { .version_min = PEER_VERSION,
				   .version_max = PEER_VERSION,
				   .clock_ns = clock_realtime_ns(),
				   .build = version_build,
				   .profile = profile,
				   .place = side == SIDE_TARGET ? place : "",
				   .flags = hello_flags(session, side),
				   .state_dir = side == SIDE_TARGET && state_dir ? state_dir : "",
				   .scan_flags = scan_flags(config),
				   .fsync_mode = sync_mode(config->fsync),
				   .silence_s = (unsigned)config->peer_timeout_s,
				   .mount = config->mountpoint[side],
				   .rate_kib = hello_rate_kib(config, side) };

	msg_put_hello(channel_out(session->sides[side].channel), &hello);
}
