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

const char *
cf_page(struct cf *cf, const struct cf_agent *agent, struct parcel_writer *pw)
{
	const char	*ui, *base, *root;
	char		 path[512];
	size_t		 n;

	base = json5_text(cf->root, "gateway.controlUi.basePath", "/");
	n = strlen(base);
	while (n > 0 && base[n - 1] == '/')
		n--;
	snprintf(path, sizeof(path), "%s%.*s", base[0] == '/' || n == 0 ? "" :
	    "/", (int)n, base);
	parcel_puts(pw, path[0] != '\0' ? path : "/", "ui.basePath");
	if (!json5_bool(cf->root, "gateway.controlUi.enabled", true))
		return NULL;
	root = json5_text(cf->root, "gateway.controlUi.root", NULL);
	ui = root != NULL ? root : cf_env(cf, "GATEWAYD_UI_DIR");
	ui = cf_expand_keep(cf, ui != NULL ? ui :
	    GW_PREFIX "/share/gatewayd/webchat");
	if (ui == NULL)
		return NULL;
	parcel_put_bool(pw, true, "ui.enabled");
	parcel_puts(pw, ui, "ui.dir");
	if (root != NULL)
		put_persona(cf, agent, base, pw);
	return ui;
}
