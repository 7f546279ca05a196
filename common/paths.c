/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "common/paths.h"

/* Absolute, without "." and ".." that would make two names for one thing. */
static int
paths_absolute(const char *in, char *out, size_t size)
{
	char	 cwd[PATH_MAX], full[PATH_MAX];
	char	*seg, *save;
	size_t	 n;

	if (in[0] == '~' && (in[1] == '/' || in[1] == '\0')) {
		if (getenv("HOME") == NULL ||
		    (size_t)snprintf(full, sizeof(full), "%s%s",
		    getenv("HOME"), in + 1) >= sizeof(full))
			return -1;
	} else if (in[0] == '/') {
		if (strlcpy(full, in, sizeof(full)) >= sizeof(full))
			return -1;
	} else if (getcwd(cwd, sizeof(cwd)) == NULL ||
	    (size_t)snprintf(full, sizeof(full), "%s/%s", cwd, in) >=
	    sizeof(full))
		return -1;
	if (size < 2)
		return -1;
	out[0] = '\0';
	for (seg = strtok_r(full, "/", &save); seg != NULL;
	    seg = strtok_r(NULL, "/", &save)) {
		if (strcmp(seg, ".") == 0)
			continue;
		if (strcmp(seg, "..") == 0) {
			for (n = strlen(out); n > 0 && out[n - 1] != '/'; n--)
				;
			out[n > 0 ? n - 1 : 0] = '\0';
			continue;
		}
		if (strlcat(out, "/", size) >= size ||
		    strlcat(out, seg, size) >= size)
			return -1;
	}
	return out[0] == '/' ? 0 : -1;
}

int
paths_resolve(struct paths *ps, const char *config, const char *state,
    char *why, size_t size)
{
	const char	*s, *home = getenv("HOME"), *profile;
	char		 def[4096];

	profile = getenv("OPENCLAW_PROFILE");
	if (profile != NULL && (profile[0] == '\0' ||
	    strcmp(profile, "default") == 0))
		profile = NULL;
	if (profile != NULL && strspn(profile, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != strlen(profile)) {
		snprintf(why, size, "profile name: letters, digits, - and _ "
		    "only");
		return -1;
	}
	if ((s = state) == NULL && (s = getenv("OPENCLAW_STATE_DIR")) == NULL) {
		/* root without a directory of its own is the service. */
		if (geteuid() == 0 && profile == NULL)
			s = PATHS_SERVICE_STATE;
		else if (home != NULL && (size_t)snprintf(def, sizeof(def),
		    "%s/.openclaw%s%s", home, profile != NULL ? "-" : "",
		    profile != NULL ? profile : "") < sizeof(def))
			s = def;
		else {
			snprintf(why, size, "no home directory; name the "
			    "state directory in OPENCLAW_STATE_DIR");
			return -1;
		}
	}
	if (paths_absolute(s, ps->state, sizeof(ps->state)) == -1) {
		snprintf(why, size, "state directory %s: not usable", s);
		return -1;
	}
	if ((s = config) == NULL &&
	    (s = getenv("OPENCLAW_CONFIG_PATH")) == NULL) {
		snprintf(def, sizeof(def), "%s/openclaw.json", ps->state);
		s = strcmp(ps->state, PATHS_SERVICE_STATE) == 0 ?
		    PATHS_SERVICE_CONFIG : def;
	}
	if (paths_absolute(s, ps->config, sizeof(ps->config)) == -1) {
		snprintf(why, size, "configuration %s: not usable", s);
		return -1;
	}
	if (strcmp(ps->state, PATHS_SERVICE_STATE) == 0)
		strlcpy(ps->run, PATHS_SERVICE_RUN, sizeof(ps->run));
	else
		snprintf(ps->run, sizeof(ps->run), "%s/run", ps->state);
	snprintf(ps->control, sizeof(ps->control), "%s/control.sock", ps->run);
	return 0;
}

int
paths_libexec(const char *given, char *out, size_t size)
{
	char	 self[PATH_MAX], probe[PATH_MAX + 32];
	char	*slash;
	ssize_t	 n;

	if (given != NULL)
		return paths_absolute(given, out, size);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n > 0) {
		self[n] = '\0';
		if ((slash = strrchr(self, '/')) != NULL)
			*slash = '\0';
		/* A build tree has them all in one folder. */
		snprintf(probe, sizeof(probe), "%s/gatewayd-router", self);
		if (access(probe, X_OK) == 0)
			return paths_absolute(self, out, size);
		/* PREFIX/sbin/gatewayd has PREFIX/libexec/gatewayd/ */
		snprintf(probe, sizeof(probe), "%s/../libexec/gatewayd", self);
		if (access(probe, X_OK) == 0)
			return paths_absolute(probe, out, size);
	}
	return paths_absolute(GW_PREFIX "/libexec/gatewayd", out, size);
}

int
paths_webchat(const char *libexec, char *out, size_t size)
{
	static const char *const from[] = {
		"../../share/gatewayd/webchat",		/* PREFIX/libexec/ */
		"../../../gatewayd/webchat",		/* build/VARIANT/bin */
	};
	char	 dir[PATH_MAX], probe[PATH_MAX + 16];
	size_t	 i;

	for (i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
		if ((size_t)snprintf(dir, sizeof(dir), "%s/%s", libexec,
		    from[i]) >= sizeof(dir) ||
		    paths_absolute(dir, out, size) == -1)
			continue;
		snprintf(probe, sizeof(probe), "%s/index.html", out);
		if (access(probe, R_OK) == 0)
			return 0;
	}
	return -1;
}

/* The files of a folder go with it: systemd gives LogsDirectory= and all in it
 * back to root at each start, and who may write the folder then could not write
 * its files.  Only what is root's and has no second name elsewhere. */
static int
own_files(int dirfd, uid_t uid, gid_t gid)
{
	struct dirent	*d;
	struct stat	 st;
	DIR		*dir;
	int		 fd, r = 0;

	if ((fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) ==
	    -1)
		return -1;
	if ((dir = fdopendir(fd)) == NULL) {
		close(fd);
		return -1;
	}
	while (r == 0 && (d = readdir(dir)) != NULL) {
		fd = openat(dirfd, d->d_name, O_PATH | O_NOFOLLOW |
		    O_CLOEXEC);
		if (fd == -1) {
			r = errno == ENOENT ? 0 : -1;
			continue;
		}
		if (fstat(fd, &st) == -1 || (S_ISREG(st.st_mode) &&
		    st.st_nlink == 1 && st.st_uid == 0 &&
		    fchownat(fd, "", uid, gid, AT_EMPTY_PATH) == -1))
			r = -1;
		close(fd);
	}
	closedir(dir);
	return r;
}

int
paths_own(const char *path, uid_t uid, gid_t gid)
{
	char		 part[PATH_MAX];
	struct stat	 st;
	char		*p;
	int		 fd, r = -1;

	if (strlcpy(part, path, sizeof(part)) >= sizeof(part)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (p = part + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		if (mkdir(part, 0711) == -1 && errno != EEXIST)
			return -1;
		*p = '/';
	}
	if (mkdir(part, 0700) == -1 && errno != EEXIST)
		return -1;
	/* By descriptor: a link planted here must not be followed. */
	if ((fd = open(part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC)) == -1)
		return -1;
	if (fstat(fd, &st) == -1)
		goto out;
	/* The folder last, so that half of it is done again. */
	if (geteuid() == 0 && (st.st_uid != uid || st.st_gid != gid) &&
	    ((st.st_uid == 0 && own_files(fd, uid, gid) == -1) ||
	    fchown(fd, uid, gid) == -1))
		goto out;
	if ((st.st_mode & 0777) != 0700 && st.st_uid == geteuid() &&
	    fchmod(fd, 0700) == -1)
		goto out;
	r = 0;
out:
	close(fd);
	return r;
}
