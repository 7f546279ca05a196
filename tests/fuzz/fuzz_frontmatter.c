/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The head of a SKILL.md, which whoever writes the workspace chooses.  What
 * comes of it must be text that a client can be sent, within the limits.
 */
#include "common/compat.h"

#include "agentd/frontmatter.h"
#include "agentd/skills.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check(const char *s, size_t max)
{
	if (s != NULL && (strlen(s) > max || !utf8_valid(s, strlen(s))))
		abort();
}

static void
check_list(const struct json5 *list)
{
	const struct json5	*m;
	size_t			 n = 0;

	for (m = list->child; m != NULL; m = m->next, n++)
		check(m->s.p, SKILL_ITEM_MAX);
	if (list->type != JSON5_ARRAY || n != list->count ||
	    n > SKILL_LIST_MAX)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct json5_pool	*pool = json5_pool_new(64u << 20);
	struct skill		 sk;
	const char		*why = NULL;
	size_t			 i;

	if (pool == NULL || n > SKILL_HEAD_MAX)
		goto out;
	memset(&sk, 0, sizeof(sk));
	sk.name = "folder";
	if (skill_read(pool, &sk, (const char *)data, n, &why) == -1) {
		if (why == NULL || *why == '\0')
			abort();
		goto free;
	}
	check(sk.name, SKILL_NAME_MAX);
	check(sk.key, SKILL_NAME_MAX);
	check(sk.description, SKILL_TEXT_MAX);
	check(sk.emoji, 64);
	check(sk.homepage, 2048);
	check(sk.primary_env, SKILL_ITEM_MAX);
	check_list(sk.bins);
	check_list(sk.any_bins);
	check_list(sk.env);
	check_list(sk.config);
	check_list(sk.os);
	if (sk.ninstall > SKILL_INSTALL_MAX || sk.name[0] == '\0' ||
	    sk.description[0] == '\0')
		abort();
	for (i = 0; i < sk.ninstall; i++) {
		check(sk.install[i].label, SKILL_ITEM_MAX);
		check(sk.install[i].url, 2048);
		check_list(sk.install[i].bins);
		check_list(sk.install[i].os);
	}
free:
	free(sk.install);
out:
	json5_pool_free(pool);
	return 0;
}
