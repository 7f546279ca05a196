/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Text work of the built-in helper: folding of code points, a phrase matcher
 * with slots and the distance between two words.  Pure and bounded; knows
 * nothing of intents.
 */
#ifndef AGENTD_PROVIDERS_BUILTIN_TEXT_H
#define AGENTD_PROVIDERS_BUILTIN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text.h"

#define BTEXT_SLOTS	4

/* Lower case, full width to ASCII, typographic quotes and dashes to plain
 * ones, CJK punctuation to its ASCII relative. */
uint32_t btext_fold(uint32_t cp);
bool	 btext_iscjk(uint32_t cp);
bool	 btext_hascjk(struct str);
/* Decodes at t->p, folds, advances.  0 at the end; a bad byte counts as
 * itself. */
uint32_t btext_next(struct str *t);

/* Damerau-Levenshtein distance of two words, or max + 1 when it is larger
 * than max or a word is longer than 32 bytes. */
int	 btext_distance(struct str a, struct str b, int max);

enum btext_slot {
	SLOT_NONE,
	SLOT_PATH,	/* one word that looks like a file name, or quoted */
	SLOT_NAME,	/* one word, or quoted */
	SLOT_WORD,	/* one word of letters and digits */
	SLOT_NUM,	/* decimal digits */
	SLOT_PART,	/* text, as little as lets the rest match */
	SLOT_TEXT,	/* the rest, line breaks included */
	SLOT_CMD,	/* the rest, verbatim */
};
struct btext_match {
	struct {
		enum btext_slot	 kind;
		struct str	 v;	/* into the matched text */
	} slot[BTEXT_SLOTS];
	size_t n;
};

/*
 * Does the pattern describe the whole text?  Pattern: literal text, ( | )
 * alternatives, [ | ] the same or nothing, {path} {name} {word} {num} {part}
 * {text} {cmd}.  A blank stands for blanks or a comma, and for nothing beside
 * CJK text.  Bounded: gives up after a fixed number of steps.
 */
bool	 btext_match(const char *pattern, struct str text,
	    struct btext_match *);
/* Does the pattern end in a slot that takes the rest as it is? */
bool	 btext_takes_rest(const char *pattern);
/* Does this look like the name of a file? */
bool	 btext_ispath(struct str);
/* Takes one pair of quotes or backticks off, also a fenced block. */
struct str btext_unquote(struct str);

#endif
