/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Namespaces that are made from outside of them: user namespaces with their
 * maps, the shared empty network, and the question what this kernel allows.
 * Clones here use the raw call: no fork handler runs, and the helper children
 * share memory or descriptors with us on purpose.
 */
#include "common/compat.h"

#include <sys/prctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "common/mountfd.h"
#include "common/sandbox.h"
#include "common/sandbox_profiles.h"
#include "common/sandbox_root.h"
#include "common/sandbox_userns.h"
#include "common/seccomp.h"

static pid_t	 clone_raw(uint64_t);
static int	 write_at(int, const char *, const char *, size_t);
static size_t	 map_line(char *, unsigned long, unsigned long);
static int	 wait_pid(pid_t);
static bool	 users_mapped(void);

uint64_t
sandbox_clone_flags(enum role role, enum sandbox_mode mode)
{
	(void)role;
	switch (mode) {
	case SANDBOX_ROOT:
		return CLONE_NEWPID;
	case SANDBOX_USER:
		return CLONE_NEWUSER | CLONE_NEWPID;
	case SANDBOX_NONE:
	case SANDBOX_MODE_MAX:
		break;
	}
	return 0;
}

static pid_t
clone_raw(uint64_t flags)
{
	struct clone_args a;

	memset(&a, 0, sizeof(a));
	a.flags = flags;
	a.exit_signal = SIGCHLD;
	return (pid_t)syscall(SYS_clone3, &a, sizeof(a));
}

static int
wait_pid(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* One write(2), as maps want it.  Async-signal-safe. */
static int
write_at(int dirfd, const char *name, const char *text, size_t n)
{
	ssize_t w;
	int fd, save;

	if ((fd = openat(dirfd, name, O_WRONLY | O_CLOEXEC)) == -1)
		return -1;
	w = write(fd, text, n);
	save = errno;
	close(fd);
	errno = save;
	return w == (ssize_t)n ? 0 : -1;
}

/* "inside outside 1\n"; snprintf is not async-signal-safe. */
static size_t
map_line(char *buf, unsigned long inside, unsigned long outside)
{
	unsigned long v[3] = { inside, outside, 1 };
	char digits[24];
	size_t i, k, n;

	n = 0;
	for (i = 0; i < 3; i++) {
		k = 0;
		do {
			digits[k++] = (char)('0' + v[i] % 10);
			v[i] /= 10;
		} while (v[i] != 0);
		while (k > 0)
			buf[n++] = digits[--k];
		buf[n++] = i == 2 ? '\n' : ' ';
	}
	return n;
}

int
sandbox_child_prepare(enum sandbox_mode mode, uid_t uid, gid_t gid)
{
	struct __user_cap_header_struct h;
	struct __user_cap_data_struct d[2];
	char map[80];
	size_t n;
	int cap, dirfd, r;

	if (mode != SANDBOX_USER)
		return 0;
	/* The supervisor is undumpable, so its copy's files in /proc are
	 * root's; the exec that comes next would set this too. */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == -1)
		return -1;
	if ((dirfd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC)) ==
	    -1)
		return -1;
	r = -1;
	if (write_at(dirfd, "setgroups", "deny", 4) == -1 && errno != ENOENT)
		goto out;
	n = map_line(map, uid, uid);
	if (write_at(dirfd, "uid_map", map, n) == -1)
		goto out;
	n = map_line(map, gid, gid);
	if (write_at(dirfd, "gid_map", map, n) == -1)
		goto out;
	/* An exec by a uid that is not 0 would take the capabilities that the
	 * worker needs for its first half; ambient ones stay. */
	memset(&h, 0, sizeof(h));
	h.version = _LINUX_CAPABILITY_VERSION_3;
	if (syscall(SYS_capget, &h, d) == -1)
		goto out;
	d[0].inheritable = d[0].permitted;
	d[1].inheritable = d[1].permitted;
	if (syscall(SYS_capset, &h, d) == -1)
		goto out;
	for (cap = 0; cap < 64; cap++)
		if ((d[cap / 32].permitted & (1u << (cap % 32))) != 0 &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) ==
		    -1)
			goto out;
	r = 0;
out:
	close(dirfd);
	return r;
}

/*
 * A child in a new user namespace shares our descriptor table, opens its own
 * /proc folder there, tells the number, and waits; so its maps can be written
 * from here whatever pid namespace either of us is in.  With *nsfd the child's
 * namespace is opened too.
 */
int
userns_for_map(uid_t from_uid, uid_t to_uid, gid_t from_gid, gid_t to_gid)
{
	char map[80];
	int32_t num;
	int go[2], nsfd, r, save, tell[2];
	pid_t pid;
	size_t n;
	char c;

	if (pipe2(tell, O_CLOEXEC) == -1)
		return -1;
	if (pipe2(go, O_CLOEXEC) == -1) {
		save = errno;
		close(tell[0]);
		close(tell[1]);
		errno = save;
		return -1;
	}
	nsfd = -1;
	pid = clone_raw(CLONE_NEWUSER | CLONE_FILES);
	if (pid == 0) {
		num = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
		(void)!write(tell[1], &num, sizeof(num));
		(void)!read(go[0], &c, 1);
		_exit(0);
	}
	if (pid == -1) {
		save = errno;
		goto out;
	}
	save = EIO;
	num = -1;
	if (read(tell[0], &num, sizeof(num)) != sizeof(num) || num == -1)
		goto end;
	n = map_line(map, from_uid, to_uid);
	r = write_at(num, "uid_map", map, n);
	if (r == 0) {
		n = map_line(map, from_gid, to_gid);
		r = write_at(num, "gid_map", map, n);
	}
	if (r == 0)
		nsfd = openat(num, "ns/user", O_RDONLY | O_CLOEXEC);
	save = errno;
	close(num);
end:
	(void)!write(go[1], "", 1);
	wait_pid(pid);
out:
	close(tell[0]);
	close(tell[1]);
	close(go[0]);
	close(go[1]);
	errno = save;
	return nsfd;
}

/*
 * Puts this process into a new user namespace whose maps a helper, left in the
 * old one, writes.
 */
int
userns_enter(const struct userns_id *id, size_t n)
{
	char gmap[80 * USERNS_IDS_MAX], umap[80 * USERNS_IDS_MAX];
	size_t gn, i, un;
	int dirfd, fd[2], save;
	pid_t pid;
	char c;

	if (n == 0 || n > USERNS_IDS_MAX) {
		errno = EINVAL;
		return -1;
	}
	if ((dirfd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC)) ==
	    -1)
		return -1;
	if (pipe2(fd, O_CLOEXEC) == -1) {
		save = errno;
		close(dirfd);
		errno = save;
		return -1;
	}
	for (gn = un = i = 0; i < n; i++) {
		un += map_line(umap + un, id[i].uid, id[i].out_uid);
		gn += map_line(gmap + gn, id[i].gid, id[i].out_gid);
	}
	if ((pid = clone_raw(0)) == 0) {
		close(fd[1]);
		if (read(fd[0], &c, 1) != 1)
			_exit(1);
		if (write_at(dirfd, "uid_map", umap, un) == -1 ||
		    write_at(dirfd, "gid_map", gmap, gn) == -1)
			_exit(errno > 0 && errno < 255 ? errno : 1);
		_exit(0);
	}
	close(fd[0]);
	close(dirfd);
	if (pid == -1) {
		save = errno;
		close(fd[1]);
		errno = save;
		return -1;
	}
	if (unshare(CLONE_NEWUSER) == -1) {
		save = errno;
		close(fd[1]);		/* the helper reads an end of file */
		wait_pid(pid);
		errno = save;
		return -1;
	}
	(void)!write(fd[1], "", 1);
	close(fd[1]);
	if ((save = wait_pid(pid)) != 0) {
		errno = save;
		return -1;
	}
	return 0;
}

int
sandbox_netns_new(void)
{
	int fd, save, tell[2];
	int32_t num;
	pid_t pid;

	if (pipe2(tell, O_CLOEXEC) == -1)
		return -1;
	fd = -1;
	if ((pid = clone_raw(CLONE_NEWNET | CLONE_FILES)) == 0) {
		num = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		if (num == -1)
			num = -errno;
		(void)!write(tell[1], &num, sizeof(num));
		_exit(0);
	}
	save = errno;
	if (pid != -1) {
		save = EIO;
		if (read(tell[0], &num, sizeof(num)) == sizeof(num)) {
			if (num >= 0)
				fd = num;
			else
				save = -num;
		}
		wait_pid(pid);
	}
	close(tell[0]);
	close(tell[1]);
	errno = save;
	return fd;
}

/* Are there other users than this one?  Root of a container may be alone. */
static bool
users_mapped(void)
{
	unsigned long long in, n, out, sum;
	FILE *f;

	if ((f = fopen("/proc/self/uid_map", "re")) == NULL)
		return true;
	for (sum = 0; fscanf(f, "%llu %llu %llu", &in, &out, &n) == 3;)
		sum += n;
	fclose(f);
	return sum >= 65535;
}

enum sandbox_mode
sandbox_mode_probe(char *why, size_t size)
{
	struct __user_cap_header_struct h;
	struct __user_cap_data_struct d[2];
	static const char *const opt[] = { "mode", "0755", NULL };
	uid_t uid;
	gid_t gid;
	pid_t pid;
	int fd, r;

	if (size > 0)
		why[0] = '\0';
	uid = geteuid();
	gid = getegid();
	memset(&h, 0, sizeof(h));
	h.version = _LINUX_CAPABILITY_VERSION_3;
	if (uid == 0 && syscall(SYS_capget, &h, d) == 0 &&
	    (d[0].effective & (1u << CAP_SYS_ADMIN)) != 0 &&
	    (d[0].effective & (1u << CAP_SETUID)) != 0 && users_mapped())
		return SANDBOX_ROOT;
	/* Nothing short of trying tells: sysctls, AppArmor and containers all
	 * have their own way to refuse. */
	pid = clone_raw(CLONE_NEWUSER | CLONE_NEWPID);
	if (pid == 0) {
		if (sandbox_child_prepare(SANDBOX_USER, uid, gid) == -1)
			_exit(2);
		if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC |
		    CLONE_NEWUTS) == -1)
			_exit(3);
		if ((fd = fs_new("tmpfs", MOUNT_ATTR_NOSUID, opt)) == -1 ||
		    fs_place(fd, AT_FDCWD, "/") == -1)
			_exit(4);
		_exit(0);
	}
	if (pid == -1) {
		snprintf(why, size, "no user namespace: %s",
		    strerrordesc_np(errno));
		return SANDBOX_NONE;
	}
	if ((r = wait_pid(pid)) == 0)
		return SANDBOX_USER;
	snprintf(why, size, "%s", r == 2 ? "user namespace: the maps cannot "
	    "be written" : r == 3 ? "user namespace: no namespaces within" :
	    r == 4 ? "user namespace: no mounts within" :
	    "user namespace: the trial ended early");
	return SANDBOX_NONE;
}

/* What the supervisor does as root: give workers their users (SETUID, SETGID,
 * SETPCAP), namespaces and mounts (SYS_ADMIN), folders (CHOWN, FOWNER,
 * DAC_OVERRIDE) and low ports (NET_BIND_SERVICE), end them (KILL), and tell how
 * much memory they have (SYS_PTRACE, by /proc only: the filter has no ptrace). */
#define SUPERVISOR_CAPS (1u << CAP_SETUID | 1u << CAP_SETGID |		\
	1u << CAP_SETPCAP | 1u << CAP_SYS_ADMIN | 1u << CAP_CHOWN |	\
	1u << CAP_FOWNER | 1u << CAP_DAC_OVERRIDE |			\
	1u << CAP_NET_BIND_SERVICE | 1u << CAP_KILL | 1u << CAP_SYS_PTRACE)

int
sandbox_supervisor_lock(void)
{
	struct __user_cap_header_struct h;
	struct __user_cap_data_struct d[2];
	int cap;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return -1;
	if (geteuid() == 0) {
		/* Also out of the bounding set: an exec as root would bring
		 * them back, for a worker until it has dropped everything. */
		for (cap = 0; cap < 64; cap++)
			if ((cap >= 32 || (SUPERVISOR_CAPS & 1u << cap) == 0) &&
			    prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
				(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
		memset(&h, 0, sizeof(h));
		h.version = _LINUX_CAPABILITY_VERSION_3;
		if (syscall(SYS_capget, &h, d) == -1)
			return -1;
		d[0].permitted &= SUPERVISOR_CAPS;
		d[0].effective = d[0].permitted;
		d[0].inheritable = d[1].inheritable = 0;
		d[1].permitted = d[1].effective = 0;
		if (syscall(SYS_capset, &h, d) == -1)
			return -1;
	}
	return seccomp_filter_load(&seccomp_of_PARENT.filter);
}
