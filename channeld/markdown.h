/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What an agent writes, made ready for a channel in three steps that know
 * nothing of each other: parse (md4c) into plain text with spans over it, cut
 * into pieces that fit one message, render a piece with a channel's renderer.
 * Because a piece is a range of the text, every span that it cuts is closed at
 * its end and opened again in the next one without special cases.
 * Pure: no I/O, no channel state.
 */
#ifndef CHANNELD_MARKDOWN_H
#define CHANNELD_MARKDOWN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/dbuf.h"
#include "common/text.h"

#define MARKDOWN_MAX_IN		(256u << 10)	/* bytes of CH_DELIVER.text */
#define MARKDOWN_MAX_OUT	(1u << 20)
#define MARKDOWN_MAX_HREF	2048

enum markdown_kind {
	SPAN_BOLD, SPAN_ITALIC, SPAN_STRIKE, SPAN_SPOILER, SPAN_CODE,
	SPAN_LINK,			/* arg: the URL */
	SPAN_PRE,			/* arg: the language, or NULL */
	SPAN_QUOTE,
	SPAN_KIND_MAX
};

/* In the order they open; they nest as far as md4c's call-backs do, and a
 * renderer closes them in the order of a stack whatever their ends. */
struct markdown_span {
	size_t			 from, to;	/* bytes of the text */
	enum markdown_kind	 kind;
	char			*arg;
};

struct markdown_doc {
	struct dbuf		 text;
	struct markdown_span	*spans;
	size_t			 nspans, cap;
};

enum markdown_tables { TABLES_CODE, TABLES_BULLETS, TABLES_OFF };

/* Input that is not valid UTF-8 is mended; text over MARKDOWN_MAX_IN is cut;
 * markup that would take md4c too far is taken as plain text.  NULL: out of
 * memory. */
struct markdown_doc *markdown_parse(struct str, enum markdown_tables);
/* The same without reading any markup. */
struct markdown_doc *markdown_plain(struct str);
void	 markdown_free(struct markdown_doc *);

enum markdown_unit { UNIT_UTF16, UNIT_CODEPOINT, UNIT_BYTE };

struct markdown_limit {
	size_t			 max;		/* units, at least 16 */
	enum markdown_unit	 unit;
	bool			 paragraphs;	/* each its own message */
};

/* One piece: [from, to) of the text; next is where the search goes on. */
struct markdown_piece {
	size_t	 from, to, next;
};

/* The piece behind *p (start with all zero); false at the end.  A piece is
 * never empty, fits the limit also when its links are written out, and ends at
 * a code-point border: of paragraphs, else of lines, sentences, words.  It does
 * not cut an inline span that fits a message of its own. */
bool	 markdown_next(const struct markdown_doc *,
	    const struct markdown_limit *, struct markdown_piece *);
size_t	 markdown_units(struct str, enum markdown_unit);

struct markdown_renderer {
	const char	*name;
	struct {
		const char	*open, *close;
	}		 tag[SPAN_KIND_MAX];
	/* Spans whose tag carries their argument; may be NULL. */
	void		(*open)(struct dbuf *, const struct markdown_span *);
	/* With the span's whole length in this piece, for a suffix. */
	void		(*close)(struct dbuf *, const struct markdown_span *,
			    struct str shown);
	/* Text between tags. */
	void		(*text)(struct dbuf *, struct str);
};

extern const struct markdown_renderer markdown_telegram;
extern const struct markdown_renderer markdown_text;

/* 0, or -1 when out did not take it all. */
int	 markdown_render(const struct markdown_doc *,
	    const struct markdown_piece *, const struct markdown_renderer *,
	    struct dbuf *out);

/* Escapes & < > " for Telegram's HTML. */
void	 markdown_html_escape(struct dbuf *, struct str);

#endif
