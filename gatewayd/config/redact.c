/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What leaves this process other than in the one parcel that needs it carries
 * no secret: values of keys that the table marks, values of unknown keys with
 * a name like "token", and every other value that contains one of those
 * (threat T37).  A bare ${NAME} is no secret and stays readable.
 */

#include "common/compat.h"

#include "gatewayd/config/config.h"

#define SECRET_MIN	6	/* shorter ones are not looked for elsewhere */

/* Just "${NAME}". */
static bool
is_reference(struct str s)
{
	size_t	 i;

	if (s.n < 4 || s.p[0] != '$' || s.p[1] != '{' || s.p[s.n - 1] != '}')
		return false;
	for (i = 2; i < s.n - 1; i++)
		if (!ascii_isalnum((unsigned char)s.p[i]) && s.p[i] != '_')
			return false;
	return true;
}

static bool
find(struct str hay, struct str needle, size_t *at)
{
	const char	*p;

	if (needle.n == 0 || hay.n < needle.n)
		return false;
	p = memmem(hay.p, hay.n, needle.p, needle.n);
	if (p != NULL && at != NULL)
		*at = (size_t)(p - hay.p);
	return p != NULL;
}

/* Is m, member of an object at node, secret as a whole? */
static bool
is_secret(const struct json5 *m, const struct key_node *child)
{
	/* A map has one nameless row for all of its values. */
	if (child != NULL && child->type != NULL)
		return (child->flags & K_SECRET) != 0;
	return child == NULL && keys_name_is_secret(m->key);
}

static void
add(struct cf *cf, struct str s)
{
	size_t	 i;

	if (s.n < SECRET_MIN || is_reference(s) ||
	    cf->nsecrets == CF_SECRETS_MAX)
		return;
	for (i = 0; i < cf->nsecrets; i++)
		if (str_eq(cf->secrets[i], s))
			return;
	cf->secrets[cf->nsecrets++] = s;
}

static void
collect(struct cf *cf, const struct json5 *v, const struct key_node *node,
    bool secret)
{
	const struct key_node	*c;
	const struct json5	*m;

	if (v->type == JSON5_STRING && secret)
		add(cf, v->s);
	for (m = v->child; m != NULL; m = m->next) {
		c = keys_child(node, v->type == JSON5_ARRAY ? STR_LIT("[]") :
		    m->key);
		collect(cf, m, c, secret || (v->type == JSON5_OBJECT &&
		    is_secret(m, c)));
	}
}

void
cf_collect_secrets(struct cf *cf)
{
	static const char *const names[] = { "GATEWAYD_CLI_TOKEN",
	    "GATEWAYD_CLI_PASSWORD", "OPENCLAW_GATEWAY_TOKEN", "OPENCLAW_GATEWAY_PASSWORD",
	    "CLAWDBOT_GATEWAY_TOKEN", "CLAWDBOT_GATEWAY_PASSWORD",
	    "TELEGRAM_BOT_TOKEN" };
	const struct cf_var	*v;
	const char		*s;
	size_t			 i;

	if (cf->parsed != NULL)
		collect(cf, cf->parsed, keys_root(), false);
	if (cf->root != NULL)
		collect(cf, cf->root, keys_root(), false);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((s = cf_env(cf, names[i])) != NULL)
			add(cf, str_of(s));
	for (v = cf->dotenv; v != NULL; v = v->next)
		if (keys_name_is_secret(str_of(v->name)))
			add(cf, str_of(v->value));
}

static bool
holds_secret(const struct cf *cf, struct str s)
{
	size_t	 i, at;

	for (i = 0; i < cf->nsecrets; i++)
		if (find(s, cf->secrets[i], NULL))
			return true;
	/* "//user:password@" of an address */
	return find(s, STR_LIT("://"), &at) && memchr(s.p + at + 3, '@',
	    s.n - at - 3) != NULL && memchr(s.p + at + 3, ':',
	    s.n - at - 3) != NULL;
}

static struct json5 *
redact(struct cf *cf, const struct json5 *v, const struct key_node *node,
    bool secret)
{
	const struct key_node	*c;
	const struct json5	*m;
	struct json5		*o, *r;
	struct str		 s = STR_LIT(CF_REDACTED);

	if (v->type < JSON5_ARRAY) {
		if (v->type == JSON5_STRING ? (v->s.n > 0 &&
		    !is_reference(v->s) && (secret || holds_secret(cf,
		    v->s))) : secret && v->type == JSON5_NUMBER)
			o = json5_new_str(cf->pool, s, v);
		else if ((o = json5_new(cf->pool, v->type, v)) != NULL) {
			*o = *v;
			o->next = NULL;
		}
		return o;
	}
	if ((o = json5_new(cf->pool, v->type, v)) == NULL)
		return NULL;
	for (m = v->child; m != NULL; m = m->next) {
		c = keys_child(node, v->type == JSON5_ARRAY ? STR_LIT("[]") :
		    m->key);
		r = redact(cf, m, c, secret || (v->type == JSON5_OBJECT &&
		    is_secret(m, c)));
		if (r == NULL)
			return NULL;
		/* A key may be a secret too, when it stands for a value. */
		if (v->type == JSON5_OBJECT)
			r->key = holds_secret(cf, m->key) ? s : m->key;
		json5_push(o, r);
	}
	return o;
}

struct json5 *
cf_redact(struct cf *cf, const struct json5 *v, const struct key_node *node)
{
	return redact(cf, v, node, node != NULL &&
	    (node->flags & K_SECRET) != 0);
}

/* --- the text itself ------------------------------------------------------------ */

struct span {
	uint32_t	 off, len;
};

struct spans {
	struct span	*v;
	size_t		 n, cap;
	bool		 err;
};

static void
span_add(struct spans *sp, uint32_t off, uint32_t len)
{
	struct span	*neu;

	if (sp->n == sp->cap) {
		neu = reallocarray(sp->v, sp->cap * 2 + 16, sizeof(*neu));
		if (neu == NULL) {
			sp->err = true;
			return;
		}
		sp->v = neu;
		sp->cap = sp->cap * 2 + 16;
	}
	sp->v[sp->n++] = (struct span){ off, len };
}

static int
cmp_spans(const void *a, const void *b)
{
	const struct span	*x = a, *y = b;

	return x->off < y->off ? -1 : x->off > y->off;
}

static void
spans_of(struct cf *cf, const struct json5 *v, const struct key_node *node,
    bool secret, struct spans *sp)
{
	const struct key_node	*c;
	const struct json5	*m;

	if (v->type < JSON5_ARRAY) {
		if (v->type == JSON5_STRING ? v->s.n == 0 ||
		    is_reference(v->s) || !(secret || holds_secret(cf, v->s)) :
		    !(secret && v->type == JSON5_NUMBER))
			return;
		span_add(sp, v->off, v->len);
		return;
	}
	for (m = v->child; m != NULL; m = m->next) {
		c = keys_child(node, v->type == JSON5_ARRAY ? STR_LIT("[]") :
		    m->key);
		spans_of(cf, m, c, secret || (v->type == JSON5_OBJECT &&
		    is_secret(m, c)), sp);
	}
}

/* Copies with every known secret masked: in comments, dropped duplicates. */
static void
put_masked(struct cf *cf, struct dbuf *out, struct str s)
{
	size_t	 i, at, best, len;

	while (s.n > 0) {
		best = s.n;
		len = 0;
		for (i = 0; i < cf->nsecrets; i++)
			if (find((struct str){ s.p, s.n }, cf->secrets[i],
			    &at) && at < best) {
				best = at;
				len = cf->secrets[i].n;
			}
		dbuf_put(out, s.p, best);
		if (len > 0)
			dbuf_puts(out, CF_REDACTED);
		s.p += best + len;
		s.n -= best + len;
	}
}

int
cf_redact_raw(struct cf *cf, struct dbuf *out)
{
	struct spans	 sp = { NULL, 0, 0, false };
	size_t		 i, pos = 0;

	if (cf->nhidden > CF_HIDDEN_MAX)
		return -1;
	spans_of(cf, cf->parsed, keys_root(), false, &sp);
	for (i = 0; i < cf->nhidden; i++)
		span_add(&sp, cf->hidden[i].off, cf->hidden[i].len);
	if (sp.n > 0)
		qsort(sp.v, sp.n, sizeof(*sp.v), cmp_spans);
	for (i = 0; i < sp.n && !sp.err; i++) {
		if (sp.v[i].off < pos || sp.v[i].len == 0 ||
		    sp.v[i].len > cf->rawlen - sp.v[i].off)
			continue;
		put_masked(cf, out, (struct str){ cf->raw + pos,
		    sp.v[i].off - pos });
		dbuf_puts(out, "\"" CF_REDACTED "\"");
		pos = sp.v[i].off + sp.v[i].len;
	}
	put_masked(cf, out, (struct str){ cf->raw + pos, cf->rawlen - pos });
	free(sp.v);
	return sp.err || dbuf_err(out) ? -1 : 0;
}
