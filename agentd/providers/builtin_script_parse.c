/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Reads the turns notation; builtin_script.h says how much of it. */

#include "common/compat.h"

#include <errno.h>
#include <stdarg.h>

#include "agentd/providers/builtin_script.h"

struct reader {
	const char	*p, *end;	/* of the whole text */
	size_t		 line;
	struct bscript	*s;
	struct bturn	*turn;
	bool		 in_par, interleave, par_first;
	size_t		 par_indent;
	char		*why;
	size_t		 why_size;
	bool		 failed;
};

static void	 bad(struct reader *, const char *, ...)
		    __attribute__((format(printf, 2, 3)));

static void
bad(struct reader *r, const char *fmt, ...)
{
	va_list	 ap;
	int	 n;

	if (r->failed)
		return;
	r->failed = true;
	n = snprintf(r->why, r->why_size, "line %zu: ", r->line);
	if (n < 0 || (size_t)n >= r->why_size)
		return;
	va_start(ap, fmt);
	vsnprintf(r->why + n, r->why_size - (size_t)n, fmt, ap);
	va_end(ap);
}

static bool
at_eol(const struct reader *r)
{
	return r->p >= r->end || *r->p == '\n' || *r->p == '\r';
}

static void
skip_blanks(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t'))
		r->p++;
}

static void
next_line(struct reader *r)
{
	while (r->p < r->end && *r->p != '\n')
		r->p++;
	if (r->p < r->end)
		r->p++;
	r->line++;
}

/* A word up to a blank or one of the stop bytes. */
static struct str
take_word(struct reader *r, const char *stops)
{
	struct str	 w;

	skip_blanks(r);
	w.p = r->p;
	while (!at_eol(r) && *r->p != ' ' && *r->p != '\t' &&
	    strchr(stops, *r->p) == NULL)
		r->p++;
	w.n = (size_t)(r->p - w.p);
	return w;
}

static bool
take_char(struct reader *r, char c)
{
	if (at_eol(r) || *r->p != c)
		return false;
	r->p++;
	return true;
}

/* A value of JSON from here; it may span lines. */
static json_t *
take_json(struct reader *r, const char *what)
{
	json_error_t	 err;
	json_t		*j;
	const char	*q;

	skip_blanks(r);
	j = json_loadb(r->p, (size_t)(r->end - r->p),
	    JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, &err);
	if (j == NULL) {
		bad(r, "%s: %s", what, err.text);
		return NULL;
	}
	for (q = r->p; q < r->p + err.position; q++)
		if (*q == '\n')
			r->line++;
	r->p += err.position;
	return j;
}

/* A string in quotes; malloced.  A regular expression keeps its backslashes,
 * so that "\d" can be written plainly. */
static char *
take_string(struct reader *r, size_t *n, bool regex)
{
	const char	*q;
	json_t		*j;
	char		*s = NULL;

	skip_blanks(r);
	if (at_eol(r) || *r->p != '"') {
		bad(r, "a string in quotes is missing");
		return NULL;
	}
	if (regex) {
		for (q = r->p + 1; q < r->end && *q != '"' && *q != '\n'; q++)
			if (*q == '\\' && q + 1 < r->end)
				q++;
		if (q >= r->end || *q != '"') {
			bad(r, "a string has no end");
			return NULL;
		}
		*n = (size_t)(q - (r->p + 1));
		if ((s = malloc(*n + 1)) != NULL) {
			memcpy(s, r->p + 1, *n);
			s[*n] = '\0';
		}
		r->p = q + 1;
		return s;
	}
	if ((j = take_json(r, "string")) == NULL)
		return NULL;
	if (json_is_string(j)) {
		*n = json_string_length(j);
		if ((s = malloc(*n + 1)) != NULL)
			memcpy(s, json_string_value(j), *n + 1);
	}
	json_decref(j);
	return s;
}

static struct bregex *
take_regex(struct reader *r)
{
	struct bregex	*re;
	char		*s;
	size_t		 n = 0;

	if ((s = take_string(r, &n, true)) == NULL)
		return NULL;
	if ((re = bregex_new((struct str){ s, n })) == NULL)
		bad(r, "expression: %s", errno == E2BIG ? "too large" :
		    "malformed");
	free(s);
	return re;
}

static uint64_t
take_number(struct reader *r)
{
	struct str	 w = take_word(r, "");
	uint64_t	 v = 0;

	if (num_parse_u64(w, 1000000000000ull, &v) == -1)
		bad(r, "a number is wanted, not \"%.*s\"", (int)w.n, w.p);
	return v;
}

static uint32_t
take_duration(struct reader *r)
{
	struct str	 w = take_word(r, "");
	uint64_t	 v = 0;

	if (num_parse_duration_ms(w, 3600000, &v) == -1)
		bad(r, "a duration is wanted, not \"%.*s\"", (int)w.n, w.p);
	return (uint32_t)v;
}

static char *
dup_word(struct reader *r, struct str w)
{
	char	*s;

	if (w.n == 0) {
		bad(r, "a name is missing");
		return NULL;
	}
	if ((s = str_dup(w)) == NULL)
		bad(r, "out of memory");
	return s;
}

/* --- matchers -------------------------------------------------------------- */

static void
parse_result(struct reader *r, struct bmatcher *m)
{
	const char	*back;
	struct str	 w;

	m->kind = BM_RESULT;
	m->want_error = -1;
	m->text = dup_word(r, take_word(r, "~"));
	for (;;) {
		skip_blanks(r);
		if (take_char(r, '~')) {
			m->re = take_regex(r);
			return;
		}
		back = r->p;
		w = take_word(r, "~");
		if (str_eqs(w, "ok"))
			m->want_error = 0;
		else if (str_eqs(w, "error"))
			m->want_error = 1;
		else {
			r->p = back;
			return;
		}
	}
}

static void
parse_matchers(struct reader *r)
{
	struct bmatcher	*m, **tail = &r->turn->matchers;
	struct str	 w;
	size_t		 n;

	for (;;) {
		skip_blanks(r);
		if (r->failed || at_eol(r) || *r->p == '#')
			return;
		if ((m = calloc(1, sizeof(*m))) == NULL) {
			bad(r, "out of memory");
			return;
		}
		*tail = m;
		tail = &m->next;
		w = take_word(r, "~=+-");
		if (str_eqs(w, "user") && take_char(r, '~')) {
			m->kind = BM_USER_RE;
			m->re = take_regex(r);
		} else if (str_eqs(w, "user") && take_char(r, '=')) {
			m->kind = BM_USER_EQ;
			m->text = take_string(r, &n, false);
		} else if (str_eqs(w, "system") && take_char(r, '~')) {
			m->kind = BM_SYSTEM_RE;
			m->re = take_regex(r);
		} else if (str_eqs(w, "result")) {
			parse_result(r, m);
		} else if (str_eqs(w, "tools") && take_char(r, '+')) {
			m->kind = BM_TOOL;
			m->text = dup_word(r, take_word(r, ""));
		} else if (str_eqs(w, "tools") && take_char(r, '-')) {
			m->kind = BM_NO_TOOL;
			m->text = dup_word(r, take_word(r, ""));
		} else if (str_eqs(w, "think") && take_char(r, '=')) {
			m->kind = BM_THINK;
			m->text = dup_word(r, take_word(r, ""));
		} else if (str_eqs(w, "model") && take_char(r, '=')) {
			m->kind = BM_MODEL;
			m->text = dup_word(r, take_word(r, ""));
		} else if (str_eqs(w, "nth") && take_char(r, '=')) {
			m->kind = BM_NTH;
			m->n = take_number(r);
		} else if (str_eqs(w, "images") && take_char(r, '=')) {
			m->kind = BM_IMAGES;
			m->n = take_number(r);
		} else
			bad(r, "unknown matcher \"%.*s\"", (int)w.n, w.p);
	}
}

/* --- steps ----------------------------------------------------------------- */

static enum provider_class
class_of(struct reader *r, struct str w)
{
	static const struct { const char *name; enum provider_class c; } k[] = {
		{ "rate_limit", PROVIDER_RATE_LIMIT },
		{ "overloaded", PROVIDER_OVERLOADED },
		{ "auth", PROVIDER_AUTH }, { "billing", PROVIDER_BILLING },
		{ "overflow", PROVIDER_OVERFLOW },
		{ "timeout", PROVIDER_TIMEOUT },
		{ "transient", PROVIDER_TRANSIENT },
		{ "not_found", PROVIDER_NOT_FOUND },
		{ "format", PROVIDER_FORMAT }, { "refusal", PROVIDER_REFUSAL },
	};
	size_t	 i;

	for (i = 0; i < sizeof(k) / sizeof(k[0]); i++)
		if (str_eqs(w, k[i].name))
			return k[i].c;
	bad(r, "unknown kind of failure \"%.*s\"", (int)w.n, w.p);
	return PROVIDER_FORMAT;
}

static struct bstep *
add_step(struct reader *r, enum bstep_kind kind, const char *a, size_t an)
{
	struct bstep	*s = bplan_add(&r->turn->plan, kind, a, an);

	if (s == NULL)
		bad(r, "too many steps");
	return s;
}

static void
parse_text(struct reader *r, enum bstep_kind kind)
{
	struct bstep	*s;
	struct str	 mark, line, sig;
	struct dbuf	 d;
	char		*t;
	size_t		 n = 0;

	skip_blanks(r);
	if (kind == BS_TEXT && r->end - r->p > 2 && r->p[0] == '<' &&
	    r->p[1] == '<') {
		r->p += 2;
		mark = take_word(r, "\r");
		dbuf_init(&d, BSCRIPT_BYTES_MAX);
		for (;;) {
			next_line(r);
			if (r->p >= r->end) {
				bad(r, "no end of <<%.*s", (int)mark.n,
				    mark.p);
				break;
			}
			line.p = r->p;
			while (!at_eol(r))
				r->p++;
			line.n = (size_t)(r->p - line.p);
			if (str_eq(str_trim(line), mark))
				break;
			dbuf_put(&d, line.p, line.n);
			dbuf_putc(&d, '\n');
		}
		if (d.n > 0)
			d.n--;		/* the last line's end */
		add_step(r, kind, dbuf_str(&d), d.n);
		dbuf_clear(&d);
		return;
	}
	if ((t = take_string(r, &n, false)) == NULL) {
		bad(r, "a text is missing");
		return;
	}
	s = add_step(r, kind, t, n);
	free(t);
	skip_blanks(r);
	if (s != NULL && kind == BS_THINK && !at_eol(r)) {
		sig = take_word(r, "");
		if (str_prefix(sig, "sig=")) {
			sig.p += 4;
			sig.n -= 4;
			if ((s->b = dup_word(r, sig)) != NULL)
				s->bn = sig.n;
		} else
			bad(r, "unknown word \"%.*s\"", (int)sig.n, sig.p);
	}
}

static void
parse_call(struct reader *r, bool raw)
{
	struct bstep	*s;
	struct str	 name = take_word(r, "{\""), w;
	json_t		*args;
	uint64_t	 n;

	if (name.n == 0) {
		bad(r, "a tool's name is missing");
		return;
	}
	if ((s = add_step(r, BS_CALL, name.p, name.n)) == NULL)
		return;
	if (raw) {
		s->b = take_string(r, &s->bn, false);
	} else if ((args = take_json(r, "arguments")) != NULL) {
		s->b = json_dumps(args, JSON_COMPACT);
		s->bn = s->b == NULL ? 0 : strlen(s->b);
		json_decref(args);
	}
	if (s->b == NULL)
		bad(r, "arguments are missing");
	s->interleave = r->in_par && r->interleave && !r->par_first;
	r->par_first = false;
	for (;;) {
		skip_blanks(r);
		if (r->failed || at_eol(r) || *r->p == '#')
			return;
		w = take_word(r, "=");
		if (str_eqs(w, "id") && take_char(r, '=')) {
			free(s->id);
			s->id = dup_word(r, take_word(r, ""));
		} else if (str_eqs(w, "frag") && take_char(r, '=')) {
			n = take_number(r);
			if (n < 1 || n > 10000)
				bad(r, "frag: 1 to 10000");
			s->n = (uint32_t)n;
		} else
			bad(r, "unknown word \"%.*s\"", (int)w.n, w.p);
	}
}

static void
parse_fail(struct reader *r)
{
	struct bstep	*s;
	struct str	 w = take_word(r, "");
	uint64_t	 status = 0;
	char		*t = NULL;
	size_t		 n = 0;
	enum provider_class class;
	uint32_t	 retry = 0;

	if (str_eqs(w, "http")) {
		status = take_number(r);
		w = take_word(r, "");
	}
	class = class_of(r, w);
	skip_blanks(r);
	if (!at_eol(r) && *r->p == '"')
		t = take_string(r, &n, false);
	skip_blanks(r);
	if (!at_eol(r) && *r->p != '#') {
		w = take_word(r, "=");
		if (str_eqs(w, "retry-after") && take_char(r, '='))
			retry = take_duration(r);
		else
			bad(r, "unknown word \"%.*s\"", (int)w.n, w.p);
	}
	s = add_step(r, BS_FAIL, t != NULL ? t : provider_class_name(class),
	    t != NULL ? n : strlen(provider_class_name(class)));
	free(t);
	if (s != NULL) {
		s->class = class;
		s->n = (uint32_t)status;
		s->retry_ms = retry;
	}
}

static void
parse_usage(struct reader *r)
{
	struct bstep	*s;
	struct str	 w;

	if ((s = add_step(r, BS_USAGE, NULL, 0)) == NULL)
		return;
	s->usage.known = true;
	for (;;) {
		skip_blanks(r);
		if (r->failed || at_eol(r) || *r->p == '#')
			return;
		w = take_word(r, "=");
		if (!take_char(r, '='))
			bad(r, "usage: name=number is wanted");
		else if (str_eqs(w, "in"))
			s->usage.input = take_number(r);
		else if (str_eqs(w, "out"))
			s->usage.output = take_number(r);
		else if (str_eqs(w, "read"))
			s->usage.cache_read = take_number(r);
		else if (str_eqs(w, "write"))
			s->usage.cache_write = take_number(r);
		else
			bad(r, "usage: in, out, read or write");
	}
}

static void
parse_stop(struct reader *r)
{
	struct bstep	*s;
	struct str	 w = take_word(r, "");

	if (str_eqs(w, "refusal") || str_eqs(w, "overflow")) {
		s = add_step(r, BS_FAIL, w.p, w.n);
		if (s != NULL)
			s->class = w.p[0] == 'r' ? PROVIDER_REFUSAL :
			    PROVIDER_OVERFLOW;
		return;
	}
	if ((s = add_step(r, BS_STOP, NULL, 0)) == NULL)
		return;
	if (str_eqs(w, "stop") || w.n == 0)
		s->stop = STOP_STOP;
	else if (str_eqs(w, "length"))
		s->stop = STOP_LENGTH;
	else if (str_eqs(w, "toolUse"))
		s->stop = STOP_TOOL_USE;
	else
		bad(r, "unknown reason \"%.*s\"", (int)w.n, w.p);
}

static void
parse_expect(struct reader *r)
{
	struct bexpect	*x, **tail;
	struct str	 w;

	if ((x = calloc(1, sizeof(*x))) == NULL) {
		bad(r, "out of memory");
		return;
	}
	for (tail = &r->turn->expects; *tail != NULL; tail = &(*tail)->next)
		;
	*tail = x;
	x->line = r->line;
	w = take_word(r, "~=[");
	skip_blanks(r);
	if (str_eqs(w, "system") && take_char(r, '~')) {
		x->kind = BX_SYSTEM_RE;
		x->re = take_regex(r);
	} else if (str_eqs(w, "system")) {
		x->kind = BX_SYSTEM_HAS;
		w = take_word(r, "");
		if (!str_eqs(w, "has"))
			bad(r, "expect system: ~ or has");
		skip_blanks(r);
		if (!at_eol(r) && *r->p == '"') {
			size_t	 n;

			x->text = take_string(r, &n, false);
		} else
			x->text = dup_word(r, take_word(r, ""));
	} else if (str_eqs(w, "messages") && take_char(r, '=')) {
		x->kind = BX_MESSAGES;
		x->n = take_number(r);
	} else if (str_eqs(w, "no-orphans")) {
		x->kind = BX_NO_ORPHANS;
	} else if (str_eqs(w, "tool")) {
		x->kind = BX_TOOL;
		x->text = dup_word(r, take_word(r, ""));
	} else if (str_eqs(w, "msg") && take_char(r, '[')) {
		x->kind = BX_MSG_RE;
		w = take_word(r, "]");
		if (num_parse_u64(w, 100000, &x->n) == -1 ||
		    !take_char(r, ']') || !take_char(r, '.'))
			bad(r, "expect msg[n].field~\"…\" is wanted");
		x->text = dup_word(r, take_word(r, "~"));
		if (!r->failed && !take_char(r, '~'))
			bad(r, "expect msg[n].field~\"…\" is wanted");
		if (!r->failed)
			x->re = take_regex(r);
	} else
		bad(r, "unknown assertion \"%.*s\"", (int)w.n, w.p);
}

static void
parse_step(struct reader *r, size_t indent)
{
	struct bstep	*s;
	struct str	 w = take_word(r, "");
	uint64_t	 n;

	if (r->in_par && indent <= r->par_indent)
		r->in_par = false;
	if (r->in_par && !str_eqs(w, "call") && !str_eqs(w, "rawcall")) {
		bad(r, "only calls may stand below par");
		return;
	}
	if (str_eqs(w, "think"))
		parse_text(r, BS_THINK);
	else if (str_eqs(w, "text"))
		parse_text(r, BS_TEXT);
	else if (str_eqs(w, "call"))
		parse_call(r, false);
	else if (str_eqs(w, "rawcall"))
		parse_call(r, true);
	else if (str_eqs(w, "par")) {
		r->in_par = r->par_first = true;
		r->par_indent = indent;
		r->interleave = str_eqs(take_word(r, ""), "interleave");
	} else if (str_eqs(w, "pause")) {
		if ((s = add_step(r, BS_PAUSE, NULL, 0)) != NULL)
			s->n = take_duration(r);
	} else if (str_eqs(w, "chunk")) {
		n = take_number(r);
		if (n > 100000)
			bad(r, "chunk: at most 100000");
		else if ((s = add_step(r, BS_CHUNK, NULL, 0)) != NULL)
			s->n = (uint32_t)n;
	} else if (str_eqs(w, "stall"))
		add_step(r, BS_STALL, NULL, 0);
	else if (str_eqs(w, "cut"))
		add_step(r, BS_CUT, NULL, 0);
	else if (str_eqs(w, "fail"))
		parse_fail(r);
	else if (str_eqs(w, "usage"))
		parse_usage(r);
	else if (str_eqs(w, "stop"))
		parse_stop(r);
	else if (str_eqs(w, "expect"))
		parse_expect(r);
	else
		bad(r, "unknown step \"%.*s\"", (int)w.n, w.p);
}

static void
parse_header(struct reader *r)
{
	struct str	 w;
	uint64_t	 n;

	take_number(r);
	for (;;) {
		skip_blanks(r);
		if (r->failed || at_eol(r) || *r->p == '#')
			return;
		w = take_word(r, "=");
		if (!take_char(r, '=')) {
			bad(r, "key=value is wanted");
		} else if (str_eqs(w, "mode")) {
			w = take_word(r, "");
			if (str_eqs(w, "lenient"))
				r->s->mode = BMODE_LENIENT;
			else if (str_eqs(w, "strict"))
				r->s->mode = BMODE_STRICT;
			else if (str_eqs(w, "sequence"))
				r->s->mode = BMODE_SEQUENCE;
			else
				bad(r, "mode: lenient, strict or sequence");
		} else if (str_eqs(w, "seed")) {
			n = take_number(r);
			r->s->seed = (uint32_t)n;
			r->s->has_seed = true;
		} else
			take_word(r, "");	/* window, name, ... */
	}
}

static void
parse_line(struct reader *r)
{
	const char	*start = r->p;
	struct bturn	*t;
	struct str	 w;

	skip_blanks(r);
	if (at_eol(r) || *r->p == '#')
		return;
	if (*r->p != '@') {
		if (r->turn == NULL)
			bad(r, "a step before the first @turn");
		else
			parse_step(r, (size_t)(r->p - start));
		return;
	}
	w = take_word(r, "");
	if (str_eqs(w, "@cassette")) {
		parse_header(r);
		return;
	}
	if (!str_eqs(w, "@turn") && !str_eqs(w, "@on")) {
		bad(r, "unknown block \"%.*s\"", (int)w.n, w.p);
		return;
	}
	if (r->s->n == BSCRIPT_TURNS_MAX) {
		bad(r, "more than %d turns", BSCRIPT_TURNS_MAX);
		return;
	}
	t = recallocarray(r->s->turns, r->s->n, r->s->n + 1, sizeof(*t));
	if (t == NULL) {
		bad(r, "out of memory");
		return;
	}
	r->s->turns = t;
	r->turn = &t[r->s->n++];
	r->turn->once = str_eqs(w, "@turn");
	r->turn->line = r->line;
	r->in_par = false;
	parse_matchers(r);
}

struct bscript *
bscript_parse(struct str text, char *why, size_t size)
{
	struct reader	 r;

	memset(&r, 0, sizeof(r));
	r.p = text.p;
	r.end = text.p + text.n;
	r.line = 1;
	r.why = why;
	r.why_size = size;
	if (text.n > BSCRIPT_BYTES_MAX) {
		bad(&r, "the script is longer than %u bytes",
		    BSCRIPT_BYTES_MAX);
		return NULL;
	}
	if ((r.s = calloc(1, sizeof(*r.s))) == NULL) {
		bad(&r, "out of memory");
		return NULL;
	}
	r.s->crc = bcrc32(0, text.p, text.n);
	while (r.p < r.end && !r.failed) {
		parse_line(&r);
		skip_blanks(&r);
		if (!r.failed && !at_eol(&r) && *r.p != '#')
			bad(&r, "unexpected \"%.*s\"", (int)(r.end - r.p > 20 ?
			    20 : r.end - r.p), r.p);
		next_line(&r);
	}
	if (!r.failed && r.s->n == 0)
		bad(&r, "there is no @turn");
	if (r.failed) {
		bscript_free(r.s);
		return NULL;
	}
	return r.s;
}

void
bscript_free(struct bscript *s)
{
	struct bmatcher	*m;
	struct bexpect	*x;
	size_t		 i;

	if (s == NULL)
		return;
	for (i = 0; i < s->n; i++) {
		while ((m = s->turns[i].matchers) != NULL) {
			s->turns[i].matchers = m->next;
			free(m->text);
			bregex_free(m->re);
			free(m);
		}
		while ((x = s->turns[i].expects) != NULL) {
			s->turns[i].expects = x->next;
			free(x->text);
			bregex_free(x->re);
			free(x);
		}
		bplan_clear(&s->turns[i].plan);
	}
	free(s->turns);
	free(s);
}
