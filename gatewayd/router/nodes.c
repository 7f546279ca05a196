/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Nodes: clients that offer commands (spec 6).  What a node says of itself is
 * shown and never believed: its id is that of the device that store has
 * verified, and of its commands only those count that the policy has.
 */
#include "common/compat.h"

#include "common/log.h"
#include "gatewayd/router/router.h"

#define ROWS_MAX	16384		/* of one answer */
#define ROWS_BYTES	(8u << 20)	/* further ones are left out */

struct node {
	TAILQ_ENTRY(node)	  entry;
	struct client		 *client;
	char			 *id, *name, *platform, *version, *family,
				 *model, *remote;
	char			**caps, **commands;	/* sorted, unique */
	size_t			  ncaps, ncommands;
	char			 *path, *permissions;	/* JSON, or NULL */
	uint64_t		  connected_at;
};
/* Those that are addressed by their id. */
static TAILQ_HEAD(, node) nodes = TAILQ_HEAD_INITIALIZER(nodes);
static size_t	 nnodes;

static int
text_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The texts of an array, trimmed, without empty ones, sorted, each once. */
static void
take_texts(const struct skim_val *v, char ***list, size_t *n)
{
	struct skim_iter	 it;
	struct skim_val		 one;
	struct str		 s;
	size_t			 i, k, all = 0;
	char			*buf;
	ssize_t			 len;

	*list = NULL;
	*n = 0;
	if (v->kind != SKIM_ARRAY)
		return;
	skim_iter_init(&it, v);
	while (skim_next(&it, NULL, &one))
		all++;
	if (all == 0 || (*list = calloc(all, sizeof(**list))) == NULL)
		return;
	skim_iter_init(&it, v);
	while (*n < all && skim_next(&it, NULL, &one)) {
		if (one.kind != SKIM_STRING || (buf = malloc(one.n)) == NULL)
			continue;
		len = skim_unescape(&one, buf, one.n);
		s = str_trim((struct str){ buf, len > 0 ? (size_t)len : 0 });
		if (s.n > 0 && ((*list)[*n] = str_dup(s)) != NULL)
			++*n;
		free(buf);
	}
	qsort(*list, *n, sizeof(**list), text_cmp);
	for (i = 0, k = 0; i < *n; i++) {
		if (k > 0 && strcmp((*list)[k - 1], (*list)[i]) == 0)
			free((*list)[i]);
		else
			(*list)[k++] = (*list)[i];
	}
	*n = k;
}

static void
free_texts(char **list, size_t n)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

static void
node_free(struct node *d)
{
	free(d->id);
	free(d->name);
	free(d->platform);
	free(d->version);
	free(d->family);
	free(d->model);
	free(d->remote);
	free(d->path);
	free(d->permissions);
	free_texts(d->caps, d->ncaps);
	free_texts(d->commands, d->ncommands);
	free(d);
}

static bool
allowed(const struct node *d, const char *command)
{
	return node_policy_allows(&rt.cf->nodes, str_of(d->platform),
	    str_of(d->family), str_of(command));
}

/* What it declared, cut to what the policy has. */
static void
cut_commands(struct node *d)
{
	size_t	 i, k;

	for (i = 0, k = 0; i < d->ncommands; i++)
		if (allowed(d, d->commands[i]))
			d->commands[k++] = d->commands[i];
		else
			free(d->commands[i]);
	d->ncommands = k;
}

static struct node *
node_find(struct str id)
{
	struct node	*d;

	TAILQ_FOREACH(d, &nodes, entry)
		if (str_eqs(id, d->id))
			return d;
	return NULL;
}

/* A replaced one is not in the table: its entry points nowhere. */
static void
node_remove(struct node *d)
{
	TAILQ_REMOVE(&nodes, d, entry);
	d->entry.tqe_prev = NULL;
	nnodes--;
}

static void
node_enter(struct client *c, struct node *d)
{
	struct node	*old;

	if ((old = node_find(str_of(d->id))) != NULL)
		node_remove(old);
	TAILQ_INSERT_TAIL(&nodes, d, entry);
	nnodes++;
	c->node = d;
	log_info("node %.16s: connected, %zu commands%s", d->id, d->ncommands,
	    old != NULL ? ", in place of its last connection" : "");
}

void
rt_node_connect(struct client *c, const struct m_auth_ticket *t)
{
	struct skim_val	 root, v;
	struct node	*d;

	if ((d = calloc(1, sizeof(*d))) == NULL)
		return;
	d->client = c;
	d->connected_at = wall_ms();
	d->id = str_dup(t->device_id.n > 0 ? t->device_id : t->client_id);
	d->name = str_dup(t->display_name);
	d->platform = str_dup(t->platform);
	d->version = str_dup(t->version);
	d->family = str_dup(t->device_family);
	d->model = str_dup(t->model_identifier);
	d->remote = str_dup(t->local ? STR_LIT("") : t->remote);
	if (d->id == NULL || d->name == NULL || d->platform == NULL ||
	    d->version == NULL || d->family == NULL || d->model == NULL ||
	    d->remote == NULL) {
		node_free(d);
		return;
	}
	if (skim_text(t->node.p, t->node.n, &root) == SKIM_OK &&
	    root.kind == SKIM_OBJECT) {
		if (skim_get(&root, "caps", &v))
			take_texts(&v, &d->caps, &d->ncaps);
		if (skim_get(&root, "commands", &v))
			take_texts(&v, &d->commands, &d->ncommands);
		if (skim_get(&root, "pathEnv", &v) && v.kind == SKIM_STRING)
			d->path = strndup(v.p, v.n);
		if (skim_get(&root, "permissions", &v) &&
		    v.kind == SKIM_OBJECT)
			d->permissions = strndup(v.p, v.n);
	}
	cut_commands(d);
	node_enter(c, d);
}

void
rt_node_gone(struct client *c)
{
	struct node	*d = c->node;

	c->node = NULL;
	rt_node_unsubscribe_all(c);
	rt_invokes_node_gone(c);
	if (d->entry.tqe_prev != NULL) {
		node_remove(d);
		log_info("node %.16s: disconnected", d->id);
	}
	node_free(d);
}

struct client *
rt_node_find(struct str id)
{
	struct node	*d = node_find(id);

	return d != NULL ? d->client : NULL;
}

const char *
rt_node_id(const struct client *c)
{
	return c->node->id;
}

const char *
rt_node_refusal(const struct client *c, const char *command)
{
	const struct node	*d = c->node;
	size_t			 i;

	if (!allowed(d, command))
		return "command not allowlisted";
	if (d->ncommands == 0)
		return "node did not declare commands";
	for (i = 0; i < d->ncommands; i++)
		if (strcmp(d->commands[i], command) == 0)
			return NULL;
	return "command not declared by node";
}

/* --- rows ----------------------------------------------------------------------- */

struct row {
	const struct node	*live;
	struct skim_val		 known;
	char			*id_copy;
};

static void
write_texts(struct jw *w, const char *key, char *const *list, size_t n)
{
	size_t	 i;

	jw_karr(w, key);
	for (i = 0; i < n; i++)
		jw_s(w, list[i]);
	jw_arr_end(w);
}

/* A member of store's row, as it stands there. */
static void
write_known(struct jw *w, const struct skim_val *known, const char *key)
{
	struct skim_val	 v;

	if (known->kind == SKIM_OBJECT && skim_get(known, key, &v) &&
	    v.kind == SKIM_STRING && v.n > 2)
		jw_kraw(w, key, v.p, v.n);
}

static void
write_either(struct jw *w, const char *key, const char *live,
    const struct skim_val *known)
{
	if (live != NULL && live[0] != '\0')
		jw_ks(w, key, live);
	else
		write_known(w, known, key);
}

static void
write_members(struct jw *w, const struct row *r)
{
	const struct node	*d = r->live;

	jw_ks(w, "nodeId", r->id_copy);
	write_either(w, "displayName", d != NULL ? d->name : NULL, &r->known);
	write_either(w, "platform", d != NULL ? d->platform : NULL, &r->known);
	if (d != NULL) {
		jw_kstr_opt(w, "version", str_of(d->version));
		jw_kstr_opt(w, "deviceFamily", str_of(d->family));
		jw_kstr_opt(w, "modelIdentifier", str_of(d->model));
	}
	write_either(w, "remoteIp", d != NULL ? d->remote : NULL, &r->known);
	write_texts(w, "caps", d != NULL ? d->caps : NULL,
	    d != NULL ? d->ncaps : 0);
	write_texts(w, "commands", d != NULL ? d->commands : NULL,
	    d != NULL ? d->ncommands : 0);
	if (d != NULL && d->path != NULL)
		jw_kraw(w, "pathEnv", d->path, strlen(d->path));
	if (d != NULL && d->permissions != NULL)
		jw_kraw(w, "permissions", d->permissions,
		    strlen(d->permissions));
	if (d != NULL)
		jw_kuint(w, "connectedAtMs", d->connected_at);
	jw_kbool(w, "paired", r->known.kind == SKIM_OBJECT);
	jw_kbool(w, "connected", d != NULL);
}

static int
by_id(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->id_copy,
	    ((const struct row *)b)->id_copy);
}

static const char *
shown(const struct row *r, char *buf, size_t size)
{
	struct skim_val	 v;

	if (r->live != NULL && r->live->name[0] != '\0')
		return r->live->name;
	if (r->known.kind == SKIM_OBJECT &&
	    skim_get(&r->known, "displayName", &v) &&
	    v.kind == SKIM_STRING && v.n > 2 &&
	    skim_unescape(&v, buf, size) != -1)
		return buf;
	return r->id_copy;
}

/* Connected ones first, then by the name that is shown. */
static int
by_name(const void *a, const void *b)
{
	const struct row	*x = a, *y = b;
	char			 xb[520], yb[520];
	int			 r;

	if ((x->live != NULL) != (y->live != NULL))
		return x->live != NULL ? -1 : 1;
	r = ascii_casecmp(shown(x, xb, sizeof(xb)), shown(y, yb, sizeof(yb)));
	return r != 0 ? r : by_id(a, b);
}

/* All rows, sorted; NULL without memory.  nodes: store's array. */
static struct row *
rows_new(const struct skim_val *known, size_t *n)
{
	struct skim_iter	 it;
	struct skim_val		 one, v;
	struct row		*rows, *hit, key;
	struct node		*d;
	size_t			 live = 0;
	char			 id[520];

	*n = 0;
	if ((rows = calloc(nnodes + ROWS_MAX, sizeof(*rows))) == NULL)
		return NULL;
	TAILQ_FOREACH(d, &nodes, entry) {
		rows[live].live = d;
		rows[live++].id_copy = d->id;
	}
	qsort(rows, live, sizeof(*rows), by_id);
	*n = live;
	if (known->kind == SKIM_ARRAY)
		skim_iter_init(&it, known);
	while (known->kind == SKIM_ARRAY && *n < nnodes + ROWS_MAX &&
	    skim_next(&it, NULL, &one)) {
		if (one.kind != SKIM_OBJECT || !skim_get(&one, "nodeId", &v) ||
		    v.kind != SKIM_STRING ||
		    skim_unescape(&v, id, sizeof(id)) == -1)
			continue;
		key.id_copy = id;
		hit = live > 0 ? bsearch(&key, rows, live, sizeof(*rows),
		    by_id) : NULL;
		if (hit == NULL) {
			hit = &rows[*n];
			if ((hit->id_copy = strdup(id)) == NULL)
				continue;
			++*n;
		}
		hit->known = one;
	}
	qsort(rows, *n, sizeof(*rows), by_name);
	return rows;
}

static void
rows_free(struct row *rows, size_t n)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		if (rows[i].live == NULL)
			free(rows[i].id_copy);
	free(rows);
}

static void
answer_list(struct client *c, struct str id, const struct skim_val *known)
{
	struct row	*rows;
	struct jw	*w;
	size_t		 i, n;

	if ((rows = rows_new(known, &n)) == NULL) {
		rt_answer_error(c, id, "UNAVAILABLE", "out of memory; try "
		    "again");
		return;
	}
	w = rt_answer_begin(c, id);
	jw_obj(w);
	jw_kuint(w, "ts", wall_ms());
	jw_karr(w, "nodes");
	for (i = 0; i < n && w->b->n < ROWS_BYTES; i++) {
		jw_obj(w);
		write_members(w, &rows[i]);
		jw_obj_end(w);
	}
	jw_arr_end(w);
	jw_obj_end(w);
	rt_answer_end(c);
	rows_free(rows, n);
}

static void
answer_one(struct client *c, struct str id, const struct skim_val *root,
    const struct skim_val *known)
{
	struct skim_iter	 it;
	struct skim_val		 v;
	struct row		 r;
	struct jw		*w;
	char			 name[520];

	memset(&r, 0, sizeof(r));
	if (known->kind == SKIM_ARRAY) {
		skim_iter_init(&it, known);
		if (skim_next(&it, NULL, &v) && v.kind == SKIM_OBJECT)
			r.known = v;
	}
	if (skim_get(root, "nodeId", &v) && v.kind == SKIM_STRING &&
	    skim_unescape(&v, name, sizeof(name)) != -1) {
		r.id_copy = name;
		r.live = node_find(str_of(name));
	}
	if (r.id_copy == NULL ||
	    (r.live == NULL && r.known.kind == SKIM_ABSENT)) {
		rt_answer_error(c, id, "INVALID_REQUEST", "unknown nodeId");
		return;
	}
	w = rt_answer_begin(c, id);
	jw_obj(w);
	jw_kuint(w, "ts", wall_ms());
	write_members(w, &r);
	jw_obj_end(w);
	rt_answer_end(c);
}

void
rt_nodes_answer(struct client *c, struct str id, const struct method *m,
    const struct skim_val *known)
{
	struct skim_val	 list;

	memset(&list, 0, sizeof(list));
	if (known->kind == SKIM_OBJECT)
		skim_get(known, "nodes", &list);
	if (m->id == METHOD_NODE_LIST)
		answer_list(c, id, &list);
	else
		answer_one(c, id, known, &list);
}
