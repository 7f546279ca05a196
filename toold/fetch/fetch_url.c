/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "toold/fetch/fetch_url.h"

/* Bytes of a path or query that may be sent as they are. */
static bool
url_plain(unsigned char c)
{
	return c > 0x20 && c < 0x7f && strchr("\"<>\\^`{|}", c) == NULL;
}

/* Appends with encoding; -1 when it does not fit. */
static int
target_put(char *t, size_t *n, unsigned char c)
{
	static const char	hex[] = "0123456789ABCDEF";

	if (*n + 4 > FETCH_TARGET_MAX)
		return -1;
	if (url_plain(c))
		t[(*n)++] = (char)c;
	else {
		t[(*n)++] = '%';
		t[(*n)++] = hex[c >> 4];
		t[(*n)++] = hex[c & 15];
	}
	t[*n] = '\0';
	return 0;
}

/* Takes "." and ".." out of the path part, in place. */
static void
target_dots(char *t)
{
	size_t	r = 0, w = 0, seg, n;
	char	end;

	while (t[r] == '/') {
		seg = ++r;
		n = strcspn(t + seg, "/?");
		r = seg + n;
		end = t[r];
		if (n == 1 && t[seg] == '.') {
			if (end != '/')
				t[w++] = '/';
		} else if (n == 2 && t[seg] == '.' && t[seg + 1] == '.') {
			while (w > 0 && t[--w] != '/')
				;
			if (end != '/')
				t[w++] = '/';
		} else {
			t[w++] = '/';
			memmove(t + w, t + seg, n);
			w += n;
		}
	}
	if (w == 0)
		t[w++] = '/';
	memmove(t + w, t + r, strlen(t + r) + 1);
}

/* The target out of a text that begins with '/', '?' or nothing, behind what
 * already stands in t. */
static int
target_set(char *t, size_t n, const char *p, const char **why)
{
	bool	query = memchr(t, '?', n) != NULL;

	*why = "is too long";
	if (n == 0 && *p != '/' && *p != '\\' &&
	    target_put(t, &n, '/') == -1)
		return -1;
	for (; *p != '\0' && *p != '#'; p++) {
		query = query || *p == '?';
		/* As browsers do: a page would mean something else there. */
		if (target_put(t, &n, *p == '\\' && !query ? '/' :
		    (unsigned char)*p) == -1)
			return -1;
	}
	target_dots(t);
	return 0;
}

/* A copy without outer blanks and inner line breaks; -1 when it is none. */
static int
url_copy(struct str s, char buf[FETCH_URL_MAX], const char **why)
{
	size_t	i, n = 0;

	*why = "is too long";
	for (s = str_trim(s), i = 0; i < s.n; i++) {
		if (s.p[i] == '\n' || s.p[i] == '\r' || s.p[i] == '\t')
			continue;
		if (n + 1 >= FETCH_URL_MAX)
			return -1;
		if (s.p[i] == '\0') {
			*why = "holds a NUL";
			return -1;
		}
		buf[n++] = s.p[i];
	}
	buf[n] = '\0';
	return 0;
}

int
fetch_url_parse(struct str s, struct fetch_url *u, const char **why)
{
	char		 buf[FETCH_URL_MAX];
	const char	*p = buf;

	memset(u, 0, sizeof(*u));
	if (url_copy(s, buf, why) == -1)
		return -1;
	if (url_origin_parse(&p, &u->o, why) == -1) {
		if (strcmp(*why, "has a strange host") == 0)
			*why = "has a strange host (a name that is not ASCII "
			    "must be given in its xn-- form)";
		return -1;
	}
	return target_set(u->target, 0, p, why);
}

/* "mailto:", "javascript:": is there a scheme? */
static bool
url_has_scheme(const char *p)
{
	size_t	n;

	if (!ascii_isalpha((unsigned char)*p))
		return false;
	for (n = 1; ascii_isalnum((unsigned char)p[n]) || p[n] == '+' ||
	    p[n] == '-' || p[n] == '.'; n++)
		;
	return p[n] == ':';
}

int
fetch_url_resolve(const struct fetch_url *base, struct str ref,
    struct fetch_url *u, const char **why)
{
	char	 buf[FETCH_URL_MAX], full[FETCH_URL_MAX + 8];
	char	*end;
	size_t	 n;

	if (url_copy(ref, buf, why) == -1)
		return -1;
	if (url_has_scheme(buf))
		return fetch_url_parse(str_of(buf), u, why);
	if ((buf[0] == '/' || buf[0] == '\\') &&
	    (buf[1] == '/' || buf[1] == '\\')) {
		snprintf(full, sizeof(full), "%s//%s", base->o.tls ?
		    "https:" : "http:", buf + 2);
		return fetch_url_parse(str_of(full), u, why);
	}
	*u = *base;
	if (buf[0] == '\0' || buf[0] == '#')
		return 0;
	n = strcspn(u->target, "?");
	if (buf[0] == '/' || buf[0] == '\\')
		n = 0;
	else if (buf[0] != '?') {
		u->target[n] = '\0';
		end = strrchr(u->target, '/');
		n = end == NULL ? 0 : (size_t)(end - u->target) + 1;
	}
	u->target[n] = '\0';
	return target_set(u->target, n, buf, why);
}

void
fetch_url_text(const struct fetch_url *u, char buf[FETCH_URL_MAX])
{
	char	origin[URL_ORIGIN_MAX];

	url_origin_text(&u->o, origin);
	snprintf(buf, FETCH_URL_MAX, "%s%s", origin, u->target);
}
