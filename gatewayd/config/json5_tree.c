/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The trees of json5.h: their pool, look-up, change and printing as JSON.
 * Walks are as deep as a tree is; the parser and json5_copy() keep that below
 * JSON5_DEPTH_MAX plus what includes and defaults add.
 */

#include "common/compat.h"

#include <inttypes.h>
#include <math.h>

#include "gatewayd/config/json5.h"

#define CHUNK	65536

struct chunk {
	struct chunk	*next;
	size_t		 size, used;
	char		 mem[];
};

struct json5_pool {
	struct chunk	*chunks;
	size_t		 left;		/* bytes that may still be taken */
	void		(*dup)(void *, const struct json5 *,
			    const struct json5 *);
	void		*dup_arg;
};

struct json5_pool *
json5_pool_new(size_t max)
{
	struct json5_pool	*pool;

	if ((pool = calloc(1, sizeof(*pool))) != NULL)
		pool->left = max;
	return pool;
}

void
json5_pool_free(struct json5_pool *pool)
{
	struct chunk	*c;

	if (pool == NULL)
		return;
	while ((c = pool->chunks) != NULL) {
		pool->chunks = c->next;
		freezero(c, sizeof(*c) + c->size);
	}
	free(pool);
}

void
json5_pool_ondup(struct json5_pool *pool, void (*cb)(void *,
    const struct json5 *, const struct json5 *), void *arg)
{
	pool->dup = cb;
	pool->dup_arg = arg;
}

void
json5_pool_dup(struct json5_pool *pool, const struct json5 *first,
    const struct json5 *second)
{
	if (pool->dup != NULL)
		pool->dup(pool->dup_arg, first, second);
}

static void *
pool_get(struct json5_pool *pool, size_t n)
{
	struct chunk	*c = pool->chunks;
	size_t		 size;
	void		*p;

	if (n > SIZE_MAX / 2)
		return NULL;
	n = (n + 15) & ~(size_t)15;
	if (c == NULL || n > c->size - c->used) {
		size = n > CHUNK ? n : CHUNK;
		if (size > pool->left ||
		    (c = calloc(1, sizeof(*c) + size)) == NULL)
			return NULL;
		pool->left -= size;
		c->size = size;
		c->next = pool->chunks;
		pool->chunks = c;
	}
	p = c->mem + c->used;
	c->used += n;
	return p;
}

struct json5 *
json5_new(struct json5_pool *pool, enum json5_type type,
    const struct json5 *place)
{
	struct json5	*v;

	if ((v = pool_get(pool, sizeof(*v))) == NULL)
		return NULL;
	v->type = type;
	if (place != NULL) {
		v->file = place->file;
		v->line = place->line;
	}
	return v;
}

static int
pool_str(struct json5_pool *pool, struct str s, struct str *out)
{
	char	*p;

	if ((p = pool_get(pool, s.n + 1)) == NULL)
		return -1;
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	*out = (struct str){ p, s.n };
	return 0;
}

struct json5 *
json5_new_str(struct json5_pool *pool, struct str s, const struct json5 *place)
{
	struct json5	*v;

	if ((v = json5_new(pool, JSON5_STRING, place)) == NULL ||
	    pool_str(pool, s, &v->s) == -1)
		return NULL;
	return v;
}

struct json5 *
json5_new_int(struct json5_pool *pool, int64_t i, const struct json5 *place)
{
	struct json5	*v;

	if ((v = json5_new(pool, JSON5_NUMBER, place)) != NULL) {
		v->isint = true;
		v->i = i;
		v->num = (double)i;
	}
	return v;
}

struct json5 *
json5_new_bool(struct json5_pool *pool, bool b, const struct json5 *place)
{
	struct json5	*v;

	if ((v = json5_new(pool, JSON5_BOOL, place)) != NULL)
		v->b = b;
	return v;
}

/* Strings are shared: nodes never change theirs, they get a new one. */
struct json5 *
json5_copy(struct json5_pool *pool, const struct json5 *o)
{
	struct json5	*v, *c;
	const struct json5 *m;

	if (o == NULL || (v = json5_new(pool, o->type, o)) == NULL)
		return NULL;
	*v = *o;
	v->child = v->last = v->next = NULL;
	v->count = 0;
	for (m = o->child; m != NULL; m = m->next) {
		if ((c = json5_copy(pool, m)) == NULL)
			return NULL;
		json5_push(v, c);
	}
	return v;
}

/* --- look-up -------------------------------------------------------------- */

struct json5 *
json5_gets(const struct json5 *o, struct str key)
{
	struct json5	*m;

	if (o == NULL || o->type != JSON5_OBJECT)
		return NULL;
	for (m = o->child; m != NULL; m = m->next)
		if (str_eq(m->key, key))
			return m;
	return NULL;
}

struct json5 *
json5_get(const struct json5 *o, const char *key)
{
	return json5_gets(o, str_of(key));
}

struct json5 *
json5_at(const struct json5 *o, size_t i)
{
	struct json5	*m;

	if (o == NULL || o->type < JSON5_ARRAY)
		return NULL;
	for (m = o->child; m != NULL && i > 0; m = m->next)
		i--;
	return m;
}

struct json5 *
json5_path(const struct json5 *o, const char *dotted)
{
	struct json5	*v = NULL;
	size_t		 n;

	for (; *dotted != '\0'; dotted += n + (dotted[n] == '.')) {
		n = strcspn(dotted, ".");
		if ((v = json5_gets(o, (struct str){ dotted, n })) == NULL)
			return NULL;
		o = v;
	}
	return v;
}

const char *
json5_text(const struct json5 *o, const char *key, const char *dflt)
{
	const struct json5	*v = json5_path(o, key);

	return v != NULL && v->type == JSON5_STRING ? v->s.p : dflt;
}

bool
json5_bool(const struct json5 *o, const char *key, bool dflt)
{
	const struct json5	*v = json5_path(o, key);

	return v != NULL && v->type == JSON5_BOOL ? v->b : dflt;
}

/* --- change ---------------------------------------------------------------- */

int
json5_push(struct json5 *o, struct json5 *v)
{
	if (v == NULL)
		return -1;
	v->next = NULL;
	if (o->last != NULL)
		o->last->next = v;
	else
		o->child = v;
	o->last = v;
	o->count++;
	return 0;
}

int
json5_sets(struct json5_pool *pool, struct json5 *o, struct str key,
    struct json5 *v)
{
	struct json5	**pp, *m;

	if (v == NULL || pool_str(pool, key, &v->key) == -1)
		return -1;
	for (pp = &o->child; (m = *pp) != NULL; pp = &m->next) {
		if (!str_eq(m->key, key))
			continue;
		v->next = m->next;
		*pp = v;
		if (o->last == m)
			o->last = v;
		return 0;
	}
	return json5_push(o, v);
}

int
json5_set(struct json5_pool *pool, struct json5 *o, const char *key,
    struct json5 *v)
{
	return json5_sets(pool, o, str_of(key), v);
}

struct json5 *
json5_remove(struct json5 *o, const char *key)
{
	struct json5	**pp, *m, *before = NULL;

	if (o == NULL || o->type != JSON5_OBJECT)
		return NULL;
	for (pp = &o->child; (m = *pp) != NULL; before = m, pp = &m->next) {
		if (!str_eqs(m->key, key))
			continue;
		*pp = m->next;
		if (o->last == m)
			o->last = before;
		o->count--;
		m->next = NULL;
		return m;
	}
	return NULL;
}

struct json5 *
json5_mkpath(struct json5_pool *pool, struct json5 *o, const char *dotted)
{
	struct json5	*v;
	struct str	 key;

	for (; *dotted != '\0'; dotted += key.n + (dotted[key.n] == '.')) {
		key = (struct str){ dotted, strcspn(dotted, ".") };
		if ((v = json5_gets(o, key)) == NULL) {
			v = json5_new(pool, JSON5_OBJECT, o);
			if (json5_sets(pool, o, key, v) == -1)
				return NULL;
		}
		if (v->type != JSON5_OBJECT)
			return NULL;
		o = v;
	}
	return o;
}

/* --- printing -------------------------------------------------------------- */

int
json5_write_str(struct dbuf *b, struct str s)
{
	size_t		 i, from = 0;
	unsigned char	 c;

	dbuf_putc(b, '"');
	for (i = 0; i < s.n; i++) {
		c = (unsigned char)s.p[i];
		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
			continue;
		dbuf_put(b, s.p + from, i - from);
		from = i + 1;
		switch (c) {
		case '"': dbuf_puts(b, "\\\""); break;
		case '\\': dbuf_puts(b, "\\\\"); break;
		case '\n': dbuf_puts(b, "\\n"); break;
		case '\r': dbuf_puts(b, "\\r"); break;
		case '\t': dbuf_puts(b, "\\t"); break;
		default: dbuf_printf(b, "\\u%04x", c); break;
		}
	}
	dbuf_put(b, s.p + from, s.n - from);
	return dbuf_putc(b, '"');
}

static void
write_num(struct dbuf *b, const struct json5 *v)
{
	char	 buf[40];
	int	 digits;

	if (v->isint)
		dbuf_printf(b, "%" PRId64, v->i);
	else if (!isfinite(v->num))
		dbuf_puts(b, "null");	/* as JSON.stringify has it */
	else {
		for (digits = 15; digits <= 17; digits++) {
			snprintf(buf, sizeof(buf), "%.*g", digits, v->num);
			if (strtod(buf, NULL) == v->num)
				break;
		}
		dbuf_puts(b, buf);
	}
}

static void
newline(struct dbuf *b, int indent, int depth)
{
	if (indent > 0)
		dbuf_printf(b, "\n%*s", indent * depth, "");
}

static void
write_value(struct dbuf *b, const struct json5 *v, int indent, int depth)
{
	const struct json5	*m;
	bool			 obj = v->type == JSON5_OBJECT;

	switch (v->type) {
	case JSON5_NULL:
		dbuf_puts(b, "null");
		break;
	case JSON5_BOOL:
		dbuf_puts(b, v->b ? "true" : "false");
		break;
	case JSON5_NUMBER:
		write_num(b, v);
		break;
	case JSON5_STRING:
		json5_write_str(b, v->s);
		break;
	case JSON5_ARRAY:
	case JSON5_OBJECT:
		dbuf_putc(b, obj ? '{' : '[');
		for (m = v->child; m != NULL; m = m->next) {
			if (m != v->child)
				dbuf_putc(b, ',');
			newline(b, indent, depth + 1);
			if (obj) {
				json5_write_str(b, m->key);
				dbuf_puts(b, indent > 0 ? ": " : ":");
			}
			write_value(b, m, indent, depth + 1);
		}
		if (v->child != NULL)
			newline(b, indent, depth);
		dbuf_putc(b, obj ? '}' : ']');
		break;
	}
}

int
json5_write(struct dbuf *b, const struct json5 *v, int indent)
{
	write_value(b, v, indent, 0);
	return dbuf_err(b) ? -1 : 0;
}

const char *
json5_type_name(const struct json5 *v)
{
	static const char *const names[] = {
		"null", "boolean", "number", "string", "array", "object"
	};

	return v == NULL ? "undefined" : names[v->type];
}
