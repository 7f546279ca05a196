/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <errno.h>

#include "common/dbuf.h"

void
dbuf_init(struct dbuf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

void
dbuf_init_secret(struct dbuf *b, size_t max)
{
	dbuf_init(b, max);
	b->secret = true;
}

void
dbuf_clear(struct dbuf *b)
{
	if (b->secret)
		freezero(b->p, b->cap);
	else
		free(b->p);
	b->p = NULL;
	b->n = b->cap = 0;
	b->err = false;
}

void
dbuf_reset(struct dbuf *b)
{
	if (b->secret && b->p != NULL)
		explicit_bzero(b->p, b->n);
	b->n = 0;
	b->err = false;
	if (b->p != NULL)
		b->p[0] = '\0';
}

int
dbuf_reserve(struct dbuf *b, size_t n)
{
	size_t	 cap;
	char	*p;

	if (b->err)
		return -1;
	if (n > b->max - b->n) {
		b->err = true;
		errno = EMSGSIZE;
		return -1;
	}
	if (b->p != NULL && n < b->cap - b->n)
		return 0;
	cap = b->cap > 0 ? b->cap : 128;
	while (cap - b->n <= n)
		cap = cap > SIZE_MAX / 2 ? SIZE_MAX : cap * 2;
	if (b->secret)
		p = recallocarray(b->p, b->cap, cap, 1);
	else
		p = realloc(b->p, cap);
	if (p == NULL) {
		b->err = true;
		return -1;
	}
	b->p = p;
	b->cap = cap;
	return 0;
}

int
dbuf_put(struct dbuf *b, const void *p, size_t n)
{
	if (dbuf_reserve(b, n) == -1)
		return -1;
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
	return 0;
}

int
dbuf_puts(struct dbuf *b, const char *s)
{
	return dbuf_put(b, s, strlen(s));
}

int
dbuf_putc(struct dbuf *b, char c)
{
	return dbuf_put(b, &c, 1);
}

int
dbuf_vprintf(struct dbuf *b, const char *fmt, va_list ap)
{
	va_list	 aq;
	int	 n;

	va_copy(aq, ap);
	n = vsnprintf(NULL, 0, fmt, aq);
	va_end(aq);
	if (n < 0) {
		b->err = true;
		return -1;
	}
	if (dbuf_reserve(b, (size_t)n) == -1)
		return -1;
	vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
	b->n += (size_t)n;
	return 0;
}

int
dbuf_printf(struct dbuf *b, const char *fmt, ...)
{
	va_list	 ap;
	int	 r;

	va_start(ap, fmt);
	r = dbuf_vprintf(b, fmt, ap);
	va_end(ap);
	return r;
}

void
dbuf_consume(struct dbuf *b, size_t n)
{
	size_t	 old = b->n;

	if (n > b->n)
		n = b->n;
	if (n == 0)
		return;
	memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
	if (b->secret)
		explicit_bzero(b->p + b->n, old - b->n);
	b->p[b->n] = '\0';
}

bool
dbuf_err(const struct dbuf *b)
{
	return b->err;
}

const char *
dbuf_str(const struct dbuf *b)
{
	return b->p != NULL ? b->p : "";
}

char *
dbuf_take(struct dbuf *b, size_t *n)
{
	char	*p;

	if (b->err)
		return NULL;
	if (b->p == NULL && dbuf_put(b, "", 0) == -1)
		return NULL;
	p = b->p;
	if (n != NULL)
		*n = b->n;
	b->p = NULL;
	b->n = b->cap = 0;
	return p;
}
