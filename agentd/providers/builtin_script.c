/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * builtin/script: answers from a script.  Where the script comes from: an
 * inline one in the conversation's first user message (models.builtin.
 * allowInline, tests only), else models.builtin.scripts {name: text} chosen by
 * models.builtin.bind {session key with *: name}, else models.builtin.script.
 *
 * Which turns are used up is remembered per session in this process, because a
 * failed call leaves nothing in the context; after a restart it is derived
 * from the transcript (spec embedded-provider 5.3).
 */

#include "common/compat.h"

#include <inttypes.h>

#include "agentd/json_load.h"
#include "agentd/providers/builtin_script.h"
#include "agentd/providers/providers.h"

#define MEMORY_SESSIONS	64

struct memory {
	char		 session[128];
	uint32_t	 crc;
	uint64_t	 used_at;	/* for the oldest to go */
	uint64_t	 calls;
	uint8_t		 used[BSCRIPT_TURNS_MAX / 8];
};
/* One process, one thread: the only state of the engines. */
static struct memory	*memory;
static uint64_t		 memory_clock;

struct call {
	const struct provider_model	*model;
	const struct provider_context	*ctx;
	const struct provider_options	*opts;
	struct bscript			*s;
	struct memory			*mem;
	struct dbuf			 user;
	size_t				 from;	/* behind the last user */
};

static void	 expand(const struct call *, struct str, struct dbuf *);

/* --- where the script comes from ------------------------------------------- */

static bool
glob_match(const char *p, const char *s)
{
	const char	*star = NULL, *back = NULL;

	while (*s != '\0') {
		if (*p == '*') {
			star = p++;
			back = s;
		} else if (*p == *s) {
			p++;
			s++;
		} else if (star != NULL) {
			p = star + 1;
			s = ++back;
		} else
			return false;
	}
	while (*p == '*')
		p++;
	return *p == '\0';
}

static bool
find_script(struct call *c, struct dbuf *inl, struct str *out)
{
	const json_t	*cfg = c->opts->builtin, *scripts, *bind, *v;
	const char	*pattern, *key = c->opts->session_key;
	json_t		*bindings;
	const json_t	*msgs = c->ctx->messages;
	struct str	 own;
	size_t		 i;

	if (json_is_true(json_object_get(cfg, "allowInline"))) {
		for (i = 0; i < json_array_size(msgs); i++) {
			if (strcmp(bmsg_role(json_array_get(msgs, i)), "user")
			    != 0)
				continue;
			dbuf_reset(inl);
			if (bmsg_text(json_array_get(msgs, i), inl) == -1)
				return false;
			own = bmsg_own_words((struct str){ dbuf_str(inl),
			    inl->n });
			if (str_prefix(own, "@cassette")) {
				*out = own;
				return true;
			}
		}
	}
	scripts = json_object_get(cfg, "scripts");
	bind = json_object_get(cfg, "bind");
	bindings = json_incref((json_t *)(uintptr_t)bind);
	json_object_foreach(bindings, pattern, v) {
		const json_t *t;

		if (!json_is_string(v) || !glob_match(pattern,
		    key != NULL ? key : ""))
			continue;
		t = json_object_get(scripts, json_string_value(v));
		if (json_is_string(t)) {
			out->p = json_string_value(t);
			out->n = json_string_length(t);
			json_decref(bindings);
			return true;
		}
	}
	json_decref(bindings);
	v = json_object_get(cfg, "script");
	if (!json_is_string(v))
		return false;
	out->p = json_string_value(v);
	out->n = json_string_length(v);
	return true;
}

/* --- what is used up ------------------------------------------------------- */

static bool
is_used(const struct memory *m, size_t i)
{
	return (m->used[i / 8] >> (i % 8)) & 1;
}

static void
use(struct memory *m, size_t i)
{
	m->used[i / 8] |= (uint8_t)(1u << (i % 8));
}

/* From the transcript: signatures "b1:script-<crc>:<turn>:0" say which turn a
 * message came from; one without text counts as the next. */
static void
memory_derive(struct call *c)
{
	const json_t	*msgs = c->ctx->messages, *m, *content;
	char		 prefix[40];
	const char	*sig;
	uint64_t	 turn;
	size_t		 i, k, next = 0, n;
	struct str	 num;

	n = (size_t)snprintf(prefix, sizeof(prefix), "b1:script-%08" PRIx32
	    ":", c->s->crc);
	for (i = 0; i < json_array_size(msgs); i++) {
		m = json_array_get(msgs, i);
		if (strcmp(bmsg_role(m), "assistant") != 0 ||
		    strcmp(json_text(m, "model", ""), c->model->id) != 0)
			continue;
		content = json_object_get(m, "content");
		turn = UINT64_MAX;
		for (k = 0; k < json_array_size(content); k++) {
			sig = json_text(json_array_get(content, k),
			    "textSignature", "");
			if (strncmp(sig, prefix, n) != 0)
				continue;
			num.p = sig + n;
			num.n = strcspn(num.p, ":");
			if (num_parse_u64(num, BSCRIPT_TURNS_MAX - 1, &turn) ==
			    -1)
				turn = UINT64_MAX;
		}
		if (turn == UINT64_MAX)
			turn = next;
		if (turn < c->s->n) {
			use(c->mem, (size_t)turn);
			next = (size_t)turn + 1;
		}
		c->mem->calls++;
	}
}

static bool
memory_find(struct call *c)
{
	const char	*sid = c->opts->session_id;
	struct memory	*m, *old;
	size_t		 i;

	if (sid == NULL)
		sid = "";
	if (memory == NULL &&
	    (memory = calloc(MEMORY_SESSIONS, sizeof(*memory))) == NULL)
		return false;
	old = &memory[0];
	for (i = 0; i < MEMORY_SESSIONS; i++) {
		m = &memory[i];
		if (m->used_at != 0 && m->crc == c->s->crc &&
		    strcmp(m->session, sid) == 0) {
			m->used_at = ++memory_clock;
			c->mem = m;
			return true;
		}
		if (m->used_at < old->used_at)
			old = m;
	}
	memset(old, 0, sizeof(*old));
	if (strlcpy(old->session, sid, sizeof(old->session)) >=
	    sizeof(old->session))
		old->session[0] = '\0';
	old->crc = c->s->crc;
	old->used_at = ++memory_clock;
	c->mem = old;
	memory_derive(c);
	return true;
}

/* --- matching -------------------------------------------------------------- */

static const json_t *
last_message(const struct call *c)
{
	return json_array_get(c->ctx->messages,
	    json_array_size(c->ctx->messages) - 1);
}

static bool
result_matches(const struct call *c, const struct bmatcher *m)
{
	const json_t	*msgs = c->ctx->messages, *r;
	struct dbuf	 d;
	size_t		 i;
	bool		 hit = false, error;

	if (json_array_size(msgs) == 0 ||
	    strcmp(bmsg_role(last_message(c)), "toolResult") != 0)
		return false;
	for (i = json_array_size(msgs); i > c->from && !hit; i--) {
		r = json_array_get(msgs, i - 1);
		if (strcmp(bmsg_role(r), "toolResult") != 0)
			break;
		if (strcmp(json_text(r, "toolName", ""), m->text) != 0 &&
		    strcmp(m->text, "*") != 0)
			continue;
		error = json_is_true(json_object_get(r, "isError"));
		if (m->want_error != -1 && m->want_error != (error ? 1 : 0))
			continue;
		hit = true;
		if (m->re != NULL) {
			dbuf_init(&d, PROVIDER_BODY_MAX);
			bmsg_text(r, &d);
			hit = bregex_match(m->re, (struct str){ dbuf_str(&d),
			    d.n });
			dbuf_clear(&d);
		}
	}
	return hit;
}

static uint64_t
count_images(const struct call *c)
{
	const json_t	*content;
	uint64_t	 n = 0;
	size_t		 i, k;

	for (i = 0; i < json_array_size(c->ctx->messages); i++) {
		content = json_object_get(json_array_get(c->ctx->messages, i),
		    "content");
		for (k = 0; k < json_array_size(content); k++)
			if (strcmp(json_text(json_array_get(content, k),
			    "type", ""), "image") == 0)
				n++;
	}
	return n;
}

static bool
matches(const struct call *c, const struct bturn *t)
{
	const struct bmatcher	*m;
	struct str		 user = { dbuf_str(&c->user), c->user.n };
	bool			 about_user = json_array_size(c->ctx->messages)
				    == c->from;
	bool			 ok = true;

	user = bmsg_own_words(user);
	for (m = t->matchers; m != NULL && ok; m = m->next) {
		switch (m->kind) {
		case BM_USER_RE:
			ok = about_user && bregex_match(m->re, user);
			break;
		case BM_USER_EQ:
			ok = about_user && str_eqs(user, m->text);
			break;
		case BM_RESULT:
			ok = result_matches(c, m);
			break;
		case BM_SYSTEM_RE:
			ok = bregex_match(m->re, str_of(c->ctx->system));
			break;
		case BM_TOOL:
			ok = btools_has(c->ctx->tools, m->text);
			break;
		case BM_NO_TOOL:
			ok = !btools_has(c->ctx->tools, m->text);
			break;
		case BM_THINK:
			ok = c->opts->thinking != NULL &&
			    strcmp(c->opts->thinking, m->text) == 0;
			break;
		case BM_MODEL:
			ok = strcmp(c->model->id, m->text) == 0;
			break;
		case BM_NTH:
			ok = c->mem->calls + 1 == m->n;
			break;
		case BM_IMAGES:
			ok = count_images(c) == m->n;
			break;
		}
	}
	return ok;
}

/* --- assertions ------------------------------------------------------------ */

/* Has every tool call its result, and every result its call? */
static bool
no_orphans(const json_t *msgs)
{
	const json_t	*m, *content;
	const char	*open[PROVIDER_CALLS_MAX], *id;
	size_t		 i, k, n = 0;

	for (i = 0; i < json_array_size(msgs); i++) {
		m = json_array_get(msgs, i);
		if (strcmp(bmsg_role(m), "toolResult") == 0) {
			id = json_text(m, "toolCallId", "");
			for (k = 0; k < n && strcmp(open[k], id) != 0; k++)
				;
			if (k == n)
				return false;
			open[k] = open[--n];
			continue;
		}
		if (n > 0)
			return false;
		if (strcmp(bmsg_role(m), "assistant") != 0)
			continue;
		content = json_object_get(m, "content");
		for (k = 0; k < json_array_size(content); k++) {
			if (strcmp(json_text(json_array_get(content, k),
			    "type", ""), "toolCall") != 0)
				continue;
			if (n == PROVIDER_CALLS_MAX)
				return false;
			open[n++] = json_text(json_array_get(content, k),
			    "id", "");
		}
	}
	return n == 0;
}

static bool
expected(const struct call *c, const struct bexpect *x)
{
	const json_t	*m;
	struct dbuf	 d;
	bool		 ok = false;

	switch (x->kind) {
	case BX_SYSTEM_RE:
		return bregex_match(x->re, str_of(c->ctx->system));
	case BX_SYSTEM_HAS:
		return strstr(c->ctx->system, x->text) != NULL;
	case BX_MESSAGES:
		return json_array_size(c->ctx->messages) == x->n;
	case BX_NO_ORPHANS:
		return no_orphans(c->ctx->messages);
	case BX_TOOL:
		return btools_has(c->ctx->tools, x->text);
	case BX_MSG_RE:
		m = json_array_get(c->ctx->messages, (size_t)x->n);
		dbuf_init(&d, PROVIDER_BODY_MAX);
		if (strcmp(x->text, "text") == 0 ||
		    strcmp(x->text, "content") == 0)
			bmsg_text(m, &d);
		else
			dbuf_puts(&d, json_text(m, x->text, ""));
		ok = m != NULL && bregex_match(x->re, (struct str){
		    dbuf_str(&d), d.n });
		dbuf_clear(&d);
		return ok;
	}
	return false;
}

/* --- templates ------------------------------------------------------------- */

/* Text of the last result, or of that of the call `id`. */
static bool
result_text(const struct call *c, struct str id, struct dbuf *out)
{
	const json_t	*m;
	size_t		 i;

	for (i = json_array_size(c->ctx->messages); i > 0; i--) {
		m = json_array_get(c->ctx->messages, i - 1);
		if (strcmp(bmsg_role(m), "toolResult") != 0)
			continue;
		if (id.n > 0 && !str_eqs(id, json_text(m, "toolCallId", "")))
			continue;
		return bmsg_text(m, out) == 0;
	}
	return false;
}

static void
filter(struct str f, struct dbuf *v)
{
	struct dbuf	 o;
	const char	*dash, *p, *nl;
	int64_t		 a, b, line;
	size_t		 i, n;
	json_t		*j;
	char		*s;

	dbuf_init(&o, BSCRIPT_EXPANDED_MAX);
	if (str_eqs(f, "upper")) {
		for (i = 0; i < v->n; i++)
			v->p[i] = (char)ascii_toupper((unsigned char)v->p[i]);
		return;
	}
	if (str_eqs(f, "count")) {
		n = v->n > 0 && v->p[v->n - 1] != '\n' ? 1 : 0;
		for (i = 0; i < v->n; i++)
			n += v->p[i] == '\n';
		dbuf_printf(&o, "%zu", n);
	} else if (str_eqs(f, "json")) {
		j = json_stringn(dbuf_str(v), v->n);
		if ((s = json_dumps(j, JSON_ENCODE_ANY)) != NULL)
			dbuf_puts(&o, s);
		free(s);
		json_decref(j);
	} else if (str_prefix(f, "lines:") &&
	    (dash = memchr(f.p, '-', f.n)) != NULL &&
	    num_parse((struct str){ f.p + 6, (size_t)(dash - f.p - 6) }, 1,
	    1000000, &a) == 0 &&
	    num_parse((struct str){ dash + 1, (size_t)(f.p + f.n - dash - 1) },
	    a, 1000000, &b) == 0) {
		p = dbuf_str(v);
		for (line = 1; *p != '\0' && line <= b; line++) {
			nl = strchrnul(p, '\n');
			if (line >= a) {
				if (line > a)
					dbuf_putc(&o, '\n');
				dbuf_put(&o, p, (size_t)(nl - p));
			}
			p = *nl == '\n' ? nl + 1 : nl;
		}
	} else
		return;		/* "lines" alone, unknown: as it is */
	dbuf_reset(v);
	dbuf_put(v, dbuf_str(&o), o.n);
	dbuf_clear(&o);
}

static void
expand_one(const struct call *c, struct str t, struct dbuf *out)
{
	struct dbuf	 v;
	struct str	 name, f;
	const char	*bar;
	char		 when[25];

	dbuf_init(&v, PROVIDER_BODY_MAX);
	bar = memchr(t.p, '|', t.n);
	name = t;
	if (bar != NULL)
		name.n = (size_t)(bar - t.p);
	name = str_trim(name);
	if (str_eqs(name, "user")) {
		f = bmsg_own_words((struct str){ dbuf_str(&c->user),
		    c->user.n });
		dbuf_put(&v, f.p, f.n);
	} else if (str_eqs(name, "now")) {
		iso_time(c->opts->now_ms, when);
		dbuf_puts(&v, when);
	} else if (str_eqs(name, "result.text")) {
		result_text(c, (struct str){ "", 0 }, &v);
	} else if (str_prefix(name, "result.") && name.n > 12 &&
	    memcmp(name.p + name.n - 5, ".text", 5) == 0) {
		result_text(c, (struct str){ name.p + 7, name.n - 12 }, &v);
	}
	while (bar != NULL) {
		f.p = bar + 1;
		f.n = (size_t)(t.p + t.n - f.p);
		if ((bar = memchr(f.p, '|', f.n)) != NULL)
			f.n = (size_t)(bar - f.p);
		filter(str_trim(f), &v);
	}
	dbuf_put(out, dbuf_str(&v), v.n);
	dbuf_clear(&v);
}

static void
expand(const struct call *c, struct str t, struct dbuf *out)
{
	const char	*open, *close;

	while (t.n > 0) {
		open = memmem(t.p, t.n, "{{", 2);
		close = open == NULL ? NULL : memmem(open, (size_t)(t.p + t.n -
		    open), "}}", 2);
		if (close == NULL) {
			dbuf_put(out, t.p, t.n);
			return;
		}
		dbuf_put(out, t.p, (size_t)(open - t.p));
		expand_one(c, (struct str){ open + 2, (size_t)(close - open -
		    2) }, out);
		t.n -= (size_t)(close + 2 - t.p);
		t.p = close + 2;
	}
}

/* --- the call -------------------------------------------------------------- */

static void
fail(struct bplan *p, const char *text)
{
	struct bstep	*s = bplan_add(p, BS_FAIL, text, strlen(text));

	if (s != NULL)
		s->class = PROVIDER_FORMAT;
}

static void
play_turn(struct call *c, size_t index, struct bplan *out)
{
	const struct bturn	*t = &c->s->turns[index];
	const struct bexpect	*x;
	const struct bstep	*s;
	struct bstep		*o;
	struct dbuf		 d;
	char			 text[160];
	size_t			 i;

	for (x = t->expects; x != NULL; x = x->next)
		if (!expected(c, x)) {
			snprintf(text, sizeof(text),
			    "script line %zu: expectation not met", x->line);
			fail(out, text);
			return;
		}
	for (i = 0; i < t->plan.n; i++) {
		s = &t->plan.s[i];
		dbuf_init(&d, BSCRIPT_EXPANDED_MAX);
		if (s->kind == BS_TEXT || s->kind == BS_THINK)
			expand(c, (struct str){ s->a, s->an }, &d);
		else if (s->a != NULL)
			dbuf_put(&d, s->a, s->an);
		if ((o = bplan_add(out, s->kind, s->a == NULL ? NULL :
		    dbuf_str(&d), d.n)) != NULL) {
			o->n = s->n;
			o->interleave = s->interleave;
			o->class = s->class;
			o->retry_ms = s->retry_ms;
			o->stop = s->stop;
			o->usage = s->usage;
			o->id = s->id == NULL ? NULL : strdup(s->id);
			if (s->kind == BS_CALL) {
				dbuf_reset(&d);
				expand(c, (struct str){ s->b, s->bn }, &d);
				o->b = strdup(dbuf_str(&d));
				o->bn = d.n;
			} else if (s->b != NULL) {
				o->b = strdup(s->b);
				o->bn = s->bn;
			} else if (s->kind == BS_TEXT) {
				snprintf(text, sizeof(text), "b1:script-%08"
				    PRIx32 ":%zu:0", c->s->crc, index);
				o->b = strdup(text);
				o->bn = strlen(text);
			}
			if ((s->id != NULL && o->id == NULL) ||
			    ((s->b != NULL || s->kind == BS_TEXT) &&
			    o->b == NULL))
				out->err = true;
		}
		dbuf_clear(&d);
	}
}

static void
answer(struct call *c, struct bplan *out)
{
	char	 text[160];
	size_t	 i;

	for (i = 0; i < c->s->n; i++) {
		if (!c->s->turns[i].once || is_used(c->mem, i))
			continue;
		if (c->s->mode == BMODE_SEQUENCE ||
		    matches(c, &c->s->turns[i]))
			break;
		if (c->s->mode == BMODE_STRICT) {
			snprintf(text, sizeof(text), "script line %zu: the "
			    "call does not match this turn",
			    c->s->turns[i].line);
			fail(out, text);
			return;
		}
	}
	if (i == c->s->n)
		for (i = 0; i < c->s->n; i++)
			if (!c->s->turns[i].once &&
			    matches(c, &c->s->turns[i]))
				break;
	c->mem->calls++;
	if (i == c->s->n) {
		fail(out, "cassette exhausted: no turn of the script fits "
		    "this call");
		return;
	}
	if (c->s->turns[i].once)
		use(c->mem, i);
	play_turn(c, i, out);
}

static void *
script_new(const struct provider_model *model,
    const struct provider_context *ctx, const struct provider_options *opts,
    struct pstream *ps)
{
	struct bplayer	*b;
	struct call	 c;
	struct dbuf	 inl;
	struct str	 text = { NULL, 0 };
	char		 why[256], msg[320];
	ssize_t		 at;

	if ((b = bplayer_new(ctx, opts, ps, 0)) == NULL)
		return NULL;
	memset(&c, 0, sizeof(c));
	c.model = model;
	c.ctx = ctx;
	c.opts = opts;
	dbuf_init(&inl, PROVIDER_BODY_MAX);
	dbuf_init(&c.user, PROVIDER_BODY_MAX);
	if ((at = bmsg_last_user(ctx->messages,
	    json_array_size(ctx->messages))) != -1) {
		bmsg_text(json_array_get(ctx->messages, (size_t)at), &c.user);
		c.from = (size_t)at + 1;
	}
	if (!find_script(&c, &inl, &text))
		fail(&b->plan, "builtin/script has no script: set "
		    "models.builtin.script");
	else if ((c.s = bscript_parse(text, why, sizeof(why))) == NULL) {
		snprintf(msg, sizeof(msg), "script: %s", why);
		fail(&b->plan, msg);
	} else if (!memory_find(&c))
		b->plan.err = true;
	else {
		if (c.s->has_seed)
			brng_seed(&b->rng, c.s->seed + (uint32_t)c.mem->calls);
		answer(&c, &b->plan);
	}
	bscript_free(c.s);
	dbuf_clear(&c.user);
	dbuf_clear(&inl);
	return b;
}

const struct provider provider_builtin_script = {
	.api = "builtin",
	.model = "script",
	.engine_new = script_new,
	.engine_step = bplayer_step,
	.engine_free = bplayer_free,
};
