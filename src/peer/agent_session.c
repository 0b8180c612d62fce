/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/confine.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/version.h"
#include "model/filter.h"
#include "peer/agent_internal.h"
#include "peer/frame.h"
#include "peer/listing.h"
#include "peer/packer.h"
#include "peer/protocol.h"
#include "peer/pulse.h"
#include "peer/unpacker.h"
#include "store/atomic.h"
#include "store/done_log.h"
#include "store/mark.h"
#include "store/note.h"
#include "store/table.h"
#include "tree/changer.h"
#include "tree/leftover.h"
#include "tree/mountpoint.h"
#include "tree/root.h"

#define STATE_DIR "state"

int agent_open_state(struct agent *agent, bool create, struct err *err)
{
	int workdir = -1;

	if (agent->state_fd >= 0)
		return 0;
	if (agent->state_dir[0]) {
		agent->state_fd = create ? atomic_mkdir_path_open(agent->state_dir, err)
					 : sys_openat(AT_FDCWD, agent->state_dir,
						      O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
		return agent->state_fd < 0 ? -1 : 0;
	}
	workdir = root_workdir(agent->root);
	if (workdir < 0)
		return create ? err_set(err, ERR_SYSTEM, "the folder '%s' is not there",
					ROOT_WORKDIR)
			      : -1;
	agent->state_fd = create ? atomic_mkdir_open(workdir, STATE_DIR, err)
				 : sys_openat(workdir, STATE_DIR,
					      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	return agent->state_fd < 0 ? -1 : 0;
}

static char *cache_name(const struct agent *agent)
{
	return xasprintf("%s.cache", agent->profile);
}

static char *place_name(const struct agent *agent)
{
	return xasprintf("%s.place", agent->place);
}

/* A damaged one is as good as none: it must not name somebody else. */
static void read_place(struct agent *agent)
{
	AUTO_FREE char *name = place_name(agent);
	AUTO_BUF bytes = BUF_INIT;
	struct uuid initiator;
	struct dec payload;

	if (!agent->place[0] || !note_load(agent->state_fd, name, &bytes, &payload))
		return;
	msg_dec_uuid(&payload, &initiator);
	if (dec_done(&payload))
		agent->at_place = initiator;
}

/* Remember who is there, for when that folder is empty or another one day. */
static int write_place(struct agent *agent, struct err *err)
{
	AUTO_FREE char *name = place_name(agent);
	AUTO_BUF payload = BUF_INIT;

	if (!agent->place[0] || uuid_same(&agent->at_place, &agent->head.initiator))
		return 0;
	msg_enc_uuid(&payload, &agent->head.initiator);
	return note_save(agent->state_fd, name, &payload, err);
}

static void read_head(const struct table *table, struct cache_head *head)
{
	size_t len = 0;
	const void *data = table_head(table, &len);
	struct dec dec;

	*head = (struct cache_head){ 0 };
	if (!data)
		return;
	dec_init(&dec, data, len);
	msg_dec_uuid(&dec, &head->initiator);
	head->generation = dec_le64(&dec);
	head->filter = dec_le64(&dec);
	head->known = dec_done(&dec);
}

void agent_open_cache(struct agent *agent, enum table_mode mode)
{
	AUTO_FREE char *name = cache_name(agent);
	struct err why = ERR_INIT;

	table_close(agent->cache);
	agent->cache = table_open(agent->state_fd, name, mode, &why);
	if (!agent->cache && mode == TABLE_WRITE && why.kind == ERR_CORRUPT) {
		log_debug("%s: %s", agent->options->role, why.msg);
		if (table_set_aside(agent->state_fd, name, &why) == 0)
			agent->cache = table_open(agent->state_fd, name, mode, &why);
	}
	if (agent->cache)
		read_head(agent->cache, &agent->head);
}

static int check_version(const struct msg_hello *hello, struct err *err)
{
	if (hello->version_min <= PEER_VERSION && hello->version_max >= PEER_VERSION)
		return 0;
	return err_set(
		err, ERR_UNREACHABLE,
		"the agent (osync %s) speaks version %d of the peer protocol, the initiator versions "
		"%llu to %llu: install the same osync on both machines",
		version_string, PEER_VERSION, (unsigned long long)hello->version_min,
		(unsigned long long)hello->version_max);
}

/*
 * The root, its identity and the cache's head. A dry run must not make a missing folder, so it
 * goes on as if the folder were there and empty.
 */
static int open_root(struct agent *agent, bool create, struct uuid *identity, struct err *err)
{
	enum root_mode mode = create && !agent->dry ? ROOT_CREATE : ROOT_MUST_EXIST;

	agent->root = root_open(agent->options->dir, mode, err);
	if (!agent->root && create && agent->dry && err->sys == ENOENT) {
		err_clear(err);
		return 0;
	}
	if (!agent->root || root_identity(agent->root, identity, err) < 0)
		return -1;
	if (agent_open_state(agent, false, NULL) == 0) {
		agent_open_cache(agent, TABLE_READ);
		read_place(agent);
	}
	return 0;
}

/*
 * Once, when all that it takes is open: a folder of caches that is to be made elsewhere is made only
 * when something is to be kept in it.
 */
static void confine(struct agent *agent)
{
	const bool writes = !agent->options->read_only;
	const struct confine_folder folders[] = {
		{ agent->root ? root_fd(agent->root) : -1, writes },
		{ agent->state_fd, writes },
		{ agent->list_fd, writes },
		{ agent->other ? root_fd(agent->other) : -1, false },
	};
	struct err why = ERR_INIT;
	int version = 0;

	if (!agent->options->alone || agent->confined || !agent->root ||
	    (agent->state_dir[0] && agent->state_fd < 0 && !agent->options->read_only))
		return;
	agent->confined = true;
	version = confine_to(folders, sizeof(folders) / sizeof(folders[0]), &why);
	if (version < 0)
		log_debug("%s: not confined to its folder: %s", agent->options->role, why.msg);
	else
		log_debug("%s: confined to its folder by Landlock, version %d",
			  agent->options->role, version);
	/* Only now, so that the thread is confined as well. */
	agent->pulse = pulse_start(agent->out_fd);
	pulse_work(agent->pulse);
}

static int read_mark(const struct agent *agent, uint64_t *mark, struct err *err)
{
	int workdir = agent->root ? root_workdir(agent->root) : -1;

	return workdir < 0 ? 0 : mark_read(workdir, agent->profile, mark, err);
}

static bool has_state(const struct agent *agent)
{
	return agent->root && root_workdir(agent->root) >= 0 && agent->state_fd >= 0;
}

/* Whoever has started us says which folders are ours; what the initiator asks for is not enough. */
static int choose_state_dir(struct agent *agent, const char *asked, struct err *err)
{
	const char *ours = agent->options->state_dir ? agent->options->state_dir : "";

	agent->state_dir = xstrdup(ours);
	if (!asked[0] || strcmp(asked, ours) == 0)
		return 0;
	return err_set(
		err, ERR_DENIED,
		"the server does not let this key keep its state in '%.300s': leave "
		"TARGET_CUSTOM_STATE_DIR empty, or have '--state-dir' and this folder added to "
		"the command there",
		asked);
}

/* The initiator can unpack, so it gets to. What packs what we send is asked from here on. */
static void agree_on_packing(struct agent *agent, unsigned hello_flags)
{
	if (!(hello_flags & PEER_HELLO_PACKED))
		return;
	agent->packer = packer_new(hello_flags & PEER_HELLO_PACK_ALL ? PACKER_ON : PACKER_AUTO);
	agent->unpacker = unpacker_new();
}

int agent_on_hello(struct agent *agent, const struct frame *frame, struct err *err)
{
	struct msg_hello hello = { 0 };
	struct msg_welcome welcome = { .version = PEER_VERSION, .build = version_build };
	int status = 0;

	if (agent->welcomed)
		return msg_malformed(frame, err);
	/* Another version's hello may go on differently, but it begins with the versions. */
	status = msg_get_hello(frame, &agent->arena, &hello, NULL);
	if (check_version(&hello, err) < 0)
		return -1;
	if (status < 0)
		return msg_malformed(frame, err);
	agent->dry = (hello.flags & PEER_HELLO_DRY) || agent->options->read_only;
	agent->profile = xstrdup(hello.profile);
	agent->place = xstrdup(hello.place);
	agent->scan_flags = hello.scan_flags;
	agent->fsync_mode = hello.fsync_mode;
	agent->silence_ms = hello.silence_s * INT64_C(1000);
	bucket_init(&agent->rate, hello.rate_kib * INT64_C(1024), clock_monotonic_ms());
	agent->boot = done_log_boot();
	if (choose_state_dir(agent, hello.state_dir, err) < 0)
		return -1;
	/* Before the root is made where it is missing: what it belongs on may come back. */
	if (hello.mount[0] && mountpoint_check(agent->options->dir, hello.mount, err) < 0)
		return -1;
	/* Who changes nothing makes no folder, and a real run must not take a missing one for empty. */
	if (open_root(agent, (hello.flags & PEER_HELLO_CREATE) && !agent->options->read_only,
		      &welcome.identity, err) < 0)
		return -1;
	agent_hook_prepare(agent, hello.flags);
	if (agent->options->list_dir)
		agent->list_fd = sys_openat(AT_FDCWD, agent->options->list_dir,
					    O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	agent_fetch_prepare(agent);
	confine(agent);
	agree_on_packing(agent, hello.flags);
	welcome.flags = (agent->runner ? PEER_WELCOME_HOOKS : 0U) |
			(agent->options->read_only ? PEER_WELCOME_READ_ONLY : 0U) |
			(has_state(agent) ? PEER_WELCOME_STATE : 0U) |
			(agent->unpacker ? PEER_WELCOME_PACKED : 0U) |
			(agent->other ? PEER_WELCOME_FETCHES : 0U);
	welcome.known = !uuid_is_none(&agent->at_place);
	welcome.known_initiator = agent->at_place;
	welcome.known_generation = agent->head.known ? agent->head.generation : 0;
	if (read_mark(agent, &welcome.mark, err) < 0)
		return -1;
	welcome.can_chown = geteuid() == 0;
	welcome.clock_ns = clock_realtime_ns();
	msg_put_welcome(&agent->out, &welcome);
	agent->welcomed = true;
	return 0;
}

/* What PREPARE asks for. */
struct request {
	const char *run;
	struct uuid identity; /* for a root that has none */
	struct uuid initiator;
	uint64_t generation;
	struct keep keep;
};

/* What is there is read and recorded by the other side: it has to outlast a power cut. */
static int prepare_to_read(struct agent *agent, struct uuid *now, struct err *err)
{
	if (root_identity(agent->root, now, err) < 0)
		return -1;
	if (agent->fsync_mode != CHANGER_SYNC_OFF && sys_syncfs(root_fd(agent->root)) < 0)
		return err_sys(err, errno, "cannot make durable what is there");
	return 0;
}

/* What writers that were killed have left, wherever this agent keeps something. */
static void sweep_leftovers(const struct agent *agent)
{
	int64_t now_ns = root_now_ns(agent->root);
	int workdir = root_workdir(agent->root);

	leftover_sweep(workdir, ".", now_ns, LEFTOVER_REMOVE, NULL, NULL);
	leftover_sweep(workdir, STATE_DIR, now_ns, LEFTOVER_REMOVE, NULL, NULL);
	if (agent->state_fd >= 0 && agent->state_dir[0])
		leftover_sweep(agent->state_fd, ".", now_ns, LEFTOVER_REMOVE, NULL, NULL);
}

static int prepare(struct agent *agent, const struct request *request, struct uuid *now,
		   struct err *err)
{
	int has = 0;

	if (agent->options->read_only)
		return prepare_to_read(agent, now, err);
	if (root_workdir_create(agent->root, err) < 0)
		return -1;
	has = root_identity(agent->root, now, err);
	if (has < 0 || (has == 0 && root_identity_write(agent->root, &request->identity, err) < 0))
		return -1;
	if (has == 0)
		*now = request->identity;
	if (root_probe(agent->root, err) < 0)
		return -1;
	/* The initiator's own side needs no cache: the saved list is right there. */
	if (!uuid_is_none(&request->initiator)) {
		if (agent_open_state(agent, true, err) < 0)
			return -1;
		if (!agent->cache)
			agent_open_cache(agent, TABLE_WRITE);
		agent->head.initiator = request->initiator;
	}
	confine(agent);
	sweep_leftovers(agent);
	if (mark_write(root_workdir(agent->root), agent->profile, request->generation, err) < 0)
		return -1;
	agent->ops = agent_ops_open(agent, request->run, request->generation, &request->keep, err);
	return agent->ops ? 0 : -1;
}

/* Where nothing can be changed, no lock is held, and nothing comes of it that would need one. */
static bool may_prepare(const struct agent *agent)
{
	if (agent->options->read_only)
		return true;
	return !agent->dry && agent->lock && !agent->ops;
}

int agent_on_prepare(struct agent *agent, const struct frame *frame, struct err *err)
{
	struct msg_ready ready = { .status = ERR_INIT };
	struct request request;
	struct dec dec;

	dec_init(&dec, frame->data, frame->len);
	request.run = msg_dec_path(&dec, &agent->arena);
	msg_dec_uuid(&dec, &request.identity);
	msg_dec_uuid(&dec, &request.initiator);
	request.generation = dec_le64(&dec);
	request.keep.trash_days = dec_u32(&dec);
	request.keep.pack_days = dec_u32(&dec);
	if (!dec_done(&dec) || strchr(request.run, '/') || !may_prepare(agent))
		return msg_malformed(frame, err);
	if (agent_lock_check(agent, err) < 0)
		return -1;
	prepare(agent, &request, &ready.identity, &ready.status);
	ready.partial = agent->ops && agent_has_partial(agent->ops);
	msg_put_ready(&agent->out, &ready);
	return 0;
}

/* What is not committed yet must not fill the memory; an older head and newer records do no harm. */
static int bound_cache(struct agent *agent, struct err *err)
{
	return table_is_full(agent->cache) ? table_flush(agent->cache, err) : 0;
}

static int record(struct agent *agent, const struct listing_item *item, struct buf *value,
		  struct err *err)
{
	struct entry entry = item->entry;

	if (item->kind == PEER_ITEM_GONE) {
		table_remove(agent->cache, item->path);
		return bound_cache(agent, err);
	}
	entry.link = NULL;
	buf_reset(value);
	entry_encode(value, &entry);
	table_put(agent->cache, item->path, value->data, value->len);
	return bound_cache(agent, err);
}

int agent_on_record(struct agent *agent, const struct frame *frame, struct err *err)
{
	struct listing_reader reader;
	struct listing_item item;
	AUTO_BUF value = BUF_INIT;
	int got = 0;

	listing_reader_init(&reader, frame);
	while ((got = listing_read(&reader, &agent->arena, &item, err)) > 0) {
		/* A problem is never agreed on; its path need not even be one. What is the same needs no record. */
		if (item.kind != PEER_ITEM_ENTRY && item.kind != PEER_ITEM_GONE) {
			got = msg_malformed(frame, err);
			break;
		}
		if (agent->cache && record(agent, &item, &value, err) < 0) {
			got = -1;
			break;
		}
		/* Their targets: a frame of links is not kept together. */
		arena_release(&agent->arena);
	}
	listing_reader_release(&reader);
	return got;
}

int agent_on_forget(struct agent *agent, const struct frame *frame, struct err *err)
{
	struct table_cursor *cursor = NULL;
	const char *path = NULL;
	const void *value = NULL;
	size_t len = 0;
	int status = 0;

	if (frame->len > 0)
		return msg_malformed(frame, err);
	if (!agent->cache)
		return 0;
	cursor = table_cursor_new(agent->cache);
	while (status == 0 && table_next(cursor, &path, &value, &len) > 0) {
		table_remove(agent->cache, path);
		status = bound_cache(agent, err);
	}
	table_cursor_free(cursor);
	return status;
}

static int commit(struct agent *agent, uint64_t generation, struct err *err)
{
	AUTO_BUF head = BUF_INIT;

	if (!agent->cache)
		return 0;
	if (write_place(agent, err) < 0)
		return -1;
	agent->head.generation = generation;
	agent->head.known = true;
	msg_enc_uuid(&head, &agent->head.initiator);
	enc_le64(&head, generation);
	enc_le64(&head, agent->rules);
	table_set_head(agent->cache, head.data, head.len);
	if (table_should_fold(agent->cache))
		return table_fold(agent->cache, err);
	return table_flush(agent->cache, err);
}

int agent_on_commit(struct agent *agent, const struct frame *frame, struct err *err)
{
	struct err status = ERR_INIT;
	struct dec dec;
	uint64_t generation = 0;

	dec_init(&dec, frame->data, frame->len);
	generation = dec_le64(&dec);
	if (!dec_done(&dec))
		return msg_malformed(frame, err);
	commit(agent, generation, &status);
	msg_put_status(&agent->out, PEER_COMMITTED, &status);
	return 0;
}

void agent_session_close(struct agent *agent)
{
	agent_ops_close(agent->ops);
	table_close(agent->cache);
	agent_lock_close(agent);
	root_close(agent->root);
	root_close(agent->other);
	cleanup_close(&agent->state_fd);
	cleanup_close(&agent->list_fd);
	free(agent->state_dir);
	free(agent->profile);
	free(agent->place);
}
