/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Loads filters; holds the arrays that seccomp_gen made.  No policy here. */
#include "common/compat.h"

#include <sys/prctl.h>
#include <sys/syscall.h>

#include <errno.h>
#include <linux/seccomp.h>
#include <unistd.h>

#include "common/seccomp.h"

#include "seccomp_filters.h"

void
seccomp_filter_audit(const struct seccomp_filter *f, struct sock_filter *out,
    struct seccomp_filter *made)
{
	size_t i, n;

	/* Up to the number of the call seccomp_gen checks the ABI. */
#if defined(__x86_64__)
	n = 6;
#else
	n = 4;
#endif
	memcpy(out, f->insn, f->n * sizeof(*out));
	for (i = n; i < f->n; i++)
		if (out[i].code == (BPF_RET | BPF_K) &&
		    out[i].k == SECCOMP_RET_KILL_PROCESS)
			out[i].k = SECCOMP_RET_LOG;
	*made = *f;
	made->insn = out;
}

int
seccomp_filter_load(const struct seccomp_filter *f)
{
	struct sock_fprog prog;
	long r;

	prog.len = (unsigned short)f->n;
	/* The kernel only reads it; the type predates const. */
	prog.filter = (struct sock_filter *)(uintptr_t)f->insn;
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_TSYNC, &prog);
	if (r > 0) {
		errno = ESRCH;	/* a thread that could not be joined in */
		return -1;
	}
	return r == 0 ? 0 : -1;
}
