/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Everybody on this host can connect to the gateway and write any header.  The
 * kernel says whose the other end of a connection is: sock_diag(7), asked for
 * exactly that one.  A socket that was closed, or only half, has no owner any
 * more and is shown as root's: it does not count.
 */
#include "common/compat.h"

#include <sys/socket.h>

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <unistd.h>

#include "gatewayd/whois/whois.h"

struct question {
	struct nlmsghdr			 h;
	struct inet_diag_req_v2		 rq;
};

/* The answer in n bytes; its error as errno. */
static const struct inet_diag_msg *
owner_answer(const char *p, size_t n)
{
	struct nlmsgerr	 e;
	struct nlmsghdr	 h;

	errno = EPROTO;
	if (n < sizeof(h))
		return NULL;
	memcpy(&h, p, sizeof(h));
	if (h.nlmsg_len < NLMSG_HDRLEN || h.nlmsg_len > n)
		return NULL;
	n = h.nlmsg_len - NLMSG_HDRLEN;
	if (h.nlmsg_type == NLMSG_ERROR && n >= sizeof(e)) {
		memcpy(&e, p + NLMSG_HDRLEN, sizeof(e));
		errno = e.error < 0 ? -e.error : EPROTO;
		return NULL;
	}
	if (h.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    n < sizeof(struct inet_diag_msg))
		return NULL;
	return (const struct inet_diag_msg *)(const void *)(p + NLMSG_HDRLEN);
}

static ssize_t
owner_ask(const struct question *q, char *buf, size_t size)
{
	ssize_t	 n = -1;
	int	 fd, saved;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    NETLINK_SOCK_DIAG);
	if (fd == -1)
		return -1;
	/* The kernel has answered when it has taken the question. */
	if (send(fd, q, sizeof(*q), 0) == (ssize_t)sizeof(*q))
		n = recv(fd, buf, size, 0);
	saved = errno;
	close(fd);
	errno = saved;
	return n;
}

int
owner_of(struct str peer, uint16_t port, uint16_t to, uid_t *uid,
    const char **why)
{
	_Alignas(struct nlmsghdr) char	 buf[4096];
	const struct inet_diag_msg	*m = NULL;
	struct inet_diag_sockid		*id;
	struct question			 q;
	ssize_t				 n;
	uint32_t			 in4 = htonl(INADDR_LOOPBACK);

	memset(&q, 0, sizeof(q));
	q.h.nlmsg_len = sizeof(q);
	q.h.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	q.h.nlmsg_flags = NLM_F_REQUEST;
	q.rq.sdiag_protocol = IPPROTO_TCP;
	q.rq.idiag_states = ~0U;
	id = &q.rq.id;
	id->idiag_sport = htons(port);
	id->idiag_dport = htons(to);
	id->idiag_cookie[0] = id->idiag_cookie[1] = ~0U; /* any */
	if (str_eqs(peer, "127.0.0.1")) {
		q.rq.sdiag_family = AF_INET;
		memcpy(id->idiag_src, &in4, sizeof(in4));
	} else if (str_eqs(peer, "::1")) {
		q.rq.sdiag_family = AF_INET6;
		memcpy(id->idiag_src, &in6addr_loopback,
		    sizeof(in6addr_loopback));
	} else {
		*why = "it is not from this host";
		return -1;
	}
	memcpy(id->idiag_dst, id->idiag_src, sizeof(id->idiag_dst));
	n = owner_ask(&q, buf, sizeof(buf));
	if (n == -1 || (m = owner_answer(buf, (size_t)n)) == NULL) {
		*why = errno == ENOENT ? "its other end is gone" :
		    "the kernel does not say whose its other end is";
		return -1;
	}
	if (m->idiag_state != TCP_ESTABLISHED || m->idiag_inode == 0) {
		*why = "its other end is closed";
		return -1;
	}
	*uid = m->idiag_uid;
	return 0;
}
