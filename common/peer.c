/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <endian.h>
#include <errno.h>
#include <grp.h>
#include <unistd.h>

#include "common/peer.h"
#include "common/text.h"

/* What the kernel shows for every user and group that is not mapped into our
 * user namespace: many may have it, so it may never stand for one of them. */
#define ID_OVERFLOW	65534

#define GROUP_ADMIN	"openclaw"
#define GROUP_READER	"openclaw-read"

/* The kernel's form of an access list (linux/posix_acl_xattr.h, which is no
 * header for programs): a version, then entries in this order of tags. */
#define ACL_VERSION	2
#define ACL_ANY		UINT32_MAX
struct acl {
	uint32_t	 version;
	struct {
		uint16_t	 tag, perm;
		uint32_t	 id;
	} entry[5];
};
enum { ACL_USER_OBJ = 1, ACL_GROUP_OBJ = 4, ACL_GROUP = 8, ACL_MASK = 16,
	ACL_OTHER = 32 };

/* 1 found, 0 not, -1 errno. */
static int
group_find(struct peer_group *g)
{
	struct group	*gr;
	FILE		*f;
	int64_t		 n;
	int		 found = 0;

	if (num_parse(str_of(g->name), 0, UINT32_MAX - 1, &n) == 0) {
		g->gid = (gid_t)n;
		return 1;
	}
	/* fgetgrent and not getgrnam: no name service, no plug-in. */
	if ((f = fopen("/etc/group", "re")) == NULL)
		return errno == ENOENT ? 0 : -1;
	while (found == 0 && (gr = fgetgrent(f)) != NULL)
		if (strcmp(gr->gr_name, g->name) == 0) {
			g->gid = gr->gr_gid;
			found = 1;
		}
	fclose(f);
	return found;
}

static int
group_load(struct peer_group *g, struct str name, bool must, char *why,
    size_t size)
{
	int	 r;

	g->gid = PEER_NOGROUP;
	if (name.n == 0 || name.n >= sizeof(g->name)) {
		snprintf(why, size, "group %.*s: not a name", (int)name.n,
		    name.p);
		return -1;
	}
	str_copy(name, g->name, sizeof(g->name));
	if ((r = group_find(g)) == -1) {
		snprintf(why, size, "/etc/group: %s", strerror(errno));
		return -1;
	}
	if (r == 1 && g->gid != ID_OVERFLOW)
		return 0;
	g->gid = PEER_NOGROUP;
	if (!must)
		return 0;
	snprintf(why, size, r == 0 ? "group %s: not in /etc/group; make it "
	    "(groupadd %s) or name another" : "group %s: its number stands "
	    "for all unknown groups; name another", g->name, g->name);
	return -1;
}

int
peer_policy_load(struct peer_policy *pol, const char *spec, char *why,
    size_t size)
{
	struct peer_policy	 p;
	size_t			 n;

	p.admin = p.reader = (struct peer_group){ PEER_NOGROUP, "" };
	if (spec != NULL) {
		n = strcspn(spec, ":");
		if (group_load(&p.admin, (struct str){ spec, n }, true, why,
		    size) == -1 || (spec[n] == ':' && group_load(&p.reader,
		    str_of(spec + n + 1), true, why, size) == -1))
			return -1;
	} else if (geteuid() == 0 && (group_load(&p.admin,
	    STR_LIT(GROUP_ADMIN), false, why, size) == -1 ||
	    group_load(&p.reader, STR_LIT(GROUP_READER), false, why,
	    size) == -1))
		return -1;
	*pol = p;
	return 0;
}

/* Every group of the peer: its own, then the others.  *n of them; NULL with
 * errno. */
static gid_t *
peer_groups(int fd, gid_t own, size_t *n)
{
	socklen_t	 len = 64 * sizeof(gid_t);
	gid_t		*v, *more;

	if ((v = malloc(len + sizeof(gid_t))) == NULL)
		return NULL;
	v[0] = own;
	while (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, v + 1, &len) == -1) {
		/* ERANGE: len says how much it takes.  Not known: too old a
		 * kernel; only its own group counts then. */
		if (errno != ERANGE) {
			len = 0;
			break;
		}
		if ((more = realloc(v, len + sizeof(gid_t))) == NULL) {
			free(v);
			return NULL;
		}
		v = more;
	}
	*n = 1 + len / sizeof(gid_t);
	return v;
}

int
peer_judge(const struct peer_policy *pol, int fd, struct peer_id *id)
{
	struct ucred	 cred;
	socklen_t	 len = sizeof(cred);
	gid_t		*groups;
	size_t		 i, n;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		return -1;
	id->uid = cred.uid;
	id->pid = cred.pid;
	id->right = PEER_STRANGER;
	if (cred.uid == (uid_t)-1)
		return 0;	/* not a local connection at all */
	/* Our own number may be the overflow's when `nobody` runs a gateway;
	 * nobody else can reach that one's socket, its mode is 0600. */
	if (cred.uid == 0 || cred.uid == geteuid()) {
		id->right = PEER_ADMIN;
		return 0;
	}
	if ((groups = peer_groups(fd, cred.gid, &n)) == NULL)
		return -1;
	for (i = 0; i < n && id->right != PEER_ADMIN; i++)
		if (groups[i] == PEER_NOGROUP)
			continue;
		else if (groups[i] == pol->admin.gid)
			id->right = PEER_ADMIN;
		else if (groups[i] == pol->reader.gid)
			id->right = PEER_READER;
	free(groups);
	return 0;
}

void
peer_refusal(const struct peer_policy *pol, const struct peer_id *id,
    char *buf, size_t size)
{
	const struct peer_group	*a = &pol->admin, *r = &pol->reader;

	if (a->gid == PEER_NOGROUP)
		a = r;
	if (a->gid == PEER_NOGROUP)
		snprintf(buf, size, "user %u may not use this gateway: only "
		    "root and user %u may; run the command as one of them, or "
		    "connect with --url and a token", (unsigned int)id->uid,
		    (unsigned int)geteuid());
	else
		snprintf(buf, size, "user %u may not use this gateway: it is "
		    "not in group %s%s%s; an administrator adds it (usermod "
		    "-aG %s <name>), which counts from the next login on",
		    (unsigned int)id->uid, a->name, a != r &&
		    r->gid != PEER_NOGROUP ? " or " : "", a != r &&
		    r->gid != PEER_NOGROUP ? r->name : "", a->name);
}

int
peer_allow(const struct peer_policy *pol, const char *path, char *why,
    size_t size)
{
	const gid_t	 admin = pol->admin.gid, reader = pol->reader.gid;
	const uint16_t	 rw = htole16(6);
	struct acl	 acl = {
		.version = htole32(ACL_VERSION),
		.entry = {
			{ htole16(ACL_USER_OBJ), rw, ACL_ANY },
			{ htole16(ACL_GROUP_OBJ), admin != PEER_NOGROUP ?
			    rw : 0, ACL_ANY },
			{ htole16(ACL_GROUP), rw, htole32(reader) },
			{ htole16(ACL_MASK), rw, ACL_ANY },
			{ htole16(ACL_OTHER), 0, ACL_ANY },
		},
	};

	/* Of an earlier time: its mask would be changed by chmod. */
	if (removexattr(path, "system.posix_acl_access") == -1 &&
	    errno != ENODATA && errno != ENOTSUP)
		goto fail;
	if (chown(path, (uid_t)-1, admin != PEER_NOGROUP ? admin :
	    getegid()) == -1 ||
	    chmod(path, admin != PEER_NOGROUP ? 0660 : 0600) == -1)
		goto fail;
	if (reader != PEER_NOGROUP && setxattr(path,
	    "system.posix_acl_access", &acl, sizeof(acl), 0) == -1) {
		if (errno == ENOTSUP)
			snprintf(why, size, "%s: group %s cannot be let in: "
			    "no access lists on this file system", path,
			    pol->reader.name);
		else
			goto fail;
		return -1;
	}
	return 0;
fail:
	snprintf(why, size, "%s: %s", path, strerror(errno));
	return -1;
}
