/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The lock-down itself, in the order of its two halves (sandbox.h).  Every
 * fact that is reported was asked back from the kernel after the step; none is
 * taken from the configuration.
 */
#include "common/compat.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "common/landlock.h"
#include "common/sandbox.h"
#include "common/sandbox_profiles.h"
#include "common/sandbox_root.h"
#include "common/sandbox_userns.h"
#include "common/seccomp.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE		65
#define PR_GET_MDWE		66
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

#define ROOT_BYTES		(256u << 10)	/* of a worker's own tmpfs */
#define PASSWD_MAX		512

#define SECUREBITS_ALL	(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |		\
	SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |	\
	SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |		\
	SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

/* What the jailer keeps, in a user namespace of its own: mounts and clones,
 * the job's uid, an empty bounding set for the job, ending it. */
#define JAILER_CAPS	((1u << CAP_SYS_ADMIN) | (1u << CAP_SETUID) |	\
	(1u << CAP_SETGID) | (1u << CAP_SETPCAP) | (1u << CAP_KILL))

struct early {
	const struct sandbox_spec	*spec;
	const struct sandbox_profile	*pr;
	struct sandbox_report		*rep;
	enum role			 role;
	const struct seccomp_made	*made;
	struct trees			 trees;
	bool				 idmapped;
	bool				 strict;
};

static int	 miss(struct sandbox_report *, bool, uint32_t, const char *,
		    const char *);
static int	 early_rlimits(struct early *);
static int	 early_namespaces(struct early *, int);
static int	 early_userns(struct early *);
static int	 early_trees(struct early *);
static int	 early_root(struct early *);
static int	 early_skeleton(struct early *, int);
static int	 early_uid(struct early *);
static int	 early_caps(struct early *);
static int	 early_rest(struct early *, int);
static int	 early_filter(struct early *);
static int	 filter_load(const struct sandbox_spec *,
		    const struct seccomp_filter *);
static ino_t	 ns_ino(const char *);
static bool	 net_is_empty(void);

/* A step that cannot be had: 0 to go on without it, -1 in strict mode. */
static int
miss(struct sandbox_report *rep, bool strict, uint32_t fact, const char *what,
    const char *why)
{
	size_t n;
	int save = errno;

	rep->failed |= fact;
	n = strlen(rep->detail);
	if (n < sizeof(rep->detail))
		snprintf(rep->detail + n, sizeof(rep->detail) - n, "%s%s: %s",
		    n > 0 ? "; " : "", what,
		    why != NULL && why[0] != '\0' ? why :
		    strerrordesc_np(save));
	errno = save != 0 ? save : EPERM;
	return strict ? -1 : 0;
}

int
sandbox_enter_early(const struct sandbox_spec *spec,
    const struct seccomp_made *made, int netns_fd, int ctl_fd,
    struct sandbox_report *rep)
{
	enum role role = made->id;
	struct early e;
	int r, save;

	memset(rep, 0, sizeof(*rep));
	memset(&e, 0, sizeof(e));
	e.spec = spec;
	e.role = role;
	e.made = made;
	e.rep = rep;
	e.strict = (spec->flags & SANDBOX_STRICT) != 0;
	r = -1;
	if (e.strict && (spec->flags & SANDBOX_AUDIT)) {
		errno = EINVAL;
		strlcpy(rep->detail, "audit mode is never strict",
		    sizeof(rep->detail));
		goto out;
	}
	if ((e.pr = sandbox_profile_get(role)) == NULL || role >= ROLE_MAX) {
		errno = EINVAL;
		strlcpy(rep->detail, "no profile for this role",
		    sizeof(rep->detail));
		goto out;
	}
	if (trees_init(&e.trees) == -1 ||
	    early_rlimits(&e) == -1 ||
	    early_namespaces(&e, netns_fd) == -1 ||
	    early_root(&e) == -1 ||
	    early_uid(&e) == -1 ||
	    early_caps(&e) == -1 ||
	    early_rest(&e, ctl_fd) == -1 ||
	    early_filter(&e) == -1)
		goto out;
	r = 0;
out:
	save = errno;
	trees_clear(&e.trees);
	if (netns_fd != -1)
		close(netns_fd);
	if (r == -1 && rep->detail[0] == '\0')
		strlcpy(rep->detail, strerrordesc_np(save),
		    sizeof(rep->detail));
	errno = save;
	return r;
}

/* --- 1: limits, session ------------------------------------------------- */

static int
limit(int what, rlim_t v)
{
	struct rlimit l;

	if (getrlimit(what, &l) == -1)
		return -1;
	if (l.rlim_max != RLIM_INFINITY && v > l.rlim_max)
		v = l.rlim_max;
	l.rlim_cur = l.rlim_max = v;
	return setrlimit(what, &l);
}

static int
early_rlimits(struct early *e)
{
	if (limit(RLIMIT_CORE, 0) == -1 ||
	    limit(RLIMIT_MSGQUEUE, 0) == -1 ||
	    limit(RLIMIT_NOFILE, e->spec->nofile != 0 ? e->spec->nofile :
	    e->pr->nofile) == -1 ||
	    (e->spec->as_bytes != 0 &&
	    limit(RLIMIT_AS, e->spec->as_bytes) == -1)) {
		if (miss(e->rep, e->strict, FACT_RLIMITS, "rlimits",
		    NULL) == -1)
			return -1;
	} else
		e->rep->facts |= FACT_RLIMITS;
	if (setsid() == -1 && errno != EPERM)
		return -1;
	umask(077);
	return 0;
}

/* --- 2: namespaces and root --------------------------------------------- */

static ino_t
ns_ino(const char *name)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* Only lo in this network namespace, as the kernel lists it. */
static bool
net_is_empty(void)
{
	char buf[2048], *line, *next;
	ssize_t n;
	int fd;

	if ((fd = open("/proc/self/net/dev", O_RDONLY | O_CLOEXEC)) == -1)
		return false;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return false;
	buf[n] = '\0';
	for (line = buf; line != NULL; line = next) {
		if ((next = strchr(line, '\n')) != NULL)
			*next++ = '\0';
		line += strspn(line, " ");
		if (strchr(line, '|') != NULL || line[0] == '\0')
			continue;	/* headings */
		if (strncmp(line, "lo:", 3) != 0)
			return false;
	}
	return true;
}

/* Root mode: a user namespace below root's, and in it no more than its user;
 * for the jailer that is 0 and jobs are 1, or both are 1. */
static int
early_userns(struct early *e)
{
	const struct sandbox_spec *s = e->spec;
	struct userns_id id[2];
	ino_t before;
	size_t n;

	memset(id, 0, sizeof(id));
	n = 0;
	if ((e->pr->flags & PROF_USERNS) == 0) {
		/* Under its own number, as owners of files read outside. */
		id[n++] = (struct userns_id){ s->uid, s->uid, s->gid, s->gid };
	} else {
		if (s->job_uid != s->uid && s->job_gid != s->gid) {
			id[n++] = (struct userns_id){ 0, s->uid, 0, s->gid };
			e->rep->facts |= FACT_JOBUID;
		}
		id[n] = (struct userns_id){ 1, n > 0 ? s->job_uid : s->uid, 1,
		    n > 0 ? s->job_gid : s->gid };
		n++;
	}
	if (s->uid == 0 || s->gid == 0) {
		miss(e->rep, true, FACT_USERNS, "userns",
		    "no user but root given");
		return -1;
	}
	before = ns_ino("user");
	/* Without one the jailer is no jailer; half in one is nothing. */
	if (userns_enter(id, n) == -1)
		return miss(e->rep, e->strict || ns_ino("user") != before ||
		    (e->pr->flags & PROF_USERNS) != 0, FACT_USERNS, "userns",
		    NULL);
	/* From an outer 0 that has no number here to one that has. */
	if (setresgid(id[0].gid, id[0].gid, id[0].gid) == -1 ||
	    setgroups(0, NULL) == -1 ||
	    setresuid(id[0].uid, id[0].uid, id[0].uid) == -1) {
		miss(e->rep, true, FACT_UID, "uid in the namespace", NULL);
		return -1;
	}
	if (ns_ino("user") != before)
		e->rep->facts |= FACT_USERNS;
	return 0;
}

static int
early_namespaces(struct early *e, int netns_fd)
{
	static const struct {
		const char	*name;
		uint32_t	 fact;
		int		 flag;
	} ns[] = {
		{ "mnt", FACT_MNTNS, CLONE_NEWNS },
		{ "ipc", FACT_IPCNS, CLONE_NEWIPC },
		{ "uts", FACT_UTSNS, CLONE_NEWUTS },
		{ "cgroup", FACT_CGROUPNS, CLONE_NEWCGROUP },
	};
	struct sandbox_report *rep = e->rep;
	const char *text;
	ino_t before;
	size_t i;
	bool own;

	own = e->spec->mode == SANDBOX_ROOT &&
	    ((e->pr->flags & PROF_USERNS) != 0 ||
	    (e->spec->flags & SANDBOX_USERNS) != 0);
	if (getpid() == 1)
		rep->facts |= FACT_PIDNS;
	else if (miss(rep, e->strict, FACT_PIDNS, "pidns",
	    "not process 1") == -1)
		return -1;
	if (e->spec->mode == SANDBOX_USER)
		rep->facts |= FACT_USERNS;
	/* The network first: joining one needs rights where it was made. */
	if ((e->pr->flags & PROF_HOSTNET) == 0) {
		before = ns_ino("net");
		if (netns_fd != -1)
			(void)!setns(netns_fd, CLONE_NEWNET);
		else if (!own)
			(void)!unshare(CLONE_NEWNET);
		if (before != 0 && ns_ino("net") != before && net_is_empty())
			rep->facts |= FACT_NETNS;
		else if (!own && miss(rep, e->strict, FACT_NETNS, "netns",
		    NULL) == -1)
			return -1;
	}
	/* In root mode trees are cloned before any change of user namespace:
	 * only root's can be id-mapped. */
	if (own) {
		if (early_trees(e) == -1 || early_userns(e) == -1)
			return -1;
		if ((rep->facts & FACT_NETNS) == 0 &&
		    (e->pr->flags & PROF_HOSTNET) == 0) {
			before = ns_ino("net");
			(void)!unshare(CLONE_NEWNET);
			if (ns_ino("net") != before && net_is_empty())
				rep->facts |= FACT_NETNS;
			else if (miss(rep, e->strict, FACT_NETNS, "netns",
			    NULL) == -1)
				return -1;
		}
	}
	for (i = 0; i < sizeof(ns) / sizeof(ns[0]); i++) {
		before = ns_ino(ns[i].name);
		text = unshare(ns[i].flag) == -1 ? strerrordesc_np(errno) :
		    "still the same";
		if (before != 0 && ns_ino(ns[i].name) != before) {
			rep->facts |= ns[i].fact;
			continue;
		}
		if (miss(rep, e->strict, ns[i].fact, ns[i].name, text) == -1)
			return -1;
	}
	if (rep->facts & FACT_UTSNS)
		(void)!sethostname("sandbox", 7);
	return 0;
}

/* Clones everything that the new root will hold. */
static int
early_trees(struct early *e)
{
	const struct profile_mount *pm;
	const struct sandbox_mount *m;
	uint32_t flags, more;
	size_t had, i;
	uid_t uid;
	gid_t gid;
	bool mapped, root;

	root = e->spec->mode == SANDBOX_ROOT;
	more = 0;
	if (e->pr->flags & PROF_EXEC)
		more |= TREE_EXEC;
	for (pm = e->pr->mounts; pm->path != NULL; pm++) {
		flags = pm->flags | more | TREE_RECURSE;
		if (e->pr->flags & PROF_SKELETON)
			flags |= TREE_LINKS;
		if (trees_add(&e->trees, pm->path, flags, 0, 0, NULL) == -1)
			goto fail;
	}
	if (e->pr->flags & PROF_SKELETON) {
		static const char *const dev[] = { "/dev/null", "/dev/zero",
		    "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty" };
		for (i = 0; i < sizeof(dev) / sizeof(dev[0]); i++)
			if (trees_add(&e->trees, dev[i], MNT_RW | MNT_OPT |
			    TREE_DEVICE, 0, 0, NULL) == -1)
				goto fail;
		/* Without one that is seen here the kernel lets no job of a
		 * user namespace have one.  Not fatal: programs manage. */
		if (trees_add_proc(&e->trees) == -1 &&
		    miss(e->rep, false, 0, "procfs", e->trees.why) == -1)
			return -1;
	}
	/* To the jail, the owner of the workspace is the job. */
	uid = e->pr->flags & PROF_USERNS ? e->spec->job_uid : e->spec->uid;
	gid = e->pr->flags & PROF_USERNS ? e->spec->job_gid : e->spec->gid;
	for (i = 0; i < e->spec->nmounts; i++) {
		m = &e->spec->mounts[i];
		flags = m->flags | more;
		if (!root)
			flags &= ~(uint32_t)MNT_IDMAP;
		/* A copy of the outer namespace may be had only whole. */
		if (!root || (flags & MNT_IDMAP) == 0)
			flags |= TREE_RECURSE;
		e->trees.why[0] = '\0';
		had = e->trees.n;
		if (trees_add(&e->trees, m->path, flags, uid, gid,
		    &mapped) == -1)
			goto fail;
		if ((m->flags & MNT_CGROUP) && e->trees.n > had)
			strlcpy(e->trees.tree[e->trees.n - 1].path,
			    SANDBOX_CGROUP, SANDBOX_PATH_MAX);
		if (mapped)
			e->idmapped = true;
		else if ((flags & MNT_IDMAP) && e->trees.why[0] != '\0' &&
		    miss(e->rep, e->strict, FACT_IDMAP, "idmap",
		    e->trees.why) == -1)
			return -1;
	}
	if (e->idmapped)
		e->rep->facts |= FACT_IDMAP;
	return 0;
fail:
	miss(e->rep, true, FACT_ROOT, "mount", e->trees.why);
	return -1;
}

/* What is not of the host: empty folders, a user list of the one user. */
static int
early_skeleton(struct early *e, int root)
{
	static const char *const dirs[] = { "/tmp", "/var", "/run", "/etc",
	    "/dev/pts", "/home", "/opt" };
	char group[PASSWD_MAX], passwd[PASSWD_MAX];
	unsigned int uid, gid;
	size_t i;

	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (root_mkdir(root, dirs[i], 0755) == -1)
			return -1;
	uid = e->spec->mode == SANDBOX_ROOT ? 1 : (unsigned int)getuid();
	gid = e->spec->mode == SANDBOX_ROOT ? 1 : (unsigned int)getgid();
	snprintf(passwd, sizeof(passwd),
	    "root:x:0:0:root:/root:/usr/sbin/nologin\n"
	    "agent:x:%u:%u:agent:/tmp:/bin/sh\n"
	    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
	    uid, gid);
	snprintf(group, sizeof(group), "root:x:0:\nagent:x:%u:\n"
	    "nogroup:x:65534:\n", gid);
	if (root_file(root, "/etc/passwd", passwd) == -1 ||
	    root_file(root, "/etc/group", group) == -1 ||
	    root_file(root, "/etc/hosts", "127.0.0.1 localhost\n") == -1 ||
	    root_file(root, "/etc/hostname", "sandbox\n") == -1 ||
	    root_file(root, "/etc/nsswitch.conf", "passwd: files\n"
	    "group: files\nhosts: files\n") == -1)
		return -1;
	if (symlinkat("/proc/self/fd", root, "dev/fd") == -1 ||
	    symlinkat("/proc/self/fd/0", root, "dev/stdin") == -1 ||
	    symlinkat("/proc/self/fd/1", root, "dev/stdout") == -1 ||
	    symlinkat("/proc/self/fd/2", root, "dev/stderr") == -1 ||
	    symlinkat("/tmp", root, "dev/shm") == -1 ||
	    symlinkat("/tmp", root, "var/tmp") == -1)
		return -1;
	return 0;
}

static int
early_root(struct early *e)
{
	struct stat st;
	int root;

	if ((e->rep->facts & FACT_MNTNS) == 0)
		return miss(e->rep, e->strict, FACT_ROOT, "private root",
		    "no mount namespace");
	if (e->trees.n == 0 && early_trees(e) == -1)
		return -1;
	if ((e->pr->flags & PROF_DEVPTS) && trees_add_devpts(&e->trees) == -1 &&
	    miss(e->rep, e->strict, 0, "devpts", e->trees.why) == -1)
		return -1;
	if ((root = root_build(&e->trees, ROOT_BYTES)) == -1) {
		miss(e->rep, true, FACT_ROOT, "private root", e->trees.why);
		return -1;
	}
	if (((e->pr->flags & PROF_SKELETON) && early_skeleton(e, root) == -1) ||
	    root_enter(root) == -1) {
		miss(e->rep, true, FACT_ROOT, "private root", NULL);
		return -1;
	}
	/* What a worker has of /proc is nothing. */
	if ((e->pr->flags & PROF_SKELETON) == 0 && lstat("/proc", &st) == 0) {
		miss(e->rep, true, FACT_ROOT, "private root",
		    "/proc is still there");
		return -1;
	}
	e->rep->facts |= FACT_ROOT;
	return 0;
}

/* --- 3: user and capabilities ------------------------------------------- */

static int
early_uid(struct early *e)
{
	bool ok;
	int cap;

	if (e->pr->flags & PROF_USERNS && e->spec->mode != SANDBOX_NONE)
		return 0;	/* done with its namespace */
	/* The bounding set first: dropping from it is itself a capability. */
	ok = true;
	for (cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == -1)
			ok = false;
	if (prctl(PR_SET_SECUREBITS, SECUREBITS_ALL, 0, 0, 0) == -1 ||
	    prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) != (int)SECUREBITS_ALL)
		ok = false;
	if (ok)
		e->rep->facts |= FACT_BOUNDING;
	else if (miss(e->rep, e->strict, FACT_BOUNDING, "bounding set",
	    NULL) == -1)
		return -1;
	if (e->spec->mode == SANDBOX_USER ||
	    (e->spec->mode == SANDBOX_NONE && geteuid() != 0))
		return 0;
	if (e->spec->uid == 0 || e->spec->gid == 0) {
		miss(e->rep, true, FACT_UID, "uid", "no user but root given");
		return -1;
	}
	if (setgroups(0, NULL) == -1 ||
	    setresgid(e->spec->gid, e->spec->gid, e->spec->gid) == -1 ||
	    setresuid(e->spec->uid, e->spec->uid, e->spec->uid) == -1) {
		miss(e->rep, true, FACT_UID, "uid", NULL);
		return -1;
	}
	return 0;
}

static int
early_caps(struct early *e)
{
	struct __user_cap_header_struct h;
	struct __user_cap_data_struct d[2];
	uint32_t keep;
	int cap;

	keep = 0;
	if (e->pr->flags & PROF_USERNS && e->spec->mode != SANDBOX_NONE) {
		keep = JAILER_CAPS;
		for (cap = 0; cap < 64; cap++)
			if ((cap >= 32 || (keep & (1u << cap)) == 0) &&
			    prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
				(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
		(void)prctl(PR_SET_SECUREBITS, SECUREBITS_ALL, 0, 0, 0);
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	memset(&h, 0, sizeof(h));
	h.version = _LINUX_CAPABILITY_VERSION_3;
	memset(d, 0, sizeof(d));
	d[0].permitted = d[0].effective = keep;
	if (syscall(SYS_capset, &h, d) == -1 ||
	    syscall(SYS_capget, &h, d) == -1) {
		miss(e->rep, true, FACT_CAPS, "capabilities", NULL);
		return -1;
	}
	if (keep != 0)
		return 0;
	if (d[0].permitted != 0 || d[1].permitted != 0 ||
	    d[0].effective != 0 || d[1].effective != 0 ||
	    d[0].inheritable != 0 || d[1].inheritable != 0) {
		miss(e->rep, true, FACT_CAPS, "capabilities",
		    "some are left");
		return -1;
	}
	e->rep->facts |= FACT_CAPS;
	if (e->spec->mode == SANDBOX_ROOT) {
		if (setresuid(0, 0, 0) == 0 || setuid(0) == 0 ||
		    getuid() != e->spec->uid || getgid() != e->spec->gid ||
		    getgroups(0, NULL) != 0) {
			miss(e->rep, true, FACT_UID, "uid", "there is a way "
			    "back to root");
			return -1;
		}
		e->rep->facts |= FACT_UID;
	}
	return 0;
}

/* --- 4: no_new_privs, undumpable, death with the parent ------------------ */

static int
early_rest(struct early *e, int ctl_fd)
{
	struct pollfd pfd;
	int sig;

#ifndef GW_SANITIZED
	/* Not below zero processes: this one is there already. */
	if ((e->pr->flags & (PROF_THREADS | PROF_USERNS)) == 0)
		(void)limit(RLIMIT_NPROC, 0);
#endif
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) {
		miss(e->rep, true, FACT_NNP, "no_new_privs", NULL);
		return -1;
	}
	e->rep->facts |= FACT_NNP;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1 ||
	    prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0) {
		miss(e->rep, true, FACT_NODUMP, "dumpable", NULL);
		return -1;
	}
	e->rep->facts |= FACT_NODUMP;
	/* After the change of user, which clears it. */
	sig = 0;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1 ||
	    prctl(PR_GET_PDEATHSIG, &sig, 0, 0, 0) == -1 || sig != SIGKILL) {
		miss(e->rep, true, FACT_PDEATH, "death signal", NULL);
		return -1;
	}
	e->rep->facts |= FACT_PDEATH;
	if (ctl_fd != -1) {
		pfd.fd = ctl_fd;
		pfd.events = 0;
		pfd.revents = 0;
		if (poll(&pfd, 1, 0) > 0 &&
		    (pfd.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) {
			errno = ESRCH;
			miss(e->rep, true, FACT_PDEATH, "parent", "gone");
			return -1;
		}
	}
	return 0;
}

/* The filter, or in audit mode one that only tells. */
static int
filter_load(const struct sandbox_spec *spec, const struct seccomp_filter *f)
{
	struct seccomp_filter lax;
	struct sock_filter *insn;
	int r, save;

	if ((spec->flags & SANDBOX_AUDIT) == 0)
		return seccomp_filter_load(f);
	if ((insn = calloc(SECCOMP_INSNS_MAX, sizeof(*insn))) == NULL)
		return -1;
	seccomp_filter_audit(f, insn, &lax);
	r = seccomp_filter_load(&lax);
	save = errno;
	free(insn);
	errno = save;
	return r;
}

/* What is read from now on, parcel, certificates, folders, is read under a
 * filter already; a deny-list needs no second one. */
static int
early_filter(struct early *e)
{
	const struct seccomp_filter *f = &e->made->start;

	if (f->insn == NULL)
		return 0;
	if (filter_load(e->spec, f) == -1) {
		miss(e->rep, true, FACT_SECCOMP, "seccomp", NULL);
		return -1;
	}
	e->rep->start_syscalls = f->calls;
	return 0;
}

/* --- second half --------------------------------------------------------- */

static int
late_landlock(const struct sandbox_spec *spec,
    const struct sandbox_profile *pr, struct sandbox_report *rep, bool strict)
{
	const struct profile_mount *pm;
	struct landlock ll;
	struct stat st;
	uint32_t got, want, what;
	size_t i;

	what = LANDLOCK_SCOPE;
	want = FACT_LL_SCOPE | FACT_LL_NET;
	if ((pr->flags & PROF_NO_LL_FS) == 0) {
		what |= LANDLOCK_FS;
		want |= FACT_LL_FS;
	}
	what |= pr->flags & PROF_HOSTNET ? LANDLOCK_BIND : LANDLOCK_NET;
	rep->landlock_abi = (uint32_t)landlock_abi();
	if (landlock_begin(&ll, what) == -1)
		return miss(rep, strict, want, "landlock", NULL);
	if (what & LANDLOCK_FS) {
		for (pm = pr->mounts; pm->path != NULL; pm++)
			if (landlock_allow_path(&ll, pm->path,
			    LANDLOCK_READ) == -1 && errno != ENOENT)
				goto fail;
		for (i = 0; i < spec->nmounts; i++) {
			if ((spec->mounts[i].flags & MNT_NOLINK) &&
			    lstat(spec->mounts[i].path, &st) == 0 &&
			    !S_ISDIR(st.st_mode))
				continue;
			if (landlock_allow_path(&ll, spec->mounts[i].path,
			    spec->mounts[i].flags & MNT_RW ?
			    LANDLOCK_READ | LANDLOCK_WRITE :
			    LANDLOCK_READ) == -1 && errno != ENOENT)
				goto fail;
		}
		if (pr->flags & PROF_DEVPTS)
			if (landlock_allow_path(&ll, "/dev", LANDLOCK_READ |
			    LANDLOCK_DEVICE) == -1 && errno != ENOENT)
				goto fail;
	}
	if (landlock_enforce(&ll) == -1)
		goto fail;
	got = (ll.what & LANDLOCK_FS ? (uint32_t)FACT_LL_FS : 0) |
	    (ll.what & (LANDLOCK_NET | LANDLOCK_BIND) ?
	    (uint32_t)FACT_LL_NET : 0) |
	    (ll.what & LANDLOCK_SCOPE ? (uint32_t)FACT_LL_SCOPE : 0);
	rep->facts |= got;
	/* An older kernel is no failure of ours even when strict: namespaces
	 * and the filter carry the load there, and the report says so. */
	if ((want & ~got) != 0)
		return miss(rep, false, want & ~got, "landlock",
		    "this kernel's version has less");
	return 0;
fail:
	landlock_drop(&ll);
	return miss(rep, strict, want, "landlock", NULL);
}

int
sandbox_enter_late(const struct sandbox_spec *spec,
    const struct seccomp_made *made, struct sandbox_report *rep)
{
	const struct sandbox_profile *pr;
	bool strict;

	strict = (spec->flags & SANDBOX_STRICT) != 0;
	if ((pr = sandbox_profile_get(made->id)) == NULL) {
		strlcpy(rep->detail, "no profile for this role",
		    sizeof(rep->detail));
		errno = EINVAL;
		return -1;
	}
	if (late_landlock(spec, pr, rep, strict) == -1)
		return -1;
	if ((pr->flags & PROF_JIT) == 0) {
		if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) == 0)
			rep->facts |= FACT_MDWE;
		else	/* since Linux 6.3; the filter says the same */
			(void)miss(rep, false, FACT_MDWE, "mdwe", errno ==
			    EINVAL ? "this kernel has none" : NULL);
	}
	if (filter_load(spec, &made->filter) == -1) {
		miss(rep, true, FACT_SECCOMP, "seccomp", NULL);
		return -1;
	}
	/* PR_GET_SECCOMP is not in the lists; the load has its own word. */
	if ((spec->flags & SANDBOX_AUDIT) == 0 || pr->miss != CALL_KILL)
		rep->facts |= FACT_SECCOMP;
	else
		(void)miss(rep, false, FACT_SECCOMP, "seccomp", "AUDIT ONLY, "
		    "what it forbids happens and is logged by the kernel");
	rep->syscalls = made->filter.calls;
	return 0;
}

#ifdef GW_SANITIZED
/* The leak check at exit starts a thread that traces this one, which the
 * filter ends; unit tests, which load none, keep theirs. */
int	 __lsan_is_turned_off(void);
int
__lsan_is_turned_off(void)
{
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}
#endif
