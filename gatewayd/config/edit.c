/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * A patched object is written member by member: what stays is copied as it
 * stood, with the gap before it (white space, comments), and only the commas
 * are made anew.  In the end the text is parsed again and must mean what the
 * merged tree means; if it does not (keys that stood twice, say), the tree is
 * written instead.
 */

#include "common/compat.h"

#include "gatewayd/config/edit.h"

/* --- trees ------------------------------------------------------------------ */

struct json5 *
edit_merge(struct json5_pool *pool, const struct json5 *a,
    const struct json5 *patch)
{
	const struct json5	*m;
	struct json5		*o, *v;

	if (patch->type != JSON5_OBJECT)
		return json5_copy(pool, patch);
	if (a != NULL && a->type == JSON5_OBJECT)
		o = json5_copy(pool, a);
	else
		o = json5_new(pool, JSON5_OBJECT, patch);
	for (m = patch->child; o != NULL && m != NULL; m = m->next) {
		if (m->type == JSON5_NULL) {
			json5_remove(o, m->key.p);
			continue;
		}
		v = edit_merge(pool, json5_gets(o, m->key), m);
		if (json5_sets(pool, o, m->key, v) == -1)
			return NULL;
	}
	return o;
}

bool
edit_same(const struct json5 *a, const struct json5 *b, struct dbuf *path)
{
	const struct json5	*m, *o;
	size_t			 n = path->n, i;
	bool			 arr = a->type == JSON5_ARRAY;

	if (a->type != b->type)
		return false;
	switch (a->type) {
	case JSON5_NULL:
		return true;
	case JSON5_BOOL:
		return a->b == b->b;
	case JSON5_NUMBER:
		return a->num == b->num || (a->num != a->num &&
		    b->num != b->num);
	case JSON5_STRING:
		return str_eq(a->s, b->s);
	default:
		break;
	}
	o = b->child;
	for (i = 0, m = a->child; m != NULL; m = m->next, i++) {
		if (!arr)
			o = json5_gets(b, m->key);
		if (arr)
			dbuf_printf(path, "%s%zu", n > 0 ? "." : "", i);
		else
			dbuf_printf(path, "%s%s", n > 0 ? "." : "", m->key.p);
		if (o == NULL || !edit_same(m, o, path))
			return false;
		path->n = n;
		o = o->next;
	}
	if (a->count == b->count)
		return true;
	/* b has more: name the first that a has not. */
	for (m = b->child; !arr && m != NULL; m = m->next)
		if (json5_gets(a, m->key) == NULL) {
			dbuf_printf(path, "%s%s", n > 0 ? "." : "", m->key.p);
			break;
		}
	return false;
}

/* --- text ------------------------------------------------------------------- */

struct editor {
	struct json5_pool *pool;
	struct str	 src;
	struct dbuf	*out;
	bool		 failed;	/* the text is not as expected */
};

/* Between two members: the end of the line of the first, then what belongs to
 * the second.  Commas are left out and counted. */
struct gap {
	size_t		 from, cut, to;
	size_t		 comma;		/* where; SIZE_MAX: none */
};

static void
gap_read(struct editor *e, size_t from, size_t to, struct gap *g)
{
	const char	*p = e->src.p;
	size_t		 i = from;
	bool		 line = false;

	g->from = g->cut = from;
	g->to = to;
	g->comma = SIZE_MAX;
	if (from > to || to > e->src.n) {
		e->failed = true;
		g->to = from;
		return;
	}
	while (i < to) {
		if (p[i] == '/' && i + 1 < to && p[i + 1] == '/') {
			while (i < to && p[i] != '\n' && p[i] != '\r')
				i++;
		} else if (p[i] == '/' && i + 1 < to && p[i + 1] == '*') {
			for (i += 2; i + 1 < to && (p[i] != '*' ||
			    p[i + 1] != '/'); i++)
				;
			i += 2;
		} else if (p[i] == ',' && g->comma == SIZE_MAX)
			g->comma = i++;
		else if (p[i] == '\n' || p[i] == '\r') {
			if (!line)
				g->cut = i;
			line = true;
			i++;
		} else if (p[i] == ' ' || p[i] == '\t' ||
		    (unsigned char)p[i] >= 0x80 || p[i] == '\v' ||
		    p[i] == '\f')
			i++;
		else {
			/* A key that a later equal one hides. */
			e->failed = true;
			return;
		}
	}
	if (!line && g->comma != SIZE_MAX)
		g->cut = g->comma;
}

static void
put_span(struct editor *e, size_t from, size_t to, size_t without)
{
	if (without >= from && without < to) {
		dbuf_put(e->out, e->src.p + from, without - from);
		from = without + 1;
	}
	if (from < to)
		dbuf_put(e->out, e->src.p + from, to - from);
}

/* White space that the line of this place starts with; n is 0 when something
 * else stands before it. */
static struct str
indent_at(const struct editor *e, size_t at, bool only)
{
	size_t	 start = at, end;

	while (start > 0 && e->src.p[start - 1] != '\n')
		start--;
	for (end = start; end < at && (e->src.p[end] == ' ' ||
	    e->src.p[end] == '\t'); end++)
		;
	if (only && (end != at || start == 0))
		return (struct str){ NULL, 0 };
	return (struct str){ e->src.p + start, end - start };
}

/* v without the nulls that a patch says where nothing is. */
static void
put_value(struct editor *e, const struct json5 *v, struct str indent)
{
	struct json5	*clean = edit_merge(e->pool, NULL, v);
	struct dbuf	 b;
	size_t		 i, from = 0;

	dbuf_init_secret(&b, 2 * JSON5_TEXT_MAX);
	if (clean == NULL || json5_write(&b, clean, indent.p != NULL ? 2 :
	    0) == -1)
		e->failed = true;
	for (i = 0; !e->failed && i < b.n; i++)
		if (b.p[i] == '\n') {
			dbuf_put(e->out, b.p + from, i + 1 - from);
			dbuf_put(e->out, indent.p, indent.n);
			from = i + 1;
		}
	if (b.n > from)
		dbuf_put(e->out, b.p + from, b.n - from);
	dbuf_clear(&b);
}

static bool
is_new(const struct json5 *o, const struct json5 *m)
{
	return m->type != JSON5_NULL && json5_gets(o, m->key) == NULL;
}

static void
put_object(struct editor *e, const struct json5 *o, const struct json5 *patch)
{
	const struct json5	*m, *p;
	struct str		 in, first = { NULL, 0 };
	struct dbuf		 deep;
	struct gap		 g;
	size_t			 left = 0, pos = o->off + 1;
	size_t			 end = (size_t)o->off + o->len - 1;
	bool			 kept = true, any = false, trailing;

	if (o->len < 2 || end >= e->src.n || e->src.p[end] != '}') {
		e->failed = true;
		return;
	}
	for (m = o->child; m != NULL; m = m->next)
		left += (p = json5_gets(patch, m->key)) == NULL ||
		    p->type != JSON5_NULL;
	for (p = patch->child; p != NULL; p = p->next)
		left += is_new(o, p);
	dbuf_putc(e->out, '{');
	for (m = o->child; m != NULL && !e->failed; m = m->next) {
		gap_read(e, pos, m->koff, &g);
		if (m->off < m->koff || m->len > e->src.n ||
		    m->off > e->src.n - m->len)
			e->failed = true;
		if (e->failed)
			return;
		/* The rest of a line goes with the member it stands behind,
		 * the lines above a member with that. */
		if (kept)
			put_span(e, g.from, g.cut, g.comma);
		p = json5_gets(patch, m->key);
		pos = (size_t)m->off + m->len;
		if ((kept = p == NULL || p->type != JSON5_NULL)) {
			put_span(e, g.cut, g.to, g.comma);
			put_span(e, m->koff, m->off, SIZE_MAX);
			in = indent_at(e, m->koff, true);
			if (p == NULL)
				put_span(e, m->off, pos, SIZE_MAX);
			else if (p->type == JSON5_OBJECT &&
			    m->type == JSON5_OBJECT)
				put_object(e, m, p);
			else
				put_value(e, p, in);
			any = true;
			if (--left > 0)
				dbuf_putc(e->out, ',');
		}
	}
	gap_read(e, pos, end, &g);
	trailing = g.comma != SIZE_MAX;
	if (kept)
		put_span(e, g.from, g.cut, g.comma);
	/* New ones come last, one below the other when the others do. */
	dbuf_init(&deep, 4096);
	if (o->child != NULL)
		first = indent_at(e, o->child->koff, true);
	if (first.p == NULL && (o->child == NULL ||
	    g.cut != g.from)) {
		in = indent_at(e, o->off, false);
		dbuf_put(&deep, in.p, in.n);
		dbuf_puts(&deep, "  ");
		first = (struct str){ dbuf_str(&deep), deep.n };
	}
	for (p = patch->child; p != NULL && !e->failed; p = p->next) {
		if (!is_new(o, p))
			continue;
		if (first.p != NULL) {
			dbuf_putc(e->out, '\n');
			dbuf_put(e->out, first.p, first.n);
		} else if (any)
			dbuf_putc(e->out, ' ');
		json5_write_str(e->out, p->key);
		dbuf_puts(e->out, ": ");
		put_value(e, p, first);
		any = true;
		if (--left > 0)
			dbuf_putc(e->out, ',');
	}
	if (trailing && any)
		dbuf_putc(e->out, ',');
	/* An object that was "{}" gets its brace on a line of its own. */
	if (o->child == NULL && first.p != NULL && any && g.cut == g.from) {
		put_span(e, g.cut, g.to, g.comma);
		dbuf_putc(e->out, '\n');
		dbuf_put(e->out, first.p, first.n - 2);
	} else
		put_span(e, g.cut, g.to, g.comma);
	dbuf_putc(e->out, '}');
	dbuf_clear(&deep);
}

int
edit_text(struct json5_pool *pool, struct str src, const struct json5 *doc,
    const struct json5 *patch, struct dbuf *out)
{
	struct editor		 e = { pool, src, out, false };
	struct json5_error	 err;
	struct json5		*merged, *again;
	struct dbuf		 path;
	size_t			 end = (size_t)doc->off + doc->len;
	bool			 good;

	if ((merged = edit_merge(pool, doc, patch)) == NULL)
		return -1;
	dbuf_reset(out);
	if (doc->type == JSON5_OBJECT && patch->type == JSON5_OBJECT &&
	    end <= src.n) {
		dbuf_put(out, src.p, doc->off);
		put_object(&e, doc, patch);
		dbuf_put(out, src.p + end, src.n - end);
	} else
		e.failed = true;
	if (!e.failed && !dbuf_err(out) && (again = json5_parse(pool, doc->file,
	    dbuf_str(out), out->n, &err)) != NULL) {
		dbuf_init(&path, 65536);
		good = edit_same(merged, again, &path);
		dbuf_clear(&path);
		if (good)
			return 0;
	}
	dbuf_reset(out);
	if (json5_write(out, merged, 2) == -1 || dbuf_putc(out, '\n') == -1)
		return -1;
	return 0;
}
