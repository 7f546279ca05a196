/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Build tool: compiles the tables of sandbox_profiles.c to one BPF program per
 * profile and prints them as a C header.  Runs at build time only; the daemons
 * load the arrays and link no libseccomp.
 *
 * libseccomp gives the numbers of the calls on this architecture.  The program
 * is laid out here, because its rules cannot say "this, else that" of one
 * argument nor compare an argument twice, and because it compares 64 bits
 * where the kernel reads 32.
 *
 * Layout: architecture check, a binary search over the call numbers in which
 * neighbours with the same plain answer are one leaf, and at the leaf the rows
 * of that call in order.  An answer that looks at no argument is constant for
 * the kernel, which then asks the program only once per call number.
 */
#include "common/compat.h"

#include <err.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include "common/sandbox_profiles.h"

#define INSNS_MAX	4096
#define LEAVES_MAX	512
#define ROWS_MAX	32

#define X32_BIT		0x40000000u

#if defined(__x86_64__)
#define ARCH		AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH		AUDIT_ARCH_AARCH64
#else
#error "no filter for this architecture"
#endif

struct prog {
	struct sock_filter	 insn[INSNS_MAX];
	size_t			 n;
};

/* What happens from call number `nr` up to the next leaf's. */
struct leaf {
	uint32_t			 nr;
	const struct sandbox_call	*row[ROWS_MAX];
	size_t				 nrows;
	uint32_t			 ret;		/* when nrows == 0 */
};

static bool	 starts(unsigned int);
static void	 made_emit(unsigned int);
static void	 emit(struct prog *, uint16_t, uint32_t, uint8_t, uint8_t);
static uint32_t	 ret_of(unsigned int, uint16_t);
static int	 call_nr(const char *);
static size_t	 leaves_make(uint32_t, uint32_t, struct leaf *, size_t *);
static void	 leaf_emit(struct prog *, const struct leaf *, uint32_t);
static void	 tree_emit(struct prog *, const struct leaf *, size_t,
		    uint32_t);
static void	 profile_emit(unsigned int, uint32_t, const char *);

int
main(void)
{
	unsigned int i;

	printf("/* Made by common/seccomp/seccomp_gen.c; not for editing. */\n");
	for (i = 0; i < PROFILE_MAX; i++)
		if (sandbox_profile_get(i) != NULL)
			profile_emit(i, 0, "filter");
	for (i = 0; i < PROFILE_MAX; i++)
		if (starts(i))
			profile_emit(i, sandbox_profile_get(i)->start,
			    "start");
	for (i = 0; i < PROFILE_MAX; i++)
		if (sandbox_profile_get(i) != NULL)
			made_emit(i);
	if (fflush(stdout) != 0 || ferror(stdout))
		err(1, "stdout");
	return 0;
}

/* Does this profile have a filter for its start? */
static bool
starts(unsigned int id)
{
	const struct sandbox_profile *pr;

	return (pr = sandbox_profile_get(id)) != NULL && pr->start != 0;
}

/* Each an object of its own: a program holds those that it names. */
static void
made_emit(unsigned int id)
{
	static const char *const names[PROFILE_MAX] = {
#define ROLE(num, ID, name, exe, user, many)	[num] = #ID,
#include "proto/roles.def"
		[PROFILE_JOB] = "JOB", [PROFILE_REAPER] = "REAPER" };

	printf("const struct seccomp_made seccomp_of_%s = { %u,\n"
	    "\t{ filter_%u, sizeof(filter_%u) / sizeof(filter_%u[0]), "
	    "filter_CALLS_%u },\n", names[id], id, id, id, id, id);
	if (starts(id))
		printf("\t{ start_%u, sizeof(start_%u) / sizeof(start_%u[0]), "
		    "start_CALLS_%u },\n", id, id, id, id);
	printf("};\n");
}

static void
emit(struct prog *p, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (p->n == INSNS_MAX)
		errx(1, "a filter is larger than the kernel takes");
	p->insn[p->n++] = (struct sock_filter){ code, jt, jf, k };
}

static uint32_t
ret_of(unsigned int action, uint16_t e)
{
	switch (action) {
	case CALL_ALLOW:
		return SECCOMP_RET_ALLOW;
	case CALL_ERRNO:
		return SECCOMP_RET_ERRNO | e;
	default:
		return SECCOMP_RET_KILL_PROCESS;
	}
}

/* -1 when this architecture has no such call. */
static int
call_nr(const char *name)
{
	int nr;

	if ((nr = seccomp_syscall_resolve_name(name)) == __NR_SCMP_ERROR)
		errx(1, "no system call is named %s", name);
	return nr < 0 ? -1 : nr;
}

/* One leaf per call that has rows, sorted by number; *allowed counts those
 * that can succeed. */
static size_t
leaves_make(uint32_t sets, uint32_t dflt, struct leaf *leaf, size_t *allowed)
{
	const struct sandbox_call *c;
	struct leaf tmp;
	size_t i, j, n;
	int nr, pass;

	n = 0;
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < sandbox_ncalls; i++) {
			c = &sandbox_calls[i];
			if ((c->sets & sets) == 0 ||
			    (pass == 0) == (c->sets == SET_BASE))
				continue;
			if ((nr = call_nr(c->name)) == -1)
				continue;
			for (j = 0; j < n && leaf[j].nr != (uint32_t)nr; j++)
				;
			if (j == n) {
				if (n == LEAVES_MAX)
					errx(1, "too many system calls");
				memset(&leaf[n], 0, sizeof(leaf[n]));
				leaf[n++].nr = (uint32_t)nr;
			}
			if (leaf[j].nrows == ROWS_MAX)
				errx(1, "too many rows of %s", c->name);
			leaf[j].row[leaf[j].nrows++] = c;
		}
	}
	*allowed = 0;
	for (i = 0; i < n; i++) {
		for (j = 0; j < leaf[i].nrows; j++)
			if (leaf[i].row[j]->action == CALL_ALLOW)
				break;
		if (j < leaf[i].nrows)
			(*allowed)++;
		/* The first row without a condition ends the list. */
		for (j = 0; j < leaf[i].nrows; j++)
			if (leaf[i].row[j]->cond[0].op == OP_NONE)
				break;
		if (j == 0) {
			leaf[i].ret = ret_of(leaf[i].row[0]->action,
			    leaf[i].row[0]->err);
			leaf[i].nrows = 0;
		} else if (j < leaf[i].nrows)
			leaf[i].nrows = j + 1;
	}
	for (i = 1; i < n; i++)
		for (j = i; j > 0 && leaf[j].nr < leaf[j - 1].nr; j--) {
			tmp = leaf[j];
			leaf[j] = leaf[j - 1];
			leaf[j - 1] = tmp;
		}
	(void)dflt;
	return n;
}

/* The rows of one call; falls to the default behind the last. */
static void
leaf_emit(struct prog *p, const struct leaf *l, uint32_t dflt)
{
	const struct sandbox_call *c;
	const struct call_cond *cond;
	struct prog *body;
	size_t i, k, fix[CALL_CONDS * 2], nfix;
	uint32_t off;
	bool open;

	if (l->nrows == 0) {
		emit(p, BPF_RET | BPF_K, l->ret, 0, 0);
		return;
	}
	body = p;
	open = true;
	for (i = 0; i < l->nrows; i++) {
		c = l->row[i];
		nfix = 0;
		for (k = 0; k < CALL_CONDS; k++) {
			cond = &c->cond[k];
			if (cond->op == OP_NONE)
				break;
			off = (uint32_t)offsetof(struct seccomp_data, args) +
			    8u * cond->arg;
			emit(body, BPF_LD | BPF_W | BPF_ABS, off, 0, 0);
			if (cond->op == OP_NULL) {
				fix[nfix++] = body->n;
				emit(body, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 0);
				emit(body, BPF_LD | BPF_W | BPF_ABS, off + 4,
				    0, 0);
				fix[nfix++] = body->n;
				emit(body, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 0);
				continue;
			}
			if (cond->mask != 0xffffffff)
				emit(body, BPF_ALU | BPF_AND | BPF_K,
				    cond->mask, 0, 0);
			fix[nfix++] = body->n;
			/* jt of OP_NE is mended below like jf of OP_EQ */
			emit(body, BPF_JMP | BPF_JEQ | BPF_K, cond->value,
			    cond->op == OP_NE, 0);
		}
		emit(body, BPF_RET | BPF_K, ret_of(c->action, c->err), 0, 0);
		for (k = 0; k < nfix; k++) {
			off = (uint32_t)(body->n - fix[k] - 1);
			if (off > 255)
				errx(1, "%s: a jump is too far", c->name);
			if (body->insn[fix[k]].jt == 1)
				body->insn[fix[k]].jt = (uint8_t)off;
			else
				body->insn[fix[k]].jf = (uint8_t)off;
		}
		if (nfix == 0)
			open = false;
	}
	if (open)
		emit(body, BPF_RET | BPF_K, dflt, 0, 0);
}

/* leaf[0] covers every number below leaf[1].nr, and so on. */
static void
tree_emit(struct prog *p, const struct leaf *leaf, size_t n, uint32_t dflt)
{
	size_t at, mid;

	if (n == 1) {
		leaf_emit(p, leaf, dflt);
		return;
	}
	mid = n / 2;
	emit(p, BPF_JMP | BPF_JGE | BPF_K, leaf[mid].nr, 0, 1);
	at = p->n;
	emit(p, BPF_JMP | BPF_JA, 0, 0, 0);
	tree_emit(p, leaf, mid, dflt);
	p->insn[at].k = (uint32_t)(p->n - at - 1);
	tree_emit(p, leaf + mid, n - mid, dflt);
}

static void
profile_emit(unsigned int id, uint32_t more, const char *name)
{
	static struct leaf leaf[LEAVES_MAX], range[LEAVES_MAX * 2];
	static struct prog p;
	const struct sandbox_profile *pr;
	size_t allowed, i, n, r;
	uint32_t dflt, sets;

	pr = sandbox_profile_get(id);
	sets = pr->sets | more;
	dflt = ret_of(pr->miss, pr->miss_err);
#ifdef GW_SANITIZED
	if (pr->miss == CALL_KILL)
		sets |= SET_SANITIZER;
#endif
	n = leaves_make(sets, dflt, leaf, &allowed);
	/* Fill the gaps with the default and join equal neighbours. */
	r = 0;
	for (i = 0; i < n; i++) {
		if (i == 0 ? leaf[i].nr > 0 : leaf[i].nr > leaf[i - 1].nr + 1) {
			memset(&range[r], 0, sizeof(range[r]));
			range[r].nr = i == 0 ? 0 : leaf[i - 1].nr + 1;
			range[r].ret = dflt;
			if (r == 0 || range[r - 1].nrows != 0 ||
			    range[r - 1].ret != dflt)
				r++;
		}
		range[r] = leaf[i];
		if (r == 0 || range[r].nrows != 0 || range[r - 1].nrows != 0 ||
		    range[r].ret != range[r - 1].ret)
			r++;
	}
	memset(&range[r], 0, sizeof(range[r]));
	range[r].nr = leaf[n - 1].nr + 1;
	range[r].ret = dflt;
	r++;

	p.n = 0;
	emit(&p, BPF_LD | BPF_W | BPF_ABS,
	    (uint32_t)offsetof(struct seccomp_data, arch), 0, 0);
	emit(&p, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
	emit(&p, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
	emit(&p, BPF_LD | BPF_W | BPF_ABS,
	    (uint32_t)offsetof(struct seccomp_data, nr), 0, 0);
#if defined(__x86_64__)
	emit(&p, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
	emit(&p, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
#endif
	tree_emit(&p, range, r, dflt);

	printf("/* %s, %s: %zu calls can succeed */\n", pr->name, name,
	    pr->miss == CALL_ALLOW ? (size_t)0 : allowed);
	printf("#define %s_CALLS_%u %zu\n", name, id,
	    pr->miss == CALL_ALLOW ? (size_t)0 : allowed);
	printf("static const struct sock_filter %s_%u[] = {\n", name, id);
	for (i = 0; i < p.n; i++)
		printf("\t{ 0x%x, %u, %u, 0x%x },\n", p.insn[i].code,
		    p.insn[i].jt, p.insn[i].jf, p.insn[i].k);
	printf("};\n");
}
