/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * openclaw config: reads and changes the configuration, always through the
 * gateway, or through gatewayd -e where none runs: what it would not start
 * with, it refuses, and secrets are no business of this program.
 */
#include "common/compat.h"

#include <sys/wait.h>

#include <errno.h>
#include <unistd.h>

#include "common/dbuf.h"
#include "common/text.h"
#include "gatewayd/config/json5.h"
#include "gatewayd/config/keys.h"
#include "openclaw/openclaw.h"

#define DEPTH_MAX	32
#define PART_MAX	128

struct path {
	char	 part[DEPTH_MAX][PART_MAX];
	size_t	 n;
};

/* a.b[0].c, a[key]; a backslash takes the next character as it is.  0, or -1
 * when it is no path. */
static int
path_parse(const char *s, struct path *p)
{
	size_t	 len;
	bool	 bracket;

	for (p->n = 0; *s != '\0'; p->n++) {
		bracket = *s == '[';
		if (bracket || (*s == '.' && p->n > 0))
			s++;
		if (p->n == DEPTH_MAX)
			return -1;
		for (len = 0; *s != '\0' && (bracket ? *s != ']' :
		    *s != '.' && *s != '['); s++) {
			if (*s == '\\' && s[1] != '\0')
				s++;
			if (len == PART_MAX - 1)
				return -1;
			p->part[p->n][len++] = *s;
		}
		p->part[p->n][len] = '\0';
		if (len == 0 || (bracket && *s++ != ']') ||
		    (bracket && *s != '\0' && *s != '.' && *s != '['))
			return -1;
	}
	return p->n > 0 ? 0 : -1;
}

static json_t *
path_value(json_t *j, const struct path *p)
{
	uint64_t	 at;
	size_t		 i;

	for (i = 0; i < p->n && j != NULL; i++)
		if (!json_is_array(j))
			j = json_object_get(j, p->part[i]);
		else if (num_parse_u64(str_of(p->part[i]), UINT32_MAX,
		    &at) == 0)
			j = json_array_get(j, at);
		else
			j = NULL;
	return j;
}

/* What is not set has a default, or is no key at all. */
static void
path_explain(const struct path *p)
{
	const struct key_node	*n = keys_root(), *next;
	const char		*hint;
	uint64_t		 at;
	size_t			 i, k;

	for (i = 0; i < p->n && n != NULL; i++, n = next) {
		next = keys_child(n, str_of(p->part[i]));
		if (next == NULL && num_parse_u64(str_of(p->part[i]),
		    UINT32_MAX, &at) == 0)
			next = keys_child(n, STR_LIT("[]"));
		if (next != NULL)
			continue;
		if (!keys_has_members(n))
			return;		/* below it anything may be */
		fprintf(stderr, "There is no such key");
		if ((hint = keys_nearest(n, str_of(p->part[i]))) != NULL) {
			fprintf(stderr, "; did you mean ");
			for (k = 0; k < i; k++)
				fprintf(stderr, "%s.", p->part[k]);
			fprintf(stderr, "%s?\n", hint);
		} else
			fprintf(stderr, "; openclaw.json(5) has them all.\n");
		return;
	}
	if (n == NULL)
		return;
	if (n->dflt != NULL && n->dflt[0] != '\0')
		fprintf(stderr, "It is not set; its default is %s.\n",
		    n->dflt);
	else
		fprintf(stderr, "It is not set.\n");
}

/* The first of n operands as a path: 0, or -1 after a message. */
static int
path_operand(const struct args *a, const char *verb, size_t n, struct path *p)
{
	if (a->noperands > n)
		fprintf(stderr, "error: too many arguments for 'config %s'\n",
		    verb);
	else if (a->noperands < n)
		fprintf(stderr, "error: missing required argument '%s'\n",
		    a->noperands == 0 ? "path" : "value");
	else if (path_parse(a->operand[0], p) == -1)
		fprintf(stderr, "Error: %s: not a path; write it as "
		    "agents.list[0].id\n", a->operand[0]);
	else
		return 0;
	return -1;
}

/* config.get, from the gateway or from the file. */
static json_t *
snapshot(const struct args *a, bool *offline)
{
	struct rpc	*r = rpc_open_config(a);
	json_t		*res;

	if (r == NULL)
		return NULL;
	res = rpc_call(r, "config.get", NULL, false, rpc_timeout(a));
	*offline = rpc_is_offline(r);
	rpc_close(r);
	return res;
}

int
cmd_config_get(struct args *a)
{
	struct path	 p;
	json_t		*res, *v;
	bool		 offline;

	if (path_operand(a, "get", 1, &p) == -1)
		return 1;
	if ((res = snapshot(a, &offline)) == NULL)
		return 1;
	v = path_value(json_object_get(res, "config"), &p);
	if (v == NULL) {
		fprintf(stderr, "Config path not found: %s\n",
		    a->operand[0]);
		path_explain(&p);
		json_decref(res);
		return 1;
	}
	if (a->opt[OPT_JSON] == NULL && json_is_string(v)) {
		print_text(json_string_value(v));
		putchar('\n');
	} else
		print_json(v);
	json_decref(res);
	return 0;
}

/* --- changes ---------------------------------------------------------------- */

/* JSON5 as what it means; NULL when it is none. */
static json_t *
value_parse(const char *text)
{
	struct json5_pool	*pool = json5_pool_new(16u << 20);
	struct json5_error	 err;
	struct json5		*v;
	struct dbuf		 b;
	json_t			*j = NULL;

	if (pool == NULL)
		return NULL;
	dbuf_init_secret(&b, JSON5_TEXT_MAX);
	if ((v = json5_parse(pool, 0, text, strlen(text), &err)) != NULL &&
	    json5_write(&b, v, 0) == 0)
		j = json_loads(dbuf_str(&b), JSON_DECODE_ANY, NULL);
	dbuf_clear(&b);
	json5_pool_free(pool);
	return j;
}

static bool
is_index(const char *part, uint64_t *at)
{
	return num_parse_u64(str_of(part), UINT32_MAX, at) == 0;
}

/* What a merge patch says to make the one the other. */
static json_t *
replacement(json_t *old, json_t *neu)
{
	json_t		*o, *v;
	const char	*key;

	if (!json_is_object(old) || !json_is_object(neu))
		return json_incref(neu);
	o = json_object();
	json_object_foreach(old, key, v)
		if (json_object_get(neu, key) == NULL)
			json_object_set_new(o, key, json_null());
	json_object_foreach(neu, key, v)
		json_object_set_new(o, key, replacement(json_object_get(old,
		    key), v));
	return o;
}

/* Puts v (NULL: takes away) at the path.  *depth: parts of the path down to
 * the first list, which can only be replaced whole.  0, or -1: no such
 * place. */
static int
tree_put(json_t *tree, const struct path *p, json_t *v, size_t *depth)
{
	json_t		*next;
	uint64_t	 at = 0, dummy;
	size_t		 i;
	bool		 last, arr;

	*depth = p->n;
	for (i = 0; i < p->n; i++, tree = next) {
		last = i + 1 == p->n;
		arr = json_is_array(tree);
		if (arr && (!is_index(p->part[i], &at) ||
		    at > json_array_size(tree)))
			return -1;
		if (arr && *depth == p->n)
			*depth = i;
		next = arr ? json_array_get(tree, at) :
		    json_object_get(tree, p->part[i]);
		if (v == NULL && (next == NULL || last))
			return next == NULL ? -1 : arr ?
			    json_array_remove(tree, at) : 0;
		if (last)
			next = v;
		else if (!json_is_object(next) && !json_is_array(next))
			next = is_index(p->part[i + 1], &dummy) ?
			    json_array() : json_object();
		else
			continue;
		if (last)
			json_incref(next);
		if (arr ? at == json_array_size(tree) ?
		    json_array_append_new(tree, next) :
		    json_array_set_new(tree, at, next) :
		    json_object_set_new(tree, p->part[i], next))
			return -1;
	}
	return 0;
}

/* The gateway's refusal, with every reason. */
static void
print_refusal(json_t *err)
{
	json_t		*issues, *one;
	const char	*path;
	size_t		 i;

	issues = json_object_get(json_object_get(err, "details"), "issues");
	if (json_array_size(issues) == 0) {
		fprintf(stderr, "Error: ");
		print_text_to(stderr, jtext(err, "message", "refused"));
		fprintf(stderr, "\n");
		if (strncmp(jtext(err, "message", ""), "invalid config;",
		    15) == 0)
			fprintf(stderr, "`openclaw config validate` tells "
			    "what is wrong with it.\n");
	}
	json_array_foreach(issues, i, one) {
		path = jtext(one, "path", "");
		fprintf(stderr, "Config validation failed: ");
		print_text_to(stderr, path[0] != '\0' ? path : "<root>");
		fprintf(stderr, ": ");
		print_text_to(stderr, jtext(one, "message", "invalid"));
		fprintf(stderr, "\n");
	}
}

/* raw (stolen) by this method, on the text with that hash: 0 or -1. */
static int
change(struct rpc *r, const struct args *a, const char *method, json_t *raw,
    json_t *snap)
{
	json_t	*params, *res, *err = NULL;

	params = json_pack("{s:o}", "raw", raw);
	if (json_is_true(json_object_get(snap, "exists")))
		json_object_set(params, "baseHash", json_object_get(snap,
		    "hash"));
	res = rpc_try(r, method, params, false, rpc_timeout(a), &err);
	if (res == NULL)
		print_refusal(err);
	json_decref(err);
	if (res != NULL && a->opt[OPT_JSON] != NULL)
		print_json(res);
	if (res != NULL && rpc_is_offline(r))
		fprintf(stderr, "No gateway is running; the next start reads "
		    "it.\n");
	json_decref(res);
	return res != NULL ? 0 : -1;
}

static int
change_path(const struct args *a, const struct path *p, json_t *v)
{
	struct path	 top = *p;
	struct rpc	*r;
	json_t		*snap, *tree, *patch, *o;
	char		*text;
	int		 status = 1;

	if ((r = rpc_open_config(a)) == NULL)
		return 1;
	if ((snap = rpc_call(r, "config.get", NULL, false,
	    rpc_timeout(a))) == NULL)
		goto out;
	tree = json_deep_copy(json_object_get(snap, "parsed"));
	if (tree_put(tree, p, v, &top.n) == -1) {
		fprintf(stderr, "Config path not found: %s\n", a->operand[0]);
		json_decref(tree);
		goto out;
	}
	if (v == NULL && top.n == p->n)
		patch = json_null();
	else
		patch = replacement(path_value(json_object_get(snap,
		    "parsed"), &top), path_value(tree, &top));
	json_decref(tree);
	while (top.n > 0) {
		o = json_object();
		json_object_set_new(o, top.part[--top.n], patch);
		patch = o;
	}
	text = json_dumps(patch, JSON_ENCODE_ANY);
	json_decref(patch);
	if (text != NULL && change(r, a, "config.edit", json_string(text),
	    snap) == 0) {
		if (a->opt[OPT_JSON] == NULL)
			printf("%s %s.\n", v != NULL ? "Updated" : "Removed",
			    a->operand[0]);
		status = 0;
	}
	free(text);
out:
	json_decref(snap);
	rpc_close(r);
	return status;
}

int
cmd_config_set(struct args *a)
{
	struct path	 p;
	json_t		*v;
	int		 status;

	if (path_operand(a, "set", 2, &p) == -1)
		return 1;
	if ((v = value_parse(a->operand[1])) == NULL)
		v = json_string(a->operand[1]);
	if (v == NULL) {
		fprintf(stderr, "Error: the value is not UTF-8\n");
		return 1;
	}
	status = change_path(a, &p, v);
	json_decref(v);
	return status;
}

int
cmd_config_unset(struct args *a)
{
	struct path	 p;

	return path_operand(a, "unset", 1, &p) == -1 ? 1 :
	    change_path(a, &p, NULL);
}

int
cmd_config_validate(struct args *a)
{
	json_t	*res, *list, *one;
	size_t	 i;
	int	 status;
	bool	 offline;

	if ((res = snapshot(a, &offline)) == NULL)
		return 1;
	status = json_is_true(json_object_get(res, "valid")) ? 0 : 1;
	if (a->opt[OPT_JSON] != NULL) {
		one = json_pack("{s:O, s:O, s:O, s:O}", "path",
		    json_object_get(res, "path"), "valid", json_object_get(res,
		    "valid"), "issues", json_object_get(res, "issues"),
		    "warnings", json_object_get(res, "warnings"));
		print_json(one);
		json_decref(one);
	} else {
		print_text(jtext(res, "path", ""));
		printf(status == 0 ? ": valid\n" : offline ? ": not valid\n" :
		    ": not valid; what ran before goes on\n");
		list = json_object_get(res, "issues");
		json_array_foreach(list, i, one) {
			printf("- %s: ", jtext(one, "path", "")[0] != '\0' ?
			    jtext(one, "path", "") : "<root>");
			print_text(jtext(one, "message", ""));
			printf("\n");
		}
		list = json_object_get(res, "warnings");
		json_array_foreach(list, i, one) {
			printf("- warning: %s: ", jtext(one, "path", ""));
			print_text(jtext(one, "message", ""));
			printf("\n");
		}
	}
	json_decref(res);
	return status;
}

/* --- the editor ------------------------------------------------------------- */

/* $VISUAL, $EDITOR or vi, with what it names as arguments. */
static int
run_editor(const char *path)
{
	const char	*e = getenv("VISUAL");
	char		 words[512], *argv[16], *save = NULL, *w;
	int		 n = 0, status;
	pid_t		 pid;

	if (e == NULL || e[0] == '\0')
		e = getenv("EDITOR");
	strlcpy(words, e != NULL && e[0] != '\0' ? e : "vi", sizeof(words));
	for (w = strtok_r(words, " ", &save); w != NULL && n < 14;
	    w = strtok_r(NULL, " ", &save))
		argv[n++] = w;
	argv[n++] = (char *)(uintptr_t)path;
	argv[n] = NULL;
	fflush(NULL);
	if ((pid = fork()) == 0) {
		execvp(argv[0], argv);
		fprintf(stderr, "Error: %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	while (pid != -1 && waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return -1;
	return pid != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 :
	    -1;
}

static json_t *
file_text(const char *path)
{
	struct dbuf	 b;
	json_t		*j = NULL;
	FILE		*f;
	char		 buf[4096];
	size_t		 n;

	if ((f = fopen(path, "re")) == NULL)
		return NULL;
	dbuf_init_secret(&b, JSON5_TEXT_MAX);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		dbuf_put(&b, buf, n);
	if (!ferror(f) && !dbuf_err(&b))
		j = json_stringn(dbuf_str(&b), b.n);
	fclose(f);
	dbuf_clear(&b);
	explicit_bzero(buf, sizeof(buf));
	return j;
}

int
cmd_config_edit(struct args *a)
{
	const char	*dir = getenv("TMPDIR"), *raw;
	struct rpc	*r;
	json_t		*snap, *text = NULL;
	char		 path[4096];
	size_t		 n;
	int		 fd = -1, status = 1;

	if ((r = rpc_open_config(a)) == NULL)
		return 1;
	if ((snap = rpc_call(r, "config.get", NULL, false,
	    rpc_timeout(a))) == NULL)
		goto out;
	raw = json_is_true(json_object_get(snap, "exists")) ?
	    jtext(snap, "raw", NULL) : "{\n}\n";
	if (raw == NULL) {
		fprintf(stderr, "Error: %s cannot be parsed; edit the file "
		    "itself, `openclaw config validate` tells where\n",
		    jtext(snap, "path", "the configuration"));
		goto out;
	}
	n = strlen(raw);
	snprintf(path, sizeof(path), "%s/openclaw-XXXXXX.json5",
	    dir != NULL && dir[0] == '/' ? dir : "/tmp");
	if ((fd = mkstemps(path, 6)) == -1 || write(fd, raw, n) != (ssize_t)n ||
	    close(fd) == -1) {
		fprintf(stderr, "Error: %s: %s\n", path, strerror(errno));
		goto out;
	}
	if (run_editor(path) == -1 || (text = file_text(path)) == NULL)
		fprintf(stderr, "Error: the editor failed; nothing is "
		    "changed\n");
	else if (strcmp(json_string_value(text), raw) == 0) {
		printf("Nothing changed.\n");
		status = 0;
	} else if (change(r, a, "config.set", json_incref(text), snap) == 0) {
		if (a->opt[OPT_JSON] == NULL)
			printf("Updated %s.\n", jtext(snap, "path", ""));
		status = 0;
	} else {
		fprintf(stderr, "Nothing is changed; your text is in %s\n",
		    path);
		goto out;	/* the text stays */
	}
	unlink(path);
out:
	json_decref(text);
	json_decref(snap);
	rpc_close(r);
	return status;
}
