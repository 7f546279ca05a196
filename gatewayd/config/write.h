/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * A change of the configuration that an administrator asked for: judged here,
 * written by the supervisor.  Nothing is accepted that would not start.
 */
#ifndef GATEWAYD_CONFIG_WRITE_H
#define GATEWAYD_CONFIG_WRITE_H

#include "gatewayd/config/config.h"

struct cf_wish {
	enum cf_verb	 verb;
	const char	*params;	/* of the method, JSON */
	size_t		 n;
	uint64_t	 now_ms;	/* wall clock */
	uint32_t	 pid;		/* of the supervisor */
};

struct cf_verdict {
	struct dbuf	 text;		/* of the file to write */
	struct dbuf	 answer;	/* payload, or the error object */
	struct dbuf	 sentinel;	/* empty: none to write */
	uint32_t	 restart_ms;	/* UINT32_MAX: none was asked for */
};

/* cf was run over the present file, with whatever result; fresh is run over
 * the text to come, and has paths, flags and callbacks set.  0: write it. */
int	 cf_write(struct cf *cf, struct cf *fresh, const struct cf_wish *,
	    struct cf_verdict *);
void	 cf_verdict_init(struct cf_verdict *);
void	 cf_verdict_clear(struct cf_verdict *);

/* --- restore.c ------------------------------------------------------------ */
/* Puts the secrets back that a client got as CF_REDACTED, and references to
 * the environment that it got resolved: into the tree, and when out is not
 * NULL as text there.  False: some cannot be; the answer names it. */
bool	 cf_restore(const struct cf *, struct json5 *tree, struct str text,
	    struct dbuf *out, struct dbuf *why);

/* logout.c: what channels.logout takes out ({} for nothing; NULL: out of
 * memory), and the payload of its answer. */
struct json5 *cf_logout_patch(struct cf *, const struct json5 *params);
void	 cf_logout_answer(const struct cf *old, const struct cf *new,
	    const struct json5 *params, struct dbuf *);

/* skill_update.c: what skills.update changes (NULL: out of memory), and the
 * payload of its answer from the new configuration, redacted. */
struct json5 *cf_skill_patch(struct cf *, const struct json5 *params);
void	 cf_skill_answer(const struct json5 *shown,
	    const struct json5 *params, struct dbuf *);

#endif
