/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Which tools this agent may call, and how strictly commands are judged, from
 * the merged "tools" configuration (json.tools of the parcel).  Judged again
 * at every call, not only when tools are listed (spec/tools.md TL-8).
 */
#ifndef TOOLD_TOOLPOLICY_H
#define TOOLD_TOOLPOLICY_H

#include "toold/tools.h"

/* Stricter ones are smaller. */
enum exec_security { EXEC_DENY, EXEC_ALLOWLIST, EXEC_FULL };
/* Stricter ones are larger. */
enum exec_ask { ASK_OFF, ASK_ON_MISS, ASK_ALWAYS };

struct toolpolicy {
	json_t			*config;	/* json.tools, an object */
	enum exec_security	 security;
	enum exec_ask		 ask;
	uint32_t		 yield_ms;	/* exec.backgroundMs */
	uint32_t		 timeout_s;
	uint32_t		 cleanup_ms;	/* finished sessions are kept */
	size_t			 output_chars;
	bool			 fetch;		/* web.fetch.enabled */
	uint32_t		 fetch_chars;
	uint32_t		 fetch_cache_ms;	/* as the fetcher has it */
	uint32_t		 ask_ms;	/* how long a question stands */
	const json_t		*safe_bins;	/* of config, or NULL */
	char			 path_prepend[1024];
};

/* json may be NULL or "": the defaults.  0, or -1 with a reason in why. */
int	 toolpolicy_init(struct toolpolicy *, struct str json, char *why,
	    size_t size);
void	 toolpolicy_clear(struct toolpolicy *);
/* Otherwise why (of size bytes) says which rule is in the way. */
bool	 toolpolicy_allows(const struct toolpolicy *, const struct tool *,
	    char *why, size_t size);
/* How strictly is this command judged?  args: of exec, checked.  A call can
 * only make it stricter.  false: not at all; why is the text for the model. */
bool	 toolpolicy_exec(const struct toolpolicy *, const json_t *args,
	    enum exec_security *, enum exec_ask *, char *why, size_t size);
/* By name; false, and nothing stored, when it is none. */
bool	 toolpolicy_security(const char *, enum exec_security *);
bool	 toolpolicy_ask(const char *, enum exec_ask *);
const char *toolpolicy_security_name(enum exec_security);
const char *toolpolicy_ask_name(enum exec_ask);

#endif
