/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The loop of one turn: ask the model, have its tools called, ask again, until
 * it answers without calls, fails, is aborted or reaches a limit (spec
 * agent-runtime 2, 9).  Every state change is here; model.c and toolcall.c
 * report, journal.c makes the end durable before anybody is told.
 */
#include "common/compat.h"

#include <errno.h>
#include <stdarg.h>

#include "agentd/http.h"
#include "agentd/json_load.h"
#include "common/log.h"

#define START_WAIT_MS	3000	/* for the list of tools, after our start */
#define TYPING_MS	6000
#define TYPING_TTL_MS	120000

struct run_list	 runs = LIST_HEAD_INITIALIZER(runs);
unsigned int	 nactive;

static struct run *run_new(struct turn *);
static void	 run_free(struct run *);
static void	 run_end(struct run *, enum run_status);
static void	 timer_cb(evutil_socket_t, short, void *);
static void	 deadline_cb(evutil_socket_t, short, void *);
static void	 typing_cb(evutil_socket_t, short, void *);
static bool	 retry(struct run *);
static void	 note_route(struct run *);
static void	 note_usage(struct run *);
static char	*result_text(struct run *);
static void	 drop_unanswered(struct session *);

void
run_start(struct turn *t)
{
	struct session		*s = t->session;
	struct run		*run;
	struct provider_model	 m;
	struct timeval		 tv;
	json_t			*msg;
	uint64_t		 limit;
	char			 why[256], ref[512], id[9];

	if ((run = run_new(t)) == NULL) {
		turn_refused(t, ENOMEM);
		return;
	}
	s->run = run;
	nactive++;
	if (t->stale || session_stale(s, t->row.channel, t->row.chat_type, wall_ms()))
		session_reset(s);
	if (session_wish(s, ref, sizeof(ref)))
		run->wish = xstrdup(ref);
	if (config_model(run->cfg, run_model_ref(run, 0), &m, why,
	    sizeof(why)) == -1)
		m.context_window = 32768;
	if (session_load(s, model_budget(&m)) == -1) {
		log_warn("session %s: transcript", s->key);
		run_fail(run, "the conversation cannot be read: %s",
		    strerror(errno));
		return;
	}
	drop_unanswered(s);
	if ((msg = prompt_user(t)) == NULL) {
		run_fail(run, "out of memory");
		return;
	}
	if (session_append(s, msg, true, id) == -1) {
		log_warn("session %s: transcript", s->key);
		json_decref(msg);
		run_fail(run, "the conversation cannot be written: %s",
		    strerror(errno));
		return;
	}
	json_decref(msg);
	sysevent_seen(s);
	free(t->media);		/* the transcript has it */
	t->media = NULL;
	free((char *)t->row.user_entry);
	t->row.user_entry = xstrdup(id);
	free((char *)t->row.session_id);
	t->row.session_id = xstrdup(session_id(s));
	t->row.started_at = run->started_at;
	run->after_abort = json_is_true(json_object_get(s->entry,
	    "abortedLastRun"));
	note_route(run);
	journal_start(t);
	event_lifecycle_start(run);
	limit = run->cfg->timeout_ms;
	if (json_is_integer(json_object_get(t->options, "timeoutMs")) &&
	    json_integer_value(json_object_get(t->options, "timeoutMs")) > 0)
		limit = (uint64_t)json_integer_value(json_object_get(
		    t->options, "timeoutMs"));
	else if (json_is_integer(json_object_get(t->options, "timeout")) &&
	    json_integer_value(json_object_get(t->options, "timeout")) > 0)
		limit = (uint64_t)json_integer_value(json_object_get(
		    t->options, "timeout")) * 1000;
	if (limit > 0 && limit < 30ull * 86400 * 1000) {
		tv.tv_sec = (time_t)(limit / 1000);
		tv.tv_usec = (suseconds_t)(limit % 1000 * 1000);
		event_add(run->deadline, &tv);
		run->deadline_ms = mono_ms() + limit;
	}
	if (t->row.source == TURN_CHANNEL && (run->cfg->typing_mode == NULL ||
	    strcmp(run->cfg->typing_mode, "never") != 0) &&
	    t->row.chat_type == CHAT_DIRECT) {
		run->typing_until = mono_ms() + TYPING_TTL_MS;
		typing_cb(-1, 0, run);
	}
	run->waiting_since = mono_ms();
	run_continue(run);
}

void
run_continue(struct run *run)
{
	if (run->state == RUN_ST_ENDING)
		return;
	if (run->state == RUN_ST_START && !toolcall_ready() &&
	    mono_ms() - run->waiting_since < START_WAIT_MS) {
		run_timer(run, 50);
		return;
	}
	run->waiting_since = 0;
	model_call(run);
}

void
run_inject(struct turn *t, const char *text)
{
	struct run	*run;

	if ((run = run_new(t)) == NULL)
		return;
	nactive++;
	run->injected = true;
	t->row.started_at = run->started_at;
	run->last_text = xstrdup(text);
	run->texts = json_pack("[s]", text);
	run_end(run, RUN_OK);
}

void
run_drop(struct turn *t, const char *stop_reason)
{
	struct run	*run;

	if ((run = run_new(t)) == NULL)
		return;
	nactive++;
	run->injected = true;
	run->aborted = true;
	run->stop_reason = stop_reason;
	run_end(run, RUN_ABORTED);
}

void
run_interrupted(struct turn *t, const char *answer)
{
	struct run	*run;

	if ((run = run_new(t)) == NULL)
		return;
	nactive++;
	run->started_at = t->row.started_at;
	run->interrupted = true;
	if (answer != NULL) {
		run->last_text = xstrdup(answer);
		run->texts = json_pack("[s]", answer);
		run_end(run, RUN_OK);
		return;
	}
	run->failure = xstrdup("interrupted by a restart of the gateway");
	run->notice = xstrdup("\xe2\x9a\xa0\xef\xb8\x8f I was interrupted by a "
	    "restart before I could finish. Please send your last message "
	    "again if you still need an answer.");
	run_end(run, RUN_ERROR);
}

void
run_model_done(struct run *run)
{
	struct session	*s = run->session;
	json_t		*content, *block, *msg;
	struct str	 text;
	size_t		 i, ncalls = 0;

	if (run->state == RUN_ST_ENDING)
		return;
	/* drop_unanswered() takes back the question of a turn that is run
	 * again, but only while nothing stands behind it. */
	(void)journal_began(run->turn);
	if (run->error.class != PROVIDER_OK || run->message == NULL) {
		if (retry(run))
			return;
		log_warnx("run %s: model %s/%s: %s: %s",
		    run->turn->row.run_id, run->model.provider,
		    run->model.id, provider_class_name(run->error.class),
		    run->error.message);
		if (run->message != NULL) {
			session_append(s, run->message, false, NULL);
			run_fail(run, "%s", run->error.message);
		} else {
			run_write_failure(run->session, "error", run->error.message);
			run_fail(run, "%s", run->error.message);
		}
		return;
	}
	msg = json_incref(run->message);
	text = str_trim((struct str){ dbuf_str(&run->text), run->text.n });
	if (text.n > 0) {
		free(run->last_text);
		run->last_text = str_dup(text);
		if (run->texts == NULL)
			run->texts = json_array();
		json_array_append_new(run->texts, json_stringn(text.p,
		    text.n));
	}
	json_decref(run->usage);
	run->usage = json_incref(json_object_get(msg, "usage"));
	usage_note(run, msg);
	content = json_object_get(msg, "content");
	json_array_foreach(content, i, block)
		if (strcmp(json_text(block, "type", ""), "toolCall") == 0)
			ncalls++;
	run->attempt = 0;
	if (ncalls == 0) {
		/* The stream's memory is needed no more; then the history may
		 * change. */
		model_cancel(run);
		session_append(s, msg, true, NULL);
		json_decref(msg);
		run_end(run, RUN_OK);
		return;
	}
	if ((block = http_turn_clients(run, content)) != NULL) {
		model_cancel(run);
		session_append(s, msg, true, NULL);
		http_turn_hand(run, content, block);
		json_decref(msg);
		run_end(run, RUN_OK);
		return;
	}
	toolcall_collect(run, content);
	model_cancel(run);
	session_append(s, msg, true, NULL);
	json_decref(msg);
	run->state = RUN_ST_TOOLS;
	run->iterations++;
	toolcall_start(run);
}

void
run_tools_done(struct run *run)
{
	char	 why[128];

	if (run->state != RUN_ST_TOOLS)
		return;
	toolcall_free(run);
	if (run->aborted) {
		run_write_failure(run->session, "aborted", "aborted");
		run_end(run, RUN_ABORTED);
		return;
	}
	why[0] = '\0';
	if (run->iterations >= run->cfg->max_iterations)
		snprintf(why, sizeof(why), "stopped after %u rounds of tool "
		    "calls", run->iterations);
	else if (run->loop_criticals >= 2)
		snprintf(why, sizeof(why), "stopped because the same tool "
		    "call was repeated without progress");
	if (why[0] != '\0') {
		run_write_failure(run->session, "error", why);
		run_fail(run, "%s", why);
		return;
	}
	/* From the event loop: calls that fail at once must not recurse. */
	run->state = RUN_ST_RETRY;
	run_timer(run, 0);
}

void
run_abort(struct run *run, const char *stop_reason)
{
	json_t	*partial;

	if (run->aborted || run->state == RUN_ST_ENDING)
		return;
	run->aborted = true;
	run->stop_reason = stop_reason;
	run->status = RUN_ABORTED;
	session_set(run->session, "abortedLastRun", json_true());
	/* The chat is told now; after that no delta and no final follows. */
	event_chat_end(run);
	switch (run->state) {
	case RUN_ST_MODEL:
		partial = run->ps != NULL ? pstream_partial(run->ps,
		    STOP_ABORTED, "aborted") : NULL;
		model_cancel(run);
		if (partial != NULL)
			session_append(run->session, partial, false, NULL);
		else
			run_write_failure(run->session, "aborted", "aborted");
		json_decref(partial);
		run_end(run, RUN_ABORTED);
		break;
	case RUN_ST_START:
	case RUN_ST_RETRY:
		run_write_failure(run->session, "aborted", "aborted");
		run_end(run, RUN_ABORTED);
		break;
	case RUN_ST_TOOLS:
		toolcall_cancel(run);
		break;
	case RUN_ST_ENDING:
		break;
	}
}

void
run_fail(struct run *run, const char *fmt, ...)
{
	va_list	 ap;
	char	*p;

	va_start(ap, fmt);
	if (vasprintf(&p, fmt, ap) == -1)
		p = NULL;
	va_end(ap);
	free(run->failure);
	run->failure = p;
	run_end(run, RUN_ERROR);
}

void
run_committed(struct run *run)
{
	struct turn		*t = run->turn;
	struct session		*s = run->session;
	struct sessdb_delivery	 d;
	struct m_ag_run_end	 m;
	const char		*summary;

	state_now();
	event_chat_end(run);
	http_turn_ended(run);
	if (run->delivery_id != NULL) {
		turn_delivery(run, &d);
		outbox_add(&d);
	}
	summary = run->status == RUN_OK ? "completed" :
	    run->status == RUN_ABORTED ? "aborted" : run->failure != NULL ?
	    run->failure : "failed";
	if (router != NULL && t->row.source != TURN_CHANNEL) {
		memset(&m, 0, sizeof(m));
		m.run_id = str_of(t->row.run_id);
		m.status = (uint8_t)run->status;
		m.started_at = run->started_at;
		m.ended_at = run->ended_at;
		m.summary = str_of(summary);
		m.summary.n = utf8_cut(m.summary.p, m.summary.n, 4096);
		m.result = str_of(run->result);
		if (send_ag_run_end(router, &m, 0, 0) == -1)
			log_warn("run %s: end", t->row.run_id);
	}
	rpc_run_ended(t->row.run_id, run->status, run->started_at,
	    run->ended_at, run->status == RUN_ERROR ? summary : NULL);
	if (s->run == run)
		s->run = NULL;
	run_free(run);
	turn_free(t);
	if (s->reload)
		session_forget_history(s);
	turn_session_idle(s);
	rpc_session_idle(s);
}

void
run_discard(struct run *run)
{
	run_free(run);
}

struct run *
run_find(const char *run_id)
{
	struct run	*run;

	LIST_FOREACH(run, &runs, entry)
		if (strcmp(run->turn->row.run_id, run_id) == 0)
			return run;
	return NULL;
}

void
run_timer(struct run *run, uint32_t ms)
{
	struct timeval	 tv = { .tv_sec = ms / 1000,
			    .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

	if (ms == UINT32_MAX)
		event_del(run->timer);
	else
		event_add(run->timer, &tv);
}

const char *
run_model_ref(const struct run *run, size_t i)
{
	const struct config	*c = run->cfg;

	if (run->wish == NULL)
		return i < c->ncandidates ? c->candidates[i] : NULL;
	if (i == 0)
		return run->wish;
	/* What everybody falls back to first, what everybody has last. */
	if (i < c->ncandidates)
		return c->candidates[i];
	return i == c->ncandidates ? c->candidates[0] : NULL;
}

static struct run *
run_new(struct turn *t)
{
	struct run	*run;

	if ((run = calloc(1, sizeof(*run))) == NULL)
		return NULL;
	run->timer = evtimer_new(worker_base(), timer_cb, run);
	run->deadline = evtimer_new(worker_base(), deadline_cb, run);
	run->typing = evtimer_new(worker_base(), typing_cb, run);
	if (run->timer == NULL || run->deadline == NULL ||
	    run->typing == NULL) {
		run_free(run);
		return NULL;
	}
	run->turn = t;
	t->run = run;
	run->session = t->session;
	run->cfg = config_ref(cfg);
	run->started_at = wall_ms();
	dbuf_init(&run->text, PROVIDER_TEXT_MAX * 3u);
	dbuf_init(&run->md_headers, 65536);
	dbuf_init(&run->md_errbody, PROVIDER_ERRBODY_MAX);
	LIST_INSERT_HEAD(&runs, run, entry);
	return run;
}

static void
run_free(struct run *run)
{
	size_t	 i;

	if (run->turn != NULL) {
		LIST_REMOVE(run, entry);
		run->turn->run = NULL;
	}
	if (run->timer != NULL)
		event_free(run->timer);
	if (run->deadline != NULL)
		event_free(run->deadline);
	if (run->typing != NULL)
		event_free(run->typing);
	if (run->cfg != NULL) {
		model_cancel(run);
		toolcall_free(run);
	}
	dbuf_clear(&run->text);
	json_decref(run->message);
	json_decref(run->usage);
	json_decref(run->handed);
	json_decref(run->texts);
	free(run->system);
	free(run->wish);
	free(run->last_text);
	free(run->failure);
	free(run->notice);
	free(run->delivery_id);
	free(run->delivery_text);
	for (i = 0; i < 4; i++)
		free(run->delivery_to[i]);
	free(run->result);
	config_unref(run->cfg);
	free(run);
}

static void
run_end(struct run *run, enum run_status status)
{
	if (run->state == RUN_ST_ENDING)
		return;
	run->state = RUN_ST_ENDING;
	run->status = status;
	run->ended_at = wall_ms();
	nactive--;
	event_del(run->timer);
	event_del(run->deadline);
	if (event_pending(run->typing, EV_TIMEOUT, NULL)) {
		event_del(run->typing);
		outbox_typing(run, false);
	}
	model_cancel(run);
	toolcall_free(run);
	if (run->announced)
		event_lifecycle_end(run);
	note_usage(run);
	run->result = result_text(run);
	turn_plan_delivery(run);
	journal_end(run);
	state_changed();
}

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct run	*run = arg;

	(void)fd;
	(void)what;
	switch (run->state) {
	case RUN_ST_START:
	case RUN_ST_RETRY:
		run_continue(run);
		break;
	case RUN_ST_MODEL:
		model_timer(run);
		break;
	case RUN_ST_TOOLS:
		toolcall_timer(run);
		break;
	case RUN_ST_ENDING:
		break;
	}
}

static void
deadline_cb(evutil_socket_t fd, short what, void *arg)
{
	struct run	*run = arg;

	(void)fd;
	(void)what;
	log_info("run %s: time is up", run->turn->row.run_id);
	run->notice = xstrdup("\xe2\x9a\xa0\xef\xb8\x8f The time limit was "
	    "reached before the answer was complete.");
	run_abort(run, "timeout");
}

void
run_hold(struct run *run)
{
	if (run->nheld++ > 0)
		return;
	run->held_ms = mono_ms();
	event_del(run->deadline);
}

void
run_unhold(struct run *run)
{
	struct timeval	 tv;
	uint64_t	 now = mono_ms(), left;

	if (run->nheld == 0 || --run->nheld > 0)
		return;
	if (run->deadline_ms == 0 || run->state == RUN_ST_ENDING)
		return;
	run->deadline_ms += now - run->held_ms;
	left = run->deadline_ms > now ? run->deadline_ms - now : 0;
	tv.tv_sec = (time_t)(left / 1000);
	tv.tv_usec = (suseconds_t)(left % 1000 * 1000);
	event_add(run->deadline, &tv);
}

static void
typing_cb(evutil_socket_t fd, short what, void *arg)
{
	struct run	*run = arg;
	struct timeval	 tv = { .tv_sec = TYPING_MS / 1000 };

	(void)fd;
	(void)what;
	if (mono_ms() >= run->typing_until) {
		outbox_typing(run, false);
		return;
	}
	outbox_typing(run, true);
	event_add(run->typing, &tv);
}

/* May this failure be answered by another call?  Then one is under way. */
static bool
retry(struct run *run)
{
	struct config	*c = run->cfg;
	const char	*next;
	uint64_t	 delay;
	bool		 same = false, other = false;
	bool		 began = run->ps != NULL && pstream_started(run->ps);

	switch (run->error.class) {
	case PROVIDER_RATE_LIMIT:
	case PROVIDER_OVERLOADED:
	case PROVIDER_TRANSIENT:
		same = run->attempt < c->retry_max;
		other = true;
		break;
	case PROVIDER_TIMEOUT:
		same = run->attempt < 1;
		other = true;
		break;
	case PROVIDER_AUTH:
	case PROVIDER_BILLING:
	case PROVIDER_NOT_FOUND:
	case PROVIDER_FORMAT:
		other = true;
		break;
	case PROVIDER_OK:
	case PROVIDER_OVERFLOW:
	case PROVIDER_REFUSAL:
	case PROVIDER_IMAGE:
	case PROVIDER_ABORTED:
	case PROVIDER_CLASS_MAX:
		break;
	}
	if (began)	/* something was shown: it cannot be unsaid */
		return false;
	if (run->error.no_retry ||
	    run->error.retry_after_ms > c->retry_server_max_ms)
		same = false;
	if (same) {
		delay = c->retry_base_ms << (run->attempt < 16 ?
		    run->attempt : 16);
		if (delay > c->retry_cap_ms)
			delay = c->retry_cap_ms;
		if (delay < run->error.retry_after_ms)
			delay = run->error.retry_after_ms;
		log_info("run %s: model %s/%s: %s, again in %llu ms",
		    run->turn->row.run_id, run->model.provider,
		    run->model.id, provider_class_name(run->error.class),
		    (unsigned long long)delay);
		model_cancel(run);
		run->attempt++;
		run->state = RUN_ST_RETRY;
		run_timer(run, (uint32_t)delay);
		return true;
	}
	if (other && (next = run_model_ref(run, run->candidate + 1)) != NULL) {
		log_warnx("run %s: model %s/%s: %s, trying %s",
		    run->turn->row.run_id, run->model.provider,
		    run->model.id, provider_class_name(run->error.class),
		    next);
		model_cancel(run);
		run->candidate++;
		run->attempt = 0;
		run->state = RUN_ST_RETRY;
		run_timer(run, 0);
		return true;
	}
	return false;
}

/* A user message without an answer (an earlier process died right behind it)
 * would stand beside ours: go on from before it. */
static void
drop_unanswered(struct session *s)
{
	size_t	 n = json_array_size(s->history);

	if (n == 0 || strcmp(json_text(json_array_get(s->history, n - 1),
	    "role", ""), "user") != 0)
		return;
	if (transcript_drop_user_leaf(s->transcript)) {
		s->history_bytes -= transcript_weight(json_array_get(
		    s->history, n - 1));
		json_array_remove(s->history, n - 1);
	}
}

/* Where this session's messages come from (spec sessions 6). */
static void
note_route(struct run *run)
{
	static const char *const types[] = { "direct", "group", "channel" };
	const struct sessdb_turn *r = &run->turn->row;
	struct session		*s = run->session;
	json_t			*route;

	if (r->source == TURN_CHANNEL) {
		route = json_pack("{s:s,s:s,s:s}", "channel", r->channel,
		    "to", r->chat, "accountId", r->account);
		if (route != NULL && r->thread[0] != '\0')
			json_object_set_new(route, "threadId",
			    json_string(r->thread));
		session_set(s, "deliveryContext", route);
		session_set(s, "channel", json_string(r->channel));
		session_set(s, "lastChannel", json_string(r->channel));
		session_set(s, "lastTo", json_string(r->chat));
		session_set(s, "lastAccountId", json_string(r->account));
		session_set(s, "lastThreadId", r->thread[0] != '\0' ?
		    json_string(r->thread) : NULL);
		session_set(s, "chatType", json_string(types[r->chat_type <=
		    CHAT_CHANNEL ? r->chat_type : CHAT_DIRECT]));
		if (json_object_get(s->entry, "origin") == NULL)
			session_set(s, "origin", json_pack(
			    "{s:s,s:s,s:s,s:s,s:s,s:s}", "label",
			    r->sender_name[0] != '\0' ? r->sender_name :
			    r->sender, "provider", r->channel, "surface",
			    r->channel, "chatType", types[r->chat_type <=
			    CHAT_CHANNEL ? r->chat_type : CHAT_DIRECT],
			    "from", r->sender, "accountId", r->account));
	} else if (json_object_get(s->entry, "chatType") == NULL)
		session_set(s, "chatType", json_string("direct"));
	session_set(s, "systemSent", json_true());
	session_set(s, "abortedLastRun", json_boolean(false));
	session_dirty(s, true);
}

static void
note_usage(struct run *run)
{
	struct session	*s = run->session;
	json_int_t	 in, out, cr, cw;

	if (run->usage != NULL) {
		in = json_integer_value(json_object_get(run->usage, "input"));
		out = json_integer_value(json_object_get(run->usage,
		    "output"));
		cr = json_integer_value(json_object_get(run->usage,
		    "cacheRead"));
		cw = json_integer_value(json_object_get(run->usage,
		    "cacheWrite"));
		session_set(s, "inputTokens", json_integer(in));
		session_set(s, "outputTokens", json_integer(out));
		session_set(s, "totalTokens", json_integer(in + cr + cw > 0 ?
		    in + cr + cw : in + out));
		session_set(s, "contextTokens", json_integer(
		    (json_int_t)run->model.context_window));
		session_set(s, "modelProvider",
		    json_string(run->model.provider));
		session_set(s, "model", json_string(run->model.id));
	}
	session_dirty(s, !run->interrupted);
}

void
run_write_failure(struct session *s, const char *stop, const char *text)
{
	json_t	*m;

	m = json_pack("{s:s,s:[{s:s,s:s}],s:s,s:s,s:s,s:{s:i,s:i,s:i,s:i,"
	    "s:i,s:{s:i,s:i,s:i,s:i,s:i}},s:s,s:s,s:I}",
	    "role", "assistant", "content", "type", "text", "text", "",
	    "api", "openclaw", "provider", "openclaw", "model", "agentd",
	    "usage", "input", 0, "output", 0, "cacheRead", 0,
	    "cacheWrite", 0, "totalTokens", 0, "cost", "input", 0, "output",
	    0, "cacheRead", 0, "cacheWrite", 0, "total", 0, "stopReason",
	    stop, "errorMessage", text, "timestamp", (json_int_t)wall_ms());
	if (m != NULL)
		session_append(s, m, false, NULL);
	json_decref(m);
}

/* The object that the second answer of `agent` carries (protocol 4.3). */
static char *
result_text(struct run *run)
{
	struct dbuf	 b;
	struct jw	 w;
	json_t		*t;
	struct str	 text;
	size_t		 i, left = RESULT_TEXT_MAX;
	char		*p;

	dbuf_init(&b, 8u << 20);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_karr(&w, "payloads");
	json_array_foreach(run->texts, i, t) {
		text = (struct str){ json_string_value(t),
		    json_string_length(t) };
		text.n = utf8_cut(text.p, text.n, left);
		left -= text.n;
		if (text.n == 0)
			break;
		jw_obj(&w);
		jw_kstr(&w, "text", text);
		jw_knull(&w, "mediaUrl");
		jw_obj_end(&w);
	}
	if (run->status == RUN_ERROR && run->failure != NULL) {
		jw_obj(&w);
		jw_ks(&w, "text", run->failure);
		jw_knull(&w, "mediaUrl");
		jw_kbool(&w, "isError", true);
		jw_obj_end(&w);
	}
	jw_arr_end(&w);
	jw_kobj(&w, "meta");
	jw_kuint(&w, "durationMs", run->ended_at - run->started_at);
	jw_kobj(&w, "agentMeta");
	jw_ks(&w, "sessionId", session_id(run->session));
	jw_ks(&w, "provider", run->model.provider != NULL ?
	    run->model.provider : "");
	jw_ks(&w, "model", run->model.id != NULL ? run->model.id : "");
	if (run->usage != NULL) {
		jw_kobj(&w, "usage");
		jw_kint(&w, "input", json_integer_value(json_object_get(
		    run->usage, "input")));
		jw_kint(&w, "output", json_integer_value(json_object_get(
		    run->usage, "output")));
		jw_kint(&w, "cacheRead", json_integer_value(json_object_get(
		    run->usage, "cacheRead")));
		jw_kint(&w, "cacheWrite", json_integer_value(json_object_get(
		    run->usage, "cacheWrite")));
		jw_kint(&w, "total", json_integer_value(json_object_get(
		    run->usage, "totalTokens")));
		jw_obj_end(&w);
	}
	jw_obj_end(&w);
	jw_kbool(&w, "aborted", run->status == RUN_ABORTED);
	if (run->status == RUN_ABORTED && run->stop_reason != NULL)
		jw_ks(&w, "stopReason", run->stop_reason);
	if (run->status == RUN_ERROR) {
		jw_kobj(&w, "error");
		jw_ks(&w, "kind", provider_class_name(run->error.class));
		jw_ks(&w, "message", run->failure != NULL ? run->failure :
		    "failed");
		jw_obj_end(&w);
	}
	jw_obj_end(&w);
	jw_obj_end(&w);
	p = dbuf_take(&b, NULL);
	return p != NULL ? p : xstrdup("{}");
}
