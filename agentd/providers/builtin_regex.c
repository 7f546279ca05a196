/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <errno.h>

#include "agentd/providers/builtin_regex.h"

#define NODES_MAX	2048
#define GROUPS_MAX	64	/* nested */

enum op { OP_CHAR, OP_ANY, OP_SET, OP_SPLIT, OP_JUMP, OP_BOL, OP_EOL,
	OP_WORDB, OP_MATCH };

struct node {
	enum op		 op;
	unsigned char	 c;
	uint32_t	 set[8];
	int		 x, y;		/* targets */
};
struct bregex {
	struct node	*n;
	int		 len;
	bool		 icase;
};
struct compiler {
	struct bregex	*re;
	const char	*p, *end;
	int		 depth;
	int		 err;
};

static void	 parse_alt(struct compiler *);

static int
emit(struct compiler *c, enum op op)
{
	if (c->re->len >= NODES_MAX) {
		if (c->err == 0)
			c->err = E2BIG;
		return 0;
	}
	memset(&c->re->n[c->re->len], 0, sizeof(struct node));
	c->re->n[c->re->len].op = op;
	return c->re->len++;
}

/* Opens room for one node at `at`; targets behind it move along. */
static void
insert(struct compiler *c, int at, enum op op)
{
	struct node	*n = c->re->n;
	int		 i;

	emit(c, OP_JUMP);
	if (c->err != 0)
		return;
	memmove(&n[at + 1], &n[at], (size_t)(c->re->len - 1 - at) *
	    sizeof(*n));
	for (i = at + 1; i < c->re->len; i++) {
		if (n[i].op != OP_SPLIT && n[i].op != OP_JUMP)
			continue;
		if (n[i].x >= at)
			n[i].x++;
		if (n[i].op == OP_SPLIT && n[i].y >= at)
			n[i].y++;
	}
	memset(&n[at], 0, sizeof(*n));
	n[at].op = op;
}

static void
set_add(struct node *n, unsigned int c)
{
	n->set[c / 32] |= 1u << (c % 32);
}

static bool
set_has(const struct node *n, unsigned int c)
{
	return (n->set[c / 32] >> (c % 32)) & 1;
}

static bool
is_word(int c)
{
	return ascii_isalnum(c) || c == '_' || c >= 0x80;
}

/* \d \w \s and their opposites into the set; false: it is a plain character */
static bool
set_class(struct node *n, char c)
{
	unsigned int	 i;
	bool		 in;
	int		 k = ascii_tolower((unsigned char)c);

	if (k != 'd' && k != 'w' && k != 's')
		return false;
	for (i = 0; i < 256; i++) {
		in = k == 'd' ? ascii_isdigit((int)i) :
		    k == 'w' ? is_word((int)i) : ascii_isspace((int)i);
		if (in == (c == k))
			set_add(n, i);
	}
	return true;
}

static unsigned char
escape(char c)
{
	switch (c) {
	case 'n': return '\n';
	case 't': return '\t';
	case 'r': return '\r';
	default: return (unsigned char)c;
	}
}

static void
parse_set(struct compiler *c)
{
	struct node	*n;
	bool		 negate = false, first = true;
	unsigned int	 lo, hi, i;

	n = &c->re->n[emit(c, OP_SET)];
	if (c->p < c->end && *c->p == '^') {
		negate = true;
		c->p++;
	}
	for (;; first = false) {
		if (c->p >= c->end) {
			c->err = EINVAL;
			return;
		}
		if (*c->p == ']' && !first) {
			c->p++;
			break;
		}
		if (*c->p == '\\' && c->p + 1 < c->end) {
			c->p++;
			if (set_class(n, *c->p)) {
				c->p++;
				continue;
			}
			lo = escape(*c->p++);
		} else
			lo = (unsigned char)*c->p++;
		hi = lo;
		if (c->p + 1 < c->end && c->p[0] == '-' && c->p[1] != ']') {
			hi = (unsigned char)c->p[1];
			c->p += 2;
		}
		for (i = lo; i <= hi; i++)
			set_add(n, i);
	}
	if (c->re->icase)
		for (i = 'a'; i <= 'z'; i++) {
			if (set_has(n, i))
				set_add(n, i - 32);
			else if (set_has(n, i - 32))
				set_add(n, i);
		}
	if (negate)
		for (i = 0; i < 8; i++)
			n->set[i] = ~n->set[i];
}

static void
parse_atom(struct compiler *c)
{
	int	 at = c->re->len, i, back;
	char	 k = *c->p++;

	switch (k) {
	case '(':
		if (++c->depth > GROUPS_MAX) {
			c->err = E2BIG;
			return;
		}
		if (c->p + 1 < c->end && c->p[0] == '?' && c->p[1] == ':')
			c->p += 2;
		parse_alt(c);
		c->depth--;
		if (c->p >= c->end || *c->p != ')') {
			if (c->err == 0)
				c->err = EINVAL;
			return;
		}
		c->p++;
		break;
	case '[':
		parse_set(c);
		break;
	case '.':
		emit(c, OP_ANY);
		break;
	case '^':
		emit(c, OP_BOL);
		return;
	case '$':
		emit(c, OP_EOL);
		return;
	case '*':
	case '+':
	case '?':
		c->err = EINVAL;
		return;
	case '\\':
		if (c->p >= c->end) {
			c->err = EINVAL;
			return;
		}
		k = *c->p++;
		if (k == 'b') {
			emit(c, OP_WORDB);
			return;
		}
		i = emit(c, OP_SET);
		if (!set_class(&c->re->n[i], k)) {
			c->re->n[i].op = OP_CHAR;
			c->re->n[i].c = escape(k);
		}
		break;
	default:
		i = emit(c, OP_CHAR);
		c->re->n[i].c = (unsigned char)(c->re->icase ?
		    ascii_tolower((unsigned char)k) : k);
	}
	while (c->err == 0 && c->p < c->end && (*c->p == '*' || *c->p == '+' ||
	    *c->p == '?')) {
		k = *c->p++;
		if (k == '+') {
			i = emit(c, OP_SPLIT);
			c->re->n[i].x = at;
			c->re->n[i].y = i + 1;
			continue;
		}
		insert(c, at, OP_SPLIT);
		if (k == '*') {
			back = emit(c, OP_JUMP);
			c->re->n[back].x = at;
		}
		c->re->n[at].x = at + 1;
		c->re->n[at].y = c->re->len;
	}
}

static void
parse_alt(struct compiler *c)
{
	int	 at = c->re->len, jump;

	while (c->err == 0 && c->p < c->end && *c->p != ')') {
		if (*c->p == '|') {
			c->p++;
			insert(c, at, OP_SPLIT);
			jump = emit(c, OP_JUMP);
			c->re->n[at].x = at + 1;
			c->re->n[at].y = c->re->len;
			parse_alt(c);
			c->re->n[jump].x = c->re->len;
			return;
		}
		parse_atom(c);
	}
}

struct bregex *
bregex_new(struct str pattern)
{
	struct compiler	 c;
	struct bregex	*re;

	if ((re = calloc(1, sizeof(*re))) == NULL ||
	    (re->n = calloc(NODES_MAX, sizeof(*re->n))) == NULL) {
		free(re);
		errno = ENOMEM;
		return NULL;
	}
	memset(&c, 0, sizeof(c));
	if (str_prefix(pattern, "(?i)")) {
		re->icase = true;
		pattern.p += 4;
		pattern.n -= 4;
	}
	c.re = re;
	c.p = pattern.p;
	c.end = pattern.p + pattern.n;
	if (pattern.n > NODES_MAX)
		c.err = E2BIG;
	else {
		parse_alt(&c);
		if (c.err == 0 && c.p != c.end)
			c.err = EINVAL;
		emit(&c, OP_MATCH);
	}
	if (c.err != 0) {
		bregex_free(re);
		errno = c.err;
		return NULL;
	}
	return re;
}

void
bregex_free(struct bregex *re)
{
	if (re == NULL)
		return;
	free(re->n);
	free(re);
}

struct states {
	int	 at[NODES_MAX];
	int	 n;
	uint32_t in[NODES_MAX / 32];
};

/* Adds a state and what it leads to without a character; an explicit stack
 * keeps the depth bounded. */
static bool
add_state(const struct bregex *re, struct states *s, int at, struct str t,
    size_t pos)
{
	int	 stack[NODES_MAX], n = 0;
	bool	 before, behind;

	stack[n++] = at;
	while (n > 0) {
		at = stack[--n];
		if ((s->in[at / 32] >> (at % 32)) & 1)
			continue;
		s->in[at / 32] |= 1u << (at % 32);
		switch (re->n[at].op) {
		case OP_MATCH:
			return true;
		case OP_JUMP:
			stack[n++] = re->n[at].x;
			break;
		case OP_SPLIT:
			if (n + 2 > NODES_MAX)
				break;
			stack[n++] = re->n[at].y;
			stack[n++] = re->n[at].x;
			break;
		case OP_BOL:
			if (pos == 0 || t.p[pos - 1] == '\n')
				stack[n++] = at + 1;
			break;
		case OP_EOL:
			if (pos == t.n || t.p[pos] == '\n')
				stack[n++] = at + 1;
			break;
		case OP_WORDB:
			before = pos > 0 &&
			    is_word((unsigned char)t.p[pos - 1]);
			behind = pos < t.n && is_word((unsigned char)t.p[pos]);
			if (before != behind)
				stack[n++] = at + 1;
			break;
		case OP_CHAR:
		case OP_ANY:
		case OP_SET:
			s->at[s->n++] = at;
			break;
		}
	}
	return false;
}

bool
bregex_match(const struct bregex *re, struct str t)
{
	struct states	*a, *b, *swap;
	const struct node *n;
	size_t		 pos;
	int		 i;
	unsigned int	 c;
	bool		 hit = false;

	a = calloc(1, sizeof(*a));
	b = calloc(1, sizeof(*b));
	if (a == NULL || b == NULL)
		goto out;
	for (pos = 0; !hit; pos++) {
		/* A match may begin anywhere. */
		if ((hit = add_state(re, a, 0, t, pos)) || pos == t.n)
			break;
		memset(b, 0, sizeof(*b));
		c = (unsigned char)t.p[pos];
		if (re->icase)
			c = (unsigned int)ascii_tolower((int)c);
		for (i = 0; i < a->n && !hit; i++) {
			n = &re->n[a->at[i]];
			if ((n->op == OP_CHAR && n->c == c) ||
			    (n->op == OP_ANY && c != '\n') ||
			    (n->op == OP_SET && set_has(n,
			    (unsigned char)t.p[pos])))
				hit = add_state(re, b, a->at[i] + 1, t,
				    pos + 1);
		}
		swap = a;
		a = b;
		b = swap;
	}
out:
	free(a);
	free(b);
	return hit;
}
