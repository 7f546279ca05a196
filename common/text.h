/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Counted text, numbers, UTF-8, hex and base64: what protocol code needs of
 * strings, without a locale.
 */
#ifndef COMMON_TEXT_H
#define COMMON_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A run of bytes that somebody else owns.  Not NUL-terminated unless its
 * source says so (message strings are, see common/msg.h). */
struct str {
	const char	*p;
	size_t		 n;
};

#define STR_LIT(s)	((struct str){ (s), sizeof(s) - 1 })
struct str str_of(const char *);		/* NULL gives an empty one */
bool	 str_eq(struct str, struct str);
bool	 str_eqs(struct str, const char *);
bool	 str_ieqs(struct str, const char *);	/* ASCII case folded */
bool	 str_prefix(struct str, const char *);
struct str str_trim(struct str);		/* blanks, tabs, CR, LF */
/* Copies into buf with a NUL; -1 when it does not fit or holds a NUL. */
int	 str_copy(struct str, char *buf, size_t size);
char	*str_dup(struct str);			/* NULL when out of memory */

int	 ascii_tolower(int);
int	 ascii_toupper(int);
bool	 ascii_isdigit(int);
bool	 ascii_isalpha(int);
bool	 ascii_isalnum(int);
bool	 ascii_isspace(int);
bool	 ascii_isxdigit(int);
int	 ascii_casecmp(const char *, const char *);
int	 ascii_ncasecmp(const char *, const char *, size_t);

/* Decimal, whole text, no sign surprises: 0, or -1 with errno EINVAL (not a
 * number) or ERANGE. */
int	 num_parse(struct str, int64_t min, int64_t max, int64_t *);
int	 num_parse_u64(struct str, uint64_t max, uint64_t *);
/* "64k", "10m", "1g" (1024), plain bytes; "10m", "2h", "500ms", "1d", plain
 * milliseconds.  0, or -1 as above. */
int	 num_parse_duration_ms(struct str, uint64_t max, uint64_t *);

/* Valid UTF-8 without overlongs, surrogates or values over U+10FFFF. */
bool	 utf8_valid(const char *, size_t);
/* Longest prefix of at most max bytes that ends at a code-point border. */
size_t	 utf8_cut(const char *, size_t n, size_t max);
/* Takes away a last character whose end is missing, as snprintf() and
 * strlcpy() leave it when valid UTF-8 does not fit (utf8_cut() is for a text
 * that is still whole): the length. */
size_t	 utf8_mend(char *);
/* vsnprintf() of valid UTF-8, mended when it does not fit: the length.  An error that quotes a client goes through this. */
size_t	 utf8_vfmt(char *buf, size_t size, const char *fmt, va_list)
	    __attribute__((format(printf, 3, 0)));
/* Number of code points (of valid text). */
size_t	 utf8_count(const char *, size_t n);
/* Decodes one code point at p (n > 0): its length, 0 when invalid. */
size_t	 utf8_decode(const char *p, size_t n, uint32_t *cp);
/* Encodes into buf (4 bytes): its length, 0 when not a scalar value. */
size_t	 utf8_encode(uint32_t cp, char *buf);

/* out has room for 2n+1 / n/2 bytes; decode: bytes written or -1. */
void	 hex_encode(const void *, size_t n, char *out);
ssize_t	 hex_decode(struct str, void *out, size_t size);
/* Standard and URL alphabets; pads only the standard one.  out has room for
 * BASE64_LEN(n)+1 bytes.  The decoder takes either alphabet, with or without
 * padding: bytes written or -1 (bad text, or more than size). */
#define BASE64_LEN(n)	(((n) + 2) / 3 * 4)
void	 base64_encode(const void *, size_t n, char *out);
void	 base64url_encode(const void *, size_t n, char *out);
ssize_t	 base64_decode(struct str, void *out, size_t size);

/* Random v4 UUID as 36 characters and a NUL. */
void	 uuid_v4(char out[37]);
/* "2026-01-29T12:34:56.789Z" of wall milliseconds. */
void	 iso_time(uint64_t ms, char out[25]);

#endif
