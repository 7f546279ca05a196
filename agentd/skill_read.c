/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * From the text of a SKILL.md to a struct skill: the keys of AgentSkills, and
 * what OpenClaw adds under metadata.  Pure; the text may be hostile.
 */
#include "common/compat.h"

#include "agentd/frontmatter.h"
#include "agentd/skills.h"

/* Names that OpenClaw had before. */
static const char *const owners[] = { "openclaw", "clawdbot", "moltbot" };
static const char *const kinds[] = { "brew", "node", "go", "uv", "download" };

static const struct json5	 nothing = { .type = JSON5_ARRAY };

/* A text of an object, as it is; NULL when it is none. */
static const char *
text(const struct json5 *o, const char *key)
{
	const struct json5	*v = json5_get(o, key);

	return v != NULL && v->type == JSON5_STRING ? v->s.p : NULL;
}

/* Trimmed and at most max bytes, in the pool. */
static const char *
keep(struct json5_pool *pool, const char *s, size_t max)
{
	struct str	 t = str_trim(str_of(s));
	struct json5	*v;

	if (s == NULL)
		return NULL;
	t.n = utf8_cut(t.p, t.n, max);
	v = json5_new_str(pool, t, NULL);
	return v != NULL ? v->s.p : "";
}

static void
list_add(struct json5_pool *pool, struct json5 *list, struct str s)
{
	s = str_trim(s);
	if (s.n > 0 && s.n <= SKILL_ITEM_MAX && list->count < SKILL_LIST_MAX)
		json5_push(list, json5_new_str(pool, s, NULL));
}

/* A list of texts, or one text with commas. */
static const struct json5 *
list_of(struct json5_pool *pool, const struct json5 *v)
{
	const struct json5	*m;
	struct json5		*list;
	struct str		 s;
	size_t			 i;

	if (v == NULL || (v->type != JSON5_ARRAY && v->type != JSON5_STRING) ||
	    (list = json5_new(pool, JSON5_ARRAY, NULL)) == NULL)
		return &nothing;
	if (v->type == JSON5_ARRAY) {
		for (m = v->child; m != NULL; m = m->next)
			if (m->type == JSON5_STRING)
				list_add(pool, list, m->s);
		return list;
	}
	for (s = v->s; ; s = (struct str){ s.p + i + 1, s.n - i - 1 }) {
		for (i = 0; i < s.n && s.p[i] != ','; i++)
			;
		list_add(pool, list, (struct str){ s.p, i });
		if (i == s.n)
			return list;
	}
}

static void
read_install(struct json5_pool *pool, struct skill *sk,
    const struct json5 *list)
{
	const struct json5	*m;
	struct skill_install	*in;
	const char		*kind;
	size_t			 i;

	if (list == NULL || list->type != JSON5_ARRAY || list->count == 0)
		return;
	sk->install = calloc(list->count < SKILL_INSTALL_MAX ? list->count :
	    SKILL_INSTALL_MAX, sizeof(*sk->install));
	if (sk->install == NULL)
		return;
	for (m = list->child; m != NULL && sk->ninstall < SKILL_INSTALL_MAX;
	    m = m->next) {
		if ((kind = text(m, "kind")) == NULL &&
		    (kind = text(m, "type")) == NULL)
			continue;
		for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			if (str_ieqs(str_trim(str_of(kind)), kinds[i]))
				break;
		if (i == sizeof(kinds) / sizeof(kinds[0]))
			continue;
		in = &sk->install[sk->ninstall++];
		in->kind = kinds[i];
		in->id = keep(pool, text(m, "id"), SKILL_ITEM_MAX);
		in->label = keep(pool, text(m, "label"), SKILL_ITEM_MAX);
		in->formula = keep(pool, text(m, "formula"), SKILL_ITEM_MAX);
		in->package = keep(pool, text(m, "package"), SKILL_ITEM_MAX);
		in->module = keep(pool, text(m, "module"), SKILL_ITEM_MAX);
		in->url = keep(pool, text(m, "url"), 2048);
		in->bins = list_of(pool, json5_get(m, "bins"));
		in->os = list_of(pool, json5_get(m, "os"));
	}
}

/* The part of metadata that is meant for us. */
static const struct json5 *
ours(struct json5_pool *pool, const struct json5 *head)
{
	const struct json5	*meta = json5_get(head, "metadata"), *v;
	struct json5_error	 err;
	size_t			 i;

	/* In quotes it is a document of its own. */
	if (meta != NULL && meta->type == JSON5_STRING)
		meta = json5_parse(pool, 0, meta->s.p, meta->s.n, &err);
	for (i = 0; i < sizeof(owners) / sizeof(owners[0]); i++)
		if ((v = json5_get(meta, owners[i])) != NULL &&
		    v->type == JSON5_OBJECT)
			return v;
	return NULL;
}

static bool
is_clean(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

int
skill_read(struct json5_pool *pool, struct skill *sk, const char *p, size_t n,
    const char **why)
{
	const struct json5	*head, *meta, *req, *v;
	const char		*s;

	if ((head = front_parse(pool, p, n, why)) == NULL) {
		if (**why == '\0')
			*why = "it has no front matter";
		return -1;
	}
	sk->head = head;
	*why = "its front matter has no description";
	s = keep(pool, front_text(head, "description", ""), SKILL_TEXT_MAX);
	if (s[0] == '\0')
		return -1;
	sk->description = s;
	s = front_text(head, "name", "");
	if (s[0] != '\0')
		sk->name = s;
	*why = "its name is empty, too long, or no line of text";
	sk->name = keep(pool, sk->name, SIZE_MAX);
	if (sk->name == NULL || sk->name[0] == '\0' ||
	    strlen(sk->name) > SKILL_NAME_MAX || !is_clean(sk->name))
		return -1;

	meta = ours(pool, head);
	req = json5_get(meta, "requires");
	sk->always = json5_bool(meta, "always", false);
	sk->for_people = front_bool(head, "user-invocable", true);
	sk->for_model = !front_bool(head, "disable-model-invocation", false);
	sk->emoji = keep(pool, text(meta, "emoji"), 64);
	if (sk->emoji == NULL)
		sk->emoji = keep(pool, front_text(head, "emoji", NULL), 64);
	if ((s = text(meta, "homepage")) == NULL &&
	    (s = front_text(head, "homepage", NULL)) == NULL &&
	    (s = front_text(head, "website", NULL)) == NULL)
		s = front_text(head, "url", NULL);
	sk->homepage = keep(pool, s, 2048);
	if (sk->homepage != NULL && sk->homepage[0] == '\0')
		sk->homepage = NULL;
	sk->primary_env = keep(pool, text(meta, "primaryEnv"),
	    SKILL_ITEM_MAX);
	s = keep(pool, text(meta, "skillKey"), SKILL_NAME_MAX);
	sk->key = s != NULL && s[0] != '\0' && is_clean(s) ? s : sk->name;
	sk->bins = list_of(pool, json5_get(req, "bins"));
	sk->any_bins = list_of(pool, json5_get(req, "anyBins"));
	sk->env = list_of(pool, json5_get(req, "env"));
	sk->config = list_of(pool, json5_get(req, "config"));
	/* Some write it there. */
	if ((v = json5_get(meta, "os")) == NULL)
		v = json5_get(req, "platform");
	sk->os = list_of(pool, v);
	read_install(pool, sk, json5_get(meta, "install"));
	return 0;
}
