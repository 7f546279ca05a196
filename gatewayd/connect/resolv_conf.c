/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "gatewayd/connect/resolv_conf.h"

int
addr_parse(const char *s, struct sockaddr_storage *ss)
{
	struct sockaddr_in	*in4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6	*in6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, s, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		return 0;
	}
	if (inet_pton(AF_INET6, s, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		return 0;
	}
	return -1;
}

/* The next word of *s on this line; empty at its end or at a comment. */
static struct str
word_next(struct str *s)
{
	struct str	w;

	while (s->n > 0 && (s->p[0] == ' ' || s->p[0] == '\t' ||
	    s->p[0] == '\r')) {
		s->p++;
		s->n--;
	}
	w = (struct str){ s->p, 0 };
	if (s->n > 0 && (s->p[0] == '#' || s->p[0] == ';'))
		s->n = 0;
	while (w.n < s->n && s->p[w.n] != ' ' && s->p[w.n] != '\t' &&
	    s->p[w.n] != '\r' && s->p[w.n] != '#')
		w.n++;
	s->p += w.n;
	s->n -= w.n;
	return w;
}

static struct str
line_next(struct str *s)
{
	struct str	 line;
	const char	*nl = memchr(s->p, '\n', s->n);

	line.p = s->p;
	line.n = nl == NULL ? s->n : (size_t)(nl - s->p);
	s->p += line.n + (nl != NULL);
	s->n -= line.n + (nl != NULL);
	return line;
}

static void
option_parse(struct resolv_conf *c, struct str w)
{
	static const struct {
		const char	*name;
		size_t		 offset;
		int64_t		 min, max;
	} options[] = {
		{ "ndots:", offsetof(struct resolv_conf, ndots), 0, 15 },
		{ "timeout:", offsetof(struct resolv_conf, timeout_s), 1, 30 },
		{ "attempts:", offsetof(struct resolv_conf, attempts), 1, 5 },
	};
	size_t	i, len;
	int64_t	v;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		len = strlen(options[i].name);
		if (!str_prefix(w, options[i].name) ||
		    num_parse((struct str){ w.p + len, w.n - len }, 0,
		    INT32_MAX, &v) == -1)
			continue;
		if (v < options[i].min)
			v = options[i].min;
		if (v > options[i].max)
			v = options[i].max;
		*(unsigned int *)((char *)c + options[i].offset) =
		    (unsigned int)v;
	}
}

void
resolv_conf_parse(struct resolv_conf *c, struct str text)
{
	struct str	line, w;
	char		buf[64];

	memset(c, 0, sizeof(*c));
	c->ndots = 1;
	c->timeout_s = 5;
	c->attempts = 2;
	while (text.n > 0) {
		line = line_next(&text);
		w = word_next(&line);
		if (str_eqs(w, "nameserver")) {
			w = word_next(&line);
			if (c->nservers < RESOLV_SERVERS_MAX &&
			    str_copy(w, buf, sizeof(buf)) == 0 &&
			    addr_parse(buf, &c->servers[c->nservers]) == 0)
				c->nservers++;
		} else if (str_eqs(w, "search") || str_eqs(w, "domain")) {
			/* The last one counts. */
			c->nsearch = 0;
			while ((w = word_next(&line)).n > 0)
				if (c->nsearch < RESOLV_SEARCH_MAX &&
				    str_copy(w, c->search[c->nsearch],
				    sizeof(c->search[0])) == 0)
					c->nsearch++;
		} else if (str_eqs(w, "options")) {
			while ((w = word_next(&line)).n > 0)
				option_parse(c, w);
		}
	}
	if (c->nservers == 0) {
		addr_parse("127.0.0.1", &c->servers[0]);
		addr_parse("::1", &c->servers[1]);
		c->nservers = 2;
	}
}

size_t
hosts_find(struct str text, const char *name, struct sockaddr_storage *out,
    size_t max)
{
	struct str	line, addr, w;
	char		buf[64];
	size_t		n = 0;

	while (text.n > 0 && n < max) {
		line = line_next(&text);
		addr = word_next(&line);
		while ((w = word_next(&line)).n > 0) {
			if (!str_ieqs(w, name))
				continue;
			if (str_copy(addr, buf, sizeof(buf)) == 0 &&
			    addr_parse(buf, &out[n]) == 0)
				n++;
			break;
		}
	}
	return n;
}
