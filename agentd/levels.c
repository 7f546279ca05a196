/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "agentd/levels.h"

/* stored word: other words for it, between blanks */
static const struct { enum level_kind kind; const char *is, *words; } levels[] = {
	{ LEVEL_THINKING, "off", " off " },
	{ LEVEL_THINKING, "minimal", " min minimal think " },
	{ LEVEL_THINKING, "low", " low on enable enabled thinkhard think-hard "
	    "think_hard " },
	{ LEVEL_THINKING, "medium", " mid med medium thinkharder think-harder "
	    "harder " },
	{ LEVEL_THINKING, "high", " high ultra ultrathink thinkhardest highest "
	    "max " },
	{ LEVEL_THINKING, "xhigh", " xhigh x-high x_high " },
	{ LEVEL_VERBOSE, "off", " off false no 0 " },
	{ LEVEL_VERBOSE, "on", " on minimal true yes 1 " },
	{ LEVEL_VERBOSE, "full", " full all everything " },
	{ LEVEL_REASONING, "off", " off false no 0 hide hidden disable "
	    "disabled " },
	{ LEVEL_REASONING, "on", " on true yes 1 show visible enable "
	    "enabled " },
	{ LEVEL_REASONING, "stream", " stream streaming draft live " },
	{ LEVEL_USAGE, "off", " off false no 0 disable disabled " },
	{ LEVEL_USAGE, "tokens", " tokens token tok minimal min on true yes 1 "
	    "enable enabled " },
	{ LEVEL_USAGE, "full", " full session " },
	{ LEVEL_ELEVATED, "off", " off false no 0 " },
	{ LEVEL_ELEVATED, "on", " on true yes 1 " },
	{ LEVEL_ELEVATED, "ask", " ask prompt approval approve " },
	{ LEVEL_ELEVATED, "full", " full auto auto-approve autoapprove " },
	{ LEVEL_EXEC_HOST, "sandbox", " sandbox " },
	{ LEVEL_EXEC_HOST, "gateway", " gateway " },
	{ LEVEL_EXEC_HOST, "node", " node " },
	{ LEVEL_EXEC_SECURITY, "deny", " deny " },
	{ LEVEL_EXEC_SECURITY, "allowlist", " allowlist " },
	{ LEVEL_EXEC_SECURITY, "full", " full " },
	{ LEVEL_EXEC_ASK, "off", " off " },
	{ LEVEL_EXEC_ASK, "on-miss", " on-miss " },
	{ LEVEL_EXEC_ASK, "always", " always " },
	{ LEVEL_SEND_POLICY, "allow", " allow " },
	{ LEVEL_SEND_POLICY, "deny", " deny " },
	{ LEVEL_ACTIVATION, "mention", " mention " },
	{ LEVEL_ACTIVATION, "always", " always " },
};

static const char *const xhigh[] = { "openai/gpt-5.2",
	"openai-codex/gpt-5.2-codex", "openai-codex/gpt-5.1-codex" };

const char *
level_parse(enum level_kind kind, struct str word)
{
	char	 low[32];
	size_t	 i;

	word = str_trim(word);
	if (word.n == 0 || word.n > sizeof(low) - 3)
		return NULL;
	low[0] = ' ';
	for (i = 0; i < word.n; i++) {
		low[i + 1] = (char)ascii_tolower((unsigned char)word.p[i]);
		if (low[i + 1] == ' ' || low[i + 1] == '\0')
			return NULL;
	}
	low[i + 1] = ' ';
	low[i + 2] = '\0';
	for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (levels[i].kind == kind &&
		    strstr(levels[i].words, low) != NULL)
			return levels[i].is;
	return NULL;
}

bool
level_has_xhigh(const char *provider, const char *model)
{
	char	 ref[256];
	size_t	 i;
	int	 n = snprintf(ref, sizeof(ref), "%s/%s", provider, model);

	if (n < 0 || (size_t)n >= sizeof(ref))
		return false;
	for (i = 0; i < sizeof(xhigh) / sizeof(xhigh[0]); i++)
		if (ascii_casecmp(ref, xhigh[i]) == 0)
			return true;
	return false;
}

const char *
level_xhigh_models(void)
{
	static char	 text[128];

	snprintf(text, sizeof(text), "%s, %s or %s", xhigh[0], xhigh[1],
	    xhigh[2]);
	return text;
}
