/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Assembles one assistant message from what an adapter reports, see
 * agentd/provider.h.  Everything that comes in here was chosen by a model or
 * by whoever answers in its place: each bound is checked here once, for all
 * adapters.
 */

#include "common/compat.h"

#include <stdarg.h>

#include "agentd/json_load.h"
#include "agentd/provider.h"
#include "agentd/sanitize.h"

enum block_type { BLOCK_NONE, BLOCK_TEXT, BLOCK_THINKING, BLOCK_CALL };

struct block {
	enum block_type	 type;
	bool		 closed;
	bool		 redacted;
	bool		 bad_args;
	unsigned int	 content_index;
	struct dbuf	 text;		/* or arguments */
	struct sanitize	 clean;
	struct dbuf	 signature;
	char		*id, *name;	/* of a call */
	json_t		*json;		/* once closed */
};

struct pstream {
	const struct provider_model *model;
	uint64_t		 now_ms;
	pstream_fn		*fn;
	void			*arg;
	struct block		*blocks[PROVIDER_BLOCKS_MAX];
	unsigned int		 order[PROVIDER_BLOCKS_MAX];
	unsigned int		 nblocks, ncalls;
	size_t			 total;
	struct provider_usage	 usage;
	bool			 ended;
};

static void	 block_free(struct block *);
static struct block *block_open(struct pstream *, unsigned int,
		    enum block_type);
static void	 block_close(struct pstream *, struct block *);
static json_t	*block_json(struct block *);
static void	 report(struct pstream *, struct pstream_event *);
static void	 put_text(struct pstream *, unsigned int, enum block_type,
		    enum pstream_event_type, const char *, size_t);

struct pstream *
pstream_new(const struct provider_model *model, uint64_t now_ms,
    pstream_fn *fn, void *arg)
{
	struct pstream	*s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	s->model = model;
	s->now_ms = now_ms;
	s->fn = fn;
	s->arg = arg;
	return s;
}

void
pstream_free(struct pstream *s)
{
	unsigned int	 i;

	if (s == NULL)
		return;
	for (i = 0; i < s->nblocks; i++)
		block_free(s->blocks[s->order[i]]);
	free(s);
}

bool
pstream_ended(const struct pstream *s)
{
	return s->ended;
}

bool
pstream_started(const struct pstream *s)
{
	return s->nblocks > 0;
}

void
pstream_text(struct pstream *s, unsigned int index, const char *p, size_t n)
{
	put_text(s, index, BLOCK_TEXT, PS_TEXT, p, n);
}

void
pstream_thinking(struct pstream *s, unsigned int index, const char *p,
    size_t n)
{
	put_text(s, index, BLOCK_THINKING, PS_THINKING, p, n);
}

void
pstream_signature(struct pstream *s, unsigned int index, const char *p,
    size_t n, bool redacted)
{
	struct block	*b;

	if (s->ended || index >= PROVIDER_BLOCKS_MAX)
		return;
	/* Redacted thinking may have nothing but a signature. */
	if ((b = s->blocks[index]) == NULL &&
	    (b = block_open(s, index, BLOCK_THINKING)) == NULL)
		return;
	if (b->closed || b->type == BLOCK_CALL)
		return;
	b->redacted = redacted;
	dbuf_reset(&b->signature);
	if (!utf8_valid(p, n) || dbuf_put(&b->signature, p, n) == -1)
		pstream_errorf(s, PROVIDER_FORMAT, 0,
		    "a signature of the answer is malformed or too long");
}

void
pstream_toolcall(struct pstream *s, unsigned int index, const char *id,
    const char *name)
{
	struct block	*b;
	size_t		 nid = strlen(id), nname = strlen(name);

	if (s->ended)
		return;
	if (nid > 256 || nname == 0 || nname > 128 || !utf8_valid(id, nid) ||
	    !utf8_valid(name, nname)) {
		pstream_errorf(s, PROVIDER_FORMAT, 0,
		    "a tool call of the answer has a malformed id or name");
		return;
	}
	if ((b = block_open(s, index, BLOCK_CALL)) == NULL || b->id != NULL)
		return;
	if (++s->ncalls > PROVIDER_CALLS_MAX) {
		pstream_errorf(s, PROVIDER_FORMAT, 0,
		    "the answer has more than %d tool calls",
		    PROVIDER_CALLS_MAX);
		return;
	}
	b->id = strdup(id);
	b->name = strdup(name);
	if (b->id == NULL || b->name == NULL)
		pstream_errorf(s, PROVIDER_TRANSIENT, 0, "out of memory");
}

void
pstream_toolargs(struct pstream *s, unsigned int index, const char *p,
    size_t n)
{
	struct block	*b;

	if (s->ended || index >= PROVIDER_BLOCKS_MAX ||
	    (b = s->blocks[index]) == NULL || b->type != BLOCK_CALL ||
	    b->closed)
		return;
	if (dbuf_put(&b->text, p, n) == -1)
		pstream_errorf(s, PROVIDER_FORMAT, 0,
		    "the arguments of a tool call are longer than %u bytes",
		    PROVIDER_ARGS_MAX);
}

void
pstream_end(struct pstream *s, unsigned int index)
{
	if (s->ended || index >= PROVIDER_BLOCKS_MAX ||
	    s->blocks[index] == NULL)
		return;
	block_close(s, s->blocks[index]);
}

void
pstream_usage(struct pstream *s, const struct provider_usage *u)
{
	if (!s->ended)
		s->usage = *u;
}

void
pstream_done(struct pstream *s, enum stop_reason stop)
{
	struct pstream_event	 ev = { .type = PS_DONE };
	unsigned int		 i;

	for (i = 0; i < s->nblocks && !s->ended; i++)
		block_close(s, s->blocks[s->order[i]]);
	if (s->ended)
		return;
	if (s->ncalls > 0 && stop == STOP_STOP)
		stop = STOP_TOOL_USE;
	if (s->ncalls == 0 && stop == STOP_TOOL_USE)
		stop = STOP_STOP;
	s->ended = true;
	ev.stop = stop;
	ev.message = pstream_partial(s, stop, NULL);
	ev.usage = &s->usage;
	report(s, &ev);
	json_decref(ev.message);
}

void
pstream_error(struct pstream *s, const struct provider_error *err)
{
	struct pstream_event	 ev = { .type = PS_ERROR };

	if (s->ended)
		return;
	s->ended = true;
	ev.stop = err->class == PROVIDER_ABORTED ? STOP_ABORTED : STOP_ERROR;
	ev.message = pstream_partial(s, ev.stop, err->message);
	ev.usage = &s->usage;
	ev.error = err;
	report(s, &ev);
	json_decref(ev.message);
}

void
pstream_errorf(struct pstream *s, enum provider_class class,
    uint32_t retry_after_ms, const char *fmt, ...)
{
	struct provider_error	 err;
	va_list			 ap;

	memset(&err, 0, sizeof(err));
	err.class = class;
	err.retry_after_ms = retry_after_ms;
	va_start(ap, fmt);
	utf8_vfmt(err.message, sizeof(err.message), fmt, ap);
	va_end(ap);
	pstream_error(s, &err);
}

json_t *
pstream_partial(struct pstream *s, enum stop_reason stop, const char *error)
{
	const struct provider_model	*m = s->model;
	const struct provider_usage	*u = &s->usage;
	json_t				*msg, *content, *block, *cost;
	unsigned int			 i;
	double				 in, out, cr, cw;

	if ((content = json_array()) == NULL)
		return NULL;
	for (i = 0; i < s->nblocks; i++) {
		struct block *b = s->blocks[s->order[i]];

		if (!b->closed && b->type == BLOCK_CALL)
			continue;
		if ((block = block_json(b)) != NULL)
			json_array_append_new(content, block);
	}
	in = (double)u->input * m->cost_input / 1e6;
	out = (double)u->output * m->cost_output / 1e6;
	cr = (double)u->cache_read * m->cost_cache_read / 1e6;
	cw = (double)u->cache_write * m->cost_cache_write / 1e6;
	if (in + out + cr + cw > 0)
		cost = json_pack("{s:f,s:f,s:f,s:f,s:f}", "input", in,
		    "output", out, "cacheRead", cr, "cacheWrite", cw,
		    "total", in + out + cr + cw);
	else
		cost = json_pack("{s:i,s:i,s:i,s:i,s:i}", "input", 0,
		    "output", 0, "cacheRead", 0, "cacheWrite", 0, "total", 0);
	msg = json_pack("{s:s,s:o,s:s,s:s,s:s,s:{s:I,s:I,s:I,s:I,s:I,s:o},"
	    "s:s}", "role", "assistant", "content", content,
	    "api", m->api, "provider", m->provider, "model", m->id,
	    "usage", "input", (json_int_t)u->input,
	    "output", (json_int_t)u->output,
	    "cacheRead", (json_int_t)u->cache_read,
	    "cacheWrite", (json_int_t)u->cache_write,
	    "totalTokens", (json_int_t)(u->input + u->output +
	    u->cache_read + u->cache_write), "cost", cost,
	    "stopReason", stop_reason_name(stop));
	if (msg != NULL && error != NULL)
		json_object_set_new_nocheck(msg, "errorMessage",
		    sanitize_json(error, strlen(error)));
	if (msg != NULL)
		json_object_set_new_nocheck(msg, "timestamp",
		    json_integer((json_int_t)s->now_ms));
	return msg;
}

const char *
pstream_bad_args(const struct pstream *s, unsigned int content_index)
{
	const struct block	*b;
	unsigned int		 i;

	for (i = 0; i < s->nblocks; i++) {
		b = s->blocks[s->order[i]];
		if (b->bad_args && b->content_index == content_index)
			return dbuf_str(&b->text);
	}
	return NULL;
}

static void
block_free(struct block *b)
{
	if (b == NULL)
		return;
	dbuf_clear(&b->text);
	dbuf_clear(&b->signature);
	json_decref(b->json);
	free(b->id);
	free(b->name);
	free(b);
}

static struct block *
block_open(struct pstream *s, unsigned int index, enum block_type type)
{
	struct block	*b;

	if (s->ended)
		return NULL;
	if (index >= PROVIDER_BLOCKS_MAX) {
		pstream_errorf(s, PROVIDER_FORMAT, 0,
		    "the answer has more than %d blocks", PROVIDER_BLOCKS_MAX);
		return NULL;
	}
	if ((b = s->blocks[index]) != NULL) {
		if (b->closed)
			return NULL;
		if (b->type == type)
			return b;
		pstream_errorf(s, PROVIDER_FORMAT, 0,
		    "a block of the answer changed its kind");
		return NULL;
	}
	if ((b = calloc(1, sizeof(*b))) == NULL) {
		pstream_errorf(s, PROVIDER_TRANSIENT, 0, "out of memory");
		return NULL;
	}
	b->type = type;
	dbuf_init(&b->text, type == BLOCK_CALL ? PROVIDER_ARGS_MAX :
	    PROVIDER_TEXT_MAX);
	dbuf_init(&b->signature, PROVIDER_ARGS_MAX);
	b->content_index = s->nblocks;
	s->blocks[index] = b;
	s->order[s->nblocks++] = index;
	return b;
}

static void
put_text(struct pstream *s, unsigned int index, enum block_type type,
    enum pstream_event_type ev_type, const char *p, size_t n)
{
	struct pstream_event	 ev = { .type = ev_type };
	struct block		*b;
	size_t			 before;

	if ((b = block_open(s, index, type)) == NULL)
		return;
	before = b->text.n;
	if (n > PROVIDER_TEXT_MAX - s->total ||
	    sanitize_put(&b->clean, &b->text, p, n) == -1) {
		pstream_errorf(s, PROVIDER_FORMAT, 0,
		    "the answer is longer than %u bytes", PROVIDER_TEXT_MAX);
		return;
	}
	s->total += n;
	if (b->text.n == before)
		return;
	ev.content_index = b->content_index;
	ev.delta.p = b->text.p + before;
	ev.delta.n = b->text.n - before;
	report(s, &ev);
}

static void
block_close(struct pstream *s, struct block *b)
{
	struct pstream_event	 ev = { .type = PS_TOOLCALL };
	json_t			*args;
	size_t			 before = b->text.n;

	if (b->closed || s->ended)
		return;
	if (b->type != BLOCK_CALL) {
		sanitize_end(&b->clean, &b->text);
		b->closed = true;
		if (b->text.n > before) {
			ev.type = b->type == BLOCK_TEXT ? PS_TEXT :
			    PS_THINKING;
			ev.content_index = b->content_index;
			ev.delta.p = b->text.p + before;
			ev.delta.n = b->text.n - before;
			report(s, &ev);
		}
		return;
	}
	b->closed = true;
	args = NULL;
	if (str_trim((struct str){ dbuf_str(&b->text), b->text.n }).n == 0)
		args = json_object();
	else
		args = json_load_bounded(b->text.p, b->text.n,
		    JSON_LOAD_DEPTH);
	if (!json_is_object(args)) {
		json_decref(args);
		args = json_object();
		b->bad_args = true;
	}
	b->json = json_pack("{s:s,s:s,s:s,s:o}", "type", "toolCall",
	    "id", b->id, "name", b->name, "arguments", args);
	if (b->json == NULL) {
		pstream_errorf(s, PROVIDER_TRANSIENT, 0, "out of memory");
		return;
	}
	ev.content_index = b->content_index;
	ev.block = b->json;
	report(s, &ev);
}

/* A new reference; NULL for a block without content. */
static json_t *
block_json(struct block *b)
{
	json_t	*j = NULL;

	switch (b->type) {
	case BLOCK_NONE:
		break;
	case BLOCK_TEXT:
		if (b->text.n == 0 && b->signature.n == 0)
			break;
		j = json_pack("{s:s,s:s%}", "type", "text", "text",
		    dbuf_str(&b->text), b->text.n);
		if (j != NULL && b->signature.n > 0)
			json_object_set_new_nocheck(j, "textSignature",
			    json_stringn_nocheck(b->signature.p,
			    b->signature.n));
		break;
	case BLOCK_THINKING:
		j = json_pack("{s:s,s:s%}", "type", "thinking", "thinking",
		    dbuf_str(&b->text), b->text.n);
		if (j != NULL && b->signature.n > 0)
			json_object_set_new_nocheck(j, "thinkingSignature",
			    json_stringn_nocheck(b->signature.p,
			    b->signature.n));
		if (j != NULL && b->redacted)
			json_object_set_new_nocheck(j, "redacted",
			    json_true());
		break;
	case BLOCK_CALL:
		j = json_incref(b->json);
		break;
	}
	return j;
}

static void
report(struct pstream *s, struct pstream_event *ev)
{
	s->fn(ev, s->arg);
}
