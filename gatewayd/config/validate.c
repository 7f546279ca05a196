/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The document against the table of keys.  Wrong types and bounds are errors
 * in the words of the reference (users and `doctor` look for them); a key that
 * nobody knows is a warning with a guess at what was meant (threat R05: a
 * file from a newer or older version must not keep the gateway down).
 */

#include "common/compat.h"

#include <arpa/inet.h>
#include <math.h>

#include "gatewayd/config/config.h"

#define ISSUE_MAX	256

static void	validate(struct cf *, const struct json5 *,
		    const struct key_node *, char *, size_t);

/* --- one value against one alternative --------------------------------------- */

static bool
choice(struct str choices, struct str v)
{
	size_t	 n;

	for (;;) {
		for (n = 0; n < choices.n && choices.p[n] != '|'; n++)
			;
		if (str_eq((struct str){ choices.p, n }, v))
			return true;
		if (n == choices.n)
			return false;
		choices.p += n + 1;
		choices.n -= n + 1;
	}
}

static void
choice_list(struct str choices, char *buf, size_t size)
{
	size_t	 i, n = 0;

	n = (size_t)snprintf(buf, size, "Invalid option: expected one of \"");
	for (i = 0; i < choices.n && n + 6 < size; i++) {
		if (choices.p[i] == '|')
			n += (size_t)snprintf(buf + n, size - n, "\"|\"");
		else
			buf[n++] = choices.p[i];
	}
	snprintf(buf + n, size - n, "\"");
}

/* "ms", "s", "m", "h", "d" behind digits, or digits alone (minutes). */
static bool
is_duration(struct str s)
{
	size_t	 i = 0;
	bool	 dot = false;

	s = str_trim(s);
	for (; i < s.n && (ascii_isdigit((unsigned char)s.p[i]) ||
	    (s.p[i] == '.' && !dot && i > 0)); i++)
		dot = dot || s.p[i] == '.';
	if (i == 0)
		return false;
	s.p += i;
	s.n -= i;
	return s.n == 0 || str_ieqs(s, "ms") || str_ieqs(s, "s") ||
	    str_ieqs(s, "m") || str_ieqs(s, "h") || str_ieqs(s, "d");
}

static const char *
time_issue(struct str s, bool end)
{
	int	 h, m;

	if (s.n != 5 || s.p[2] != ':' || !ascii_isdigit(
	    (unsigned char)s.p[0]) || !ascii_isdigit((unsigned char)s.p[1]) ||
	    !ascii_isdigit((unsigned char)s.p[3]) || !ascii_isdigit(
	    (unsigned char)s.p[4]))
		return "invalid time (use \"HH:MM\" 24h format)";
	h = (s.p[0] - '0') * 10 + s.p[1] - '0';
	m = (s.p[3] - '0') * 10 + s.p[4] - '0';
	if (h == 24)
		return m != 0 ? "invalid time (24:00 is the only allowed "
		    "24:xx value)" : end ? NULL :
		    "invalid time (start cannot be 24:00)";
	return h > 24 || m > 59 ? "invalid time (use \"HH:MM\" 24h format)" :
	    NULL;
}

static bool
is_hex(struct str s)
{
	size_t	 i;

	if (s.n > 0 && s.p[0] == '#') {
		s.p++;
		s.n--;
	}
	for (i = 0; i < s.n; i++)
		if (!ascii_isxdigit((unsigned char)s.p[i]))
			return false;
	return s.n == 6;
}

/* A program name that no shell and no option parser could read otherwise. */
static bool
is_exe(struct str s)
{
	size_t	 i;
	bool	 path = false;

	s = str_trim(s);
	for (i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f ||
		    strchr(";&|`$<>\"'", s.p[i]) != NULL)
			return false;
		path = path || s.p[i] == '/' || s.p[i] == '\\';
	}
	if (s.n == 0 || path || s.p[0] == '~' || s.p[0] == '.')
		return s.n > 0;
	if (s.p[0] == '-')
		return false;
	for (i = 0; i < s.n; i++)
		if (!ascii_isalnum((unsigned char)s.p[i]) &&
		    strchr("._+-", s.p[i]) == NULL)
			return false;
	return true;
}

static const char *
kind_name(enum key_kind k)
{
	switch (k) {
	case KEY_BOOL:
		return "boolean";
	case KEY_INT:
	case KEY_NUM:
		return "number";
	case KEY_OBJECT:
		return "object";
	case KEY_RECORD:
	case KEY_MAP:
		return "record";
	case KEY_ARRAY:
		return "array";
	case KEY_NULL:
		return "null";
	case KEY_STRING: case KEY_ENUM: case KEY_OPTION: case KEY_STRNUM:
	case KEY_ANY: case KEY_HEX: case KEY_DURATION: case KEY_HHMM:
	case KEY_HHMM24: case KEY_EXE: case KEY_IPV4: case KEY_SHAPE:
		break;
	}
	return "string";
}

static void
number_issue(const struct json5 *v, const struct key_alt *a, char *buf,
    size_t size)
{
	if (!isfinite(v->num)) {
		snprintf(buf, size, "Invalid input: expected number, received "
		    "%s", isnan(v->num) ? "NaN" : "Infinity");
		return;
	}
	if (a->kind == KEY_INT && !v->isint) {
		snprintf(buf, size, "Invalid input: expected int, received "
		    "number");
		return;
	}
	if (!a->bounded)
		return;
	if (v->num < a->min || (a->open && v->num <= a->min))
		snprintf(buf, size, "Too small: expected number to be %s%g",
		    a->open ? ">" : ">=", a->min);
	else if (v->num > a->max)
		snprintf(buf, size, "Too big: expected number to be <=%.10g",
		    a->max);
}

static void
string_issue(struct str s, const struct key_alt *a, char *buf, size_t size)
{
	const char	*what = NULL;
	struct in_addr	 in;
	size_t		 n;

	switch (a->kind) {
	case KEY_STRING:
		n = utf8_count(s.p, s.n);
		if (a->bounded && (double)n < a->min)
			snprintf(buf, size, "Too small: expected string to "
			    "have >=%g characters", a->min);
		else if (a->bounded && (double)n > a->max)
			snprintf(buf, size, "Too big: expected string to have "
			    "<=%g characters", a->max);
		return;
	case KEY_ENUM:
		if (!choice(a->choices, s))
			what = "Invalid input";
		break;
	case KEY_OPTION:
		if (!choice(a->choices, s))
			choice_list(a->choices, buf, size);
		return;
	case KEY_HEX:
		if (!is_hex(s))
			what = "expected hex color (RRGGBB)";
		break;
	case KEY_DURATION:
		if (!is_duration(s))
			what = "invalid duration (use ms, s, m, h)";
		break;
	case KEY_HHMM:
	case KEY_HHMM24:
		what = time_issue(s, a->kind == KEY_HHMM24);
		break;
	case KEY_EXE:
		if (!is_exe(s))
			what = "expected safe executable name or path";
		break;
	case KEY_IPV4:
		if (inet_pton(AF_INET, s.p, &in) != 1)
			what = "expected an IPv4 address";
		break;
	case KEY_BOOL: case KEY_INT: case KEY_NUM: case KEY_OBJECT:
	case KEY_RECORD: case KEY_ARRAY: case KEY_MAP: case KEY_STRNUM:
	case KEY_ANY: case KEY_NULL: case KEY_SHAPE:
		break;
	}
	if (what != NULL)
		strlcpy(buf, what, size);
}

/* Is v of the JSON type that this alternative takes? */
static bool
type_fits(const struct json5 *v, const struct key_alt *a)
{
	switch (a->kind) {
	case KEY_ANY:
		return true;
	case KEY_NULL:
		return v->type == JSON5_NULL;
	case KEY_BOOL:
		return v->type == JSON5_BOOL;
	case KEY_INT:
	case KEY_NUM:
		return v->type == JSON5_NUMBER;
	case KEY_STRNUM:
		return v->type == JSON5_NUMBER || v->type == JSON5_STRING;
	case KEY_OBJECT:
	case KEY_RECORD:
	case KEY_MAP:
	case KEY_SHAPE:
		return v->type == JSON5_OBJECT;
	case KEY_ARRAY:
		return v->type == JSON5_ARRAY;
	case KEY_STRING: case KEY_ENUM: case KEY_OPTION: case KEY_HEX:
	case KEY_DURATION: case KEY_HHMM: case KEY_HHMM24: case KEY_EXE:
	case KEY_IPV4:
		return v->type == JSON5_STRING;
	}
	return false;
}

/* buf stays empty when v is fine as one of these. */
static void
scalar_issue(const struct json5 *v, const struct key_alt *a, char *buf,
    size_t size)
{
	if (!type_fits(v, a) && (a->kind == KEY_ENUM ||
	    a->kind == KEY_STRNUM))
		strlcpy(buf, "Invalid input", size);
	else if (!type_fits(v, a))
		snprintf(buf, size, "Invalid input: expected %s, received %s",
		    kind_name(a->kind), json5_type_name(v));
	else if (v->type == JSON5_NUMBER)
		number_issue(v, a, buf, size);
	else if (v->type == JSON5_STRING)
		string_issue(v->s, a, buf, size);
}

/* --- containers --------------------------------------------------------------- */

static void
unknown_key(struct cf *cf, const struct json5 *m, const struct key_node *node,
    const char *path)
{
	const char	*hint = keys_nearest(node, m->key);

	if (hint != NULL)
		cf_warn(cf, m, path, "Unrecognized key: \"%s\" (did you mean "
		    "\"%s\"?)", m->key.p, hint);
	else
		cf_warn(cf, m, path, "Unrecognized key: \"%s\"", m->key.p);
}

static void
required(struct cf *cf, const struct json5 *o, const struct key_node *node,
    char *path, size_t size, int depth)
{
	const struct key_node	*c;
	size_t			 i, len = strlen(path);

	if (node == NULL || depth > 8)
		return;
	for (c = node->child; c != NULL; c = c->next) {
		if ((c->flags & K_REQ) == 0 || json5_gets(o, c->name) != NULL)
			continue;
		snprintf(path + len, size - len, "%s%.*s", len > 0 ? "." : "",
		    (int)c->name.n, c->name.p);
		cf_error(cf, o, path, "Invalid input: expected %s, received "
		    "undefined", c->nalts > 0 ? kind_name(c->alts[0].kind) :
		    "object");
		path[len] = '\0';
	}
	for (i = 0; i < node->nalts; i++)
		if (node->alts[i].kind == KEY_SHAPE)
			required(cf, o, node->alts[i].shape, path, size,
			    depth + 1);
}

static bool
is_open(const struct key_node *node, int depth)
{
	size_t	 i;

	if (node == NULL || depth > 8)
		return false;
	if (node->flags & K_OPEN)
		return true;
	for (i = 0; i < node->nalts; i++)
		if (node->alts[i].kind == KEY_ANY || (node->alts[i].kind ==
		    KEY_MAP && node->alts[i].shape == NULL) ||
		    (node->alts[i].kind == KEY_SHAPE &&
		    is_open(node->alts[i].shape, depth + 1)))
			return true;
	return false;
}

static void
validate_object(struct cf *cf, const struct json5 *o,
    const struct key_node *node, char *path, size_t size)
{
	const struct key_node	*c;
	const struct json5	*m;
	size_t			 len = strlen(path);

	for (m = o->child; m != NULL; m = m->next) {
		if ((c = keys_child(node, m->key)) == NULL) {
			if (!is_open(node, 0))
				unknown_key(cf, m, node, path);
			continue;
		}
		snprintf(path + len, size - len, "%s%s", len > 0 ? "." : "",
		    m->key.p);
		validate(cf, m, c, path, size);
		path[len] = '\0';
	}
	required(cf, o, node, path, size, 0);
}

static void
validate_items(struct cf *cf, const struct json5 *o,
    const struct key_node *item, const struct key_alt *a, char *path,
    size_t size)
{
	const struct json5	*m;
	size_t			 len = strlen(path), i = 0;
	char			 issue[ISSUE_MAX];

	for (m = o->child; m != NULL; m = m->next, i++) {
		snprintf(path + len, size - len, "%s%zu", len > 0 ? "." : "",
		    i);
		if (item != NULL)
			validate(cf, m, item, path, size);
		else if (a != NULL) {
			issue[0] = '\0';
			scalar_issue(m, a, issue, sizeof(issue));
			if (issue[0] != '\0')
				cf_error(cf, m, path, "%s", issue);
		}
		path[len] = '\0';
	}
}

/* The alternative whose type fits; lists before single values. */
static const struct key_alt *
pick(const struct json5 *v, const struct key_node *node)
{
	size_t	 i;

	for (i = 0; i < node->nalts; i++) {
		/* A shape without members is a name for a simple type. */
		if (node->alts[i].kind == KEY_SHAPE && !node->alts[i].list &&
		    !keys_has_members(node->alts[i].shape)) {
			if (node->alts[i].shape != NULL &&
			    pick(v, node->alts[i].shape) != NULL)
				return &node->alts[i];
			continue;
		}
		if (node->alts[i].list ? v->type == JSON5_ARRAY :
		    type_fits(v, &node->alts[i]))
			return &node->alts[i];
	}
	return NULL;
}

static void
type_issue(struct cf *cf, const struct json5 *v, const struct key_node *node,
    const char *path)
{
	const struct key_alt	*a = &node->alts[0];

	while (node->nalts == 1 && a->kind == KEY_SHAPE && !a->list &&
	    a->shape != NULL && a->shape->nalts > 0) {
		node = a->shape;
		a = &node->alts[0];
	}
	if (node->nalts > 1 || (a->kind == KEY_ENUM && !a->list))
		cf_error(cf, v, path, "Invalid input");
	else
		cf_error(cf, v, path, "Invalid input: expected %s, received %s",
		    a->list ? "array" : a->kind == KEY_SHAPE ? "object" :
		    kind_name(a->kind), json5_type_name(v));
}

static void
validate(struct cf *cf, const struct json5 *v, const struct key_node *node,
    char *path, size_t size)
{
	const struct key_alt	*a;
	bool			 items = keys_has_items(node);
	bool			 members = keys_has_members(node);
	char			 issue[ISSUE_MAX] = "";

	if (node->nalts == 0) {		/* only there for what is below */
		if (v->type == JSON5_OBJECT && members)
			validate_object(cf, v, node, path, size);
		else if (v->type == JSON5_ARRAY && items)
			validate_items(cf, v, keys_child(node, STR_LIT("[]")),
			    NULL, path, size);
		else
			cf_error(cf, v, path, "Invalid input: expected %s, "
			    "received %s", items ? "array" : "object",
			    json5_type_name(v));
		return;
	}
	if ((a = pick(v, node)) == NULL) {
		type_issue(cf, v, node, path);
		return;
	}
	if (a->kind == KEY_ANY && !a->list)
		return;
	if (v->type == JSON5_OBJECT) {
		validate_object(cf, v, node, path, size);
		return;
	}
	if (v->type == JSON5_ARRAY) {
		validate_items(cf, v, keys_child(node, STR_LIT("[]")),
		    a->list && a->kind != KEY_SHAPE ? a : NULL, path, size);
		return;
	}
	if (a->kind == KEY_SHAPE) {	/* a name for a simple type */
		validate(cf, v, a->shape, path, size);
		return;
	}
	scalar_issue(v, a, issue, sizeof(issue));
	if (issue[0] != '\0')
		cf_error(cf, v, path, "%s", issue);
}

void
cf_validate(struct cf *cf)
{
	char	 path[1024] = "";

	validate_object(cf, cf->root, keys_root(), path, sizeof(path));
}
