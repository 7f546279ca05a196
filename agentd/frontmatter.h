/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The head of a SKILL.md: what stands between two lines of "---", in the part
 * of YAML that people write there: keys with plain, quoted, folded and literal
 * texts, lists and maps by indentation or in brackets, JSON5.  No anchors, no
 * tags, one document.  Pure: no I/O, no log; whoever wrote the file may be
 * hostile.
 */
#ifndef AGENTD_FRONTMATTER_H
#define AGENTD_FRONTMATTER_H

#include "gatewayd/config/json5.h"

#define FRONT_DEPTH_MAX	16	/* maps and lists inside another */
#define FRONT_NODES_MAX	2048	/* values in all */

/*
 * The head as an object in the pool.  Texts are JSON5_STRING, also those that
 * look like numbers, but true, false and null without quotes are what they
 * are.  NULL: there is none, or *why says what is wrong with it ("" when the
 * text just does not begin with "---").
 */
struct json5 *front_parse(struct json5_pool *, const char *text, size_t n,
	    const char **why);
/* A value of the object as text, true and false too; dflt when it is absent,
 * null, a list or a map. */
const char *front_text(const struct json5 *, const char *key,
	    const char *dflt);
/* yes, on, 1, true ... in any case of letters. */
bool	 front_bool(const struct json5 *, const char *key, bool dflt);

#endif
