/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * A change of a configuration.  The input is the method (one byte), the file
 * up to a NUL, and the text that a client sends.  What is accepted is a
 * configuration that starts, means the merge of both, and has no placeholder
 * for a secret in it; no answer has the secret of the environment in it.
 */

#include "common/compat.h"

#include <errno.h>
#include <unistd.h>

#include "gatewayd/config/edit.h"
#include "gatewayd/config/write.h"

#define CANARY	"CANARY-of-the-environment"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct parcel	*env;

static int
file_cb(void *arg, const char *path, char **text, size_t *n)
{
	return ENOENT;
}

static int
parcel_cb(void *arg, enum role role, const char *instance,
    struct parcel_writer *pw)
{
	int	 fd = parcel_writer_seal(pw);

	if (fd == -1)
		return -1;
	close(fd);
	return 0;
}

static void
prepare(struct cf *cf)
{
	memset(cf, 0, sizeof(*cf));
	cf->path = "/cfg/openclaw.json";
	cf->state_dir = "/state";
	cf->flags = CF_ALLOW_UNCONFIGURED;
	cf->env = env;
	cf->read_file = file_cb;
	cf->put_parcel = parcel_cb;
}

/* What was asked for is what the text says, its stamp apart. */
static void
check_merge(const struct cf *cf, const char *raw, size_t n,
    const struct dbuf *text)
{
	struct json5_pool	*pool = json5_pool_new(64u << 20);
	struct json5_error	 err;
	struct json5		*patch, *now, *want;
	struct dbuf		 path;

	patch = json5_parse(pool, 0, raw, n, &err);
	now = json5_parse(pool, 0, dbuf_str(text), text->n, &err);
	if (patch == NULL || now == NULL ||
	    (want = edit_merge(pool, cf->parsed, patch)) == NULL)
		abort();
	json5_remove(now, "meta");
	json5_remove(want, "meta");
	dbuf_init(&path, 65536);
	if (memmem(raw, n, CF_REDACTED, sizeof(CF_REDACTED) - 1) == NULL &&
	    memmem(raw, n, CANARY, sizeof(CANARY) - 1) == NULL &&
	    memchr(raw, '$', n) == NULL && memchr(raw, '\\', n) == NULL &&
	    memchr(cf->raw, '$', cf->rawlen) == NULL &&
	    !edit_same(want, now, &path))
		abort();
	dbuf_clear(&path);
	json5_pool_free(pool);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cf	 cf, fresh;
	struct cf_verdict	 v;
	struct cf_wish		 wish;
	struct parcel_writer	*pw;
	struct dbuf		 params;
	const char		*file, *raw;
	size_t			 n, raw_n;

	if (size < 2 || (raw = memchr(data + 1, '\0', size - 1)) == NULL)
		return 0;
	if (env == NULL) {
		if ((pw = parcel_writer_new()) == NULL)
			return 0;
		parcel_puts(pw, CANARY, "OPENCLAW_GATEWAY_TOKEN");
		parcel_puts(pw, "/home/u", "HOME");
		parcel_puts(pw, "x", "X");
		env = parcel_open(parcel_writer_seal(pw));
	}
	file = (const char *)data + 1;
	n = (size_t)(raw - file);
	raw++;
	raw_n = size - n - 2;
	prepare(&cf);
	prepare(&fresh);
	cf_run(&cf, file, n);
	memset(&wish, 0, sizeof(wish));
	wish.verb = data[0] % CF_VERB_MAX;
	wish.now_ms = 1700000000000;
	wish.pid = 1;
	dbuf_init(&params, 8u << 20);
	dbuf_puts(&params, "{\"raw\":");
	json5_write_str(&params, (struct str){ raw, raw_n });
	dbuf_printf(&params, ",\"baseHash\":\"%s\"}", cf.hash);
	wish.params = dbuf_str(&params);
	wish.n = params.n;
	cf_verdict_init(&v);
	if (cf_write(&cf, &fresh, &wish, &v) == 0) {
		if (fresh.nerrors > 0 || v.text.n == 0 ||
		    json5_get(fresh.root, "meta") == NULL)
			abort();
		if (wish.verb == CF_PATCH || wish.verb == CF_EDIT)
			check_merge(&cf, raw, raw_n, &v.text);
	}
	if (v.answer.n == 0 || memmem(v.answer.p, v.answer.n, CANARY,
	    sizeof(CANARY) - 1) != NULL)
		abort();
	cf_verdict_clear(&v);
	dbuf_clear(&params);
	cf_free(&cf);
	cf_free(&fresh);
	return 0;
}
