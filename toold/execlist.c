/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See execlist.h.  The file is ours, but whoever edits it by hand may slip,
 * and clients send whole ones. */
#include "common/compat.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json_skim.h"
#include "common/sha256.h"
#include "toold/execlist.h"

#define TMP_NAME	EXECLIST_NAME ".new"
#define AGENTS_MAX	256
#define STARS_MAX	16

/*
 * Programs that only read, write to their output and run nothing else,
 * whatever their arguments say: in the jail they can show an agent nothing
 * that the tool read would not.  Not here on purpose: sort (--compress-
 * program), find, env, xargs, sed, awk, tee.
 */
static const char *const builtin[] = { "arch", "b2sum", "base32",
	"base64", "basename", "cat", "cksum", "cmp", "comm", "cut", "date",
	"df", "diff", "dirname", "du", "echo", "expand", "expr",
	"factor", "false", "fmt", "fold", "free", "getconf", "grep",
	"groups", "head", "hostname", "id", "join", "ls", "lscpu", "lsblk",
	"md5sum", "nl", "nproc", "numfmt", "od", "paste", "pathchk", "pr",
	"printenv", "printf", "ps", "pwd", "readlink", "realpath", "rev",
	"seq", "sha1sum", "sha224sum", "sha256sum", "sha384sum", "sha512sum",
	"sleep", "stat", "sum", "tac", "tail", "test", "tr",
	"true", "tsort", "tty", "uname", "unexpand", "uptime", "wc",
	"whoami" };

/* --- checking ------------------------------------------------------------- */

static bool
choice(const json_t *v, const char *const *names)
{
	const char	*s = json_string_value(v);

	for (; s != NULL && *names != NULL; names++)
		if (strcmp(s, *names) == 0)
			return true;
	return false;
}

/* security, ask, askFallback, autoAllowSkills: true when key is one of them
 * and good; otherwise why is set when it is one of them. */
static bool
check_rule(const char *where, const char *key, const json_t *v, char *why,
    size_t size)
{
	static const char *const sec[] = { "deny", "allowlist", "full", NULL };
	static const char *const ask[] = { "off", "on-miss", "always", NULL };

	why[0] = '\0';
	if (strcmp(key, "security") == 0 || strcmp(key, "askFallback") == 0) {
		if (choice(v, sec))
			return true;
		snprintf(why, size, "%.80s.%s: must be deny, allowlist or "
		    "full", where, key);
	} else if (strcmp(key, "ask") == 0) {
		if (choice(v, ask))
			return true;
		snprintf(why, size, "%.80s.ask: must be off, on-miss or "
		    "always", where);
	} else if (strcmp(key, "autoAllowSkills") == 0) {
		if (json_is_boolean(v))
			return true;
		snprintf(why, size, "%.80s.autoAllowSkills: must be true or "
		    "false", where);
	}
	return false;
}

static bool
pattern_ok(const char *s)
{
	size_t	 n = strlen(s), stars = 0, i;

	for (i = 0; i < n; i++)
		stars += s[i] == '*';
	/* Many stars would make matching slow, and say nothing more. */
	return n > 0 && n <= EXECLIST_PATTERN && stars <= STARS_MAX &&
	    strpbrk(s, "\n\r\t") == NULL;
}

/* A checked copy of one entry, or NULL. */
static json_t *
check_entry(const char *where, size_t i, json_t *in, char *why, size_t size)
{
	const char	*key, *pattern, *id;
	json_t		*v, *out;
	char		 uuid[37];

	snprintf(why, size, "%.80s.allowlist[%zu]: must be an object", where,
	    i);
	if (!json_is_object(in))
		return NULL;
	pattern = json_string_value(json_object_get(in, "pattern"));
	snprintf(why, size, "%.80s.allowlist[%zu].pattern: must be a path, a "
	    "pattern with a slash, or the bare name of a program", where, i);
	if (pattern == NULL || !pattern_ok(pattern))
		return NULL;
	id = json_string_value(json_object_get(in, "id"));
	if (id == NULL || *id == '\0' || strlen(id) > 64) {
		uuid_v4(uuid);
		id = uuid;
	}
	out = json_pack("{s:s, s:s}", "id", id, "pattern", pattern);
	if (out == NULL)
		return NULL;
	json_object_foreach(in, key, v) {
		if (strcmp(key, "id") == 0 || strcmp(key, "pattern") == 0)
			continue;
		if ((strcmp(key, "lastUsedAt") == 0 && json_is_integer(v) &&
		    json_integer_value(v) >= 0) ||
		    ((strcmp(key, "lastUsedCommand") == 0 ||
		    strcmp(key, "lastResolvedPath") == 0) &&
		    json_is_string(v))) {
			json_object_set(out, key, v);
			continue;
		}
		snprintf(why, size, "%.80s.allowlist[%zu].%.40s: is not known "
		    "or of the wrong kind", where, i, key);
		json_decref(out);
		return NULL;
	}
	return out;
}

static json_t *
check_rules(const char *where, json_t *in, bool list, char *why, size_t size)
{
	const char	*key;
	json_t		*v, *e, *out, *entries;
	size_t		 i;

	if (!json_is_object(in)) {
		snprintf(why, size, "%.80s: must be an object", where);
		return NULL;
	}
	out = json_object();
	json_object_foreach(in, key, v) {
		if (check_rule(where, key, v, why, size)) {
			json_object_set(out, key, v);
			continue;
		}
		if (why[0] != '\0')
			goto bad;
		if (!list || strcmp(key, "allowlist") != 0) {
			snprintf(why, size, "%.80s.%.40s: is not known", where,
			    key);
			goto bad;
		}
		if (!json_is_array(v) || json_array_size(v) >
		    EXECLIST_ENTRIES) {
			snprintf(why, size, "%.80s.allowlist: must be an array"
			    " of at most %d", where, EXECLIST_ENTRIES);
			goto bad;
		}
		entries = json_array();
		json_object_set_new(out, "allowlist", entries);
		json_array_foreach(v, i, e) {
			e = check_entry(where, i, e, why, size);
			if (e == NULL)
				goto bad;
			json_array_append_new(entries, e);
		}
	}
	return out;
bad:
	json_decref(out);
	return NULL;
}

static json_t *
check_agents(json_t *in, char *why, size_t size)
{
	const char	*key;
	json_t		*v, *out, *rules;
	char		 where[96];

	if (!json_is_object(in) || json_object_size(in) > AGENTS_MAX) {
		snprintf(why, size, "agents: must be an object of at most %d",
		    AGENTS_MAX);
		return NULL;
	}
	out = json_object();
	json_object_foreach(in, key, v) {
		snprintf(where, sizeof(where), "agents.%.64s", key);
		snprintf(why, size, "%s...: the name is too long", where);
		if (strlen(key) > 64 || (rules = check_rules(where, v, true,
		    why, size)) == NULL) {
			json_decref(out);
			return NULL;
		}
		/* An old name of the first agent. */
		if (strcmp(key, "default") == 0) {
			if (json_object_get(in, "main") != NULL)
				json_decref(rules);
			else
				json_object_set_new(out, "main", rules);
		} else
			json_object_set_new(out, key, rules);
	}
	return out;
}

json_t *
execlist_parse(struct str text, char *why, size_t size)
{
	struct skim_val	 skim;
	json_error_t	 je;
	const char	*key;
	json_t		*in, *v, *part, *out = NULL;

	if (text.n > EXECLIST_MAX) {
		snprintf(why, size, "larger than %zu bytes", EXECLIST_MAX);
		return NULL;
	}
	/* The parser behind it recurses; this one does not. */
	if (skim_text(text.p, text.n, &skim) != SKIM_OK ||
	    (in = json_loadb(text.p, text.n, 0, &je)) == NULL) {
		snprintf(why, size, "is not JSON");
		return NULL;
	}
	if (!json_is_object(in) || json_integer_value(json_object_get(in,
	    "version")) != 1) {
		snprintf(why, size, "version: must be 1");
		goto out;
	}
	if ((out = json_pack("{s:i}", "version", 1)) == NULL)
		goto out;
	json_object_foreach(in, key, v) {
		/* The prompt socket of other hosts: there is none here. */
		if (strcmp(key, "version") == 0 || (strcmp(key, "socket") ==
		    0 && json_is_object(v)))
			continue;
		part = NULL;
		if (strcmp(key, "defaults") == 0)
			part = check_rules(key, v, false, why, size);
		else if (strcmp(key, "agents") == 0)
			part = check_agents(v, why, size);
		else
			snprintf(why, size, "%.40s: is not known", key);
		if (part == NULL) {
			json_decref(out);
			out = NULL;
			goto out;
		}
		json_object_set_new(out, key, part);
	}
	if (json_object_get(out, "agents") == NULL)
		json_object_set_new(out, "agents", json_object());
out:
	json_decref(in);
	return out;
}

/* --- memory and disk ------------------------------------------------------ */

static json_t *
builtin_list(void)
{
	json_t	*list = json_array();
	char	 id[40], path[64];
	size_t	 i;

	for (i = 0; i < sizeof(builtin) / sizeof(builtin[0]); i++) {
		snprintf(path, sizeof(path), "/usr/bin/%s", builtin[i]);
		snprintf(id, sizeof(id), "default-%s", builtin[i]);
		json_array_append_new(list, json_pack("{s:s, s:s}", "id", id,
		    "pattern", path));
	}
	return json_pack("{s:i, s:{s:{s:o}}}", "version", 1, "agents", "*",
	    "allowlist", list);
}

/* Over everything but the notes of use, which change all the time. */
static void
set_hash(struct execlist *l)
{
	const char	*key;
	json_t		*copy = json_deep_copy(l->root), *agent, *e;
	char		*text;
	size_t		 i;

	json_object_foreach(json_object_get(copy, "agents"), key, agent) {
		json_array_foreach(json_object_get(agent, "allowlist"), i, e) {
			json_object_del(e, "lastUsedAt");
			json_object_del(e, "lastUsedCommand");
			json_object_del(e, "lastResolvedPath");
		}
	}
	text = json_dumps(copy, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(copy);
	l->hash[0] = '\0';
	if (text != NULL)
		sha256_hex(text, strlen(text), l->hash);
	free(text);
}

static ssize_t
slurp(int dir_fd, char *buf, size_t size)
{
	ssize_t	 n;
	size_t	 have = 0;
	int	 fd, save;

	fd = openat(dir_fd, EXECLIST_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);
	if (fd == -1)
		return -1;
	while (have < size && (n = read(fd, buf + have, size - have)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			save = errno;
			close(fd);
			errno = save;
			return -1;
		}
		have += (size_t)n;
	}
	close(fd);
	return (ssize_t)have;
}

void
execlist_load(struct execlist *l, int dir_fd, char *why, size_t size)
{
	char	*buf;
	ssize_t	 n = -1;

	memset(l, 0, sizeof(*l));
	why[0] = '\0';
	buf = malloc(EXECLIST_MAX + 1);
	if (dir_fd != -1 && buf != NULL)
		n = slurp(dir_fd, buf, EXECLIST_MAX + 1);
	if (n >= 0) {
		l->exists = true;
		l->root = execlist_parse((struct str){buf, (size_t)n}, why,
		    size);
	} else if (buf == NULL || (dir_fd != -1 && errno != ENOENT))
		snprintf(why, size, "%s", strerrordesc_np(errno));
	else
		l->root = builtin_list();
	free(buf);
	if (l->root == NULL) {
		/* Nothing is allowed that was not understood. */
		l->broken = true;
		l->root = json_pack("{s:i, s:{}}", "version", 1, "agents");
	}
	set_hash(l);
}

void
execlist_clear(struct execlist *l)
{
	json_decref(l->root);
	memset(l, 0, sizeof(*l));
}

int
execlist_store(struct execlist *l, int dir_fd, json_t *root)
{
	char	*text;
	size_t	 len, done = 0;
	ssize_t	 n;
	int	 fd = -1, save = ENOMEM;

	text = root == NULL ? NULL : json_dumps(root, JSON_INDENT(2));
	if (text == NULL)
		goto fail;
	len = strlen(text);
	save = EFBIG;
	if (len > EXECLIST_MAX)
		goto fail;
	save = EROFS;
	if (dir_fd == -1)
		goto fail;
	(void)unlinkat(dir_fd, TMP_NAME, 0);
	fd = openat(dir_fd, TMP_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	save = errno;
	if (fd == -1)
		goto fail;
	while (done < len) {
		n = write(fd, text + done, len - done);
		if (n == -1 && errno == EINTR)
			continue;
		save = n == 0 ? ENOSPC : errno;
		if (n <= 0)
			goto fail;
		done += (size_t)n;
	}
	if (fsync(fd) == -1 || renameat(dir_fd, TMP_NAME, dir_fd,
	    EXECLIST_NAME) == -1 || fsync(dir_fd) == -1) {
		save = errno;
		goto fail;
	}
	close(fd);
	free(text);
	json_decref(l->root);
	l->root = root;
	l->exists = true;
	l->broken = l->used = false;
	set_hash(l);
	return 0;
fail:
	if (fd != -1) {
		close(fd);
		(void)unlinkat(dir_fd, TMP_NAME, 0);
	}
	free(text);
	json_decref(root);
	errno = save;
	return -1;
}

/* --- asking --------------------------------------------------------------- */

/* The agent's own word, else that of "*", else the default. */
static const json_t *
rule(const struct execlist *l, const char *agent, const char *key)
{
	const json_t	*agents = json_object_get(l->root, "agents"), *v;

	v = json_object_get(json_object_get(agents, agent), key);
	if (v == NULL)
		v = json_object_get(json_object_get(agents, "*"), key);
	if (v == NULL)
		v = json_object_get(json_object_get(l->root, "defaults"), key);
	return v;
}

void
execlist_policy(const struct execlist *l, const char *agent,
    enum exec_security *sec, enum exec_ask *ask)
{
	enum exec_security	 s;
	enum exec_ask		 a;

	if (toolpolicy_security(json_string_value(rule(l, agent, "security")),
	    &s) && s < *sec)
		*sec = s;
	if (toolpolicy_ask(json_string_value(rule(l, agent, "ask")), &a) &&
	    a > *ask)
		*ask = a;
	/* What it said is lost; a human decides until it is mended. */
	if (l->broken && *sec > EXEC_ALLOWLIST)
		*sec = EXEC_ALLOWLIST;
	if (l->broken && *ask < ASK_ON_MISS)
		*ask = ASK_ON_MISS;
}

enum exec_security
execlist_fallback(const struct execlist *l, const char *agent)
{
	enum exec_security	 s = EXEC_DENY;

	(void)toolpolicy_security(json_string_value(rule(l, agent,
	    "askFallback")), &s);
	return s;
}

bool
execlist_glob(const char *pat, const char *s)
{
	/* Where to go on when the rest does not fit: behind one more byte
	 * under the last "*", or else under the last "**". */
	const char	*star = NULL, *star_s = NULL;
	const char	*deep = NULL, *deep_s = NULL;

	for (;;) {
		if (pat[0] == '*' && pat[1] == '*') {
			while (*pat == '*')
				pat++;
			deep = pat;
			deep_s = s;
			star = NULL;
		} else if (*pat == '*') {
			star = ++pat;
			star_s = s;
		} else if (*s != '\0' && (*pat == *s || (*pat == '?' &&
		    *s != '/'))) {
			pat++;
			s++;
		} else if (*pat == '\0' && *s == '\0')
			return true;
		else if (star != NULL && *star_s != '\0' && *star_s != '/') {
			pat = star;
			s = ++star_s;
		} else if (deep != NULL && *deep_s != '\0') {
			pat = deep;
			s = ++deep_s;
			star = NULL;
		} else
			return false;
	}
}

static bool
covers(const char *pattern, const char *path, const char *word, bool exact)
{
	if (strchr(pattern, '/') == NULL)
		/* A bare name covers a bare name that PATH resolved. */
		return !exact && strchr(word, '/') == NULL &&
		    strcmp(pattern, word) == 0;
	if (exact)
		return strcmp(pattern, path) == 0;
	return execlist_glob(pattern, path);
}

json_t *
execlist_match(const struct execlist *l, const char *agent, const char *path,
    const char *word, bool exact)
{
	const json_t	*agents = json_object_get(l->root, "agents"), *list;
	const char	*names[2] = { agent, "*" }, *pattern;
	json_t		*e;
	size_t		 i, k;

	for (k = 0; k < 2; k++) {
		list = json_object_get(json_object_get(agents, names[k]),
		    "allowlist");
		json_array_foreach(list, i, e) {
			pattern = json_string_value(json_object_get(e,
			    "pattern"));
			if (pattern != NULL && covers(pattern, path, word,
			    exact))
				return e;
		}
	}
	return NULL;
}

void
execlist_note(struct execlist *l, json_t *entry, const char *path,
    struct str command, uint64_t now_ms)
{
	json_object_set_new(entry, "lastUsedAt",
	    json_integer((json_int_t)now_ms));
	json_object_set_new(entry, "lastUsedCommand", json_stringn(command.p,
	    utf8_cut(command.p, command.n, 200)));
	json_object_set_new(entry, "lastResolvedPath", json_string(path));
	l->used = true;
}

json_t *
execlist_with(const struct execlist *l, const char *agent, const char *path)
{
	json_t	*root = json_deep_copy(l->root), *agents, *a, *list;
	char	 id[37];

	agents = json_object_get(root, "agents");
	if ((a = json_object_get(agents, agent)) == NULL) {
		a = json_object();
		json_object_set_new(agents, agent, a);
	}
	if ((list = json_object_get(a, "allowlist")) == NULL) {
		list = json_array();
		json_object_set_new(a, "allowlist", list);
	}
	uuid_v4(id);
	if (json_array_size(list) >= EXECLIST_ENTRIES ||
	    json_array_append_new(list, json_pack("{s:s, s:s}", "id", id,
	    "pattern", path)) == -1) {
		json_decref(root);
		return NULL;
	}
	return root;
}
