/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * sessions.patch (spec gateway-protocol 4.6): settings of one session.  All of
 * a patch counts or nothing: it is made on a copy of the entry, which takes the
 * place of the entry when nothing was refused.
 */
#include "common/compat.h"

#include "agentd/agentd.h"
#include "agentd/json_load.h"
#include "agentd/levels.h"
#include "agentd/rpc.h"

struct patch {
	struct rpc	*rpc;
	struct session	*session;
	json_t		*next;		/* the entry as it shall be */
};

/* One field: false, and the client was told why. */
typedef bool field_fn(struct patch *, const char *field, const char *value);

static bool
refuse(struct patch *p, const char *text)
{
	rpc_refuse(p->rpc, "INVALID_REQUEST", "%s", text);
	return false;
}

static void
put(struct patch *p, const char *field, const char *value)
{
	if (value == NULL)
		json_object_del(p->next, field);
	else
		json_object_set_new(p->next, field, json_string(value));
}

/* Provider and model that the session would use now. */
static void
model_now(const json_t *entry, struct provider_model *m)
{
	char	 why[256];

	memset(m, 0, sizeof(*m));
	if (config_model(cfg, cfg->candidates[0], m, why, sizeof(why)) == -1)
		m->provider = m->id = "";
	m->provider = json_text(entry, "providerOverride", m->provider);
	m->id = json_text(entry, "modelOverride", m->id);
}

/* --- the fields ---------------------------------------------------------- */

static bool
field_spawned_by(struct patch *p, const char *field, const char *value)
{
	const char	*old = session_text(p->session, field, NULL);
	struct str	 agent, rest, v = str_trim(str_of(value));
	char		 text[SESSION_KEY_MAX + 1];

	if (value == NULL)
		return old == NULL ? true : refuse(p,
		    "spawnedBy cannot be cleared once set");
	if (v.n == 0)
		return refuse(p, "invalid spawnedBy: empty");
	if (!session_key_split(str_of(p->session->key), &agent, &rest) ||
	    !str_prefix(rest, "subagent:"))
		return refuse(p, "spawnedBy is only supported for subagent:* "
		    "sessions");
	if (old != NULL && !str_eqs(v, old))
		return refuse(p, "spawnedBy cannot be changed once set");
	if (str_copy(v, text, sizeof(text)) == -1)
		return refuse(p, "invalid spawnedBy: too long");
	put(p, field, text);
	return true;
}

static bool
other_has_it(const struct sessdb_session *v, void *arg)
{
	struct patch	*p = arg;

	if (strcmp(v->key, p->session->key) != 0)
		p->session = NULL;
	return p->session != NULL;
}

static bool
field_label(struct patch *p, const char *field, const char *value)
{
	struct sessdb_filter	 f = { .limit = 2, .global = true,
				    .unknown = true };
	struct patch		 other = *p;
	struct str		 v = str_trim(str_of(value));
	char			 text[257];

	if (value == NULL) {
		put(p, field, NULL);
		return true;
	}
	if (v.n == 0)
		return refuse(p, "invalid label: empty");
	if (str_copy(v, text, sizeof(text)) == -1 ||
	    utf8_count(text, v.n) > 64)
		return refuse(p, "invalid label: too long (max 64)");
	f.label = text;
	if (session_each(&f, other_has_it, &other) == -1) {
		rpc_refuse(p->rpc, "UNAVAILABLE", "Error: %s",
		    sessdb_error(db));
		return false;
	}
	if (other.session == NULL) {
		rpc_refuse(p->rpc, "INVALID_REQUEST", "label already in use: "
		    "%s", text);
		return false;
	}
	put(p, field, text);
	return true;
}

/* Words of which "off" means the same as none. */
static bool
field_word(struct patch *p, const char *field, const char *value,
    enum level_kind kind, bool keep_off, const char *error)
{
	const char	*is = NULL;

	if (value != NULL && (is = level_parse(kind, str_of(value))) == NULL)
		return refuse(p, error);
	put(p, field, is != NULL && !keep_off && strcmp(is, "off") == 0 ?
	    NULL : is);
	return true;
}

static bool
field_thinking(struct patch *p, const char *field, const char *value)
{
	struct provider_model	 m;

	model_now(p->session->entry, &m);
	return field_word(p, field, value, LEVEL_THINKING, false,
	    level_has_xhigh(m.provider, m.id) ? "invalid thinkingLevel (use "
	    "off|minimal|low|medium|high|xhigh)" : "invalid thinkingLevel "
	    "(use off|minimal|low|medium|high)");
}

#define WORD(fn, kind, keep_off, error)					\
	static bool							\
	fn(struct patch *p, const char *field, const char *value)	\
	{								\
		return field_word(p, field, value, kind, keep_off, error); \
	}
WORD(field_verbose, LEVEL_VERBOSE, true,
    "invalid verboseLevel (use \"on\"|\"off\")")
WORD(field_reasoning, LEVEL_REASONING, false,
    "invalid reasoningLevel (use \"on\"|\"off\"|\"stream\")")
WORD(field_usage, LEVEL_USAGE, false,
    "invalid responseUsage (use \"off\"|\"tokens\"|\"full\")")
WORD(field_elevated, LEVEL_ELEVATED, true,
    "invalid elevatedLevel (use \"on\"|\"off\"|\"ask\"|\"full\")")
WORD(field_exec_host, LEVEL_EXEC_HOST, true,
    "invalid execHost (use \"sandbox\"|\"gateway\"|\"node\")")
WORD(field_exec_security, LEVEL_EXEC_SECURITY, true,
    "invalid execSecurity (use \"deny\"|\"allowlist\"|\"full\")")
WORD(field_exec_ask, LEVEL_EXEC_ASK, true,
    "invalid execAsk (use \"off\"|\"on-miss\"|\"always\")")
WORD(field_send_policy, LEVEL_SEND_POLICY, true,
    "invalid sendPolicy (use \"allow\"|\"deny\")")
WORD(field_activation, LEVEL_ACTIVATION, true,
    "invalid groupActivation (use \"mention\"|\"always\")")
#undef WORD

static bool
field_exec_node(struct patch *p, const char *field, const char *value)
{
	struct str	 v = str_trim(str_of(value));

	if (value != NULL && v.n == 0)
		return refuse(p, "invalid execNode: empty");
	if (value == NULL)
		put(p, field, NULL);
	else
		json_object_set_new(p->next, field, json_stringn(v.p, v.n));
	return true;
}

static bool
field_model(struct patch *p, const char *field, const char *value)
{
	static const char *const fields[] = { "providerOverride",
	    "modelOverride", "authProfileOverride",
	    "authProfileOverrideSource", "authProfileOverrideCompactionCount" };
	struct provider_model	 m;
	struct str		 v = str_trim(str_of(value));
	char			 ref[512];
	size_t			 i;

	(void)field;
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		json_object_del(p->next, fields[i]);
	if (value == NULL)
		return true;
	if (v.n == 0)
		return refuse(p, "invalid model: empty");
	switch (config_choose(cfg, v, ref, sizeof(ref), &m)) {
	case MODEL_OK:
		break;
	case MODEL_INVALID:
		rpc_refuse(p->rpc, "INVALID_REQUEST", "invalid model: %.*s",
		    (int)utf8_cut(v.p, v.n, 256), v.p);
		return false;
	case MODEL_NOT_ALLOWED:
		rpc_refuse(p->rpc, "INVALID_REQUEST", "model not allowed: %s",
		    ref);
		return false;
	}
	if (strcmp(ref, cfg->candidates[0]) != 0) {
		put(p, "providerOverride", m.provider);
		put(p, "modelOverride", m.id);
	}
	return true;
}

/* In the order in which they are judged. */
static const struct { const char *name; field_fn *fn; } fields[] = {
	{ "spawnedBy", field_spawned_by }, { "label", field_label },
	{ "thinkingLevel", field_thinking }, { "verboseLevel", field_verbose },
	{ "reasoningLevel", field_reasoning },
	{ "responseUsage", field_usage }, { "elevatedLevel", field_elevated },
	{ "execHost", field_exec_host },
	{ "execSecurity", field_exec_security }, { "execAsk", field_exec_ask },
	{ "execNode", field_exec_node }, { "model", field_model },
	{ "sendPolicy", field_send_policy },
	{ "groupActivation", field_activation },
};

/* That much thinking only some models can: asked for, it is refused; kept
 * from before, it becomes the next lower. */
static bool
check_xhigh(struct patch *p)
{
	struct provider_model	 m;

	if (strcmp(json_text(p->next, "thinkingLevel", ""), "xhigh") != 0)
		return true;
	model_now(p->next, &m);
	if (level_has_xhigh(m.provider, m.id))
		return true;
	if (json_object_get(p->rpc->params, "thinkingLevel") != NULL) {
		rpc_refuse(p->rpc, "INVALID_REQUEST", "thinkingLevel \"xhigh\" "
		    "is only supported for %s", level_xhigh_models());
		return false;
	}
	put(p, "thinkingLevel", "high");
	return true;
}

static bool
apply(struct patch *p)
{
	json_t	*v;
	size_t	 i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if ((v = json_object_get(p->rpc->params, fields[i].name)) ==
		    NULL)
			continue;
		if (!json_is_string(v) && !json_is_null(v)) {
			rpc_refuse(p->rpc, "INVALID_REQUEST", "invalid "
			    "sessions.patch params: at /%s: must be string",
			    fields[i].name);
			return false;
		}
		if (!fields[i].fn(p, fields[i].name, json_string_value(v)))
			return false;
	}
	return check_xhigh(p);
}

void
rpc_sessions_patch(struct rpc *r)
{
	struct patch	 p = { .rpc = r };
	struct session	*s;

	if ((s = rpc_session(r, true)) == NULL)
		return;
	p.session = s;
	if ((p.next = json_copy(s->entry)) == NULL)
		rpc_refuse(r, "UNAVAILABLE", "out of memory");
	else if (apply(&p)) {
		json_object_set_new(p.next, "updatedAt", json_integer(
		    (json_int_t)wall_ms()));
		if (session_replace(s, p.next) == -1)
			rpc_refuse_disk(r);
		else
			rpc_session_answer(r, s, true);
	}
	json_decref(p.next);
}
