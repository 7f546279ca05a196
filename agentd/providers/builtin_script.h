/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Scripts of builtin/script in the "turns" notation (spec embedded-provider
 * 5.2): what a model answers to which call, for tests and demonstrations.
 * Understood: header; @turn and @on; every matcher; think, text (string or
 * <<HEREDOC), call, rawcall, par, pause, chunk, stall, cut, fail, expect,
 * usage, stop.  Templates in texts: {{user}}, {{now}}, {{result.text}},
 * {{result.<id>.text}}, with the filters lines:a-b, count, upper, json.
 */
#ifndef AGENTD_PROVIDERS_BUILTIN_SCRIPT_H
#define AGENTD_PROVIDERS_BUILTIN_SCRIPT_H

#include "agentd/providers/builtin.h"
#include "agentd/providers/builtin_regex.h"

#define BSCRIPT_BYTES_MAX	(1u << 20)
#define BSCRIPT_TURNS_MAX	1024
#define BSCRIPT_EXPANDED_MAX	(1u << 20)

enum bmatch_kind {
	BM_USER_RE, BM_USER_EQ, BM_RESULT, BM_SYSTEM_RE, BM_TOOL, BM_NO_TOOL,
	BM_THINK, BM_MODEL, BM_NTH, BM_IMAGES,
};
struct bmatcher {
	enum bmatch_kind kind;
	char		*text;		/* name, or text to equal */
	struct bregex	*re;
	uint64_t	 n;
	int		 want_error;	/* -1 either */
	struct bmatcher	*next;
};
enum bexpect_kind {
	BX_SYSTEM_RE, BX_SYSTEM_HAS, BX_MESSAGES, BX_NO_ORPHANS, BX_TOOL,
	BX_MSG_RE,
};
struct bexpect {
	enum bexpect_kind kind;
	char		*text;
	struct bregex	*re;
	uint64_t	 n;
	size_t		 line;
	struct bexpect	*next;
};
struct bturn {
	bool		 once;
	size_t		 line;		/* where it stands, from 1 */
	struct bmatcher	*matchers;
	struct bexpect	*expects;
	struct bplan	 plan;		/* texts with templates */
};
enum bscript_mode { BMODE_LENIENT, BMODE_STRICT, BMODE_SEQUENCE };
struct bscript {
	enum bscript_mode mode;
	uint32_t	 seed;
	bool		 has_seed;
	struct bturn	*turns;
	size_t		 n;
	uint32_t	 crc;		/* of the text: its identity */
};

/* NULL with "line N: reason" in why. */
struct bscript *bscript_parse(struct str text, char *why, size_t size);
void	 bscript_free(struct bscript *);

#endif
