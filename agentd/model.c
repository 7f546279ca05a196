/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * One model call of a run.  An engine is stepped in here, paced by the run's
 * timer; any other provider is asked through the modeld that holds its
 * credential, whose bytes are fed to the adapter's parser.  Bytes are granted
 * in advance and granted anew as they are consumed, so a provider that talks
 * too much waits in its own process.  Whatever happens ends in one call of
 * run_model_done().
 */
#include "common/compat.h"

#include <errno.h>

#include "agentd/http.h"
#include "agentd/json_load.h"
#include "agentd/levels.h"
#include "common/log.h"

#define CREDIT_BYTES	(256u << 10)
#define CREDIT_STEP	(64u << 10)
#define LINK_WAIT_MS	5000	/* a modeld that restarts is back by then */
#define GUARD_MS	15000	/* modeld has its own, shorter limits */
#define STEPS_AT_ONCE	64
#define MODELS_MAX	64
#define IMAGES_MAX	(20u << 20)	/* with the text less than MD_REQ takes */

static struct link	*models[MODELS_MAX];

static void	 on_stream(const struct pstream_event *, void *);
static void	 choose(struct run *);
static void	 start_engine(struct run *);
static void	 start_request(struct run *);
static void	 step(struct run *);
static void	 finished(struct run *);
static void	 fail(struct run *, enum provider_class, const char *);
static struct run *run_of(struct link *, uint64_t corr);
static void	 grant(struct run *, uint32_t n);

void
model_peer(struct link *l)
{
	struct run	*run;
	size_t		 i;

	for (i = 0; i < MODELS_MAX; i++)
		if (models[i] == NULL) {
			models[i] = l;
			break;
		}
	LIST_FOREACH(run, &runs, entry)
		if (run->state == RUN_ST_MODEL && run->waiting_since != 0)
			run_timer(run, 0);
}

void
model_peer_gone(struct link *l)
{
	struct run	*run, *next;
	size_t		 i;

	for (i = 0; i < MODELS_MAX; i++)
		if (models[i] == l)
			models[i] = NULL;
	http_sub_gone(l);
	for (run = LIST_FIRST(&runs); run != NULL; run = next) {
		next = LIST_NEXT(run, entry);
		if (run->md != l)
			continue;
		run->md = NULL;
		run->md_corr = 0;
		if (run->ps != NULL && !pstream_ended(run->ps)) {
			fail(run, PROVIDER_TRANSIENT,
			    "the connection to the provider was lost");
			finished(run);
		}
	}
}

void
model_call(struct run *run)
{
	char	 why[256] = "";
	size_t	 budget, used;

	model_cancel(run);
	run->state = RUN_ST_MODEL;
	choose(run);
	memset(&run->error, 0, sizeof(run->error));
	json_decref(run->message);
	run->message = NULL;
	memset(&run->visible, 0, sizeof(run->visible));
	dbuf_reset(&run->text);
	run->published = 0;
	run->told = 0;
	run->last_delta_ms = 0;
	if (config_model(run->cfg, run_model_ref(run, run->candidate),
	    &run->model, why, sizeof(why)) == -1 ||
	    (run->provider = provider_find(run->model.api, run->model.id)) ==
	    NULL) {
		if (why[0] == '\0')
			snprintf(why, sizeof(why), "model %s/%s is not known "
			    "here", run->model.provider, run->model.id);
		run->error.class = PROVIDER_NOT_FOUND;
		strlcpy(run->error.message, why, sizeof(run->error.message));
		run_model_done(run);
		return;
	}
	if (run->system == NULL || run->attempt == 0) {
		free(run->system);
		run->system = prompt_system(run);
	}
	budget = model_budget(&run->model);
	used = run->system != NULL ? strlen(run->system) : 0;
	session_trim(run->session, used < budget / 2 ? budget - used :
	    budget / 2);
	history_limit_images(run->session->history, IMAGES_MAX);
	run->context.system = run->system != NULL ? run->system : "";
	run->context.messages = run->session->history;
	run->context.tools = http_turn_tools(run);
	run->ps = pstream_new(&run->model, wall_ms(), on_stream, run);
	if (run->ps == NULL) {
		run->error.class = PROVIDER_TRANSIENT;
		strlcpy(run->error.message, "out of memory",
		    sizeof(run->error.message));
		run_model_done(run);
		return;
	}
	if (run->provider->engine_new != NULL)
		start_engine(run);
	else
		start_request(run);
}

/* Bytes of history that fit beside a quarter of the window for the answer, at
 * four bytes a token. */
size_t
model_budget(const struct provider_model *m)
{
	uint64_t	 n = m->context_window > (4u << 20) ? 12u << 20 :
			    m->context_window * 3;

	return n < 8192 ? 8192 : (size_t)n;
}

/* Ends whatever is under way; harmless when nothing is. */
void
model_cancel(struct run *run)
{
	struct m_md_cancel	 m;

	if (run->md != NULL && run->md_corr != 0) {
		memset(&m, 0, sizeof(m));
		if (run->ps != NULL && pstream_ended(run->ps) &&
		    run->error.class == PROVIDER_OK)
			grant(run, CREDIT_STEP);	/* its last words */
		else
			send_md_cancel(run->md, &m, run->md_corr, 0);
	}
	run->md = NULL;
	run->md_corr = 0;
	run->md_owed = 0;
	run->waiting_since = 0;
	if (run->engine != NULL)
		run->provider->engine_free(run->engine);
	if (run->parser != NULL)
		run->provider->parser_free(run->parser);
	run->engine = run->parser = NULL;
	pstream_free(run->ps);
	run->ps = NULL;
	json_decref(run->context.tools);
	memset(&run->context, 0, sizeof(run->context));
	dbuf_clear(&run->md_headers);
	dbuf_clear(&run->md_errbody);
}

/* The run's timer fired in state RUN_ST_MODEL. */
void
model_timer(struct run *run)
{
	if (run->engine != NULL)
		step(run);
	else if (run->waiting_since != 0)
		start_request(run);
	else if (run->ps != NULL && !pstream_ended(run->ps)) {
		fail(run, PROVIDER_TIMEOUT, "the provider did not answer");
		finished(run);
	}
}

void
model_router_drained(void)
{
	struct run	*run;

	LIST_FOREACH(run, &runs, entry) {
		if (run->state != RUN_ST_MODEL)
			continue;
		if (run->engine != NULL)
			run_timer(run, 0);
		else if (run->md_owed >= CREDIT_STEP)
			grant(run, 0);
	}
}

enum msg_err
model_message(struct link *l, struct msg *m)
{
	struct m_md_head	 head;
	struct m_md_data	 data;
	struct m_md_end		 end;
	struct run		*run;
	enum msg_err		 err;
	enum provider_class	 class;

	if (http_embeddings_message(l, m))
		return MSG_OK;
	/* An unknown number is that of a call which was cancelled. */
	run = run_of(l, m->h.corr);
	switch (m->h.type) {
	case MSG_MD_HEAD:
		if ((err = get_md_head(m, &head)) != MSG_OK)
			return err;
		if (run == NULL)
			return MSG_OK;
		if (run->md_status != 0)
			return MSG_MEANING;
		run_timer(run, (uint32_t)run->cfg->idle_timeout_ms +
		    GUARD_MS);
		run->md_status = head.status;
		dbuf_put(&run->md_headers, head.headers.p, head.headers.n);
		if (head.status / 100 != 2)
			return MSG_OK;
		run->parser = run->provider->parser_new(&run->model,
		    (struct str){ dbuf_str(&run->md_headers),
		    run->md_headers.n }, run->ps);
		if (run->parser == NULL)
			fail(run, PROVIDER_TRANSIENT, "out of memory");
		break;
	case MSG_MD_DATA:
		if ((err = get_md_data(m, &data)) != MSG_OK)
			return err;
		if (run == NULL)
			return MSG_OK;
		if (run->md_status == 0)
			return MSG_MEANING;
		run_timer(run, (uint32_t)run->cfg->idle_timeout_ms +
		    GUARD_MS);
		if (run->parser != NULL)
			run->provider->feed(run->parser, data.bytes.p,
			    data.bytes.n);
		else if (data.bytes.n <= PROVIDER_ERRBODY_MAX -
		    run->md_errbody.n)
			dbuf_put(&run->md_errbody, data.bytes.p,
			    data.bytes.n);
		run->md_owed += (uint32_t)data.bytes.n;
		if (run->md_owed >= CREDIT_STEP &&
		    (router == NULL || !link_full(router)))
			grant(run, 0);
		event_assistant(run);
		break;
	case MSG_MD_END:
		if ((err = get_md_end(m, &end)) != MSG_OK)
			return err;
		if (run == NULL)
			return MSG_OK;
		run->md_corr = 0;
		if (pstream_ended(run->ps))
			break;
		switch ((enum md_class)end.class) {
		case MD_OK:
			if (run->parser != NULL) {
				run->provider->finish(run->parser);
				if (!pstream_ended(run->ps))
					fail(run, PROVIDER_TRANSIENT,
					    "the answer was cut short");
				break;
			}
			memset(&run->error, 0, sizeof(run->error));
			run->error.class = PROVIDER_TRANSIENT;
			if (run->md_status != 0)
				run->provider->classify(run->md_status,
				    (struct str){ dbuf_str(&run->md_headers),
				    run->md_headers.n }, (struct str){
				    dbuf_str(&run->md_errbody),
				    run->md_errbody.n }, &run->error);
			if (run->error.class == PROVIDER_OK)
				run->error.class = PROVIDER_TRANSIENT;
			if (run->error.message[0] == '\0')
				snprintf(run->error.message,
				    sizeof(run->error.message),
				    "the provider answered %u",
				    run->md_status);
			if (run->error.retry_after_ms == 0)
				run->error.retry_after_ms =
				    end.retry_after_ms;
			pstream_error(run->ps, &run->error);
			break;
		case MD_CONNECT:
		case MD_TLS:
		case MD_TIMEOUT:
		case MD_PROTOCOL:
		case MD_CANCELLED:
		case MD_REFUSED:
		default:
			class = end.class == MD_TIMEOUT ? PROVIDER_TIMEOUT :
			    end.class == MD_REFUSED ? PROVIDER_FORMAT :
			    PROVIDER_TRANSIENT;
			fail(run, class, end.reason.n > 0 ? end.reason.p :
			    "the connection to the provider failed");
			break;
		}
		break;
	default:
		return MSG_UNKNOWN;
	}
	if (pstream_ended(run->ps))
		finished(run);
	return MSG_OK;
}

/* Options of this call: turn over session over configuration. */
static void
choose(struct run *run)
{
	struct provider_options	*o = &run->options;
	struct config		*c = run->cfg;
	const char		*level;
	json_t			*v;

	memset(o, 0, sizeof(*o));
	o->temperature = -1;
	level = level_parse(LEVEL_THINKING, str_of(turn_option(run->turn,
	    "thinking", "")));
	if (level == NULL)
		level = session_text(run->session, "thinkingLevel",
		    c->thinking);
	if (level == NULL)
		level = run->model.reasoning ? "low" : "off";
	strlcpy(run->thinking, level, sizeof(run->thinking));
	o->thinking = run->thinking;
	strlcpy(run->session_id, session_id(run->session),
	    sizeof(run->session_id));
	o->session_id = run->session_id;
	o->session_key = run->session->key;
	o->builtin = config_at(c->root, "models.builtin");
	v = json_object_get(config_at(c->agent, "models"),
	    run_model_ref(run, run->candidate));
	o->params = json_object_get(v, "params");
	v = json_object_get(o->params, "maxTokens");
	if (json_is_integer(v) && json_integer_value(v) > 0)
		o->max_tokens = (uint64_t)json_integer_value(v);
	v = json_object_get(run->turn->options, "maxTokens");
	if (json_is_integer(v) && json_integer_value(v) > 0)
		o->max_tokens = (uint64_t)json_integer_value(v);
	v = json_object_get(o->params, "temperature");
	if (json_is_number(v) && json_number_value(v) >= 0)
		o->temperature = json_number_value(v);
	o->now_ms = wall_ms();
	o->time_zone = c->time_zone;
	o->workspace = c->workspace;
	o->configured = c->nproviders > 0;
}

static void
start_engine(struct run *run)
{
	run->engine = run->provider->engine_new(&run->model, &run->context,
	    &run->options, run->ps);
	if (run->engine == NULL) {
		fail(run, PROVIDER_TRANSIENT, "out of memory");
		finished(run);
		return;
	}
	step(run);
}

static void
step(struct run *run)
{
	uint32_t	 delay = 0;
	int		 i;

	/* Watchers that cannot keep up stop what feeds them. */
	if (router != NULL && link_full(router)) {
		run_timer(run, 1000);
		return;
	}
	for (i = 0; i < STEPS_AT_ONCE && !pstream_ended(run->ps); i++) {
		delay = 0;
		run->provider->engine_step(run->engine, &delay);
		if (delay > 0)
			break;
	}
	event_assistant(run);
	if (pstream_ended(run->ps))
		finished(run);
	else
		run_timer(run, delay);
}

static struct link *
link_of_instance(const char *instance)
{
	size_t	 i;

	for (i = 0; i < MODELS_MAX && instance != NULL; i++)
		if (models[i] != NULL &&
		    strcmp(link_instance(models[i]), instance) == 0)
			return models[i];
	return NULL;
}

struct link *
model_link(const char *provider)
{
	return link_of_instance(config_instance(cfg, provider));
}

static void
start_request(struct run *run)
{
	struct provider_request	 req;
	struct provider_error	 err;
	struct m_md_req		 m;
	const char		*instance;
	struct link		*l;

	instance = config_instance(run->cfg, run->model.provider);
	l = link_of_instance(instance);
	if (l == NULL || link_full(l)) {
		if (run->waiting_since == 0)
			run->waiting_since = mono_ms();
		if (instance != NULL &&
		    mono_ms() - run->waiting_since < LINK_WAIT_MS) {
			run_timer(run, 250);
			return;
		}
		fail(run, instance == NULL ? PROVIDER_AUTH :
		    PROVIDER_TRANSIENT, instance == NULL ?
		    "no credential is configured for this provider" :
		    "the provider process is not running");
		finished(run);
		return;
	}
	run->waiting_since = 0;
	memset(&err, 0, sizeof(err));
	provider_request_init(&req);
	dbuf_init(&run->md_headers, 65536);
	dbuf_init(&run->md_errbody, PROVIDER_ERRBODY_MAX);
	run->md_status = 0;
	if (run->provider->build(&run->model, &run->context, &run->options,
	    &req, &err) == -1 || dbuf_err(&req.headers) ||
	    dbuf_err(&req.body)) {
		fail(run, err.class != PROVIDER_OK ? err.class :
		    PROVIDER_FORMAT, err.message[0] != '\0' ? err.message :
		    "the request cannot be built");
		provider_request_clear(&req);
		finished(run);
		return;
	}
	memset(&m, 0, sizeof(m));
	m.method = str_of(req.method);
	m.path = str_of(req.path);
	m.headers = (struct str){ dbuf_str(&req.headers), req.headers.n };
	m.body = (struct str){ dbuf_str(&req.body), req.body.n };
	m.head_timeout_ms = (uint32_t)run->cfg->head_timeout_ms;
	m.idle_timeout_ms = (uint32_t)run->cfg->idle_timeout_ms;
	run->md = l;
	run->md_corr = link_corr();
	if (send_md_req(l, &m, run->md_corr, 0) == -1) {
		run->md_corr = 0;
		run->md = NULL;
		fail(run, PROVIDER_TRANSIENT, "the request cannot be sent");
		provider_request_clear(&req);
		finished(run);
		return;
	}
	provider_request_clear(&req);
	run->md_owed = 0;
	grant(run, CREDIT_BYTES);
	run_timer(run, (uint32_t)run->cfg->head_timeout_ms + GUARD_MS);
}

/* Grants n bytes and what was consumed since the last time. */
static void
grant(struct run *run, uint32_t n)
{
	struct m_md_credit	 m;

	memset(&m, 0, sizeof(m));
	m.bytes = n + run->md_owed;
	run->md_owed = 0;
	if (m.bytes > 0 && run->md != NULL && run->md_corr != 0)
		send_md_credit(run->md, &m, run->md_corr, 0);
}

static struct run *
run_of(struct link *l, uint64_t corr)
{
	struct run	*run;

	LIST_FOREACH(run, &runs, entry)
		if (run->md == l && run->md_corr == corr && corr != 0)
			return run;
	return NULL;
}

static void
fail(struct run *run, enum provider_class class, const char *why)
{
	if (run->ps != NULL)
		pstream_errorf(run->ps, class, 0, "%s", why);
}

/* Reports of the stream: collect only; finished() acts once it is safe. */
static void
on_stream(const struct pstream_event *ev, void *arg)
{
	struct run	*run = arg;

	switch (ev->type) {
	case PS_TEXT:
		visible_put(&run->visible, &run->text, ev->delta.p,
		    ev->delta.n);
		break;
	case PS_THINKING:
	case PS_TOOLCALL:
		break;
	case PS_DONE:
		visible_end(&run->visible, &run->text);
		run->message = json_incref(ev->message);
		break;
	case PS_ERROR:
		visible_end(&run->visible, &run->text);
		run->message = json_incref(ev->message);
		run->error = *ev->error;
		if (run->error.class == PROVIDER_OK)
			run->error.class = PROVIDER_TRANSIENT;
		break;
	}
}

static void
finished(struct run *run)
{
	run_timer(run, UINT32_MAX);
	event_assistant(run);
	run_model_done(run);
}
