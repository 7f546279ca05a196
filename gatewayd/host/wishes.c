/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <unistd.h>

#include "gatewayd/host/wishes.h"

#define WISHES_MAX	16

static struct wish	*first, **last = &first;
static unsigned int	 n;

int
wishes_add(uint64_t corr, uint8_t verb, int fd)
{
	struct wish	*w;

	if (n == WISHES_MAX || (w = calloc(1, sizeof(*w))) == NULL)
		return -1;
	w->corr = corr;
	w->verb = verb;
	w->fd = fd;
	*last = w;
	last = &w->next;
	n++;
	return 0;
}

struct wish *
wishes_first(void)
{
	return first;
}

void
wishes_done(void)
{
	struct wish	*w = first;

	if (w == NULL)
		return;
	if ((first = w->next) == NULL)
		last = &first;
	n--;
	close(w->fd);
	free(w);
}
