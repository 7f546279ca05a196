/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The configuration without a running gateway: gatewayd -e is asked as a
 * gateway would be, so the same process judges and the same one writes.  Not a
 * byte of the file is read or written here.
 */
#include "common/compat.h"

#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "common/dbuf.h"
#include "openclaw/openclaw.h"
#include "openclaw/offline.h"

#define ANSWER_MAX	(64u << 20)

int
offline_program(char *path, size_t size)
{
	char	 self[PATH_MAX], *slash;
	ssize_t	 n;

	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return -1;
	self[n] = '\0';
	if ((slash = strrchr(self, '/')) != NULL)
		*slash = '\0';
	snprintf(path, size, "%s/gatewayd", self);
	if (access(path, X_OK) == -1)
		snprintf(path, size, "%s/../sbin/gatewayd", self);
	return 0;
}

/* Runs it with that text as input; its output in out, its exit status. */
static int
offline_run(const char *verb, bool unconfigured, const char *in,
    struct dbuf *out)
{
	char	 path[PATH_MAX + 32], buf[16384];
	char	*argv[] = { (char *)(uintptr_t)"gatewayd",
		    (char *)(uintptr_t)"-e", (char *)(uintptr_t)verb,
		    unconfigured ? (char *)(uintptr_t)"-a" : NULL, NULL };
	size_t	 n = strlen(in);
	ssize_t	 r;
	int	 to[2], from[2], status;
	pid_t	 pid;

	if (offline_program(path, sizeof(path)) == -1 ||
	    pipe2(to, O_CLOEXEC) == -1)
		return -1;
	if (pipe2(from, O_CLOEXEC) == -1) {
		close(to[0]);
		close(to[1]);
		return -1;
	}
	signal(SIGPIPE, SIG_IGN);	/* its end is seen by waiting for it */
	fflush(NULL);
	if ((pid = fork()) == 0) {
		if (dup2(to[0], STDIN_FILENO) == -1 ||
		    dup2(from[1], STDOUT_FILENO) == -1)
			_exit(127);
		execv(path, argv);
		fprintf(stderr, "Error: %s: %s\n", path, strerror(errno));
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	while (pid != -1 && n > 0) {
		if ((r = write(to[1], in, n)) == -1) {
			if (errno == EINTR)
				continue;
			break;
		}
		in += r;
		n -= (size_t)r;
	}
	close(to[1]);
	while (pid != -1 && ((r = read(from[0], buf, sizeof(buf))) > 0 ||
	    (r == -1 && errno == EINTR)))
		if (r > 0)
			dbuf_put(out, buf, (size_t)r);
	close(from[0]);
	explicit_bzero(buf, sizeof(buf));
	while (pid != -1 && waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return -1;
	return pid != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

json_t *
offline_try(const char *method, json_t *params, json_t **err)
{
	static bool	 local;		/* the file begins with that mode */
	struct dbuf	 out;
	const char	*verb;
	json_t		*res = NULL;
	char		*text;
	int		 status;

	verb = strcmp(method, "config.get") == 0 ? "show" :
	    strcmp(method, "config.set") == 0 ? "set" : "edit";
	if ((text = json_dumps(params, JSON_COMPACT)) == NULL)
		text = strdup("{}");
	json_decref(params);
	dbuf_init_secret(&out, ANSWER_MAX);
	/* What is not configured may stay so; what is, may not cease to be. */
	status = text == NULL ? -1 : offline_run(verb, strcmp(verb, "show") !=
	    0 && !local, text, &out);
	if (text != NULL)
		freezero(text, strlen(text));
	if (status == 0 || status == 1)
		res = json_loadb(dbuf_str(&out), out.n, 0, NULL);
	dbuf_clear(&out);
	if (status == 0 && res != NULL && strcmp(verb, "show") == 0)
		local = strcmp(jtext(json_object_get(json_object_get(res,
		    "parsed"), "gateway"), "mode", ""), "local") == 0;
	if (status == 0 && res != NULL)
		return res;
	*err = res != NULL ? res : json_pack("{s:s, s:s}", "code", "LOCAL",
	    "message", "gatewayd could not judge the configuration");
	return NULL;
}
