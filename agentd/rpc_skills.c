/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * skills.status, skills.bins and skills.install (spec gateway-protocol 4.14).
 * Nothing is installed: a package manager runs what others wrote with the
 * rights of whoever calls it, and no process here has any to lend.  The answer
 * names the command instead, quoted, since a skill's author chose its words.
 */
#include "common/compat.h"

#include <errno.h>

#include "agentd/json_load.h"
#include "agentd/rpc.h"
#include "agentd/skills.h"
#include "common/log.h"

/* An answer grows no further; one more skill, in which every byte of its head
 * is told three times and escaped, still fits below RPC_RESULT_MAX.  Those of
 * the workspace come last, so that whoever writes there hides only his own. */
#define STATUS_BYTES	(4u << 20)
#define BINS_BYTES	(1u << 20)

static struct skills *
load(struct rpc *r)
{
	struct skills_places	 pl;
	struct skills		*all;

	skills_places(&pl);
	if ((all = skills_load(&pl)) == NULL)
		rpc_refuse(r, "UNAVAILABLE", "skills: %s", strerror(errno));
	return all;
}

/* --- skills.status ------------------------------------------------------------ */

/* Those of the list whose bit is set. */
static void
put_list(struct jw *w, const char *key, const struct json5 *list,
    uint64_t bits)
{
	const struct json5	*m;

	jw_karr(w, key);
	for (m = list->child; m != NULL; m = m->next, bits >>= 1)
		if (bits & 1)
			jw_str(w, m->s);
	jw_arr_end(w);
}

static void
put_lists(struct jw *w, const char *key, const struct skill *sk,
    const struct skill_verdict *v)
{
	jw_kobj(w, key);
	put_list(w, "bins", sk->bins, v->bins);
	put_list(w, "anyBins", sk->any_bins, v->any_bins);
	put_list(w, "env", sk->env, v->env);
	put_list(w, "config", sk->config, v->config);
	put_list(w, "os", sk->os, v->os);
	jw_obj_end(w);
}

static const char *
or_empty(const char *s)
{
	return s != NULL ? s : "";
}

static bool
for_linux(const struct skill_install *in)
{
	const struct json5	*m;

	for (m = in->os->child; m != NULL; m = m->next)
		if (strcmp(m->s.p, "linux") == 0)
			return true;
	return in->os->count == 0;
}

/* "brew-0" when the author gave none. */
static struct str
install_id(const struct skill_install *in, size_t at, char buf[32])
{
	if (in->id != NULL)
		return str_of(in->id);
	snprintf(buf, 32, "%s-%zu", in->kind, at);
	return str_of(buf);
}

static const char *
node_manager(json_t *settings)
{
	return json_text(settings, "nodeManager", "npm");
}

static void
put_install(struct jw *w, json_t *settings, const struct skill_install *in,
    size_t at)
{
	struct dbuf	 b;
	const char	*what, *slash, *with = in->kind;
	char		 id[32];

	what = strcmp(in->kind, "brew") == 0 ? in->formula :
	    strcmp(in->kind, "go") == 0 ? in->module :
	    strcmp(in->kind, "download") == 0 ? in->url : in->package;
	what = or_empty(what);
	if (strcmp(in->kind, "node") == 0)
		with = node_manager(settings);
	dbuf_init(&b, 8192);
	if (in->label != NULL && in->label[0] != '\0' &&
	    (strcmp(in->kind, "node") != 0 || what[0] == '\0'))
		dbuf_puts(&b, in->label);
	else if (what[0] == '\0')
		dbuf_puts(&b, "Run installer");
	else if (strcmp(in->kind, "download") == 0) {
		slash = strrchr(what, '/');
		dbuf_printf(&b, "Download %s", slash != NULL &&
		    slash[1] != '\0' ? slash + 1 : what);
	} else
		dbuf_printf(&b, "Install %s (%s)", what, with);
	jw_obj(w);
	jw_kstr(w, "id", install_id(in, at, id));
	jw_ks(w, "kind", in->kind);
	jw_ks(w, "label", dbuf_str(&b));
	put_list(w, "bins", in->bins, UINT64_MAX);
	jw_obj_end(w);
	dbuf_clear(&b);
}

/* The way that is offered: all when they are downloads, else the best. */
static void
put_installs(struct jw *w, json_t *settings, const struct skill *sk)
{
	static const char *const order[] = { "uv", "node", "brew", "go" };
	const struct skill_install *fit[SKILL_INSTALL_MAX];
	size_t			 i, k, n = 0, best = SIZE_MAX;
	bool			 downloads = true, brew;

	for (i = 0; i < sk->ninstall; i++)
		if (for_linux(&sk->install[i])) {
			fit[n++] = &sk->install[i];
			downloads &= strcmp(sk->install[i].kind,
			    "download") == 0;
		}
	brew = json_is_true(json_object_get(settings, "preferBrew")) &&
	    skill_has_program("brew");
	jw_karr(w, "install");
	for (i = 0; i < n && downloads; i++)
		put_install(w, settings, fit[i], i);
	for (i = 0; i < n && !downloads && brew && best == SIZE_MAX; i++)
		if (strcmp(fit[i]->kind, "brew") == 0)
			best = i;
	for (k = 0; k < 4 && !downloads && best == SIZE_MAX; k++)
		for (i = 0; i < n && best == SIZE_MAX; i++)
			if (strcmp(fit[i]->kind, order[k]) == 0)
				best = i;
	if (best != SIZE_MAX)
		put_install(w, settings, fit[best], best);
	jw_arr_end(w);
}

static void
put_skill(struct jw *w, json_t *settings, const struct skill *sk)
{
	struct skill_verdict	 v, all = { .bins = UINT64_MAX,
	    .any_bins = UINT64_MAX, .env = UINT64_MAX, .config = UINT64_MAX,
	    .os = UINT64_MAX };
	const struct json5	*m;
	json_t			*value;

	skill_judge(sk, settings, &v);
	jw_obj(w);
	jw_ks(w, "name", sk->name);
	jw_ks(w, "description", sk->description);
	jw_ks(w, "source", skill_source_name(sk->source));
	jw_ks(w, "filePath", sk->file);
	jw_ks(w, "baseDir", sk->dir);
	jw_ks(w, "skillKey", sk->key);
	if (sk->primary_env != NULL)
		jw_ks(w, "primaryEnv", sk->primary_env);
	if (sk->emoji != NULL)
		jw_ks(w, "emoji", sk->emoji);
	if (sk->homepage != NULL)
		jw_ks(w, "homepage", sk->homepage);
	jw_kbool(w, "always", sk->always);
	jw_kbool(w, "disabled", v.disabled);
	jw_kbool(w, "blockedByAllowlist", v.blocked);
	jw_kbool(w, "eligible", v.eligible);
	put_lists(w, "requirements", sk, &all);
	put_lists(w, "missing", sk, &v);
	jw_karr(w, "configChecks");
	for (m = sk->config->child; m != NULL; m = m->next) {
		jw_obj(w);
		jw_kstr(w, "path", m->s);
		value = skill_config_at(settings, m->s.p);
		if (value != NULL)
			jw_kbool(w, "value", json_is_true(value));
		jw_kbool(w, "satisfied", skill_config_is_set(settings,
		    m->s.p));
		jw_obj_end(w);
	}
	jw_arr_end(w);
	put_installs(w, settings, sk);
	jw_obj_end(w);
}

void
rpc_skills_status(struct rpc *r)
{
	json_t		*settings = json_object_get(cfg->root, "skills");
	struct skills	*all;
	struct dbuf	 b;
	struct jw	 w;
	char		 managed[4096];
	size_t		 i;

	if ((all = load(r)) == NULL)
		return;
	snprintf(managed, sizeof(managed), "%s/skills", json_text(config_at(
	    cfg->root, "paths"), "state", ""));
	dbuf_init(&b, RPC_RESULT_MAX);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "workspaceDir", cfg->workspace);
	jw_ks(&w, "managedSkillsDir", managed);
	jw_karr(&w, "skills");
	for (i = 0; i < all->n && b.n < STATUS_BYTES; i++)
		put_skill(&w, settings, &all->v[i]);
	if (i < all->n)
		log_warnx("skills.status: the answer would be too large; %zu "
		    "skills are left out", all->n - i);
	jw_arr_end(&w);
	jw_obj_end(&w);
	rpc_answer(r, &b);
	skills_free(all);
}

/* --- skills.bins -------------------------------------------------------------- */

struct names {
	const char	**v;
	size_t		 n, cap;
};

/* What no program is called has no place among names to be allowed. */
static bool
is_program(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s <= 0x20 || strchr("\"\\/\177", *s) !=
		    NULL)
			return false;
	return true;
}

static void
add_names(struct names *to, const struct json5 *list)
{
	const struct json5	*m;
	const char		**more;

	for (m = list->child; m != NULL; m = m->next) {
		if (!is_program(m->s.p))
			continue;
		if (to->n == to->cap) {
			more = reallocarray(to->v, to->cap + 256,
			    sizeof(*to->v));
			if (more == NULL)
				return;
			to->v = more;
			to->cap += 256;
		}
		to->v[to->n++] = m->s.p;
	}
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void
rpc_skills_bins(struct rpc *r)
{
	struct names	 names = { NULL, 0, 0 };
	struct skills	*all;
	struct dbuf	 b;
	struct jw	 w;
	size_t		 i, k;

	if ((all = load(r)) == NULL)
		return;
	for (i = 0; i < all->n; i++) {
		add_names(&names, all->v[i].bins);
		add_names(&names, all->v[i].any_bins);
		for (k = 0; k < all->v[i].ninstall; k++)
			add_names(&names, all->v[i].install[k].bins);
	}
	if (names.n > 1)
		qsort(names.v, names.n, sizeof(*names.v), by_text);
	dbuf_init(&b, RPC_RESULT_MAX);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_karr(&w, "bins");
	for (i = 0; i < names.n && b.n < BINS_BYTES; i++)
		if (i == 0 || strcmp(names.v[i], names.v[i - 1]) != 0)
			jw_s(&w, names.v[i]);
	jw_arr_end(&w);
	jw_obj_end(&w);
	rpc_answer(r, &b);
	free(names.v);
	skills_free(all);
}

/* --- skills.install ----------------------------------------------------------- */

/* The error, with the payload that clients of this method read as well. */
static void
not_installed(struct rpc *r, const char *message)
{
	struct m_rpc_res	 m;
	struct dbuf		 b;
	struct jw		 w;

	dbuf_init(&b, 65536);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kbool(&w, "ok", false);
	jw_ks(&w, "message", message);
	jw_ks(&w, "stdout", "");
	jw_ks(&w, "stderr", "");
	jw_knull(&w, "code");
	jw_obj_end(&w);
	memset(&m, 0, sizeof(m));
	m.code = STR_LIT("UNAVAILABLE");
	m.message = str_of(message);
	m.result = (struct str){ dbuf_str(&b), b.n };
	rpc_send(r, &m);
	dbuf_clear(&b);
}

/* As one word of a shell; false when it would be an option, or hides
 * something from whoever reads it. */
static bool
put_word(struct dbuf *b, const char *s)
{
	const char	*p;
	bool		 plain = true;

	if (s[0] == '-')
		return false;
	for (p = s; *p != '\0'; p++) {
		if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
			return false;
		plain &= ascii_isalnum((unsigned char)*p) ||
		    strchr("@%+=:,./_-", *p) != NULL;
	}
	if (plain) {
		dbuf_puts(b, s);
		return true;
	}
	dbuf_putc(b, '\'');
	for (p = s; *p != '\0'; p++)
		if (*p == '\'')
			dbuf_puts(b, "'\\''");
		else
			dbuf_putc(b, *p);
	dbuf_putc(b, '\'');
	return true;
}

/* The command for it into b: NULL, or what is wrong with the skill. */
static const char *
command_of(struct dbuf *b, json_t *settings, const struct skill_install *in)
{
	const char	*manager = node_manager(settings), *what, *missing;

	if (strcmp(in->kind, "brew") == 0) {
		dbuf_puts(b, "brew install ");
		what = in->formula;
		missing = "missing brew formula";
	} else if (strcmp(in->kind, "node") == 0) {
		dbuf_printf(b, "%s %s ", manager, strcmp(manager, "yarn") ==
		    0 ? "global add" : strcmp(manager, "npm") == 0 ?
		    "install -g" : "add -g");
		what = in->package;
		missing = "missing node package";
	} else if (strcmp(in->kind, "go") == 0) {
		dbuf_puts(b, "go install ");
		what = in->module;
		missing = "missing go module";
	} else if (strcmp(in->kind, "uv") == 0) {
		dbuf_puts(b, "uv tool install ");
		what = in->package;
		missing = "missing uv package";
	} else {
		dbuf_puts(b, "curl -fLO ");
		what = in->url;
		missing = "missing download url";
	}
	if (what == NULL || what[0] == '\0')
		return missing;
	if (strcmp(in->kind, "download") == 0 &&
	    strncmp(what, "https://", 8) != 0 &&
	    strncmp(what, "http://", 7) != 0)
		return "the download url is neither http nor https";
	return put_word(b, what) ? NULL : "what it names is no package";
}

void
rpc_skills_install(struct rpc *r)
{
	json_t			*settings = json_object_get(cfg->root,
				    "skills");
	const char		*name, *id, *why;
	const struct skill	*sk;
	struct skills		*all;
	struct dbuf		 b, command;
	char			 buf[32];
	size_t			 i;

	if ((name = rpc_text(r, "name")) == NULL ||
	    (id = rpc_text(r, "installId")) == NULL || (all = load(r)) == NULL)
		return;
	dbuf_init(&b, 4096);
	dbuf_init(&command, 4096);
	sk = skills_find(all, name);
	for (i = 0; sk != NULL && i < sk->ninstall; i++)
		if (str_eqs(install_id(&sk->install[i], i, buf), id))
			break;
	if (sk == NULL)
		dbuf_printf(&b, "Skill not found: %.*s", (int)utf8_cut(name,
		    strlen(name), 512), name);
	else if (i == sk->ninstall)
		dbuf_printf(&b, "Installer not found: %.*s", (int)utf8_cut(id,
		    strlen(id), 512), id);
	else if ((why = command_of(&command, settings, &sk->install[i])) !=
	    NULL)
		dbuf_puts(&b, why);
	else
		dbuf_printf(&b, "this gateway installs nothing by itself; "
		    "read %.512s, and if you trust it run: %s", sk->file,
		    dbuf_str(&command));
	if (dbuf_err(&b) || dbuf_err(&command))
		not_installed(r, "what it names is too long");
	else
		not_installed(r, dbuf_str(&b));
	dbuf_clear(&b);
	dbuf_clear(&command);
	skills_free(all);
}
