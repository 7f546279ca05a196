/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Questions that concern every agent: each is asked the same, and what they
 * answer becomes one answer.  One that is not there, or fails, counts as
 * having nothing; only when all fail is that the answer.
 */
#include "common/compat.h"

#include "gatewayd/router/router.h"

#define GATHER_MAX	64	/* agents asked at once */
#define ROWS_MAX	20000	/* rows joined */
#define PREVIEW_KEYS	64	/* of sessions.preview, as agents have it */

struct gather {
	uint64_t	 client;
	const struct method *method;
	struct payload	*params;
	size_t		 parts, left;
	struct {
		struct payload	*result;
		char		*code, *message;	/* when it failed */
	} part[GATHER_MAX];
	size_t		 id_n;
	char		 id[];		/* raw JSON */
};

static void	 gather_done(struct gather *);

static struct str
id_of(const struct gather *g)
{
	return (struct str){ g->id, g->id_n };
}

void
rt_gather(struct request *r, struct str params)
{
	struct gather	*g = NULL;
	size_t		 i, n = rt.cf->nagents;

	if (n > GATHER_MAX)
		n = GATHER_MAX;
	if (r->client->pending >= RT_PENDING_CLIENT ||
	    (g = calloc(1, sizeof(*g) + r->id.n)) == NULL ||
	    (g->params = rt_payload_of(params.p, params.n)) == NULL) {
		free(g);
		rt_answer_error(r->client, r->id, "UNAVAILABLE",
		    "too many requests; try again");
		return;
	}
	g->client = r->client->id;
	g->method = r->method;
	g->parts = n;
	g->id_n = r->id.n;
	memcpy(g->id, r->id.p, r->id.n);
	r->client->pending++;
	/* One more than are asked, so that none of them can be the last. */
	g->left = n + 1;
	for (i = 0; i < n; i++)
		if (rt_ask(r, rt.cf->agents[i].link, params, RT_RPC_MS, g,
		    i) == -1)
			g->left--;
	if (--g->left == 0)
		gather_done(g);
}

/* One of the answers; v is NULL when it did not come. */
void
rt_gather_part(struct pending *p, const struct m_rpc_res *v)
{
	struct gather	*g = p->gather;

	if (v != NULL && p->part < g->parts) {
		if (v->ok)
			g->part[p->part].result = rt_payload_of(v->result.p,
			    v->result.n);
		else {
			g->part[p->part].code = str_dup(v->code);
			g->part[p->part].message = str_dup(v->message);
		}
	}
	if (--g->left == 0)
		gather_done(g);
}

/* --- joining ------------------------------------------------------------------ */

/* That member of a part's result. */
static bool
member(const struct gather *g, size_t part, const char *name,
    struct skim_val *v)
{
	struct payload	*p = g->part[part].result;
	struct skim_val	 root;

	memset(v, 0, sizeof(*v));
	return p != NULL && skim_text(p->p, p->n, &root) == SKIM_OK &&
	    skim_get(&root, name, v);
}

static bool
param(const struct gather *g, const char *name, struct skim_val *v)
{
	struct skim_val	 root;

	memset(v, 0, sizeof(*v));
	return skim_text(g->params->p, g->params->n, &root) == SKIM_OK &&
	    skim_get(&root, name, v);
}

struct row {
	int64_t		 updated;
	size_t		 order;
	struct skim_val	 v;
};

static int
row_compare(const void *a, const void *b)
{
	const struct row	*x = a, *y = b;

	if (x->updated != y->updated)
		return x->updated > y->updated ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static size_t
gather_rows(const struct gather *g, struct row **out)
{
	struct skim_val		 list, v, at;
	struct skim_iter	 it;
	struct row		*rows, *more;
	size_t			 i, n = 0, cap = 64;

	if ((rows = *out = calloc(cap, sizeof(*rows))) == NULL)
		return 0;
	for (i = 0; i < g->parts; i++) {
		if (!member(g, i, "sessions", &list))
			continue;
		skim_iter_init(&it, &list);
		while (n < ROWS_MAX && skim_next(&it, NULL, &v)) {
			if (n == cap) {
				more = reallocarray(rows, cap * 2,
				    sizeof(*rows));
				if (more == NULL)
					return n;
				*out = rows = more;
				cap *= 2;
			}
			rows[n].v = v;
			rows[n].order = n;
			rows[n].updated = INT64_MIN;
			if (skim_get(&v, "updatedAt", &at))
				skim_int(&at, &rows[n].updated);
			n++;
		}
	}
	return n;
}

/* The newest of all, as if they were in one store. */
static void
join_sessions_list(struct gather *g, struct client *c)
{
	struct jw	*w;
	struct skim_val	 v;
	struct row	*rows = NULL;
	int64_t		 limit = INT64_MAX;
	size_t		 i, n;

	n = gather_rows(g, &rows);
	if (rows != NULL)
		qsort(rows, n, sizeof(*rows), row_compare);
	if (param(g, "limit", &v))
		skim_int(&v, &limit);
	if ((uint64_t)limit < n)
		n = (size_t)limit;
	w = rt_answer_begin(c, id_of(g));
	jw_obj(w);
	jw_kuint(w, "ts", wall_ms());
	jw_ks(w, "path", "(multiple)");
	jw_kuint(w, "count", n);
	for (i = 0; i + 1 < g->parts && !member(g, i, "defaults", &v); i++)
		;
	if (member(g, i, "defaults", &v))
		jw_kraw(w, "defaults", v.p, v.n);
	jw_karr(w, "sessions");
	for (i = 0; i < n; i++)
		jw_raw(w, rows[i].v.p, rows[i].v.n);
	jw_arr_end(w);
	jw_obj_end(w);
	rt_answer_end(c);
	free(rows);
}

/* Every agent answers for every key, in their order; that of the agent whose
 * key it is counts. */
static void
join_sessions_preview(struct gather *g, struct client *c)
{
	struct jw		*w;
	struct skim_iter	 keys, it[GATHER_MAX];
	struct skim_val		 list, key, row[GATHER_MAX];
	struct rt_agent		*a;
	char			 text[ROUTE_KEY_MAX + 1];
	size_t			 i, own, n = 0;

	memset(it, 0, sizeof(it));
	for (i = 0; i < g->parts; i++) {
		member(g, i, "previews", &list);
		skim_iter_init(&it[i], &list);
	}
	param(g, "keys", &list);
	skim_iter_init(&keys, &list);
	w = rt_answer_begin(c, id_of(g));
	jw_obj(w);
	jw_kuint(w, "ts", wall_ms());
	jw_karr(w, "previews");
	while (n++ < PREVIEW_KEYS && skim_next(&keys, NULL, &key)) {
		memset(row, 0, sizeof(row));
		for (i = 0; i < g->parts; i++)
			skim_next(&it[i], NULL, &row[i]);
		a = skim_unescape(&key, text, sizeof(text)) == -1 ? NULL :
		    rt_agent_of_key(str_of(text));
		own = a != NULL ? (size_t)(a - rt.cf->agents) :
		    rt.cf->default_agent;
		if (own < g->parts && row[own].kind == SKIM_OBJECT) {
			jw_raw(w, row[own].p, row[own].n);
			continue;
		}
		jw_obj(w);
		jw_kraw(w, "key", key.p, key.n);
		jw_ks(w, "status", "error");
		jw_karr(w, "items");
		jw_arr_end(w);
		jw_obj_end(w);
	}
	jw_arr_end(w);
	jw_obj_end(w);
	rt_answer_end(c);
}

/* --- usage.cost ------------------------------------------------------------- */

static const char *const spent_names[] = { "input", "output", "cacheRead",
	"cacheWrite", "totalTokens", "totalCost", "missingCostEntries" };
#define SPENT	(sizeof(spent_names) / sizeof(spent_names[0]))
#define DAYS_MAX	3700	/* more than an agent tells */

struct spent {
	char	 date[11];
	double	 n[SPENT];
};

static void
spent_add(struct spent *s, const struct skim_val *from)
{
	struct skim_val	 v;
	char		 buf[64];
	size_t		 i;

	for (i = 0; i < SPENT; i++) {
		if (!skim_get(from, spent_names[i], &v) ||
		    v.kind != SKIM_NUMBER || v.n >= sizeof(buf))
			continue;
		memcpy(buf, v.p, v.n);
		buf[v.n] = '\0';
		s->n[i] += strtod(buf, NULL);
	}
}

static void
spent_write(struct jw *w, const struct spent *s)
{
	char	 buf[64];
	size_t	 i;
	int	 n;

	for (i = 0; i < SPENT; i++) {
		n = snprintf(buf, sizeof(buf), i == 5 ? "%.10g" : "%.0f",
		    s->n[i]);
		jw_kraw(w, spent_names[i], buf, (size_t)n);
	}
}

static int
spent_compare(const void *a, const void *b)
{
	return strcmp(((const struct spent *)a)->date,
	    ((const struct spent *)b)->date);
}

/* The sum of all agents, day by day. */
static void
join_usage_cost(struct gather *g, struct client *c)
{
	struct spent		*days = NULL, sum;
	struct skim_iter	 it;
	struct skim_val		 list, day, v, n = { .kind = SKIM_ABSENT };
	struct jw		*w;
	char			 date[11];
	size_t			 i, k, ndays = 0;

	memset(&sum, 0, sizeof(sum));
	days = calloc(DAYS_MAX, sizeof(*days));
	for (i = 0; i < g->parts && days != NULL; i++) {
		if (n.kind == SKIM_ABSENT)
			member(g, i, "days", &n);
		if (member(g, i, "totals", &v))
			spent_add(&sum, &v);
		member(g, i, "daily", &list);
		skim_iter_init(&it, &list);
		while (skim_next(&it, NULL, &day)) {
			if (!skim_get(&day, "date", &v) || skim_unescape(&v,
			    date, sizeof(date)) == -1)
				continue;
			for (k = 0; k < ndays && strcmp(days[k].date,
			    date) != 0; k++)
				;
			if (k == DAYS_MAX)
				continue;
			if (k == ndays)
				memcpy(days[ndays++].date, date,
				    sizeof(date));
			spent_add(&days[k], &day);
		}
	}
	if (ndays > 1)
		qsort(days, ndays, sizeof(*days), spent_compare);
	w = rt_answer_begin(c, id_of(g));
	jw_obj(w);
	jw_kuint(w, "updatedAt", wall_ms());
	if (n.kind == SKIM_NUMBER)
		jw_kraw(w, "days", n.p, n.n);
	jw_karr(w, "daily");
	for (k = 0; k < ndays; k++) {
		jw_obj(w);
		jw_ks(w, "date", days[k].date);
		spent_write(w, &days[k]);
		jw_obj_end(w);
	}
	jw_arr_end(w);
	jw_kobj(w, "totals");
	spent_write(w, &sum);
	jw_obj_end(w);
	jw_obj_end(w);
	rt_answer_end(c);
	free(days);
}

/* --- sessions.resolve ------------------------------------------------------- */

/* The one session of all agents that fits. */
static void
join_sessions_resolve(struct gather *g, struct client *c)
{
	struct dbuf	 text;
	struct skim_val	 v, first = { .kind = SKIM_ABSENT };
	char		 buf[1024];
	size_t		 i, n = 0;
	bool		 id;

	dbuf_init(&text, 65536);
	id = param(g, "sessionId", &v);
	if (!id)
		param(g, "label", &v);
	if (skim_unescape(&v, buf, sizeof(buf)) == -1)
		buf[0] = '\0';
	dbuf_printf(&text, "Multiple sessions found %s: %s (", id ?
	    "for sessionId" : "with label", buf);
	for (i = 0; i < g->parts; i++) {
		if (!member(g, i, "key", &v) || skim_unescape(&v, buf,
		    sizeof(buf)) == -1)
			continue;
		if (n++ == 0)
			first = v;
		else
			dbuf_puts(&text, ", ");
		dbuf_puts(&text, buf);
	}
	dbuf_puts(&text, ")");
	if (n == 1) {
		struct jw *w = rt_answer_begin(c, id_of(g));

		jw_obj(w);
		jw_kbool(w, "ok", true);
		jw_kraw(w, "key", first.p, first.n);
		jw_obj_end(w);
		rt_answer_end(c);
	} else
		rt_answer_error(c, id_of(g), "INVALID_REQUEST",
		    dbuf_str(&text));
	dbuf_clear(&text);
}

/* --- skills.bins ------------------------------------------------------------ */

/* Names of programs, which have nothing to escape. */
static bool
is_before(struct str a, struct str b)
{
	int	 r = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return r != 0 ? r < 0 : a.n < b.n;
}

/* Each agent's list is sorted: the least of their heads is the next. */
static void
join_skills_bins(struct gather *g, struct client *c)
{
	struct skim_iter	 it[GATHER_MAX];
	struct skim_val		 head[GATHER_MAX], list;
	struct str		 least, s;
	struct jw		*w;
	size_t			 i;

	memset(it, 0, sizeof(it));
	memset(head, 0, sizeof(head));
	for (i = 0; i < g->parts; i++) {
		member(g, i, "bins", &list);
		skim_iter_init(&it[i], &list);
		if (!skim_next(&it[i], NULL, &head[i]))
			head[i].kind = SKIM_ABSENT;
	}
	w = rt_answer_begin(c, id_of(g));
	jw_obj(w);
	jw_karr(w, "bins");
	for (;;) {
		least.p = NULL;
		for (i = 0; i < g->parts; i++) {
			if (head[i].kind != SKIM_STRING)
				continue;
			s = skim_raw(&head[i]);
			if (least.p == NULL || is_before(s, least))
				least = s;
		}
		if (least.p == NULL)
			break;
		jw_str(w, least);
		for (i = 0; i < g->parts; i++)
			if (head[i].kind == SKIM_STRING &&
			    str_eq(skim_raw(&head[i]), least) &&
			    !skim_next(&it[i], NULL, &head[i]))
				head[i].kind = SKIM_ABSENT;
	}
	jw_arr_end(w);
	jw_obj_end(w);
	rt_answer_end(c);
}

/* The method's row names its function: join_<handler>. */
static void (*const joins[METHOD_MAX])(struct gather *, struct client *) = {
#define JOIN_AGENTS(handler)	join_##handler
#define JOIN_AGENT(handler)	NULL
#define JOIN_FRONT(handler)	NULL
#define JOIN_LOG(handler)	NULL
#define JOIN_PARENT(handler)	NULL
#define JOIN_ROUTER(handler)	NULL
#define JOIN_STORE(handler)	NULL
#define JOIN_TOOL(handler)	NULL
#define SCHEMA(id, judging, params)
#define KNOWN(name, scope)
#define METHOD(id, name, owner, handler, scope, judging, listed, params) \
	[METHOD_##id] = JOIN_##owner(handler),
#include "proto/methods.def"
#undef METHOD
#undef KNOWN
#undef SCHEMA
};

static void
gather_done(struct gather *g)
{
	struct client	*c;
	const char	*code = "UNAVAILABLE", *why = NULL;
	char		 text[128];
	bool		 any = false;
	size_t		 i;

	snprintf(text, sizeof(text), "%s: the process that answers is not "
	    "running", g->method->name);
	for (i = 0; i < g->parts; i++) {
		any |= g->part[i].result != NULL;
		if (why == NULL && g->part[i].message != NULL) {
			why = g->part[i].message;
			if (g->part[i].code != NULL)
				code = g->part[i].code;
		}
	}
	/* Several in one agent are several, whatever the others have. */
	for (i = 0; i < g->parts; i++)
		if (g->part[i].message != NULL && strncmp(g->part[i].message,
		    "Multiple ", 9) == 0) {
			why = g->part[i].message;
			any = false;
		}
	if ((c = rt_client_find(g->client)) != NULL) {
		if (any)
			joins[g->method->id](g, c);
		else
			rt_answer_error(c, id_of(g), code, why != NULL ? why :
			    text);
		c->pending--;
		rt_client_settled(c);
	}
	for (i = 0; i < g->parts; i++) {
		rt_payload_unref(g->part[i].result);
		free(g->part[i].code);
		free(g->part[i].message);
	}
	rt_payload_unref(g->params);
	free(g);
}
