/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "gatewayd/config/canvas.h"
#include "gatewayd/config/page.h"

#define PORT_OFFSET	4	/* 18789 and 18793 */

static bool
is_truthy(const char *s)
{
	return s != NULL && (strcmp(s, "1") == 0 ||
	    ascii_casecmp(s, "true") == 0 || ascii_casecmp(s, "yes") == 0 ||
	    ascii_casecmp(s, "on") == 0);
}

bool
cf_canvas_on(const struct cf *cf)
{
	return json5_bool(cf->root, "canvasHost.enabled", true) &&
	    !is_truthy(cf_env(cf, "OPENCLAW_SKIP_CANVAS_HOST"));
}

bool
cf_canvas_live(const struct cf *cf)
{
	return json5_bool(cf->root, "canvasHost.liveReload", true);
}

int64_t
cf_canvas_port(const struct cf *cf)
{
	const struct json5	*v = json5_path(cf->root, "canvasHost.port");
	int64_t			 port;

	if (!cf_canvas_on(cf))
		return 0;
	port = v != NULL && v->isint ? v->i : cf_port(cf) + PORT_OFFSET;
	return port > 65535 || port == cf_port(cf) ? 0 : port;
}

const char *
cf_canvas_root(struct cf *cf)
{
	const char	*s = json5_text(cf->root, "canvasHost.root", NULL);

	return s != NULL && s[0] != '\0' ? cf_expand_keep(cf, s) : NULL;
}

void
cf_canvas_check(struct cf *cf)
{
	const char	*root = cf_canvas_root(cf), *name;

	if (root == NULL || !cf_canvas_on(cf) ||
	    !cf_open_folder(cf, "canvasHost.root", root) ||
	    !cf_is_below(root, cf->state_dir))
		return;
	name = root + strlen(cf->state_dir) + 1;
	if (strncmp(name, "canvas", 6) != 0 &&
	    strncmp(name, "workspace", 9) != 0)
		cf_error(cf, json5_path(cf->root, "canvasHost.root"),
		    "canvasHost.root", "%s is part of the state "
		    "of the gateway, and canvas pages are served without a "
		    "login; of the state folder only canvas and workspaces "
		    "can be served", root);
}

const char *
cf_canvas_pages(struct cf *cf)
{
	const char	*ui = cf_env(cf, "GATEWAYD_UI_DIR"), *slash;
	char		 path[CF_PATH_MAX];

	/* Beside the web chat, in a build tree as in an installed one. */
	if (ui == NULL || (slash = strrchr(ui, '/')) == NULL)
		return GW_PREFIX "/share/gatewayd/a2ui";
	(void)snprintf(path, sizeof(path), "%.*s/a2ui", (int)(slash - ui), ui);
	return cf_expand_keep(cf, path);
}
