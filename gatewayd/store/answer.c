/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Answers to the methods of clients that store serves. */
#include "common/compat.h"

#include "gatewayd/store/store.h"

void
store_answer(struct link *l, uint64_t corr, struct str json)
{
	struct m_rpc_res	 m;

	memset(&m, 0, sizeof(m));
	m.ok = 1;
	m.result = json;
	send_rpc_res(l, &m, corr, MSG_F_REPLY);
}

void
store_refuse(struct link *l, uint64_t corr, const char *code,
    const char *message)
{
	struct m_rpc_res	 m;

	memset(&m, 0, sizeof(m));
	m.code = str_of(code);
	m.message = str_of(message);
	send_rpc_res(l, &m, corr, MSG_F_REPLY);
}
