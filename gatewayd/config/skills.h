/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What the configuration says of skills (agentd/skills.h): where they are, and
 * what is set, never what it is set to.
 */
#ifndef GATEWAYD_CONFIG_SKILLS_H
#define GATEWAYD_CONFIG_SKILLS_H

#include "gatewayd/config/agents.h"

#define CF_SKILLS_EXTRA_MAX	8

enum cf_skills_kind { CF_SKILLS_MANAGED, CF_SKILLS_BUNDLED, CF_SKILLS_EXTRA };

struct cf_skills_dirs {
	struct {
		enum cf_skills_kind	 kind;
		const char		*path;
		const char		*mode;	/* of a mount; NULL: none, it
						 * is in the workspace */
	}	 v[CF_SKILLS_EXTRA_MAX + 2];
	size_t	 n;
};

/* Those of one agent of all n. */
void	 cf_skills_dirs(struct cf *, const struct cf_agent *,
	    const struct cf_agent *all, size_t n, struct cf_skills_dirs *);
/* Complains about what of skills.load.extraDirs is not read. */
void	 cf_skills_check(struct cf *, const struct cf_agent *all, size_t n);
/* "skills" of the agent's json.config. */
struct json5 *cf_json_skills(struct cf *, const struct cf_agent *,
	    const struct cf_agent *all, size_t n);

#endif
