/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* openclaw gateway ...: starting it, and asking its supervisor; sandbox. */
#include "common/compat.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "common/paths.h"
#include "common/sandbox.h"
#include "common/text.h"
#include "openclaw/offline.h"
#include "openclaw/openclaw.h"
#include "openclaw/ports.h"

#define SELFTEST_MS	40000	/* longer than the gateway waits itself */

/*
 * A gateway lets nobody but root look at its descriptors.  The one of this
 * state directory, which must end anyway for another to begin, is found by
 * who listens on its control socket, by the kernel's word.
 */
static pid_t
gateway_pid(void)
{
	struct sockaddr_un	 sun = { .sun_family = AF_UNIX };
	struct ucred		 cred = { 0 };
	struct paths		 ps;
	socklen_t		 len = sizeof(cred);
	char			 why[256];
	int			 fd;

	if (paths_resolve(&ps, NULL, NULL, why, sizeof(why)) == -1 ||
	    strlcpy(sun.sun_path, ps.control, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path) || (fd = socket(AF_UNIX, SOCK_STREAM |
	    SOCK_CLOEXEC, 0)) == -1)
		return 0;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		cred.pid = 0;
	close(fd);
	return cred.pid;
}

/* SIGTERM, 700 ms, SIGKILL; at most two seconds in all. */
static int
force_port(unsigned int port)
{
	struct port_listener	 l;
	pid_t			 pid;
	int			 i;

	if (port_listeners(port, &l, 1) == 0) {
		printf("force: no listeners on port %u\n", port);
		return 0;
	}
	if ((pid = l.pid) == 0 && (pid = gateway_pid()) == 0) {
		fprintf(stderr, "Error: --force: port %u is held by a process "
		    "that this user cannot see\n", port);
		return -1;
	}
	kill(pid, SIGTERM);
	for (i = 0; i < 40 && port_listeners(port, &l, 1) > 0; i++) {
		if (i == 14)
			kill(pid, SIGKILL);
		usleep(50000);
	}
	printf("force: killed pid %d on port %u\n", (int)pid, port);
	return port_listeners(port, &l, 1) == 0 ? 0 : -1;
}

int
cmd_gateway_run(struct args *a)
{
	char		 prog[PATH_MAX + 32], port[8];
	char		*argv[16];
	const char	*env;
	int64_t		 p = 18789;
	int		 argc = 0;

	if (offline_program(prog, sizeof(prog)) == -1) {
		fprintf(stderr, "Error: /proc is not mounted\n");
		return 1;
	}
	if (a->opt[OPT_DEV] != NULL) {
		setenv("OPENCLAW_PROFILE", "dev", 1);
		if (getenv("OPENCLAW_GATEWAY_PORT") == NULL)
			setenv("OPENCLAW_GATEWAY_PORT", "19001", 1);
	}
	if ((env = getenv("OPENCLAW_GATEWAY_PORT")) != NULL &&
	    num_parse(str_of(env), 1, 65535, &p) == -1) {
		fprintf(stderr, "Error: OPENCLAW_GATEWAY_PORT: not a port\n");
		return 1;
	}
	p = options_num(a, OPT_PORT, p, 1, 65535);
	argv[argc++] = (char *)(uintptr_t)"gatewayd";
	/* To a person an error is an error, whatever it is about. */
	argv[argc++] = (char *)(uintptr_t)"-x";
	argv[argc++] = (char *)(uintptr_t)"1";
	if (a->opt[OPT_PORT] != NULL) {
		snprintf(port, sizeof(port), "%lld", (long long)p);
		argv[argc++] = (char *)(uintptr_t)"-p";
		argv[argc++] = port;
	}
	if (a->opt[OPT_BIND] != NULL) {
		argv[argc++] = (char *)(uintptr_t)"-b";
		argv[argc++] = (char *)(uintptr_t)a->opt[OPT_BIND];
	}
	if (a->opt[OPT_UNCONFIGURED] != NULL || a->opt[OPT_DEV] != NULL)
		argv[argc++] = (char *)(uintptr_t)"-a";
	if (a->opt[OPT_VERBOSE] != NULL)
		argv[argc++] = (char *)(uintptr_t)"-v";
	argv[argc] = NULL;
	/* From here on the token is in no argument list any more. */
	if (a->opt[OPT_TOKEN] != NULL)
		setenv("OPENCLAW_GATEWAY_TOKEN", a->opt[OPT_TOKEN], 1);
	if (a->opt[OPT_FORCE] != NULL && force_port((unsigned int)p) == -1)
		return 1;
	fflush(stdout);
	execv(prog, argv);
	fprintf(stderr, "Error: %s: %s\n", prog, strerror(errno));
	return 1;
}

static int
say_done(struct args *a, const char *action, json_t *res)
{
	if (res == NULL)
		return 1;
	if (a->opt[OPT_JSON] != NULL) {
		json_t	*out = json_pack("{s:b, s:s, s:s}", "ok", 1, "action",
			    action, "message", jtext(res, "message", ""));

		print_json(out);
		json_decref(out);
	} else {
		print_text(jtext(res, "message", action));
		putchar('\n');
	}
	json_decref(res);
	return 0;
}

int
cmd_gateway_stop(struct args *a)
{
	return say_done(a, "stop", rpc_once(a, "gateway.stop", NULL));
}

int
cmd_gateway_restart(struct args *a)
{
	json_t	*params = json_object();

	if (a->opt[OPT_PROCESS] != NULL)
		json_object_set_new(params, "process",
		    json_string(a->opt[OPT_PROCESS]));
	return say_done(a, "restart", rpc_once(a, "gateway.restart", params));
}

int
cmd_gateway_reload(struct args *a)
{
	return say_done(a, "reload", rpc_once(a, "gateway.reload", NULL));
}

int
cmd_gateway_call(struct args *a)
{
	struct rpc	*r;
	json_error_t	 je;
	json_t		*params = NULL, *res;

	if (a->noperands != 1) {
		fprintf(stderr, "error: missing required argument 'method'\n");
		return 1;
	}
	if (a->opt[OPT_PARAMS] != NULL && (params = json_loads(
	    a->opt[OPT_PARAMS], 0, &je)) == NULL) {
		fprintf(stderr, "Error: --params: %s\n", je.text);
		return 1;
	}
	if ((r = rpc_open(a)) == NULL)
		return 1;
	res = rpc_call(r, a->operand[0], params, a->opt[OPT_FINAL] != NULL,
	    options_num(a, OPT_TIMEOUT, 10000, 1, 86400000));
	rpc_close(r);
	if (res == NULL)
		return 1;
	print_json(res);
	json_decref(res);
	return 0;
}

int
cmd_gateway_processes(struct args *a)
{
	static const char *const heads[] = { "Process", "State", "Pid", "User",
		"PSS KiB", "Restarts", "Sandbox", "Note" };
	struct table	*t;
	json_t		*res, *p;
	size_t		 i;
	int64_t		 sum = 0;

	if ((res = rpc_once(a, "gateway.processes", NULL)) == NULL)
		return 1;
	if (a->opt[OPT_JSON] != NULL) {
		print_json(res);
		json_decref(res);
		return 0;
	}
	t = table_new(heads, 8);
	json_array_foreach(json_object_get(res, "processes"), i, p) {
		table_row(t);
		table_add(t, 0, "%s", jtext(p, "name", "?"));
		table_add(t, 1, "%s", jtext(p, "state", "?"));
		table_add(t, 2, "%lld", (long long)jnum(p, "pid", 0));
		table_add(t, 3, "%lld", (long long)jnum(p, "uid", 0));
		table_add(t, 4, "%lld", (long long)jnum(p, "pssKiB", 0));
		table_add(t, 5, "%lld", (long long)jnum(p, "restarts", 0));
		if (json_array_size(json_object_get(p, "active")) > 0)
			table_add(t, 6, "%zu of %zu", json_array_size(
			    json_object_get(p, "active")), json_array_size(
			    json_object_get(p, "active")) + json_array_size(
			    json_object_get(p, "missing")));
		table_add(t, 7, "%s", jtext(p, "detail", jtext(p, "lastExit",
		    "")));
		sum += jnum(p, "pssKiB", 0);
	}
	table_print(t);
	printf("%lld KiB in all (PSS), %s mode\n", (long long)sum,
	    jtext(res, "mode", "?"));
	json_decref(res);
	return 0;
}

static void
profile_line(const char *label, json_t *words)
{
	json_t	*v;
	size_t	 i;

	if (json_array_size(words) == 0)
		return;
	printf("  %-9s", label);
	json_array_foreach(words, i, v) {
		putchar(' ');
		print_text(json_string_value(v));
	}
	putchar('\n');
}

int
cmd_sandbox_profiles(struct args *a)
{
	json_t		*res, *p;
	const char	*s;
	size_t		 i;

	if ((res = rpc_once(a, "sandbox.profiles", NULL)) == NULL)
		return 1;
	if (a->opt[OPT_JSON] != NULL) {
		print_json(res);
		json_decref(res);
		return 0;
	}
	printf("mode: %s\n", jtext(res, "mode", "?"));
	json_array_foreach(json_object_get(res, "profiles"), i, p) {
		print_text(jtext(p, "name", "?"));
		if ((s = jtext(p, "purpose", NULL)) != NULL) {
			printf(": ");
			print_text(s);
		}
		printf("\n  uid %lld", (long long)jnum(p, "uid", 0));
		if (jnum(p, "syscalls", 0) > 0)
			printf(", %lld system calls, %lld until ready "
			    "(class %s)", (long long)jnum(p, "syscalls", 0),
			    (long long)jnum(p, "startSyscalls", 0), jtext(p,
			    "class", "?"));
		else if (json_array_size(json_object_get(p, "active")) == 0 &&
		    strcmp(jtext(p, "name", ""), "gatewayd") != 0) {
			printf(", not started yet\n");
			continue;
		} else if (jtext(p, "class", NULL) != NULL)
			printf(", system calls by deny-list (class %s)",
			    jtext(p, "class", "?"));
		printf(", Landlock ABI %lld\n", (long long)jnum(p,
		    "landlockAbi", 0));
		profile_line("calls", json_object_get(p, "calls"));
		profile_line("start", json_object_get(p, "startCalls"));
		profile_line("active", json_object_get(p, "active"));
		profile_line("missing", json_object_get(p, "missing"));
		if ((s = jtext(p, "detail", NULL)) != NULL && s[0] != '\0') {
			printf("  note      ");
			print_text(s);
			putchar('\n');
		}
	}
	json_decref(res);
	return 0;
}

int
cmd_sandbox_selftest(struct args *a)
{
	struct rpc	*r;
	json_t		*res, *v;
	int64_t		 tried, passed;
	size_t		 i;

	if ((r = rpc_open(a)) == NULL)
		return 1;
	res = rpc_call(r, "sandbox.selftest", NULL, false,
	    a->opt[OPT_TIMEOUT] != NULL ? rpc_timeout(a) : SELFTEST_MS);
	rpc_close(r);
	if (res == NULL)
		return 1;
	tried = jnum(res, "tried", 0);
	passed = jnum(res, "passed", 0);
	if (a->opt[OPT_JSON] != NULL)
		print_json(res);
	else {
		json_array_foreach(json_object_get(res, "lines"), i, v) {
			print_text(json_string_value(v));
			putchar('\n');
		}
		printf("%lld of %lld attempts were stopped\n",
		    (long long)passed, (long long)tried);
	}
	json_decref(res);
	return tried > 0 && passed == tried ? 0 : 1;
}
