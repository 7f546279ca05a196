/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The shared secret changed: whoever came in by the old one goes.  That it did
 * is known from a salted hash on the disk, so that a store which died at that
 * moment, and a router which did, hear of it all the same.
 */
#include "common/compat.h"

#include <openssl/sha.h>

#include "common/log.h"
#include "gatewayd/store/store.h"

#define TOLD_MS		3600000		/* as long as device_sync looks back */

#define TAILSCALE	0x80		/* or who it is may do instead */

/* What somebody has to know to come in; a mode that asks for nothing is one
 * secret that everybody knows. */
static void
shared_hash(const unsigned char salt[32], unsigned char hash[32])
{
	unsigned char	 all[32 + 1 + SHA256_DIGEST_LENGTH];
	struct str	 s = { "", 0 };

	if (store_cfg.mode == AUTH_TOKEN)
		s = store_cfg.token;
	else if (store_cfg.mode == AUTH_PASSWORD)
		s = store_cfg.password;
	memcpy(all, salt, 32);
	all[32] = (unsigned char)((int)store_cfg.mode |
	    (store_cfg.tailscale ? TAILSCALE : 0));
	SHA256((const unsigned char *)s.p, s.n, all + 33);
	SHA256(all, sizeof(all), hash);
	explicit_bzero(all, sizeof(all));
}

/* Known without the disk too, as long as this process lives. */
static uint64_t	 changed_ms;

void
shared_tell(struct link *router, uint64_t now)
{
	struct m_st_revoked	 m;
	sqlite3_stmt		*st;

	memset(&m, 0, sizeof(m));
	m.before = changed_ms;
	st = db_query("SELECT changed_ms FROM secret", "");
	while (db_step(st))
		if ((uint64_t)sqlite3_column_int64(st, 0) > m.before)
			m.before = (uint64_t)sqlite3_column_int64(st, 0);
	if (m.before != 0 && m.before + TOLD_MS > now)
		send_st_revoked(router, &m, 0, 0);
}

bool
shared_changed(uint64_t now)
{
	static unsigned char	 mine[32], my_salt[32];
	static bool		 mine_known;
	unsigned char		 salt[32], hash[32];
	sqlite3_stmt		*st;
	bool			 known = false, same = false, changed;

	if (!mine_known)
		arc4random_buf(my_salt, sizeof(my_salt));
	shared_hash(my_salt, hash);
	changed = mine_known && memcmp(hash, mine, sizeof(hash)) != 0;
	memcpy(mine, hash, sizeof(mine));
	mine_known = true;
	st = db_query("SELECT salt, hash FROM secret", "");
	while (db_step(st))
		if (sqlite3_column_bytes(st, 0) == 32 &&
		    sqlite3_column_bytes(st, 1) == 32) {
			memcpy(salt, sqlite3_column_blob(st, 0), 32);
			shared_hash(salt, hash);
			known = true;
			same = memcmp(hash, sqlite3_column_blob(st, 1),
			    32) == 0;
		}
	if (!same) {
		changed = changed || known;
		arc4random_buf(salt, sizeof(salt));
		shared_hash(salt, hash);
		db_run("INSERT OR REPLACE INTO secret VALUES (1, ?, ?, ?)",
		    "hhi", salt, hash, changed ? (int64_t)now : (int64_t)0);
	}
	if (changed)
		changed_ms = now;
	return changed;
}
