/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Guessing is made slow: ten failures of one address in a minute shut it out
 * for five.  Counted per credential class, so that a client with a stale device
 * token does not lock the password.  A local client is exempt (the machine's
 * users have easier ways, and one broken script must not lock the owner out);
 * one that only looks local because an unknown proxy stands between is not:
 * those share one entry.  Only lock-outs are written to disk: a flood of
 * guesses must not become a flood of writes.
 */
#include "common/compat.h"

#include "gatewayd/store/store.h"

#define TRACKED_MAX	4096	/* addresses in memory; the oldest gives way */

struct tracked {
	char		 key[96];
	unsigned int	 failures;
	uint64_t	 first_ms, until_ms;
};
static struct tracked	*tracked;
static size_t		 ntracked;

static bool
lockout_key(const struct m_auth_req *q, const char *class, char key[96])
{
	char	 addr[64];

	if (q->local)
		return false;
	if (q->remote.n == 0 || str_copy(q->remote, addr, sizeof(addr)) == -1)
		strlcpy(addr, "proxied", sizeof(addr));
	snprintf(key, 96, "%s/%s", class, addr);
	return true;
}

static struct tracked *
lockout_find(const char *key, bool make, uint64_t now)
{
	struct tracked	*t, *oldest = NULL;
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
	/* Not in memory: perhaps shut out before a restart. */
	st = db_query("SELECT until_ms FROM lockout WHERE key = ?", "t", key);
	i = 0;
	if (db_step(st)) {
		i = (size_t)sqlite3_column_int64(st, 0);
		db_step(st);
	}
	if (!make && i <= now)
		return NULL;
	if (ntracked < TRACKED_MAX) {
		if ((p = reallocarray(tracked, ntracked + 1,
		    sizeof(*tracked))) == NULL)
			return NULL;
		tracked = p;
		t = &tracked[ntracked++];
	} else
		t = oldest;
	memset(t, 0, sizeof(*t));
	strlcpy(t->key, key, sizeof(t->key));
	t->first_ms = now;
	t->until_ms = i;
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
	if (++t->failures < LOCK_FAILURES)
		return 0;
	t->until_ms = now + LOCK_TIME_MS;
	t->failures = 0;
	db_run("INSERT OR REPLACE INTO lockout VALUES (?, ?, ?, ?)", "tiii",
	    key, (int64_t)LOCK_FAILURES, (int64_t)now, (int64_t)t->until_ms);
	db_run("DELETE FROM lockout WHERE until_ms < ?", "i", (int64_t)now);
	return LOCK_TIME_MS / 1000;
}

void
lockout_passed(const struct m_auth_req *q, const char *class)
{
	char	 key[96];
	size_t	 i;

	if (!lockout_key(q, class, key))
		return;
	for (i = 0; i < ntracked; i++)
		if (strcmp(tracked[i].key, key) == 0) {
			tracked[i] = tracked[--ntracked];
			return;
		}
}

void
lockout_forget(void)
{
	free(tracked);
	tracked = NULL;
	ntracked = 0;
}
