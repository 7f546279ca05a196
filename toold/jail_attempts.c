/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See jail_attempts.h.  Each function tries one thing and says whether it got
 * it; none cleans up, for its process ends right after. */
#include "common/compat.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "toold/jail_attempts.h"

#define EXIT_BREACH	250
#define EXIT_NOERRNO	249

static int
readable(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC) == -1 ? -1 : 0;
}

static int
writable(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) == -1 ? -1 : 0;
}

static int
got(long r)
{
	return r == -1 ? -1 : 0;
}

/* --- files --- */
static int a_shadow(void) { return readable("/etc/shadow"); }
static int a_root_home(void) { return readable("/root/.bashrc"); }
static int a_environ(void) { return readable("/proc/1/environ"); }
static int a_mem(void) { return readable("/proc/1/mem"); }
static int a_maps(void) { return readable("/proc/1/maps"); }
static int a_proc_root(void) { return readable("/proc/1/root/etc/passwd"); }
static int a_proc_cwd(void) { return readable("/proc/1/cwd"); }
static int a_proc_fd(void) { return readable("/proc/1/fd/3"); }
static int a_kcore(void) { return readable("/proc/kcore"); }
static int a_cmdline(void) { return readable("/proc/cmdline"); }
static int a_kallsyms(void) { return readable("/proc/kallsyms"); }
static int a_config(void) { return readable("/proc/config.gz"); }
static int a_sysctl(void) { return writable("/proc/sys/kernel/core_pattern"); }
static int a_sysrq(void) { return writable("/proc/sysrq-trigger"); }
static int a_sys(void) { return readable("/sys/kernel"); }
static int a_cgroupfs(void) { return readable("/sys/fs/cgroup"); }
static int a_mem_dev(void) { return readable("/dev/mem"); }
static int a_kmsg(void) { return readable("/dev/kmsg"); }
static int a_disk(void) { return readable("/dev/vda"); }
static int a_disk2(void) { return readable("/dev/sda"); }
static int a_fuse(void) { return readable("/dev/fuse"); }
static int a_kvm(void) { return readable("/dev/kvm"); }
static int a_var(void) { return readable("/var/log"); }
static int a_run(void) { return readable("/run/systemd"); }
static int a_usr(void) { return writable("/usr/bin/escape"); }
static int a_etc(void) { return writable("/etc/escape"); }
static int a_slash(void) { return writable("/escape"); }
static int a_passwd(void) { return got(open("/etc/passwd", O_RDWR)); }
static int a_dev_node(void) { return writable("/dev/escape"); }

static int
a_mknod(void)
{
	return mknod("/tmp/disk", S_IFBLK | 0600, makedev(8, 0));
}

static int
a_mknod_char(void)
{
	return mknod("/tmp/mem", S_IFCHR | 0600, makedev(1, 1));
}

static int
a_suid(void)
{
	int fd;

	if ((fd = open("/tmp/suid", O_RDWR | O_CREAT | O_CLOEXEC, 0700)) == -1)
		return -1;
	return fchmod(fd, 04755);
}

static int
a_suid_open(void)
{
	return got(open("/tmp/suid2", O_RDWR | O_CREAT | O_CLOEXEC, 04755));
}

static int
a_sgid_chmod(void)
{
	if (mkdir("/tmp/sgid", 0700) == -1)
		return -1;
	return chmod("/tmp/sgid", 02755);
}

static int
a_hardlink(void)
{
	return link("/usr/bin/env", "/tmp/env");
}

static int
a_openat2(void)
{
	uint64_t how[3] = { O_RDONLY, 0, 0 };

	return got(syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", how,
	    sizeof(how)));
}

static int
a_handle(void)
{
	char h[64];

	memset(h, 0, sizeof(h));
	return got(syscall(SYS_open_by_handle_at, AT_FDCWD, h, O_RDONLY));
}

static int
a_name_handle(void)
{
	char h[160];
	int id;

	memset(h, 0, sizeof(h));
	h[0] = (char)128;
	return got(syscall(SYS_name_to_handle_at, AT_FDCWD, "/usr", h, &id,
	    0));
}

static int
a_remount(void)
{
	return mount("none", "/usr", NULL, MS_REMOUNT | MS_BIND, NULL);
}

/* --- processes --- */
static int
a_see_others(void)
{
	struct dirent *d;
	DIR *dir;
	int n;

	if ((dir = opendir("/proc")) == NULL)
		return -1;
	for (n = 0; (d = readdir(dir)) != NULL;)
		if (d->d_name[0] >= '2' && d->d_name[0] <= '9' &&
		    strtol(d->d_name, NULL, 10) != getpid() &&
		    strtol(d->d_name, NULL, 10) != getppid())
			n++;
	closedir(dir);
	errno = ENOENT;
	return n > 0 ? 0 : -1;
}

static int
a_signal_others(void)
{
	pid_t p;

	for (p = 2; p < 32768; p++)
		if (p != getpid() && p != getppid() && kill(p, 0) == 0)
			return 0;
	errno = ESRCH;
	return -1;
}

static int
a_ptrace(void)
{
	return got(ptrace(PTRACE_ATTACH, 1, NULL, NULL));
}

static int
a_seize(void)
{
	return got(ptrace(PTRACE_SEIZE, getppid(), NULL, NULL));
}

static int
a_vm_read(void)
{
	char buf[8];
	struct iovec l = { buf, sizeof(buf) }, r = { buf, sizeof(buf) };

	return got(process_vm_readv(1, &l, 1, &r, 1, 0));
}

static int
a_vm_write(void)
{
	char buf[8] = "";
	struct iovec l = { buf, sizeof(buf) }, r = { buf, sizeof(buf) };

	return got(process_vm_writev(1, &l, 1, &r, 1, 0));
}

static int
a_getfd(void)
{
	int fd;

	if ((fd = (int)syscall(SYS_pidfd_open, 1, 0)) == -1)
		return -1;
	return got(syscall(SYS_pidfd_getfd, fd, 3, 0));
}

static int
a_kcmp(void)
{
	return got(syscall(SYS_kcmp, getpid(), 1, 0, 0, 0));
}

static int
a_oom_adj(void)
{
	int fd;

	if ((fd = open("/proc/1/oom_score_adj", O_WRONLY)) == -1)
		return -1;
	return got(write(fd, "-1000", 5));
}

/* --- sockets --- */
static int a_inet(void) { return got(socket(AF_INET, SOCK_STREAM, 0)); }
static int a_inet6(void) { return got(socket(AF_INET6, SOCK_DGRAM, 0)); }
static int a_unix(void) { return got(socket(AF_UNIX, SOCK_STREAM, 0)); }
static int a_netlink(void) { return got(socket(AF_NETLINK, SOCK_RAW, 0)); }
static int a_packet(void) { return got(socket(AF_PACKET, SOCK_RAW, 0)); }
static int a_vsock(void) { return got(socket(AF_VSOCK, SOCK_STREAM, 0)); }
static int a_alg(void) { return got(socket(AF_ALG, SOCK_SEQPACKET, 0)); }
static int a_raw(void) { return got(socket(AF_INET, SOCK_RAW, 1)); }

static int
a_pair_dgram(void)
{
	int sv[2];

	return socketpair(AF_UNIX, SOCK_DGRAM, 0, sv);
}

static int
a_pair_send(void)
{
	struct sockaddr_un sun;
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv) == -1)
		return -1;
	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	strlcpy(sun.sun_path, "/tmp/x", sizeof(sun.sun_path));
	return got(sendto(sv[0], "x", 1, 0, (struct sockaddr *)&sun,
	    sizeof(sun)));
}

static int
a_pair_connect(void)
{
	struct sockaddr_un sun;
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == -1)
		return -1;
	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	return connect(sv[0], (struct sockaddr *)&sun, sizeof(sun.sun_family));
}

static int
a_netdev(void)
{
	/* With /proc/<pid>/net of this namespace: anything but lo? */
	char buf[4096], *p;
	ssize_t n;
	int fd;

	if ((fd = open("/proc/self/net/dev", O_RDONLY)) == -1)
		return -1;
	n = read(fd, buf, sizeof(buf) - 1);
	buf[n > 0 ? n : 0] = '\0';
	errno = ENODEV;
	for (p = buf; (p = strchr(p, ':')) != NULL; p++)
		if (p - buf < 2 || memcmp(p - 2, "lo", 2) != 0)
			return 0;
	return -1;
}

/* --- namespaces and mounts --- */
static int a_ns_user(void) { return unshare(CLONE_NEWUSER); }
static int a_ns_mnt(void) { return unshare(CLONE_NEWNS); }
static int a_ns_net(void) { return unshare(CLONE_NEWNET); }
static int a_chroot(void) { return chroot("/tmp"); }
static int a_mount(void) { return mount("x", "/tmp", "tmpfs", 0, NULL); }
static int a_proc_mount(void) { return mount("x", "/tmp", "proc", 0, NULL); }
static int a_umount(void) { return umount2("/tmp", MNT_DETACH); }
static int a_umount_proc(void) { return umount2("/proc", MNT_DETACH); }
static int a_fsopen(void) { return got(fsopen("tmpfs", 0)); }

static int
a_pivot(void)
{
	return got(syscall(SYS_pivot_root, "/tmp", "/tmp"));
}

static int
a_open_tree(void)
{
	return got(open_tree(AT_FDCWD, "/usr", OPEN_TREE_CLONE));
}

static int
a_mount_setattr(void)
{
	struct mount_attr a;

	memset(&a, 0, sizeof(a));
	a.attr_clr = MOUNT_ATTR_RDONLY;
	return mount_setattr(AT_FDCWD, "/usr", 0, &a, sizeof(a));
}

static int
a_clone_user(void)
{
	long p;

	if ((p = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)) == 0)
		_exit(0);
	return got(p);
}

static int
a_clone3_user(void)
{
	struct clone_args a;
	long p;

	memset(&a, 0, sizeof(a));
	a.flags = CLONE_NEWUSER;
	a.exit_signal = SIGCHLD;
	if ((p = syscall(SYS_clone3, &a, sizeof(a))) == 0)
		_exit(0);
	return got(p);
}

static int
a_setns(void)
{
	int fd;

	if ((fd = open("/proc/self/ns/net", O_RDONLY)) == -1)
		return -1;
	return setns(fd, 0);
}

/* --- privilege --- */
static int a_setuid(void) { return setuid(0); }
static int a_setgroups(void) { gid_t g = 0; return setgroups(1, &g); }
static int a_setgid(void) { return setgid(0); }
static int a_hostname(void) { return sethostname("escape", 6); }
static int a_nice(void) { return setpriority(PRIO_PROCESS, 0, -20); }
static int a_securebits(void) { return prctl(PR_SET_SECUREBITS, 0, 0, 0, 0); }

static int
a_capset(void)
{
	struct __user_cap_header_struct h;
	struct __user_cap_data_struct d[2];

	memset(&h, 0, sizeof(h));
	h.version = _LINUX_CAPABILITY_VERSION_3;
	memset(d, 0, sizeof(d));
	d[0].effective = d[0].permitted = 1u << CAP_SYS_ADMIN;
	return got(syscall(SYS_capset, &h, d));
}

static int
a_has_caps(void)
{
	struct __user_cap_header_struct h;
	struct __user_cap_data_struct d[2];

	memset(&h, 0, sizeof(h));
	h.version = _LINUX_CAPABILITY_VERSION_3;
	if (syscall(SYS_capget, &h, d) == -1)
		return -1;
	errno = EPERM;
	return (d[0].permitted | d[1].permitted) != 0 ? 0 : -1;
}

static int
a_bounding(void)
{
	int cap;

	for (cap = 0; cap < 41; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			return 0;
	errno = EPERM;
	return -1;
}

static int
a_new_privs(void)
{
	errno = EPERM;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? -1 : 0;
}

static int
a_raise_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == -1)
		return -1;
	l.rlim_cur = l.rlim_max = l.rlim_max + 1;
	return setrlimit(RLIMIT_NOFILE, &l);
}

static int
a_core(void)
{
	struct rlimit l = { 1, 1 };

	return setrlimit(RLIMIT_CORE, &l);
}

/* --- the kernel's far corners --- */
static int a_bpf(void) { return got(syscall(SYS_bpf, 0, NULL, 0)); }
static int a_uffd(void) { return got(syscall(SYS_userfaultfd, 1)); }
static int a_keyctl(void) { return got(syscall(SYS_keyctl, 0, -3, 1)); }
static int a_syslog(void) { return got(syscall(SYS_syslog, 10, NULL, 0)); }
static int a_fanotify(void) { return got(syscall(SYS_fanotify_init, 0, 0)); }
static int a_swapon(void) { return got(syscall(SYS_swapon, "/tmp/x", 0)); }
static int a_acct(void) { return got(syscall(SYS_acct, NULL)); }
static int a_secret(void) { return got(syscall(SYS_memfd_secret, 0)); }
static int a_aslr(void) { return got(personality(ADDR_NO_RANDOMIZE)); }
static int a_shm(void) { return got(syscall(SYS_shmget, 0, 4096, 01600)); }
static int a_msgq(void) { return got(syscall(SYS_msgget, 0, 01600)); }
static int a_vhangup(void) { return got(syscall(SYS_vhangup)); }

static int
a_io_uring(void)
{
	char p[256];

	memset(p, 0, sizeof(p));
	return got(syscall(SYS_io_uring_setup, 1, p));
}

static int
a_perf(void)
{
	char attr[128];

	memset(attr, 0, sizeof(attr));
	return got(syscall(SYS_perf_event_open, attr, 0, -1, -1, 0));
}

static int
a_add_key(void)
{
	return got(syscall(SYS_add_key, "user", "x", "y", 1, -3));
}

static int
a_kexec(void)
{
	return got(syscall(SYS_kexec_load, 0, 0, NULL, 0));
}

static int
a_module(void)
{
	return got(syscall(SYS_init_module, "", 0, ""));
}

static int
a_reboot(void)
{
	/* A magic number that does nothing, should it ever get through. */
	return got(syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL));
}

static int
a_clock(void)
{
	struct timespec ts = { 0, 0 };

	return got(syscall(SYS_clock_settime, CLOCK_REALTIME, &ts));
}

static int
a_seccomp_listener(void)
{
	return got(syscall(SYS_seccomp, 1, 8, NULL)) == 0 || errno == EFAULT ||
	    errno == EINVAL ? 0 : -1;
}

#ifdef __x86_64__
static int a_ldt(void) { return got(syscall(SYS_modify_ldt, 0, NULL, 0)); }
static int a_iopl(void) { return got(syscall(SYS_iopl, 3)); }
static int a_x32(void) { return got(syscall(0x40000000 | SYS_getpid)); }

static int
a_i386(void)
{
	long r = 20;		/* getpid of the 32-bit table */

	__asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9",
	    "r10", "r11");
	if (r > 0)
		return 0;
	errno = ENOSYS;
	return -1;
}
#endif

/* --- terminals --- */
static int a_tiocsti(void) { return ioctl(0, TIOCSTI, "x"); }
static int a_ptmx(void) { return readable("/dev/ptmx"); }

static int
a_tiocsti_high(void)
{
	/* EPERM is the filter's word; ENOTTY would be the kernel's own. */
	if (syscall(SYS_ioctl, 0, (unsigned long)TIOCSTI | 1UL << 32,
	    "x") == 0)
		return 0;
	return errno == EPERM ? -1 : 0;
}

static int
a_ldisc(void)
{
	int n = 21;

	if (ioctl(0, TIOCSETD, &n) == 0)
		return 0;
	return errno == EPERM ? -1 : 0;
}

/* --- left over from whoever started it --- */
static int
a_fds(void)
{
	int fd;

	for (fd = 3; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) != -1)
			return 0;
	errno = EBADF;
	return -1;
}

static int
a_groups(void)
{
	gid_t g[64];
	int i, n;

	n = getgroups(64, g);
	errno = ENOENT;
	/* 65534 is one that has no number in here. */
	for (i = 0; i < n; i++)
		if (g[i] != getgid() && g[i] != 65534)
			return 0;
	return n < 0 ? 0 : -1;
}

static int
a_core_dump(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_CORE, &l) == -1)
		return 0;
	errno = EPERM;
	return l.rlim_max == 0 ? -1 : 0;
}

#define A(text, f)	{ text, f }

const struct jail_attempt jail_attempts[] = {
	A("read /etc/shadow", a_shadow),
	A("read root's home", a_root_home),
	A("read the environment of process 1", a_environ),
	A("read the memory of process 1", a_mem),
	A("read the map of process 1", a_maps),
	A("walk through the root of process 1", a_proc_root),
	A("walk through the folder of process 1", a_proc_cwd),
	A("take a descriptor of process 1", a_proc_fd),
	A("read /proc/kcore", a_kcore),
	A("read the kernel's command line", a_cmdline),
	A("read kernel symbols", a_kallsyms),
	A("read the kernel's configuration", a_config),
	A("write core_pattern", a_sysctl),
	A("write sysrq-trigger", a_sysrq),
	A("read /sys", a_sys),
	A("read the cgroup tree", a_cgroupfs),
	A("read /dev/mem", a_mem_dev),
	A("read the kernel log", a_kmsg),
	A("read the disk", a_disk),
	A("read another disk", a_disk2),
	A("open /dev/fuse", a_fuse),
	A("open /dev/kvm", a_kvm),
	A("read logs of the host", a_var),
	A("read /run of the host", a_run),
	A("write below /usr", a_usr),
	A("write below /etc", a_etc),
	A("write in /", a_slash),
	A("change the user list", a_passwd),
	A("make a file in /dev", a_dev_node),
	A("make a block device", a_mknod),
	A("make a character device", a_mknod_char),
	A("make a set-user-id file by chmod", a_suid),
	A("make a set-user-id file by open", a_suid_open),
	A("make a set-group-id folder", a_sgid_chmod),
	A("link a system file", a_hardlink),
	A("open with openat2", a_openat2),
	A("open by handle", a_handle),
	A("ask for a handle", a_name_handle),
	A("remount /usr writable", a_remount),
	A("see other processes", a_see_others),
	A("signal other processes", a_signal_others),
	A("trace process 1", a_ptrace),
	A("seize the parent", a_seize),
	A("read memory across processes", a_vm_read),
	A("write memory across processes", a_vm_write),
	A("take a descriptor by pidfd", a_getfd),
	A("compare with process 1", a_kcmp),
	A("save process 1 from the memory killer", a_oom_adj),
	A("Internet socket", a_inet),
	A("Internet 6 socket", a_inet6),
	A("Unix socket", a_unix),
	A("netlink socket", a_netlink),
	A("packet socket", a_packet),
	A("vsock socket", a_vsock),
	A("crypto socket", a_alg),
	A("raw socket", a_raw),
	A("datagram pair", a_pair_dgram),
	A("send to a path from a pair", a_pair_send),
	A("connect a pair elsewhere", a_pair_connect),
	A("a network device", a_netdev),
	A("unshare a user namespace", a_ns_user),
	A("unshare a mount namespace", a_ns_mnt),
	A("unshare a network namespace", a_ns_net),
	A("chroot", a_chroot),
	A("mount tmpfs", a_mount),
	A("mount procfs", a_proc_mount),
	A("unmount /tmp", a_umount),
	A("unmount /proc", a_umount_proc),
	A("open a file system", a_fsopen),
	A("pivot the root", a_pivot),
	A("clone a tree", a_open_tree),
	A("make a mount writable", a_mount_setattr),
	A("clone into a user namespace", a_clone_user),
	A("clone3 into a user namespace", a_clone3_user),
	A("join a namespace", a_setns),
	A("become uid 0", a_setuid),
	A("become gid 0", a_setgid),
	A("set groups", a_setgroups),
	A("set the host name", a_hostname),
	A("raise the priority", a_nice),
	A("set securebits", a_securebits),
	A("gain a capability", a_capset),
	A("hold a capability", a_has_caps),
	A("hold a bounding set", a_bounding),
	A("gain privileges by exec", a_new_privs),
	A("raise a limit", a_raise_limit),
	A("raise the core limit", a_core),
	A("have a core limit", a_core_dump),
	A("bpf", a_bpf),
	A("io_uring", a_io_uring),
	A("userfaultfd", a_uffd),
	A("keyring", a_keyctl),
	A("add a key", a_add_key),
	A("perf events", a_perf),
	A("kernel log by call", a_syslog),
	A("fanotify", a_fanotify),
	A("swap", a_swapon),
	A("accounting", a_acct),
	A("secret memory", a_secret),
	A("switch off address randomisation", a_aslr),
	A("System V memory", a_shm),
	A("System V messages", a_msgq),
	A("hang up the terminal", a_vhangup),
	A("load a kernel", a_kexec),
	A("load a module", a_module),
	A("reboot", a_reboot),
	A("set the clock", a_clock),
	A("listen to its own filter", a_seccomp_listener),
#ifdef __x86_64__
	A("change the descriptor table of the processor", a_ldt),
	A("port I/O", a_iopl),
	A("a call of the x32 table", a_x32),
	A("a call of the 32-bit table", a_i386),
#endif
	A("put input into the terminal", a_tiocsti),
	A("the same behind a long number", a_tiocsti_high),
	A("change the line discipline", a_ldisc),
	A("open a terminal master", a_ptmx),
	A("a descriptor left open", a_fds),
	A("a group left over", a_groups),
};
const size_t jail_nattempts =
    sizeof(jail_attempts) / sizeof(jail_attempts[0]);

size_t
jail_attempts_run(int fd, const struct jail_attempt *a, size_t n,
    size_t first)
{
	size_t i, worked;
	int status;
	long pid;

	worked = 0;
	for (i = 0; i < n; i++) {
		if ((pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) == 0) {
			alarm(10);
			errno = 0;
			if (a[i].try() == 0)
				_exit(EXIT_BREACH);
			_exit(errno > 0 && errno < EXIT_NOERRNO ? errno :
			    EXIT_NOERRNO);
		}
		status = 0;
		while (pid != -1 && waitpid((pid_t)pid, &status, 0) == -1)
			if (errno != EINTR)
				break;
		if (pid != -1 && WIFEXITED(status) &&
		    WEXITSTATUS(status) == EXIT_BREACH) {
			worked++;
			dprintf(fd, "not ok %zu - %s: it worked\n", first + i,
			    a[i].name);
		} else if (pid == -1) {
			worked++;	/* not tried is not refused */
			dprintf(fd, "not ok %zu - %s: not tried: %s\n",
			    first + i, a[i].name, strerrordesc_np(errno));
		} else if (WIFSIGNALED(status))
			dprintf(fd, "ok %zu - %s: %s\n", first + i, a[i].name,
			    WTERMSIG(status) == SIGSYS ? "ended by the filter" :
			    sigdescr_np(WTERMSIG(status)));
		else
			dprintf(fd, "ok %zu - %s: %s\n", first + i, a[i].name,
			    WEXITSTATUS(status) == EXIT_NOERRNO ? "refused" :
			    strerrorname_np(WEXITSTATUS(status)));
	}
	return worked;
}

int
jail_attempts_job(void *arg)
{
	size_t worked;

	(void)arg;
	worked = jail_attempts_run(STDOUT_FILENO, jail_attempts,
	    jail_nattempts, 1);
	dprintf(STDOUT_FILENO, "tried %zu worked %zu\n", jail_nattempts,
	    worked);
	return worked == 0 ? 0 : 1;
}
