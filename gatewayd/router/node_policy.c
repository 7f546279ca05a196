/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See node_policy.h. */
#include "common/compat.h"

#include "gatewayd/router/node_policy.h"

enum group { CANVAS = 1, CAMERA = 2, SCREEN = 4, LOCATION = 8, SMS = 16,
	SYSTEM = 32 };

#define PHONE	(CANVAS | CAMERA | SCREEN | LOCATION)

static const struct {
	const char	*name;
	enum group	 group;
} commands[] = {
	{ "canvas.present", CANVAS }, { "canvas.hide", CANVAS },
	{ "canvas.navigate", CANVAS }, { "canvas.eval", CANVAS },
	{ "canvas.snapshot", CANVAS }, { "canvas.a2ui.push", CANVAS },
	{ "canvas.a2ui.pushJSONL", CANVAS }, { "canvas.a2ui.reset", CANVAS },
	{ "camera.list", CAMERA }, { "camera.snap", CAMERA },
	{ "camera.clip", CAMERA }, { "screen.record", SCREEN },
	{ "location.get", LOCATION }, { "sms.send", SMS },
	{ "system.run", SYSTEM }, { "system.which", SYSTEM },
	{ "system.notify", SYSTEM }, { "system.execApprovals.get", SYSTEM },
	{ "system.execApprovals.set", SYSTEM }, { "browser.proxy", SYSTEM },
};

/* The first word that fits decides; families are looked for anywhere. */
static const struct {
	const char	*word;
	unsigned int	 groups;
} platforms[] = {
	{ "ios", PHONE }, { "android", PHONE | SMS }, { "mac", PHONE | SYSTEM },
	{ "darwin", PHONE | SYSTEM }, { "win", SYSTEM }, { "linux", SYSTEM },
}, families[] = {
	{ "iphone", PHONE }, { "ipad", PHONE }, { "ios", PHONE },
	{ "android", PHONE | SMS }, { "mac", PHONE | SYSTEM },
	{ "windows", SYSTEM }, { "linux", SYSTEM },
};

static unsigned int
groups_of(struct str platform, struct str family)
{
	size_t	 i, k, n;

	platform = str_trim(platform);
	for (i = 0; i < sizeof(platforms) / sizeof(platforms[0]); i++) {
		n = strlen(platforms[i].word);
		if (platform.n >= n && ascii_ncasecmp(platform.p,
		    platforms[i].word, n) == 0)
			return platforms[i].groups;
	}
	for (i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		n = strlen(families[i].word);
		for (k = 0; k + n <= family.n; k++)
			if (ascii_ncasecmp(family.p + k, families[i].word,
			    n) == 0)
				return families[i].groups;
	}
	return PHONE | SMS | SYSTEM;
}

static bool
listed(char *const *list, size_t n, struct str command)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		if (str_eq(str_trim(str_of(list[i])), command))
			return true;
	return false;
}

bool
node_policy_allows(const struct node_policy *p, struct str platform,
    struct str family, struct str command)
{
	unsigned int	 groups;
	size_t		 i;

	if (command.n == 0 || listed(p->deny, p->ndeny, command))
		return false;
	if (listed(p->allow, p->nallow, command))
		return true;
	groups = groups_of(platform, family);
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (str_eqs(command, commands[i].name))
			return (groups & commands[i].group) != 0;
	return false;
}

void
node_policy_clear(struct node_policy *p)
{
	size_t	 i;

	for (i = 0; i < p->nallow && p->allow != NULL; i++)
		free(p->allow[i]);
	for (i = 0; i < p->ndeny && p->deny != NULL; i++)
		free(p->deny[i]);
	free(p->allow);
	free(p->deny);
	memset(p, 0, sizeof(*p));
}
