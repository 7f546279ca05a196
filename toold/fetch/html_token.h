/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Hostile HTML as a row of tokens: text, start tags, end tags.  Comments,
 * declarations and processing instructions are left out; what scripts, styles
 * and titles hold is one text.  Nothing is copied, nothing allocated, nothing
 * refused; each byte is looked at once.  The bytes are valid UTF-8.
 */
#ifndef TOOLD_FETCH_HTML_TOKEN_H
#define TOOLD_FETCH_HTML_TOKEN_H

#include <stdbool.h>

#include "common/text.h"

enum html_kind { HTML_TEXT, HTML_START, HTML_END };

struct html_token {
	enum html_kind	kind;
	struct str	text;	/* as it stands there */
	struct str	name;	/* of a tag, in its own case */
	struct str	attrs;	/* the rest of a start tag */
	bool		raw;	/* text without character references */
};

struct html_lexer {
	struct str	all;
	size_t		i;
	struct str	until;	/* the next text ends at this end tag */
	bool		raw;
};

void	 html_lexer_init(struct html_lexer *, struct str);
bool	 html_next(struct html_lexer *, struct html_token *);
/* Takes the next attribute off; value may be empty. */
bool	 html_attr_next(struct str *attrs, struct str *name,
	    struct str *value);
/* One character of text or of a value, as UTF-8 in out; how many bytes of s it
 * took (s.n > 0). */
size_t	 html_char(struct str s, bool raw, char out[4], size_t *outn);

#endif
