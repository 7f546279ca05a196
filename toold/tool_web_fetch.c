/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Tool web_fetch: a page of the web as text.  The fetcher reads it; here its
 * words are marked as a stranger's, and what went wrong is put so that the
 * model and its user know what to do.
 */
#include "common/compat.h"

#include <stdarg.h>

#include "toold/external.h"
#include "toold/toold.h"

#define SOURCE	"Web Fetch"

struct fetch_state {
	struct fetchop		*op;
	enum fetch_form		 form;
	char			*url;
};

static const char *const	hows[] = { "raw", "json", "readability" };

static void
fetch_cleanup(struct call *c)
{
	struct fetch_state	*s = c->state;

	fetchop_forget(s->op);
	free(s->url);
	free(s);
}

/* Cleaned and masked first: what a removal joins together is still seen. */
static json_t *
marked(struct str text, bool notice)
{
	struct dbuf	 clean, out;
	json_t		*v;

	tresult_clean(text, &clean);
	dbuf_init(&out, clean.n + EXTERNAL_ROOM);
	external_wrap(&out, SOURCE, (struct str){ dbuf_str(&clean), clean.n },
	    notice);
	v = clean.err || dbuf_err(&out) ? NULL :
	    json_stringn_nocheck(dbuf_str(&out), out.n);
	dbuf_clear(&out);
	dbuf_clear(&clean);
	return v != NULL ? v : json_string("");
}

static json_t *
fetch_details(struct call *c, const struct m_ft_res *res)
{
	struct fetch_state	*s = c->state;
	char			 at[25];

	iso_time(res->fetched_at, at);
	return json_pack("{s:o, s:o, s:i, s:o, s:s, s:s, s:b, s:b, s:I, s:s, "
	    "s:I}", "url", tresult_string(str_of(s->url)), "finalUrl",
	    tresult_string(res->url), "status", (int)res->http, "contentType",
	    tresult_string(res->type), "extractMode", s->form ==
	    FETCH_MARKDOWN ? "markdown" : "text", "extractor",
	    hows[res->how], "truncated", (int)res->truncated, "cached",
	    (int)res->cached, "length", (json_int_t)res->length, "fetchedAt",
	    at, "tookMs", (json_int_t)(mono_ms() - c->start_ms));
}

static void
fetch_show(struct call *c, const struct m_ft_res *res)
{
	json_t	*details, *all;
	char	*text;
	size_t	 chars = utf8_count(res->text.p, res->text.n);
	char	 warning[256];

	if ((details = fetch_details(c, res)) == NULL ||
	    (all = json_copy(details)) == NULL) {
		json_decref(details);
		tcall_fail(c, "Out of memory.");
		return;
	}
	if (res->title.n > 0)
		json_object_set_new(all, "title", marked(res->title, false));
	if (res->reason.n > 0 || chars < res->length) {
		(void)snprintf(warning, sizeof(warning), "%s%s",
		    res->reason.p, res->reason.n > 0 ? " " : "");
		if (chars < res->length)
			(void)snprintf(warning + strlen(warning),
			    sizeof(warning) - strlen(warning), "These are the "
			    "first %zu of %u characters; a larger maxChars "
			    "(up to %u here) shows more.", chars, res->length,
			    c->t->policy.fetch_chars);
		json_object_set_new(all, "warning",
		    tresult_string(str_trim(str_of(warning))));
	}
	json_object_set_new(all, "text", marked(res->text, true));
	text = json_dumps(all, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	json_decref(all);
	if (text == NULL)
		json_decref(details);
	if (text == NULL)
		tcall_fail(c, "Out of memory.");
	else
		tcall_done_text(c, str_of(text), details);
	free(text);
}

/* The server answered, and said no: its own words may say why. */
static void
fetch_refused(struct call *c, const struct m_ft_res *res)
{
	struct dbuf	 text;
	json_t		*words;

	dbuf_init(&text, res->text.n * 3 + 8192);
	dbuf_printf(&text, "%s: the server answered HTTP %u.", res->url.p,
	    res->http);
	if (res->text.n > 0) {
		words = marked(res->text, true);
		dbuf_puts(&text, "\n\n");
		dbuf_put(&text, json_string_value(words),
		    json_string_length(words));
		json_decref(words);
	}
	tcall_fail_details(c, (struct str){ dbuf_str(&text), text.n },
	    json_pack("{s:i}", "httpStatus", (int)res->http));
	dbuf_clear(&text);
}

static void
fetch_cb(void *arg, const struct m_ft_res *res, const char *why)
{
	struct call		*c = arg;
	struct fetch_state	*s = c->state;
	const char		*url;

	s->op = NULL;
	if (res == NULL) {
		tcall_fail(c, "Could not fetch %.300s: %s.", s->url, why);
		return;
	}
	url = res->url.n > 0 ? res->url.p : s->url;
	switch ((enum fetch_status)res->status) {
	case FETCH_OK:
		fetch_show(c, res);
		return;
	case FETCH_HTTP:
		fetch_refused(c, res);
		return;
	case FETCH_POLICY:
		tcall_fail(c, "Did not fetch %.300s: %s. Pages are read from "
		    "public addresses only, on ports 80 and 443; the operator "
		    "can name an exception in tools.web.fetch.allowOrigins.",
		    url, res->reason.p);
		return;
	case FETCH_URL:
	case FETCH_REDIRECT:
		tcall_fail(c, "Did not fetch %.300s: %s.", url,
		    res->reason.p);
		return;
	case FETCH_TLS:
		tcall_fail(c, "Could not fetch %.300s: no secure connection: "
		    "%s.", url, res->reason.p);
		return;
	case FETCH_BUSY:
		tcall_fail(c, "Could not fetch %.300s: %s; try again in a "
		    "moment.", url, res->reason.p);
		return;
	case FETCH_CONNECT:
	case FETCH_TIMEOUT:
	case FETCH_PROTOCOL:
	case FETCH_TYPE:
	case FETCH_STATUS_MAX:
		break;
	}
	tcall_fail(c, "Could not fetch %.300s: %s.", url, res->reason.p);
}

void
tool_web_fetch(struct call *c)
{
	struct fetch_state	*s;
	struct str		 url = tools_arg_str(c->args, "url");
	const char		*why;
	int64_t			 chars, most = c->t->policy.fetch_chars;

	if ((s = calloc(1, sizeof(*s))) == NULL ||
	    (s->url = str_dup(url)) == NULL) {
		free(s);
		tcall_fail(c, "Out of memory.");
		return;
	}
	s->form = str_eqs(tools_arg_str(c->args, "extractMode"), "text") ?
	    FETCH_TEXT : FETCH_MARKDOWN;
	c->state = s;
	c->cleanup = fetch_cleanup;
	chars = tools_arg_int(c->args, "maxChars", most);
	if (chars > most)
		chars = most;
	if ((s->op = fetchop_start(c->t, s->url, s->form, (uint32_t)chars,
	    fetch_cb, c, &why)) == NULL)
		tcall_fail(c, "Could not fetch %.300s: %s.", s->url, why);
}
