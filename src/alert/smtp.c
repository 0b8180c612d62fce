/* SPDX-License-Identifier: BSD-2-Clause */
#include "alert/smtp.h"

#include <assert.h>
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "config/mail.h"

/* What is used of libcurl. */
struct curl_calls {
	void *library;
	CURL *(*init)(void);
	CURLcode (*setopt)(CURL *, CURLoption, ...);
	CURLcode (*perform)(CURL *);
	void (*cleanup)(CURL *);
	const char *(*describe)(CURLcode);
	struct curl_slist *(*append)(struct curl_slist *, const char *);
	void (*free_all)(struct curl_slist *);
};

struct upload {
	const char *data;
	size_t len;
	size_t done;
};

/* One exchange with a server. */
struct delivery {
	struct curl_calls calls;
	CURL *curl;
	char why[CURL_ERROR_SIZE];
};

static int take_symbol(void *library, const char *name, void *function)
{
	void *symbol = dlsym(library, name);

	/* ISO C knows no way from an object to a function. */
	memcpy(function, &symbol, sizeof(symbol));
	return symbol ? 0 : -1;
}

static bool load_library(struct curl_calls *calls)
{
	calls->library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
	return calls->library && take_symbol(calls->library, "curl_easy_init", &calls->init) == 0 &&
	       take_symbol(calls->library, "curl_easy_setopt", &calls->setopt) == 0 &&
	       take_symbol(calls->library, "curl_easy_perform", &calls->perform) == 0 &&
	       take_symbol(calls->library, "curl_easy_cleanup", &calls->cleanup) == 0 &&
	       take_symbol(calls->library, "curl_easy_strerror", &calls->describe) == 0 &&
	       take_symbol(calls->library, "curl_slist_append", &calls->append) == 0 &&
	       take_symbol(calls->library, "curl_slist_free_all", &calls->free_all) == 0;
}

static void delivery_end(struct delivery *delivery)
{
	if (delivery->curl)
		delivery->calls.cleanup(delivery->curl);
	/* It stays loaded: a name that is still being looked up has a thread in it. */
}

static size_t give(char *out, size_t size, size_t count, void *context)
{
	struct upload *upload = context;
	size_t left = upload->len - upload->done;
	size_t step = size * count < left ? size * count : left;

	memcpy(out, upload->data + upload->done, step);
	upload->done += step;
	return step;
}

static void set_login(struct delivery *delivery, const struct mail_config *mail)
{
	CURLcode (*set)(CURL *, CURLoption, ...) = delivery->calls.setopt;
	CURL *curl = delivery->curl;

	/* Never less than was asked for: a server without STARTTLS is an error. */
	if (mail->encryption == MAIL_STARTTLS)
		set(curl, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
	if (mail->ca_file)
		set(curl, CURLOPT_CAINFO, mail->ca_file);
	if (mail->user)
		set(curl, CURLOPT_USERNAME, mail->user);
	if (mail->user && mail->password)
		set(curl, CURLOPT_PASSWORD, mail->password);
}

static int delivery_begin(struct delivery *delivery, const struct mail_config *mail,
			  const char *sender, struct err *err)
{
	AUTO_FREE char *from = xasprintf("<%s>", sender);

	if (!load_library(&delivery->calls)) {
		err_set(err, ERR_SYSTEM, "mail by SMTP needs libcurl (the package libcurl4): %s",
			dlerror());
		return -1;
	}
	assert(delivery->calls.init && delivery->calls.setopt && delivery->calls.append &&
	       delivery->calls.free_all);
	CURLcode (*set)(CURL *, CURLoption, ...) = delivery->calls.setopt;
	CURL *curl = delivery->curl = delivery->calls.init();

	if (!curl)
		return err_set(err, ERR_SYSTEM, "libcurl does not start");
	set(curl, CURLOPT_ERRORBUFFER, delivery->why);
	set(curl, CURLOPT_URL, mail->url);
	set(curl, CURLOPT_MAIL_FROM, from);
	set(curl, CURLOPT_UPLOAD, 1L);
	set(curl, CURLOPT_READFUNCTION, give);
	set(curl, CURLOPT_NOSIGNAL, 1L);
	set(curl, CURLOPT_NOPROGRESS, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* Do not wait for a name server when the time is over. */
	set(curl, CURLOPT_QUICK_EXIT, 1L);
#endif
	set_login(delivery, mail);
	return 0;
}

/* To one recipient. */
static int deliver(struct delivery *delivery, const char *recipient, const void *message,
		   size_t len, int64_t deadline_ms, struct err *err)
{
	CURLcode (*set)(CURL *, CURLoption, ...) = delivery->calls.setopt;
	struct upload upload = { message, len, 0 };
	AUTO_FREE char *address = xasprintf("<%s>", recipient);
	struct curl_slist *list = delivery->calls.append(NULL, address);
	int64_t left_ms = deadline_ms - clock_monotonic_ms();
	CURLcode code = CURLE_OPERATION_TIMEDOUT;

	delivery->why[0] = '\0';
	set(delivery->curl, CURLOPT_MAIL_RCPT, list);
	set(delivery->curl, CURLOPT_READDATA, &upload);
	set(delivery->curl, CURLOPT_TIMEOUT_MS, (long)left_ms);
	if (left_ms > 0)
		code = delivery->calls.perform(delivery->curl);
	set(delivery->curl, CURLOPT_MAIL_RCPT, NULL);
	delivery->calls.free_all(list);
	if (code == CURLE_OK)
		return 0;
	return err_set(err, ERR_SYSTEM, "%s: %s", recipient,
		       delivery->why[0] ? delivery->why : delivery->calls.describe(code));
}

size_t smtp_send(const struct mail_config *mail, const char *sender, const void *message,
		 size_t len, int64_t deadline_ms, struct err *err)
{
	struct delivery delivery = { .curl = NULL };
	size_t sent = 0;

	if (delivery_begin(&delivery, mail, sender, err) == 0)
		for (size_t i = 0; mail->recipients[i]; i++) {
			struct err why = ERR_INIT;

			if (deliver(&delivery, mail->recipients[i], message, len, deadline_ms,
				    &why) == 0) {
				sent++;
				continue;
			}
			log_info("mail by %s: %s", mail->url, why.msg);
			if (err && !err_is_set(err))
				*err = why;
		}
	delivery_end(&delivery);
	return sent;
}
