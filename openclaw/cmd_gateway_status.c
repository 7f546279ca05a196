/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * openclaw gateway status: is it running, where, does it answer, and who has
 * its port.  What the gateway does not tell, because it does not run or because
 * this user may not ask, is left out.
 */
#include "common/compat.h"

#include <errno.h>
#include <pwd.h>
#include <unistd.h>

#include "common/paths.h"
#include "common/text.h"
#include "openclaw/openclaw.h"
#include "openclaw/ports.h"

#define LISTENERS_MAX	8
#define PORT_DEFAULT	18789

struct facts {
	struct paths	 ps;
	struct rpc	*r;
	bool		 remote;	/* --url: its port is not ours to see */
	bool		 answers;
	json_t		*err;		/* why it does not */
	json_t		*procs;		/* gateway.processes, or NULL */
	json_t		*config;	/* config.get, or NULL */
	pid_t		 pid;		/* of the supervisor; 0: not told */
	const char	*bind;
	char		 host[256];
	int64_t		 port;
	const char	*port_source;
	struct port_listener listeners[LISTENERS_MAX];
	size_t		 nlisteners;
};

/* Text of a key of the configuration, or def. */
static const char *
config_text(const struct facts *f, const char *key, const char *def)
{
	return jtext(json_object_get(json_object_get(f->config, "config"),
	    "gateway"), key, def);
}

static void
find_place(struct facts *f)
{
	const char	*env = getenv("OPENCLAW_GATEWAY_PORT");
	int64_t		 set;

	f->bind = config_text(f, "bind", "loopback");
	strlcpy(f->host, strcmp(f->bind, "lan") == 0 ? "0.0.0.0" :
	    strcmp(f->bind, "custom") == 0 ? config_text(f, "customBindHost",
	    "0.0.0.0") : "127.0.0.1", sizeof(f->host));
	set = jnum(json_object_get(json_object_get(f->config, "config"),
	    "gateway"), "port", 0);
	f->port = jnum(f->procs, "port", 0);
	if (f->port > 0)		/* it runs: that is what it uses */
		f->port_source = f->port == set ? "config" :
		    f->port == PORT_DEFAULT ? "default" : "command line or environment";
	else if (env != NULL && num_parse(str_of(env), 1, 65535, &f->port) ==
	    0)
		f->port_source = "env";
	else {
		f->port = PORT_DEFAULT;
		f->port_source = "default";
	}
	if (!f->remote)
		f->nlisteners = port_listeners((unsigned int)f->port,
		    f->listeners, LISTENERS_MAX);
}

static int
gather(struct facts *f, struct args *a)
{
	json_t	*health, *err = NULL;
	char	 why[512];
	int64_t	 timeout = rpc_timeout(a);

	memset(f, 0, sizeof(*f));
	f->remote = a->opt[OPT_URL] != NULL;
	if (paths_resolve(&f->ps, NULL, NULL, why, sizeof(why)) == -1) {
		fprintf(stderr, "Error: %s\n", why);
		return -1;
	}
	if ((f->r = rpc_open(a)) != NULL) {
		health = rpc_try(f->r, "health", NULL, false, timeout,
		    &f->err);
		f->answers = health != NULL;
		json_decref(health);
	}
	if (f->answers) {
		f->procs = rpc_try(f->r, "gateway.processes", NULL, false,
		    timeout, &err);
		json_decref(err);
		f->config = rpc_try(f->r, "config.get", NULL, false, timeout,
		    &err);
		json_decref(err);
		f->pid = (pid_t)jnum(json_array_get(json_object_get(f->procs,
		    "processes"), 0), "pid", 0);
	}
	find_place(f);
	return 0;
}

/* --- JSON ------------------------------------------------------------------- */

static void
set_if(json_t *o, const char *key, const char *text)
{
	if (text != NULL && text[0] != '\0')
		json_object_set_new(o, key, json_string(text));
}

/* A line of /proc/<pid>/<name>, its NULs as blanks. */
static void
proc_text(pid_t pid, const char *name, char *buf, size_t size)
{
	char	 path[64];
	size_t	 n = 0, i;
	FILE	*f;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	if ((f = fopen(path, "re")) != NULL) {
		n = fread(buf, 1, size - 1, f);
		fclose(f);
	}
	while (n > 0 && (buf[n - 1] == '\0' || buf[n - 1] == '\n'))
		n--;
	for (i = 0; i < n; i++)
		if (buf[i] == '\0')
			buf[i] = ' ';
	buf[n] = '\0';
}

static json_t *
listener_json(const struct facts *f, const struct port_listener *l)
{
	json_t		*o = json_pack("{s:s}", "address", l->address);
	struct passwd	*pw = getpwuid(l->uid);
	pid_t		 pid = l->pid;
	char		 text[1024];

	/* Not everybody may look into the gateway, but it says who it is. */
	if (pid == 0 && f->answers && jnum(f->procs, "port", 0) == f->port)
		pid = f->pid;
	if (pid != 0) {
		json_object_set_new(o, "pid", json_integer(pid));
		proc_text(pid, "comm", text, sizeof(text));
		set_if(o, "command", text);
		proc_text(pid, "cmdline", text, sizeof(text));
		set_if(o, "commandLine", text);
	}
	snprintf(text, sizeof(text), "%u", (unsigned int)l->uid);
	set_if(o, "user", pw != NULL ? pw->pw_name : text);
	return o;
}

static json_t *
port_json(const struct facts *f)
{
	json_t	*list = json_array(), *hints = json_array();
	size_t	 i;

	for (i = 0; i < f->nlisteners; i++)
		json_array_append_new(list, listener_json(f,
		    &f->listeners[i]));
	if (!f->answers && f->nlisteners > 0)
		json_array_append_new(hints, json_string("Another program "
		    "listens there, or a gateway of another state directory: "
		    "end it, or choose another port (--port, gateway.port)."));
	return json_pack("{s:I, s:s, s:o, s:o}", "port", (json_int_t)f->port,
	    "status", f->nlisteners > 0 ? "busy" : "free", "listeners", list,
	    "hints", hints);
}

static json_t *
config_json(const struct facts *f)
{
	json_t		*o, *cli, *daemon;
	const char	*path = jtext(f->config, "path", NULL);
	bool		 same = path == NULL ||
			    strcmp(path, f->ps.config) == 0;

	cli = json_pack("{s:s, s:b}", "path", f->ps.config, "exists",
	    access(f->ps.config, F_OK) == 0);
	o = json_pack("{s:o}", "cli", cli);
	if (path == NULL)
		return o;
	daemon = json_pack("{s:s, s:b, s:b, s:O*}", "path", path, "exists",
	    json_is_true(json_object_get(f->config, "exists")), "valid",
	    json_is_true(json_object_get(f->config, "valid")), "issues",
	    json_object_get(f->config, "issues"));
	if (same)
		json_object_set(cli, "valid", json_object_get(daemon,
		    "valid"));
	json_object_set_new(o, "daemon", daemon);
	if (!same && !f->remote)
		json_object_set_new(o, "mismatch", json_true());
	return o;
}

static json_t *
status_json(const struct facts *f, const char *target)
{
	json_t	*service, *runtime, *gateway, *rpc, *o;
	char	 url[320];

	runtime = json_pack("{s:s}", "status", f->answers ? "running" :
	    f->r != NULL ? "unknown" : "stopped");
	if (f->pid != 0)
		json_object_set_new(runtime, "pid", json_integer(f->pid));
	/* No service manager is asked: what runs is what answers. */
	service = json_pack("{s:s, s:b, s:s, s:s, s:o, s:{s:b, s:[]}}",
	    "label", "gatewayd", "loaded", f->answers, "loadedText", "running",
	    "notLoadedText", "not running", "runtime", runtime, "configAudit",
	    "ok", 1, "issues");
	snprintf(url, sizeof(url), "ws://%s:%lld", strcmp(f->host, "0.0.0.0")
	    == 0 ? "127.0.0.1" : f->host, (long long)f->port);
	gateway = json_pack("{s:s, s:s, s:I, s:s, s:s}", "bindMode", f->bind,
	    "bindHost", f->host, "port", (json_int_t)f->port, "portSource",
	    f->port_source, "probeUrl", url);
	if (strcmp(f->bind, "custom") == 0)
		json_object_set_new(gateway, "customBindHost",
		    json_string(f->host));
	if (f->config == NULL)
		json_object_set_new(gateway, "probeNote", json_string(
		    f->answers ? "what the configuration sets is not shown to "
		    "this user" : "the configuration is read by the gateway, "
		    "which does not answer"));
	rpc = json_pack("{s:b, s:s}", "ok", f->answers, "url", target);
	if (!f->answers)
		json_object_set_new(rpc, "error", json_string(f->err != NULL ?
		    jtext(f->err, "message", "?") : "not reachable"));
	o = json_pack("{s:o, s:o, s:o}", "service", service, "config",
	    config_json(f), "gateway", gateway);
	if (!f->remote)
		json_object_set_new(o, "port", port_json(f));
	json_object_set_new(o, "rpc", rpc);
	json_object_set_new(o, "extraServices", json_array());
	return o;
}

/* --- text -------------------------------------------------------------------- */

static void
status_text(const struct facts *f, const char *target)
{
	const char	*daemon = jtext(f->config, "path", f->ps.config);
	json_t		*l;
	size_t		 i;
	bool		 none;

	printf("Gateway: %s", f->answers ? "running, answers" :
	    "does not answer");
	if (f->pid != 0)
		printf(" (pid %d)", (int)f->pid);
	printf("\nTarget: %s\nConfig: ", target);
	print_text(daemon);
	none = f->config != NULL ? !json_is_true(json_object_get(f->config,
	    "exists")) : access(f->ps.config, F_OK) == -1;
	if (none && f->config == NULL && errno == EACCES)
		printf(" (this user may not look there)");
	else if (none)
		printf(f->answers ? " (none: embedded defaults)" :
		    " (there is none)");
	if (!f->remote && strcmp(daemon, f->ps.config) != 0)
		printf("\nConfig of this command: %s (another one)",
		    f->ps.config);
	if (f->remote) {
		putchar('\n');
		return;
	}
	printf("\nState: %s\nPort: %lld (%s), %s\n", f->ps.state,
	    (long long)f->port, f->port_source, f->nlisteners > 0 ?
	    "in use" : "free");
	for (i = 0; i < f->nlisteners; i++) {
		l = listener_json(f, &f->listeners[i]);
		printf("  %s", jtext(l, "address", "?"));
		if (json_object_get(l, "pid") != NULL) {
			printf(", pid %lld, ", (long long)jnum(l, "pid", 0));
			print_text(jtext(l, "command", "?"));
		}
		printf(", user ");
		print_text(jtext(l, "user", "?"));
		putchar('\n');
		json_decref(l);
	}
	/* Of one that this user may not ask nothing is known. */
	if (!f->answers && f->nlisteners > 0 &&
	    (access(f->ps.control, W_OK) == 0 || errno != EACCES))
		printf("Another program has the port, or a gateway of another "
		    "state directory.\n");
}

int
cmd_gateway_status(struct args *a)
{
	struct facts	 f;
	const char	*target;
	json_t		*out;

	if (gather(&f, a) == -1)
		return 1;
	target = f.r != NULL ? rpc_target(f.r) : a->opt[OPT_URL] != NULL ?
	    a->opt[OPT_URL] : f.ps.control;
	if (a->opt[OPT_JSON] != NULL) {
		out = status_json(&f, target);
		print_json(out);
		json_decref(out);
	} else
		status_text(&f, target);
	rpc_close(f.r);
	json_decref(f.err);
	json_decref(f.procs);
	json_decref(f.config);
	return f.answers ? 0 : 1;
}
