/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Tool process: what exec left running or too long to show.  A call sees the
 * jobs of its own session and no other.
 */
#include "common/compat.h"

#include <inttypes.h>

#include "toold/keys.h"
#include "toold/toold.h"

#define PROCESS_POLL_MAX	(64u << 10)	/* bytes of one poll */
#define PROCESS_LOG_MAX		(64u << 10)	/* bytes of one log window */
#define PROCESS_LOG_LINES	200

struct process_state {
	struct job	*job;		/* waited for */
	struct event	*timer;
};

static const char *
process_status(const struct job *j)
{
	if (j->state != JOB_ENDED)
		return "running";
	return tjob_ok(j) ? "completed" : "failed";
}

static json_t *
process_row(const struct job *j)
{
	json_t	*o;

	o = json_pack("{s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:I, s:b}",
	    "sessionId", j->id, "status", process_status(j),
	    "pid", (json_int_t)j->pid,
	    "startedAt", (json_int_t)j->start_wall_ms,
	    "runtimeMs", (json_int_t)tjob_runtime_ms(j),
	    "name", tresult_string(str_of(j->name)),
	    "command", tresult_string((struct str){j->command,
	    utf8_cut(j->command, strlen(j->command), 300)}),
	    "cwd", tresult_string(str_of(j->cwd)),
	    "totalChars", (json_int_t)j->out.total,
	    "acceptsInput", j->in_fd != -1 && !j->in_eof);
	if (j->state == JOB_ENDED && j->how == JOB_EXITED)
		json_object_set_new(o, "exitCode", json_integer(j->code));
	if (j->state == JOB_ENDED && j->how == JOB_SIGNALED)
		json_object_set_new(o, "exitSignal", json_integer(j->code));
	return o;
}

static bool
process_visible(const struct call *c, const struct job *j)
{
	return !j->forgotten && strcmp(j->session, c->session) == 0 &&
	    (j->background || j->state == JOB_ENDED);
}

static void
process_list(struct call *c)
{
	struct dbuf	 text;
	struct job	*j;
	json_t		*rows = json_array();

	dbuf_init(&text, 65536);
	LIST_FOREACH(j, &c->t->jobs, entry) {
		if (!process_visible(c, j))
			continue;
		json_array_append_new(rows, process_row(j));
		dbuf_printf(&text, "%s  %-9s  %" PRIu64 " s  %s\n", j->id,
		    process_status(j), tjob_runtime_ms(j) / 1000, j->name);
	}
	if (text.n == 0)
		dbuf_puts(&text, "No commands are running or kept.");
	tcall_done_text(c, (struct str){dbuf_str(&text), text.n},
	    json_pack("{s:s, s:o}", "status", "completed", "sessions", rows));
	dbuf_clear(&text);
}

static void
process_state_line(const struct job *j, struct dbuf *text)
{
	char	 reason[640];

	if (j->state != JOB_ENDED) {
		dbuf_printf(text, "[still running, %" PRIu64 " s]",
		    tjob_runtime_ms(j) / 1000);
		return;
	}
	tjob_reason(j, reason, sizeof(reason));
	dbuf_printf(text, "[the command %s]", reason);
}

static void
process_poll_done(struct call *c, struct job *j)
{
	struct dbuf	 text;
	uint64_t	 before = j->polled;

	dbuf_init(&text, PROCESS_POLL_MAX + 4096);
	output_since(&j->out, &j->polled, PROCESS_POLL_MAX, &text);
	if (before == j->polled)
		dbuf_puts(&text, "(no new output)");
	if (text.n > 0 && text.p[text.n - 1] != '\n')
		dbuf_putc(&text, '\n');
	if (j->polled < j->out.total)
		dbuf_puts(&text, "[more output is waiting: poll again]\n");
	process_state_line(j, &text);
	tcall_done_text(c, (struct str){dbuf_str(&text), text.n},
	    process_row(j));
	dbuf_clear(&text);
}

static void
process_cleanup(struct call *c)
{
	struct process_state	*s = c->state;

	if (s->timer != NULL)
		event_free(s->timer);
	if (s->job != NULL && s->job->waiter == c)
		s->job->waiter = NULL;
	free(s);
}

static void
process_wake(struct call *c)
{
	struct process_state	*s = c->state;
	struct job		*j = s->job;

	j->waiter = NULL;
	s->job = NULL;
	process_poll_done(c, j);
}

/* Something was printed, or it ended. */
static void
process_news(struct job *j)
{
	process_wake(j->waiter);
}

static void
process_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	process_wake(arg);
}

static void
process_poll(struct call *c, struct job *j)
{
	struct process_state	*s;
	struct timeval		 tv;
	int64_t			 ms = tools_arg_int(c->args, "timeout", 0);

	if (ms == 0 || j->state == JOB_ENDED || j->polled < j->out.total ||
	    j->waiter != NULL || (s = calloc(1, sizeof(*s))) == NULL) {
		process_poll_done(c, j);
		return;
	}
	c->state = s;
	c->cleanup = process_cleanup;
	s->job = j;
	j->waiter = c;
	j->waiter_news = process_news;
	tv.tv_sec = (time_t)(ms / 1000);
	tv.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	s->timer = evtimer_new(c->t->base, process_timer_cb, c);
	if (s->timer == NULL || evtimer_add(s->timer, &tv) == -1)
		process_wake(c);
}

static void
process_log(struct call *c, struct job *j)
{
	struct dbuf	 text;
	json_t		*d;
	uint64_t	 total = output_line_count(&j->out), from;
	int64_t		 offset, limit;
	size_t		 shown;

	offset = tools_arg_int(c->args, "offset", 0);
	limit = tools_arg_int(c->args, "limit", PROCESS_LOG_LINES);
	if (offset > 0)
		from = (uint64_t)offset;
	else
		from = total > (uint64_t)limit ? total - (uint64_t)limit + 1 :
		    1;
	if (from > total && total > 0) {
		tcall_fail(c, "offset %" PRIu64 " is past the end: there are %"
		    PRIu64 " lines.", from, total);
		return;
	}
	dbuf_init(&text, PROCESS_LOG_MAX + 4096);
	shown = output_lines(&j->out, from, (size_t)limit, PROCESS_LOG_MAX,
	    &text);
	if (text.n > 0 && text.p[text.n - 1] != '\n')
		dbuf_putc(&text, '\n');
	if (total == 0)
		dbuf_puts(&text, "(no output)\n");
	else
		dbuf_printf(&text, "[lines %" PRIu64 "-%" PRIu64 " of %" PRIu64
		    "]\n", from, from + (shown > 0 ? shown - 1 : 0), total);
	process_state_line(j, &text);
	d = process_row(j);
	json_object_set_new(d, "total", json_integer((json_int_t)total));
	json_object_set_new(d, "totalLines", json_integer((json_int_t)total));
	json_object_set_new(d, "truncated", json_boolean(from > 1 ||
	    from + shown <= total));
	tcall_done_text(c, (struct str){dbuf_str(&text), text.n}, d);
	dbuf_clear(&text);
}

static void
process_type(struct call *c, struct job *j, const char *p, size_t n, bool eof)
{
	char	 text[128];

	if (j->state == JOB_ENDED) {
		tcall_fail(c, "%s has ended; it takes no input.", j->id);
		return;
	}
	if (j->in_fd == -1 || j->in_eof) {
		tcall_fail(c, "The input of %s is closed. Start the command "
		    "with background or pty to write to it.", j->id);
		return;
	}
	if (tjob_input(j, p, n, eof) == -1) {
		tcall_fail(c, "%s does not read its input, and 1 MB waits "
		    "already.", j->id);
		return;
	}
	snprintf(text, sizeof(text), "Wrote %zu bytes to %s%s.", n, j->id,
	    eof ? " and ended its input" : "");
	tcall_done_text(c, str_of(text), process_row(j));
}

static void
process_keys(struct call *c, struct job *j)
{
	struct dbuf	 out;
	struct str	 s;
	json_t		*list, *v;
	size_t		 i;
	ssize_t		 n;
	char		 bytes[64];

	dbuf_init(&out, 1 << 20);
	s = tools_arg_str(c->args, "literal");
	if (s.n > 0)
		dbuf_put(&out, s.p, s.n);
	list = json_object_get(c->args, "hex");
	json_array_foreach(list, i, v) {
		s = str_trim((struct str){json_string_value(v),
		    json_string_length(v)});
		if (s.n > 2 && s.p[0] == '0' && s.p[1] == 'x') {
			s.p += 2;
			s.n -= 2;
		}
		if ((n = hex_decode(s, bytes, sizeof(bytes))) <= 0) {
			tcall_fail(c, "hex: entry %zu is not hexadecimal.",
			    i + 1);
			dbuf_clear(&out);
			return;
		}
		dbuf_put(&out, bytes, (size_t)n);
	}
	list = json_object_get(c->args, "keys");
	json_array_foreach(list, i, v) {
		s = (struct str){json_string_value(v), json_string_length(v)};
		if (keys_put(&out, s) == -1) {
			tcall_fail(c, "keys: there is no key \"%.*s\". Use "
			    "names such as Enter, C-c, Up, M-x or F1, or "
			    "literal for text.", (int)utf8_cut(s.p, s.n, 40),
			    s.p);
			dbuf_clear(&out);
			return;
		}
	}
	if (out.n == 0)
		tcall_fail(c, "send-keys needs keys, hex or literal.");
	else
		process_type(c, j, dbuf_str(&out), out.n, false);
	dbuf_clear(&out);
}

static void
process_paste(struct call *c, struct job *j)
{
	struct dbuf	 out;
	struct str	 s = tools_arg_str(c->args, "text");
	bool		 bracketed;

	if (s.n == 0)
		s = tools_arg_str(c->args, "data");
	bracketed = j->pty && tools_arg_bool(c->args, "bracketed", true);
	/* The end mark inside would end the paste early. */
	if (bracketed && s.n > 0 && memmem(s.p, s.n, "\x1b[201~", 6) != NULL) {
		tcall_fail(c, "The text holds the mark that ends a paste.");
		return;
	}
	dbuf_init(&out, 1 << 20);
	if (bracketed)
		dbuf_puts(&out, "\x1b[200~");
	dbuf_put(&out, s.p, s.n);
	if (bracketed)
		dbuf_puts(&out, "\x1b[201~");
	if (s.n == 0 || dbuf_err(&out))
		tcall_fail(c, "paste needs a text of at most 1 MB.");
	else
		process_type(c, j, dbuf_str(&out), out.n, false);
	dbuf_clear(&out);
}

static void
process_clear(struct call *c)
{
	struct job	*j, *next;
	char		 text[64];
	unsigned int	 n = 0;

	for (j = LIST_FIRST(&c->t->jobs); j != NULL; j = next) {
		next = LIST_NEXT(j, entry);
		if (j->state != JOB_ENDED || !process_visible(c, j))
			continue;
		tjob_forget(j);
		n++;
	}
	snprintf(text, sizeof(text), "Forgot %u finished command%s.", n,
	    n == 1 ? "" : "s");
	tcall_done_text(c, str_of(text), json_pack("{s:s, s:i}", "status",
	    "completed", "cleared", (int)n));
}

static void
process_end(struct call *c, struct job *j, bool forget)
{
	char	 text[128];
	bool	 ran = j->state != JOB_ENDED;
	json_t	*d = process_row(j);

	if (!ran && !forget) {
		json_decref(d);
		tcall_fail(c, "%s has ended already.", j->id);
		return;
	}
	snprintf(text, sizeof(text), "%s %s%s.", ran ? "Ended" : "Forgot",
	    j->id, ran && forget ? " and forgot it" : "");
	json_object_set_new(d, "status", json_string(ran ? "killed" :
	    "removed"));
	j->aborted = ran;
	if (ran)
		tjob_end(j, 0);
	if (forget)
		tjob_forget(j);
	tcall_done_text(c, str_of(text), d);
}

void
tool_process(struct call *c)
{
	const char	*action;
	struct str	 id = tools_arg_str(c->args, "sessionId"), s;
	struct job	*j;

	action = json_string_value(json_object_get(c->args, "action"));
	if (strcmp(action, "list") == 0) {
		process_list(c);
		return;
	}
	if (strcmp(action, "clear") == 0) {
		process_clear(c);
		return;
	}
	if (id.n == 0) {
		tcall_fail(c, "%s needs a sessionId; list shows them.",
		    action);
		return;
	}
	j = tjob_find(c->t, str_of(c->session), id);
	if (j == NULL || !process_visible(c, j)) {
		tcall_fail(c, "There is no command %.*s here; it may have been "
		    "forgotten. list shows those there are.",
		    (int)utf8_cut(id.p, id.n, 64), id.p);
		return;
	}
	if (strcmp(action, "poll") == 0)
		process_poll(c, j);
	else if (strcmp(action, "log") == 0)
		process_log(c, j);
	else if (strcmp(action, "write") == 0) {
		s = tools_arg_str(c->args, "data");
		if (s.n == 0)
			s = tools_arg_str(c->args, "text");
		process_type(c, j, s.p, s.n, tools_arg_bool(c->args, "eof",
		    false));
	} else if (strcmp(action, "send-keys") == 0)
		process_keys(c, j);
	else if (strcmp(action, "submit") == 0)
		process_type(c, j, j->pty ? "\r" : "\n", 1, false);
	else if (strcmp(action, "paste") == 0)
		process_paste(c, j);
	else if (strcmp(action, "kill") == 0)
		process_end(c, j, false);
	else
		process_end(c, j, true);
}
