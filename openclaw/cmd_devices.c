/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* openclaw devices: who may connect, and with which token. */
#include "common/compat.h"

#include "openclaw/openclaw.h"

static void
show_pending(json_t *rows)
{
	static const char *const heads[] = { "Request", "Device", "Role",
		"Scopes", "Address", "Asked", "Flags" };
	struct table	*t = table_new(heads, 7);
	char		 age[32], scopes[256];
	json_t		*r;
	size_t		 i;

	printf("Waiting (%zu)\n", json_array_size(rows));
	json_array_foreach(rows, i, r) {
		jjoin(json_object_get(r, "scopes"), scopes, sizeof(scopes));
		table_row(t);
		table_add(t, 0, "%s", jtext(r, "requestId", "?"));
		table_add(t, 1, "%s", jtext(r, "displayName", jtext(r,
		    "deviceId", "?")));
		table_add(t, 2, "%s", jtext(r, "role", ""));
		table_add(t, 3, "%s", scopes);
		table_add(t, 4, "%s", jtext(r, "remoteIp", ""));
		table_add(t, 5, "%s", age_text((int64_t)wall_ms() - jnum(r,
		    "ts", (int64_t)wall_ms()), age));
		table_add(t, 6, "%s", json_is_true(json_object_get(r,
		    "isRepair")) ? "known" : "");
	}
	table_print(t);
}

static void
show_paired(json_t *rows)
{
	static const char *const heads[] = { "Device", "Name", "Roles",
		"Scopes", "Tokens", "Address" };
	struct table	*t = table_new(heads, 6);
	char		 roles[64], scopes[256], tokens[128];
	json_t		*r, *k;
	size_t		 i, n;

	printf("Approved (%zu)\n", json_array_size(rows));
	json_array_foreach(rows, i, r) {
		jjoin(json_object_get(r, "roles"), roles, sizeof(roles));
		jjoin(json_object_get(r, "scopes"), scopes, sizeof(scopes));
		tokens[0] = '\0';
		json_array_foreach(json_object_get(r, "tokens"), n, k) {
			if (n > 0)
				strlcat(tokens, ", ", sizeof(tokens));
			strlcat(tokens, jtext(k, "role", "?"), sizeof(tokens));
			if (json_object_get(k, "revokedAtMs") != NULL)
				strlcat(tokens, " (revoked)", sizeof(tokens));
		}
		table_row(t);
		table_add(t, 0, "%s", jtext(r, "deviceId", "?"));
		table_add(t, 1, "%s", jtext(r, "displayName", jtext(r,
		    "clientId", "")));
		table_add(t, 2, "%s", roles);
		table_add(t, 3, "%s", scopes);
		table_add(t, 4, "%s", tokens);
		table_add(t, 5, "%s", jtext(r, "remoteIp", ""));
	}
	table_print(t);
}

static void
show_devices(json_t *d)
{
	json_t	*pending = json_object_get(d, "pending");
	json_t	*paired = json_object_get(d, "paired");

	if (json_array_size(pending) > 0)
		show_pending(pending);
	if (json_array_size(paired) > 0)
		show_paired(paired);
	if (json_array_size(pending) == 0 && json_array_size(paired) == 0)
		printf("No device was approved, and none waits for it.\n");
}

int
cmd_devices_list(struct args *a)
{
	return print_answer(a, rpc_once(a, "device.pair.list", NULL),
	    show_devices);
}

static void
say(const char *what, const char *id)
{
	printf("%s ", what);
	print_text(id);
	printf(".\n");
}

static void
show_approved(json_t *d)
{
	say("Approved device", jtext(json_object_get(d, "device"), "deviceId",
	    "?"));
}

static void
show_rejected(json_t *d)
{
	say("Rejected device", jtext(d, "deviceId", "?"));
}

int
cmd_devices_approve(struct args *a)
{
	const char	*id = a->noperands > 0 ? a->operand[0] : NULL;
	struct rpc	*r;
	json_t		*list = NULL, *res;

	if ((r = rpc_open(a)) == NULL)
		return 1;
	if (id == NULL) {
		if ((list = rpc_call(r, "device.pair.list", NULL, false,
		    rpc_timeout(a))) == NULL) {
			rpc_close(r);
			return 1;
		}
		id = jtext(json_array_get(json_object_get(list, "pending"),
		    0), "requestId", NULL);
	}
	if (id == NULL) {
		fprintf(stderr, "Error: no device waits for approval\n");
		res = NULL;
	} else
		res = rpc_call(r, "device.pair.approve", json_pack("{s:s}",
		    "requestId", id), false, rpc_timeout(a));
	rpc_close(r);
	json_decref(list);
	return print_answer(a, res, show_approved);
}

int
cmd_devices_reject(struct args *a)
{
	if (a->noperands != 1) {
		fprintf(stderr, "error: missing required argument "
		    "'requestId'\n");
		return 1;
	}
	return print_answer(a, rpc_once(a, "device.pair.reject",
	    json_pack("{s:s}", "requestId", a->operand[0])), show_rejected);
}

/* --device and --role as parameters; NULL after a message. */
static json_t *
params_token(const struct args *a)
{
	if (a->opt[OPT_DEVICE] == NULL || a->opt[OPT_ROLE] == NULL) {
		fprintf(stderr, "error: required option '--%s' not "
		    "specified\n", a->opt[OPT_DEVICE] == NULL ?
		    "device <id>" : "role <role>");
		return NULL;
	}
	return json_pack("{s:s, s:s}", "deviceId", a->opt[OPT_DEVICE], "role",
	    a->opt[OPT_ROLE]);
}

static void
show_rotated(json_t *d)
{
	printf("New token of ");
	print_text(jtext(d, "deviceId", "?"));
	printf(" as ");
	print_text(jtext(d, "role", "?"));
	printf(": ");
	print_text(jtext(d, "token", "?"));
	putchar('\n');
}

int
cmd_devices_rotate(struct args *a)
{
	json_t	*params = params_token(a), *list;
	size_t	 i;

	if (params == NULL)
		return 1;
	if (a->nmany > 0) {
		list = json_array();
		for (i = 0; i < a->nmany; i++)
			json_array_append_new(list,
			    json_string(a->many[i]));
		json_object_set_new(params, "scopes", list);
	}
	return print_answer(a, rpc_once(a, "device.token.rotate", params),
	    show_rotated);
}

static void
show_revoked(json_t *d)
{
	say("Revoked the tokens of device", jtext(d, "deviceId", "?"));
}

int
cmd_devices_revoke(struct args *a)
{
	json_t	*params = params_token(a);

	if (params == NULL)
		return 1;
	return print_answer(a, rpc_once(a, "device.token.revoke", params),
	    show_revoked);
}
