/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The tool calls of one assistant message.  They run in content order; calls
 * of tools that only read may overlap, any other one is a barrier.  Results
 * enter the transcript in call order, and every call gets exactly one, whatever
 * happens to toold, to the call or to the run (spec agent-runtime 3).
 * Arguments are checked by toold; what comes back is text of strangers.
 */
#include "common/compat.h"

#include "agentd/http.h"
#include "agentd/json_load.h"
#include "agentd/sanitize.h"
#include "common/log.h"

#define LINK_WAIT_MS	5000
#define SHARED_MAX	4
#define OUT_TAIL	8000
#define DETAILS_MAX	(256u << 10)	/* kept of a result's details */
#define LOOP_WARN	10
#define LOOP_CRITICAL	20

static json_t	*offered;	/* TL_LIST_RES */
static bool	 listed;

static void	 launch(struct run *);
static bool	 launch_one(struct run *, struct toolcall *);
static void	 finish(struct run *, struct toolcall *, json_t *);
static void	 set_waiting(struct toolcall *, bool);
static void	 finish_error(struct run *, struct toolcall *, const char *, ...)
		    __attribute__((format(printf, 3, 4)));
static void	 advance(struct run *);
static void	 show_output(struct toolcall *);
static struct toolcall *call_of(uint64_t corr);
static json_t	*find_tool(const char *name);
static json_t	*clean_result(json_t *, const char *name, size_t cap);
static void	 loop_note(struct run *, struct toolcall *);
static void	 want_list(void);

void
toolcall_peer(struct link *l)
{
	struct run	*run;

	tools = l;
	want_list();
	LIST_FOREACH(run, &runs, entry)
		if (run->state == RUN_ST_TOOLS && run->waiting_since != 0)
			run_timer(run, 0);
}

void
toolcall_peer_gone(struct link *l)
{
	struct run	*run, *next;
	size_t		 i;

	if (tools != l)
		return;
	tools = NULL;
	http_sub_gone(l);
	for (run = LIST_FIRST(&runs); run != NULL; run = next) {
		next = LIST_NEXT(run, entry);
		if (run->state != RUN_ST_TOOLS)
			continue;
		for (i = 0; i < run->ncalls; i++)
			if (run->calls[i].state == CALL_RUNNING)
				finish_error(run, &run->calls[i], "The tool "
				    "process ended while this call ran.");
		advance(run);
	}
}

json_t *
toolcall_list(void)
{
	if (offered == NULL)
		offered = json_array();
	return offered;
}

bool
toolcall_ready(void)
{
	return listed;
}

size_t
toolcall_cap(const struct provider_model *m)
{
	uint64_t	 tier, share;

	tier = m->context_window >= 200000 ? 64000 :
	    m->context_window >= 100000 ? 32000 : 16000;
	share = m->context_window * 4 * 3 / 10;
	return (size_t)(share < tier ? share : tier);
}

void
toolcall_collect(struct run *run, json_t *content)
{
	json_t		*block;
	struct toolcall	*c;
	const char	*bad;
	size_t		 i, n = 0;

	toolcall_free(run);
	if ((run->calls = calloc(json_array_size(content),
	    sizeof(*run->calls))) == NULL)
		fatal("calloc");
	json_array_foreach(content, i, block) {
		if (strcmp(json_text(block, "type", ""), "toolCall") != 0)
			continue;
		c = &run->calls[n++];
		c->run = run;
		c->block = json_incref(block);
		c->name = json_text(block, "name", "");
		c->id = json_text(block, "id", "");
		dbuf_init(&c->out, 65536);
		bad = run->ps != NULL ? pstream_bad_args(run->ps,
		    (unsigned int)i) : NULL;
		if (bad != NULL)
			c->bad_args = strdup(bad);
		c->shared = strcmp(json_text(find_tool(c->name),
		    "concurrency", ""), "shared") == 0;
	}
	run->ncalls = n;
	run->loop_blocking = run->loop_block;
	run->loop_block = false;
}

void
toolcall_start(struct run *run)
{
	run->waiting_since = 0;
	advance(run);
}

void
toolcall_cancel(struct run *run)
{
	struct m_tl_cancel	 m;
	struct toolcall		*c;
	size_t			 i;

	for (i = 0; i < run->ncalls; i++) {
		c = &run->calls[i];
		if (c->state == CALL_WAITING)
			finish_error(run, c, "Not run: the user stopped this "
			    "run.");
		else if (c->state == CALL_RUNNING && tools != NULL) {
			memset(&m, 0, sizeof(m));
			m.call_id = str_of(c->call_id);
			send_tl_cancel(tools, &m, c->corr, 0);
		}
	}
	run_timer(run, TOOL_ABORT_MS);
	advance(run);
}

void
toolcall_timer(struct run *run)
{
	size_t	 i;

	if (run->aborted) {
		for (i = 0; i < run->ncalls; i++)
			if (run->calls[i].state == CALL_RUNNING)
				finish_error(run, &run->calls[i], "Aborted: "
				    "the tool did not stop in time.");
	}
	for (i = 0; i < run->ncalls; i++)
		if (run->calls[i].state == CALL_RUNNING &&
		    run->calls[i].unshown)
			show_output(&run->calls[i]);
	advance(run);
}

void
toolcall_free(struct run *run)
{
	struct toolcall	*c;
	size_t		 i;

	for (i = 0; i < run->ncalls; i++) {
		c = &run->calls[i];
		json_decref(c->block);
		json_decref(c->result);
		dbuf_clear(&c->out);
		free(c->bad_args);
	}
	free(run->calls);
	run->calls = NULL;
	run->ncalls = 0;
}

/* Not for every piece.  What is held back is shown by the timer: a command may
 * be silent for long behind its last line. */
static void
show_output(struct toolcall *c)
{
	uint64_t	 now = mono_ms();

	c->unshown = now - c->last_update_ms < TOOL_UPDATE_MS ||
	    (router != NULL && link_full(router));
	if (!c->unshown) {
		c->last_update_ms = now;
		event_tool_update(c->run, c);
	} else if (!c->run->aborted && !event_pending(c->run->timer,
	    EV_TIMEOUT, NULL))
		run_timer(c->run, TOOL_UPDATE_MS);
}

enum msg_err
toolcall_message(struct link *l, struct msg *m)
{
	struct m_tl_list_res	 list;
	struct m_tl_accept	 acc;
	struct m_tl_out		 out;
	struct m_tl_done	 done;
	struct toolcall		*c;
	struct sanitize		 st = { .nheld = 0 };
	struct run		*run;
	json_t			*j;
	enum msg_err		 err;

	if (http_tools_message(l, m))
		return MSG_OK;
	switch (m->h.type) {
	case MSG_TL_LIST_RES:
		if ((err = get_tl_list_res(m, &list)) != MSG_OK)
			return err;
		j = json_load_bounded(list.tools.p, list.tools.n, 32);
		if (!json_is_array(j)) {
			json_decref(j);
			return MSG_MEANING;
		}
		json_decref(offered);
		offered = j;
		listed = true;
		return MSG_OK;
	case MSG_TL_ACCEPT:
		if ((err = get_tl_accept(m, &acc)) != MSG_OK)
			return err;
		/* A refusal comes with its result; nothing to do here. */
		if ((c = call_of(m->h.corr)) != NULL)
			set_waiting(c, acc.status == TOOL_WAITING);
		return MSG_OK;
	case MSG_TL_OUT:
		if ((err = get_tl_out(m, &out)) != MSG_OK)
			return err;
		if ((c = call_of(m->h.corr)) == NULL)
			return MSG_OK;	/* cancelled lately */
		sanitize_put(&st, &c->out, out.bytes.p, out.bytes.n);
		sanitize_end(&st, &c->out);
		if (c->out.err)
			dbuf_reset(&c->out);
		if (c->out.n > OUT_TAIL * 2) {
			size_t	 cut = c->out.n - OUT_TAIL;

			while (cut < c->out.n && ((unsigned char)
			    c->out.p[cut] & 0xc0) == 0x80)
				cut++;
			dbuf_consume(&c->out, cut);
		}
		show_output(c);
		return MSG_OK;
	case MSG_TL_DONE:
		if ((err = get_tl_done(m, &done)) != MSG_OK)
			return err;
		if ((c = call_of(m->h.corr)) == NULL)
			return MSG_OK;
		run = c->run;
		if (strcmp(c->call_id, done.call_id.p) != 0)
			return MSG_MEANING;
		j = json_load_bounded(done.result.p, done.result.n,
		    JSON_LOAD_DEPTH);
		if (!json_is_object(j)) {
			json_decref(j);
			finish_error(run, c, "The tool's result could not be "
			    "understood.");
		} else {
			if (done.is_error)
				json_object_set_new(j, "isError",
				    json_true());
			finish(run, c, j);
		}
		advance(run);
		return MSG_OK;
	default:
		return MSG_UNKNOWN;
	}
}

json_t *
toolcall_message_of(const char *id, const char *name, json_t *result)
{
	json_t	*m;

	m = json_pack("{s:s,s:s,s:s,s:O,s:O?,s:b,s:I}", "role", "toolResult",
	    "toolCallId", id, "toolName", name, "content",
	    json_object_get(result, "content"), "details",
	    json_object_get(result, "details"), "isError",
	    json_is_true(json_object_get(result, "isError")), "timestamp",
	    (json_int_t)wall_ms());
	return m;
}

/* Starts what may start, stores what is ready, says when all is done. */
static void
advance(struct run *run)
{
	struct toolcall	*c;
	json_t		*m;
	size_t		 i;

	launch(run);
	for (i = 0; i < run->ncalls; i++) {
		c = &run->calls[i];
		if (c->state != CALL_DONE)
			return;
		if (c->result == NULL)
			continue;	/* stored already */
		m = toolcall_message_of(c->id, c->name, c->result);
		json_decref(c->result);
		c->result = NULL;
		if (m != NULL)
			session_append(run->session, m, true, NULL);
		json_decref(m);
	}
	run_timer(run, UINT32_MAX);
	run_tools_done(run);
}

static void
launch(struct run *run)
{
	struct toolcall	*c;
	size_t		 i, running = 0;
	bool		 barrier = false;

	for (i = 0; i < run->ncalls && !barrier; i++) {
		c = &run->calls[i];
		if (c->state == CALL_DONE)
			continue;
		if (c->state == CALL_WAITING && running < SHARED_MAX &&
		    (c->shared || running == 0) && !run->aborted) {
			if (!launch_one(run, c))
				return;
		}
		if (c->state == CALL_RUNNING)
			running++;
		if (c->state != CALL_DONE && !c->shared)
			barrier = true;
	}
}

/* False when toold is not there and the call waits for it. */
static bool
launch_one(struct run *run, struct toolcall *c)
{
	static uint64_t		 number;
	struct m_tl_call	 m;
	char			*args;

	if (c->bad_args != NULL) {
		event_tool_start(run, c);
		finish_error(run, c, "The arguments of %s are not a valid "
		    "JSON object. Send the call again with valid JSON. "
		    "Received:\n%.2000s", c->name, c->bad_args);
		return true;
	}
	if (tools == NULL) {
		if (run->waiting_since == 0)
			run->waiting_since = mono_ms();
		if (mono_ms() - run->waiting_since < LINK_WAIT_MS) {
			run_timer(run, 250);
			return false;
		}
		event_tool_start(run, c);
		finish_error(run, c, "Tools are not available at the "
		    "moment.");
		return true;
	}
	run->waiting_since = 0;
	event_tool_start(run, c);
	if (run->loop_blocking) {
		finish_error(run, c, "Blocked: this call was repeated many "
		    "times with the same outcome. Do something else, or "
		    "answer the user with what you have.");
		return true;
	}
	if (find_tool(c->name) == NULL) {
		finish_error(run, c, "Tool %s not found.", c->name);
		return true;
	}
	if (journal_began(run->turn) == -1) {
		finish_error(run, c, "Not run: the gateway cannot write its "
		    "state at the moment.");
		return true;
	}
	args = json_dumps(json_object_get(c->block, "arguments"),
	    JSON_COMPACT);
	if (args == NULL) {
		finish_error(run, c, "out of memory");
		return true;
	}
	snprintf(c->call_id, sizeof(c->call_id), "c%llu",
	    (unsigned long long)++number);
	c->corr = link_corr();
	memset(&m, 0, sizeof(m));
	m.call_id = str_of(c->call_id);
	m.tool = str_of(c->name);
	m.run_id = str_of(run->turn->row.run_id);
	m.session_key = str_of(run->session->key);
	m.args = str_of(args);
	c->state = CALL_RUNNING;
	c->last_update_ms = mono_ms();
	if (send_tl_call(tools, &m, c->corr, 0) == -1)
		finish_error(run, c, "The call could not be handed on.");
	free(args);
	return true;
}

/* Whoever is asked may take longer than a run may. */
static void
set_waiting(struct toolcall *c, bool on)
{
	if (c->waiting == on)
		return;
	c->waiting = on;
	if (on)
		run_hold(c->run);
	else
		run_unhold(c->run);
}

static void
finish(struct run *run, struct toolcall *c, json_t *result)
{
	if (c->state == CALL_DONE) {
		json_decref(result);
		return;
	}
	set_waiting(c, false);
	c->state = CALL_DONE;
	c->corr = 0;
	c->result = clean_result(result, c->name, toolcall_cap(&run->model));
	json_decref(result);
	if (!run->loop_blocking)
		loop_note(run, c);
	event_tool_result(run, c);
}

static void
finish_error(struct run *run, struct toolcall *c, const char *fmt, ...)
{
	va_list	 ap;
	char	*p;
	json_t	*j, *details;

	va_start(ap, fmt);
	if (vasprintf(&p, fmt, ap) == -1)
		p = NULL;
	va_end(ap);
	details = json_object();
	if (c->bad_args != NULL)
		json_object_set_new(details, "rawArguments",
		    sanitize_json(c->bad_args, strlen(c->bad_args)));
	j = json_pack("{s:[{s:s,s:o}],s:o,s:b}", "content", "type", "text",
	    "text", sanitize_json(p != NULL ? p : "failed", strlen(p != NULL ?
	    p : "failed")), "details", details, "isError", 1);
	free(p);
	if (j == NULL)
		j = json_object();
	finish(run, c, j);
}

static struct toolcall *
call_of(uint64_t corr)
{
	struct run	*run;
	size_t		 i;

	if (corr == 0)
		return NULL;
	LIST_FOREACH(run, &runs, entry)
		for (i = 0; i < run->ncalls; i++)
			if (run->calls[i].state == CALL_RUNNING &&
			    run->calls[i].corr == corr)
				return &run->calls[i];
	return NULL;
}

static json_t *
find_tool(const char *name)
{
	json_t	*t;
	size_t	 i;

	json_array_foreach(toolcall_list(), i, t)
		if (strcmp(json_text(t, "name", ""), name) == 0)
			return t;
	return NULL;
}

static void
want_list(void)
{
	struct m_tl_list	 m;

	memset(&m, 0, sizeof(m));
	if (send_tl_list(tools, &m, link_corr(), 0) == -1)
		log_warn("toold: list of tools");
}

/* Head, and for commands tail, of a text that is too long (AR-19). */
static json_t *
cut_text(const char *p, size_t n, size_t cap, bool with_tail)
{
	struct dbuf	 b;
	size_t		 head, tail = 0, at, nl;
	json_t		*j;

	head = utf8_cut(p, n, with_tail ? cap * 6 / 10 : cap);
	for (nl = head; nl > head - head / 10 && p[nl - 1] != '\n'; nl--)
		;
	if (nl > head - head / 10)
		head = nl;
	at = n;
	if (with_tail) {
		at = n - cap * 4 / 10;
		while (at < n && ((unsigned char)p[at] & 0xc0) == 0x80)
			at++;
		for (nl = at; nl < at + (n - at) / 10 && p[nl] != '\n'; nl++)
			;
		if (nl < at + (n - at) / 10)
			at = nl + 1;
		tail = n - at;
	}
	dbuf_init(&b, cap + 512);
	dbuf_put(&b, p, head);
	dbuf_printf(&b, "\n[... %zu characters are left out here; narrow the "
	    "call to see them ...]", utf8_count(p + head, at - head));
	if (tail > 0) {
		dbuf_putc(&b, '\n');
		dbuf_put(&b, p + at, tail);
	}
	j = json_string(dbuf_str(&b));
	dbuf_clear(&b);
	return j;
}

/* {content, details?, isError} with nothing in it that we do not know. */
static json_t *
clean_result(json_t *result, const char *name, size_t cap)
{
	json_t		*out, *content, *in, *block, *text, *details;
	const char	*type, *s;
	size_t		 i, n;

	content = json_array();
	in = json_object_get(result, "content");
	json_array_foreach(in, i, block) {
		type = json_text(block, "type", "");
		if (strcmp(type, "text") == 0) {
			s = json_text(block, "text", "");
			text = sanitize_json(s, strlen(s));
			n = json_string_length(text);
			if (n > cap) {
				json_t *cut = cut_text(json_string_value(
				    text), n, cap, strcmp(name, "exec") == 0 ||
				    strcmp(name, "process") == 0);

				json_decref(text);
				text = cut;
			}
			json_array_append_new(content, json_pack(
			    "{s:s,s:o}", "type", "text", "text", text));
		} else if (strcmp(type, "image") == 0 &&
		    json_text(block, "data", NULL) != NULL)
			json_array_append_new(content, json_pack(
			    "{s:s,s:O,s:s}", "type", "image", "data",
			    json_object_get(block, "data"), "mimeType",
			    json_text(block, "mimeType", "image/png")));
	}
	if (json_array_size(content) == 0)
		json_array_append_new(content, json_pack("{s:s,s:s}", "type",
		    "text", "text", "(no output)"));
	details = json_object_get(result, "details");
	if (details != NULL && json_dumpb(details, NULL, 0, JSON_COMPACT |
	    JSON_ENCODE_ANY) > DETAILS_MAX)
		details = NULL;
	out = json_pack("{s:o,s:O?,s:b}", "content", content, "details",
	    details, "isError",
	    json_is_true(json_object_get(result, "isError")));
	return out;
}

/* Does the run turn in circles? (AR-11; the outcome counts as well, so that
 * waiting for something to change is no loop as long as anything changes.) */
static void
loop_note(struct run *run, struct toolcall *c)
{
	uint64_t	 h = 14695981039346656037ull;
	char		*parts[2];
	const char	*p;
	json_t		*block;
	unsigned int	 i, same = 0;

	if (!run->cfg->loop_detection)
		return;
	parts[0] = json_dumps(json_object_get(c->block, "arguments"),
	    JSON_COMPACT | JSON_SORT_KEYS);
	parts[1] = json_dumps(json_object_get(c->result, "content"),
	    JSON_COMPACT);
	for (p = c->name; *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211ull;
	for (i = 0; i < 2; i++) {
		for (p = parts[i]; p != NULL && *p != '\0'; p++)
			h = (h ^ (unsigned char)*p) * 1099511628211ull;
		free(parts[i]);
	}
	run->loop_hash[run->loop_n++ % LOOP_WINDOW] = h;
	for (i = 0; i < LOOP_WINDOW && i < run->loop_n; i++)
		same += run->loop_hash[i] == h;
	if (same == LOOP_WARN) {
		block = json_pack("{s:s,s:s}", "type", "text", "text",
		    "[This call was made many times with the same outcome. "
		    "Repeating it will not help.]");
		json_array_append_new(json_object_get(c->result, "content"),
		    block);
	} else if (same >= LOOP_CRITICAL && !run->loop_block) {
		/* The next batch is refused and the model hears why; if it
		 * then goes on in the same way, the run ends. */
		run->loop_block = true;
		run->loop_criticals++;
	}
}
