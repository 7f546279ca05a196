/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Guessing is made slow: ten failures of one address in a minute shut it out
 * for five; of IPv6, of one network.  Counted per credential class, so that a
 * client with a stale device token does not lock the password.  A local client
 * is exempt (the machine's users have easier ways, and one broken script must
 * not lock the owner out); one that only looks local because an unknown proxy
 * stands between is not: those share one entry.  A lock-out is on the disk
 * before it is told; the counts below it follow together, a few times in a
 * second at most: a flood of guesses must not become a flood of writes, and a
 * store that dies must not give everybody nine new tries.
 */
#include "common/compat.h"

#include <arpa/inet.h>

#include "gatewayd/store/store.h"

#define TRACKED_MAX	4096	/* addresses in memory; the oldest gives way */

struct tracked {
	char		 key[96];
	unsigned int	 failures;
	uint64_t	 first_ms, until_ms;
	bool		 dirty;		/* not on the disk as it is */
};
static struct tracked	*tracked;
static size_t		 ntracked, ndirty;

/* Whoever has one IPv6 address has at least all of its network of 64 bits: to
 * count each by itself would give him a new try for every one. */
static void
lockout_network(char addr[64])
{
	struct in6_addr	 in6;

	if (inet_pton(AF_INET6, addr, &in6) != 1 || IN6_IS_ADDR_V4MAPPED(&in6))
		return;
	memset(&in6.s6_addr[8], 0, 8);
	if (inet_ntop(AF_INET6, &in6, addr, 60) != NULL)
		strlcat(addr, "/64", 64);
}

static bool
lockout_key(const struct m_auth_req *q, const char *class, char key[96])
{
	char	 addr[64];

	if (q->local)
		return false;
	if (q->remote.n == 0 || str_copy(q->remote, addr, sizeof(addr)) == -1)
		strlcpy(addr, "proxied", sizeof(addr));
	lockout_network(addr);
	snprintf(key, 96, "%s/%s", class, addr);
	return true;
}

static struct tracked *
lockout_find(const char *key, bool make, uint64_t now)
{
	struct tracked	*t, *oldest = NULL, was;
	sqlite3_stmt	*st;
	size_t		 i;
	void		*p;

	for (i = 0; i < ntracked; i++) {
		t = &tracked[i];
		if (strcmp(t->key, key) == 0)
			return t;
		if (oldest == NULL || t->first_ms < oldest->first_ms)
			oldest = t;
	}
	/* Not in memory: perhaps it was before a restart. */
	memset(&was, 0, sizeof(was));
	st = db_query("SELECT failures, first_ms, until_ms FROM lockout "
	    "WHERE key = ?", "t", key);
	while (db_step(st)) {
		was.failures = (unsigned int)sqlite3_column_int(st, 0);
		was.first_ms = (uint64_t)sqlite3_column_int64(st, 1);
		was.until_ms = (uint64_t)sqlite3_column_int64(st, 2);
	}
	if (!make && was.until_ms <= now)
		return NULL;
	if (ntracked < TRACKED_MAX) {
		if ((p = reallocarray(tracked, ntracked + 1,
		    sizeof(*tracked))) == NULL)
			return NULL;
		tracked = p;
		t = &tracked[ntracked++];
	} else {
		t = oldest;
		ndirty -= t->dirty;
	}
	*t = was;
	strlcpy(t->key, key, sizeof(t->key));
	if (t->first_ms == 0)
		t->first_ms = now;
	return t;
}

uint32_t
lockout_check(const struct m_auth_req *q, const char *class, uint64_t now)
{
	struct tracked	*t;
	char		 key[96];

	if (!lockout_key(q, class, key) ||
	    (t = lockout_find(key, false, now)) == NULL ||
	    t->until_ms <= now)
		return 0;
	return (uint32_t)((t->until_ms - now + 999) / 1000);
}

uint32_t
lockout_failed(const struct m_auth_req *q, const char *class, uint64_t now)
{
	struct tracked	*t;
	char		 key[96];

	if (!lockout_key(q, class, key) ||
	    (t = lockout_find(key, true, now)) == NULL)
		return 0;
	if (now - t->first_ms > LOCK_WINDOW_MS) {
		t->first_ms = now;
		t->failures = 0;
	}
	ndirty += !t->dirty;
	t->dirty = true;
	if (++t->failures < LOCK_FAILURES)
		return 0;
	t->until_ms = now + LOCK_TIME_MS;
	t->failures = 0;
	lockout_flush(now);
	return LOCK_TIME_MS / 1000;
}

bool
lockout_dirty(void)
{
	return ndirty > 0;
}

void
lockout_flush(uint64_t now)
{
	struct tracked	*t;
	size_t		 i;

	if (db_run("BEGIN", "") == -1)
		return;
	for (i = 0; i < ntracked; i++) {
		t = &tracked[i];
		if (t->dirty && db_run("INSERT OR REPLACE INTO lockout VALUES "
		    "(?, ?, ?, ?)", "tiii", t->key, (int64_t)t->failures,
		    (int64_t)t->first_ms, (int64_t)t->until_ms) == -1)
			break;
	}
	if (i < ntracked || db_run("DELETE FROM lockout WHERE until_ms < ? AND "
	    "first_ms < ?", "ii", (int64_t)now, (int64_t)now -
	    LOCK_WINDOW_MS) == -1 || db_run("COMMIT", "") == -1) {
		db_run("ROLLBACK", "");
		return;
	}
	for (i = 0; i < ntracked; i++)
		tracked[i].dirty = false;
	ndirty = 0;
}

void
lockout_passed(const struct m_auth_req *q, const char *class)
{
	sqlite3_stmt	*st;
	char		 key[96];
	size_t		 i;
	bool		 known = false;

	if (!lockout_key(q, class, key))
		return;
	for (i = 0; i < ntracked; i++)
		if (strcmp(tracked[i].key, key) == 0) {
			ndirty -= tracked[i].dirty;
			tracked[i] = tracked[--ntracked];
			break;
		}
	/* Also what was counted before a restart. */
	st = db_query("SELECT 1 FROM lockout WHERE key = ?", "t", key);
	while (db_step(st))
		known = true;
	if (known)
		db_run("DELETE FROM lockout WHERE key = ?", "t", key);
}

void
lockout_forget(void)
{
	free(tracked);
	tracked = NULL;
	ntracked = ndirty = 0;
}
