/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Variables: those of the environment (as the parent was started with),
 * <state>/.env, then env.* of the file; nothing overrides what is set and not
 * empty.  A .env of the current folder is not read: that folder may be a
 * workspace, and nothing in a workspace is configuration (threat T21).
 */

#include "common/compat.h"

#include <errno.h>

#include "gatewayd/config/config.h"

#define DOTENV_MAX	(256u << 10)

static const char *
var_get(const struct cf_var *v, struct str name)
{
	for (; v != NULL; v = v->next)
		if (str_eqs(name, v->name) && v->value[0] != '\0')
			return v->value;
	return NULL;
}

static const char *
env_str(const struct cf *cf, struct str name)
{
	struct str	 s;

	if (cf->env != NULL) {
		s = parcel_get_str(cf->env, "%.*s", (int)name.n, name.p);
		/* A value with a NUL inside is no variable. */
		if (s.n > 0 && memchr(s.p, '\0', s.n) == NULL &&
		    utf8_valid(s.p, s.n))
			return s.p;
	}
	if (var_get(cf->dotenv, name) != NULL)
		return var_get(cf->dotenv, name);
	return var_get(cf->vars, name);
}

const char *
cf_env(const struct cf *cf, const char *name)
{
	const char	*v;

	/* The older spelling of our own variables still works. */
	if ((v = env_str(cf, str_of(name))) == NULL &&
	    strcmp(name, "ZAI_API_KEY") == 0)
		v = env_str(cf, STR_LIT("Z_AI_API_KEY"));
	return v;
}

const char *
cf_env_first(const struct cf *cf, const char *const *names)
{
	const char	*v;

	for (; (*names)[0] != '\0'; names++)
		if ((v = cf_env(cf, *names)) != NULL)
			return v;
	return NULL;
}

static int
var_add(struct cf_var **list, struct str name, struct str value)
{
	struct cf_var	*v;

	if ((v = calloc(1, sizeof(*v))) == NULL)
		return -1;
	v->name = str_dup(name);
	v->value = str_dup(value);
	if (v->name == NULL || v->value == NULL) {
		free(v->name);
		free(v->value);
		free(v);
		return -1;
	}
	/* The first of two lines for one name counts. */
	while (*list != NULL)
		list = &(*list)->next;
	*list = v;
	return 0;
}

static bool
is_name(struct str s)
{
	size_t	 i;

	if (s.n == 0 || ascii_isdigit((unsigned char)s.p[0]))
		return false;
	for (i = 0; i < s.n; i++)
		if (!ascii_isalnum((unsigned char)s.p[i]) && s.p[i] != '_')
			return false;
	return true;
}

/* Value of one dotenv line: quotes taken off, \n and \" understood in double
 * ones, a comment behind a bare value dropped. */
static int
dotenv_value(struct str s, struct dbuf *out)
{
	size_t	 i;
	char	 q;

	if (s.n > 0 && (s.p[0] == '"' || s.p[0] == '\'' || s.p[0] == '`')) {
		q = s.p[0];
		for (i = 1; i < s.n && s.p[i] != q; i++) {
			if (q == '"' && s.p[i] == '\\' && i + 1 < s.n) {
				i++;
				dbuf_putc(out, s.p[i] == 'n' ? '\n' :
				    s.p[i] == 'r' ? '\r' : s.p[i]);
			} else
				dbuf_putc(out, s.p[i]);
		}
		return i < s.n ? 0 : -1;
	}
	for (i = 0; i < s.n; i++)
		if (s.p[i] == '#' && (i == 0 || ascii_isspace(
		    (unsigned char)s.p[i - 1])))
			break;
	s.n = i;
	s = str_trim(s);
	return dbuf_put(out, s.p, s.n);
}

static int
dotenv_parse(struct cf *cf, const char *text, size_t n)
{
	struct dbuf	 value;
	struct str	 line, name;
	size_t		 eol;
	unsigned int	 lineno = 0;
	int		 ret = 0;

	dbuf_init_secret(&value, DOTENV_MAX);
	while (n > 0 && ret == 0) {
		lineno++;
		for (eol = 0; eol < n && text[eol] != '\n'; eol++)
			;
		line = str_trim((struct str){ text, eol });
		text += eol + (eol < n);
		n -= eol + (eol < n);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (str_prefix(line, "export ")) {
			line.p += 7;
			line.n -= 7;
			line = str_trim(line);
		}
		for (eol = 0; eol < line.n && line.p[eol] != '='; eol++)
			;
		name = str_trim((struct str){ line.p, eol });
		dbuf_reset(&value);
		if (eol == line.n || !is_name(name) || dotenv_value(str_trim(
		    (struct str){ line.p + eol + 1, line.n - eol - 1 }),
		    &value) == -1) {
			cf_warn(cf, NULL, "", "%s/.env: line %u is not "
			    "NAME=value", cf->state_dir, lineno);
			continue;
		}
		ret = var_add(&cf->dotenv, name, (struct str){
		    dbuf_str(&value), value.n });
	}
	dbuf_clear(&value);
	return ret;
}

static int
dotenv_load(struct cf *cf)
{
	char	 path[CF_PATH_MAX], *text = NULL;
	size_t	 n = 0;
	int	 e, ret = 0;

	if (snprintf(path, sizeof(path), "%s/.env", cf->state_dir) >=
	    (int)sizeof(path))
		return 0;
	if ((e = cf->read_file(cf->arg, path, &text, &n)) != 0) {
		if (e != ENOENT && e != ENOTDIR)
			cf_warn(cf, NULL, "", "%s: %s", path, strerror(e));
		return 0;
	}
	if (n > DOTENV_MAX || !utf8_valid(text, n) ||
	    memchr(text, '\0', n) != NULL)
		cf_warn(cf, NULL, "", "%s: too large or no text; ignored",
		    path);
	else
		ret = dotenv_parse(cf, text, n);
	freezero(text, n);
	return ret;
}

int
cf_env_load(struct cf *cf)
{
	struct json5	*env = json5_get(cf->root, "env"), *m;
	int		 pass;

	if (dotenv_load(cf) == -1)
		return -1;
	for (pass = 0; pass < 2; pass++) {
		m = pass == 0 ? json5_get(env, "vars") : env;
		for (m = m != NULL && m->type == JSON5_OBJECT ? m->child :
		    NULL; m != NULL; m = m->next)
			if (m->type == JSON5_STRING && is_name(m->key) &&
			    var_add(&cf->vars, m->key, m->s) == -1)
				return -1;
	}
	return 0;
}

/* --- ${NAME} ---------------------------------------------------------------- */

/* Length of "${NAME}" at p, or 0. */
static size_t
reference(const char *p, size_t n)
{
	size_t	 i;

	if (n < 4 || p[0] != '$' || p[1] != '{' || ascii_isdigit(
	    (unsigned char)p[2]))
		return 0;
	for (i = 2; i < n && (ascii_isdigit((unsigned char)p[i]) ||
	    (p[i] >= 'A' && p[i] <= 'Z') || p[i] == '_'); i++)
		;
	return i > 2 && i < n && p[i] == '}' ? i + 1 : 0;
}

static int
subst_string(struct cf *cf, struct json5 *v, const char *path)
{
	struct json5	*neu;
	struct dbuf	 b;
	const char	*val;
	struct str	 name;
	size_t		 i, len;
	int		 ret = 0;

	if (memchr(v->s.p, '$', v->s.n) == NULL)
		return 0;
	dbuf_init_secret(&b, JSON5_TEXT_MAX);
	for (i = 0; i < v->s.n;) {
		if (v->s.p[i] == '$' && i + 1 < v->s.n && (len = reference(
		    v->s.p + i + 1, v->s.n - i - 1)) > 0) {
			dbuf_put(&b, v->s.p + i + 1, len);	/* $${X} */
			i += len + 1;
			continue;
		}
		if ((len = reference(v->s.p + i, v->s.n - i)) == 0) {
			dbuf_putc(&b, v->s.p[i++]);
			continue;
		}
		name = (struct str){ v->s.p + i + 2, len - 3 };
		if ((val = env_str(cf, name)) == NULL) {
			cf_error(cf, v, path, "Missing env var \"%.*s\" "
			    "referenced at config path: %s", (int)name.n,
			    name.p, path);
			goto out;
		}
		/* What such a variable holds stays secret in any key. */
		if (keys_name_is_secret(name) && strlen(val) >= 8 &&
		    cf->nsecrets < CF_SECRETS_MAX)
			cf->secrets[cf->nsecrets++] = str_of(val);
		dbuf_puts(&b, val);
		i += len;
	}
	if (dbuf_err(&b) || (neu = json5_new_str(cf->pool,
	    (struct str){ dbuf_str(&b), b.n }, v)) == NULL)
		ret = -1;
	else
		v->s = neu->s;
out:
	dbuf_clear(&b);
	return ret;
}

static int
subst(struct cf *cf, struct json5 *v, char *path, size_t size)
{
	struct json5	*m;
	size_t		 len = strlen(path), i = 0;

	if (v->type == JSON5_STRING)
		return subst_string(cf, v, path);
	for (m = v->child; m != NULL; m = m->next, i++) {
		if (v->type == JSON5_ARRAY)
			snprintf(path + len, size - len, "[%zu]", i);
		else
			snprintf(path + len, size - len, "%s%s",
			    len > 0 ? "." : "", m->key.p);
		if (subst(cf, m, path, size) == -1)
			return -1;
		path[len] = '\0';
	}
	return 0;
}

int
cf_substitute(struct cf *cf)
{
	char	 path[1024] = "";

	return subst(cf, cf->root, path, sizeof(path));
}

/* --- paths ------------------------------------------------------------------- */

char *
cf_expand(struct cf *cf, const char *path)
{
	if (path[0] == '~' && (path[1] == '/' || path[1] == '\0')) {
		path += strspn(path + 1, "/") + 1;
		return cf_normalise(cf->home, str_of(path));
	}
	return cf_normalise(cf->dir, str_of(path));
}

const char *
cf_expand_keep(struct cf *cf, const char *path)
{
	struct json5	*v;
	char		*s;

	if ((s = cf_expand(cf, path)) == NULL)
		return NULL;
	v = json5_new_str(cf->pool, str_of(s), NULL);
	free(s);
	return v != NULL ? v->s.p : NULL;
}
