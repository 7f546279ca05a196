/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Shapes are written where they are used: forms of that time follow no $ref.
 * Unknown keys are taken with a warning (spec/config.md 9 differs, R05 wins),
 * but a form has no field for them, so objects say that there are no others.
 */

#include "common/compat.h"

#include <time.h>

#include "common/json_write.h"
#include "gatewayd/config/keys.h"
#include "gatewayd/config/schema.h"

#define DEPTH	24

static void	 put_node(struct jw *, const struct key_node *, int depth);

static void
put_choices(struct jw *w, struct str s)
{
	size_t	 n;

	jw_karr(w, "enum");
	while (s.n > 0) {
		for (n = 0; n < s.n && s.p[n] != '|'; n++)
			;
		jw_str(w, (struct str){ s.p, n });
		s.p += n + (n < s.n);
		s.n -= n + (n < s.n);
	}
	jw_arr_end(w);
}

static void
put_num(struct jw *w, const char *key, double v)
{
	char	 buf[64];

	snprintf(buf, sizeof(buf), v > -1e15 && v < 1e15 &&
	    v == (double)(int64_t)v ? "%.0f" : "%.17g", v);
	jw_kraw(w, key, buf, strlen(buf));
}

static void
put_bounds(struct jw *w, const struct key_alt *a, bool chars)
{
	if (!a->bounded)
		return;
	if (chars)
		put_num(w, "minLength", a->min);
	else if (a->open)
		put_num(w, "exclusiveMinimum", a->min);
	else
		put_num(w, "minimum", a->min);
	if (a->max < 1e300)
		put_num(w, chars ? "maxLength" : "maximum", a->max);
}

/* Members of n: what is written out, and what any other name may be. */
static void
put_members(struct jw *w, const struct key_node *n, bool free, int depth)
{
	const struct key_node	*c, *any = NULL;

	jw_ks(w, "type", "object");
	jw_kobj(w, "properties");
	for (c = n->child; c != NULL; c = c->next)
		if (str_eqs(c->name, "*"))
			any = c;
		else if (c->name.p[0] != '@' && !str_eqs(c->name, "[]")) {
			jw_keystr(w, c->name);
			put_node(w, c, depth + 1);
		}
	jw_obj_end(w);
	jw_karr(w, "required");
	for (c = n->child; c != NULL; c = c->next)
		if ((c->flags & K_REQ) && !str_eqs(c->name, "*"))
			jw_str(w, c->name);
	jw_arr_end(w);
	jw_key(w, "additionalProperties");
	if (any != NULL)
		put_node(w, any, depth + 1);
	else
		jw_bool(w, free || (n->flags & K_OPEN) != 0);
}

static void
put_kind(struct jw *w, const struct key_node *n, const struct key_alt *a,
    int depth)
{
	switch (a->kind) {
	case KEY_BOOL:
		jw_ks(w, "type", "boolean");
		break;
	case KEY_INT:
		jw_ks(w, "type", "integer");
		put_bounds(w, a, false);
		break;
	case KEY_NUM:
		jw_ks(w, "type", "number");
		put_bounds(w, a, false);
		break;
	case KEY_ENUM:
	case KEY_OPTION:
		jw_ks(w, "type", "string");
		put_choices(w, a->choices);
		break;
	case KEY_OBJECT:
	case KEY_RECORD:
		put_members(w, n, a->kind == KEY_RECORD, depth);
		break;
	case KEY_MAP:
		jw_ks(w, "type", "object");
		jw_key(w, "additionalProperties");
		if (a->shape != NULL)
			put_node(w, a->shape, depth + 1);
		else {
			jw_obj(w);
			jw_obj_end(w);
		}
		break;
	case KEY_ARRAY:
		jw_ks(w, "type", "array");
		if (keys_child(n, STR_LIT("[]")) != NULL) {
			jw_key(w, "items");
			put_node(w, keys_child(n, STR_LIT("[]")), depth + 1);
		}
		break;
	case KEY_STRNUM:
		jw_karr(w, "type");
		jw_s(w, "string");
		jw_s(w, "number");
		jw_arr_end(w);
		break;
	case KEY_ANY:
		break;
	case KEY_NULL:
		jw_ks(w, "type", "null");
		break;
	case KEY_SHAPE:
		break;		/* put_alt() */
	default:
		/* A text with a form of its own: the validator knows it. */
		jw_ks(w, "type", "string");
		put_bounds(w, a, true);
		break;
	}
}

static void
put_alt(struct jw *w, const struct key_node *n, const struct key_alt *a,
    int depth)
{
	if (a->list) {
		jw_obj(w);
		jw_ks(w, "type", "array");
		jw_key(w, "items");
	}
	if (a->kind == KEY_SHAPE && a->shape != NULL && depth < DEPTH)
		put_node(w, a->shape, depth + 1);
	else {
		jw_obj(w);
		if (depth < DEPTH)
			put_kind(w, n, a, depth);
		jw_obj_end(w);
	}
	if (a->list)
		jw_obj_end(w);
}

static void
put_node(struct jw *w, const struct key_node *n, int depth)
{
	size_t	 i;

	if (n->nalts == 1) {
		put_alt(w, n, &n->alts[0], depth);
		return;
	}
	jw_obj(w);
	if (n->nalts == 0)
		put_members(w, n, false, depth);
	else {
		jw_karr(w, "anyOf");
		for (i = 0; i < n->nalts; i++)
			put_alt(w, n, &n->alts[i], depth);
		jw_arr_end(w);
	}
	jw_obj_end(w);
}

/* "botToken" as "Bot Token". */
static void
put_label(struct jw *w, const char *path)
{
	struct dbuf	 b;
	const char	*s = strrchr(path, '.');
	bool		 start = true;

	dbuf_init(&b, 1024);
	for (s = s != NULL ? s + 1 : path; *s != '\0'; s++) {
		if (*s >= 'A' && *s <= 'Z' && !start && s[-1] >= 'a' &&
		    s[-1] <= 'z')
			dbuf_putc(&b, ' ');
		dbuf_putc(&b, start && *s >= 'a' && *s <= 'z' ?
		    (char)(*s - 'a' + 'A') : *s);
		start = false;
	}
	jw_ks(w, "label", dbuf_str(&b));
	dbuf_clear(&b);
}

/* n stands at path; also what its shapes hold stands there. */
static void
put_hints(struct jw *w, const struct key_node *n, struct dbuf *path, int depth)
{
	const struct key_node	*c;
	size_t			 i, k = path->n;

	if (depth > DEPTH)
		return;
	if (n->help != NULL && n->help[0] != '\0' && k > 0 &&
	    strchr("*]", path->p[k - 1]) == NULL) {
		jw_keystr(w, (struct str){ path->p, k });
		jw_obj(w);
		put_label(w, dbuf_str(path));
		jw_ks(w, "help", n->help);
		if (n->flags & K_SECRET)
			jw_kbool(w, "sensitive", true);
		if (n->dflt != NULL && n->dflt[0] != '\0')
			jw_ks(w, "placeholder", n->dflt);
		jw_obj_end(w);
	}
	for (c = n->child; c != NULL; c = c->next) {
		if (c->name.p[0] == '@')
			continue;
		if (k > 0 && c->name.p[0] != '[')
			dbuf_putc(path, '.');
		dbuf_put(path, c->name.p, c->name.n);
		put_hints(w, c, path, depth + 1);
		path->n = k;
		if (path->p != NULL)
			path->p[k] = '\0';
	}
	for (i = 0; i < n->nalts; i++)
		if (n->alts[i].kind == KEY_SHAPE && n->alts[i].shape != NULL)
			put_hints(w, n->alts[i].shape, path, depth + 1);
}

int
schema_write(struct dbuf *b, uint64_t now_ms)
{
	struct dbuf	 path;
	struct jw	 w;
	char		 at[32];
	time_t		 now = (time_t)(now_ms / 1000);
	struct tm	 tm;

	if (keys_root() == NULL)
		return -1;
	memset(&tm, 0, sizeof(tm));
	gmtime_r(&now, &tm);
	strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%S.000Z", &tm);
	jw_init(&w, b);
	jw_obj(&w);
	jw_kobj(&w, "schema");
	jw_ks(&w, "$schema", "http://json-schema.org/draft-07/schema#");
	jw_ks(&w, "title", "OpenClawConfig");
	put_members(&w, keys_root(), false, 0);
	jw_obj_end(&w);
	dbuf_init(&path, 4096);
	jw_kobj(&w, "uiHints");
	put_hints(&w, keys_root(), &path, 0);
	jw_obj_end(&w);
	dbuf_clear(&path);
	jw_ks(&w, "version", GW_VERSION);
	jw_ks(&w, "generatedAt", at);
	jw_obj_end(&w);
	return dbuf_err(b) ? -1 : 0;
}
