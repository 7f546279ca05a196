/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <unistd.h>

#include "gatewayd/host/log_early.h"

#define EARLY_MAX	32

static struct {
	enum log_level	 level;
	char		*text;
} early[EARLY_MAX];
static size_t		 nearly;
static const char	*early_name;
static int		(*early_send)(enum log_level, const char *);

static int
early_pass(enum log_level level, const char *text)
{
	static bool	 busy;	/* a failed send must not log */
	int		 r;

	if (busy)
		return -1;
	busy = true;
	r = early_send(level, text);
	busy = false;
	return r;
}

static void
early_sink(enum log_level level, const char *text)
{
	bool	 bad = level <= LOG_LEVEL_WARN;

	dprintf(STDERR_FILENO, "%s: %s%s%s\n", early_name,
	    bad ? log_level_name(level) : "", bad ? ": " : "", text);
	if (early_pass(level, text) == -1 && nearly < EARLY_MAX &&
	    (early[nearly].text = strdup(text)) != NULL)
		early[nearly++].level = level;
}

void
log_early_init(const char *procname, int (*send)(enum log_level, const char *))
{
	early_name = procname;
	early_send = send;
	log_init(procname);
	log_setsink(early_sink);
}

void
log_early_flush(void)
{
	size_t	 i;

	for (i = 0; i < nearly; i++) {
		early_pass(early[i].level, early[i].text);
		free(early[i].text);
	}
	nearly = 0;
}
