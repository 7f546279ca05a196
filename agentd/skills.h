/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Skills: folders with a SKILL.md that tells an agent how to do something
 * (spec subsystems 8).  They are read as text and never run; who may write the
 * workspace may write them, so every limit here is against the file, not for
 * it.  Found anew on each call: what changes is seen the next time.
 */
#ifndef AGENTD_SKILLS_H
#define AGENTD_SKILLS_H

#include <jansson.h>

#include "gatewayd/config/json5.h"

#define SKILLS_EXTRA_MAX	8	/* folders of skills.load.extraDirs */
#define SKILLS_ROOT_MAX		200	/* skills of one folder */
#define SKILLS_NAMES_MAX	10000	/* names looked at in one folder */
#define SKILLS_DIRS_MAX		2000	/* folders in one folder */
#define SKILLS_DEPTH_MAX	8
#define SKILL_HEAD_MAX		65536u	/* bytes of a SKILL.md that are read */
#define SKILL_NAME_MAX		128
#define SKILL_TEXT_MAX		4096	/* of a description; more is cut */
#define SKILL_LIST_MAX		64	/* texts in one list; more are dropped */
#define SKILL_ITEM_MAX		256	/* bytes of one of them */
#define SKILL_INSTALL_MAX	32

/* In rising precedence: of two with one name the later is it. */
enum skill_source { SKILL_EXTRA, SKILL_BUNDLED, SKILL_MANAGED,
	SKILL_WORKSPACE, SKILL_SOURCES };

/* A way to get what a skill needs; texts are NULL when absent. */
struct skill_install {
	const char		*id, *kind, *label, *formula, *package,
				*module, *url;
	const struct json5	*bins, *os;	/* lists */
};

/* Lists are JSON5_ARRAY of JSON5_STRING, never NULL. */
struct skill {
	enum skill_source	 source;
	const char		*name, *description;
	const char		*file, *dir;	/* its SKILL.md; where that is */
	const char		*key;		/* in skills.entries */
	const char		*primary_env, *emoji, *homepage; /* or NULL */
	bool			 always;
	bool			 for_people;	/* user-invocable */
	bool			 for_model;	/* not disable-model-... */
	const struct json5	*bins, *any_bins, *env, *config, *os;
	struct skill_install	*install;
	size_t			 ninstall;
	const struct json5	*head;		/* all of its front matter */
};

struct skills {
	struct json5_pool	*pool;		/* every text is in it */
	struct skill		*v;
	size_t			 n, cap;
};

/* Where to look; NULL: nowhere. */
struct skills_places {
	const char	*workspace;	/* of the agent; skills/ below it */
	const char	*managed, *bundled;
	const char	*extra[SKILLS_EXTRA_MAX];
	size_t		 nextra;
};

/* The places that the configuration names. */
void	 skills_places(struct skills_places *);
/* NULL with errno.  What cannot be read is told in the log and left out. */
struct skills *skills_load(const struct skills_places *);
void	 skills_free(struct skills *);
const struct skill *skills_find(const struct skills *, const char *name);
const char *skill_source_name(enum skill_source);

/* skill_read.c: one file.  Fills *sk from the text of a SKILL.md: 0, or -1
 * with *why.  Texts go into the pool; the caller frees sk->install. */
int	 skill_read(struct json5_pool *, struct skill *sk, const char *text,
	    size_t n, const char **why);

/* --- skill_judge.c: may it be used? --------------------------------------- */

/* Bit i: item i of that list is missing. */
struct skill_verdict {
	bool		 disabled, blocked, eligible;
	uint64_t	 bins, any_bins, env, config, os;
};

/* settings: "skills" of json.config (gatewayd/config/skills.c). */
void	 skill_judge(const struct skill *, json_t *settings,
	    struct skill_verdict *);
/* What the configuration has at that dotted path: NULL for nothing, else
 * true or false, whether it counts as set. */
json_t	*skill_config_at(json_t *settings, const char *path);
bool	 skill_config_is_set(json_t *settings, const char *path);
/* Is there a program of that name where jobs look for it? */
bool	 skill_has_program(const char *name);

#endif
