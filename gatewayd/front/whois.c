/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * `tailscale serve` passes requests on from this host and writes into a header
 * who sent them.  Anybody on this host could write that; so gatewayd-whois is
 * asked, who runs only where the configuration believes such headers.  What it
 * does not confirm is as if it had not been said.
 */

#include "common/compat.h"

#include "common/log.h"
#include "gatewayd/front/front.h"

static struct link	*whois;

bool
whois_ask(struct conn *c, const struct http_head *h)
{
	struct m_wh_req	 m = { 0 };
	char		 address[ADDR_TEXT];

	/* Another request of this connection may be somebody else's. */
	c->whois = false;
	c->whois_asked = 0;
	if (whois == NULL || link_full(whois))
		return false;
	m.login = locality_tailnet(h, c->from.peer, address);
	if (m.login.n == 0)
		return false;
	m.conn = c->id;
	m.address = str_of(address);
	m.peer = str_of(c->from.peer);
	m.port = c->port;
	c->whois_asked = link_corr();
	if (send_wh_req(whois, &m, c->whois_asked, 0) == 0)
		return true;
	c->whois_asked = 0;
	return false;
}

static void
whois_judged(struct conn *c, bool same)
{
	c->whois_asked = 0;
	c->whois = same;
	if (c->state == CONN_API)
		api_whois(c);
	else if (c->state == CONN_CHALLENGED)
		stream_resume(c->s);
}

enum msg_err
whois_message(struct msg *m)
{
	struct m_wh_res	 v;
	struct conn	*c;
	enum msg_err	 err;

	if ((err = get_wh_res(m, &v)) != MSG_OK)
		return err;
	if ((c = conn_find(v.conn)) != NULL && c->whois_asked == m->h.corr)
		whois_judged(c, v.same != 0);
	return MSG_OK;
}

static void
whois_lost(struct conn *c)
{
	if (c->whois_asked != 0)
		whois_judged(c, false);
}

void
whois_peer(struct link *l)
{
	whois = l;
}

void
whois_peer_gone(void)
{
	whois = NULL;
	conn_each(whois_lost);
}
