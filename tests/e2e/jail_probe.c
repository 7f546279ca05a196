/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The jail probe (T36): run as a command inside a job, it tries every way out
 * that the jailer's own self-test knows, and those for which one must be a
 * program with arguments: what the test left lying around outside, what came
 * along by accident, and floods.
 *
 *	jail_probe key=value ...
 *
 * Keys: file (a path outside that all may read), pid (of a process outside),
 * link (in the workspace, to that file), socket (in the workspace, somebody
 * listens), suid (in the workspace, set-user-id root), canary (a text that is
 * in no environment, memory or file of ours), pids, memory, tmp, size (limits
 * in force), workspace.
 */
#include "common/compat.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "common/text.h"
#include "toold/jail_attempts.h"

extern char **environ;

static const char *file, *plink, *sock, *suid, *canary, *workspace;
static uint64_t pid, pids, memory, tmp_bytes, file_size;

static int
can_read(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC) == -1 ? -1 : 0;
}

static int
contains(const char *path, const char *text)
{
	static char buf[1 << 20];
	ssize_t n, all;
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return -1;
	for (all = 0; (n = read(fd, buf + all,
	    sizeof(buf) - 1 - (size_t)all)) > 0; all += n)
		;
	close(fd);
	errno = ENOENT;
	return all > 0 && memmem(buf, (size_t)all, text, strlen(text)) !=
	    NULL ? 0 : -1;
}

/* --- what the test left outside --- */
static int p_file(void) { return can_read(file); }
static int p_link(void) { return can_read(plink); }

static int
p_dotdot(void)
{
	char path[4200];

	snprintf(path, sizeof(path), "../../../../../../../..%s", file);
	return can_read(path);
}

static int
p_proc_root(void)
{
	char path[4200];

	snprintf(path, sizeof(path), "/proc/self/root%s", file);
	return can_read(path);
}

static int
p_hard_link(void)
{
	char to[4200];

	snprintf(to, sizeof(to), "%s/stolen", workspace);
	return link(file, to);
}

static int
p_rename_in(void)
{
	char to[4200];

	snprintf(to, sizeof(to), "%s/stolen", workspace);
	return rename(file, to);
}

static int
p_sibling(void)
{
	/* The workspace's own parent: is there anything but the way down? */
	char path[4200], *slash;
	struct dirent *d;
	DIR *dir;
	int n;

	strlcpy(path, workspace, sizeof(path));
	if ((slash = strrchr(path, '/')) == NULL || slash == path)
		return -1;
	*slash = '\0';
	if ((dir = opendir(path)) == NULL)
		return -1;
	for (n = 0; (d = readdir(dir)) != NULL;)
		if (d->d_name[0] != '.' &&
		    strcmp(d->d_name, slash + 1) != 0)
			n++;
	closedir(dir);
	errno = ENOENT;
	return n > 0 ? 0 : -1;
}

static int
p_kill(void)
{
	return kill((pid_t)pid, 0);
}

static int
p_pid_environ(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%llu/environ",
	    (unsigned long long)pid);
	return can_read(path);
}

static int
p_pidfd(void)
{
	return syscall(SYS_pidfd_open, (pid_t)pid, 0) == -1 ? -1 : 0;
}

static int
p_prlimit(void)
{
	struct rlimit l;

	return prlimit((pid_t)pid, RLIMIT_NOFILE, NULL, &l);
}

static int
p_socket_file(void)
{
	struct sockaddr_un sun;
	int fd;

	if ((fd = socket(AF_UNIX, SOCK_STREAM, 0)) == -1)
		return -1;
	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	strlcpy(sun.sun_path, sock, sizeof(sun.sun_path));
	return connect(fd, (struct sockaddr *)&sun, sizeof(sun));
}

static int
p_suid_exec(void)
{
	int status;
	pid_t p;

	if ((p = fork()) == 0) {
		execl(suid, suid, "-u", NULL);
		_exit(126);
	}
	if (p == -1 || waitpid(p, &status, 0) == -1)
		return -1;
	/* The probe itself, with -u: 0 when its effective user is another. */
	errno = EPERM;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* --- what came along --- */
static int
p_env_canary(void)
{
	char **e;

	errno = ENOENT;
	for (e = environ; *e != NULL; e++)
		if (strstr(*e, canary) != NULL)
			return 0;
	return -1;
}

static int
p_env_names(void)
{
	static const char *const known[] = { "PATH=", "HOME=", "LANG=",
	    "TERM=" };
	char **e;
	size_t i;

	errno = ENOENT;
	for (e = environ; *e != NULL; e++) {
		for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (strncmp(*e, known[i], strlen(known[i])) == 0)
				break;
		if (i == sizeof(known) / sizeof(known[0]))
			return 0;
	}
	return -1;
}

static int p_mem_canary(void) { return contains("/proc/self/environ", canary); }
static int p_mounts(void) { return contains("/proc/self/mountinfo", canary); }
static int p_cmdline(void) { return contains("/proc/1/cmdline", "jailer"); }

static int
p_cgroup_path(void)
{
	char buf[4096], *p;
	ssize_t n;
	int fd;

	if ((fd = open("/proc/self/cgroup", O_RDONLY)) == -1)
		return -1;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	errno = ENOENT;
	/* every line ends ":/" when the namespace hides where we are */
	for (p = buf; (p = strchr(p, '\n')) != NULL; p++)
		if (p - buf < 2 || p[-1] != '/' || p[-2] != ':')
			return 0;
	return -1;
}

static int
p_hostname(void)
{
	struct utsname u;

	if (uname(&u) == -1)
		return -1;
	errno = ENOENT;
	return strcmp(u.nodename, "sandbox") != 0 ? 0 : -1;
}

static int
p_stdio_kind(void)
{
	struct stat st;
	int fd;

	errno = ENOTDIR;
	for (fd = 0; fd < 3; fd++)
		if (fstat(fd, &st) == 0 && (S_ISDIR(st.st_mode) ||
		    S_ISSOCK(st.st_mode) || S_ISBLK(st.st_mode)))
			return 0;
	return -1;
}

static int p_tty(void) { return can_read("/dev/tty"); }

static int
p_sigmask(void)
{
	struct sigaction sa;
	sigset_t s;
	int sig;

	sigprocmask(SIG_SETMASK, NULL, &s);
	errno = ENOENT;
	for (sig = 1; sig < 32; sig++) {
		if (sigismember(&s, sig) == 1)
			return 0;
		if (sig != SIGALRM && sigaction(sig, NULL, &sa) == 0 &&
		    sa.sa_handler == SIG_IGN)
			return 0;
	}
	return -1;
}

static int
p_session(void)
{
	errno = ENOENT;
	return getsid(0) <= 1 || getpgrp() <= 1 ? 0 : -1;
}

static int
p_nice_value(void)
{
	errno = 0;
	if (getpriority(PRIO_PROCESS, 0) < 0)
		return 0;
	errno = EACCES;
	return -1;
}

/* --- floods: it worked when the limit did not hold --- */
static int
p_fork_bomb(void)
{
	uint64_t n;
	pid_t p;

	setpgid(0, 0);
	for (n = 0; n < pids * 4 + 64; n++) {
		if ((p = fork()) == 0) {
			pause();
			_exit(0);
		}
		if (p == -1)
			break;
	}
	if (n > pids + 8)
		_exit(250);	/* what runs on ends with the job */
	kill(0, SIGKILL);	/* ends this one as well, which is a refusal */
	return -1;
}

static int
p_thread_bomb(void)
{
	/* The call itself, past what a library counts. */
	uint64_t n;
	long p;

	setpgid(0, 0);
	for (n = 0; n < pids * 4 + 64; n++) {
		p = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
		if (p == 0) {
			pause();
			_exit(0);
		}
		if (p == -1)
			break;
	}
	if (n > pids + 8)
		_exit(250);
	kill(0, SIGKILL);
	return -1;
}

static int
p_memory_private(void)
{
	uint64_t got;
	void *p;

	for (got = 0; got < memory * 2; got += 8u << 20) {
		p = mmap(NULL, 8u << 20, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return -1;
	}
	return 0;
}

static int
p_memory_brk(void)
{
	uint64_t got;

	for (got = 0; got < memory * 2; got += 8u << 20)
		if (sbrk(8 << 20) == (void *)-1)
			return -1;
	return 0;
}

static int
p_memory_space(void)
{
	uint64_t got;

	for (got = 0; got < memory * 16; got += 64u << 20)
		if (mmap(NULL, 64u << 20, PROT_READ | PROT_WRITE, MAP_SHARED |
		    MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED)
			return -1;
	return 0;
}

static int
p_mlock(void)
{
	void *p;

	p = mmap(NULL, 16u << 20, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? -1 : mlock(p, 16u << 20);
}

static int
fill(const char *path, uint64_t bytes)
{
	static char buf[1 << 16];
	uint64_t n;
	ssize_t w;
	int fd;

	signal(SIGXFSZ, SIG_IGN);
	if ((fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600)) == -1)
		return -1;
	for (n = 0; n < bytes; n += (uint64_t)w)
		if ((w = write(fd, buf, sizeof(buf))) <= 0) {
			unlink(path);
			return -1;
		}
	unlink(path);
	return 0;
}

static int
p_tmp_full(void)
{
	char path[64];
	uint64_t n;

	for (n = 0; n * file_size < tmp_bytes * 3; n++) {
		snprintf(path, sizeof(path), "/tmp/fill%llu",
		    (unsigned long long)n);
		signal(SIGXFSZ, SIG_IGN);
		if (truncate(path, 0) == -1 && errno != ENOENT)
			return -1;
		{
			int fd = open(path, O_WRONLY | O_CREAT, 0600);
			static char buf[1 << 16];
			uint64_t k;

			if (fd == -1)
				return -1;
			for (k = 0; k < file_size; k += sizeof(buf))
				if (write(fd, buf, sizeof(buf)) <= 0)
					return -1;
			close(fd);
		}
	}
	return 0;
}

static int
p_file_size(void)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/big", workspace);
	return fill(path, file_size * 2);
}

static int
p_inodes(void)
{
	char path[64];
	int fd, i;

	for (i = 0; i < 200000; i++) {
		snprintf(path, sizeof(path), "/tmp/i%d", i);
		if ((fd = open(path, O_WRONLY | O_CREAT, 0600)) == -1)
			return -1;
		close(fd);
	}
	return 0;
}

static int
p_fds(void)
{
	int i;

	for (i = 0; i < 5000; i++)
		if (dup(0) == -1)
			return -1;
	return 0;
}

static int
p_root_full(void)
{
	return fill("/var/fill", 1 << 20) == 0 ? 0 : fill("/home/fill",
	    1 << 20);
}

static int
p_pipes(void)
{
	int i, p[2];

	for (i = 0; i < 5000; i++)
		if (pipe(p) == -1)
			return -1;
	return 0;
}

#define P(text, f)	{ text, f }
static const struct jail_attempt probes[] = {
	P("read a file outside", p_file),
	P("read it through a link in the workspace", p_link),
	P("read it by dots", p_dotdot),
	P("read it through /proc/self/root", p_proc_root),
	P("link it into the workspace", p_hard_link),
	P("move it into the workspace", p_rename_in),
	P("see what lies beside the workspace", p_sibling),
	P("signal a process outside", p_kill),
	P("read its environment", p_pid_environ),
	P("open a pidfd of it", p_pidfd),
	P("read its limits", p_prlimit),
	P("connect to a socket in the workspace", p_socket_file),
	P("gain a user by a set-user-id file", p_suid_exec),
	P("find the canary in the environment", p_env_canary),
	P("find names that nobody gave it", p_env_names),
	P("find the canary in /proc/self/environ", p_mem_canary),
	P("find the canary in the list of mounts", p_mounts),
	P("see that process 1 is the jailer", p_cmdline),
	P("see its place in the control groups", p_cgroup_path),
	P("see the host's name", p_hostname),
	P("hold a folder or socket as standard stream", p_stdio_kind),
	P("open the terminal of its starter", p_tty),
	P("inherit blocked or ignored signals", p_sigmask),
	P("be in the session of its starter", p_session),
	P("inherit a high priority", p_nice_value),
	P("fork without end", p_fork_bomb),
	P("clone without end", p_thread_bomb),
	P("take all private memory", p_memory_private),
	P("take all memory by brk", p_memory_brk),
	P("take all address space", p_memory_space),
	P("lock memory", p_mlock),
	P("fill /tmp without end", p_tmp_full),
	P("write a file without end", p_file_size),
	P("make files without end", p_inodes),
	P("open descriptors without end", p_fds),
	P("open pipes without end", p_pipes),
	P("fill the root", p_root_full),
};

int
main(int argc, char *argv[])
{
	static const struct { const char *key; const char **text;
	    uint64_t *num; } keys[] = {
		{ "file=", &file, NULL }, { "link=", &plink, NULL },
		{ "socket=", &sock, NULL }, { "suid=", &suid, NULL },
		{ "canary=", &canary, NULL },
		{ "workspace=", &workspace, NULL }, { "pid=", NULL, &pid },
		{ "pids=", NULL, &pids }, { "memory=", NULL, &memory },
		{ "tmp=", NULL, &tmp_bytes }, { "size=", NULL, &file_size },
	};
	const char *v;
	size_t i, k, n, worked;

	if (argc == 2 && strcmp(argv[1], "-u") == 0)
		return geteuid() != getuid() || getegid() != getgid() ||
		    geteuid() == 0 ? 0 : 1;
	for (i = 1; i < (size_t)argc; i++)
		for (k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
			n = strlen(keys[k].key);
			if (strncmp(argv[i], keys[k].key, n) != 0)
				continue;
			v = argv[i] + n;
			if (keys[k].text != NULL)
				*keys[k].text = v;
			else if (num_parse_u64(str_of(v), UINT64_MAX,
			    keys[k].num) == -1)
				return 2;
		}
	for (k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
		if (keys[k].text != NULL ? *keys[k].text == NULL :
		    *keys[k].num == 0) {
			fprintf(stderr, "jail_probe: %s is missing\n",
			    keys[k].key);
			return 2;
		}
	worked = jail_attempts_run(1, jail_attempts, jail_nattempts, 1);
	n = sizeof(probes) / sizeof(probes[0]);
	worked += jail_attempts_run(1, probes, n, jail_nattempts + 1);
	printf("tried %zu worked %zu\n", jail_nattempts + n, worked);
	return worked == 0 ? 0 : 1;
}
