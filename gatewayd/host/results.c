/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/text.h"
#include "gatewayd/host/results.h"

#define PARCELS_MAX	512

static struct {
	enum role	 role;
	char		 instance[129];
	int		 fd;
} parcels[PARCELS_MAX];
static size_t		 nparcels;
static int		 texts[CF_TEXT_MAX];	/* descriptor + 1 */

int
results_add(enum role role, struct str instance, int fd)
{
	if (nparcels == PARCELS_MAX)
		return -1;
	parcels[nparcels].role = role;
	parcels[nparcels].fd = fd;
	str_copy(instance, parcels[nparcels].instance,
	    sizeof(parcels[nparcels].instance));
	nparcels++;
	return 0;
}

void
results_put(enum cf_text kind, int fd)
{
	if (texts[kind] > 0)
		close(texts[kind] - 1);
	texts[kind] = fd + 1;
}

int
results_parcel(enum role role, const char *instance)
{
	size_t	 i;
	int	 fd;

	for (i = 0; i < nparcels; i++) {
		if (parcels[i].role != role || parcels[i].fd == -1 ||
		    strcmp(parcels[i].instance, instance) != 0)
			continue;
		/* High, so that spawn's dup2s cannot run over it. */
		fd = fcntl(parcels[i].fd, F_DUPFD_CLOEXEC, 16);
		close(parcels[i].fd);
		parcels[i].fd = -1;
		return fd;
	}
	return -1;
}

int
results_text(enum cf_text kind)
{
	int	 fd = texts[kind] - 1;

	texts[kind] = 0;
	return fd;
}

void
results_clear(void)
{
	unsigned int	 i;

	while (nparcels > 0)
		if (parcels[--nparcels].fd != -1)
			close(parcels[nparcels].fd);
	for (i = 0; i < CF_TEXT_MAX; i++)
		results_put(i, -1);
}
