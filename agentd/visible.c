/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "agentd/visible.h"
#include "common/text.h"

static const struct { const char *name; bool hides; } tags[] = {
	{ "think", true }, { "thinking", true }, { "thought", true },
	{ "antthinking", true }, { "final", false },
};
#define NTAGS	(sizeof(tags) / sizeof(tags[0]))

enum match { MATCH_NO, MATCH_MAYBE, MATCH_TAG };

/* Is the text at p, which begins with '<', one of our tags? */
static enum match
tag_match(const char *p, size_t n, bool *hides, bool *closes)
{
	size_t	 i, len, at = 1;
	bool	 maybe = false;

	*closes = n > 1 && p[1] == '/';
	if (*closes)
		at = 2;
	for (i = 0; i < NTAGS; i++) {
		len = strlen(tags[i].name);
		if (n - at > len) {
			if (ascii_ncasecmp(p + at, tags[i].name, len) == 0 &&
			    p[at + len] == '>') {
				*hides = tags[i].hides;
				return MATCH_TAG;
			}
		} else if (ascii_ncasecmp(p + at, tags[i].name, n - at) == 0)
			maybe = true;
	}
	return maybe ? MATCH_MAYBE : MATCH_NO;
}

static void
emit(struct visible *v, struct dbuf *out, const char *p, size_t n)
{
	if (v->depth == 0 && n > 0)
		dbuf_put(out, p, n);
}

/* A run of backticks has ended: it opens or closes a code span. */
static void
ticks_end(struct visible *v)
{
	if (v->ticks == 0)
		return;
	if (v->code == 0)
		v->code = v->ticks;
	else if (v->code == v->ticks)
		v->code = 0;
	v->ticks = 0;
}

void
visible_put(struct visible *v, struct dbuf *out, const char *p, size_t n)
{
	size_t	 i, from = 0;
	bool	 hides, closes;

	for (i = 0; i < n; i++) {
		if (v->nheld > 0) {
			v->held[v->nheld++] = p[i];
			from = i + 1;
			switch (tag_match(v->held, v->nheld, &hides,
			    &closes)) {
			case MATCH_MAYBE:
				if (v->nheld < VISIBLE_HOLD)
					continue;
				break;
			case MATCH_TAG:
				if (hides && !closes)
					v->depth++;
				else if (hides && v->depth > 0)
					v->depth--;
				v->nheld = 0;
				continue;
			case MATCH_NO:
				break;
			}
			/* No tag: show it, but its last byte may be '<'. */
			emit(v, out, v->held, v->nheld - 1);
			v->nheld = 0;
			from = i;
		}
		if (p[i] == '`' && v->depth == 0) {
			v->ticks++;
			continue;
		}
		ticks_end(v);
		if (p[i] == '<' && v->code == 0) {
			emit(v, out, p + from, i - from);
			v->held[v->nheld++] = '<';
			from = i + 1;
		}
	}
	emit(v, out, p + from, i > from ? i - from : 0);
}

void
visible_end(struct visible *v, struct dbuf *out)
{
	emit(v, out, v->held, v->nheld);
	memset(v, 0, sizeof(*v));
}
