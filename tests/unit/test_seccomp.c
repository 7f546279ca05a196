/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Runs the compiled filters, by an interpreter of the few instructions they
 * use, against calls whose answer is known.
 */
#include "common/compat.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/sandbox.h"
#include "tests/seccomp_all.h"

#ifdef __x86_64__
#define ARCH	AUDIT_ARCH_X86_64
#else
#define ARCH	AUDIT_ARCH_AARCH64
#endif

#define OKAY	SECCOMP_RET_ALLOW
#define DIES	SECCOMP_RET_KILL_PROCESS
#define ERRN(e)	(SECCOMP_RET_ERRNO | (e))

/* The answer, or 0xdead0000 when the program is not well formed. */
static uint32_t
run(const struct seccomp_filter *f, const struct seccomp_data *d)
{
	const struct sock_filter *i;
	uint32_t a = 0;
	size_t pc;

	for (pc = 0; pc < f->n; pc++) {
		i = &f->insn[pc];
		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (i->k % 4 != 0 || i->k > sizeof(*d) - 4)
				return 0xdead0000;
			memcpy(&a, (const char *)d + i->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= i->k ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			return 0xdead0000;
		}
	}
	return 0xdead0000;
}

static uint32_t
ask_of(const struct seccomp_filter *f, int nr, uint64_t a0, uint64_t a1,
    uint64_t a2, uint64_t a3, uint64_t a4)
{
	struct seccomp_data d;

	memset(&d, 0, sizeof(d));
	d.nr = nr;
	d.arch = ARCH;
	d.args[0] = a0;
	d.args[1] = a1;
	d.args[2] = a2;
	d.args[3] = a3;
	d.args[4] = a4;
	return run(f, &d);
}

static uint32_t
ask(unsigned int id, int nr, uint64_t a0, uint64_t a1, uint64_t a2,
    uint64_t a3, uint64_t a4)
{
	struct seccomp_filter f;

	f = seccomp_all[id]->filter;
	return ask_of(&f, nr, a0, a1, a2, a3, a4);
}

static uint32_t
ask_start(unsigned int id, int nr, uint64_t a0, uint64_t a1, uint64_t a2,
    uint64_t a3, uint64_t a4)
{
	struct seccomp_filter f;

	f = seccomp_all[id]->start;
	return ask_of(&f, nr, a0, a1, a2, a3, a4);
}

static void
test_every_number_has_an_answer(void **state)
{
	struct seccomp_data d;
	struct seccomp_filter f;
	unsigned int id;
	uint32_t r;
	int nr;

	(void)state;
	for (id = 0; id < PROFILE_MAX; id++) {
		f = seccomp_all[id]->filter;
		assert_true(f.n > 4 && f.n <= 4096);
		for (nr = -1; nr < 1100; nr++) {
			memset(&d, 0, sizeof(d));
			d.nr = nr;
			d.arch = ARCH;
			r = run(&f, &d);
			assert_int_not_equal(r, 0xdead0000);
		}
	}
}

static void
test_foreign_abi_ends_the_process(void **state)
{
	struct seccomp_data d;
	struct seccomp_filter f;
	unsigned int id;

	(void)state;
	for (id = 0; id < PROFILE_MAX; id++) {
		f = seccomp_all[id]->filter;
		memset(&d, 0, sizeof(d));
		d.nr = SYS_read;
		d.arch = AUDIT_ARCH_I386;
		assert_int_equal(run(&f, &d), DIES);
		d.arch = ARCH ^ 0x40;
		assert_int_equal(run(&f, &d), DIES);
#ifdef __x86_64__
		d.arch = ARCH;
		d.nr = 0x40000000 | SYS_read;
		assert_int_equal(run(&f, &d), DIES);
		d.nr = -1;
		assert_int_equal(run(&f, &d), DIES);
#endif
	}
}

static void
test_sizes_are_as_promised(void **state)
{
	const struct sandbox_profile *p;
	struct seccomp_filter f;
	unsigned int id;

	(void)state;
	for (id = 0; id < PROFILE_MAX; id++) {
		p = sandbox_profile_get(id);
		assert_non_null(p);
		f = seccomp_all[id]->filter;
		if (p->miss == CALL_ALLOW) {
			assert_int_equal(f.calls, 0);
			continue;
		}
		assert_true(f.calls > 0);
#ifndef GW_SANITIZED
		assert_true(p->calls_max > 0);
		if (f.calls > p->calls_max)
			fail_msg("%s: %u calls, %u promised", p->name,
			    f.calls, p->calls_max);
#endif
	}
}

/* What the tables say of plain rows is what the programs answer. */
static void
test_programs_say_what_the_tables_say(void **state)
{
	static const struct { const char *name; int nr; } known[] = {
		{ "read", SYS_read }, { "recvmsg", SYS_recvmsg },
		{ "openat", SYS_openat }, { "execve", SYS_execve },
		{ "ptrace", SYS_ptrace }, { "fsync", SYS_fsync },
		{ "accept4", SYS_accept4 }, { "connect", SYS_connect },
		{ "unlinkat", SYS_unlinkat }, { "bpf", SYS_bpf },
		{ "mount", SYS_mount }, { "wait4", SYS_wait4 },
	};
	const struct sandbox_profile *p;
	const struct sandbox_call *c;
	unsigned int id;
	size_t i, k;
	bool listed;
	uint32_t r;

	(void)state;
	for (id = 0; id < PROFILE_MAX; id++) {
		p = sandbox_profile_get(id);
		for (k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
			listed = false;
			for (i = 0; i < sandbox_ncalls; i++) {
				c = &sandbox_calls[i];
				if ((c->sets & p->sets) != 0 &&
				    strcmp(c->name, known[k].name) == 0)
					listed = true;
			}
			r = ask(id, known[k].nr, 0, 0, 0, 0, 0);
			if (!listed && p->miss == CALL_ALLOW)
				assert_int_equal(r, OKAY);
#ifndef GW_SANITIZED
			if (!listed && p->miss == CALL_KILL)
				assert_int_equal(r, DIES);
#endif
			if (!listed && p->miss == CALL_ERRNO)
				assert_int_equal(r, ERRN(p->miss_err));
		}
	}
}

static void
test_workers(void **state)
{
	static const unsigned int strict[] = { ROLE_LOG, ROLE_CONFIG,
	    ROLE_STORE, ROLE_ROUTER, ROLE_FRONT, ROLE_CHAN, ROLE_AGENT,
	    ROLE_MODEL, ROLE_TOOL, ROLE_FILES, ROLE_FETCH };
	static const int never[] = { SYS_execve, SYS_execveat, SYS_clone,
	    SYS_clone3, SYS_socket, SYS_connect, SYS_bind, SYS_listen,
	    SYS_ptrace, SYS_kill, SYS_mount, SYS_unshare, SYS_setns, SYS_bpf,
	    SYS_io_uring_setup, SYS_keyctl, SYS_setuid, SYS_chroot,
	    SYS_pidfd_getfd, SYS_process_vm_readv, SYS_open_by_handle_at,
	    SYS_seccomp, SYS_userfaultfd, SYS_perf_event_open };
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(strict) / sizeof(strict[0]); i++) {
		for (k = 0; k < sizeof(never) / sizeof(never[0]); k++)
			assert_int_equal(ask(strict[i], never[k], 0, 0, 0, 0,
			    0), DIES);
		assert_int_equal(ask(strict[i], SYS_recvmsg, 0, 0, 0, 0, 0),
		    OKAY);
		/* one has a disk to wait for beside its loop */
		assert_int_equal(ask(strict[i], SYS_io_submit, 0, 0, 0, 0, 0),
		    strict[i] == ROLE_AGENT ? OKAY : DIES);
		assert_int_equal(ask(strict[i], SYS_mmap, 0, 0,
		    PROT_READ | PROT_WRITE, 0, 0), OKAY);
		assert_int_equal(ask(strict[i], SYS_mmap, 0, 0,
		    PROT_READ | PROT_EXEC, 0, 0), DIES);
		assert_int_equal(ask(strict[i], SYS_prlimit64, 0, 7, 0, 0, 0),
		    OKAY);
#ifndef GW_SANITIZED
		assert_int_equal(ask(strict[i], SYS_prlimit64, 0, 7, 1, 0, 0),
		    DIES);
		/* only the upper half of the pointer is set */
		assert_int_equal(ask(strict[i], SYS_prlimit64, 0, 7,
		    1ull << 32, 0, 0), DIES);
		assert_int_equal(ask(strict[i], SYS_tgkill, 1, 1, SIGKILL, 0,
		    0), DIES);
		assert_int_equal(ask(strict[i], SYS_fcntl, 0, F_SETOWN, 0, 0,
		    0), DIES);
#endif
		assert_int_equal(ask(strict[i], SYS_tgkill, 1, 1, SIGABRT, 0,
		    0), OKAY);
		assert_int_equal(ask(strict[i], SYS_sendto, 0, 0, 0, 0, 0),
		    OKAY);
		assert_int_equal(ask(strict[i], SYS_sendto, 0, 0, 0, 0, 8),
		    DIES);
	}
#ifndef GW_SANITIZED
	assert_int_equal(ask(ROLE_ROUTER, SYS_openat, 0, 0, 0, 0, 0),
	    ERRN(EACCES));
	assert_int_equal(ask(ROLE_ROUTER, SYS_newfstatat, 3, 0, 0, 0x1000, 0),
	    OKAY);
	assert_int_equal(ask(ROLE_ROUTER, SYS_newfstatat, 3, 0, 0, 0, 0),
	    ERRN(EBADF));
#endif
	assert_int_equal(ask(ROLE_STORE, SYS_openat, 0, 0, 0, 0, 0), OKAY);
	assert_int_equal(ask(ROLE_STORE, SYS_newfstatat, 0, 0, 0, 0, 0), OKAY);
	assert_int_equal(ask(ROLE_STORE, SYS_accept4, 0, 0, 0, 0, 0), DIES);
	assert_int_equal(ask(ROLE_FRONT, SYS_unlinkat, 0, 0, 0, 0, 0), DIES);
	assert_int_equal(ask(ROLE_FRONT, SYS_socketpair, AF_UNIX, 0, 0, 0, 0),
	    OKAY);
	assert_int_equal(ask(ROLE_FRONT, SYS_socketpair, AF_INET, 0, 0, 0, 0),
	    DIES);
}

static void
test_T48_connect_makes_internet_sockets_only(void **state)
{
	(void)state;
	assert_int_equal(ask(ROLE_CONNECT, SYS_socket, AF_INET, 1, 0, 0, 0),
	    OKAY);
	assert_int_equal(ask(ROLE_CONNECT, SYS_socket, AF_INET6, 1, 0, 0, 0),
	    OKAY);
	assert_int_equal(ask(ROLE_CONNECT, SYS_socket, AF_UNIX, 1, 0, 0, 0),
	    ERRN(EAFNOSUPPORT));
	assert_int_equal(ask(ROLE_CONNECT, SYS_socket, AF_NETLINK, 1, 0, 0, 0),
	    ERRN(EAFNOSUPPORT));
	assert_int_equal(ask(ROLE_CONNECT, SYS_listen, 0, 0, 0, 0, 0), DIES);
	assert_int_equal(ask(ROLE_CONNECT, SYS_bind, 0, 0, 0, 0, 0), DIES);
	assert_int_equal(ask(ROLE_CONNECT, SYS_clone, SIGCHLD, 0, 0, 0, 0),
	    DIES);
}

static void
test_T10_whois_asks_two_places_only(void **state)
{
	(void)state;
	assert_int_equal(ask(ROLE_WHOIS, SYS_socket, AF_UNIX, 1, 0, 0, 0),
	    OKAY);
	assert_int_equal(ask(ROLE_WHOIS, SYS_socket, AF_NETLINK, 3, 4, 0, 0),
	    OKAY);
	/* routes, netfilter, the bus of kernel objects */
	assert_int_equal(ask(ROLE_WHOIS, SYS_socket, AF_NETLINK, 3, 0, 0, 0),
	    ERRN(EAFNOSUPPORT));
	assert_int_equal(ask(ROLE_WHOIS, SYS_socket, AF_NETLINK, 3, 12, 0, 0),
	    ERRN(EAFNOSUPPORT));
	assert_int_equal(ask(ROLE_WHOIS, SYS_socket, AF_NETLINK, 3, 15, 0, 0),
	    ERRN(EAFNOSUPPORT));
	assert_int_equal(ask(ROLE_WHOIS, SYS_socket, AF_INET, 1, 0, 0, 0),
	    ERRN(EAFNOSUPPORT));
	assert_int_equal(ask(ROLE_WHOIS, SYS_listen, 0, 0, 0, 0, 0), DIES);
	assert_int_equal(ask(ROLE_WHOIS, SYS_bind, 0, 0, 0, 0, 0), DIES);
	assert_int_equal(ask(ROLE_WHOIS, SYS_pread64, 0, 0, 0, 0, 0), DIES);
	assert_int_equal(ask(ROLE_FRONT, SYS_socket, AF_UNIX, 1, 0, 0, 0),
	    DIES);
}

/* The filter of the start stays on under the final one; so it must allow all
 * that this allows, and it is of use only where it allows more. */
static void
test_start_has_more(void **state)
{
	/* as flags, families, commands, signals, modes, pointers */
	static const uint64_t args[] = { 0, 1, 2, 3, 4, 5, 6, 16, 17, 36, 37,
	    1030, 1033, 1034, 0x1000, 04755, 0x5401, 0x541b, 0x5421,
	    0x80045430, 65, UINT64_MAX };
	static const int only[] = { SYS_landlock_create_ruleset,
	    SYS_landlock_add_rule, SYS_landlock_restrict_self, SYS_seccomp };
	struct seccomp_filter f;
	unsigned int id;
	uint64_t a, b;
	uint32_t last, start;
	size_t i, k;
	int nr;

	(void)state;
	for (id = 0; id < PROFILE_MAX; id++) {
		if (sandbox_profile_get(id)->start == 0) {
			assert_true(id == ROLE_PARENT || id == ROLE_JAILER ||
			    id >= ROLE_MAX);
			assert_null(seccomp_all[id]->start.insn);
			continue;
		}
		for (nr = 0; nr < 500; nr++)
			for (i = 0; i < sizeof(args) / sizeof(args[0]); i++)
				for (k = 0; k < 3; k++) {
					a = args[i];
					b = k == 2 ? a : 0;
					last = ask(id, nr, k == 0 ? a : 0,
					    k != 0 ? a : 0, b, b, 0);
					start = ask_start(id, nr, k == 0 ? a :
					    0, k != 0 ? a : 0, b, b, 0);
					if (last == OKAY && start != OKAY)
						fail_msg("%u: call %d", id,
						    nr);
					if (start == DIES && last != DIES)
						fail_msg("%u: call %d", id,
						    nr);
				}
		for (i = 0; i < sizeof(only) / sizeof(only[0]); i++) {
			assert_int_equal(ask_start(id, only[i], 0, 0, 0, 0, 0),
			    OKAY);
			assert_int_equal(ask(id, only[i], 0, 0, 0, 0, 0),
			    DIES);
		}
		f = seccomp_all[id]->start;
		assert_true(f.calls > 0);
	}
	/* A new key comes with a reload; a new token with a new process. */
#ifndef GW_SANITIZED
	assert_int_equal(ask(ROLE_MODEL, SYS_mprotect, 0, 0, PROT_READ, 0, 0),
	    OKAY);
	assert_int_equal(ask(ROLE_CHAN, SYS_mprotect, 0, 0, PROT_READ, 0, 0),
	    DIES);
	assert_int_equal(ask_start(ROLE_CHAN, SYS_mprotect, 0, 0, PROT_READ, 0,
	    0), OKAY);
	assert_int_equal(ask(ROLE_ROUTER, SYS_mprotect, 0, 0, PROT_NONE, 0,
	    0), DIES);
	assert_int_equal(ask(ROLE_FRONT, SYS_openat, 0, 0, 0, 0, 0),
	    ERRN(EACCES));
#endif
	assert_int_equal(ask_start(ROLE_FRONT, SYS_openat, 0, 0, 0, 0, 0),
	    OKAY);
}

/* The filter for development lets pass what is not listed and has it logged;
 * what must never happen ends the process as ever, and errors stay. */
static void
test_T35_audit(void **state)
{
	static struct sock_filter insn[SECCOMP_INSNS_MAX];
	struct seccomp_data d;
	struct seccomp_filter f, lax;
	unsigned int id;
	uint32_t is, was;
	int nr, status;
	pid_t pid;

	(void)state;
	for (id = 0; id < ROLE_MAX; id++) {
		if (sandbox_profile_get(id)->miss != CALL_KILL)
			continue;
		f = seccomp_all[id]->filter;
		seccomp_filter_audit(&f, insn, &lax);
		assert_int_equal(lax.n, f.n);
		for (nr = 0; nr < 500; nr++) {
			was = ask_of(&f, nr, 0, 0, 0, 0, 0);
			is = ask_of(&lax, nr, 0, 0, 0, 0, 0);
			assert_int_equal(is, was == DIES ? SECCOMP_RET_LOG :
			    was);
		}
		memset(&d, 0, sizeof(d));
		d.nr = SYS_read;
		d.arch = AUDIT_ARCH_I386;
		assert_int_equal(run(&lax, &d), DIES);
#ifdef __x86_64__
		d.arch = ARCH;
		d.nr = 0x40000000 | SYS_read;
		assert_int_equal(run(&lax, &d), DIES);
#endif
	}
	/* As the kernel has it: the same call, with and without. */
	f = seccomp_all[ROLE_ROUTER]->filter;
	for (id = 0; id < 2; id++) {
		if ((pid = fork()) == 0) {
			seccomp_filter_audit(&f, insn, &lax);
			if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
			    seccomp_filter_load(id == 0 ? &f : &lax) == -1)
				_exit(1);
			/* 0: its session began in an outer pid namespace. */
			_exit(syscall(SYS_getsid, 0) >= 0 ? 0 : 2);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (id == 0)
			assert_true(WIFSIGNALED(status) &&
			    WTERMSIG(status) == SIGSYS);
		else
			assert_true(WIFEXITED(status) &&
			    WEXITSTATUS(status) == 0);
	}
}

/* No way to memory that runs, neither of one's own making nor a library's. */
static void
test_T34_no_worker_makes_code(void **state)
{
	static const int never[] = { SYS_execve, SYS_execveat, SYS_shmat,
	    SYS_remap_file_pages, SYS_pkey_mprotect, SYS_personality,
	    SYS_process_vm_writev, SYS_ptrace, SYS_userfaultfd,
	    SYS_process_madvise };
	static const uint64_t prot[] = { PROT_EXEC, PROT_EXEC | PROT_READ,
	    PROT_EXEC | PROT_WRITE, PROT_EXEC | PROT_READ | PROT_WRITE,
	    PROT_EXEC | 1ull << 32, ~0ull };
	unsigned int id;
	size_t i;

	(void)state;
	for (id = 0; id < ROLE_MAX; id++) {
		if (sandbox_profile_get(id)->start == 0)
			continue;
		assert_int_equal(sandbox_profile_get(id)->flags & PROF_JIT, 0);
		for (i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
			assert_int_equal(ask_start(id, never[i], 0, 0, 0, 0,
			    0), DIES);
			assert_int_equal(ask(id, never[i], 0, 0, 0, 0, 0),
			    DIES);
		}
		for (i = 0; i < sizeof(prot) / sizeof(prot[0]); i++) {
			assert_int_equal(ask_start(id, SYS_mmap, 0, 4096,
			    prot[i], 2, 3), DIES);
			assert_int_equal(ask(id, SYS_mmap, 0, 4096, prot[i],
			    2, 3), DIES);
			assert_int_equal(ask_start(id, SYS_mprotect, 0, 4096,
			    prot[i], 0, 0), DIES);
			assert_int_equal(ask(id, SYS_mprotect, 0, 4096,
			    prot[i], 0, 0), DIES);
		}
	}
}

static void
test_T36_jobs(void **state)
{
	static const int ends[] = { SYS_kexec_load, SYS_init_module,
	    SYS_finit_module, SYS_delete_module, SYS_swapon, SYS_reboot,
	    SYS_acct, SYS_bpf, SYS_pivot_root, SYS_open_by_handle_at };
	static const int refused[] = { SYS_ptrace, SYS_mount, SYS_umount2,
	    SYS_chroot, SYS_setns, SYS_unshare, SYS_keyctl, SYS_socket,
	    SYS_connect, SYS_bind, SYS_listen, SYS_accept4,
	    SYS_perf_event_open, SYS_clock_settime };
	static const int unknown[] = { SYS_clone3, SYS_io_uring_setup,
	    SYS_userfaultfd, SYS_openat2, SYS_open_tree, SYS_move_mount,
	    SYS_fsopen, SYS_fsmount, SYS_mount_setattr, SYS_seccomp,
	    SYS_process_vm_readv, SYS_pidfd_getfd, SYS_kcmp, SYS_memfd_secret,
	    SYS_name_to_handle_at, SYS_syslog, SYS_quotactl, SYS_shmget,
	    500, 999 };
	static const int fine[] = { SYS_read, SYS_execve, SYS_wait4,
	    SYS_openat, SYS_unlinkat, SYS_getdents64, SYS_futex, SYS_pipe2,
	    SYS_statx, SYS_kill, SYS_mprotect };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		assert_int_equal(ask(PROFILE_JOB, ends[i], 0, 0, 0, 0, 0),
		    DIES);
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_int_equal(ask(PROFILE_JOB, refused[i], 0, 0, 0, 0, 0),
		    ERRN(EPERM));
	for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		assert_int_equal(ask(PROFILE_JOB, unknown[i], 0, 0, 0, 0, 0),
		    ERRN(ENOSYS));
	for (i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		assert_int_equal(ask(PROFILE_JOB, fine[i], 0, 0, 0, 0, 0),
		    OKAY);
}

static void
test_T36_jobs_arguments(void **state)
{
	static const uint64_t ns[] = { CLONE_NEWNS, CLONE_NEWUSER,
	    CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS,
	    CLONE_NEWCGROUP, 0x80 };
	unsigned int id;
	size_t i;

	(void)state;
	assert_int_equal(ask(PROFILE_JOB, SYS_clone, SIGCHLD, 0, 0, 0, 0),
	    OKAY);
	for (i = 0; i < sizeof(ns) / sizeof(ns[0]); i++)
		assert_int_equal(ask(PROFILE_JOB, SYS_clone, ns[i] | SIGCHLD,
		    0, 0, 0, 0), ERRN(EPERM));
	/* The kernel reads 32 bits of the number; so must every filter. */
	for (id = 0; id < PROFILE_MAX; id++) {
#ifndef GW_SANITIZED
		assert_int_not_equal(ask(id, SYS_ioctl, 0, TIOCSTI, 0, 0, 0),
		    OKAY);
#endif
		if (sandbox_profile_get(id)->miss != CALL_KILL) {
			assert_int_equal(ask(id, SYS_ioctl, 0,
			    TIOCSTI | 1ull << 32, 0, 0, 0), ERRN(EPERM));
			assert_int_equal(ask(id, SYS_ioctl, 0,
			    TIOCLINUX | 7ull << 40, 0, 0, 0), ERRN(EPERM));
			assert_int_equal(ask(id, SYS_ioctl, 0, TCGETS, 0, 0,
			    0), OKAY);
		}
	}
	assert_int_equal(ask(PROFILE_JOB, SYS_chmod, 0, 0755, 0, 0, 0), OKAY);
	assert_int_equal(ask(PROFILE_JOB, SYS_chmod, 0, 04755, 0, 0, 0),
	    ERRN(EPERM));
	assert_int_equal(ask(PROFILE_JOB, SYS_fchmodat, 0, 0, 02755, 0, 0),
	    ERRN(EPERM));
	assert_int_equal(ask(PROFILE_JOB, SYS_openat, 0, 0, O_RDWR, 07777, 0),
	    OKAY);
	assert_int_equal(ask(PROFILE_JOB, SYS_openat, 0, 0, O_CREAT, 0644, 0),
	    OKAY);
	assert_int_equal(ask(PROFILE_JOB, SYS_openat, 0, 0, O_CREAT, 04644,
	    0), ERRN(EPERM));
	assert_int_equal(ask(PROFILE_JOB, SYS_openat, 0, 0, O_TMPFILE, 02644,
	    0), ERRN(EPERM));
	assert_int_equal(ask(PROFILE_JOB, SYS_socketpair, AF_UNIX,
	    SOCK_STREAM | SOCK_CLOEXEC, 0, 0, 0), OKAY);
	assert_int_equal(ask(PROFILE_JOB, SYS_socketpair, AF_UNIX, SOCK_DGRAM,
	    0, 0, 0), ERRN(EPERM));
	assert_int_equal(ask(PROFILE_JOB, SYS_prctl, PR_SET_NAME, 0, 0, 0, 0),
	    OKAY);
	assert_int_equal(ask(PROFILE_JOB, SYS_prctl, PR_SET_MM, 0, 0, 0, 0),
	    ERRN(EINVAL));
	assert_int_equal(ask(PROFILE_JOB, SYS_prctl, PR_SET_SECCOMP, 2, 0, 0,
	    0), ERRN(EINVAL));
	assert_int_equal(ask(PROFILE_JOB, SYS_personality, 0xffffffff, 0, 0,
	    0, 0), OKAY);
	assert_int_equal(ask(PROFILE_JOB, SYS_personality, 0x40000, 0, 0, 0,
	    0), ERRN(EPERM));
}

/* What a job must be able to do, its ancestors' filters must not refuse. */
static void
test_ancestors_refuse_nothing_that_jobs_may(void **state)
{
	uint32_t job;
	int nr;

	(void)state;
	for (nr = 0; nr < 500; nr++) {
		job = ask(PROFILE_JOB, nr, 0, 0, 0, 0, 0);
		if (job != OKAY)
			continue;
		assert_int_equal(ask(ROLE_PARENT, nr, 0, 0, 0, 0, 0), OKAY);
		assert_int_equal(ask(ROLE_JAILER, nr, 0, 0, 0, 0, 0), OKAY);
	}
	/* and what the jailer needs for them */
	assert_int_equal(ask(ROLE_JAILER, SYS_clone3, 0, 0, 0, 0, 0), OKAY);
	assert_int_equal(ask(ROLE_JAILER, SYS_fsopen, 0, 0, 0, 0, 0), OKAY);
	assert_int_equal(ask(ROLE_JAILER, SYS_move_mount, 0, 0, 0, 0, 0),
	    OKAY);
	assert_int_equal(ask(ROLE_JAILER, SYS_socket, 0, 0, 0, 0, 0),
	    ERRN(EPERM));
	assert_int_equal(ask(ROLE_PARENT, SYS_socket, 0, 0, 0, 0, 0), OKAY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_number_has_an_answer),
		cmocka_unit_test(test_foreign_abi_ends_the_process),
		cmocka_unit_test(test_sizes_are_as_promised),
		cmocka_unit_test(test_programs_say_what_the_tables_say),
		cmocka_unit_test(test_workers),
		cmocka_unit_test(test_T48_connect_makes_internet_sockets_only),
		cmocka_unit_test(test_T10_whois_asks_two_places_only),
		cmocka_unit_test(test_start_has_more),
		cmocka_unit_test(test_T35_audit),
		cmocka_unit_test(test_T34_no_worker_makes_code),
		cmocka_unit_test(test_T36_jobs),
		cmocka_unit_test(test_T36_jobs_arguments),
		cmocka_unit_test(test_ancestors_refuse_nothing_that_jobs_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
