/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries: what counts as a change, and that encoding loses nothing and decoding believes nothing. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec.h"
#include "model/entry.h"

static struct entry file_entry(void)
{
	struct entry entry = {
		.type = ENTRY_FILE,
		.flags = ENTRY_HAS_DIGEST | ENTRY_RACY,
		.mode = 04755,
		.uid = UINT32_MAX,
		.gid = 100,
		.nlink = 2,
		.ino = UINT64_MAX,
		.size = 12345678901,
		.mtime_ns = 1700000000123456789,
		.ctime_ns = 1700000000123456790,
		.xattr = 0x1122334455667788,
	};

	memset(entry.digest.bytes, 0xab, DIGEST_LEN);
	return entry;
}

static struct entry entry_of(enum entry_type type)
{
	struct entry entry = file_entry();

	entry.type = (uint8_t)type;
	return entry;
}

/* Comparing ---------------------------------------------------------------- */

/* One change to an entry, and for which types it is a change of stat, and of content. */
struct variation {
	const char *name;
	void (*apply)(struct entry *entry);
	const char *stat; /* types it shows in: Absent File Dir Link Special */
	const char *content;
};

static void vary_ino(struct entry *e)
{
	e->ino--;
}
static void vary_size(struct entry *e)
{
	e->size++;
}
static void vary_mtime(struct entry *e)
{
	e->mtime_ns++;
}
static void vary_ctime(struct entry *e)
{
	e->ctime_ns++;
}
static void vary_mode(struct entry *e)
{
	e->mode ^= 0111;
}
static void vary_uid(struct entry *e)
{
	e->uid--;
}
static void vary_gid(struct entry *e)
{
	e->gid++;
}
static void vary_xattr(struct entry *e)
{
	e->xattr++;
}
static void vary_opaque(struct entry *e)
{
	e->flags ^= ENTRY_OPAQUE;
}
static void vary_racy(struct entry *e)
{
	e->flags ^= ENTRY_RACY;
}
static void vary_nlink(struct entry *e)
{
	e->nlink++;
}
static void vary_digest(struct entry *e)
{
	e->digest.bytes[3]++;
}
static void vary_link(struct entry *e)
{
	e->link = "elsewhere";
}

static const struct variation variations[] = {
	{ "inode", vary_ino, "FDLS", "FLS" },
	{ "size", vary_size, "FL", "FL" },
	{ "mtime", vary_mtime, "FDL", "FL" },
	{ "ctime", vary_ctime, "FL", "FL" },
	{ "mode", vary_mode, "FDL", "" },
	{ "uid", vary_uid, "FDL", "" },
	{ "gid", vary_gid, "FDL", "" },
	{ "attributes", vary_xattr, "FDL", "" },
	{ "listed", vary_opaque, "D", "D" },
	{ "racy", vary_racy, "", "" },
	{ "links", vary_nlink, "", "" },
	/* Known only after reading, and then not to be compared. */
	{ "digest", vary_digest, "", "" },
	{ "link", vary_link, "", "" },
};

static void each_change_shows_where_it_should(void **state)
{
	for (size_t v = 0; v < sizeof(variations) / sizeof(variations[0]); v++) {
		for (unsigned type = ENTRY_ABSENT; type <= ENTRY_SPECIAL; type++) {
			struct entry old = entry_of((enum entry_type)type);
			struct entry now = old;
			char letter = "AFDLS"[type];
			bool stat = strchr(variations[v].stat, letter) != NULL;
			bool content = strchr(variations[v].content, letter) != NULL;

			assert_true(entry_same_stat(&old, &now));
			assert_true(entry_same_content_key(&old, &now));
			variations[v].apply(&now);
			if (entry_same_stat(&old, &now) == stat ||
			    entry_same_stat(&now, &old) == stat)
				fail_msg("stat: %s of %c", variations[v].name, letter);
			if (entry_same_content_key(&old, &now) == content ||
			    entry_same_content_key(&now, &old) == content)
				fail_msg("content: %s of %c", variations[v].name, letter);
		}
	}
}

static void another_type_is_always_a_change(void **state)
{
	for (unsigned a = ENTRY_ABSENT; a <= ENTRY_SPECIAL; a++) {
		for (unsigned b = ENTRY_ABSENT; b <= ENTRY_SPECIAL; b++) {
			struct entry first = entry_of((enum entry_type)a);
			struct entry second = entry_of((enum entry_type)b);

			assert_int_equal(entry_same_stat(&first, &second), a == b);
			assert_int_equal(entry_same_content_key(&first, &second), a == b);
		}
	}
}

static void names_are_words(void **state)
{
	assert_string_equal(side_name(SIDE_INITIATOR), "initiator");
	assert_string_equal(side_name(side_other(SIDE_INITIATOR)), "target");
	assert_string_equal(entry_type_name(ENTRY_ABSENT), "nothing");
	assert_string_equal(entry_type_name(ENTRY_FILE), "file");
	assert_string_equal(entry_type_name(ENTRY_DIR), "folder");
	assert_string_equal(entry_type_name(ENTRY_SYMLINK), "symlink");
	assert_string_equal(entry_type_name(ENTRY_SPECIAL), "special file");
}

/* Encoding ----------------------------------------------------------------- */

static void assert_entry_same(const struct entry *got, const struct entry *want)
{
	assert_int_equal(got->type, want->type);
	assert_int_equal(got->flags, want->flags);
	assert_int_equal(got->mode, want->mode);
	assert_int_equal(got->uid, want->uid);
	assert_int_equal(got->gid, want->gid);
	assert_int_equal(got->nlink, want->nlink);
	assert_true(got->ino == want->ino && got->size == want->size);
	assert_true(got->mtime_ns == want->mtime_ns && got->ctime_ns == want->ctime_ns);
	assert_true(got->xattr == want->xattr);
	assert_true(digest_same(&got->digest, &want->digest));
	assert_int_equal(got->link == NULL, want->link == NULL);
	if (want->link)
		assert_string_equal(got->link, want->link);
}

/* Decode all of it as one entry; whether it was taken. */
static bool decoded(const struct buf *bytes, struct arena *arena, struct entry *entry)
{
	struct dec dec;

	dec_init(&dec, bytes->data, bytes->len);
	entry_decode(&dec, arena, entry);
	return dec_done(&dec);
}

static void assert_round_trip(const struct entry *entry)
{
	AUTO(arena_release) struct arena arena = ARENA_INIT;
	AUTO_BUF bytes = BUF_INIT;
	struct entry got;

	entry_encode(&bytes, entry);
	assert_true(decoded(&bytes, &arena, &got));
	assert_entry_same(&got, entry);
	/* Anything less is refused, and reads as nothing. */
	while (bytes.len-- > 0) {
		static const struct entry nothing;

		assert_false(decoded(&bytes, &arena, &got));
		assert_entry_same(&got, &nothing);
	}
}

static void entries_come_back_as_they_were(void **state)
{
	static const struct digest none;
	struct entry file = file_entry();
	struct entry link = entry_of(ENTRY_SYMLINK);
	struct entry dir = entry_of(ENTRY_DIR);
	struct entry absent = { .type = ENTRY_ABSENT };

	assert_round_trip(&file);
	file.flags = 0;
	file.digest = none;
	assert_round_trip(&file);
	assert_round_trip(&link);
	link.link = "../over/there";
	assert_round_trip(&link);
	dir.flags = ENTRY_OPAQUE;
	dir.digest = none;
	assert_round_trip(&dir);
	dir.type = ENTRY_SPECIAL;
	assert_round_trip(&dir);
	assert_round_trip(&absent);
}

static void the_strangest_times_come_back(void **state)
{
	static const int64_t times[] = { INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX };

	for (size_t m = 0; m < 6; m++) {
		for (size_t c = 0; c < 6; c++) {
			struct entry file = file_entry();

			file.mtime_ns = times[m];
			file.ctime_ns = times[c];
			assert_round_trip(&file);
		}
	}
}

static void only_a_symlinks_target_is_written(void **state)
{
	AUTO_BUF with = BUF_INIT;
	AUTO_BUF without = BUF_INIT;
	struct entry file = file_entry();

	entry_encode(&without, &file);
	file.link = "not a symlink";
	entry_encode(&with, &file);
	assert_int_equal(with.len, without.len);
}

static void assert_refused(const struct entry *entry)
{
	AUTO(arena_release) struct arena arena = ARENA_INIT;
	AUTO_BUF bytes = BUF_INIT;
	struct entry got;

	entry_encode(&bytes, entry);
	assert_false(decoded(&bytes, &arena, &got));
	assert_int_equal(got.type, ENTRY_ABSENT);
}

static void nonsense_is_refused(void **state)
{
	struct entry entry = file_entry();

	entry.type = ENTRY_SPECIAL + 1;
	assert_refused(&entry);
	entry = file_entry();
	entry.flags |= 128;
	assert_refused(&entry);
	entry = file_entry();
	entry.mode = 010000;
	assert_refused(&entry);
	entry = entry_of(ENTRY_DIR);
	assert_refused(&entry);
	entry = entry_of(ENTRY_SPECIAL);
	assert_refused(&entry);
}

static void a_link_has_a_limit_and_no_nul(void **state)
{
	AUTO(arena_release) struct arena arena = ARENA_INIT;
	AUTO_FREE char *target = xcalloc(1, 65537);
	AUTO_BUF bytes = BUF_INIT;
	struct entry link = entry_of(ENTRY_SYMLINK);
	struct entry got;

	memset(target, 'x', 65535);
	link.link = target;
	entry_encode(&bytes, &link);
	assert_true(decoded(&bytes, &arena, &got));
	bytes.data[bytes.len - 1] = '\0';
	assert_false(decoded(&bytes, &arena, &got));
	target[65535] = 'x';
	assert_refused(&link);
}

static void what_follows_an_entry_is_not_its_own(void **state)
{
	AUTO(arena_release) struct arena arena = ARENA_INIT;
	AUTO_BUF bytes = BUF_INIT;
	struct entry file = file_entry();
	struct entry got;
	struct dec dec;

	entry_encode(&bytes, &file);
	entry_encode(&bytes, &file);
	assert_false(decoded(&bytes, &arena, &got));
	dec_init(&dec, bytes.data, bytes.len);
	entry_decode(&dec, &arena, &got);
	entry_decode(&dec, &arena, &got);
	assert_true(dec_done(&dec));
	assert_entry_same(&got, &file);
}

/* Bases -------------------------------------------------------------------- */

static void assert_base_round_trip(const struct base *base)
{
	AUTO(arena_release) struct arena arena = ARENA_INIT;
	AUTO_BUF bytes = BUF_INIT;
	struct base got;
	struct dec dec;

	base_encode(&bytes, base);
	dec_init(&dec, bytes.data, bytes.len);
	base_decode(&dec, &arena, &got);
	assert_true(dec_done(&dec));
	assert_int_equal(got.type, base->type);
	assert_true(digest_same(&got.digest, &base->digest));
	for (int s = 0; s < SIDES; s++)
		assert_entry_same(&got.side[s], &base->side[s]);
	while (bytes.len-- > 0) {
		dec_init(&dec, bytes.data, bytes.len);
		base_decode(&dec, &arena, &got);
		assert_true(dec.bad);
		assert_int_equal(got.type, ENTRY_ABSENT);
		assert_int_equal(got.side[0].type, ENTRY_ABSENT);
	}
}

static void bases_come_back_as_they_were(void **state)
{
	struct base base = {
		.type = ENTRY_FILE,
		.digest = file_entry().digest,
		.side = { file_entry(), file_entry() },
	};

	assert_base_round_trip(&base);
	base.side[1].digest.bytes[0]++;
	assert_base_round_trip(&base);
	memset(&base.digest, 0, sizeof(base.digest));
	assert_base_round_trip(&base);
	/* A digest that is zero is one nevertheless. */
	memset(&base.side[0].digest, 0, sizeof(base.side[0].digest));
	assert_base_round_trip(&base);
	memset(&base, 0, sizeof(base));
	assert_base_round_trip(&base);
	base.side[1] = file_entry();
	assert_base_round_trip(&base);
}

static void an_agreed_digest_is_written_once(void **state)
{
	AUTO_BUF shared = BUF_INIT;
	AUTO_BUF apart = BUF_INIT;
	struct base base = {
		.type = ENTRY_FILE,
		.digest = file_entry().digest,
		.side = { file_entry(), file_entry() },
	};

	base_encode(&shared, &base);
	base.digest.bytes[0]++;
	base_encode(&apart, &base);
	assert_int_equal(apart.len, shared.len + 2 * DIGEST_LEN);
}

static void a_base_keeps_no_link(void **state)
{
	AUTO(arena_release) struct arena arena = ARENA_INIT;
	AUTO_BUF bytes = BUF_INIT;
	struct base base = { .type = ENTRY_SYMLINK };
	struct base got;
	struct dec dec;

	base.side[0] = entry_of(ENTRY_SYMLINK);
	base.side[0].link = "target";
	base_encode(&bytes, &base);
	dec_init(&dec, bytes.data, bytes.len);
	base_decode(&dec, &arena, &got);
	assert_true(dec_done(&dec));
	assert_null(got.side[0].link);

	/* One that was smuggled in is refused. */
	buf_reset(&bytes);
	enc_u8(&bytes, ENTRY_SYMLINK);
	enc_u8(&bytes, 0);
	entry_encode(&bytes, &base.side[0]);
	entry_encode(&bytes, &base.side[1]);
	dec_init(&dec, bytes.data, bytes.len);
	base_decode(&dec, &arena, &got);
	assert_true(dec.bad);
}

static void a_base_with_unknown_marks_is_refused(void **state)
{
	AUTO(arena_release) struct arena arena = ARENA_INIT;
	AUTO_BUF bytes = BUF_INIT;
	struct base base = { .type = ENTRY_FILE };
	struct base got;
	struct dec dec;

	base_encode(&bytes, &base);
	for (unsigned value = 0; value < 256; value++) {
		/* Type first, then marks; both sides are absent, so none may share a digest. */
		bytes.data[0] = (unsigned char)value;
		dec_init(&dec, bytes.data, bytes.len);
		base_decode(&dec, &arena, &got);
		assert_int_equal(dec.bad, value > ENTRY_SPECIAL);
		bytes.data[0] = ENTRY_FILE;
		bytes.data[1] = (unsigned char)value;
		dec_init(&dec, bytes.data, bytes.len);
		base_decode(&dec, &arena, &got);
		assert_int_equal(dec.bad, value > 0);
		bytes.data[1] = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_change_shows_where_it_should),
		cmocka_unit_test(another_type_is_always_a_change),
		cmocka_unit_test(names_are_words),
		cmocka_unit_test(entries_come_back_as_they_were),
		cmocka_unit_test(the_strangest_times_come_back),
		cmocka_unit_test(only_a_symlinks_target_is_written),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(a_link_has_a_limit_and_no_nul),
		cmocka_unit_test(what_follows_an_entry_is_not_its_own),
		cmocka_unit_test(bases_come_back_as_they_were),
		cmocka_unit_test(an_agreed_digest_is_written_once),
		cmocka_unit_test(a_base_keeps_no_link),
		cmocka_unit_test(a_base_with_unknown_marks_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
