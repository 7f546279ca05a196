/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * agent.identity.get: the name and picture that clients show for this agent.
 * IDENTITY.md belongs to whoever can write the workspace, so it is only ever
 * text, cut short.
 */
#include "common/compat.h"

#include "agentd/agentd.h"
#include "agentd/json_load.h"
#include "agentd/rpc.h"

#define NAME_MAX_CHARS		50
#define AVATAR_MAX_CHARS	200

/* Trimmed, at most so many characters; false when nothing is left. */
static bool
take(struct str s, size_t chars, char *out, size_t size)
{
	size_t	 n = 0;

	s = str_trim(s);
	if (!utf8_valid(s.p, s.n))
		return false;
	while (n < s.n && chars > 0) {
		n++;
		while (n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
			n++;
		chars--;
	}
	n = utf8_cut(s.p, n, size - 1);
	if (n > 0)	/* or p may be NULL */
		memcpy(out, s.p, n);
	out[n] = '\0';
	return n > 0;
}

/* The value behind "- **Label:** ..." in a file; p NULL when there is none. */
static struct str
file_value(const char *text, const char *label)
{
	struct str	 line, v = { NULL, 0 };
	const char	*nl;
	char		 word[32];
	size_t		 i, n;

	for (; *text != '\0'; text = *nl != '\0' ? nl + 1 : nl) {
		nl = text + strcspn(text, "\n");
		line = str_trim((struct str){ text, (size_t)(nl - text) });
		if (line.n > 0 && line.p[0] == '-')
			line = str_trim((struct str){ line.p + 1, line.n - 1 });
		for (i = n = 0; i < line.n && line.p[i] != ':'; i++)
			if (line.p[i] != '*' && line.p[i] != '_' &&
			    n < sizeof(word) - 1)
				word[n++] = line.p[i];
		word[n] = '\0';
		if (i == line.n || !str_ieqs(str_trim((struct str){ word, n }),
		    label))
			continue;
		v = str_trim((struct str){ line.p + i + 1, line.n - i - 1 });
		while (v.n > 0 && strchr("*_ ", v.p[0]) != NULL)
			v = (struct str){ v.p + 1, v.n - 1 };
		while (v.n > 0 && strchr("*_ ", v.p[v.n - 1]) != NULL)
			v.n--;
		/* "(pick something you like)" is nobody's name. */
		if (v.n > 0 && v.p[0] != '(')
			return v;
		v = (struct str){ NULL, 0 };
	}
	return v;
}

static bool
is_url(const char *s)
{
	return ascii_ncasecmp(s, "http://", 7) == 0 ||
	    ascii_ncasecmp(s, "https://", 8) == 0 ||
	    ascii_ncasecmp(s, "data:image/", 11) == 0;
}

static bool
is_file(const char *s)
{
	static const char *const ends[] = { ".png", ".jpg", ".jpeg", ".gif",
	    ".webp", ".svg", ".ico" };
	size_t	 i, n = strlen(s), k;

	if (strpbrk(s, "/\\") != NULL)
		return true;
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (n > (k = strlen(ends[i])) &&
		    ascii_casecmp(s + n - k, ends[i]) == 0)
			return true;
	return false;
}

/* An address, a file, or a sign or two. */
static bool
is_avatar(const char *s)
{
	return is_url(s) || is_file(s) || (strpbrk(s, " \t") == NULL &&
	    utf8_count(s, strlen(s)) <= 4);
}

bool
identity_avatar(char *buf, size_t size)
{
	json_t	*own = json_object_get(cfg->agent, "identity");
	char	*file;
	bool	 found;

	if (take(str_of(json_text(own, "avatar", NULL)), AVATAR_MAX_CHARS,
	    buf, size))
		return true;
	file = prompt_file("IDENTITY.md");
	found = take(file_value(file != NULL ? file : "", "avatar"),
	    AVATAR_MAX_CHARS, buf, size);
	free(file);
	return found;
}

void
identity_avatar_path(char *buf, size_t size)
{
	const char	*base;
	size_t		 n;

	base = json_text(json_object_get(cfg->root, "ui"), "basePath", "");
	while (*base == '/')
		base++;
	for (n = strlen(base); n > 0 && base[n - 1] == '/'; n--)
		;
	snprintf(buf, size, "%s%.*s/avatar/%s", n > 0 ? "/" : "", (int)n,
	    base, cfg->agent_id);
}

void
rpc_agent_identity_get(struct rpc *r)
{
	struct dbuf	 b;
	struct jw	 w;
	json_t		*assistant = config_at(cfg->root, "ui.assistant");
	json_t		*own = json_object_get(cfg->agent, "identity");
	const char	*key = json_text(r->params, "sessionKey", ""), *id;
	char		 name[256], avatar[1024], path[512];
	char		*file;
	size_t		 i;
	struct str	 names[3], avatars[5];

	id = json_text(r->params, "agentId", NULL);
	if (id != NULL && str_trim(str_of(key)).n > 0 && !rpc_own_agent(r)) {
		rpc_refuse(r, "INVALID_REQUEST", "invalid %s params: agent "
		    "\"%.64s\" does not match session key agent \"%s\"",
		    r->method, id, cfg->agent_id);
		return;
	}
	file = prompt_file("IDENTITY.md");
	names[0] = str_of(json_text(assistant, "name", NULL));
	names[1] = str_of(json_text(own, "name", NULL));
	names[2] = file_value(file != NULL ? file : "", "name");
	for (i = 0; i < 3; i++)
		if (take(names[i], NAME_MAX_CHARS, name, sizeof(name)))
			break;
	if (i == 3)
		strlcpy(name, "Assistant", sizeof(name));
	avatars[0] = str_of(json_text(assistant, "avatar", NULL));
	avatars[1] = str_of(json_text(own, "avatar", NULL));
	avatars[2] = str_of(json_text(own, "emoji", NULL));
	avatars[3] = file_value(file != NULL ? file : "", "avatar");
	avatars[4] = file_value(file != NULL ? file : "", "emoji");
	for (i = 0; i < 5; i++)
		if (take(avatars[i], AVATAR_MAX_CHARS, avatar,
		    sizeof(avatar)) && is_avatar(avatar))
			break;
	if (i == 5)
		strlcpy(avatar, "A", sizeof(avatar));
	free(file);
	/* A file is fetched from the gateway, not from where it lies. */
	identity_avatar_path(path, sizeof(path));
	dbuf_init(&b, 8192);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "agentId", cfg->agent_id);
	jw_ks(&w, "name", name);
	jw_ks(&w, "avatar", !is_url(avatar) && is_file(avatar) ? path :
	    avatar);
	jw_obj_end(&w);
	rpc_answer(r, &b);
}
