/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* First byte: size of the pieces of the second run; events must not differ. */

#include "common/compat.h"

#include "agentd/sse.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int
event_cb(const struct sse_event *ev, void *arg)
{
	uint64_t	*sum = arg;
	size_t		 i;

	if (ev->data.p[ev->data.n] != '\0')
		abort();
	for (i = 0; i < ev->data.n; i++)
		*sum = *sum * 31 + (uint8_t)ev->data.p[i];
	for (i = 0; i < ev->event.n; i++)
		*sum = *sum * 37 + (uint8_t)ev->event.p[i];
	for (i = 0; i < ev->id.n; i++)
		*sum = *sum * 41 + (uint8_t)ev->id.p[i];
	*sum = *sum * 43 + ev->retry_ms;
	return 0;
}

static uint64_t
run(const char *p, size_t n, size_t step)
{
	struct sse	s;
	uint64_t	sum = 17;
	size_t		i;
	int		r = 0;

	sse_init(&s, event_cb, &sum);
	for (i = 0; i < n && r == 0; i += step)
		r = sse_feed(&s, p + i, n - i < step ? n - i : step);
	if (r == 0)
		r = sse_finish(&s);
	sse_clear(&s);
	return sum * 2 + (r == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
	const char	*p = (const char *)in + 1;

	if (n-- == 0)
		return 0;
	if (run(p, n, n + 1) != run(p, n, in[0] + 1u))
		abort();
	return 0;
}
