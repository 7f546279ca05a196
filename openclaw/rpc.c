/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Requests and answers over a wire, with the error texts that scripts know. */
#include "common/compat.h"

#include <sys/stat.h>

#include <errno.h>
#include <grp.h>
#include <unistd.h>

#include "common/paths.h"
#include "openclaw/offline.h"
#include "openclaw/openclaw.h"
#include "openclaw/wire.h"

struct rpc {
	struct wire	*w;		/* NULL: no gateway, the file itself */
	char		 target[2300];
	unsigned int	 id;
	bool		 connected;	/* said connect */
	rpc_event_cb	 event_cb;
	void		*event_arg;
};

/* The file's mode kept this user out: who may, and what to do. */
static void
rpc_explain_denied(const char *path)
{
	struct stat	 st;
	struct group	*gr;

	if (stat(path, &st) == -1)
		fprintf(stderr, "User %u may not look into that folder: only "
		    "root and its owner may", (unsigned int)geteuid());
	else if (st.st_mode & S_IWGRP && (gr = getgrgid(st.st_gid)) != NULL)
		fprintf(stderr, "User %u is not in group %s, which may use "
		    "it: an administrator adds it (usermod -aG %s <name>), "
		    "for the next login", (unsigned int)geteuid(),
		    gr->gr_name, gr->gr_name);
	else
		fprintf(stderr, "User %u may not use it: only root and user %u "
		    "may", (unsigned int)geteuid(), (unsigned int)st.st_uid);
	fprintf(stderr, "; with --url and a token nobody asks for the user.\n");
}

/* A command that works as things are. */
static void
rpc_explain_start(const struct paths *ps)
{
	const char	*profile = getenv("OPENCLAW_PROFILE");
	bool		 none = access(ps->config, F_OK) == -1 &&
			    errno == ENOENT;

	if (strcmp(ps->state, PATHS_SERVICE_STATE) == 0 &&
	    access("/run/systemd/system", F_OK) == 0 &&
	    access(GW_PREFIX "/lib/systemd/system/gatewayd.service",
	    F_OK) == 0) {
		fprintf(stderr, "Is it running? `systemctl status gatewayd` "
		    "tells, `systemctl start gatewayd` starts it.\n");
		return;
	}
	if (none && access(PATHS_SERVICE_RUN "/control.sock", F_OK) == 0)
		fprintf(stderr, "This host has a gateway as a service: "
		    "OPENCLAW_STATE_DIR=" PATHS_SERVICE_STATE " in the "
		    "environment names it.\n");
	if (profile == NULL)
		profile = "";
	fprintf(stderr, "Is it running? `openclaw %s%s%sgateway run%s` starts "
	    "it in the foreground%s.\n", strcmp(profile, "dev") == 0 ? "--" :
	    profile[0] != '\0' ? "--profile " : "", profile,
	    profile[0] != '\0' ? " " : "", none ? " --allow-unconfigured" : "",
	    none ? ", on the embedded defaults" : "");
}

/* err: errno of the connection, 0 when it was something else. */
static void
rpc_explain(const struct rpc *r, const struct args *a, int err)
{
	struct paths	 ps;
	char		 why[256];
	bool		 known;

	fprintf(stderr, "Gateway target: %s\n", r->target);
	fprintf(stderr, "Source: %s\n", a->opt[OPT_URL] != NULL ? "--url" :
	    "local control socket");
	known = paths_resolve(&ps, NULL, NULL, why, sizeof(why)) == 0;
	if (known)
		fprintf(stderr, "Config: %s\n", ps.config);
	if (a->opt[OPT_URL] != NULL && a->opt[OPT_TOKEN] == NULL &&
	    a->opt[OPT_PASSWORD] == NULL &&
	    getenv("OPENCLAW_GATEWAY_TOKEN") == NULL)
		fprintf(stderr, "No token was given: --token, --password or "
		    "OPENCLAW_GATEWAY_TOKEN.\n");
	if (a->opt[OPT_URL] == NULL && err == EACCES)
		rpc_explain_denied(r->target);
	else if (a->opt[OPT_URL] == NULL && known && (err == ENOENT ||
	    err == ECONNREFUSED))
		rpc_explain_start(&ps);
}

static int
rpc_connect(struct rpc *r, const struct args *a, int64_t timeout, bool quiet)
{
	json_t	*params, *auth, *res, *err = NULL;

	params = json_pack("{s:i, s:i, s:{s:s, s:s, s:s, s:s}}",
	    "minProtocol", 3, "maxProtocol", 3, "client", "id", "cli",
	    "version", GW_VERSION, "platform", "linux", "mode", "cli");
	auth = json_object();
	if (a->opt[OPT_TOKEN] != NULL)
		json_object_set_new(auth, "token",
		    json_string(a->opt[OPT_TOKEN]));
	else if (a->opt[OPT_PASSWORD] == NULL &&
	    getenv("OPENCLAW_GATEWAY_TOKEN") != NULL)
		json_object_set_new(auth, "token",
		    json_string(getenv("OPENCLAW_GATEWAY_TOKEN")));
	if (a->opt[OPT_PASSWORD] != NULL)
		json_object_set_new(auth, "password",
		    json_string(a->opt[OPT_PASSWORD]));
	json_object_set_new(params, "auth", auth);
	res = rpc_try(r, "connect", params, false, timeout, &err);
	if (res == NULL) {
		if (!quiet)
			fprintf(stderr, "gateway connect failed: %s\n", err !=
			    NULL ? jtext(err, "message", "?") : "no answer");
		json_decref(err);
		return -1;
	}
	json_decref(res);
	r->connected = true;
	return 0;
}

int
rpc_watch(struct rpc *r, const struct args *a, rpc_event_cb cb, void *arg)
{
	/* The control socket needs no connect, but for events. */
	if (!r->connected && rpc_connect(r, a, 10000, false) == -1)
		return -1;
	r->event_cb = cb;
	r->event_arg = arg;
	return 0;
}

/* offline: where no gateway is, the file will do. */
static struct rpc *
rpc_begin(const struct args *a, bool quiet, bool offline)
{
	struct paths	 ps;
	struct rpc	*r;
	char		 why[512];
	int64_t		 timeout;
	int		 err;

	timeout = rpc_timeout(a);
	if ((r = calloc(1, sizeof(*r))) == NULL)
		return NULL;
	if (a->opt[OPT_URL] != NULL) {
		strlcpy(r->target, a->opt[OPT_URL], sizeof(r->target));
		r->w = wire_open_url(a->opt[OPT_URL], (int)timeout, why,
		    sizeof(why));
	} else {
		if (paths_resolve(&ps, NULL, NULL, why, sizeof(why)) == -1) {
			if (!quiet)
				fprintf(stderr, "Error: %s\n", why);
			free(r);
			return NULL;
		}
		strlcpy(r->target, ps.control, sizeof(r->target));
		r->w = wire_open_unix(ps.control, why, sizeof(why));
	}
	if (r->w == NULL) {
		err = errno;
		if (offline && a->opt[OPT_URL] == NULL && (err == ENOENT ||
		    err == ECONNREFUSED))
			return r;
		if (!quiet) {
			fprintf(stderr, "gateway connect failed: %s\n", why);
			rpc_explain(r, a, err);
		}
		free(r);
		return NULL;
	}
	/* The control socket knows its peer by the kernel's word. */
	if (a->opt[OPT_URL] != NULL && rpc_connect(r, a, timeout, quiet) ==
	    -1) {
		if (!quiet)
			rpc_explain(r, a, 0);
		rpc_close(r);
		return NULL;
	}
	return r;
}

struct rpc *
rpc_open(const struct args *a)
{
	return rpc_begin(a, false, false);
}

struct rpc *
rpc_open_config(const struct args *a)
{
	return rpc_begin(a, false, true);
}

bool
rpc_is_offline(const struct rpc *r)
{
	return r->w == NULL;
}

struct rpc *
rpc_open_again(const struct args *a)
{
	return rpc_begin(a, true, false);
}

void
rpc_close(struct rpc *r)
{
	if (r == NULL)
		return;
	if (r->w != NULL)
		wire_close(r->w);
	free(r);
}

const char *
rpc_target(const struct rpc *r)
{
	return r->target;
}

int64_t
rpc_timeout(const struct args *a)
{
	return options_num(a, OPT_TIMEOUT, 10000, 1, 86400000);
}

static json_t *
local_error(const char *code, const char *text)
{
	return json_pack("{s:s, s:s}", "code", code, "message", text);
}

json_t *
rpc_try(struct rpc *r, const char *method, json_t *params, bool last,
    int64_t timeout_ms, json_t **err)
{
	uint64_t	 deadline = mono_ms() + (uint64_t)timeout_ms;
	const char	*frame;
	json_t		*req, *m, *payload;
	char		 id[16], why[512], text[512], *dump;
	int		 sent;

	*err = NULL;
	if (r->w == NULL)
		return offline_try(method, params, err);
	snprintf(id, sizeof(id), "%u", ++r->id);
	req = json_pack("{s:s, s:s, s:s, s:o*}", "type", "req", "id", id,
	    "method", method, "params", params);
	dump = json_dumps(req, JSON_COMPACT);
	json_decref(req);
	if (dump == NULL) {
		*err = local_error("LOCAL", "the request is not valid JSON");
		return NULL;
	}
	sent = wire_send(r->w, dump, strlen(dump), why, sizeof(why));
	freezero(dump, strlen(dump));
	for (;;) {
		/* What cannot be sent may have been refused: that is there to
		 * be read. */
		frame = wire_recv(r->w, deadline, text, sizeof(text));
		if (frame == NULL) {
			if (sent == 0)
				strlcpy(why, text, sizeof(why));
			if (why[0] == '\0')
				snprintf(why, sizeof(why), "gateway timeout "
				    "after %lldms", (long long)timeout_ms);
			*err = local_error("CLOSED", why);
			return NULL;
		}
		if ((m = json_loads(frame, 0, NULL)) == NULL)
			continue;
		if (strcmp(jtext(m, "type", ""), "event") == 0) {
			if (r->event_cb != NULL)
				deadline += (uint64_t)r->event_cb(
				    r->event_arg, jtext(m, "event", ""),
				    json_object_get(m, "payload"));
			json_decref(m);
			continue;
		}
		payload = json_object_get(m, "payload");
		/* "invalid": of the connection, whatever was asked. */
		if ((strcmp(jtext(m, "id", ""), id) != 0 &&
		    strcmp(jtext(m, "id", ""), "invalid") != 0) || (last &&
		    strcmp(jtext(payload, "status", ""), "accepted") == 0)) {
			json_decref(m);
			continue;
		}
		if (!json_is_true(json_object_get(m, "ok"))) {
			*err = json_incref(json_object_get(m, "error"));
			if (*err == NULL)
				*err = local_error("?", "refused");
			json_decref(m);
			return NULL;
		}
		payload = payload != NULL ? json_incref(payload) : json_null();
		json_decref(m);
		return payload;
	}
}

json_t *
rpc_call(struct rpc *r, const char *method, json_t *params, bool last,
    int64_t timeout_ms)
{
	json_t	*err, *res = rpc_try(r, method, params, last, timeout_ms,
		    &err);

	if (res == NULL) {
		fprintf(stderr, "Error: %s\n", jtext(err, "message", "?"));
		json_decref(err);
	}
	return res;
}

json_t *
rpc_once(const struct args *a, const char *method, json_t *params)
{
	struct rpc	*r;
	json_t		*res;

	if ((r = rpc_open(a)) == NULL) {
		json_decref(params);
		return NULL;
	}
	res = rpc_call(r, method, params, false, rpc_timeout(a));
	rpc_close(r);
	return res;
}
