/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <inttypes.h>

#include "agentd/json_load.h"
#include "agentd/providers/builtin.h"
#include "agentd/providers/wire.h"

#define DELTA_MIN	12	/* code points, EP-6 */
#define DELTA_MAX	24
#define STALL_STEP_MS	1000

static void	 estimate_usage(struct bplayer *,
		    const struct provider_context *);
static size_t	 delta_length(struct bplayer *, const char *, size_t);

/* --- plans ----------------------------------------------------------------- */

void
bplan_clear(struct bplan *p)
{
	size_t	 i;

	for (i = 0; i < p->n; i++) {
		free(p->s[i].a);
		free(p->s[i].b);
		free(p->s[i].id);
	}
	free(p->s);
	memset(p, 0, sizeof(*p));
}

struct bstep *
bplan_add(struct bplan *p, enum bstep_kind kind, const char *a, size_t an)
{
	struct bstep	*s;
	size_t		 cap;

	if (p->err)
		return NULL;
	if (p->n == p->cap) {
		cap = p->cap == 0 ? 8 : p->cap * 2;
		if (cap > BPLAN_STEPS_MAX ||
		    (s = reallocarray(p->s, cap, sizeof(*s))) == NULL) {
			p->err = true;
			return NULL;
		}
		p->s = s;
		p->cap = cap;
	}
	s = &p->s[p->n];
	memset(s, 0, sizeof(*s));
	s->kind = kind;
	if (a != NULL) {
		if ((s->a = malloc(an + 1)) == NULL) {
			p->err = true;
			return NULL;
		}
		memcpy(s->a, a, an);
		s->a[an] = '\0';
		s->an = an;
	}
	p->n++;
	return s;
}

void
bplan_text(struct bplan *p, const char *text, const char *signature)
{
	struct bstep	*s;

	if ((s = bplan_add(p, BS_TEXT, text, strlen(text))) == NULL ||
	    signature == NULL)
		return;
	if ((s->b = strdup(signature)) == NULL)
		p->err = true;
	else
		s->bn = strlen(signature);
}

void
bplan_call(struct bplan *p, const char *name, json_t *args)
{
	struct bstep	*s;

	if ((s = bplan_add(p, BS_CALL, name, strlen(name))) != NULL) {
		s->b = json_dumps(args, JSON_COMPACT | JSON_PRESERVE_ORDER);
		if (s->b == NULL)
			p->err = true;
		else
			s->bn = strlen(s->b);
	}
	json_decref(args);
}

/* --- the generator: xoshiro128++, seeded by splitmix32 ---------------------- */

void
brng_seed(struct brng *r, uint32_t seed)
{
	uint32_t	 z;
	int		 i;

	for (i = 0; i < 4; i++) {
		seed += 0x9e3779b9u;
		z = seed;
		z = (z ^ (z >> 16)) * 0x85ebca6bu;
		z = (z ^ (z >> 13)) * 0xc2b2ae35u;
		r->s[i] = z ^ (z >> 16);
	}
}

static uint32_t
rotl(uint32_t x, int k)
{
	return (x << k) | (x >> (32 - k));
}

uint32_t
brng_next(struct brng *r)
{
	uint32_t	*s = r->s;
	uint32_t	 result = rotl(s[0] + s[3], 7) + s[0];
	uint32_t	 t = s[1] << 9;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 11);
	return result;
}

uint32_t
bcrc32(uint32_t crc, const void *data, size_t n)
{
	static uint32_t		 table[256];
	const unsigned char	*p = data;
	uint32_t		 v;
	int			 i, k;

	for (i = table[1] == 0 ? 0 : 256; i < 256; i++) {
		for (v = (uint32_t)i, k = 0; k < 8; k++)
			v = (v >> 1) ^ (0xedb88320u & -(v & 1));
		table[i] = v;
	}
	crc = ~crc;
	while (n-- > 0)
		crc = (crc >> 8) ^ table[(crc ^ *p++) & 0xff];
	return ~crc;
}

/* --- the player -------------------------------------------------------------*/

struct bplayer *
bplayer_new(const struct provider_context *ctx,
    const struct provider_options *opts, struct pstream *ps,
    uint32_t default_pace_ms)
{
	struct bplayer	*b;
	const json_t	*j;
	const char	*sid = opts->session_id != NULL ? opts->session_id : "";
	uint32_t	 seed;
	size_t		 i, calls = 0;

	if ((b = calloc(1, sizeof(*b))) == NULL)
		return NULL;
	b->ps = ps;
	b->pace_ms = default_pace_ms;
	j = json_object_get(opts->builtin, "paceMs");
	if (json_is_integer(j) && json_integer_value(j) >= 0 &&
	    json_integer_value(j) <= 10000)
		b->pace_ms = (uint32_t)json_integer_value(j);
	for (i = 0; i < json_array_size(ctx->messages); i++)
		if (strcmp(bmsg_role(json_array_get(ctx->messages, i)),
		    "assistant") == 0)
			calls++;
	seed = bcrc32(0, sid, strlen(sid));
	j = json_object_get(opts->builtin, "seed");
	if (json_is_integer(j))
		seed = (uint32_t)json_integer_value(j);
	brng_seed(&b->rng, seed + (uint32_t)calls);
	estimate_usage(b, ctx);
	return b;
}

void
bplayer_free(void *engine)
{
	struct bplayer	*b = engine;

	if (b == NULL)
		return;
	bplan_clear(&b->plan);
	free(b);
}

/* Where the next delta ends: a word border after 12 to 24 code points, or the
 * longest word that fits. */
static size_t
delta_length(struct bplayer *b, const char *p, size_t n)
{
	uint32_t	 want, cp;
	size_t		 at = 0, border = 0, len;
	uint32_t	 count = 0;

	if (b->chunk > 0)
		want = b->chunk;
	else
		want = DELTA_MIN + brng_next(&b->rng) %
		    (DELTA_MAX - DELTA_MIN + 1);
	while (at < n && count < want) {
		if ((len = utf8_decode(p + at, n - at, &cp)) == 0)
			len = 1;
		at += len;
		count++;
		if (cp == ' ' || cp == '\n' || cp >= 0x2e80)
			border = at;
	}
	if (at == n || b->chunk > 0 || border == 0)
		return at;
	return border;
}

static void
step_text(struct bplayer *b, struct bstep *s)
{
	size_t	 n;

	n = delta_length(b, s->a + b->off, s->an - b->off);
	if (s->kind == BS_TEXT)
		pstream_text(b->ps, b->block, s->a + b->off, n);
	else
		pstream_thinking(b->ps, b->block, s->a + b->off, n);
	b->usage.output += (n + 3) / 4;
	b->off += n;
	if (b->off < s->an)
		return;
	if (s->b != NULL)
		pstream_signature(b->ps, b->block, s->b, s->bn, false);
	pstream_end(b->ps, b->block++);
	b->off = 0;
	b->at++;
}

/* One fragment of each call of the group, or of the one call. */
static void
step_call(struct bplayer *b)
{
	struct bstep	*s;
	size_t		 i, g, from, to;
	uint32_t	 frag;
	bool		 more = false;

	if (b->group <= b->at) {
		b->group = b->at + 1;
		while (b->group < b->plan.n && b->plan.s[b->group].interleave &&
		    b->plan.s[b->group].kind == BS_CALL)
			b->group++;
		b->part = 0;
	}
	for (i = b->at; i < b->group; i++) {
		s = &b->plan.s[i];
		g = i - b->at;
		if (b->part == 0) {
			char	 id[24];

			snprintf(id, sizeof(id), "call_b%08" PRIx32,
			    brng_next(&b->rng));
			pstream_toolcall(b->ps, b->block + (unsigned int)g,
			    s->id != NULL ? s->id : id, s->a);
			b->usage.output += 5 + (s->bn + 3) / 4;
		}
		frag = s->n == 0 ? 1 : s->n;
		if (b->part < frag) {
			from = s->bn * b->part / frag;
			to = s->bn * (b->part + 1) / frag;
			pstream_toolargs(b->ps, b->block + (unsigned int)g,
			    s->b + from, to - from);
			if (b->part + 1 < frag)
				more = true;
		}
	}
	b->part++;
	if (more)
		return;
	for (i = b->at; i < b->group; i++)
		pstream_end(b->ps, b->block++);
	b->at = b->group;
}

static void
step_fail(struct bplayer *b, const struct bstep *s)
{
	struct provider_error	 e;

	memset(&e, 0, sizeof(e));
	e.class = s->class;
	e.retry_after_ms = s->retry_ms;
	if (s->n != 0)
		snprintf(e.message, sizeof(e.message), "HTTP %u: %s",
		    (unsigned int)s->n, s->a);
	else
		strlcpy(e.message, s->a, sizeof(e.message));
	pstream_error(b->ps, &e);
}

void
bplayer_step(void *engine, uint32_t *delay_ms)
{
	struct bplayer	*b = engine;
	struct bstep	*s;

	*delay_ms = 0;
	if (pstream_ended(b->ps))
		return;
	if (b->plan.err) {
		pstream_errorf(b->ps, PROVIDER_FORMAT, 0,
		    "the built-in engine ran out of room");
		return;
	}
	if (b->at >= b->plan.n) {
		b->usage.known = true;
		pstream_usage(b->ps, &b->usage);
		pstream_done(b->ps, STOP_STOP);
		return;
	}
	s = &b->plan.s[b->at];
	switch (s->kind) {
	case BS_TEXT:
	case BS_THINK:
		step_text(b, s);
		*delay_ms = b->pace_ms;
		return;
	case BS_CALL:
		step_call(b);
		return;
	case BS_PAUSE:
		*delay_ms = s->n;
		break;
	case BS_CHUNK:
		b->chunk = s->n;
		break;
	case BS_STALL:
		*delay_ms = STALL_STEP_MS;
		return;		/* for ever */
	case BS_CUT:
		pstream_errorf(b->ps, PROVIDER_TRANSIENT, 0,
		    "the stream was cut short");
		return;
	case BS_FAIL:
		step_fail(b, s);
		return;
	case BS_USAGE:
		b->usage = s->usage;
		break;
	case BS_STOP:
		b->usage.known = true;
		pstream_usage(b->ps, &b->usage);
		pstream_done(b->ps, s->stop);
		return;
	}
	b->at++;
}

/* --- reading a transcript ---------------------------------------------------*/

const char *
bmsg_role(const json_t *msg)
{
	return json_text(msg, "role", "");
}

int
bmsg_text(const json_t *msg, struct dbuf *out)
{
	return wire_text(json_object_get(msg, "content"), out);
}

/* The end of the line at p. */
static size_t
line_end(struct str t)
{
	const char	*nl = memchr(t.p, '\n', t.n);

	return nl == NULL ? t.n : (size_t)(nl - t.p) + 1;
}

static struct str
after(struct str t, const char *mark)
{
	const char	*p;
	size_t		 n = strlen(mark);

	p = t.n == 0 ? NULL : memmem(t.p, t.n, mark, n);
	if (p == NULL)
		return t;
	t.n -= (size_t)(p + n - t.p);
	t.p = p + n;
	return t;
}

/* Is this bracket an envelope (spec sessions 11)?  It has a date or an id. */
static bool
is_envelope(struct str b)
{
	size_t	 i;

	if (memmem(b.p, b.n, " id:", 4) != NULL)
		return true;
	for (i = 0; i + 9 < b.n; i++)
		if (ascii_isdigit(b.p[i]) && ascii_isdigit(b.p[i + 3]) &&
		    b.p[i + 4] == '-' && ascii_isdigit(b.p[i + 5]) &&
		    b.p[i + 7] == '-' && ascii_isdigit(b.p[i + 8]))
			return true;
	return false;
}

struct str
bmsg_own_words(struct str t)
{
	static const char *const host[] = { "System: ", "[media attached",
	    "To send an image back" };
	const char	*p;
	size_t		 i, e;
	bool		 again;

	t = after(t, "[Current message - respond to this]");
	do {
		again = false;
		t = str_trim(t);
		for (i = 0; i < sizeof(host) / sizeof(host[0]); i++)
			if (str_prefix(t, host[i])) {
				e = line_end(t);
				t.p += e;
				t.n -= e;
				again = true;
			}
	} while (again && t.n > 0);
	if (t.n > 0 && t.p[0] == '[' &&
	    (p = memchr(t.p, ']', t.n < 400 ? t.n : 400)) != NULL &&
	    is_envelope((struct str){ t.p, (size_t)(p - t.p) })) {
		t.n -= (size_t)(p + 1 - t.p);
		t.p = p + 1;
	}
	if (t.n > 0 && (p = memmem(t.p, t.n, "\n[Replying to ", 14)) != NULL)
		t.n = (size_t)(p - t.p);
	if (t.n > 0 && (p = memmem(t.p, t.n, "\n[message_id:", 13)) != NULL)
		t.n = (size_t)(p - t.p);
	if (t.n > 0 && (p = memmem(t.p, t.n, "\n[from:", 7)) != NULL)
		t.n = (size_t)(p - t.p);
	return str_trim(t);
}

ssize_t
bmsg_last_user(const json_t *messages, size_t before)
{
	size_t	 i;

	for (i = before; i > 0; i--)
		if (strcmp(bmsg_role(json_array_get(messages, i - 1)), "user")
		    == 0)
			return (ssize_t)(i - 1);
	return -1;
}

bool
btools_has(const json_t *tools, const char *name)
{
	size_t	 i;

	for (i = 0; i < json_array_size(tools); i++)
		if (strcmp(json_text(json_array_get(tools, i), "name", ""),
		    name) == 0)
			return true;
	return false;
}

/* --- usage ----------------------------------------------------------------- */

static uint64_t
text_tokens(const json_t *j)
{
	return (json_string_length(j) + 3) / 4;
}

uint64_t
bmsg_tokens(const json_t *msg)
{
	const json_t	*content = json_object_get(msg, "content"), *b, *args;
	uint64_t	 n = 4;
	size_t		 i;
	const char	*type;

	if (json_is_string(content))
		return n + text_tokens(content);
	for (i = 0; i < json_array_size(content); i++) {
		b = json_array_get(content, i);
		type = json_text(b, "type", "");
		if (strcmp(type, "text") == 0)
			n += text_tokens(json_object_get(b, "text"));
		else if (strcmp(type, "thinking") == 0)
			n += text_tokens(json_object_get(b, "thinking"));
		else if (strcmp(type, "image") == 0)
			n += 1200;
		else if ((args = json_object_get(b, "arguments")) != NULL)
			n += 5 + json_dumpb(args, NULL, 0, JSON_COMPACT) / 4;
	}
	return n;
}

/* What came before the last answer was in the call before and counts as read
 * from a cache; the rest is new. */
static void
estimate_usage(struct bplayer *b, const struct provider_context *ctx)
{
	uint64_t	 head, sum = 0, old = 0, t;
	size_t		 i, n = json_array_size(ctx->messages);
	bool		 seen = false;

	head = (strlen(ctx->system) + 3) / 4 +
	    10 * json_array_size(ctx->tools);
	for (i = 0; i < n; i++) {
		const json_t *m = json_array_get(ctx->messages, i);

		if (strcmp(bmsg_role(m), "assistant") == 0) {
			old = sum;
			seen = true;
		}
		t = bmsg_tokens(m);
		sum += t;
	}
	b->usage.known = true;
	if (seen) {
		b->usage.cache_read = head + old;
		b->usage.input = sum - old;
	} else
		b->usage.input = head + sum;
}
