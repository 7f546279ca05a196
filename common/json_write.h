/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Writes JSON into a dbuf, whose maximum and sticky error bound the result:
 * check dbuf_err() once, at the end.  Strings are escaped, and bytes that are
 * no UTF-8 become U+FFFD, so that the text is valid whatever went in.  The
 * writer sets commas; opening and closing in pairs is the caller's part.
 */
#ifndef COMMON_JSON_WRITE_H
#define COMMON_JSON_WRITE_H

#include "common/dbuf.h"
#include "common/text.h"

struct jw {
	struct dbuf	*b;
	bool		 comma;		/* a value stands before this place */
};

void	 jw_init(struct jw *, struct dbuf *);
void	 jw_obj(struct jw *);		/* { */
void	 jw_obj_end(struct jw *);
void	 jw_arr(struct jw *);		/* [ */
void	 jw_arr_end(struct jw *);
/* key is an ASCII literal of ours, not escaped; jw_keystr is for others */
void	 jw_key(struct jw *, const char *key);
void	 jw_keystr(struct jw *, struct str key);

void	 jw_str(struct jw *, struct str);
void	 jw_s(struct jw *, const char *);
void	 jw_int(struct jw *, int64_t);
void	 jw_uint(struct jw *, uint64_t);
void	 jw_bool(struct jw *, bool);
void	 jw_null(struct jw *);
/* A value that is JSON already. */
void	 jw_raw(struct jw *, const char *, size_t);

/* A member; the _opt form leaves an empty text out. */
void	 jw_kobj(struct jw *, const char *key);
void	 jw_karr(struct jw *, const char *key);
void	 jw_kstr(struct jw *, const char *key, struct str);
void	 jw_kstr_opt(struct jw *, const char *key, struct str);
void	 jw_ks(struct jw *, const char *key, const char *);
void	 jw_kint(struct jw *, const char *key, int64_t);
void	 jw_kuint(struct jw *, const char *key, uint64_t);
void	 jw_kbool(struct jw *, const char *key, bool);
void	 jw_knull(struct jw *, const char *key);
void	 jw_kraw(struct jw *, const char *key, const char *, size_t);

/* Only the escaped text with its quotes. */
void	 json_quote(struct dbuf *, const char *, size_t);
/* Decimal digits of v at the end of buf (20 bytes): where they begin. */
char	*json_digits(uint64_t v, char *end);

#endif
