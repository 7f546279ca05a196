/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * gatewayd-config: from the text of openclaw.json to one parcel per process.
 * One run, no state, no path of its own to anything: files are asked for by
 * name and come as text, parcels and problems go out through callbacks.
 *
 * Order (spec/config.md 2): parse, $include, environment, ${NAME}, legacy
 * keys, validation, defaults, what refuses to start, parcels.
 */
#ifndef GATEWAYD_CONFIG_CONFIG_H
#define GATEWAYD_CONFIG_CONFIG_H

#include "common/msg.h"
#include "common/parcel.h"
#include "gatewayd/config/json5.h"
#include "gatewayd/config/keys.h"

#define CF_FILES_MAX	64		/* the main file and its includes */
#define CF_INCLUDE_DEPTH 10
#define CF_POOL_MAX	(128u << 20)
#define CF_PROBLEMS_MAX	200		/* told; more are only counted */
#define CF_SECRETS_MAX	1024
#define CF_HIDDEN_MAX	64
#define CF_PATH_MAX	4096
#define CF_REDACTED	"__OPENCLAW_REDACTED__"

struct cf_problem {
	enum cf_severity severity;
	bool		 legacy;
	uint16_t	 file;		/* number in cf.files; UINT16_MAX none */
	uint32_t	 line;
	char		*key;		/* dotted path, "" for the root */
	char		*text;
};

/* A variable that did not come from the environment itself. */
struct cf_var {
	char		*name, *value;
	struct cf_var	*next;
};

struct cf {
	/* given */
	const char	*path;		/* of the main file, may not exist */
	const char	*state_dir;
	unsigned int	 flags;		/* enum cf_flag */
	const struct parcel *env;	/* may be NULL */
	/* Reads a file: 0 and text (free() it), or an errno. */
	int		(*read_file)(void *, const char *path, char **text,
			    size_t *n);
	/* Takes the writer. 0, or -1 to give up. */
	int		(*put_parcel)(void *, enum role, const char *instance,
			    struct parcel_writer *);
	void		*arg;
	/* CF_TEXT_STATE of the running generation, when a change of the file
	 * is the cause of this run; p is NULL otherwise. */
	struct str	 before;

	/* made */
	struct json5_pool *pool;
	bool		 exists;
	bool		 sound;		/* well formed; may still not start */
	char		*raw;		/* main text as read */
	size_t		 rawlen;
	char		 hash[65];
	struct json5	*parsed;	/* main file, before includes */
	struct json5	*source;	/* with them, ${NAME} as written */
	struct json5	*root;		/* resolved, migrated, with defaults */
	char		*files[CF_FILES_MAX];
	size_t		 nfiles;
	struct cf_problem problems[CF_PROBLEMS_MAX];
	size_t		 nproblems, nerrors, nwarnings;
	struct cf_var	*dotenv, *vars;
	struct str	 secrets[CF_SECRETS_MAX];
	size_t		 nsecrets;
	/* Values of the main text that a later equal key hides. */
	struct { uint32_t off, len; } hidden[CF_HIDDEN_MAX];
	size_t		 nhidden;	/* may be more than fit */
	enum cf_reload	 reload;
	struct dbuf	 restart_paths;	/* that changed, for people */
	char		*dir;		/* of the main file */
	char		*home;
};

/* One run.  text is NULL when there is no file.  0, or -1 when the
 * configuration is refused; problems are in the list either way. */
int	 cf_run(struct cf *, const char *text, size_t n);
void	 cf_free(struct cf *);

/* --- problems.c --------------------------------------------------------- */
void	 cf_complain(struct cf *, enum cf_severity, const struct json5 *at,
	    const char *key, const char *fmt, ...)
	    __attribute__((format(printf, 5, 6)));
#define cf_error(cf, at, key, ...) \
	cf_complain((cf), CF_ERROR, (at), (key), __VA_ARGS__)
#define cf_warn(cf, at, key, ...) \
	cf_complain((cf), CF_WARNING, (at), (key), __VA_ARGS__)
const char *cf_file_name(const struct cf *, uint16_t);

/* --- include.c ---------------------------------------------------------- */
/* Parses the main text and resolves every $include. */
int	 cf_load(struct cf *, const char *text, size_t n);
/* Absolute and without "." and ".."; free() it.  NULL: too long. */
char	*cf_normalise(const char *dir, struct str path);

/* --- env.c -------------------------------------------------------------- */
/* NULL when unset or empty. */
const char *cf_env(const struct cf *, const char *name);
/* First of several names that is set; "" ends the list. */
const char *cf_env_first(const struct cf *, const char *const *names);
int	 cf_env_load(struct cf *);	/* <state>/.env and the file's env */
int	 cf_substitute(struct cf *);
/* ~ and relative paths made absolute; NULL when out of memory. */
char	*cf_expand(struct cf *, const char *path);
/* The same, owned by the pool of the document. */
const char *cf_expand_keep(struct cf *, const char *path);

/* --- migrate.c, validate.c, defaults.c, checks.c ------------------------- */
int	 cf_migrate(struct cf *);
void	 cf_validate(struct cf *);
int	 cf_defaults(struct cf *);
void	 cf_cross_check(struct cf *);	/* needs a valid structure */
void	 cf_start_gates(struct cf *);

/* --- classes.c ------------------------------------------------------------ */
/* Sets reload and restart_paths; in mode "hot" the resolved tree gets its old
 * values where a change would need a restart. */
void	 cf_reload_class(struct cf *);

/* --- redact.c ------------------------------------------------------------ */
/* Remembers every secret value of the resolved tree. */
void	 cf_collect_secrets(struct cf *);
/* A copy without secrets; node is the table's place of v. */
struct json5 *cf_redact(struct cf *, const struct json5 *v,
	    const struct key_node *node);
/* The main text without them; 0 or -1. */
int	 cf_redact_raw(struct cf *, struct dbuf *);

/* --- auth.c -------------------------------------------------------------- */
struct cf_auth {
	const char	*mode;		/* "token", "password", "none" */
	const char	*token, *password;
	bool		 token_from_env;
	bool		 tailscale;	/* its identities let in as well */
};
void	 cf_auth(const struct cf *, struct cf_auth *);
int64_t	 cf_port(const struct cf *);
const char *cf_bind(const struct cf *);

/* --- parcels -------------------------------------------------------------- */
int	 cf_parcels(struct cf *);

#endif
