/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "common/persona.h"
#include "gatewayd/config/documents.h"
#include "gatewayd/config/page.h"

/*
 * What a page that is not ours finds in its index.  IDENTITY.md is the
 * agent's, and nothing of it is known here: the page asks for that when it is
 * connected.
 */
static void
put_persona(struct cf *cf, const struct cf_agent *agent, const char *base,
    struct parcel_writer *pw)
{
	const struct json5	*own = json5_get(cf_agent_merged(cf, agent),
				    "identity");
	struct str		 names[2], avatars[3];
	char			 name[PERSONA_NAME_SIZE], path[512];
	char			 avatar[PERSONA_AVATAR_SIZE];

	names[0] = str_of(json5_text(cf->root, "ui.assistant.name", NULL));
	names[1] = str_of(json5_text(own, "name", NULL));
	avatars[0] = str_of(json5_text(cf->root, "ui.assistant.avatar",
	    NULL));
	avatars[1] = str_of(json5_text(own, "avatar", NULL));
	avatars[2] = str_of(json5_text(own, "emoji", NULL));
	persona_name(names, 2, name);
	persona_avatar(avatars, 3, avatar);
	persona_path(base, agent->id, path, sizeof(path));
	parcel_puts(pw, name, "ui.assistantName");
	parcel_puts(pw, persona_is_file(avatar) ? path : avatar,
	    "ui.assistantAvatar");
}

bool
cf_is_below(const char *path, const char *dir)
{
	size_t	 n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '\0' ||
	    path[n] == '/' || n == 1);
}

bool
cf_open_folder(struct cf *cf, const char *key, const char *root)
{
	if (!cf_is_below(cf->state_dir, root) && !cf_is_below(cf->path, root))
		return true;
	cf_error(cf, json5_path(cf->root, key), key, "%s holds the state or "
	    "the configuration of the gateway, and what is in it would be "
	    "served without a login; name a folder with nothing else in it",
	    root);
	return false;
}

/* Absolute; NULL when the page is ours, or none. */
static const char *
page_root(struct cf *cf)
{
	const char	*s = json5_text(cf->root, "gateway.controlUi.root",
			    NULL);

	return s != NULL && s[0] != '\0' && json5_bool(cf->root,
	    "gateway.controlUi.enabled", true) ? cf_expand_keep(cf, s) : NULL;
}

void
cf_page_check(struct cf *cf, const struct cf_agent *agents, size_t n)
{
	const char	*root = page_root(cf);
	const char	*key = "gateway.controlUi.root";
	size_t		 i;

	if (root == NULL || !cf_open_folder(cf, key, root))
		return;
	if (cf_is_below(root, cf->state_dir)) {
		cf_error(cf, json5_path(cf->root, key), key, "%s is part of "
		    "the state of the gateway, and pages are served without "
		    "a login; name a folder elsewhere", root);
		return;
	}
	for (i = 0; i < n; i++)
		if (cf_is_below(root, agents[i].workspace)) {
			cf_error(cf, json5_path(cf->root, key), key, "%s is "
			    "in the workspace of agent \"%s\", which could "
			    "write a page that takes your login; name a "
			    "folder elsewhere", root, agents[i].id);
			return;
		}
}

bool
cf_page_path(struct cf *cf, char *path, size_t size)
{
	const char	*base = json5_text(cf->root,
			    "gateway.controlUi.basePath", "/");
	size_t		 n;

	while (*base == '/')
		base++;
	n = strlen(base);
	while (n > 0 && base[n - 1] == '/')
		n--;
	snprintf(path, size, "/%.*s", (int)n, base);
	return json5_bool(cf->root, "gateway.controlUi.enabled", true);
}

const char *
cf_page(struct cf *cf, const struct cf_agent *agent, struct parcel_writer *pw)
{
	const char	*ui, *root = page_root(cf);
	char		 path[CF_PAGE_PATH];
	bool		 on = cf_page_path(cf, path, sizeof(path));

	parcel_puts(pw, path, "ui.basePath");
	if (!on)
		return NULL;
	if ((ui = root) == NULL) {
		ui = cf_env(cf, "GATEWAYD_UI_DIR");
		ui = cf_expand_keep(cf, ui != NULL ? ui :
		    GW_PREFIX "/share/gatewayd/webchat");
	}
	if (ui == NULL)
		return NULL;
	parcel_put_bool(pw, true, "ui.enabled");
	parcel_puts(pw, ui, "ui.dir");
	if (root != NULL)
		put_persona(cf, agent, json5_text(cf->root,
		    "gateway.controlUi.basePath", "/"), pw);
	return ui;
}
