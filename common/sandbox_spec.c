/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What the supervisor tells a worker about its lock-down, its coding for
 * PROC_SANDBOX, and the table of users.  No system is touched here.
 *
 * Coding: u8 version, u8 mode, u32 flags, uid, gid, job uid, job gid, u32
 * nofile, u64 as_bytes, u16 count, and per mount u32 flags, u16 length, path.
 * All little endian.
 */
#include "common/compat.h"

#include <errno.h>
#include <pwd.h>

#include "common/sandbox.h"
#include "common/sandbox_profiles.h"

#define SPEC_VERSION	1
#define UID_NOBODY	65534

struct cursor {
	uint8_t	*p;
	size_t	 n, size;
	bool	 bad;
};

static void	 put(struct cursor *, uint64_t, size_t);
static uint64_t	 get(struct cursor *, size_t);
static bool	 path_valid(const char *, size_t);

const char *
sandbox_fact_name(uint32_t bit)
{
	static const char *const names[] = { "rlimits", "userns", "mntns",
	    "pidns", "netns", "ipcns", "utsns", "cgroupns", "root", "uid",
	    "caps", "bounding", "nnp", "nodump", "pdeath", "landlock-fs",
	    "landlock-net", "landlock-scope", "seccomp", "mdwe", "idmap",
	    "cgroup", "jobuid" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (bit == (uint32_t)1 << i)
			return names[i];
	return NULL;
}

const char *
sandbox_mode_name(enum sandbox_mode mode)
{
	switch (mode) {
	case SANDBOX_ROOT:
		return "root";
	case SANDBOX_USER:
		return "user";
	case SANDBOX_NONE:
		return "none";
	case SANDBOX_MODE_MAX:
		break;
	}
	return "?";
}

int
sandbox_ids_load(struct sandbox_ids *ids, int64_t base)
{
	struct passwd *pw;
	FILE *f;
	bool found[ROLE_MAX] = { false };
	const char *lacking = NULL;
	unsigned int r;
	bool any = false;

	if (base < SANDBOX_IDS_SHARED || base > 0x7fffffff - ROLE_MAX) {
		errno = EINVAL;
		return -1;
	}
	memset(ids, 0, sizeof(*ids));
	for (r = 1; r < ROLE_MAX; r++)
		ids->uid[r] = ids->gid[r] = base > 0 ?
		    (uid_t)(base + r) : UID_NOBODY;
	if (base > 0) {
		/* the fetcher is a job, too */
		ids->uid[ROLE_FETCH] = ids->uid[ROLE_FILES];
		ids->gid[ROLE_FETCH] = ids->gid[ROLE_FILES];
		ids->separate = true;
		return 0;
	}
	if (base == SANDBOX_IDS_SHARED)
		return 0;
	/* fgetpwent and not getpwnam: no name service, no plug-in. */
	if ((f = fopen("/etc/passwd", "re")) == NULL)
		return errno == ENOENT ? 0 : -1;
	while ((pw = fgetpwent(f)) != NULL)
		for (r = 1; r < ROLE_MAX; r++)
			if (strcmp(pw->pw_name, role_user(r)) == 0 &&
			    pw->pw_uid != 0) {
				ids->uid[r] = pw->pw_uid;
				ids->gid[r] = pw->pw_gid;
				found[r] = true;
			}
	fclose(f);
	for (r = 1; r < ROLE_MAX; r++) {
		any = any || found[r];
		if (!found[r] && lacking == NULL)
			lacking = role_user(r);
	}
	if (lacking != NULL)
		for (r = 1; r < ROLE_MAX; r++)
			ids->uid[r] = ids->gid[r] = UID_NOBODY;
	ids->lacking = any ? lacking : NULL;
	ids->separate = lacking == NULL;
	return 0;
}

void
sandbox_spec_init(struct sandbox_spec *s, enum role role,
    enum sandbox_mode mode, uint32_t flags, const struct sandbox_ids *ids)
{
	memset(s, 0, sizeof(*s));
	s->mode = mode;
	s->flags = flags;
	if (ids != NULL && role < ROLE_MAX) {
		s->uid = ids->uid[role];
		s->gid = ids->gid[role];
		s->job_uid = ids->uid[ROLE_FILES];
		s->job_gid = ids->gid[ROLE_FILES];
		if (!ids->separate)
			s->flags |= SANDBOX_USERNS;
	}
}

static bool
path_valid(const char *p, size_t n)
{
	size_t i, start;

	if (n < 2 || n >= SANDBOX_PATH_MAX || p[0] != '/')
		return false;
	for (start = i = 1; i <= n; i++) {
		if (i < n && p[i] == '\0')
			return false;
		if (i < n && p[i] != '/')
			continue;
		/* "//", "/./", "/../", and a slash at the end */
		if (i == start ||
		    (i - start == 1 && p[start] == '.') ||
		    (i - start == 2 && p[start] == '.' && p[start + 1] == '.'))
			return false;
		start = i + 1;
	}
	return true;
}

int
sandbox_spec_mount(struct sandbox_spec *s, const char *path, uint32_t flags)
{
	if (s->nmounts == SANDBOX_MOUNTS_MAX) {
		errno = ENOSPC;
		return -1;
	}
	if (!path_valid(path, strlen(path)) ||
	    (flags & ~(uint32_t)(MNT_RO | MNT_RW | MNT_OPT | MNT_IDMAP |
	    MNT_CGROUP | MNT_NOLINK)) != 0 ||
	    ((flags & MNT_RO) != 0) == ((flags & MNT_RW) != 0)) {
		errno = EINVAL;
		return -1;
	}
	if ((s->mounts[s->nmounts].path = strdup(path)) == NULL)
		return -1;
	s->mounts[s->nmounts++].flags = flags;
	return 0;
}

void
sandbox_spec_clear(struct sandbox_spec *s)
{
	size_t i;

	for (i = 0; i < s->nmounts; i++)
		free(s->mounts[i].path);
	memset(s, 0, sizeof(*s));
}

static void
put(struct cursor *c, uint64_t v, size_t n)
{
	size_t i;

	if (c->bad || n > c->size - c->n) {
		c->bad = true;
		return;
	}
	for (i = 0; i < n; i++)
		c->p[c->n++] = (uint8_t)(v >> (8 * i));
}

static uint64_t
get(struct cursor *c, size_t n)
{
	uint64_t v;
	size_t i;

	if (c->bad || n > c->size - c->n) {
		c->bad = true;
		return 0;
	}
	for (v = 0, i = 0; i < n; i++)
		v |= (uint64_t)c->p[c->n++] << (8 * i);
	return v;
}

ssize_t
sandbox_spec_encode(const struct sandbox_spec *s, void *buf, size_t size)
{
	struct cursor c = { buf, 0, size, false };
	size_t i, n;

	put(&c, SPEC_VERSION, 1);
	put(&c, (uint64_t)s->mode, 1);
	put(&c, s->flags, 4);
	put(&c, s->uid, 4);
	put(&c, s->gid, 4);
	put(&c, s->job_uid, 4);
	put(&c, s->job_gid, 4);
	put(&c, s->nofile, 4);
	put(&c, s->as_bytes, 8);
	put(&c, s->nmounts, 2);
	for (i = 0; i < s->nmounts; i++) {
		n = strlen(s->mounts[i].path);
		put(&c, s->mounts[i].flags, 4);
		put(&c, n, 2);
		if (c.bad || n > c.size - c.n) {
			c.bad = true;
			break;
		}
		memcpy(c.p + c.n, s->mounts[i].path, n);
		c.n += n;
	}
	if (c.bad) {
		errno = ENOSPC;
		return -1;
	}
	return (ssize_t)c.n;
}

int
sandbox_spec_decode(struct sandbox_spec *s, const void *buf, size_t size)
{
	struct cursor c = { (uint8_t *)(uintptr_t)buf, 0, size, false };
	char path[SANDBOX_PATH_MAX];
	uint32_t flags;
	uint64_t version, mode;
	size_t i, n, count;

	memset(s, 0, sizeof(*s));
	version = get(&c, 1);
	mode = get(&c, 1);
	s->flags = (uint32_t)get(&c, 4);
	s->uid = (uid_t)get(&c, 4);
	s->gid = (gid_t)get(&c, 4);
	s->job_uid = (uid_t)get(&c, 4);
	s->job_gid = (gid_t)get(&c, 4);
	s->nofile = (uint32_t)get(&c, 4);
	s->as_bytes = get(&c, 8);
	count = (size_t)get(&c, 2);
	if (c.bad || version != SPEC_VERSION || mode >= SANDBOX_MODE_MAX ||
	    count > SANDBOX_MOUNTS_MAX)
		goto bad;
	s->mode = (enum sandbox_mode)mode;
	for (i = 0; i < count; i++) {
		flags = (uint32_t)get(&c, 4);
		n = (size_t)get(&c, 2);
		if (c.bad || n >= sizeof(path) || n > c.size - c.n)
			goto bad;
		memcpy(path, c.p + c.n, n);
		path[n] = '\0';
		c.n += n;
		if (strlen(path) != n)
			goto bad;
		if (sandbox_spec_mount(s, path, flags) == -1) {
			if (errno == ENOMEM) {
				sandbox_spec_clear(s);
				errno = ENOMEM;
				return -1;
			}
			goto bad;
		}
	}
	if (c.n != c.size)
		goto bad;
	return 0;
bad:
	sandbox_spec_clear(s);
	errno = EBADMSG;
	return -1;
}
