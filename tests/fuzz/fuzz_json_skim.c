/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The skimmer against jansson: what the skimmer accepts (and has mended)
 * jansson accepts too, but for its limits on numbers; and walking a checked
 * text visits all of it.
 */
#include "common/compat.h"

#include <jansson.h>

#include "common/json_skim.h"
#include "common/json_write.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static size_t
walk(const struct skim_val *v, unsigned int depth)
{
	struct skim_iter	 it;
	struct skim_val		 k, e;
	size_t			 n = 1;
	int64_t			 i;

	if (depth > SKIM_DEPTH_MAX)
		abort();
	skim_int(v, &i);
	if (v->kind == SKIM_STRING) {
		char		*buf = malloc(v->n);
		ssize_t		 len = skim_unescape(v, buf, v->n);
		struct dbuf	 b;

		if (len == -1 || !utf8_valid(buf, (size_t)len) ||
		    utf8_count(buf, (size_t)len) != skim_chars(v) ||
		    memchr(buf, 0, (size_t)len) != NULL)
			abort();
		dbuf_init(&b, 8 * v->n + 8);
		json_quote(&b, buf, (size_t)len);
		if (dbuf_err(&b) || skim_text(b.p, b.n, &e) != SKIM_OK)
			abort();
		dbuf_clear(&b);
		free(buf);
	}
	skim_iter_init(&it, v);
	while (skim_next(&it, &k, &e)) {
		if (e.kind == SKIM_ABSENT || e.n == 0 || e.p < v->p ||
		    e.p + e.n > v->p + v->n)
			abort();
		if (v->kind == SKIM_OBJECT && k.kind != SKIM_STRING)
			abort();
		n += walk(&e, depth + 1);
	}
	return n;
}

static size_t
count(json_t *j)
{
	size_t		 n = 1, i;
	json_t		*v;
	const char	*k;

	json_object_foreach(j, k, v)
		n += count(v);
	json_array_foreach(j, i, v)
		n += count(v);
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct skim_frame	 f;
	struct skim_val		 v;
	json_error_t		 e;
	json_t			*j;
	char			*p = malloc(size + 1);
	enum skim_err		 a, b;
	size_t			 n;

	memcpy(p, data, size);
	a = skim_text(p, size, &v);
	b = skim_frame(p, size, &f);
	if (a != b)
		abort();
	if (a == SKIM_OK) {
		n = walk(&v, 0);
		if (f.odd)
			skim_repair(p, size);
		if (skim_frame(p, size, &f) != SKIM_OK || f.odd)
			abort();
		j = json_loadb(p, size, JSON_DECODE_ANY |
		    JSON_REJECT_DUPLICATES, &e);
		if (j == NULL && json_error_code(&e) !=
		    json_error_numeric_overflow &&
		    json_error_code(&e) != json_error_duplicate_key &&
		    json_error_code(&e) != json_error_null_byte_in_key)
			abort();
		if (j != NULL && count(j) != n)
			abort();
		json_decref(j);
	} else if (a != SKIM_DEPTH && memchr(p, 0, size) == NULL &&
	    /* jansson ends at a NUL */
	    (j = json_loadb(p, size, JSON_DECODE_ANY, &e)) != NULL)
		abort();
	free(p);
	return 0;
}
