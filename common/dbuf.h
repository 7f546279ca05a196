/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Growing byte buffer with a maximum that is fixed when it is made.  Reaching
 * the maximum or running out of memory sets a sticky error, so that a chain of
 * appends is checked once, with dbuf_err(), at its end.
 */
#ifndef COMMON_DBUF_H
#define COMMON_DBUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dbuf {
	char	*p;	/* always NUL-terminated at p[n] once non-NULL */
	size_t	 n;
	size_t	 cap;
	size_t	 max;
	bool	 err;
	bool	 secret;	/* zero on growth and on clear */
};

void	 dbuf_init(struct dbuf *, size_t max);
void	 dbuf_init_secret(struct dbuf *, size_t max);
/* Frees the memory; the buffer may be used again with the same maximum. */
void	 dbuf_clear(struct dbuf *);
/* Empties and clears the error but keeps the memory. */
void	 dbuf_reset(struct dbuf *);
/* All return 0, or -1 with the sticky error set. */
int	 dbuf_put(struct dbuf *, const void *, size_t);
int	 dbuf_puts(struct dbuf *, const char *);
int	 dbuf_putc(struct dbuf *, char);
int	 dbuf_printf(struct dbuf *, const char *, ...)
	    __attribute__((format(printf, 2, 3)));
int	 dbuf_vprintf(struct dbuf *, const char *, va_list)
	    __attribute__((format(printf, 2, 0)));
/* Room for n more bytes at p + n, for a read(2); 0 or -1. */
int	 dbuf_reserve(struct dbuf *, size_t n);
/* Removes n bytes from the front (n <= buf->n). */
void	 dbuf_consume(struct dbuf *, size_t n);
bool	 dbuf_err(const struct dbuf *);
/* The text, "" when empty; valid until the next change. */
const char *dbuf_str(const struct dbuf *);
/* Hands the memory over (free() it) and leaves the buffer empty; NULL when
 * the sticky error is set. */
char	*dbuf_take(struct dbuf *, size_t *n);

#endif
