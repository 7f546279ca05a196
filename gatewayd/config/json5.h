/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * JSON5 documents as trees that remember where every key and value stood, so
 * that a complaint can name file and line.  All nodes live in one pool, which
 * is zeroed when it is freed, because values may be secrets.  No I/O, no log.
 */
#ifndef GATEWAYD_CONFIG_JSON5_H
#define GATEWAYD_CONFIG_JSON5_H

#include "common/dbuf.h"
#include "common/text.h"

#define JSON5_DEPTH_MAX	64		/* arrays and objects inside another */
#define JSON5_TEXT_MAX	(4u << 20)	/* bytes of one document */
#define JSON5_KEY_MAX	512		/* bytes of one key */

enum json5_type {
	JSON5_NULL, JSON5_BOOL, JSON5_NUMBER, JSON5_STRING, JSON5_ARRAY,
	JSON5_OBJECT
};

struct json5 {
	enum json5_type	 type;
	bool		 b;		/* JSON5_BOOL */
	bool		 isint;		/* JSON5_NUMBER: whole, fits i */
	uint16_t	 file;		/* as given to json5_parse() */
	uint32_t	 line;		/* of the key, or of a bare value */
	uint32_t	 off, len;	/* bytes of the value in its text */
	uint32_t	 koff;		/* where its key starts */
	double		 num;
	int64_t		 i;
	struct str	 s;		/* JSON5_STRING; NUL-terminated */
	struct str	 key;		/* in an object; NUL-terminated */
	struct json5	*child, *last;	/* members in order */
	struct json5	*next;
	size_t		 count;
};

struct json5_error {
	uint32_t	 line, col;	/* from 1; col counts code points */
	char		 text[160];	/* "JSON5: invalid character ..." */
};

struct json5_pool;

/* max: bytes of memory that trees of this pool may take. */
struct json5_pool *json5_pool_new(size_t max);
void	 json5_pool_free(struct json5_pool *);
/* Called for every key that stands twice in one object (the last wins). */
void	 json5_pool_ondup(struct json5_pool *,
	    void (*)(void *, const struct json5 *first,
	    const struct json5 *second), void *);

void	 json5_pool_dup(struct json5_pool *, const struct json5 *first,
	    const struct json5 *second);	/* for the parser */

/* NULL with *err filled in. */
struct json5 *json5_parse(struct json5_pool *, uint16_t file, const char *,
	    size_t, struct json5_error *);

/* Member by key or position; NULL when absent or o is no container. */
struct json5 *json5_get(const struct json5 *o, const char *key);
struct json5 *json5_gets(const struct json5 *o, struct str key);
struct json5 *json5_at(const struct json5 *o, size_t i);
/* "a.b.c" through objects; NULL when one is missing. */
struct json5 *json5_path(const struct json5 *, const char *dotted);
/* The text, or dflt when the member is missing or no string. */
const char *json5_text(const struct json5 *o, const char *key,
	    const char *dflt);
bool	 json5_bool(const struct json5 *o, const char *key, bool dflt);

/* Makers; `at` lends its place (may be NULL).  NULL: out of memory. */
struct json5 *json5_new(struct json5_pool *, enum json5_type,
	    const struct json5 *at);
struct json5 *json5_new_str(struct json5_pool *, struct str,
	    const struct json5 *at);
struct json5 *json5_new_int(struct json5_pool *, int64_t,
	    const struct json5 *at);
struct json5 *json5_new_bool(struct json5_pool *, bool,
	    const struct json5 *at);
struct json5 *json5_copy(struct json5_pool *, const struct json5 *);
/* Puts v, which must be in no other container, under key (replacing) or at
 * the end.  0, or -1 when out of memory or v is NULL. */
int	 json5_set(struct json5_pool *, struct json5 *o, const char *key,
	    struct json5 *v);
int	 json5_sets(struct json5_pool *, struct json5 *o, struct str key,
	    struct json5 *v);
int	 json5_push(struct json5 *o, struct json5 *v);
/* Takes the member out; NULL when it is not there. */
struct json5 *json5_remove(struct json5 *o, const char *key);
/* The object at the dotted path, made where missing; NULL when something
 * else stands there or memory is out. */
struct json5 *json5_mkpath(struct json5_pool *, struct json5 *,
	    const char *dotted);

/* As plain JSON; indent 0 is compact. */
int	 json5_write(struct dbuf *, const struct json5 *, int indent);
int	 json5_write_str(struct dbuf *, struct str);
const char *json5_type_name(const struct json5 *);	/* "undefined" */

#endif
