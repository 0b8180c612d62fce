/* SPDX-License-Identifier: BSD-2-Clause */
#include "alert/mime.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/text.h"

enum {
	LINE_MAX_QP = 76,  /* RFC 2045, with the "=" of a soft break */
	WORD_MAX = 75,	   /* RFC 2047, of an encoded word */
	SUBJECT_MAX = 200, /* bytes; a longer one is cut */
};

#define WORD_BEGIN "=?UTF-8?Q?"
#define WORD_END   "?="

/* Quoted-printable ---------------------------------------------------------------- */

/* How a byte of a line is written: as it is, or as =XX. `first` of a line, `last` before its end. */
static bool is_plain(unsigned char c, bool first, bool last)
{
	if (c == '=' || c > 0x7e || (c < 0x20 && c != '\t'))
		return false;
	if (last && (c == ' ' || c == '\t'))
		return false;
	/* A dot alone ends SMTP's data, "From " begins another mail in a mailbox. */
	return !(first && (c == '.' || c == 'F'));
}

static void add_byte(struct buf *out, unsigned char c, bool plain)
{
	if (plain)
		buf_addch(out, c);
	else
		buf_addf(out, "=%02X", c);
}

/* One line without its end. */
static void add_qp_line(struct buf *out, const unsigned char *line, size_t len)
{
	size_t column = 0;

	for (size_t i = 0; i < len; i++) {
		bool plain = is_plain(line[i], column == 0, i + 1 == len);
		size_t width = plain ? 1 : 3;

		if (column + width > LINE_MAX_QP - 1) {
			buf_addstr(out, "=\n");
			column = 0;
			plain = is_plain(line[i], true, i + 1 == len);
			width = plain ? 1 : 3;
		}
		add_byte(out, line[i], plain);
		column += width;
	}
	buf_addch(out, '\n');
}

static void add_qp(struct buf *out, const void *text, size_t len)
{
	const unsigned char *pos = text;
	const unsigned char *end = pos + len;

	while (pos < end) {
		const unsigned char *eol = memchr(pos, '\n', (size_t)(end - pos));

		if (!eol)
			eol = end;
		add_qp_line(out, pos, (size_t)(eol - pos));
		pos = eol < end ? eol + 1 : end;
	}
}

/* Headers ------------------------------------------------------------------------- */

static bool is_word_byte(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!*+-/.,:", c));
}

static void add_word_byte(struct buf *out, unsigned char c)
{
	if (c == ' ')
		buf_addch(out, '_');
	else
		add_byte(out, c, is_word_byte(c));
}

static size_t encoded_len(const char *text, size_t len)
{
	size_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += is_word_byte((unsigned char)text[i]) || text[i] == ' ' ? 1 : 3;
	return sum;
}

/* Characters are not divided among encoded words, which stand a line each. */
static void add_encoded(struct buf *out, const char *text, size_t len)
{
	size_t column = strlen("Subject: " WORD_BEGIN);

	buf_addstr(out, WORD_BEGIN);
	while (len > 0) {
		size_t seq = text_utf8_len(text, len);
		size_t step = seq ? seq : 1;
		size_t width = encoded_len(text, step);

		if (column + width + strlen(WORD_END) > WORD_MAX) {
			buf_addstr(out, WORD_END "\n " WORD_BEGIN);
			column = strlen(" " WORD_BEGIN);
		}
		for (size_t i = 0; i < step; i++)
			add_word_byte(out, (unsigned char)text[i]);
		column += width;
		text += step;
		len -= step;
	}
	buf_addstr(out, WORD_END);
}

/* Whether the bytes mean themselves in a header. */
static bool is_ascii(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return !strstr(text, "=?");
}

static void add_subject(struct buf *out, const char *text)
{
	size_t len = strnlen(text, SUBJECT_MAX);

	/* Not in the middle of a character. */
	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	buf_addstr(out, "Subject: ");
	if (is_ascii(text, len))
		buf_add(out, text, len);
	else
		add_encoded(out, text, len);
	buf_addch(out, '\n');
}

static void add_date(struct buf *out, int64_t time_s)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t when = (time_t)time_s;
	struct tm tm = { 0 };
	char zone[16] = "+0000";

	if (!localtime_r(&when, &tm))
		return;
	if (strftime(zone, sizeof(zone), "%z", &tm) == 0)
		snprintf(zone, sizeof(zone), "+0000");
	buf_addf(out, "Date: %s, %d %s %d %02d:%02d:%02d %s\n", days[tm.tm_wday], tm.tm_mday,
		 months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec, zone);
}

static void add_headers(struct buf *out, const struct mime_mail *mail)
{
	buf_addf(out, "From: %s\n", mail->sender);
	for (size_t i = 0; mail->recipients[i]; i++)
		buf_addf(out, "%s%s", i ? ",\n " : "To: ", mail->recipients[i]);
	buf_addch(out, '\n');
	add_subject(out, mail->subject);
	add_date(out, mail->time_s);
	buf_addf(out, "Message-ID: <osync.%016" PRIx64 "@%s>\n", mail->token, mail->host);
	/* Nobody's absence is to be answered to us. */
	buf_addstr(out, "Auto-Submitted: auto-generated\n"
			"MIME-Version: 1.0\n");
}

/* Parts --------------------------------------------------------------------------- */

static void add_text_part(struct buf *out, const struct mime_mail *mail)
{
	buf_addstr(out, "Content-Type: text/plain; charset=UTF-8\n"
			"Content-Transfer-Encoding: quoted-printable\n\n");
	add_qp(out, mail->text, strlen(mail->text));
}

void mime_compose(struct buf *out, const struct mime_mail *mail)
{
	char boundary[40];

	add_headers(out, mail);
	if (mail->log_len == 0) {
		add_text_part(out, mail);
		return;
	}
	/* No quoted-printable line begins with "--=_": the '=' would be followed by two digits. */
	snprintf(boundary, sizeof(boundary), "=_osync_%016" PRIx64, mail->token);
	buf_addf(out, "Content-Type: multipart/mixed; boundary=\"%s\"\n\n--%s\n", boundary,
		 boundary);
	add_text_part(out, mail);
	buf_addf(out,
		 "\n--%s\n"
		 "Content-Type: text/plain; charset=UTF-8\n"
		 "Content-Disposition: attachment; filename=\"%s\"\n"
		 "Content-Transfer-Encoding: quoted-printable\n\n",
		 boundary, mail->log_name);
	add_qp(out, mail->log, mail->log_len);
	buf_addf(out, "\n--%s--\n", boundary);
}

void mime_to_wire(struct buf *out, const void *message, size_t len)
{
	const char *text = message;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n')
			buf_addch(out, '\r');
		buf_addch(out, text[i]);
	}
}
