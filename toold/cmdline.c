/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See cmdline.h.  One pass; every byte that is not known to be harmless where
 * it stands ends it. */
#include "common/compat.h"

#include "toold/cmdline.h"

static const char *const texts[CMDLINE_ERR_MAX] = {
	[CMDLINE_OK] = "",
	[CMDLINE_EMPTY] = "it is empty",
	[CMDLINE_CONTROL] = "it holds a control character",
	[CMDLINE_LINES] = "it has more than one line",
	[CMDLINE_QUOTE] = "a quotation mark is not closed",
	[CMDLINE_REDIRECT] = "it redirects input or output",
	[CMDLINE_EXPANSION] = "it uses $ or a back-tick",
	[CMDLINE_GROUP] = "it uses brackets",
	[CMDLINE_BACKGROUND] = "it uses &",
	[CMDLINE_PATTERN] = "it uses a pattern (* ? [)",
	[CMDLINE_HOME] = "it uses ~",
	[CMDLINE_COMMENT] = "it holds a comment",
	[CMDLINE_ASSIGNMENT] = "it sets a variable in front of a program",
	[CMDLINE_RESERVED] = "it uses a word of the shell's own",
	[CMDLINE_OPERATOR] = "a command is missing beside | & or ;",
	[CMDLINE_TOO_MANY] = "it has too many parts",
	[CMDLINE_MEMORY] = "out of memory",
};

/* Only as the first word, and only when nothing of it is quoted. */
static const char *const reserved[] = { "!", "if", "then", "else", "elif",
	"fi", "do", "done", "case", "esac", "while", "until", "for", "in",
	"function", "select", "time", "coproc" };

struct reader {
	const char	*p, *end;
	char		*out;
	bool		 quoted;	/* something of this word */
};

const char *
cmdline_err_text(enum cmdline_err e)
{
	return (unsigned int)e < CMDLINE_ERR_MAX ? texts[e] : "?";
}

static enum cmdline_err
read_single(struct reader *r)
{
	for (r->p++; r->p < r->end && *r->p != '\''; r->p++) {
		if (*r->p == '\n')
			return CMDLINE_LINES;
		*r->out++ = *r->p;
	}
	if (r->p == r->end)
		return CMDLINE_QUOTE;
	r->p++;
	return CMDLINE_OK;
}

static enum cmdline_err
read_double(struct reader *r)
{
	for (r->p++; r->p < r->end && *r->p != '"'; r->p++) {
		if (*r->p == '\n')
			return CMDLINE_LINES;
		if (*r->p == '$' || *r->p == '`')
			return CMDLINE_EXPANSION;
		/* Some shells take ! for history inside these. */
		if (*r->p == '\\') {
			if (r->end - r->p < 2)
				return CMDLINE_QUOTE;
			if (r->p[1] == '\n')
				return CMDLINE_LINES;
			if (r->p[1] == '$' || r->p[1] == '`' ||
			    r->p[1] == '"' || r->p[1] == '\\')
				r->p++;
		}
		*r->out++ = *r->p;
	}
	if (r->p == r->end)
		return CMDLINE_QUOTE;
	r->p++;
	return CMDLINE_OK;
}

/* A byte outside of quotes: may it be part of a word as it is? */
static enum cmdline_err
plain_byte(char c, bool first, bool first_word)
{
	switch (c) {
	case '\n':
		return CMDLINE_LINES;
	case '<':
	case '>':
		return CMDLINE_REDIRECT;
	case '$':
	case '`':
		return CMDLINE_EXPANSION;
	case '(':
	case ')':
	case '{':
	case '}':
		return CMDLINE_GROUP;
	case '*':
	case '?':
	case '[':
	case ']':
		return CMDLINE_PATTERN;
	case '~':
		return CMDLINE_HOME;
	case '#':
		return first ? CMDLINE_COMMENT : CMDLINE_OK;
	case '=':
		return first_word ? CMDLINE_ASSIGNMENT : CMDLINE_OK;
	default:
		return CMDLINE_OK;
	}
}

/* One word, from a byte that is neither blank nor operator. */
static enum cmdline_err
read_word(struct reader *r, bool first_word)
{
	const char	*start = r->p;
	enum cmdline_err err;

	r->quoted = false;
	while (r->p < r->end && strchr(" \t|&;", *r->p) == NULL) {
		if (*r->p == '\'' || *r->p == '"') {
			r->quoted = true;
			err = *r->p == '"' ? read_double(r) : read_single(r);
			if (err != CMDLINE_OK)
				return err;
			continue;
		}
		if (*r->p == '\\') {
			if (r->end - r->p < 2)
				return CMDLINE_QUOTE;
			r->p++;
			if (*r->p == '\n')
				return CMDLINE_LINES;
			r->quoted = true;
			*r->out++ = *r->p++;
			continue;
		}
		err = plain_byte(*r->p, r->p == start, first_word);
		if (err != CMDLINE_OK)
			return err;
		*r->out++ = *r->p++;
	}
	*r->out++ = '\0';
	return CMDLINE_OK;
}

/* An operator at r->p; the reader moves behind it. */
static enum cmdline_err
read_op(struct reader *r, enum cmdline_op *op)
{
	char	 c = *r->p++, next = r->p < r->end ? *r->p : '\0';

	if (c == ';') {
		*op = CMDLINE_SEQ;
		return next == ';' ? CMDLINE_OPERATOR : CMDLINE_OK;
	}
	if (c == '&') {
		if (next != '&')
			return next == '>' ? CMDLINE_REDIRECT :
			    CMDLINE_BACKGROUND;
		r->p++;
		*op = CMDLINE_AND;
		return CMDLINE_OK;
	}
	if (next == '&')
		return CMDLINE_BACKGROUND;
	*op = CMDLINE_PIPE;
	if (next == '|') {
		r->p++;
		*op = CMDLINE_OR;
	}
	return CMDLINE_OK;
}

static bool
is_reserved(const char *word)
{
	size_t	 i;

	for (i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (strcmp(word, reserved[i]) == 0)
			return true;
	return false;
}

static enum cmdline_err
parse(struct cmdline *c, struct reader *r)
{
	struct cmdline_segment	*s = NULL;	/* the open one */
	enum cmdline_err	 err;
	char			*word;

	for (;;) {
		while (r->p < r->end && (*r->p == ' ' || *r->p == '\t'))
			r->p++;
		if (r->p == r->end)
			break;
		if (strchr("|&;", *r->p) != NULL) {
			if (s == NULL)
				return CMDLINE_OPERATOR;
			if ((err = read_op(r, &s->op)) != CMDLINE_OK)
				return err;
			s = NULL;
			continue;
		}
		if (c->nwords == CMDLINE_WORDS_MAX || (s == NULL &&
		    c->nseg == CMDLINE_SEGMENTS_MAX))
			return CMDLINE_TOO_MANY;
		word = r->out;
		if ((err = read_word(r, s == NULL)) != CMDLINE_OK)
			return err;
		if (s == NULL) {
			if (*word == '\0')
				return CMDLINE_OPERATOR;
			if (!r->quoted && is_reserved(word))
				return CMDLINE_RESERVED;
			s = &c->seg[c->nseg++];
			s->argv = &c->word[c->nwords];
			s->argc = 0;
			s->op = CMDLINE_END;
		}
		c->word[c->nwords++] = word;
		s->argc++;
	}
	if (c->nseg == 0)
		return CMDLINE_EMPTY;
	if (s == NULL) {	/* ends in an operator: only ";" may */
		s = &c->seg[c->nseg - 1];
		if (s->op != CMDLINE_SEQ)
			return CMDLINE_OPERATOR;
		s->op = CMDLINE_END;
	}
	return CMDLINE_OK;
}

enum cmdline_err
cmdline_parse(struct cmdline *c, struct str command)
{
	struct reader	 r;
	enum cmdline_err err;
	size_t		 i;

	memset(c, 0, sizeof(*c));
	/* A line feed at either end is not another line. */
	command = str_trim(command);
	for (i = 0; i < command.n; i++) {
		unsigned char b = (unsigned char)command.p[i];

		if ((b < 0x20 && b != '\t' && b != '\n') || b == 0x7f)
			return CMDLINE_CONTROL;
	}
	/* Each word is at most as long as its source, and is followed by a
	 * byte of it or by the end. */
	if ((c->text = malloc(command.n + 2)) == NULL)
		return CMDLINE_MEMORY;
	r.p = command.p;
	r.end = command.p + command.n;
	r.out = c->text;
	if ((err = parse(c, &r)) != CMDLINE_OK)
		cmdline_clear(c);
	return err;
}

void
cmdline_clear(struct cmdline *c)
{
	free(c->text);
	c->text = NULL;
	c->nseg = c->nwords = 0;
}

void
cmdline_quote(struct dbuf *b, const char *word)
{
	dbuf_putc(b, '\'');
	for (; *word != '\0'; word++) {
		if (*word == '\'')
			dbuf_puts(b, "'\\''");
		else
			dbuf_putc(b, *word);
	}
	dbuf_putc(b, '\'');
}

bool
cmdline_visible(struct str s)
{
	uint32_t	 cp;
	size_t		 i, k;

	for (i = 0; i < s.n; i += k) {
		if ((k = utf8_decode(s.p + i, s.n - i, &cp)) == 0)
			return false;
		if ((cp < 0x20 && cp != '\t' && cp != '\n') ||
		    (cp >= 0x7f && cp < 0xa0) || cp == 0xad || cp == 0x34f ||
		    cp == 0x61c || cp == 0x115f || cp == 0x1160 ||
		    cp == 0x17b4 || cp == 0x17b5 ||
		    (cp >= 0x180b && cp <= 0x180e) ||
		    (cp >= 0x200b && cp <= 0x200f) ||
		    (cp >= 0x2028 && cp <= 0x202e) ||
		    (cp >= 0x2060 && cp <= 0x206f) || cp == 0x3164 ||
		    (cp >= 0xfe00 && cp <= 0xfe0f) || cp == 0xfeff ||
		    cp == 0xffa0 || (cp >= 0xfff0 && cp <= 0xfffb) ||
		    (cp >= 0xe0000 && cp <= 0xe0fff))
			return false;
	}
	return true;
}
