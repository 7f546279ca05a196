/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Who may write to an agent over a chat channel: codes for strangers, and the
 * list of those that were let in.  Codes are in no log. */
#include "common/compat.h"

#include "common/json_skim.h"
#include "common/json_write.h"
#include "common/log.h"
#include "gatewayd/store/store.h"

static void
pairing_code(char code[PAIR_CODE_LEN + 1])
{
	static const char	 abc[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
	size_t			 i;

	for (i = 0; i < PAIR_CODE_LEN; i++)
		code[i] = abc[arc4random_uniform(sizeof(abc) - 1)];
	code[i] = '\0';
}

void
pairing_request(struct link *router, const struct m_st_pair *q, uint64_t corr,
    uint64_t now)
{
	struct m_st_pair_res	 res;
	sqlite3_stmt		*st;
	char			 code[PAIR_CODE_LEN + 1] = "";
	int64_t			 pending = 0;

	memset(&res, 0, sizeof(res));
	res.channel = q->channel;
	res.account = q->account;
	res.sender = q->sender;
	db_run("DELETE FROM pairing WHERE created_ms < ?", "i",
	    (int64_t)now - PAIR_TTL_MS);
	st = db_query("SELECT code FROM pairing WHERE channel = ? AND "
	    "account = ? AND sender = ?", "sss", &q->channel, &q->account,
	    &q->sender);
	if (db_step(st)) {
		str_copy(db_text(st, 0), code, sizeof(code));
		while (db_step(st))
			;
		db_run("UPDATE pairing SET seen_ms = ? WHERE channel = ? AND "
		    "account = ? AND sender = ?", "isss", (int64_t)now,
		    &q->channel, &q->account, &q->sender);
	} else {
		st = db_query("SELECT count(*) FROM pairing WHERE channel = ? "
		    "AND account = ?", "ss", &q->channel, &q->account);
		if (db_step(st)) {
			pending = sqlite3_column_int64(st, 0);
			while (db_step(st))
				;
		}
		if (pending < PAIR_PENDING_MAX) {
			pairing_code(code);
			/* A code is promised only once it is on disk. */
			if (db_run("INSERT INTO pairing VALUES (?, ?, ?, ?, "
			    "?, ?, ?, ?)", "ssstiiss", &q->channel,
			    &q->account, &q->sender, code, (int64_t)now,
			    (int64_t)now, &q->sender_name,
			    &q->sender_username) == 0)
				res.created = 1;
			else
				code[0] = '\0';
		}
	}
	if (res.created)
		log_info("%s/%s: sender %s asks to be paired", q->channel.p,
		    q->account.p, q->sender.p);
	res.code = str_of(code);
	send_st_pair_res(router, &res, corr, MSG_F_REPLY);
	explicit_bzero(code, sizeof(code));
}

static int
pairing_tell(struct link *router, enum allow_op op, struct str channel,
    struct str account, struct str sender)
{
	struct m_st_allow	 m;

	memset(&m, 0, sizeof(m));
	m.op = (uint8_t)op;
	m.channel = channel;
	m.account = account;
	m.sender = sender;
	return send_st_allow(router, &m, 0, 0);
}

void
pairing_sync(struct link *router, struct str channel, struct str account)
{
	sqlite3_stmt	*st;
	bool		 whole = true;

	/* What cannot be read is not empty: the channel keeps what it has. */
	st = db_query("SELECT sender FROM allow WHERE channel = ? AND "
	    "account = ?", "ss", &channel, &account);
	if (st == NULL)
		return;
	db_failed();
	pairing_tell(router, ALLOW_RESET, channel, account,
	    (struct str){ "", 0 });
	while (db_step(st))
		whole &= pairing_tell(router, ALLOW_ADD, channel, account,
		    db_text(st, 0)) == 0;
	if (whole && !db_failed())
		pairing_tell(router, ALLOW_END, channel, account,
		    (struct str){ "", 0 });
}

void
pairing_list(struct link *router, struct str params, uint64_t corr,
    uint64_t now)
{
	struct dbuf	 b;
	struct jw	 w;
	sqlite3_stmt	*st;
	char		 channel[65], account[65], iso[25];

	store_param_text(params, "channel", channel, sizeof(channel));
	store_param_text(params, "accountId", account, sizeof(account));
	dbuf_init(&b, 1 << 20);
	jw_init(&w, &b);
	jw_obj(&w);
	if (channel[0] != '\0')
		jw_ks(&w, "channel", channel);
	jw_karr(&w, "requests");
	db_failed();
	st = db_query("SELECT channel, account, sender, code, created_ms, "
	    "seen_ms, name, username FROM pairing WHERE created_ms >= ?1 AND "
	    "(?2 = '' OR channel = ?2) AND (?3 = '' OR account = ?3) ORDER BY "
	    "created_ms", "itt", (int64_t)now - PAIR_TTL_MS, channel, account);
	while (db_step(st)) {
		jw_obj(&w);
		jw_kstr(&w, "id", db_text(st, 2));
		jw_kstr(&w, "code", db_text(st, 3));
		iso_time((uint64_t)sqlite3_column_int64(st, 4), iso);
		jw_ks(&w, "createdAt", iso);
		jw_kint(&w, "createdAtMs", sqlite3_column_int64(st, 4));
		iso_time((uint64_t)sqlite3_column_int64(st, 5), iso);
		jw_ks(&w, "lastSeenAt", iso);
		jw_kstr(&w, "channel", db_text(st, 0));
		jw_kstr(&w, "accountId", db_text(st, 1));
		jw_kobj(&w, "meta");
		jw_kstr_opt(&w, "name", db_text(st, 6));
		jw_kstr_opt(&w, "username", db_text(st, 7));
		jw_obj_end(&w);
		jw_obj_end(&w);
	}
	jw_arr_end(&w);
	jw_obj_end(&w);
	if (db_failed())
		store_refuse(router, corr, "UNAVAILABLE", "the gateway's store "
		    "cannot be read; see the log");
	else if (dbuf_err(&b))
		store_refuse(router, corr, "UNAVAILABLE", "out of memory");
	else
		store_answer(router, corr, (struct str){ b.p, b.n });
	dbuf_clear(&b);
}

/* Wrong codes are counted per process: an hour's worth of guesses is far from
 * the 32^8 that there are. */
static bool
pairing_guessing(uint64_t now, bool wrong)
{
	static uint64_t		 since;
	static unsigned int	 count;

	if (now - since > PAIR_TTL_MS) {
		since = now;
		count = 0;
	}
	if (wrong)
		count++;
	return count >= PAIR_WRONG_MAX;
}

void
pairing_approve(struct link *router, struct str params, uint64_t corr,
    uint64_t now)
{
	struct dbuf	 b;
	struct jw	 w;
	struct skim_val	 notify;
	sqlite3_stmt	*st;
	char		 channel[65], account[65], code[65], text[256];
	char		 ch[65] = "", acc[65] = "", sender[129] = "";
	size_t		 i;

	store_param_text(params, "channel", channel, sizeof(channel));
	store_param_text(params, "accountId", account, sizeof(account));
	store_param_text(params, "code", code, sizeof(code));
	for (i = 0; code[i] != '\0'; i++)
		code[i] = (char)ascii_toupper((unsigned char)code[i]);
	if (pairing_guessing(now, false)) {
		store_refuse(router, corr, "INVALID_REQUEST", "too many wrong "
		    "pairing codes; try again in an hour");
		return;
	}
	/* Every row is compared, each in constant time (T08). */
	st = db_query("SELECT channel, account, sender, code FROM pairing "
	    "WHERE created_ms >= ?1 AND (?2 = '' OR channel = ?2) AND "
	    "(?3 = '' OR account = ?3)", "itt", (int64_t)now - PAIR_TTL_MS,
	    channel, account);
	while (db_step(st)) {
		struct str	 c = db_text(st, 3);

		if (c.n == PAIR_CODE_LEN && strlen(code) == PAIR_CODE_LEN &&
		    timingsafe_memcmp(c.p, code, PAIR_CODE_LEN) == 0) {
			str_copy(db_text(st, 0), ch, sizeof(ch));
			str_copy(db_text(st, 1), acc, sizeof(acc));
			str_copy(db_text(st, 2), sender, sizeof(sender));
		}
	}
	if (sender[0] == '\0') {
		pairing_guessing(now, true);
		snprintf(text, sizeof(text), "No pending pairing request found "
		    "for code: %.32s", code);
		store_refuse(router, corr, "INVALID_REQUEST", text);
		return;
	}
	if (db_run("INSERT OR IGNORE INTO allow VALUES (?, ?, ?, ?)", "ttti",
	    ch, acc, sender, (int64_t)now) == -1) {
		store_refuse(router, corr, "UNAVAILABLE", "the gateway's store "
		    "cannot be written; see the log");
		return;
	}
	db_run("DELETE FROM pairing WHERE channel = ? AND account = ? AND "
	    "sender = ?", "ttt", ch, acc, sender);
	log_info("%s/%s: sender %s approved", ch, acc, sender);
	pairing_tell(router, store_param(params, "notify", &notify) &&
	    notify.kind == SKIM_BOOL && notify.p[0] == 't' ? ALLOW_WELCOME :
	    ALLOW_ADD, str_of(ch), str_of(acc), str_of(sender));
	dbuf_init(&b, 4096);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "channel", ch);
	jw_ks(&w, "accountId", acc);
	jw_ks(&w, "id", sender);
	jw_obj_end(&w);
	store_answer(router, corr, (struct str){ b.p, b.n });
	dbuf_clear(&b);
}
