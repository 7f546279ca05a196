/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * gatewayd-whois: says whether a request is from whom `tailscale serve` says
 * it is.  It is, when the connection that it came by is held by the user that
 * tailscaled runs as, and tailscaled says that the address has that name.  It
 * runs only where such names are believed; it sees the socket of tailscaled and
 * no other file, can make no connection but that one, and holds no secret.
 */
#include "common/compat.h"

#include <arpa/inet.h>

#include <errno.h>

#include "common/log.h"
#include "common/worker.h"
#include "gatewayd/whois/whois.h"

#define PENDING_MAX	32
#define ANSWER_MS	5000
#define FRESH_MS	120000	/* not again before */
#define SAY_MS		5000	/* one refusal is told in that time */

struct question {
	struct link	*front;
	uint64_t	 conn, corr;
	char		 address[65], login[LOGIN_MAX];
};

static struct link	*front;
static unsigned int	 pending;
static uint64_t		 started_ms;
static unsigned long long confirmed, refused;

static int
whois_configure(const struct parcel *p, bool reload, char *why, size_t size)
{
	(void)reload;
	if (p != NULL && parcel_get(p, "socket") != NULL &&
	    parcel_get_num(p, 0, 1, 65535, "gateway.port") != 0)
		return 0;
	(void)strlcpy(why, "no socket of tailscaled, or no port", size);
	return -1;
}

/* The name is text from outside: what was said of it is not repeated. */
static void
say(const struct question *q, const char *why)
{
	static uint64_t	 since;
	uint64_t	 now = mono_ms();

	refused++;
	if (since != 0 && now - since < SAY_MS)
		return;
	since = now;
	log_info("whois: %s: a Tailscale identity does not count: %s",
	    q->address, why);
}

static void
answer(struct link *l, uint64_t conn, uint64_t corr, bool same)
{
	struct m_wh_res	 m = { .conn = conn, .same = same };

	if (send_wh_res(l, &m, corr, MSG_F_REPLY) == -1)
		log_warn("whois: answer");
}

static void
told_cb(const char *login, const char *why, void *arg)
{
	struct question	*q = arg;
	bool		 same = login != NULL &&
			    login_same(str_of(login), str_of(q->login));

	pending--;
	if (same)
		confirmed++;
	else
		say(q, login != NULL ? "tailscaled gives the address another "
		    "name" : why);
	if (q->front == front)
		answer(front, q->conn, q->corr, same);
	free(q);
}

/*
 * The socket is in our root as the file that it was when we started.  A
 * tailscaled that was started later has another one, which only a new process
 * sees.
 */
static void
look_again(void)
{
	if (mono_ms() - started_ms < (uint64_t)parcel_get_num(worker_parcel(),
	    FRESH_MS, 0, UINT32_MAX, "limit.fresh_ms"))
		return;
	log_info("whois: starting again to find the socket of tailscaled");
	worker_exit(1);
}

/* NULL when tailscaled is being asked, else why not. */
static const char *
begin(struct question *q, const struct m_wh_req *v)
{
	static char		 text[128];
	const struct parcel	*p = worker_parcel();
	const char		*why;
	struct in6_addr		 in;
	struct ask		*a;
	uid_t			 theirs, peers;
	uint16_t		 port;

	port = (uint16_t)parcel_get_num(p, 0, 1, 65535, "gateway.port");
	if (inet_pton(AF_INET, q->address, &in) != 1 &&
	    inet_pton(AF_INET6, q->address, &in) != 1)
		return "it is for no address";
	if (owner_of(v->peer, v->port, port, &peers, &why) == -1)
		return why;
	if ((a = ask_new(worker_base(), parcel_get(p, "socket"),
	    &theirs)) == NULL) {
		(void)snprintf(text, sizeof(text), "tailscaled cannot be "
		    "reached at gateway.tailscale.socket: %s",
		    strerrordesc_np(errno));
		if (errno == ENOENT || errno == ECONNREFUSED)
			look_again();
		return text;
	}
	if (theirs == UID_UNKNOWN || peers == UID_UNKNOWN)
		why = "whose its connection is cannot be told where the "
		    "gateway was not started by root or by the user of "
		    "tailscaled";
	else if (theirs != peers)
		why = "its connection is not one of tailscaled";
	else if (ask_start(a, q->address, (uint32_t)parcel_get_num(p,
	    ANSWER_MS, 1, UINT32_MAX, "limit.answer_ms"), told_cb, q) == -1)
		why = "out of memory";
	else
		return NULL;
	ask_free(a);
	return why;
}

static enum msg_err
whois_message(struct link *l, struct msg *m)
{
	struct m_wh_req	 v;
	struct question	*q;
	const char	*why;
	enum msg_err	 err;

	if ((err = get_wh_req(m, &v)) != MSG_OK)
		return err;
	if (pending >= PENDING_MAX || (q = calloc(1, sizeof(*q))) == NULL) {
		answer(l, v.conn, m->h.corr, false);
		return MSG_OK;
	}
	q->front = l;
	q->conn = v.conn;
	q->corr = m->h.corr;
	(void)str_copy(v.address, q->address, sizeof(q->address));
	(void)str_copy(v.login, q->login, sizeof(q->login));
	if ((why = begin(q, &v)) == NULL) {
		pending++;
		return MSG_OK;
	}
	say(q, why);
	answer(l, q->conn, q->corr, false);
	free(q);
	return MSG_OK;
}

static void
whois_peer(struct link *l)
{
	if (link_peer(l) == ROLE_FRONT)
		front = l;
}

static void
whois_peer_gone(struct link *l)
{
	if (l == front)
		front = NULL;
}

static void
whois_start(void)
{
	started_ms = mono_ms();
}

static void
whois_stat(struct m_proc_stat_res *res, char *detail, size_t size)
{
	(void)res;
	(void)snprintf(detail, size, "%llu confirmed, %llu refused, %u pending",
	    confirmed, refused, pending);
}

static const struct worker whois = {
	WORKER_ROLE(WHOIS),
	.configure = whois_configure,
	.start = whois_start,
	.peer = whois_peer,
	.peer_gone = whois_peer_gone,
	.message = whois_message,
	.stat = whois_stat,
};

int
main(int argc, char *argv[])
{
	return worker_main(argc, argv, &whois);
}
