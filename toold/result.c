/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Results as models get them: {content, details, isError}.  Every text that
 * came from outside goes through tresult_string, so that none can forget to
 * be made valid and to lose what looks like a credential (TL-3).
 */
#include "common/compat.h"

#include "common/redact.h"
#include "toold/toold.h"

static bool	 masking = true;

void
tresult_mask(bool on)
{
	masking = on;
}

void
tresult_clean(struct str s, struct dbuf *out)
{
	struct text_clean	 c;
	struct dbuf		 masked;

	text_clean_init(&c, false);
	/* Each bad byte may become three. */
	dbuf_init(out, 3 * s.n + 4);
	text_clean_put(&c, s.p, s.n, out);
	text_clean_end(&c, out);
	if (!masking)
		return;
	/* A mask is at most three times what it stands for. */
	dbuf_init(&masked, 3 * out->n + 64);
	redact_text((struct str){dbuf_str(out), out->n}, REDACT_MODEL,
	    &masked);
	masked.err |= out->err;
	dbuf_clear(out);
	*out = masked;
}

json_t *
tresult_string(struct str s)
{
	struct dbuf	 out;
	json_t		*v;

	if (s.n == 0)
		return json_string("");
	tresult_clean(s, &out);
	v = dbuf_err(&out) ? NULL : json_stringn_nocheck(dbuf_str(&out),
	    out.n);
	dbuf_clear(&out);
	return v != NULL ? v : json_string("");
}

json_t *
tresult_text(struct str text, json_t *details, bool is_error)
{
	return json_pack("{s:[{s:s, s:o}], s:o, s:b}", "content", "type",
	    "text", "text", tresult_string(text), "details",
	    details != NULL ? details : json_object(), "isError", is_error);
}

json_t *
tresult_json(json_t *value, bool is_error)
{
	json_t	*res;
	char	*text;

	text = json_dumps(value, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	res = tresult_text(str_of(text), value, is_error);
	free(text);
	return res;
}

json_t *
tresult_image(const char *mime, struct str bytes, json_t *details)
{
	json_t	*res = NULL, *data;
	char	*b64, note[128];

	if ((b64 = malloc(BASE64_LEN(bytes.n) + 1)) == NULL)
		goto out;
	base64_encode(bytes.p, bytes.n, b64);
	data = json_string_nocheck(b64);
	free(b64);
	snprintf(note, sizeof(note), "Image of type %s, %zu bytes.", mime,
	    bytes.n);
	res = json_pack("{s:[{s:s, s:s}, {s:s, s:o, s:s}], s:O, s:b}",
	    "content", "type", "text", "text", note, "type", "image", "data",
	    data, "mimeType", mime, "details", details, "isError", 0);
out:
	json_decref(details);
	return res;
}

void
tresult_prepend(json_t *result, struct str text)
{
	struct dbuf	 all;
	json_t		*block, *old;

	block = json_array_get(json_object_get(result, "content"), 0);
	old = json_object_get(block, "text");
	if (!json_is_string(old) || text.n == 0)
		return;
	dbuf_init(&all, text.n + json_string_length(old) + 2);
	dbuf_put(&all, text.p, text.n);
	dbuf_put(&all, json_string_value(old), json_string_length(old));
	if (!dbuf_err(&all))
		json_object_set_new(block, "text", tresult_string(
		    (struct str){dbuf_str(&all), all.n}));
	dbuf_clear(&all);
}
