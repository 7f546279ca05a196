/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* gatewayd-connect without its process: address policy, DNS messages, files,
 * the resolver against a name server of ours, the broker over a real link. */

#include "common/compat.h"

#include <sys/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>
#include <event2/event.h>

#include "common/link.h"
#include "gatewayd/connect/addr_policy.h"
#include "gatewayd/connect/broker.h"
#include "gatewayd/connect/dial.h"

static struct event_base	*base;
static char			 conf_path[64], hosts_path[64];

/* --- policy -------------------------------------------------------------- */

static const char *
judge(const char *addr, bool private)
{
	struct sockaddr_storage	ss;

	assert_int_equal(addr_parse(addr, &ss), 0);
	return addr_refused((struct sockaddr *)&ss, private);
}

static void
test_T48_address_policy(void **state)
{
	static const char *const never[] = {
		"0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1",
		"100.100.100.200", "168.63.129.16", "192.0.0.192",
		"224.0.0.1", "239.255.255.255", "240.0.0.1",
		"255.255.255.255", "::", "::7f00:1", "::ffff:127.0.0.1",
		"::ffff:8.8.8.8", "::ffff:169.254.169.254", "fe80::1",
		"ff02::1", "fd00:ec2::254", "64:ff9b::7f00:1",
		"64:ff9b::a9fe:a9fe", "64:ff9b::c0a8:101",
	};
	static const char *const private[] = {
		"10.0.0.1", "10.255.255.255", "127.0.0.1", "127.255.0.1",
		"172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1",
		"100.127.255.255", "198.18.0.1", "192.0.2.1", "::1",
		"fc00::1", "fdff::1", "fec0::1", "2001:db8::1",
		"2002:7f00:1::1", "2001::1", "3fff::1",
	};
	static const char *const public[] = {
		"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0",
		"100.63.255.255", "100.128.0.0", "126.255.255.255",
		"128.0.0.1", "172.15.255.255", "172.32.0.0", "192.167.0.1",
		"192.169.0.1", "198.17.255.255", "198.20.0.0", "223.255.0.1",
		"149.154.167.220", "2001:67c:4e8:f004::9", "2606:4700::1111",
		"2a00:1450:4001::200e", "64:ff9b::808:808",
	};
	size_t	i;

	(void)state;
	for (i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (judge(never[i], true) == NULL ||
		    judge(never[i], false) == NULL)
			fail_msg("%s passes", never[i]);
	for (i = 0; i < sizeof(private) / sizeof(private[0]); i++)
		if (judge(private[i], false) == NULL ||
		    judge(private[i], true) != NULL)
			fail_msg("%s", private[i]);
	for (i = 0; i < sizeof(public) / sizeof(public[0]); i++)
		if (judge(public[i], false) != NULL)
			fail_msg("%s: %s", public[i], judge(public[i], false));
	assert_non_null(judge("4000::1", false));
}

static void
test_T48_strange_literals_are_names(void **state)
{
	static const char *const t[] = { "127.1", "0x7f.0.0.1", "2130706433",
	    "0177.0.0.1", "127.0.0.1.", " 127.0.0.1", "[::1]", "::1%lo" };
	struct sockaddr_storage	ss;
	size_t			i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_int_equal(addr_parse(t[i], &ss), -1);
}

/* --- messages ------------------------------------------------------------ */

static void
test_query(void **state)
{
	uint8_t	buf[DNS_QUERY_MAX];
	char	name[300];

	(void)state;
	assert_int_equal(dns_query_encode(buf, 0x1234, "Api.Example.", DNS_A),
	    12 + 13 + 4 + 11);
	assert_memory_equal(buf, "\x12\x34\x01\0\0\1\0\0\0\0\0\1\3api\7example"
	    "\0\0\1\0\1\0\0\x29\x04\xd0\0\0\0\0\0\0", 40);
	assert_int_equal(dns_query_encode(buf, 1, "", DNS_A), -1);
	assert_int_equal(dns_query_encode(buf, 1, ".", DNS_A), -1);
	assert_int_equal(dns_query_encode(buf, 1, "a..b", DNS_A), -1);
	assert_int_equal(dns_query_encode(buf, 1, ".a", DNS_A), -1);
	assert_int_equal(dns_query_encode(buf, 1, "a b", DNS_A), -1);
	assert_int_equal(dns_query_encode(buf, 1, "a/b", DNS_A), -1);
	memset(name, 'a', sizeof(name));
	name[64] = '\0';
	assert_int_equal(dns_query_encode(buf, 1, name, DNS_A), -1);
	name[63] = '\0';
	assert_true(dns_query_encode(buf, 1, name, DNS_A) > 0);
	memset(name, 'a', sizeof(name));
	name[60] = name[120] = name[180] = name[240] = '.';
	name[254] = '\0';
	assert_int_equal(dns_query_encode(buf, 1, name, DNS_A), -1);
	name[253] = '\0';
	assert_true(dns_query_encode(buf, 1, name, DNS_A) > 0);
}

#define Q "\3api\7example\0\0\1\0\1"

static void
test_answers(void **state)
{
	struct dns_answer	a;
	static const struct {
		const char	*p;
		size_t		 n;
		enum dns_result	 r;
		size_t		 addrs;
	} t[] = {
#define M(s, r, n) { s, sizeof(s) - 1, r, n }
		/* one address, owner by pointer */
		M("\0\1\x81\x80\0\1\0\1\0\0\0\0" Q
		    "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\1\2\3\4", DNS_OK, 1),
		/* through a CNAME that comes last */
		M("\0\1\x81\x80\0\1\0\2\0\0\0\0" Q
		    "\1x\xc0\x10\0\1\0\1\0\0\0\x3c\0\4\1\2\3\4"
		    "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1x\xc0\x10", DNS_OK, 1),
		/* somebody else's address */
		M("\0\1\x81\x80\0\1\0\1\0\0\0\0" Q
		    "\1y\xc0\x10\0\1\0\1\0\0\0\x3c\0\4\1\2\3\4", DNS_NODATA,
		    0),
		M("\0\1\x81\x83\0\1\0\0\0\0\0\0" Q, DNS_NXDOMAIN, 0),
		M("\0\1\x81\x82\0\1\0\0\0\0\0\0" Q, DNS_FAILED, 0),
		M("\0\1\x83\x80\0\1\0\0\0\0\0\0" Q, DNS_TRUNCATED, 0),
		M("\0\1\x81\x80\0\1\0\0\0\0\0\0" Q, DNS_NODATA, 0),
		/* id, question, a query instead of an answer */
		M("\0\2\x81\x80\0\1\0\0\0\0\0\0" Q, DNS_NOT_OURS, 0),
		M("\0\1\x01\x80\0\1\0\0\0\0\0\0" Q, DNS_NOT_OURS, 0),
		M("\0\1\x81\x80\0\1\0\0\0\0\0\0\3apj\7example\0\0\1\0\1",
		    DNS_NOT_OURS, 0),
		M("\0\1\x81\x80\0\1\0\0\0\0\0\0\3api\7example\0\0\x1c\0\1",
		    DNS_NOT_OURS, 0),
		M("\0\1\x81", DNS_NOT_OURS, 0),
		/* a pointer to itself, one forward, a cut record, bad length */
		M("\0\1\x81\x80\0\1\0\1\0\0\0\0" Q "\xc0\x1d\0\1\0\1",
		    DNS_MALFORMED, 0),
		M("\0\1\x81\x80\0\1\0\1\0\0\0\0" Q "\xc0\xff\0\1\0\1",
		    DNS_MALFORMED, 0),
		M("\0\1\x81\x80\0\1\0\1\0\0\0\0" Q
		    "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\1\2\3", DNS_MALFORMED, 0),
		M("\0\1\x81\x80\0\1\0\1\0\0\0\0" Q
		    "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\3\1\2\3", DNS_MALFORMED, 0),
		/* CNAMEs in a circle */
		M("\0\1\x81\x80\0\1\0\2\0\0\0\0" Q
		    "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1x\xc0\x10"
		    "\1x\xc0\x10\0\5\0\1\0\0\0\x3c\0\2\xc0\x0c", DNS_NODATA,
		    0),
	};
	size_t	i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (dns_answer_parse((const uint8_t *)t[i].p, t[i].n, 1,
		    "api.example", DNS_A, &a) != t[i].r || a.n != t[i].addrs)
			fail_msg("row %zu: %zu addresses", i, a.n);
}

static void
test_files(void **state)
{
	struct resolv_conf	c;
	struct sockaddr_storage	ss[4];

	(void)state;
	resolv_conf_parse(&c, STR_LIT("# x\nnameserver 10.0.0.1\n"
	    "nameserver\t::1 # y\nnameserver nonsense\r\n"
	    "search a.example b.example\noptions ndots:2 timeout:99 foo\n"
	    "options attempts:0"));
	assert_int_equal(c.nservers, 2);
	assert_int_equal(c.servers[1].ss_family, AF_INET6);
	assert_int_equal(c.nsearch, 2);
	assert_string_equal(c.search[1], "b.example");
	assert_int_equal(c.ndots, 2);
	assert_int_equal(c.timeout_s, 30);
	assert_int_equal(c.attempts, 1);
	resolv_conf_parse(&c, STR_LIT(""));
	assert_int_equal(c.nservers, 2);
	assert_int_equal(hosts_find(STR_LIT("127.0.0.1 localhost\n"
	    "#10.0.0.1 box\n10.0.0.2\tother Box # c\n::2 box\nbad box"), "box",
	    ss, 4), 2);
	assert_int_equal(ss[0].ss_family, AF_INET);
	assert_int_equal(ss[1].ss_family, AF_INET6);
}

/* --- resolver ------------------------------------------------------------ */

static struct {
	int		 udp, tcp, conn;
	uint16_t	 port;
	struct event	*ev, *ev_tcp;
	int		 queries, tcp_queries;
	char		 names[512];
} ns;

/* Answers by the first label: "two" has A and AAAA, "four" only A, "big" only
 * by TCP, "forged" after a wrong id, "servfail", "silent"; else NXDOMAIN. */
static size_t
ns_answer(const uint8_t *q, size_t n, uint8_t *out, bool tcp)
{
	size_t		end = 12, len, o;
	char		label[64];
	unsigned int	type;

	len = q[12];
	memcpy(label, q + 13, len);
	label[len] = '\0';
	while (q[end] != 0)
		end += q[end] + 1u;
	type = q[end + 2];
	end += 5;
	assert_true(end <= n);
	if (type == DNS_A)
		(void)snprintf(ns.names + strlen(ns.names),
		    sizeof(ns.names) - strlen(ns.names), "%s,", label);
	memcpy(out, q, end);
	out[2] = 0x81;
	out[3] = 0x80;
	memset(out + 6, 0, 6);
	o = end;
	if (strcmp(label, "silent") == 0)
		return 0;
	if (strcmp(label, "servfail") == 0) {
		out[3] = 0x82;
		return o;
	}
	if (strcmp(label, "big") == 0 && !tcp) {
		out[2] = 0x83;
		return o;
	}
	if (strcmp(label, "two") != 0 && strcmp(label, "four") != 0 &&
	    strcmp(label, "big") != 0 && strcmp(label, "forged") != 0 &&
	    strcmp(label, "rebind") != 0 && strcmp(label, "mixed") != 0) {
		out[3] = 0x83;
		return o;
	}
	if (type == DNS_AAAA && strcmp(label, "two") != 0 &&
	    strcmp(label, "mixed") != 0)
		return o;
	out[7] = 1;
	memcpy(out + o, "\xc0\x0c\0", 3);
	out[o + 3] = (uint8_t)type;
	memcpy(out + o + 4, "\0\1\0\0\0\x3c\0", 7);
	out[o + 11] = type == DNS_A ? 4 : 16;
	memset(out + o + 12, 0, 16);
	if (type == DNS_A)
		memcpy(out + o + 12, strcmp(label, "rebind") == 0 ||
		    strcmp(label, "mixed") == 0 ? "\x7f\0\0\1" :
		    "\5\6\7\x08", 4);
	else
		out[o + 12] = 0x2a;
	return o + 12 + out[o + 11];
}

static void
ns_udp_cb(evutil_socket_t fd, short what, void *arg)
{
	struct sockaddr_storage	from;
	socklen_t		len = sizeof(from);
	uint8_t			q[512], out[600];
	ssize_t			n;
	size_t			o;

	(void)what;
	(void)arg;
	n = recvfrom(fd, q, sizeof(q), 0, (struct sockaddr *)&from, &len);
	assert_true(n > 12);
	ns.queries++;
	if ((o = ns_answer(q, (size_t)n, out, false)) == 0)
		return;
	if (memcmp(out + 13, "forged", 6) == 0) {
		out[0] ^= 0x55;
		(void)sendto(fd, out, o, 0, (struct sockaddr *)&from, len);
		out[0] ^= 0x55;
	}
	(void)sendto(fd, out, o, 0, (struct sockaddr *)&from, len);
}

static void
ns_conn_cb(evutil_socket_t fd, short what, void *arg)
{
	uint8_t	q[512], out[600];
	ssize_t	n;
	size_t	o;

	(void)what;
	n = recv(fd, q, sizeof(q), 0);
	if (n <= 14) {
		event_free(arg);
		close(fd);
		return;
	}
	ns.tcp_queries++;
	o = ns_answer(q + 2, (size_t)n - 2, out + 2, true);
	out[0] = (uint8_t)(o >> 8);
	out[1] = (uint8_t)o;
	/* In two pieces. */
	(void)send(fd, out, 1, 0);
	usleep(1000);
	(void)send(fd, out + 1, o + 1, 0);
}

static void
ns_tcp_cb(evutil_socket_t fd, short what, void *arg)
{
	struct event	*ev;
	int		 s = accept(fd, NULL, NULL);

	(void)what;
	(void)arg;
	assert_true(s >= 0);
	ev = event_new(base, s, EV_READ | EV_PERSIST, ns_conn_cb,
	    event_self_cbarg());
	assert_non_null(ev);
	event_add(ev, NULL);
}

static void
write_file(char *path, size_t size, const char *text)
{
	int	fd;

	if (path[0] == '\0') {
		(void)strlcpy(path, "/tmp/test_connect.XXXXXX", size);
		fd = mkstemp(path);
		assert_true(fd != -1);
		close(fd);
	}
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

struct result {
	size_t	n;
	struct sockaddr_storage addrs[RESOLVE_MAX];
	char	reason[128];
	bool	done;
};

static void
resolved_cb(const struct sockaddr_storage *a, size_t n, const char *reason,
    void *arg)
{
	struct result	*r = arg;

	assert_false(r->done);
	r->done = true;
	r->n = n;
	memcpy(r->addrs, a, n * sizeof(*a));
	(void)snprintf(r->reason, sizeof(r->reason), "%s", reason);
}

static void
wait_for(const bool *done)
{
	uint64_t	end = mono_ms() + 60000;

	while (!*done && mono_ms() < end)
		event_base_loop(base, EVLOOP_ONCE);
	assert_true(*done);
}

static void
resolve(struct resolver *rs, const char *name, struct result *r)
{
	memset(r, 0, sizeof(*r));
	assert_non_null(resolve_start(rs, name, resolved_cb, r));
	assert_false(r->done);
	wait_for(&r->done);
}

static void
test_resolver(void **state)
{
	struct resolver	*rs;
	struct resolve	*one;
	struct result	 r;
	int		 i;

	(void)state;
	/* The first server is not there: its refusal is not an answer. */
	write_file(conf_path, sizeof(conf_path), "nameserver 127.9.9.9\n"
	    "nameserver 127.0.0.1\noptions timeout:30\nsearch s1.example\n");
	write_file(hosts_path, sizeof(hosts_path), "10.1.1.1 inhosts\n");
	rs = resolver_new(base, conf_path, hosts_path, ns.port);
	resolve(rs, "192.168.1.1", &r);
	assert_int_equal(r.n, 1);
	resolve(rs, "INHOSTS", &r);
	assert_int_equal(r.n, 1);
	resolve(rs, "foo.localhost", &r);
	assert_int_equal(r.n, 2);
	assert_int_equal(ns.queries, 0);
	/* One answer does not wait long for the other; on a machine that is
	 * slow enough it may miss it now and then. */
	for (i = 0; i < 50; i++) {
		resolve(rs, "two.example", &r);
		if (r.n == 2)
			break;
	}
	assert_int_equal(r.n, 2);
	assert_int_equal(r.addrs[0].ss_family, AF_INET6);
	assert_int_equal(r.addrs[1].ss_family, AF_INET);
	resolve(rs, "four.example", &r);
	assert_int_equal(r.n, 1);
	resolve(rs, "forged.example", &r);
	assert_int_equal(r.n, 1);
	resolve(rs, "big.example", &r);
	assert_int_equal(r.n, 1);
	assert_true(ns.tcp_queries > 0);
	resolve(rs, "none.example", &r);
	assert_int_equal(r.n, 0);
	assert_string_equal(r.reason, "no such host");
	resolve(rs, "bad name", &r);
	assert_int_equal(r.n, 0);
	resolve(rs, "servfail.example", &r);
	assert_string_equal(r.reason, "name servers do not answer");
	/* A single label goes by the search list first. */
	ns.names[0] = '\0';
	resolve(rs, "single", &r);
	assert_string_equal(ns.names, "single,single,");
	one = resolve_start(rs, "silent.example", resolved_cb, &r);
	resolve_cancel(one);
	resolver_free(rs);
}

/* --- broker -------------------------------------------------------------- */

static struct broker	*broker;
static struct {
	bool		done;
	uint16_t	type;
	int		fd;
	unsigned int	kind;
	char		text[512];
	uint64_t	corr;
	unsigned int	count;
} reply;

static enum msg_err
broker_side(struct link *l, struct msg *m, void *arg)
{
	(void)arg;
	return broker_open(broker, l, m);
}

static enum msg_err
worker_side(struct link *l, struct msg *m, void *arg)
{
	struct m_cn_fd	ok;
	struct m_cn_err	bad;

	(void)l;
	(void)arg;
	reply.done = true;
	reply.count++;
	reply.type = m->h.type;
	reply.corr = m->h.corr;
	if (m->h.type == MSG_CN_FD) {
		assert_int_equal(get_cn_fd(m, &ok), MSG_OK);
		reply.fd = msg_take_fd(m, 0);
		(void)str_copy(ok.address, reply.text, sizeof(reply.text));
	} else {
		assert_int_equal(get_cn_err(m, &bad), MSG_OK);
		reply.kind = bad.kind;
		(void)str_copy(bad.reason, reply.text, sizeof(reply.text));
	}
	return MSG_OK;
}

static void
side_gone(struct link *l, enum msg_err why, uint16_t type, void *arg)
{
	(void)l;
	(void)arg;
	fail_msg("link gone: %s %04x", msg_err_name(why), type);
}

static void
ask(struct link *l, uint32_t dest)
{
	struct m_cn_open	m = { .dest = dest, .timeout_ms = 60000,
	    .host = { "", 0 } };

	memset(&reply, 0, sizeof(reply));
	assert_int_equal(send_cn_open(l, &m, 4711, 0), 0);
	wait_for(&reply.done);
	assert_int_equal(reply.corr, 4711);
}

/* There is one for as long as the process lives. */
static void
broker_with(const struct parcel *p)
{
	char	 why[128];

	if (broker == NULL) {
		write_file(conf_path, sizeof(conf_path),
		    "nameserver 127.0.0.1\noptions timeout:30 attempts:1\n");
		broker = broker_new(base, resolver_new(base, conf_path,
		    "/nonexistent", ns.port));
	}
	assert_int_equal(broker_load(broker, p, why, sizeof(why)), 0);
	broker_commit(broker);
}

static void
test_T48_broker(void **state)
{
	static const struct link_ops broker_ops = { broker_side, side_gone,
	    NULL };
	static const struct link_ops worker_ops = { worker_side, side_gone,
	    NULL };
	static const struct { const char *host; bool private; } dests[] = {
		{ "127.0.0.1", true }, { "127.0.0.1", false },
		{ "rebind.example", false }, { "none.example", false },
		{ "localhost", true }, { "169.254.169.254", true },
	};
	struct sockaddr_in	 in = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t		 len = sizeof(in);
	struct parcel_writer	*pw = parcel_writer_new();
	struct parcel		*p;
	struct link		*a, *b;
	struct m_cn_open	 m = { .timeout_ms = 60000, .host = { "", 0 } };
	char			 why[128];
	int			 ls, sv[2], s;
	size_t			 i;

	(void)state;
	ls = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(ls, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(ls, 128), 0);
	getsockname(ls, (struct sockaddr *)&in, &len);
	parcel_puts(pw, "channeld/other", "worker.0.name");
	parcel_puts(pw, "modeld/x:y", "worker.1.name");
	for (i = 0; i < sizeof(dests) / sizeof(dests[0]); i++) {
		parcel_puts(pw, dests[i].host, "worker.1.dest.%zu.host", i);
		parcel_put_num(pw, ntohs(in.sin_port),
		    "worker.1.dest.%zu.port", i);
		parcel_put_bool(pw, dests[i].private,
		    "worker.1.dest.%zu.private", i);
	}
	p = parcel_open(parcel_writer_seal(pw));
	assert_non_null(p);
	broker_with(p);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	a = link_new(base, sv[0], ROLE_CONNECT, ROLE_MODEL, "x:y", 1,
	    &broker_ops, NULL);
	b = link_new(base, sv[1], ROLE_MODEL, ROLE_CONNECT, "", 1,
	    &worker_ops, NULL);
	link_setstate(a, LINK_RUN);
	link_setstate(b, LINK_RUN);

	ask(b, 0);
	assert_int_equal(reply.type, MSG_CN_FD);
	assert_int_equal(strncmp(reply.text, "127.0.0.1:", 10), 0);
	s = accept(ls, NULL, NULL);
	assert_int_equal(send(reply.fd, "x", 1, 0), 1);
	assert_int_equal(recv(s, why, 1, 0), 1);
	close(s);
	close(reply.fd);
	ask(b, 1);
	assert_int_equal(reply.kind, CN_ERR_POLICY);
	/* A public name that leads home is refused where it leads. */
	ask(b, 2);
	assert_int_equal(reply.kind, CN_ERR_POLICY);
	assert_non_null(strstr(reply.text, "loopback"));
	ask(b, 3);
	assert_int_equal(reply.kind, CN_ERR_DNS);
	/* ::1 is tried and refused or absent, 127.0.0.1 answers. */
	ask(b, 4);
	assert_int_equal(reply.type, MSG_CN_FD);
	close(reply.fd);
	close(accept(ls, NULL, NULL));
	ask(b, 5);
	assert_int_equal(reply.kind, CN_ERR_POLICY);
	/* Not in this worker's list. */
	ask(b, 6);
	assert_int_equal(reply.kind, CN_ERR_POLICY);
	ask(b, 65535);
	assert_int_equal(reply.kind, CN_ERR_POLICY);
	close(ls);
	ask(b, 0);
	assert_int_equal(reply.kind, CN_ERR_REFUSED);
	/* More than its share. */
	memset(&reply, 0, sizeof(reply));
	for (i = 0; i < 200; i++)
		assert_int_equal(send_cn_open(b, &m, 4711, 0), 0);
	while (reply.count < 200)
		event_base_loop(base, EVLOOP_ONCE);
	assert_true(broker_stats(broker)->refused >= 4 + 10);
	/* A worker that dies takes its requests along. */
	m.dest = 2;
	assert_int_equal(send_cn_open(b, &m, 4712, 0), 0);
	event_base_loop(base, EVLOOP_NONBLOCK);
	broker_forget(broker, a);
	assert_int_equal(broker_stats(broker)->pending, 0);
	link_free(a);
	link_free(b);
	parcel_close(p);
}

static void
ask_named(struct link *l, const char *host, uint16_t port)
{
	struct m_cn_open	m = { .port = port, .timeout_ms = 60000,
	    .host = str_of(host) };

	memset(&reply, 0, sizeof(reply));
	assert_int_equal(send_cn_open(l, &m, 4712, 0), 0);
	wait_for(&reply.done);
	assert_int_equal(reply.corr, 4712);
}

static void
refused(struct link *l, const char *host, uint16_t port, const char *why)
{
	ask_named(l, host, port);
	if (reply.type != MSG_CN_ERR || reply.kind != CN_ERR_POLICY ||
	    strstr(reply.text, why) == NULL)
		fail_msg("%s:%u: %s", host, port, reply.text);
}

/* The fetcher names hosts, and what it may have is judged here alone. */
static void
test_T48_public_addresses_only(void **state)
{
	static const struct link_ops broker_ops = { broker_side, side_gone,
	    NULL };
	static const struct link_ops worker_ops = { worker_side, side_gone,
	    NULL };
	static const char *const local[] = { "localhost", "LocalHost.",
	    "x.localhost", "printer.local", "vault.internal",
	    "metadata.google.internal", "localhost.localdomain", "x.onion",
	    "a.home.arpa" };
	static const char *const literals[] = { "127.0.0.1", "10.0.0.1",
	    "169.254.169.254", "100.64.0.1", "192.168.1.1", "224.0.0.1",
	    "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::ffff:8.8.8.8",
	    "64:ff9b::7f00:1", "64:ff9b:1::1", "fe80::1", "fc00::1",
	    "fec0::1", "ff02::1", "2002:7f00:1::1", "fd00:ec2::254" };
	static const char *const odd[] = { "a b", "a/b", "h:80@i", "a\nb",
	    "%31", "...", "\xc3\xa4.example" };
	struct sockaddr_in	 in = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t		 len = sizeof(in);
	struct parcel_writer	*pw = parcel_writer_new();
	struct parcel		*p;
	struct link		*a, *b;
	uint16_t		 port;
	int			 ls, sv[2];
	size_t			 i;

	(void)state;
	ls = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(ls, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(ls, 16), 0);
	getsockname(ls, (struct sockaddr *)&in, &len);
	port = ntohs(in.sin_port);
	parcel_puts(pw, "fetch/main", "worker.0.name");
	parcel_put_bool(pw, true, "worker.0.public");
	parcel_puts(pw, "127.0.0.1", "worker.0.dest.0.host");
	parcel_put_num(pw, port, "worker.0.dest.0.port");
	parcel_put_bool(pw, true, "worker.0.dest.0.private");
	parcel_puts(pw, "rebind.example", "worker.0.dest.1.host");
	parcel_put_num(pw, port, "worker.0.dest.1.port");
	parcel_put_bool(pw, true, "worker.0.dest.1.private");
	parcel_puts(pw, "169.254.169.254", "worker.0.dest.2.host");
	parcel_put_num(pw, 80, "worker.0.dest.2.port");
	parcel_put_bool(pw, true, "worker.0.dest.2.private");
	p = parcel_open(parcel_writer_seal(pw));
	assert_non_null(p);
	broker_with(p);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	a = link_new(base, sv[0], ROLE_CONNECT, ROLE_FETCH, "main", 1,
	    &broker_ops, NULL);
	b = link_new(base, sv[1], ROLE_FETCH, ROLE_CONNECT, "", 1,
	    &worker_ops, NULL);
	link_setstate(a, LINK_RUN);
	link_setstate(b, LINK_RUN);

	ns.queries = 0;
	for (i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		refused(b, local[i], 80, "name of this machine or network");
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		refused(b, odd[i], 80, "not a host name");
	for (i = 0; i < sizeof(literals) / sizeof(literals[0]); i++)
		refused(b, literals[i], 443, "is not allowed");
	refused(b, "8.8.8.8", 22, "port other than 80 and 443");
	refused(b, "two.example", 8080, "port other than 80 and 443");
	assert_int_equal(ns.queries, 0);	/* none was even asked for */
	/* A name that leads home, and one with a leg in each place. */
	refused(b, "rebind.example", 80, "loopback address is not allowed");
	refused(b, "mixed.example", 80, "loopback address is not allowed");
	/* What the configuration names, it names with its port ... */
	ask_named(b, "127.0.0.1", port);
	assert_int_equal(reply.type, MSG_CN_FD);
	close(reply.fd);
	ask_named(b, "REBIND.example", port);
	assert_int_equal(reply.type, MSG_CN_FD);
	close(reply.fd);
	refused(b, "127.0.0.1", 80, "loopback address is not allowed");
	/* ... and never the metadata of a cloud. */
	refused(b, "169.254.169.254", 80, "is not allowed");
	broker_forget(broker, a);
	link_free(a);
	link_free(b);
	parcel_close(p);
	close(ls);
}

static int
group_setup(void **state)
{
	struct sockaddr_in	in = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t		len = sizeof(in);
	int			i;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	/* The port that one protocol gives us may be taken in the other. */
	for (i = 0; i < 100; i++) {
		in.sin_port = 0;
		ns.tcp = socket(AF_INET, SOCK_STREAM, 0);
		ns.udp = socket(AF_INET, SOCK_DGRAM, 0);
		if (bind(ns.tcp, (struct sockaddr *)&in, sizeof(in)) == -1 ||
		    listen(ns.tcp, 8) == -1 ||
		    getsockname(ns.tcp, (struct sockaddr *)&in, &len) == -1)
			return -1;
		if (bind(ns.udp, (struct sockaddr *)&in, sizeof(in)) == 0)
			break;
		close(ns.tcp);
		close(ns.udp);
	}
	if (i == 100)
		return -1;
	ns.port = ntohs(in.sin_port);
	ns.ev = event_new(base, ns.udp, EV_READ | EV_PERSIST, ns_udp_cb, NULL);
	ns.ev_tcp = event_new(base, ns.tcp, EV_READ | EV_PERSIST, ns_tcp_cb,
	    NULL);
	event_add(ns.ev, NULL);
	event_add(ns.ev_tcp, NULL);
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	unlink(conf_path);
	unlink(hosts_path);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest	tests[] = {
		cmocka_unit_test(test_T48_address_policy),
		cmocka_unit_test(test_T48_strange_literals_are_names),
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_resolver),
		cmocka_unit_test(test_T48_broker),
		cmocka_unit_test(test_T48_public_addresses_only),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
