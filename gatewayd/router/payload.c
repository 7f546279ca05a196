/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Bytes that many sockets share.  One thread, so the count is a plain one. */
#include "common/compat.h"

#include "gatewayd/router/router.h"

struct payload *
rt_payload_new(size_t n)
{
	struct payload	*p;

	if (n > SIZE_MAX - sizeof(*p) - 1 ||
	    (p = malloc(sizeof(*p) + n + 1)) == NULL)
		return NULL;
	p->refs = 1;
	p->n = n;
	p->p[n] = '\0';
	return p;
}

struct payload *
rt_payload_of(const char *s, size_t n)
{
	struct payload	*p = rt_payload_new(n);

	if (p != NULL && n > 0)
		memcpy(p->p, s, n);
	return p;
}

struct payload *
rt_payload_ref(struct payload *p)
{
	p->refs++;
	return p;
}

void
rt_payload_unref(struct payload *p)
{
	if (p != NULL && --p->refs == 0)
		free(p);
}
