/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * $include: files merged into the document, with bounds on depth, number and
 * growth (a file that includes itself twice doubles with every level).
 */

#include "common/compat.h"

#include <errno.h>

#include "gatewayd/config/config.h"

struct include {
	struct cf	*cf;
	const char	*chain[CF_INCLUDE_DEPTH + 1];	/* files being read */
	int		 depth;
};

static struct json5	*resolve(struct include *, struct json5 *,
			    const char *, int);

char *
cf_normalise(const char *dir, struct str path)
{
	struct dbuf	 in, out;
	const char	*p;
	size_t		 n;

	dbuf_init(&in, CF_PATH_MAX);
	dbuf_init(&out, CF_PATH_MAX);
	if (path.n == 0 || path.p[0] != '/') {
		dbuf_puts(&in, dir);
		dbuf_putc(&in, '/');
	}
	dbuf_put(&in, path.p, path.n);
	if (dbuf_err(&in))
		goto out;
	for (p = dbuf_str(&in); *p != '\0'; p += n) {
		p += strspn(p, "/");
		n = strcspn(p, "/");
		if (n == 0 || (n == 1 && p[0] == '.'))
			continue;
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			while (out.n > 0 && out.p[out.n - 1] != '/')
				out.n--;
			if (out.n > 0)
				out.n--;
			continue;
		}
		dbuf_putc(&out, '/');
		dbuf_put(&out, p, n);
	}
	if (out.n == 0)
		dbuf_putc(&out, '/');
	out.p[out.n] = '\0';
out:
	dbuf_clear(&in);
	if (dbuf_err(&out)) {
		dbuf_clear(&out);
		return NULL;
	}
	return dbuf_take(&out, NULL);
}

static char *
dirname_of(const char *path)
{
	const char	*slash = strrchr(path, '/');

	if (slash == NULL || slash == path)
		return strdup("/");
	return str_dup((struct str){ path, (size_t)(slash - path) });
}

/* Objects join by key, lists follow each other, anything else is replaced.
 * Merged nodes keep the place of what won. */
static struct json5 *
merge(struct json5_pool *pool, struct json5 *a, struct json5 *b)
{
	struct json5	*m, *next, *old;

	if (a->type != b->type || a->type < JSON5_ARRAY)
		return b;
	for (m = b->child; m != NULL; m = next) {
		next = m->next;
		if (a->type == JSON5_ARRAY)
			json5_push(a, m);
		else if ((old = json5_gets(a, m->key)) == NULL)
			json5_push(a, m);
		else {
			m->next = NULL;
			if ((m = merge(pool, old, m)) != old &&
			    json5_sets(pool, a, m->key, m) == -1)
				return NULL;
		}
	}
	return a;
}

/* One file, parsed and resolved. */
static struct json5 *
include_file(struct include *in, const struct json5 *at, struct str path,
    const char *dir, const char *where, int level)
{
	struct cf		*cf = in->cf;
	struct json5_error	 err;
	struct json5		*v = NULL, place = { 0 };
	struct dbuf		 loop;
	char			*abs, *text = NULL, *sub = NULL;
	size_t			 n = 0;
	int			 i, e;

	if ((abs = cf_normalise(dir, path)) == NULL) {
		cf_error(cf, at, where, "Failed to read include file: path is "
		    "too long");
		return NULL;
	}
	for (i = 0; i < in->depth; i++) {
		if (strcmp(in->chain[i], abs) != 0)
			continue;
		dbuf_init(&loop, 1500);
		for (; i < in->depth; i++)
			dbuf_printf(&loop, "%s -> ", in->chain[i]);
		cf_error(cf, at, where, "Circular include detected: %s%s",
		    dbuf_str(&loop), abs);
		dbuf_clear(&loop);
		goto out;
	}
	if (in->depth > CF_INCLUDE_DEPTH - 1) {
		cf_error(cf, at, where, "Maximum include depth (%d) exceeded "
		    "at: %s", CF_INCLUDE_DEPTH, abs);
		goto out;
	}
	if (cf->nfiles == CF_FILES_MAX) {
		cf_error(cf, at, where, "more than %d files are included",
		    CF_FILES_MAX - 1);
		goto out;
	}
	if ((e = cf->read_file(cf->arg, abs, &text, &n)) != 0) {
		cf_error(cf, at, where, "Failed to read include file: %.*s "
		    "(resolved: %s): %s", (int)path.n, path.p, abs,
		    strerror(e));
		goto out;
	}
	cf->files[cf->nfiles++] = abs;
	v = json5_parse(cf->pool, (uint16_t)(cf->nfiles - 1), text, n, &err);
	if (v == NULL) {
		cf_error(cf, at, where, "Failed to parse include file: %.*s "
		    "(resolved: %s): %s", (int)path.n, path.p, abs, err.text);
		place.file = (uint16_t)(cf->nfiles - 1);
		place.line = err.line;
		cf_error(cf, &place, "", "%s", err.text);
	} else if ((sub = dirname_of(abs)) == NULL)
		v = NULL;
	else {
		in->chain[in->depth++] = abs;
		v = resolve(in, v, sub, level);
		in->depth--;
	}
	abs = NULL;	/* kept in cf->files */
out:
	free(abs);
	free(sub);
	freezero(text, n);
	return v;
}

/* What an object with $include stands for. */
static struct json5 *
include(struct include *in, struct json5 *o, const char *dir, int level)
{
	struct cf	*cf = in->cf;
	struct json5	*inc = json5_remove(o, "$include"), *v = NULL, *f, *m;
	struct str	 key = o->key;

	if (inc->type == JSON5_STRING)
		v = include_file(in, inc, inc->s, dir, "$include", level);
	else if (inc->type == JSON5_ARRAY) {
		v = json5_new(cf->pool, JSON5_OBJECT, inc);
		for (m = inc->child; m != NULL && v != NULL; m = m->next) {
			if (m->type != JSON5_STRING) {
				cf_error(cf, m, "$include", "Invalid $include "
				    "array item: expected string, got %s",
				    json5_type_name(m));
				return NULL;
			}
			f = include_file(in, m, m->s, dir, "$include", level);
			v = f == NULL ? NULL : merge(cf->pool, v, f);
		}
	} else
		cf_error(cf, inc, "$include", "Invalid $include value: "
		    "expected string or array of strings, got %s",
		    json5_type_name(inc));
	if (v == NULL)
		return NULL;
	if (o->child != NULL) {
		if (v->type != JSON5_OBJECT) {
			cf_error(cf, inc, "$include", "Sibling keys require "
			    "included content to be an object");
			return NULL;
		}
		if ((o = resolve(in, o, dir, level)) == NULL ||
		    (v = merge(cf->pool, v, o)) == NULL)
			return NULL;
	}
	v->key = key;
	return v;
}

/* level bounds the depth of what includes build: each file is bounded by the
 * parser, but files inside files add up. */
static struct json5 *
resolve(struct include *in, struct json5 *o, const char *dir, int level)
{
	struct json5	*m, *next, *v, *before = NULL;

	if (level > JSON5_DEPTH_MAX) {
		cf_error(in->cf, o, "$include", "nesting is too deep");
		return NULL;
	}
	if (o->type == JSON5_OBJECT && json5_get(o, "$include") != NULL)
		return include(in, o, dir, level);
	for (m = o->child; m != NULL; before = v, m = next) {
		next = m->next;
		v = m;
		if (m->type >= JSON5_ARRAY &&
		    (v = resolve(in, m, dir, level + 1)) == NULL)
			return NULL;
		if (v == m)
			continue;
		v->next = next;
		if (before != NULL)
			before->next = v;
		else
			o->child = v;
		if (o->last == m)
			o->last = v;
	}
	return o;
}

static void
on_dup(void *arg, const struct json5 *first, const struct json5 *second)
{
	struct cf	*cf = arg;
	char		 key[JSON5_KEY_MAX + 1];

	/* What is hidden is in no tree, but still in the text. */
	if (first->file == 0 && cf->nhidden++ < CF_HIDDEN_MAX) {
		cf->hidden[cf->nhidden - 1].off = first->off;
		cf->hidden[cf->nhidden - 1].len = first->len;
	}
	if (str_copy(first->key, key, sizeof(key)) == 0)
		cf_warn(cf, first, key, "key stands twice; the one in line "
		    "%u counts", (unsigned int)second->line);
}

int
cf_load(struct cf *cf, const char *text, size_t n)
{
	struct include		 in = { .cf = cf };
	struct json5_error	 err;
	struct json5		*v, place = { 0 };

	if ((cf->files[0] = strdup(cf->path)) == NULL ||
	    (cf->dir = dirname_of(cf->path)) == NULL)
		return -1;
	cf->nfiles = 1;
	json5_pool_ondup(cf->pool, on_dup, cf);
	if (text == NULL) {
		cf->parsed = json5_new(cf->pool, JSON5_OBJECT, NULL);
		cf->root = json5_new(cf->pool, JSON5_OBJECT, NULL);
		return cf->parsed == NULL || cf->root == NULL ? -1 : 0;
	}
	if ((v = json5_parse(cf->pool, 0, text, n, &err)) == NULL) {
		place.line = err.line;
		cf_error(cf, &place, "", "JSON5 parse failed: SyntaxError: %s",
		    err.text);
		return -1;
	}
	if ((cf->parsed = json5_copy(cf->pool, v)) == NULL) {
		cf_error(cf, NULL, "", "out of memory");
		return -1;
	}
	in.chain[in.depth++] = cf->files[0];
	if ((cf->root = resolve(&in, v, cf->dir, 1)) == NULL) {
		if (cf->nerrors == 0)
			cf_error(cf, NULL, "", "out of memory");
		return -1;
	}
	if (cf->root->type != JSON5_OBJECT) {
		cf_error(cf, cf->root, "", "Invalid input: expected object, "
		    "received %s", json5_type_name(cf->root));
		return -1;
	}
	return 0;
}
