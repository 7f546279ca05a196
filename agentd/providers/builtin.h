/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What the engines of the embedded provider share: an answer is first planned
 * as a list of steps, then played step by step into a pstream, cut at word
 * borders by a seeded generator.  No I/O, no clock, no state between calls but
 * the transcript.
 */
#ifndef AGENTD_PROVIDERS_BUILTIN_H
#define AGENTD_PROVIDERS_BUILTIN_H

#include "agentd/provider.h"

#define BPLAN_STEPS_MAX	10000

enum bstep_kind {
	BS_TEXT,	/* a: text, b: signature or NULL */
	BS_THINK,	/* a: text, b: signature or NULL */
	BS_CALL,	/* a: name, b: arguments as sent, id, n: parts, par */
	BS_PAUSE,	/* n: ms */
	BS_CHUNK,	/* n: code points of a delta from here on, 0: seeded */
	BS_STALL,	/* nothing more comes */
	BS_CUT,		/* the stream ends without an end */
	BS_FAIL,	/* class, a: text, n: HTTP status, retry_ms */
	BS_USAGE,	/* usage */
	BS_STOP,	/* stop */
};
struct bstep {
	enum bstep_kind		 kind;
	char			*a, *b, *id;
	size_t			 an, bn;
	uint32_t		 n;
	bool			 interleave;	/* with the call before it */
	enum provider_class	 class;
	uint32_t		 retry_ms;
	enum stop_reason	 stop;
	struct provider_usage	 usage;
};
struct bplan {
	struct bstep	*s;
	size_t		 n, cap;
	bool		 err;		/* out of memory, or too long */
};

void	 bplan_clear(struct bplan *);
/* NULL with plan->err set when it is full. */
struct bstep *bplan_add(struct bplan *, enum bstep_kind, const char *a,
	    size_t an);
void	 bplan_text(struct bplan *, const char *, const char *signature);
/* Takes args. */
void	 bplan_call(struct bplan *, const char *name, json_t *args);

struct brng { uint32_t s[4]; };
void	 brng_seed(struct brng *, uint32_t seed);
uint32_t brng_next(struct brng *);
uint32_t bcrc32(uint32_t crc, const void *, size_t);

/* The engine object of all rows. */
struct bplayer {
	struct pstream		*ps;
	struct bplan		 plan;
	struct brng		 rng;
	struct provider_usage	 usage;
	uint32_t		 pace_ms;
	uint32_t		 chunk;
	size_t			 at;		/* step */
	size_t			 off;		/* in its text */
	size_t			 group;		/* end of interleaved calls */
	uint32_t		 part;		/* of a fragmented call */
	unsigned int		 block;
	bool			 has_usage;
};

/* Seed, usage estimate (EP-20 to 22); the caller fills the plan.  NULL: out
 * of memory. */
struct bplayer *bplayer_new(const struct provider_context *,
	    const struct provider_options *, struct pstream *,
	    uint32_t default_pace_ms);
void	 bplayer_step(void *, uint32_t *delay_ms);
void	 bplayer_free(void *);

/* --- reading a transcript -------------------------------------------------- */

const char *bmsg_role(const json_t *msg);
/* All text blocks of a message (or its string), joined by LF. */
int	 bmsg_text(const json_t *msg, struct dbuf *out);
/* The user's own words of a user message: without envelope, host lines and
 * quotations; points into the text. */
struct str bmsg_own_words(struct str text);
/* Number of messages from the end back to the last of role user, or -1. */
ssize_t	 bmsg_last_user(const json_t *messages, size_t before);
bool	 btools_has(const json_t *tools, const char *name);
/* ceil(bytes/4) per block, 4 per message. */
uint64_t bmsg_tokens(const json_t *msg);

#endif
