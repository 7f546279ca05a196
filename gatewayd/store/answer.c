/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Parameters of, and answers to, the methods of clients that store serves. */
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

void
store_broken(struct link *l, uint64_t corr)
{
	store_refuse(l, corr, "UNAVAILABLE", "the gateway's store cannot be "
	    "used; see the log");
}

void
store_answer_buf(struct link *l, uint64_t corr, struct dbuf *b)
{
	if (db_failed() || dbuf_err(b))
		store_broken(l, corr);
	else
		store_answer(l, corr, (struct str){ b->p, b->n });
	dbuf_clear(b);
}

bool
ask_dispatch(const struct store_method *methods, size_t n, struct link *router,
    const struct m_rpc_req *q, uint64_t corr, uint64_t now)
{
	struct store_ask	 a = { router, corr, now, q->params,
				    q->scopes };
	size_t			 i;

	for (i = 0; i < n; i++)
		if (str_eqs(q->method, methods[i].name)) {
			db_failed();
			methods[i].run(&a);
			return true;
		}
	return false;
}

void
ask_refuse(const struct store_ask *a, const char *message)
{
	store_refuse(a->router, a->corr, "INVALID_REQUEST", message);
}

void
ask_answer(const struct store_ask *a, struct dbuf *b)
{
	store_answer_buf(a->router, a->corr, b);
}

void
store_tell(struct link *router, enum gw_event event, struct dbuf *b)
{
	struct m_st_event	 m;

	memset(&m, 0, sizeof(m));
	m.event = (uint8_t)event;
	m.payload = (struct str){ b->p, b->n };
	if (!dbuf_err(b) && b->n > 0)
		send_st_event(router, &m, 0, 0);
	dbuf_clear(b);
}

bool
store_param(struct str params, const char *name, struct skim_val *v)
{
	struct skim_val	 root;

	return skim_text(params.p, params.n, &root) == SKIM_OK &&
	    root.kind == SKIM_OBJECT && skim_get(&root, name, v);
}

void
store_param_text(struct str params, const char *name, char *buf, size_t size)
{
	struct skim_val	 v;

	buf[0] = '\0';
	if (store_param(params, name, &v) && v.kind == SKIM_STRING &&
	    skim_unescape(&v, buf, size) == -1)
		buf[0] = '\0';
}
