/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * A tool call from TL_CALL to TL_DONE: known tool, policy, arguments, the
 * tool itself, one result.  Every TL_CALL gets exactly one TL_ACCEPT and one
 * TL_DONE, also when it is refused.
 */
#include "common/compat.h"

#include <errno.h>
#include <inttypes.h>

#include "common/log.h"
#include "toold/toold.h"

static void (*const runs[TOOL_ID_MAX])(struct call *) = {
	[TOOL_READ] = tool_read,
	[TOOL_WRITE] = tool_write,
	[TOOL_EDIT] = tool_edit,
	[TOOL_LS] = tool_ls,
	[TOOL_EXEC] = tool_exec,
	[TOOL_PROCESS] = tool_process,
	[TOOL_WEB_FETCH] = tool_web_fetch,
	[TOOL_DIAGNOSE] = tool_diagnose,
};

static void
tcall_free(struct call *c)
{
	if (c->cleanup != NULL)
		c->cleanup(c);
	LIST_REMOVE(c, entry);
	c->t->ncalls--;
	c->t->args_bytes -= c->args_bytes;
	if (c->timer != NULL)
		event_free(c->timer);
	json_decref(c->args);
	dbuf_clear(&c->notes);
	free(c->id);
	free(c->run_id);
	free(c->session);
	free(c);
}

/* Sends TL_DONE; result is released. */
static void
tcall_send_done(struct link *l, uint64_t corr, struct str id, json_t *result)
{
	static const char	 lost[] = "{\"content\":[{\"type\":\"text\","
	    "\"text\":\"The result could not be passed on: it is too large "
	    "or memory is short.\"}],\"details\":{\"status\":\"error\"},"
	    "\"isError\":true}";
	struct m_tl_done	 done;
	char			*text;

	text = result == NULL ? NULL : json_dumps(result, JSON_COMPACT);
	memset(&done, 0, sizeof(done));
	done.call_id = id;
	done.is_error = json_is_true(json_object_get(result, "isError"));
	done.result = str_of(text);
	if (text == NULL || done.result.n > TOOLD_RESULT_MAX ||
	    send_tl_done(l, &done, corr, MSG_F_REPLY) == -1) {
		log_warn("call %s: result of %zu bytes", id.p, done.result.n);
		done.is_error = 1;
		done.result = STR_LIT(lost);
		if (send_tl_done(l, &done, corr, MSG_F_REPLY) == -1)
			log_warn("call %s: no result", id.p);
	}
	free(text);
	json_decref(result);
}

static void
tcall_send_accept(struct link *l, uint64_t corr, struct str id,
    enum tool_accept status, struct str reason)
{
	struct m_tl_accept	 a;

	memset(&a, 0, sizeof(a));
	a.call_id = id;
	a.status = status;
	a.reason = reason;
	a.reason.n = utf8_cut(reason.p == NULL ? "" : reason.p, reason.n, 512);
	if (!utf8_valid(a.reason.p == NULL ? "" : a.reason.p, a.reason.n))
		a.reason = STR_LIT("refused");
	send_tl_accept(l, &a, corr, MSG_F_REPLY);
}

/* Every call gets one before its result. */
void
tcall_accept(struct call *c, enum tool_accept status, struct str reason)
{
	if (status == TOOL_DENIED) {
		c->t->ndenied++;
		c->denied = true;
		log_info("call %s: run %s session %s tool %s refused: %.200s",
		    c->id, c->run_id, c->session, c->tool->name, reason.p);
	}
	c->accepted = true;
	if (c->link != NULL)
		tcall_send_accept(c->link, c->corr, str_of(c->id), status,
		    reason);
}

/* The audit line: what was decided and what it cost, no argument. */
static void
tcall_audit(const struct call *c, const char *decision, bool is_error)
{
	log_info("call %s: run %s session %s tool %s %s %s %" PRIu64
	    " ms, %zu bytes streamed", c->id, c->run_id, c->session,
	    c->tool->name, decision, is_error ? "error" : "ok",
	    mono_ms() - c->start_ms, c->out_bytes);
}

void
tcall_done(struct call *c, json_t *result)
{
	struct toold	*t = c->t;

	if (!c->accepted)
		tcall_accept(c, TOOL_RUNNING, STR_LIT(""));
	if (c->notes.n > 0 && result != NULL)
		tresult_prepend(result, (struct str){dbuf_str(&c->notes),
		    c->notes.n});
	tcall_audit(c, c->denied ? "denied" : "allowed", result == NULL ||
	    json_is_true(json_object_get(result, "isError")));
	if (c->link != NULL)
		tcall_send_done(c->link, c->corr, str_of(c->id), result);
	else
		json_decref(result);
	tcall_free(c);
	if (t->draining && t->ncalls == 0 && t->nrunning == 0 &&
	    t->drained != NULL) {
		t->drained();
		t->drained = NULL;
	}
}

void
tcall_done_text(struct call *c, struct str text, json_t *details)
{
	tcall_done(c, tresult_text(text, details, false));
}

static json_t *
tcall_error(const char *tool, struct str text, json_t *details)
{
	if (details == NULL)
		details = json_object();
	if (json_object_get(details, "status") == NULL)
		json_object_set_new(details, "status", json_string("error"));
	json_object_set_new(details, "tool", json_string(tool));
	json_object_set_new(details, "error", tresult_string(
	    (struct str){text.p, utf8_cut(text.p, text.n, 400)}));
	return tresult_text(text, details, true);
}

void
tcall_fail_details(struct call *c, struct str text, json_t *details)
{
	tcall_done(c, tcall_error(c->tool->name, text, details));
}

void
tcall_fail(struct call *c, const char *fmt, ...)
{
	struct dbuf	 text;
	va_list		 ap;

	dbuf_init(&text, TOOLS_ERRORS_MAX);
	va_start(ap, fmt);
	dbuf_vprintf(&text, fmt, ap);
	va_end(ap);
	tcall_fail_details(c, (struct str){dbuf_str(&text), text.n}, NULL);
	dbuf_clear(&text);
}

void
tcall_out(struct call *c, unsigned int stream, const char *p, size_t n)
{
	struct m_tl_out	 out;
	size_t		 k;

	memset(&out, 0, sizeof(out));
	out.call_id = str_of(c->id);
	out.stream = (uint8_t)stream;
	while (n > 0) {
		/* Whoever watches may miss some; the result has it all. */
		if (c->link == NULL || link_full(c->link) ||
		    c->out_bytes >= TOOLD_OUT_MAX)
			return;
		k = n > 16384 ? utf8_cut(p, n, 16384) : n;
		out.bytes = (struct str){p, k};
		if (send_tl_out(c->link, &out, c->corr, MSG_F_REPLY |
		    MSG_F_MORE) == -1)
			return;
		c->out_bytes += k;
		p += k;
		n -= k;
	}
}

static void
tcall_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct call	*c = arg;

	(void)fd;
	(void)what;
	if (c->cancelled) {
		tcall_fail(c, "%s was aborted.", c->tool->name);
		return;
	}
	tcall_fail(c, "%s did not end within %u seconds.", c->tool->name,
	    (unsigned int)(c->tool->limit_ms / 1000));
}

static void
tcall_set_timer(struct call *c, uint32_t ms)
{
	struct timeval	 tv = {ms / 1000, (ms % 1000) * 1000};

	if (c->timer == NULL)
		c->timer = evtimer_new(c->t->base, tcall_timer_cb, c);
	if (c->timer != NULL)
		evtimer_add(c->timer, &tv);
}

/* Refused before it became a call. */
static void
tcall_refuse(struct toold *t, struct link *l, uint64_t corr,
    const struct m_tl_call *in, struct str reason)
{
	t->ndenied++;
	log_info("call %s: run %s session %s tool %s refused: %.200s",
	    in->call_id.p, in->run_id.p, in->session_key.p, in->tool.p,
	    reason.p);
	tcall_send_accept(l, corr, in->call_id, TOOL_DENIED, reason);
	tcall_send_done(l, corr, in->call_id, tcall_error(in->tool.p, reason,
	    NULL));
}

static struct call *
tcall_new(struct toold *t, struct link *l, uint64_t corr,
    const struct m_tl_call *in, const struct tool *tool)
{
	struct call	*c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	c->id = str_dup(in->call_id);
	c->run_id = str_dup(in->run_id);
	c->session = str_dup(in->session_key);
	if (c->id == NULL || c->run_id == NULL || c->session == NULL) {
		free(c->id);
		free(c->run_id);
		free(c->session);
		free(c);
		return NULL;
	}
	c->t = t;
	c->link = l;
	c->corr = corr;
	c->tool = tool;
	c->start_ms = mono_ms();
	c->args_bytes = in->args.n;
	t->args_bytes += c->args_bytes;
	dbuf_init(&c->notes, 4096);
	LIST_INSERT_HEAD(&t->calls, c, entry);
	t->ncalls++;
	return c;
}

static struct call *
tcall_find(struct toold *t, const struct link *l, struct str id)
{
	struct call	*c;

	LIST_FOREACH(c, &t->calls, entry)
		if (c->link == l && str_eqs(id, c->id))
			return c;
	return NULL;
}

enum msg_err
tcall_start(struct toold *t, struct link *l, struct msg *m)
{
	struct m_tl_call	 in;
	const struct tool	*tool;
	struct dbuf		 why;
	struct call		*c = NULL;
	char			 reason[256];
	enum msg_err		 err;

	if ((err = get_tl_call(m, &in)) != MSG_OK)
		return err;
	t->ncalls_total++;
	dbuf_init(&why, TOOLS_ERRORS_MAX);
	tool = tools_find(in.tool);
	if (t->draining)
		dbuf_puts(&why, "Tools are being shut down.");
	else if (tcall_find(t, l, in.call_id) != NULL)
		dbuf_puts(&why, "A call with this id is running already.");
	else if (tool == NULL)
		dbuf_printf(&why, "Tool %s not found", in.tool.p);
	else if (!tcall_offers(t, tool, reason, sizeof(reason)))
		dbuf_printf(&why, "Denied: the tool %s is not allowed here: "
		    "%s.", tool->name, reason);
	else if (t->ncalls >= TOOLD_CALLS_MAX || in.args.n > TOOLD_ARGS_MAX -
	    t->args_bytes)
		dbuf_printf(&why, "Too many tool calls at once (%zu).",
		    t->ncalls);
	else if ((c = tcall_new(t, l, m->h.corr, &in, tool)) == NULL)
		dbuf_puts(&why, "Out of memory.");
	if (c != NULL && (c->args = tools_args_check(tool, in.args, &why,
	    &c->notes)) == NULL) {
		tcall_free(c);
		c = NULL;
	}
	if (c == NULL) {
		tcall_refuse(t, l, m->h.corr, &in,
		    (struct str){dbuf_str(&why), why.n});
		dbuf_clear(&why);
		return MSG_OK;
	}
	dbuf_clear(&why);
	/* Whether a command runs is not known yet. */
	if (tool->id != TOOL_EXEC)
		tcall_accept(c, TOOL_RUNNING, STR_LIT(""));
	if (tool->limit_ms > 0)
		tcall_set_timer(c, tool->limit_ms);
	runs[tool->id](c);
	return MSG_OK;
}

/* Ends soon by the tool's own rule, and in any case before agentd gives up. */
static void
tcall_abort(struct call *c)
{
	if (c->cancelled)
		return;
	c->cancelled = true;
	tcall_set_timer(c, TOOLD_ABORT_MS);
	if (c->cancel != NULL)
		c->cancel(c);
	else
		tcall_fail(c, "%s was aborted.", c->tool->name);
}

enum msg_err
tcall_cancel(struct toold *t, struct link *l, struct msg *m)
{
	struct m_tl_cancel	 in;
	struct call		*c;
	enum msg_err		 err;

	if ((err = get_tl_cancel(m, &in)) != MSG_OK)
		return err;
	/* Unknown: it ended while the order was on its way. */
	if ((c = tcall_find(t, l, in.call_id)) != NULL)
		tcall_abort(c);
	return MSG_OK;
}

bool
tcall_offers(const struct toold *t, const struct tool *tool, char *why,
    size_t size)
{
	if (t->no_jobs != NULL && strcmp(tool->group, "runtime") == 0) {
		strlcpy(why, t->no_jobs, size);
		return false;
	}
	return toolpolicy_allows(&t->policy, tool, why, size);
}

void
tcall_send_list(struct toold *t, struct link *l, uint64_t corr)
{
	struct m_tl_list_res	 res;
	const struct tool	*tool;
	json_t			*list = json_array();
	char			*text, why[256];
	size_t			 i;

	for (i = 0; i < TOOL_ID_MAX; i++) {
		tool = tools_get(i);
		/* A call still gets the policy's own words for it. */
		if (!tcall_offers(t, tool, why, sizeof(why)) ||
		    (strcmp(tool->group, "runtime") == 0 &&
		    t->policy.security == EXEC_DENY))
			continue;
		json_array_append_new(list, tools_schema(tool));
	}
	text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	memset(&res, 0, sizeof(res));
	res.tools = text == NULL ? STR_LIT("[]") : str_of(text);
	if (send_tl_list_res(l, &res, corr, MSG_F_REPLY) == -1)
		log_warn("tl_list_res");
	free(text);
}

enum msg_err
tcall_list(struct toold *t, struct link *l, struct msg *m)
{
	struct m_tl_list	 in;
	enum msg_err		 err;

	if ((err = get_tl_list(m, &in)) != MSG_OK)
		return err;
	tcall_send_list(t, l, m->h.corr);
	return MSG_OK;
}

void
tcall_link_gone(struct toold *t, struct link *l)
{
	struct call	*c, *next;

	for (c = LIST_FIRST(&t->calls); c != NULL; c = next) {
		next = LIST_NEXT(c, entry);
		if (c->link != l)
			continue;
		/* Nobody is there to hear of it. */
		c->link = NULL;
		tcall_abort(c);
		next = LIST_FIRST(&t->calls);	/* others may have ended */
	}
}

void
tcall_cancel_all(struct toold *t)
{
	struct call	*c;
	bool		 again = true;

	while (again) {
		again = false;
		LIST_FOREACH(c, &t->calls, entry) {
			if (!c->cancelled) {
				tcall_abort(c);
				again = true;
				break;
			}
		}
	}
}
