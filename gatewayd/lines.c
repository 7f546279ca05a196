/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The supervisor's own lines, and how much all the others should say. */
#include "common/compat.h"

#include "gatewayd/gatewayd.h"
#include "gatewayd/host/log_early.h"

int
lines_send(enum log_level level, const char *text)
{
	struct proc		*p = proc_find(ROLE_LOG, "");
	struct m_log_line	 m = { (uint8_t)level, str_of(text), 0 };

	return p == NULL || p->ctl == NULL || p->state != PROC_ST_RUNNING ||
	    link_full(p->ctl) ? -1 : send_log_line(p->ctl, &m, 0, 0);
}

void
lines_ready(struct proc *p)
{
	struct m_proc_verbose	 v = { (uint8_t)log_getlevel(), 0, 0 };
	const char		*want = parcel_get(conf_index(), "log.level");
	unsigned int		 i;

	for (i = v.level + 1u; want != NULL && i < LOG_LEVEL_MAX; i++)
		if (strcmp(want, log_level_name(i)) == 0)
			v.level = (uint8_t)i;
	if (v.level > LOG_LEVEL_INFO && p->ctl != NULL)
		send_proc_verbose(p->ctl, &v, 0, 0);
	if (p->role == ROLE_LOG)
		log_early_flush();
	else if (p->role == ROLE_ROUTER)
		configure_tell();
}
