/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Builds the tree of keys.h from keys.def and looks things up in it. */

#include "common/compat.h"

#include "gatewayd/config/keys.h"

#define SHAPE_DEPTH	8	/* a shape may lean on another, not for ever */

static const struct {
	const char	*path, *type;
	unsigned int	 flags;
	const char	*dflt, *help;
} rows[] = {
#define KEY(path, type, flags, dflt, help) { path, type, flags, dflt, help },
#include "gatewayd/config/keys.def"
#undef KEY
};

#define NROWS	(sizeof(rows) / sizeof(rows[0]))

static struct key_node	 root;
static const char	*broken;	/* first mistake of the table */
static bool		 built;

/* --- building ------------------------------------------------------------ */

static struct key_node *
find(const struct key_node *n, struct str name)
{
	struct key_node	*c;

	for (c = n->child; c != NULL; c = c->next)
		if (str_eq(c->name, name))
			return c;
	return NULL;
}

static struct key_node *
make(struct key_node *n, struct str name)
{
	struct key_node	*c, **pp;

	if ((c = find(n, name)) != NULL)
		return c;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	c->name = name;
	for (pp = &n->child; *pp != NULL; pp = &(*pp)->next)
		;
	*pp = c;
	return c;
}

/* "a.b[].c" as the parts a, b, [], c. */
static struct key_node *
make_path(const char *path)
{
	struct key_node	*n = &root;
	struct str	 part;

	while (*path != '\0' && n != NULL) {
		if (path[0] == '[' && path[1] == ']')
			part = (struct str){ path, 2 };
		else
			part = (struct str){ path, strcspn(path, ".[") };
		n = make(n, part);
		path += part.n;
		path += *path == '.';
	}
	return n;
}

static const struct {
	const char	*name;
	enum key_kind	 kind;
} kinds[] = {
	{ "string", KEY_STRING }, { "bool", KEY_BOOL }, { "int", KEY_INT },
	{ "num", KEY_NUM }, { "enum", KEY_ENUM }, { "option", KEY_OPTION },
	{ "object", KEY_OBJECT }, { "record", KEY_RECORD },
	{ "array", KEY_ARRAY }, { "map", KEY_MAP }, { "strnum", KEY_STRNUM },
	{ "any", KEY_ANY }, { "null", KEY_NULL }, { "hex", KEY_HEX },
	{ "duration", KEY_DURATION }, { "hhmm", KEY_HHMM },
	{ "hhmm24", KEY_HHMM24 }, { "exe", KEY_EXE }, { "ipv4", KEY_IPV4 },
};

static int	parse_alt(struct str, struct key_alt *);

/* What stands behind the name of a type: bounds, choices, values. */
static int
parse_rest(struct str s, struct key_alt *a)
{
	struct key_node	*v;
	char		 buf[64], *end, *dots;

	if (s.n == 0)
		return a->kind == KEY_ENUM || a->kind == KEY_OPTION ? -1 : 0;
	if (a->kind == KEY_INT || a->kind == KEY_NUM || a->kind == KEY_STRING) {
		if (str_copy(s, buf, sizeof(buf)) == -1)
			return -1;
		a->bounded = true;
		a->max = 1e300;
		if (strcmp(buf, ">0") == 0) {
			a->open = true;
			return 0;
		}
		if (strcmp(buf, ">=0") == 0)
			return 0;
		if (buf[0] != ':')
			return -1;
		/* strtod() would take the first point of "0..5". */
		if ((dots = strstr(buf, "..")) == NULL)
			return -1;
		*dots = '\0';
		a->min = strtod(buf + 1, &end);
		if (*end != '\0')
			return -1;
		a->max = strtod(dots + 2, &end);
		return *end == '\0' ? 0 : -1;
	}
	if (s.p[0] != ':')
		return -1;
	s.p++;
	s.n--;
	if (a->kind == KEY_ENUM || a->kind == KEY_OPTION) {
		a->choices = s;
		return s.n > 0 ? 0 : -1;
	}
	if (a->kind != KEY_MAP || (v = calloc(1, sizeof(*v))) == NULL)
		return -1;
	v->name = STR_LIT("*");
	v->nalts = 1;
	a->shape = v;
	return parse_alt(s, &v->alts[0]);
}

static int
parse_alt(struct str s, struct key_alt *a)
{
	size_t	 i, n;

	memset(a, 0, sizeof(*a));
	if (s.n > 2 && memcmp(s.p + s.n - 2, "[]", 2) == 0) {
		a->list = true;
		s.n -= 2;
	}
	if (s.n > 1 && s.p[0] == '@') {
		a->kind = KEY_SHAPE;
		a->choices = s;
		return 0;
	}
	for (n = 0; n < s.n && ascii_isalnum((unsigned char)s.p[n]); n++)
		;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!str_eqs((struct str){ s.p, n }, kinds[i].name))
			continue;
		a->kind = kinds[i].kind;
		return parse_rest((struct str){ s.p + n, s.n - n }, a);
	}
	return -1;
}

static int
parse_type(const char *type, struct key_node *n)
{
	const char	*end;

	for (;; type = end + 4) {
		if (n->nalts == KEY_ALTS_MAX)
			return -1;
		end = strstr(type, " or ");
		if (parse_alt((struct str){ type, end != NULL ?
		    (size_t)(end - type) : strlen(type) },
		    &n->alts[n->nalts++]) == -1)
			return -1;
		if (end == NULL)
			return 0;
	}
}

/* Shapes by name, once all rows are in. */
static void
resolve(struct key_node *n)
{
	struct key_node	*c;
	struct key_alt	*a;
	size_t		 i;

	for (i = 0; i < n->nalts; i++) {
		a = &n->alts[i];
		if (a->kind != KEY_SHAPE)
			continue;
		if ((a->shape = find(&root, a->choices)) == NULL &&
		    broken == NULL)
			broken = a->choices.p;
	}
	for (c = n->child; c != NULL; c = c->next)
		resolve(c);
}

const struct key_node *
keys_root(void)
{
	struct key_node	*n;
	size_t		 i;

	if (built)
		return &root;
	for (i = 0; i < NROWS; i++) {
		if ((n = make_path(rows[i].path)) == NULL)
			return NULL;
		if (n->type != NULL && broken == NULL)
			broken = rows[i].path;	/* twice */
		n->type = rows[i].type;
		n->flags = rows[i].flags;
		n->dflt = rows[i].dflt;
		n->help = rows[i].help;
		if (parse_type(rows[i].type, n) == -1 && broken == NULL)
			broken = rows[i].path;
	}
	resolve(&root);
	built = true;
	return &root;
}

const char *
keys_check(void)
{
	return keys_root() == NULL ? "memory" : broken;
}

/* --- look-up -------------------------------------------------------------- */

static const struct key_node *
lookup(const struct key_node *n, struct str name, int depth)
{
	const struct key_node	*c;
	size_t			 i;

	if (n == NULL || depth > SHAPE_DEPTH)
		return NULL;
	if ((c = find(n, name)) != NULL)
		return c;
	for (i = 0; i < n->nalts; i++)
		if (n->alts[i].shape != NULL && n->alts[i].kind == KEY_SHAPE &&
		    (c = lookup(n->alts[i].shape, name, depth + 1)) != NULL)
			return c;
	return NULL;
}

const struct key_node *
keys_named(const struct key_node *n, struct str name)
{
	/* Shapes stand below the root but are no keys. */
	if (name.n == 0 || name.p[0] == '@' || str_eqs(name, "*"))
		return NULL;
	return lookup(n, name, 0);
}

const struct key_node *
keys_child(const struct key_node *n, struct str name)
{
	const struct key_node	*c;
	size_t			 i;

	if ((c = keys_named(n, name)) != NULL)
		return c;
	if (n == NULL || str_eqs(name, "[]"))
		return NULL;
	if ((c = lookup(n, STR_LIT("*"), 0)) != NULL)
		return c;
	for (i = 0; i < n->nalts; i++)
		if (n->alts[i].kind == KEY_MAP && n->alts[i].shape != NULL)
			return n->alts[i].shape;
	return NULL;
}

static bool
has(const struct key_node *n, bool items, int depth)
{
	const struct key_node	*c;
	size_t			 i;

	if (n == NULL || depth > SHAPE_DEPTH)
		return false;
	for (c = n->child; c != NULL; c = c->next)
		if (str_eqs(c->name, "[]") == items)
			return true;
	for (i = 0; i < n->nalts; i++)
		if (n->alts[i].kind == KEY_SHAPE &&
		    has(n->alts[i].shape, items, depth + 1))
			return true;
	return false;
}

bool
keys_has_members(const struct key_node *n)
{
	return has(n, false, 0);
}

bool
keys_has_items(const struct key_node *n)
{
	return has(n, true, 0);
}

/* --- hints ---------------------------------------------------------------- */

/* Edit distance with transpositions, without regard to case; more than max
 * counts as max + 1.  Names longer than 40 are no typing slips. */
static size_t
distance(struct str a, struct str b, size_t max)
{
	size_t	 d[3][42], i, j, best, row;
	int	 ca, cb;

	if (a.n > 40 || b.n > 40 ||
	    (a.n > b.n ? a.n - b.n : b.n - a.n) > max)
		return max + 1;
	for (j = 0; j <= b.n; j++)
		d[0][j] = j;
	for (i = 1; i <= a.n; i++) {
		row = i % 3;
		d[row][0] = i;
		for (j = 1; j <= b.n; j++) {
			ca = ascii_tolower((unsigned char)a.p[i - 1]);
			cb = ascii_tolower((unsigned char)b.p[j - 1]);
			best = d[(i - 1) % 3][j - 1] + (ca != cb);
			if (d[(i - 1) % 3][j] + 1 < best)
				best = d[(i - 1) % 3][j] + 1;
			if (d[row][j - 1] + 1 < best)
				best = d[row][j - 1] + 1;
			if (i > 1 && j > 1 && ca == ascii_tolower(
			    (unsigned char)b.p[j - 2]) && cb == ascii_tolower(
			    (unsigned char)a.p[i - 2]) &&
			    d[(i - 2) % 3][j - 2] + 1 < best)
				best = d[(i - 2) % 3][j - 2] + 1;
			d[row][j] = best;
		}
	}
	return d[a.n % 3][b.n];
}

static void
nearest(const struct key_node *n, struct str name, struct str *best,
    size_t *dist, int depth)
{
	const struct key_node	*c;
	size_t			 i, d;

	if (n == NULL || depth > SHAPE_DEPTH)
		return;
	for (c = n->child; c != NULL; c = c->next) {
		if (c->name.p[0] == '@' || c->name.p[0] == '*' ||
		    c->name.p[0] == '[' || c->name.p[0] == '$')
			continue;
		d = distance(name, c->name, *dist);
		if (d < *dist) {
			*dist = d;
			*best = c->name;
		}
	}
	for (i = 0; i < n->nalts; i++)
		if (n->alts[i].kind == KEY_SHAPE)
			nearest(n->alts[i].shape, name, best, dist, depth + 1);
}

const char *
keys_nearest(const struct key_node *n, struct str name)
{
	static char	 buf[64];
	struct str	 best = { NULL, 0 };
	size_t		 dist = name.n <= 3 ? 2 : name.n <= 7 ? 3 : 4;

	nearest(n, name, &best, &dist, 0);
	if (best.p == NULL || dist >= best.n ||
	    str_copy(best, buf, sizeof(buf)) == -1)
		return NULL;
	return buf;
}

static bool
ends(struct str s, const char *tail)
{
	size_t	 n = strlen(tail);

	return s.n >= n && ascii_ncasecmp(s.p + s.n - n, tail, n) == 0;
}

bool
keys_name_is_secret(struct str s)
{
	static const char *const tails[] = {
		"token", "password", "passwd", "passphrase", "secret",
		"apikey", "api_key", "api-key", "privatekey", "private_key",
		"accesskey", "access_key", "credential", "credentials",
		"authorization", "cookie", "signingkey", "encryptionkey",
		"_key", "-key"
	};
	size_t	 i;

	for (i = 0; i < sizeof(tails) / sizeof(tails[0]); i++)
		if (ends(s, tails[i]))
			return true;
	return false;
}

bool
keys_row(size_t i, const char **path, const char **type, unsigned int *flags,
    const char **dflt, const char **help)
{
	if (i >= NROWS)
		return false;
	*path = rows[i].path;
	*type = rows[i].type;
	*flags = rows[i].flags;
	*dflt = rows[i].dflt;
	*help = rows[i].help;
	return true;
}
