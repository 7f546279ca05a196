/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* A provider's answer: fed whole and byte by byte it means the same, and ends
 * exactly once. */
#include "common/compat.h"

#include "agentd/provider.h"

#ifndef FUZZ_API
#define FUZZ_API	"anthropic-messages"
#endif

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct seen {
	json_t	*message;
	int	 ends;
};

static void
on_event(const struct pstream_event *ev, void *arg)
{
	struct seen	*s = arg;

	if (ev->type != PS_DONE && ev->type != PS_ERROR)
		return;
	s->ends++;
	s->message = json_incref(ev->message);
}

static void
play(const char *p, size_t n, size_t step, struct seen *s)
{
	static const struct provider_model m = { .provider = "p",
	    .api = FUZZ_API, .id = "m", .base_url = "" };
	const struct provider	*api = provider_find(FUZZ_API, "m");
	struct pstream		*ps = pstream_new(&m, 1, on_event, s);
	void			*parser;
	size_t			 at, k;
	bool			 json = n > 0 && p[0] == '{';

	parser = api->parser_new(&m, str_of(json ?
	    "content-type: application/json\n" : ""), ps);
	for (at = 0; at < n; at += k) {
		k = step == 0 || step > n - at ? n - at : step;
		api->feed(parser, p + at, k);
	}
	api->finish(parser);
	if (!pstream_ended(ps) || s->ends != 1)
		abort();
	api->parser_free(parser);
	pstream_free(ps);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen		 a = { NULL, 0 }, b = { NULL, 0 };
	struct provider_error	 err;
	const char		*p = (const char *)data;

	play(p, size, 0, &a);
	play(p, size, 1, &b);
	if (!json_equal(a.message, b.message))
		abort();
	json_decref(a.message);
	json_decref(b.message);
	memset(&err, 0, sizeof(err));
	provider_find(FUZZ_API, "m")->classify(size > 0 ? 300 + data[0] : 500,
	    (struct str){ p, size }, (struct str){ p, size }, &err);
	if (err.class == PROVIDER_OK || !utf8_valid(err.message,
	    strlen(err.message)))
		abort();
	return 0;
}
