/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * See execpath.h.  Looks only at what this process sees of the system: its
 * root holds the same /usr, /bin and /sbin that jobs get, read-only.
 */
#include "common/compat.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "common/text.h"
#include "toold/execpath.h"
#include "toold/jobenv.h"

#define HASH_MAX	((uint64_t)32 << 20)	/* of one file, in a callback */

static const char *const roots[] = { "/usr/", "/bin/", "/sbin/" };

/* Names without a version: "python3.11" counts as "python". */
static const char *const wrappers[] = { "sh", "bash", "dash", "rbash", "zsh",
	"ksh", "mksh", "lksh", "fish", "csh", "tcsh", "yash", "posh", "elvish",
	"busybox", "toybox", "coreutils", "env", "nice", "ionice", "nohup",
	"setsid", "timeout", "stdbuf", "chrt", "taskset", "setarch", "linux",
	"i386", "x86_64", "uname26", "xargs", "parallel", "find", "fd",
	"fdfind", "script", "scriptreplay", "scriptlive", "expect",
	"unbuffer", "flock", "time", "watch", "entr", "run-parts", "chroot",
	"fakeroot", "fakechroot", "unshare", "nsenter", "setpriv", "capsh",
	"su", "sudo", "sudoedit", "doas", "runuser", "pkexec", "sg", "newgrp",
	"start-stop-daemon", "systemd-run", "daemonize", "at", "batch",
	"crontab", "ssh", "rsh", "mosh", "sshpass", "rsync", "scp", "sftp",
	"socat", "nc", "ncat", "netcat", "strace", "ltrace", "gdb", "lldb",
	"perf", "valgrind", "choom", "prlimit", "numactl", "catchsegv", "ld",
	"ld-linux", "ld-linux-x86-64", "ld-musl", "tmux", "screen", "dtach",
	"firejail", "bwrap", "proot", "docker", "podman", "make", "gmake",
	"ninja", "cmake", "tar", "bsdtar", "cpio", "zip", "man", "less",
	"more", "most", "vi", "vim", "view", "ex", "rview", "vimdiff", "nvim",
	"emacs", "nano", "pico", "ed", "git", "hg", "svn", "dpkg", "apt",
	"apt-get", "rpm", "dnf", "yum", "pip", "npm", "npx", "yarn", "pnpm",
	"cargo", "go", "gcc", "cc", "g++", "clang", "sort", "split",
	"install", "openssl", "dbus-run-session", "xvfb-run", "hyperfine",
	"pee", "ifne", "logsave", "savelog", "systemctl" };
static const char *const interpreters[] = { "python", "pypy", "perl", "ruby",
	"irb", "node", "nodejs", "deno", "bun", "php", "lua", "luajit",
	"texlua", "tclsh", "wish", "awk", "gawk", "mawk", "nawk",
	"original-awk", "sed", "gsed", "bc", "dc", "m4", "guile",
	"scheme", "racket", "sbcl", "clisp", "ecl", "emacsclient", "ghci",
	"runghc", "ocaml", "erl", "elixir", "iex", "julia", "R", "Rscript",
	"octave", "java", "jshell", "groovy", "scala", "kotlin", "pwsh",
	"powershell", "gnuplot", "sqlite", "mysql", "psql", "osascript",
	"swift", "dotnet", "mono", "gst", "gjs", "qjs", "zx", "tsx",
	"ts-node", "ipython", "forth", "gforth" };

static bool
named(const char *const *list, size_t n, const char *name, size_t len)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		if (strlen(list[i]) == len && memcmp(list[i], name, len) == 0)
			return true;
	return false;
}

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

enum execkind
execpath_kind(const char *path)
{
	const char	*name = strrchr(path, '/');
	size_t		 len, full;

	name = name == NULL ? path : name + 1;
	full = len = strlen(name);
	if (strstr(name, ".so") != NULL)
		return EXEC_WRAPPER;	/* the loader runs what it is given */
	/* python3.11, lua5.4, vim.basic, bash-static */
	for (;;) {
		if (named(wrappers, COUNT(wrappers), name, len))
			return EXEC_WRAPPER;
		if (named(interpreters, COUNT(interpreters), name, len))
			return EXEC_INTERPRETER;
		if (len > 0 && len == full && memchr(name, '.', len) != NULL &&
		    ascii_isalpha((unsigned char)name[len - 1])) {
			len = (size_t)((const char *)memchr(name, '.', len) -
			    name);
			continue;
		}
		if (len > 7 && memcmp(name + len - 7, "-static", 7) == 0) {
			len -= 7;
			continue;
		}
		if (len < 2 || (!ascii_isdigit((unsigned char)name[len - 1]) &&
		    name[len - 1] != '.' && name[len - 1] != '-'))
			return EXEC_PROGRAM;
		len--;
	}
}

static bool
below(const char *path, const char *dir)
{
	size_t	 n = strlen(dir);

	while (n > 0 && dir[n - 1] == '/')
		n--;
	return strncmp(path, dir, n) == 0 &&
	    (path[n] == '/' || path[n] == '\0');
}

/* The real file behind path; NULL, or why it will not do. */
static const char *
examine(const char *path, const char *workspace, struct execid *id)
{
	char		 real[PATH_MAX], *slash;
	struct stat	 st, dir;
	size_t		 i;

	if (realpath(path, real) == NULL)
		return errno == ENAMETOOLONG ? "has too long a path" :
		    "is not a program of this system";
	for (i = 0; i < COUNT(roots); i++)
		if (strncmp(real, roots[i], strlen(roots[i])) == 0)
			break;
	if (i == COUNT(roots) || below(real, workspace))
		return "is not below /usr, /bin or /sbin";
	if (!utf8_valid(real, strlen(real)) ||
	    strlcpy(id->path, real, sizeof(id->path)) >= sizeof(id->path))
		return "has too long a path";
	if (stat(real, &st) == -1 || !S_ISREG(st.st_mode) ||
	    (st.st_mode & 0111) == 0)
		return "is not a program of this system";
	slash = strrchr(real, '/');
	*slash = '\0';
	if (stat(real, &dir) == -1 || (dir.st_mode & S_IWOTH) ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)))
		return "can be changed by others than root";
	id->dev = st.st_dev;
	id->ino = st.st_ino;
	id->size = (uint64_t)st.st_size;
	id->mtime_ns = st.st_mtim.tv_sec * 1000000000ll + st.st_mtim.tv_nsec;
	id->ctime_ns = st.st_ctim.tv_sec * 1000000000ll + st.st_ctim.tv_nsec;
	return NULL;
}

const char *
execpath_resolve(const char *word, const char *workspace, struct execid *id)
{
	const char	*dir, *colon, *why;
	char		 path[EXECPATH_MAX];
	struct stat	 st;
	int		 n;

	memset(id, 0, sizeof(*id));
	if (*word == '\0')
		return "has no name";
	if (*word == '/')
		return below(word, workspace) ? "is in the workspace" :
		    examine(word, workspace, id);
	if (strchr(word, '/') != NULL)
		return "is named by a path that is not absolute";
	/* The first that a shell would find, for better or worse. */
	for (dir = JOBENV_PATH; dir != NULL; dir = colon == NULL ? NULL :
	    colon + 1) {
		colon = strchr(dir, ':');
		n = snprintf(path, sizeof(path), "%.*s/%s", colon == NULL ?
		    (int)strlen(dir) : (int)(colon - dir), dir, word);
		if (n < 0 || (size_t)n >= sizeof(path))
			return "has too long a path";
		if (stat(path, &st) == -1 || !S_ISREG(st.st_mode) ||
		    (st.st_mode & 0111) == 0)
			continue;
		if ((why = examine(path, workspace, id)) != NULL)
			id->path[0] = '\0';
		return why;
	}
	return "is not a program of this system";
}

bool
execpath_digest(const struct execid *id, struct sha256 *ctx)
{
	static char	 buf[65536];
	uint64_t	 num[5] = { id->dev, id->ino, id->size,
			    (uint64_t)id->mtime_ns, (uint64_t)id->ctime_ns };
	ssize_t		 n;
	int		 fd;

	sha256_update(ctx, id->path, strlen(id->path) + 1);
	sha256_update(ctx, num, sizeof(num));
	if (id->size > HASH_MAX)
		return true;	/* its ctime cannot be set by anybody */
	if ((fd = open(id->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK)) == -1)
		return false;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		sha256_update(ctx, buf, (size_t)n);
	close(fd);
	return n == 0;
}
