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
#include "common/persona.h"

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

bool
identity_avatar(char *buf, size_t size)
{
	json_t	*own = json_object_get(cfg->agent, "identity");
	char	*file;
	bool	 found;

	if (persona_take(str_of(json_text(own, "avatar", NULL)),
	    PERSONA_AVATAR_CHARS, buf, size))
		return true;
	file = prompt_file("IDENTITY.md");
	found = persona_take(file_value(file != NULL ? file : "", "avatar"),
	    PERSONA_AVATAR_CHARS, buf, size);
	free(file);
	return found;
}

void
identity_avatar_path(char *buf, size_t size)
{
	persona_path(json_text(json_object_get(cfg->root, "ui"), "basePath",
	    ""), cfg->agent_id, buf, size);
}

void
rpc_agent_identity_get(struct rpc *r)
{
	struct dbuf	 b;
	struct jw	 w;
	json_t		*assistant = config_at(cfg->root, "ui.assistant");
	json_t		*own = json_object_get(cfg->agent, "identity");
	const char	*key = json_text(r->params, "sessionKey", ""), *id;
	char		 name[PERSONA_NAME_SIZE];
	char		 avatar[PERSONA_AVATAR_SIZE], path[512];
	char		*file;
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
	persona_name(names, 3, name);
	avatars[0] = str_of(json_text(assistant, "avatar", NULL));
	avatars[1] = str_of(json_text(own, "avatar", NULL));
	avatars[2] = str_of(json_text(own, "emoji", NULL));
	avatars[3] = file_value(file != NULL ? file : "", "avatar");
	avatars[4] = file_value(file != NULL ? file : "", "emoji");
	persona_avatar(avatars, 5, avatar);
	free(file);
	/* A file is fetched from the gateway, not from where it lies. */
	identity_avatar_path(path, sizeof(path));
	dbuf_init(&b, 8192);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "agentId", cfg->agent_id);
	jw_ks(&w, "name", name);
	jw_ks(&w, "avatar", persona_is_file(avatar) ? path : avatar);
	jw_obj_end(&w);
	rpc_answer(r, &b);
}
