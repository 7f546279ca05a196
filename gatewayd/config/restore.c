/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The way back of redact.c.  A client that edits what config.get gave it sends
 * placeholders where secrets were: each gets what the file has at the same
 * place, as it is written there.  An item of a list is known by its "id", else
 * by its position.
 */

#include "common/compat.h"

#include "gatewayd/config/write.h"

struct swap {
	uint32_t	 off, len;
	const struct json5 *by;
};

struct restorer {
	struct swap	*v;
	size_t		 n, cap;
	struct dbuf	*why;
	struct dbuf	 path;
	bool		 failed;
};

static void
complain(struct restorer *r, const char *text)
{
	if (!r->failed)
		dbuf_printf(r->why, "%s: %s", dbuf_str(&r->path), text);
	r->failed = true;
}

static bool
has_placeholder(struct str s)
{
	return s.n >= sizeof(CF_REDACTED) - 1 && memmem(s.p, s.n, CF_REDACTED,
	    sizeof(CF_REDACTED) - 1) != NULL;
}

/* The member of the old container that stands for m. */
static const struct json5 *
counterpart(const struct json5 *old, const struct json5 *m, bool arr, size_t i)
{
	const struct json5	*id, *o;

	if (old == NULL)
		return NULL;
	if (!arr)
		return json5_gets(old, m->key);
	if (old->type != JSON5_ARRAY)
		return NULL;
	id = json5_get(m, "id");
	if (id == NULL || id->type != JSON5_STRING)
		return json5_at(old, i);
	for (o = old->child; o != NULL; o = o->next)
		if (str_eq(id->s, str_of(json5_text(o, "id", ""))))
			return o;
	return NULL;
}

/* source: as written; root: as resolved, may be NULL below what is not. */
static void
walk(struct restorer *r, struct json5 *v, const struct json5 *source,
    const struct json5 *root)
{
	const struct json5	*by = NULL;
	struct json5		*m, keep;
	struct swap		*neu;
	size_t			 n = r->path.n, i = 0;
	bool			 arr = v->type == JSON5_ARRAY;

	if (v->type == JSON5_STRING) {
		if (str_eqs(v->s, CF_REDACTED)) {
			by = source != NULL ? source : root;
			if (by == NULL || by->type >= JSON5_ARRAY)
				complain(r, CF_REDACTED " stands for a secret "
				    "that the configuration does not have "
				    "here; write the value itself");
		} else if (has_placeholder(v->s))
			complain(r, CF_REDACTED " inside of a text is no "
			    "value");
		else if (source != NULL && source->type == JSON5_STRING &&
		    root != NULL && root->type == JSON5_STRING &&
		    str_eq(v->s, root->s) && !str_eq(v->s, source->s))
			by = source;
		if (by == NULL || r->failed)
			return;
		if (r->n == r->cap) {
			neu = reallocarray(r->v, r->cap * 2 + 16,
			    sizeof(*neu));
			if (neu == NULL) {
				complain(r, "out of memory");
				return;
			}
			r->v = neu;
			r->cap = r->cap * 2 + 16;
		}
		r->v[r->n++] = (struct swap){ v->off, v->len, by };
		keep = *v;
		*v = *by;
		v->key = keep.key;
		v->koff = keep.koff;
		v->next = keep.next;
		v->file = keep.file;
		v->line = keep.line;
		return;
	}
	for (m = v->child; m != NULL && !r->failed; m = m->next, i++) {
		if (arr)
			dbuf_printf(&r->path, "%s%zu", n > 0 ? "." : "", i);
		else if (has_placeholder(m->key))
			complain(r, "a key that was hidden cannot be put "
			    "back; write it itself");
		else
			dbuf_printf(&r->path, "%s%s", n > 0 ? "." : "",
			    m->key.p);
		walk(r, m, counterpart(source, m, arr, i),
		    counterpart(root, m, arr, i));
		r->path.n = n;
	}
}

static int
cmp_swaps(const void *a, const void *b)
{
	const struct swap	*x = a, *y = b;

	return x->off < y->off ? -1 : x->off > y->off;
}

bool
cf_restore(const struct cf *cf, struct json5 *tree, struct str text,
    struct dbuf *out, struct dbuf *why)
{
	struct restorer	 r = { .why = why };
	size_t		 i, pos = 0;

	dbuf_init(&r.path, 65536);
	walk(&r, tree, cf->source != NULL ? cf->source : cf->parsed,
	    cf->root);
	dbuf_clear(&r.path);
	if (out != NULL && !r.failed) {
		if (r.n > 0)
			qsort(r.v, r.n, sizeof(*r.v), cmp_swaps);
		for (i = 0; i < r.n; i++) {
			dbuf_put(out, text.p + pos, r.v[i].off - pos);
			json5_write(out, r.v[i].by, 0);
			pos = (size_t)r.v[i].off + r.v[i].len;
		}
		dbuf_put(out, text.p + pos, text.n - pos);
	}
	free(r.v);
	return !r.failed && (out == NULL || !dbuf_err(out));
}
