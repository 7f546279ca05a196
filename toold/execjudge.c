/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See execjudge.h.  Reads programs below /usr for their digest; else pure. */
#include "common/compat.h"

#include "common/sha256.h"
#include "toold/execjudge.h"

#define ARGV_MAX	32768	/* JL_SPAWN.argv */
#define SHELL		"/bin/sh"

/* --- safe bins ------------------------------------------------------------ */

/* Filters of R9, what their options may be followed by, and which of their
 * options name a file after all.  A program that is not here may have none
 * but options. */
static const struct {
	const char	*name, *values, *denied;
	size_t		 operands;
} filters[] = {
	{ "cut", "bcdf", NULL, 0 },
	{ "uniq", "fsw", NULL, 0 },
	{ "head", "nc", NULL, 0 },
	{ "tail", "nc", NULL, 0 },
	{ "tr", "", NULL, 2 },
	{ "wc", "", "--files0-from", 0 },
};
static const char *const safe_default[] = { "cut", "uniq", "head", "tail",
	"tr", "wc" };

static bool
path_like(const char *s)
{
	return strchr(s, '/') != NULL || s[0] == '~' || s[0] == '.';
}

bool
execjudge_safe_bin(const char *name, char *const *argv, size_t argc)
{
	const char	*values = "", *denied = NULL;
	size_t		 i, operands = 0, left = 0;
	bool		 options = true;

	for (i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		if (strcmp(filters[i].name, name) != 0)
			continue;
		values = filters[i].values;
		denied = filters[i].denied;
		left = filters[i].operands;
	}
	for (i = 1; i < argc; i++) {
		if (options && strcmp(argv[i], "--") == 0) {
			options = false;
			continue;
		}
		if (options && argv[i][0] == '-' && argv[i][1] != '\0') {
			if (denied != NULL && argv[i][1] == '-' &&
			    strncmp(argv[i], denied, strcspn(argv[i], "=")) ==
			    0)
				return false;
			if (path_like(argv[i] + 1))
				return false;
			/* "-d" alone takes the next word: what looks like a
			 * file there is a value.  Longer clusters carry it. */
			if (argv[i][1] != '-' && argv[i][2] == '\0' &&
			    strchr(values, argv[i][1]) != NULL && i + 1 < argc)
				i++;
			continue;
		}
		if (strcmp(argv[i], "-") == 0)
			continue;	/* standard input */
		if (++operands > left || path_like(argv[i]))
			return false;
	}
	return true;
}

/* By its name in the system's own folders, in the configured list. */
static bool
safe_bin(const json_t *list, const struct execid *id, char *const *argv,
    size_t argc)
{
	const char	*name = strrchr(id->path, '/');
	json_t		*v;
	size_t		 i;
	bool		 listed = false;

	if (name == NULL)
		return false;
	name++;
	if (!str_eqs((struct str){id->path, (size_t)(name - id->path)},
	    "/usr/bin/") && !str_eqs((struct str){id->path,
	    (size_t)(name - id->path)}, "/bin/"))
		return false;
	if (strcmp(name, "jq") == 0)
		return false;	/* reads files and the environment by itself */
	if (list == NULL)
		for (i = 0; i < sizeof(safe_default) / sizeof(safe_default[0]);
		    i++)
			listed |= strcmp(safe_default[i], name) == 0;
	else
		json_array_foreach(list, i, v)
			listed |= json_is_string(v) &&
			    strcmp(json_string_value(v), name) == 0;
	return listed && execjudge_safe_bin(name, argv, argc);
}

/* --- judging -------------------------------------------------------------- */

/* Names that change how output looks, not what a program does (T20). */
static const char *
steering(const json_t *env)
{
	static const char *const harmless[] = { "LANG", "LANGUAGE", "LC_ALL",
		"LC_CTYPE", "LC_COLLATE", "LC_MESSAGES", "LC_NUMERIC",
		"LC_TIME", "TZ", "COLUMNS", "LINES", "NO_COLOR", "TERM",
		"CI" };
	const char	*key;
	json_t		*v;
	size_t		 i;

	json_object_foreach((json_t *)(uintptr_t)env, key, v) {
		for (i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
			if (strcmp(harmless[i], key) == 0)
				break;
		if (i == sizeof(harmless) / sizeof(harmless[0]))
			return key;
	}
	return NULL;
}

static const char *
base_name(const char *path)
{
	const char	*slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

/* Segment i: sets id and entry; false, and why, when it is not covered. */
static bool
judge_segment(struct execplan *p, const struct execjudge_in *in, size_t i)
{
	const struct cmdline_segment	*s = &p->line.seg[i];
	struct execid			*id = &p->id[i];
	const char			*word = s->argv[0], *bad;
	enum execkind			 kind, by_name;

	if ((bad = execpath_resolve(word, in->workspace, id)) != NULL) {
		snprintf(p->why, sizeof(p->why), "%.200s %s", word, bad);
		p->direct = p->grantable = false;
		return false;
	}
	kind = execpath_kind(id->path);
	by_name = execpath_kind(word);	/* busybox, and links to it (T19) */
	if (by_name > kind)
		kind = by_name;
	if (kind != EXEC_PROGRAM)
		p->grantable = false;
	if (kind == EXEC_WRAPPER) {
		/* Many programs in one file know what to be by their name,
		 * which a call by the file's own path would take away. */
		if (strcmp(base_name(id->path), base_name(word)) != 0)
			p->direct = false;
		snprintf(p->why, sizeof(p->why), "%.200s runs other programs, "
		    "so no allowance covers it", word);
		return false;
	}
	/* Only an operator who named it, and no text of the call as code. */
	if (kind == EXEC_INTERPRETER) {
		p->entry[i] = execlist_match(in->list, in->agent, id->path,
		    word, true);
		if (p->entry[i] != NULL && s->argc > 1 && s->argv[1][0] != '-')
			return true;
		p->entry[i] = NULL;
		snprintf(p->why, sizeof(p->why), "%.200s runs whatever its "
		    "arguments say", word);
		return false;
	}
	p->entry[i] = execlist_match(in->list, in->agent, id->path, word,
	    false);
	if (p->entry[i] != NULL || safe_bin(in->safe_bins, id, s->argv,
	    s->argc))
		return true;
	snprintf(p->why, sizeof(p->why), "%.300s is not on the allow-list",
	    id->path);
	return false;
}

static void
put(struct sha256 *ctx, const char *p, size_t n)
{
	uint64_t	 len = n;

	/* With its length, so that no two lists of fields look the same. */
	sha256_update(ctx, &len, sizeof(len));
	sha256_update(ctx, p, n);
}

static bool
digest(const struct execplan *p, const struct execjudge_in *in, char out[65])
{
	struct execid	 shell;
	struct sha256	 ctx;
	uint8_t		 sum[SHA256_LEN];
	size_t		 i, k;

	sha256_init(&ctx);
	put(&ctx, "exec-1", 6);
	put(&ctx, in->agent, strlen(in->agent));
	put(&ctx, in->command.p, in->command.n);
	put(&ctx, in->cwd, strlen(in->cwd));
	put(&ctx, in->env.p, in->env.n);
	for (i = 0; i < p->line.nseg; i++) {
		put(&ctx, (const char *)&p->line.seg[i].op,
		    sizeof(p->line.seg[i].op));
		for (k = 0; k < p->line.seg[i].argc; k++)
			put(&ctx, p->line.seg[i].argv[k],
			    strlen(p->line.seg[i].argv[k]));
		if (p->id[i].path[0] != '\0' && !execpath_digest(&p->id[i],
		    &ctx))
			return false;
	}
	if (!p->direct || p->line.nseg > 1) {
		if (execpath_resolve(SHELL, in->workspace, &shell) != NULL ||
		    !execpath_digest(&shell, &ctx))
			memset(&shell, 0, sizeof(shell));
		put(&ctx, (const char *)&shell, sizeof(shell));
	}
	sha256_final(&ctx, sum);
	hex_encode(sum, sizeof(sum), out);
	out[64] = '\0';
	return true;
}

struct execplan *
execjudge(const struct execjudge_in *in)
{
	struct execplan	*p;
	const char	*name;
	size_t		 i;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		return NULL;
	p->err = cmdline_parse(&p->line, in->command);
	if (p->err != CMDLINE_OK)
		snprintf(p->why, sizeof(p->why), "%s",
		    cmdline_err_text(p->err));
	else {
		p->direct = p->covered = p->grantable = true;
		for (i = 0; i < p->line.nseg; i++)
			if (!judge_segment(p, in, i))
				p->covered = false;
		if ((name = steering(in->env_call)) != NULL) {
			snprintf(p->why, sizeof(p->why), "it sets the "
			    "variable %.64s", name);
			p->covered = p->grantable = false;
		}
	}
	if (!digest(p, in, p->digest)) {
		snprintf(p->why, sizeof(p->why), "a program could not be "
		    "read");
		p->covered = p->grantable = false;
	}
	return p;
}

void
execplan_free(struct execplan *p)
{
	if (p == NULL)
		return;
	cmdline_clear(&p->line);
	free(p);
}

bool
execplan_same(const struct execplan *p, const struct execjudge_in *in)
{
	struct execplan	*now = execjudge(in);
	bool		 same;

	same = now != NULL && p->digest[0] != '\0' &&
	    strcmp(now->digest, p->digest) == 0;
	execplan_free(now);
	return same;
}

int
execplan_argv(const struct execplan *p, struct dbuf *b)
{
	static const char	*const ops[] = { "", " && ", " || ", "; ",
				    " | " };
	const struct cmdline_segment *s = &p->line.seg[0];
	size_t			 i, k;

	if (!p->direct)
		return 0;
	if (p->line.nseg == 1) {
		dbuf_put(b, p->id[0].path, strlen(p->id[0].path) + 1);
		for (k = 1; k < s->argc; k++)
			dbuf_put(b, s->argv[k], strlen(s->argv[k]) + 1);
		return dbuf_err(b) || b->n > ARGV_MAX ? -1 : 0;
	}
	/* Nothing is left in this text that a shell would not take as it
	 * is: it joins the programs, and does no more. */
	dbuf_put(b, SHELL "\0-c\0--", sizeof(SHELL "\0-c\0--"));
	for (i = 0; i < p->line.nseg; i++) {
		s = &p->line.seg[i];
		cmdline_quote(b, p->id[i].path);
		for (k = 1; k < s->argc; k++) {
			dbuf_putc(b, ' ');
			cmdline_quote(b, s->argv[k]);
		}
		dbuf_puts(b, ops[s->op]);
	}
	dbuf_putc(b, '\0');
	return dbuf_err(b) || b->n > ARGV_MAX ? -1 : 0;
}
