/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * syscall_gate PLACE NAME[,NAME...] PROGRAM [ARGUMENT...]
 *
 * Runs a program whose system calls of those names wait until the test lets
 * them go (seccomp user notification): a disk that is as slow as the test
 * likes, and a process that stands still at a known step.  No tracer, no
 * right and no change of the program is needed, and its own filter stays in
 * force.  PLACE is a descriptor of a Unix socket, or the path of one; the
 * listener goes there, with a text "name number ...".
 */
#include "common/compat.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <err.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"

static const struct gate {
	const char	*name;
	int		 nr;
	int		 third;		/* this third argument only; 0: any */
} gates[] = {
	{ "fsync", SYS_fsync, 0 },
	{ "fdatasync", SYS_fdatasync, 0 },
	{ "io_setup", SYS_io_setup, 0 },
	{ "io_submit", SYS_io_submit, 0 },
	{ "count", SYS_read, 8 },	/* of an eventfd */
	{ "sendmsg", SYS_sendmsg, 0 },
	{ "write", SYS_write, 0 },
#ifdef SYS_rename
	{ "rename", SYS_rename, 0 },
#endif
#ifdef SYS_renameat
	{ "rename", SYS_renameat, 0 },
#endif
	{ "rename", SYS_renameat2, 0 },
#ifdef SYS_link
	{ "link", SYS_link, 0 },
#endif
	{ "link", SYS_linkat, 0 },
#ifdef SYS_unlink
	{ "unlink", SYS_unlink, 0 },
#endif
	{ "unlink", SYS_unlinkat, 0 },
};
#define NGATES	(sizeof(gates) / sizeof(gates[0]))

static bool
listed(const char *list, const char *name)
{
	size_t	 n = strlen(name);

	for (; list != NULL; list = strchr(list, ',')) {
		if (list[0] == ',')
			list++;
		if (strncmp(list, name, n) == 0 &&
		    (list[n] == ',' || list[n] == '\0'))
			return true;
	}
	return false;
}

static int
place(const char *s)
{
	struct sockaddr_un	 sun = { .sun_family = AF_UNIX };
	int64_t			 fd;

	if (num_parse(str_of(s), 0, 1 << 20, &fd) == 0)
		return (int)fd;
	if (strlcpy(sun.sun_path, s, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path))
		errx(127, "%s: too long", s);
	if ((fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) == -1 ||
	    connect((int)fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		err(127, "%s", s);
	return (int)fd;
}

static void
hand_over(int sock, int listener, const char *text)
{
	union {
		struct cmsghdr	 hdr;
		char		 space[CMSG_SPACE(sizeof(int))];
	} ctl;
	struct mmsghdr	 one = { 0 };
	struct msghdr	 mh = { 0 };
	struct iovec	 iov;

	memset(&ctl, 0, sizeof(ctl));
	iov.iov_base = (void *)(uintptr_t)text;
	iov.iov_len = strlen(text);
	mh.msg_iov = &iov;
	mh.msg_iovlen = 1;
	mh.msg_control = &ctl;
	mh.msg_controllen = sizeof(ctl.space);
	ctl.hdr.cmsg_level = SOL_SOCKET;
	ctl.hdr.cmsg_type = SCM_RIGHTS;
	ctl.hdr.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&ctl.hdr), &listener, sizeof(listener));
	/* Not sendmsg(2): that may be one of those that wait already. */
	one.msg_hdr = mh;
	if (sendmmsg(sock, &one, 1, MSG_NOSIGNAL) != 1)
		err(127, "sendmmsg");
}

int
main(int argc, char *argv[])
{
	struct sock_filter	 code[2 + 5 * NGATES];
	struct sock_fprog	 prog = { 0, code };
	char			 text[1024] = "", one[64];
	size_t			 i;
	int			 sock, listener;

	if (argc < 4)
		errx(127, "usage: syscall_gate place name,... program ...");
	sock = place(argv[1]);
	code[prog.len++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W |
	    BPF_ABS, offsetof(struct seccomp_data, nr));
	for (i = 0; i < NGATES; i++) {
		if (!listed(argv[2], gates[i].name))
			continue;
		snprintf(one, sizeof(one), "%s %d ", gates[i].name,
		    gates[i].nr);
		strlcat(text, one, sizeof(text));
		code[prog.len++] = (struct sock_filter)BPF_JUMP(BPF_JMP |
		    BPF_JEQ | BPF_K, (uint32_t)gates[i].nr, 0,
		    gates[i].third != 0 ? 3 : 1);
		if (gates[i].third != 0) {
			code[prog.len++] = (struct sock_filter)BPF_STMT(BPF_LD |
			    BPF_W | BPF_ABS, (uint32_t)offsetof(struct
			    seccomp_data, args[2]));
			code[prog.len++] = (struct sock_filter)BPF_JUMP(
			    BPF_JMP | BPF_JEQ | BPF_K,
			    (uint32_t)gates[i].third, 0, 1);
		}
		code[prog.len++] = (struct sock_filter)BPF_STMT(BPF_RET |
		    BPF_K, SECCOMP_RET_USER_NOTIF);
		/* What follows wants the number again. */
		if (gates[i].third != 0)
			code[prog.len++] = (struct sock_filter)BPF_STMT(BPF_LD |
			    BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	}
	code[prog.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
	    SECCOMP_RET_ALLOW);
	/* Only who has the right to does without this: it stays with the
	 * program for life. */
	if (geteuid() != 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		err(127, "no_new_privs");
	if ((listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog)) == -1)
		err(127, "seccomp");
	hand_over(sock, listener, text);
	close(listener);
	close(sock);
	execvp(argv[3], argv + 3);
	err(127, "%s", argv[3]);
}
