/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The method table and its validator.  Parameters come from clients: depth is
 * bounded by the schemas (two), work by the length of the text, the error text
 * by its dbuf.
 */
#include "common/compat.h"

#include <inttypes.h>

#include "common/methods.h"

enum ptype { PT_STR, PT_STRS, PT_ARR, PT_INT, PT_BOOL, PT_BOOLS, PT_TEXTS,
	PT_ANY, PT_ENUM, PT_NSTR, PT_NENUM, PT_OBJ };
enum need { OPTIONAL, REQUIRED };
enum judging { STRICT, LENIENT, IGNORED };

struct param {
	const char		*name;
	enum ptype		 type;
	enum need		 need;
	int64_t			 lo, hi;
	const char *const	*list;		/* PT_ENUM, PT_NENUM */
	const struct schema	*sub;		/* PT_OBJ */
};

struct schema {
	enum judging		 judging;
	size_t			 n;
	const struct param	*params;
};

static const char *const ENUM_req[] = { "req", NULL };
static const char *const ENUM_client_id[] = {
	"webchat-ui", "openclaw-control-ui", "webchat", "cli", "gateway-client",
	"openclaw-macos", "openclaw-ios", "openclaw-android", "node-host",
	"test", "fingerprint", "openclaw-probe",
	/* of protocol 4 */
	"openclaw-tui", "openclaw-linux", "openclaw-watchos",
	"openclaw-browser-copilot", "openclaw-worker", NULL
};
static const char *const ENUM_client_mode[] = {
	"webchat", "cli", "ui", "backend", "node", "probe", "test", "worker",
	NULL
};
static const char *const ENUM_usage[] = { "off", "tokens", "full", "on", NULL };
static const char *const ENUM_send_policy[] = { "allow", "deny", NULL };
static const char *const ENUM_activation[] = { "mention", "always", NULL };
static const char *const ENUM_log_level[] = {
	"fatal", "error", "warn", "info", "debug", "trace", NULL
};

#define P_STR(n, need, lo, hi)	{ #n, PT_STR, need, lo, hi, NULL, NULL },
#define P_STRS(n, need, lo, hi)	{ #n, PT_STRS, need, lo, hi, NULL, NULL },
#define P_ARR(n, need, lo, hi)	{ #n, PT_ARR, need, lo, hi, NULL, NULL },
#define P_INT(n, need, lo, hi)	{ #n, PT_INT, need, lo, hi, NULL, NULL },
#define P_BOOL(n, need)		{ #n, PT_BOOL, need, 0, 0, NULL, NULL },
#define P_BOOLS(n, need)	{ #n, PT_BOOLS, need, 0, 0, NULL, NULL },
#define P_TEXTS(n, need)	{ #n, PT_TEXTS, need, 0, 0, NULL, NULL },
#define P_ANY(n, need)		{ #n, PT_ANY, need, 0, 0, NULL, NULL },
#define P_ENUM(n, need, list)	{ #n, PT_ENUM, need, 0, 0, ENUM_##list, NULL },
#define P_NSTR(n, need, lo, hi)	{ #n, PT_NSTR, need, lo, hi, NULL, NULL },
#define P_NENUM(n, need, list)	{ #n, PT_NENUM, need, 0, 0, ENUM_##list, NULL },
#define P_OBJ(n, need, s)	{ #n, PT_OBJ, need, 0, 0, NULL, &schema_##s },

/* An empty list needs one row to be a C array; n leaves it out. */
#define SCHEMA(id, judging, ...)					\
	static const struct param params_##id[] = {			\
		__VA_ARGS__ { NULL, PT_ANY, OPTIONAL, 0, 0, NULL, NULL }	\
	};								\
	static const struct schema schema_##id = { judging,		\
		sizeof(params_##id) / sizeof(params_##id[0]) - 1, params_##id };
#define KNOWN(name, scope)
#define METHOD(id, name, owner, handler, scope, judging, listed, params)	\
	SCHEMA(id, judging, params)
#include "proto/methods.def"
#undef METHOD
#undef KNOWN
#undef SCHEMA

enum {
	BIT_NONE = METHOD_SCOPE_NONE, BIT_NODE = METHOD_SCOPE_NODE,
	BIT_READ = SCOPE_READ, BIT_WRITE = SCOPE_WRITE, BIT_ADMIN = SCOPE_ADMIN,
	BIT_APPROVALS = SCOPE_APPROVALS, BIT_PAIRING = SCOPE_PAIRING
};

static const struct method methods[] = {
#define SCHEMA(id, judging, params)
#define KNOWN(name, scope)						\
	{ name, METHOD_UNBUILT, OWNER_ROUTER, BIT_##scope, LISTED_HIDDEN, NULL },
#define METHOD(id, name, owner, handler, scope, judging, listed, params)	\
	{ name, METHOD_##id, OWNER_##owner, BIT_##scope, LISTED_##listed, \
	    &schema_##id },
#include "proto/methods.def"
#undef METHOD
#undef KNOWN
#undef SCHEMA
};
#define METHODS	(sizeof(methods) / sizeof(methods[0]))

#define SLOTS	512	/* at least twice the methods */
static uint8_t		 slots[SLOTS];		/* row + 1 */
static uint8_t		 by_id[METHOD_MAX];
static bool		 ready;
_Static_assert(METHODS < 255 && METHODS * 2 < SLOTS, "method hash too small");

static unsigned int
name_hash(struct str s)
{
	uint32_t	 h = 2166136261u;
	size_t		 i;

	for (i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 16777619u;
	return (h ^ h >> 16) % SLOTS;
}

static void
methods_init(void)
{
	unsigned int	 h;
	size_t		 i;

	for (i = 0; i < METHODS; i++) {
		h = name_hash(str_of(methods[i].name));
		while (slots[h] != 0)
			h = (h + 1) % SLOTS;
		slots[h] = (uint8_t)(i + 1);
		if (methods[i].id < METHOD_MAX)
			by_id[methods[i].id] = (uint8_t)i;
	}
	ready = true;
}

const struct method *
method_at(size_t i)
{
	return i < METHODS ? &methods[i] : NULL;
}

const struct method *
method_get(enum method_id id)
{
	if (!ready)
		methods_init();
	return id < METHOD_MAX ? &methods[by_id[id]] : NULL;
}

int
method_param_at(const struct method *m, const char *name)
{
	size_t	 i;

	for (i = 0; i < m->params->n; i++)
		if (strcmp(m->params->params[i].name, name) == 0)
			return (int)i;
	return -1;
}

const struct method *
method_find(struct str name)
{
	unsigned int	 h;

	if (!ready)
		methods_init();
	if (name.n > 64)
		return NULL;
	for (h = name_hash(name); slots[h] != 0; h = (h + 1) % SLOTS)
		if (str_eqs(name, methods[slots[h] - 1].name))
			return &methods[slots[h] - 1];
	return NULL;
}

/* --- authorisation ------------------------------------------------------ */

static const struct { const char *name; unsigned int bit; } scope_names[] = {
	{ "operator.read", SCOPE_READ }, { "operator.write", SCOPE_WRITE },
	{ "operator.admin", SCOPE_ADMIN },
	{ "operator.approvals", SCOPE_APPROVALS },
	{ "operator.pairing", SCOPE_PAIRING },
};

unsigned int
scopes_parse(struct str s)
{
	unsigned int	 bits = 0;
	size_t		 i, start;
	struct str	 one;

	while (s.n > 0) {
		for (start = 0; start < s.n && s.p[start] != ' ' &&
		    s.p[start] != ','; start++)
			;
		one = (struct str){ s.p, start };
		for (i = 0; i < sizeof(scope_names) / sizeof(scope_names[0]);
		    i++)
			if (str_eqs(one, scope_names[i].name))
				bits |= scope_names[i].bit;
		if (start < s.n)
			start++;
		s.p += start;
		s.n -= start;
	}
	return bits;
}

const char *
method_refusal(unsigned int need, enum client_role role, unsigned int scopes)
{
	if (need == METHOD_SCOPE_NODE)
		return role == CLIENT_NODE ? NULL :
		    "unauthorized role: operator";
	if (role != CLIENT_OPERATOR)
		return "unauthorized role: node";
	if (scopes & SCOPE_ADMIN || need == METHOD_SCOPE_NONE)
		return NULL;
	switch (need) {
	case SCOPE_APPROVALS:
		return scopes & SCOPE_APPROVALS ? NULL :
		    "missing scope: operator.approvals";
	case SCOPE_PAIRING:
		return scopes & SCOPE_PAIRING ? NULL :
		    "missing scope: operator.pairing";
	case SCOPE_READ:
		return scopes & (SCOPE_READ | SCOPE_WRITE) ? NULL :
		    "missing scope: operator.read";
	case SCOPE_WRITE:
		return scopes & SCOPE_WRITE ? NULL :
		    "missing scope: operator.write";
	default:
		return "missing scope: operator.admin";
	}
}

/* --- validation --------------------------------------------------------- */

struct judge {
	struct dbuf	*err;
	unsigned int	 failures;
	bool		 surplus;	/* what is not known is left unread */
	char		 at[128];	/* JSON pointer, "" at the root */
};

#define FAILURES_MAX	16	/* more are not told */

/* One more failure, unless it was told already. */
static void
judge_fail(struct judge *j, const char *text)
{
	char		 line[512];
	size_t		 n, i;
	const char	*old;

	if (j->failures++ >= FAILURES_MAX)
		return;
	snprintf(line, sizeof(line), "%s%s%s%s", j->at[0] != '\0' ? "at " : "",
	    j->at, j->at[0] != '\0' ? ": " : "", text);
	n = strlen(line);
	old = dbuf_str(j->err);
	for (i = 0; i + n <= j->err->n; i++) {
		if (memcmp(old + i, line, n) == 0 &&
		    (i == 0 || old[i - 1] == ' ') &&
		    (i + n == j->err->n || old[i + n] == ';'))
			return;
	}
	if (j->err->n > 0)
		dbuf_put(j->err, "; ", 2);
	dbuf_put(j->err, line, n);
}

static void judge_failf(struct judge *, const char *, ...)
    __attribute__((format(printf, 2, 3)));
static void
judge_failf(struct judge *j, const char *fmt, ...)
{
	char	 text[384];
	va_list	 ap;

	va_start(ap, fmt);
	utf8_vfmt(text, sizeof(text), fmt, ap);
	va_end(ap);
	judge_fail(j, text);
}

/* The key as text, cut to what an error may show of it. */
static void
key_text(const struct skim_val *key, char *buf, size_t size)
{
	struct str	 raw = skim_raw(key);
	size_t		 n;

	if (key->n <= size && skim_unescape(key, buf, size) != -1)
		return;
	n = utf8_cut(raw.p, raw.n, size - 4);
	memcpy(buf, raw.p, n);
	memcpy(buf + n, "...", 4);
}

static void
judge_extra(struct judge *j, const struct skim_val *key)
{
	char		 k[68], at[sizeof(j->at)];

	key_text(key, k, sizeof(k));
	/* This text carries its own place. */
	memcpy(at, j->at, sizeof(at));
	j->at[0] = '\0';
	judge_failf(j, "at %s: unexpected property '%s'",
	    at[0] != '\0' ? at : "root", k);
	memcpy(j->at, at, sizeof(at));
}

static void judge_object(struct judge *, const struct schema *,
    const struct skim_val *, struct skim_val *);

static void
judge_chars(struct judge *j, const struct param *p, const struct skim_val *v)
{
	size_t	 n;

	if (p->lo <= 1 && p->hi == 0) {		/* no need to count */
		if (p->lo == 1 && v->n == 2)
			judge_fail(j, "must NOT have fewer than 1 characters");
		return;
	}
	n = skim_chars(v);
	if (p->lo > 0 && n < (size_t)p->lo)
		judge_failf(j, "must NOT have fewer than %" PRId64
		    " characters", p->lo);
	if (p->hi > 0 && n > (size_t)p->hi)
		judge_failf(j, "must NOT have more than %" PRId64
		    " characters", p->hi);
}

static void
judge_items(struct judge *j, const struct param *p, const struct skim_val *v)
{
	struct skim_iter	 it;
	struct skim_val		 e;
	size_t			 n = 0, len = strlen(j->at);

	skim_iter_init(&it, v);
	while (skim_next(&it, NULL, &e))
		n++;
	if (p->lo > 0 && n < (size_t)p->lo)
		judge_failf(j, "must NOT have fewer than %" PRId64 " items",
		    p->lo);
	if (p->hi > 0 && n > (size_t)p->hi)
		judge_failf(j, "must NOT have more than %" PRId64 " items",
		    p->hi);
	if (p->type == PT_ARR)
		return;
	skim_iter_init(&it, v);
	for (n = 0; skim_next(&it, NULL, &e) && j->failures < FAILURES_MAX;
	    n++) {
		snprintf(j->at + len, sizeof(j->at) - len, "/%zu", n);
		if (e.kind != SKIM_STRING)
			judge_fail(j, "must be string");
		else if (e.n == 2)
			judge_fail(j, "must NOT have fewer than 1 characters");
	}
	j->at[len] = '\0';
}

static void
judge_map(struct judge *j, const struct skim_val *v, enum skim_kind want,
    const char *text)
{
	struct skim_iter	 it;
	struct skim_val		 k, e;
	char			 name[68];
	size_t			 len = strlen(j->at);

	skim_iter_init(&it, v);
	while (skim_next(&it, &k, &e) && j->failures < FAILURES_MAX) {
		if (e.kind == want)
			continue;
		key_text(&k, name, sizeof(name));
		snprintf(j->at + len, sizeof(j->at) - len, "/%s", name);
		judge_fail(j, text);
		j->at[len] = '\0';
	}
}

static void
judge_enum(struct judge *j, const struct param *p, const struct skim_val *v)
{
	const char *const	*s;

	for (s = p->list; *s != NULL; s++)
		if (skim_is(v, *s))
			return;
	judge_fail(j, "must be equal to constant");
	if (p->type == PT_NENUM)
		judge_fail(j, "must be null");
	if (p->list[1] != NULL)
		judge_fail(j, "must match a schema in anyOf");
}

static void
judge_null_or_text(struct judge *j, const struct param *p,
    const struct skim_val *v)
{
	unsigned int	 before = j->failures;

	if (v->kind == SKIM_NULL)
		return;
	if (v->kind != SKIM_STRING)
		judge_fail(j, "must be string");
	else
		judge_chars(j, p, v);
	if (j->failures == before)
		return;
	judge_fail(j, "must be null");
	judge_fail(j, "must match a schema in anyOf");
}

static void
judge_value(struct judge *j, const struct param *p, const struct skim_val *v)
{
	static const struct { enum skim_kind kind; const char *text; } want[] = {
		[PT_STR] = { SKIM_STRING, "must be string" },
		[PT_STRS] = { SKIM_ARRAY, "must be array" },
		[PT_ARR] = { SKIM_ARRAY, "must be array" },
		[PT_INT] = { SKIM_NUMBER, "must be integer" },
		[PT_BOOL] = { SKIM_BOOL, "must be boolean" },
		[PT_BOOLS] = { SKIM_OBJECT, "must be object" },
		[PT_TEXTS] = { SKIM_OBJECT, "must be object" },
		[PT_OBJ] = { SKIM_OBJECT, "must be object" },
	};
	struct skim_val		 sub[16];
	int64_t			 i;

	if (p->type == PT_ANY)
		return;
	if (p->type == PT_ENUM || (p->type == PT_NENUM &&
	    v->kind != SKIM_NULL)) {
		judge_enum(j, p, v);
		return;
	}
	if (p->type == PT_NENUM || p->type == PT_NSTR) {
		judge_null_or_text(j, p, v);
		return;
	}
	if (v->kind != want[p->type].kind) {
		judge_fail(j, want[p->type].text);
		return;
	}
	switch (p->type) {
	case PT_STR:
		judge_chars(j, p, v);
		break;
	case PT_STRS:
	case PT_ARR:
		judge_items(j, p, v);
		break;
	case PT_INT:
		if (!skim_int(v, &i))
			judge_fail(j, "must be integer");
		else if (i < p->lo)
			judge_failf(j, "must be >= %" PRId64, p->lo);
		else if (i > p->hi)
			judge_failf(j, "must be <= %" PRId64, p->hi);
		break;
	case PT_BOOLS:
		judge_map(j, v, SKIM_BOOL, "must be boolean");
		break;
	case PT_TEXTS:
		judge_map(j, v, SKIM_STRING, "must be string");
		break;
	case PT_OBJ:
		if (p->sub->n <= sizeof(sub) / sizeof(sub[0]))
			judge_object(j, p->sub, v, sub);
		break;
	case PT_BOOL:
	case PT_ANY:
	case PT_ENUM:
	case PT_NSTR:
	case PT_NENUM:
		break;
	}
}

/* The protocol's order: surplus and missing keys, then values by schema. */
static void
judge_object(struct judge *j, const struct schema *s, const struct skim_val *o,
    struct skim_val *values)
{
	struct skim_iter	 it;
	struct skim_val		 key, v;
	size_t			 i, len = strlen(j->at);

	memset(values, 0, s->n * sizeof(*values));
	skim_iter_init(&it, o);
	while (skim_next(&it, &key, &v)) {
		for (i = 0; i < s->n; i++)
			if (skim_is(&key, s->params[i].name))
				break;
		if (i < s->n)
			values[i] = v;
		else if (s->judging == STRICT && !j->surplus)
			judge_extra(j, &key);
		if (j->failures > FAILURES_MAX)
			return;
	}
	if (s->judging != STRICT)
		return;
	for (i = 0; i < s->n; i++)
		if (s->params[i].need == REQUIRED &&
		    values[i].kind == SKIM_ABSENT)
			judge_failf(j, "must have required property '%s'",
			    s->params[i].name);
	for (i = 0; i < s->n; i++) {
		if (values[i].kind == SKIM_ABSENT)
			continue;
		snprintf(j->at + len, sizeof(j->at) - len, "/%s",
		    s->params[i].name);
		judge_value(j, &s->params[i], &values[i]);
		j->at[len] = '\0';
	}
}

static int
schema_judge(const struct schema *s, const struct skim_val *o,
    struct skim_val *values, bool surplus, struct dbuf *err)
{
	struct judge	 j = { .err = err, .surplus = surplus };

	if (o->kind == SKIM_ABSENT || s->judging == IGNORED ||
	    (o->kind != SKIM_OBJECT && s->judging == LENIENT)) {
		static const struct skim_val empty = { "{}", 2, SKIM_OBJECT,
		    false };

		judge_object(&j, s, &empty, values);
	} else if (o->kind != SKIM_OBJECT) {
		memset(values, 0, s->n * sizeof(*values));
		judge_fail(&j, "must be object");
	} else
		judge_object(&j, s, o, values);
	return j.failures > 0 ? -1 : 0;
}

int
method_params(const struct method *m, uint32_t protocol,
    const struct skim_val *params, struct skim_val *values, struct dbuf *err)
{
	/* Later releases add parameters.  Where nothing is changed, one that is
	 * unknown may be left unread; elsewhere it could have been the one that
	 * says "but only if". */
	return schema_judge(m->params, params, values, protocol >= 4 &&
	    m->scope == SCOPE_READ, err);
}

int
method_frame(const struct skim_val *frame, struct dbuf *err)
{
	struct skim_val	 values[4];

	return schema_judge(&schema_FRAME, frame, values, false, err);
}
