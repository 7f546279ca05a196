/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What does this sentence of a user ask the built-in helper for?  Pure, driven
 * by builtin_intents.def; never sees anything but the user's own words.
 */
#ifndef AGENTD_PROVIDERS_BUILTIN_UNDERSTAND_H
#define AGENTD_PROVIDERS_BUILTIN_UNDERSTAND_H

#include "agentd/providers/builtin_text.h"

enum bintent {
	B_UNKNOWN,
#define INTENT(n, id, en, zh)	B_##n,
#include "agentd/providers/builtin_intents.def"
	B_MAX
};

#define BCHOICES	4

struct understanding {
	enum bintent	 intent;	/* B_UNKNOWN: see choice */
	int		 score;		/* 0..100 */
	bool		 zh;
	bool		 exact;		/* an exact command form, see EP-14 */
	struct btext_match m;		/* slots point into the text */
	enum bintent	 choice[BCHOICES];	/* "did you mean" */
	size_t		 nchoice;
};

void	 builtin_understand(struct str text, struct understanding *);
const char *bintent_id(enum bintent);		/* "file.make" */
const char *bintent_label(enum bintent, bool zh);
/* The i-th slot of that kind; p is NULL when there is none. */
struct str understanding_slot(const struct understanding *,
	    enum btext_slot, size_t i);

enum banswer { ANSWER_NONE, ANSWER_YES, ANSWER_NO };
/* Is the whole text a yes or a no? */
enum banswer builtin_yesno(struct str);
/* "2", "the second", "二": 1..9; 0 when it is no number. */
int	 builtin_ordinal(struct str);

#endif
