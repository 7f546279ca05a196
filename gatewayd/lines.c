/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The supervisor's own lines: to standard error, and to the logger as soon as
 * there is one; and how much all the others should say.
 */
#include "common/compat.h"

#include <unistd.h>

#include "common/log.h"
#include "gatewayd/gatewayd.h"

#define EARLY_MAX	32

/* Said before the logger was there. */
static struct {
	enum log_level	 level;
	char		*text;
} early[EARLY_MAX];
static size_t	 nearly;

static int
lines_send(enum log_level level, const char *text)
{
	static bool		 busy;	/* a failed send must not log */
	struct proc		*p = proc_find(ROLE_LOG, "");
	struct m_log_line	 m;

	if (busy || p == NULL || p->ctl == NULL ||
	    p->state != PROC_ST_RUNNING || link_full(p->ctl))
		return -1;
	busy = true;
	memset(&m, 0, sizeof(m));
	m.level = (uint8_t)level;
	m.text = str_of(text);
	send_log_line(p->ctl, &m, 0, 0);
	busy = false;
	return 0;
}

static void
lines_sink(enum log_level level, const char *text)
{
	dprintf(STDERR_FILENO, "gatewayd: %s%s%s\n", level <= LOG_LEVEL_WARN ?
	    log_level_name(level) : "", level <= LOG_LEVEL_WARN ? ": " : "",
	    text);
	if (lines_send(level, text) == -1 && nearly < EARLY_MAX &&
	    (early[nearly].text = strdup(text)) != NULL)
		early[nearly++].level = level;
}

void
lines_init(void)
{
	log_setsink(lines_sink);
}

void
lines_ready(struct proc *p)
{
	struct m_proc_verbose	 v;
	const char		*want = parcel_get(conf_index(), "log.level");
	size_t			 i;

	memset(&v, 0, sizeof(v));
	v.level = (uint8_t)log_getlevel();
	for (i = v.level + 1; want != NULL && i < LOG_LEVEL_MAX; i++)
		if (strcmp(want, log_level_name((enum log_level)i)) == 0)
			v.level = (uint8_t)i;
	if (v.level > LOG_LEVEL_INFO && p->ctl != NULL)
		send_proc_verbose(p->ctl, &v, 0, 0);
	if (p->role != ROLE_LOG)
		return;
	for (i = 0; i < nearly; i++) {
		lines_send(early[i].level, early[i].text);
		free(early[i].text);
	}
	nearly = 0;
}
