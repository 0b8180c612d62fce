/* SPDX-License-Identifier: BSD-2-Clause */
#include "model_sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model_run.h"

/* Large enough for content to be worth looking for elsewhere (model/reuse.c). */
enum { MODE_FILE = 0644, MODE_DIR = 0755, SIZE = 20000 };

struct sim *sim_new(uint64_t seed)
{
	struct sim *sim = xcalloc(1, sizeof(*sim));
	unsigned fields = META_MODE | META_MTIME;

	sim->rng = seed * 2654435761U + 88172645463325252U;
	sim->clock_ns = 1000;
	sim->next_ino = 100;
	sim->next_content = 10; /* smaller ones are for tests that choose themselves */
	sim->policy.fields[SIDE_INITIATOR] = fields;
	sim->policy.fields[SIDE_TARGET] = fields;
	return sim;
}

void sim_free(struct sim *sim)
{
	free(sim);
}

unsigned sim_random(struct sim *sim, unsigned n)
{
	sim->rng ^= sim->rng << 13;
	sim->rng ^= sim->rng >> 7;
	sim->rng ^= sim->rng << 17;
	return (unsigned)((sim->rng >> 20) % n);
}

unsigned sim_fresh_content(struct sim *sim)
{
	return sim->next_content++;
}

/* A digest that says which content it is of. */
struct digest sim_digest(unsigned content)
{
	struct digest digest = { { 0 } };

	digest.bytes[0] = (unsigned char)(content >> 8);
	digest.bytes[1] = (unsigned char)content;
	digest.bytes[DIGEST_LEN - 1] = 0xff;
	return digest;
}

unsigned sim_content_of(const struct entry *entry)
{
	return (unsigned)entry->digest.bytes[0] << 8 | entry->digest.bytes[1];
}

int64_t sim_tick(struct sim *sim)
{
	return sim->clock_ns += 10;
}

struct sim_node *sim_find(struct sim *sim, enum side side, const char *path)
{
	struct sim_tree *tree = &sim->tree[side];

	for (size_t i = 0; i < tree->count; i++)
		if (strcmp(tree->nodes[i].path, path) == 0)
			return &tree->nodes[i];
	return NULL;
}

unsigned sim_content(struct sim *sim, enum side side, const char *path)
{
	const struct sim_node *node = sim_find(sim, side, path);

	return node && node->entry.type != ENTRY_DIR ? sim_content_of(&node->entry) : 0;
}

static int node_cmp(const void *a, const void *b)
{
	return path_cmp(((const struct sim_node *)a)->path, ((const struct sim_node *)b)->path);
}

static void tree_sort(struct sim_tree *tree)
{
	qsort(tree->nodes, tree->count, sizeof(*tree->nodes), node_cmp);
}

/* The folder a path lies in: its node, or NULL with *ok for the root and !*ok for none. */
static struct sim_node *find_parent(struct sim *sim, enum side side, const char *path, bool *ok)
{
	char parent[SIM_PATH] = "";
	struct sim_node *node = NULL;

	memcpy(parent, path, path_parent_len(path));
	node = *parent ? sim_find(sim, side, parent) : NULL;
	*ok = !*parent || (node && node->entry.type == ENTRY_DIR);
	return node;
}

bool sim_parent_exists(struct sim *sim, enum side side, const char *path)
{
	bool ok = false;

	find_parent(sim, side, path, &ok);
	return ok;
}

static void touch_parent(struct sim *sim, enum side side, const char *path)
{
	bool ok = false;
	struct sim_node *parent = find_parent(sim, side, path, &ok);

	if (parent)
		parent->entry.mtime_ns = parent->entry.ctime_ns = sim_tick(sim);
}

static uint64_t take_ino(struct sim *sim, enum side side)
{
	struct sim_tree *tree = &sim->tree[side];
	uint64_t ino = tree->freed_ino;

	tree->freed_ino = 0;
	return ino && sim_random(sim, 2) ? ino : sim->next_ino++;
}

/* Set type and content, and young times. */
static void fill(struct sim *sim, struct entry *entry, enum entry_type type, unsigned content)
{
	entry->type = (uint8_t)type;
	entry->mtime_ns = entry->ctime_ns = sim_tick(sim);
	if (type == ENTRY_FILE || type == ENTRY_SYMLINK) {
		entry->digest = sim_digest(content);
		entry->size = SIZE + content % 2;
	}
	if (type == ENTRY_SYMLINK)
		entry->link = "somewhere";
}

/* A new node; there is room for it. */
struct sim_node *sim_create(struct sim *sim, enum side side, const char *path, enum entry_type type,
			    unsigned content)
{
	struct sim_tree *tree = &sim->tree[side];
	struct sim_node *node = &tree->nodes[tree->count];

	if (tree->count == SIM_NODES || strlen(path) >= SIM_PATH) {
		fprintf(stderr, "the simulator is too small\n");
		abort();
	}
	tree->count++;
	memset(node, 0, sizeof(*node));
	memcpy(node->path, path, strlen(path));
	fill(sim, &node->entry, type, content);
	node->entry.mode = type == ENTRY_DIR ? MODE_DIR : MODE_FILE;
	node->entry.ino = take_ino(sim, side);
	tree_sort(tree);
	return sim_find(sim, side, path);
}

/* All names of one file share what the inode holds. */
void sim_share(struct sim *sim, enum side side, const struct entry *entry)
{
	struct sim_tree *tree = &sim->tree[side];
	struct entry now = *entry;

	for (size_t i = 0; i < tree->count; i++)
		if (now.type == ENTRY_FILE && tree->nodes[i].entry.ino == now.ino &&
		    tree->nodes[i].entry.type == ENTRY_FILE)
			tree->nodes[i].entry = now;
}

unsigned sim_names(const struct sim *sim, enum side side, uint64_t ino)
{
	const struct sim_tree *tree = &sim->tree[side];
	unsigned names = 0;

	for (size_t i = 0; i < tree->count; i++)
		names += tree->nodes[i].entry.ino == ino;
	return names;
}

static bool room_left(const struct sim *sim, enum side side)
{
	return sim->tree[side].count < SIM_NODES / 2;
}

bool sim_put(struct sim *sim, enum side side, const char *path, enum entry_type type,
	     unsigned content)
{
	struct sim_node *node = sim_find(sim, side, path);

	if (node && (node->entry.type != ENTRY_FILE || type != ENTRY_FILE))
		return false;
	if (node) {
		fill(sim, &node->entry, type, content);
		sim_share(sim, side, &node->entry);
		return true;
	}
	if (!sim_parent_exists(sim, side, path) || !room_left(sim, side))
		return false;
	sim_create(sim, side, path, type, content);
	touch_parent(sim, side, path);
	return true;
}

/* Take one node out; its inode is free again unless it has other names. */
void sim_drop(struct sim *sim, enum side side, struct sim_node *node)
{
	struct sim_tree *tree = &sim->tree[side];
	size_t at = (size_t)(node - tree->nodes);
	struct entry gone = node->entry;

	memmove(node, node + 1, (tree->count - at - 1) * sizeof(*node));
	tree->count--;
	if (sim_names(sim, side, gone.ino) == 0) {
		tree->freed_ino = gone.ino;
		return;
	}
	gone.ctime_ns = sim_tick(sim);
	sim_share(sim, side, &gone);
}

bool sim_remove(struct sim *sim, enum side side, const char *path)
{
	struct sim_tree *tree = &sim->tree[side];
	char top[SIM_PATH] = "";

	if (!sim_find(sim, side, path))
		return false;
	memcpy(top, path, strlen(path));
	for (size_t i = tree->count; i-- > 0;)
		if (path_is_below(tree->nodes[i].path, top))
			sim_drop(sim, side, &tree->nodes[i]);
	sim_drop(sim, side, sim_find(sim, side, top));
	touch_parent(sim, side, top);
	return true;
}

/* Rename without a look at what is allowed. */
void sim_carry(struct sim *sim, enum side side, const char *from, const char *to)
{
	struct sim_tree *tree = &sim->tree[side];
	size_t len = strlen(from);

	for (size_t i = 0; i < tree->count; i++) {
		struct sim_node *node = &tree->nodes[i];
		AUTO_FREE char *path = NULL;

		if (strcmp(node->path, from) == 0) {
			node->entry.ctime_ns = sim_tick(sim);
			sim_share(sim, side, &node->entry);
		} else if (!path_is_below(node->path, from)) {
			continue;
		}
		path = xasprintf("%s%s", to, node->path + len);
		if (strlen(path) >= SIM_PATH)
			abort();
		memset(node->path, 0, SIM_PATH);
		memcpy(node->path, path, strlen(path));
	}
	tree_sort(tree);
}

bool sim_rename(struct sim *sim, enum side side, const char *from, const char *to)
{
	char old[SIM_PATH] = "";

	if (!sim_find(sim, side, from) || sim_find(sim, side, to) || path_is_below(to, from) ||
	    strcmp(from, to) == 0 || !sim_parent_exists(sim, side, to) ||
	    strlen(from) + strlen(to) > SIM_PATH / 2)
		return false;
	memcpy(old, from, strlen(from));
	sim_carry(sim, side, old, to);
	touch_parent(sim, side, old);
	touch_parent(sim, side, to);
	return true;
}

bool sim_link(struct sim *sim, enum side side, const char *from, const char *to)
{
	struct sim_node *node = sim_find(sim, side, from);
	struct entry entry = { 0 };

	if (!node || node->entry.type != ENTRY_FILE || sim_find(sim, side, to) ||
	    !sim_parent_exists(sim, side, to) || !room_left(sim, side))
		return false;
	sim->had_links = true;
	entry = node->entry;
	entry.ctime_ns = sim_tick(sim);
	sim_create(sim, side, to, ENTRY_FILE, 0)->entry = entry;
	sim_share(sim, side, &entry);
	touch_parent(sim, side, to);
	return true;
}

bool sim_chmod(struct sim *sim, enum side side, const char *path, unsigned mode)
{
	struct sim_node *node = sim_find(sim, side, path);

	if (!node || node->entry.type == ENTRY_SYMLINK || node->entry.type == ENTRY_SPECIAL)
		return false;
	node->entry.mode = (uint16_t)mode;
	node->entry.ctime_ns = sim_tick(sim);
	sim_share(sim, side, &node->entry);
	return true;
}

bool sim_touch(struct sim *sim, enum side side, const char *path)
{
	struct sim_node *node = sim_find(sim, side, path);

	if (!node)
		return false;
	node->entry.mtime_ns = node->entry.ctime_ns = sim_tick(sim);
	sim_share(sim, side, &node->entry);
	return true;
}

bool sim_problem(struct sim *sim, const char *fmt, ...)
{
	va_list ap;

	if (sim->problem[0])
		return false;
	va_start(ap, fmt);
	vsnprintf(sim->problem, sizeof(sim->problem), fmt, ap);
	va_end(ap);
	return false;
}

static void print_entry(const char *path, const struct entry *entry)
{
	printf("    %-24s %-12s %4u  ino %-6llu mode %o mtime %lld\n", path,
	       entry_type_name((enum entry_type)entry->type), sim_content_of(entry),
	       (unsigned long long)entry->ino, (unsigned)entry->mode, (long long)entry->mtime_ns);
}

void sim_print(const struct sim *sim)
{
	for (int s = 0; s < SIDES; s++) {
		printf("  %s:\n", side_name((enum side)s));
		for (size_t i = 0; i < sim->tree[s].count; i++)
			print_entry(sim->tree[s].nodes[i].path, &sim->tree[s].nodes[i].entry);
	}
	printf("  saved:\n");
	for (size_t i = 0; i < sim->saved_count; i++) {
		printf("    %-24s %-12s\n", sim->saved[i].path,
		       entry_type_name((enum entry_type)sim->saved[i].base.type));
		for (int s = 0; s < SIDES; s++)
			print_entry("", &sim->saved[i].base.side[s]);
	}
}
