/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * POST /v1/embeddings: handed to a provider that has the interface, with the
 * credential that its modeld holds.  Nothing here makes vectors: without such
 * a provider the answer is an error that says what to configure.
 */
#include "common/compat.h"

#include "agentd/http.h"
#include "agentd/json_load.h"
#include "common/log.h"

#define CREDIT		262144u
#define ANSWER_MAX	(24u << 20)
#define INPUTS_MAX	2048

/* The provider's name in buf and its model behind it; false: none has it. */
static bool
choose(const struct m_http_req *q, const char *model, char *buf, size_t size,
    const char **id)
{
	const char	*wish = q->wish.n > 0 ? q->wish.p : model, *slash, *api;
	const char	*memory, *name;
	json_t		*pv;
	size_t		 i, n;

	/* "openclaw..." is this agent: whatever it embeds with itself. */
	if (q->wish.n == 0 && (ascii_ncasecmp(wish, "openclaw", 8) == 0 ||
	    ascii_ncasecmp(wish, "agent:", 6) == 0))
		wish = "";
	memory = json_text(json_object_get(cfg->agent, "memorySearch"),
	    "provider", "");
	slash = strchr(wish, '/');
	for (i = 0; i < cfg->nproviders; i++) {
		name = cfg->providers[i].name;
		pv = json_object_get(config_at(cfg->root,
		    "models.providers"), name);
		api = json_text(pv, "api", "openai-completions");
		if (strcmp(api, "openai-completions") != 0 &&
		    strcmp(api, "openai-responses") != 0)
			continue;
		n = strlen(name);
		if (slash != NULL && (size_t)(slash - wish) == n &&
		    strncmp(wish, name, n) == 0)
			*id = slash + 1;
		else if (slash == NULL && (memory[0] == '\0' ||
		    strcmp(memory, name) == 0))
			*id = wish[0] != '\0' ? wish : json_text(
			    json_object_get(cfg->agent, "memorySearch"),
			    "model", "text-embedding-3-small");
		else
			continue;
		return strlcpy(buf, name, size) < size;
	}
	return false;
}

/* One text, or a list of texts; token numbers are the provider's own. */
static bool
input_ok(const json_t *input)
{
	json_t	*v;
	size_t	 i;

	if (json_is_string(input))
		return json_string_length(input) > 0;
	if (json_array_size(input) == 0 || json_array_size(input) >
	    INPUTS_MAX)
		return false;
	json_array_foreach(input, i, v)
		if (!json_is_string(v) || json_string_length(v) == 0)
			return false;
	return true;
}

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct http_call	*c = arg;
	struct m_md_cancel	 m = { 0 };

	(void)fd;
	(void)what;
	if (c->sub != NULL)
		(void)send_md_cancel(c->sub, &m, c->sub_corr, 0);
	http_error(c, 504, "api_error", NULL,
	    "the provider did not answer in time");
}

static void
grant(struct http_call *c, uint32_t bytes)
{
	struct m_md_credit	 m = { 0 };

	m.bytes = bytes;
	(void)send_md_credit(c->sub, &m, c->sub_corr, 0);
}

void
http_embeddings(struct http_call *c, const struct m_http_req *q,
    json_t *body)
{
	struct m_md_req	 m = { 0 };
	struct link	*l;
	struct timeval	 tv;
	const char	*model, *id = "";
	char		 provider[128], *text;
	json_t		*ask, *v;

	model = json_text(body, "model", "");
	if (model[0] == '\0') {
		http_error(c, 400, "invalid_request_error", NULL,
		    "model: must be a string that is not empty");
		return;
	}
	if (!input_ok(json_object_get(body, "input"))) {
		http_error(c, 400, "invalid_request_error", NULL, "input: "
		    "must be a text, or a list of 1 to %d texts, none empty",
		    INPUTS_MAX);
		return;
	}
	if (!choose(q, model, provider, sizeof(provider), &id)) {
		http_error(c, 400, "invalid_request_error",
		    "model_not_found", "embeddings: no provider of this "
		    "gateway has them%s%.200s; configure one with api "
		    "\"openai-completions\" in models.providers and name it "
		    "as <provider>/<model> in x-openclaw-model",
		    q->wish.n > 0 ? " as " : "", q->wish.p);
		return;
	}
	if ((l = model_link(provider)) == NULL || link_full(l)) {
		http_error(c, 503, "unavailable", NULL, "the process of "
		    "provider %s is %s; try again", provider, l == NULL ?
		    "not running" : "busy");
		return;
	}
	ask = json_pack("{s:s,s:O}", "model", id, "input",
	    json_object_get(body, "input"));
	if ((v = json_object_get(body, "encoding_format")) != NULL)
		json_object_set(ask, "encoding_format", v);
	if ((v = json_object_get(body, "dimensions")) != NULL)
		json_object_set(ask, "dimensions", v);
	if ((v = json_object_get(body, "user")) != NULL)
		json_object_set(ask, "user", v);
	text = json_dumps(ask, JSON_COMPACT);
	json_decref(ask);
	m.method = STR_LIT("POST");
	m.path = STR_LIT("/embeddings");
	m.headers = STR_LIT("content-type: application/json\n"
	    "accept: application/json\n");
	m.body = str_of(text);
	m.head_timeout_ms = (uint32_t)cfg->head_timeout_ms;
	m.idle_timeout_ms = (uint32_t)cfg->idle_timeout_ms;
	c->model = xstrdup(model);
	c->sub_corr = link_corr();
	tv.tv_sec = (time_t)((cfg->head_timeout_ms + cfg->idle_timeout_ms) /
	    1000 + 15);
	tv.tv_usec = 0;
	if (text == NULL || (c->timer = evtimer_new(worker_base(), timer_cb,
	    c)) == NULL || event_add(c->timer, &tv) == -1 ||
	    send_md_req(l, &m, c->sub_corr, 0) == -1)
		http_error(c, 503, "unavailable", NULL,
		    "the request could not be handed on; try again");
	else {
		c->sub = l;
		grant(c, CREDIT);
	}
	free(text);
}

/* The provider's answer is ours if it is one, else its error is told. */
static void
finish(struct http_call *c, const struct m_md_end *end)
{
	json_t		*j;
	const char	*why;
	char		*text;
	struct dbuf	 b;

	c->sub = NULL;
	if (end->class != MD_OK || dbuf_err(&c->got)) {
		http_error(c, 502, "api_error", NULL, "the provider: %s",
		    dbuf_err(&c->got) ? "its answer is too long" :
		    end->reason.n > 0 ? end->reason.p :
		    "the connection failed");
		return;
	}
	j = json_load_bounded(dbuf_str(&c->got), c->got.n, 16);
	if (c->sub_status / 100 != 2 || !json_is_object(j) ||
	    !json_is_array(json_object_get(j, "data"))) {
		why = json_text(json_object_get(j, "error"), "message", "");
		http_error(c, c->sub_status == 429 ? 429 : c->sub_status ==
		    400 || c->sub_status == 404 ? c->sub_status : 502,
		    c->sub_status / 100 == 4 ? "invalid_request_error" :
		    "api_error", NULL, "the provider answered %u: %.1000s",
		    c->sub_status, why[0] != '\0' ? why :
		    "without embeddings");
		json_decref(j);
		return;
	}
	/* Clients compare it with what they asked for. */
	json_object_set_new(j, "model", json_string(c->model));
	text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	dbuf_init(&b, 32u << 20);
	if (text == NULL || dbuf_puts(&b, text) == -1)
		b.err = true;
	free(text);
	http_json(c, 200, &b);
}

bool
http_embeddings_message(struct link *l, struct msg *m)
{
	struct http_call	*c = http_call_of_sub(l, m->h.corr);
	struct m_md_head	 head;
	struct m_md_data	 data;
	struct m_md_end		 end;

	if (c == NULL)
		return false;
	/* A message that is malformed is for the others to judge. */
	switch (m->h.type) {
	case MSG_MD_HEAD:
		if (get_md_head(m, &head) != MSG_OK)
			return false;
		c->sub_status = head.status;
		return true;
	case MSG_MD_DATA:
		if (get_md_data(m, &data) != MSG_OK)
			return false;
		if (c->got.n + data.bytes.n > ANSWER_MAX)
			c->got.err = true;
		else
			dbuf_put(&c->got, data.bytes.p, data.bytes.n);
		c->sub_owed += (uint32_t)data.bytes.n;
		if (c->sub_owed >= CREDIT / 4) {
			grant(c, c->sub_owed);
			c->sub_owed = 0;
		}
		return true;
	case MSG_MD_END:
		if (get_md_end(m, &end) != MSG_OK)
			return false;
		finish(c, &end);
		return true;
	default:
		return false;
	}
}
