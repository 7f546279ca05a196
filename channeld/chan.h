/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * channeld: one account of one chat platform.  The parts:
 *
 *	main.c		messages of the router, life of the process
 *	chan_conf.c	the account's configuration
 *	chan_db.c	journal, cursors, allow list and outbox in SQLite
 *	chan_in.c	journal -> gate -> router, one event per chat at a time
 *	chan_out.c	deliveries -> pieces -> platform, with their states
 *	chan_typing.c	"typing..." for as long as the router wants it
 *	chan_state.c	what the outside is told of this account
 *	<platform>*.c	the platform's protocol (struct channel_kind)
 *
 * Nothing is told to the platform as received before chan_db has committed it,
 * and nothing is sent before chan_db knows that it is about to be.  When the
 * disk refuses, receiving and sending stop until it takes writes again.
 */
#ifndef CHANNELD_CHAN_H
#define CHANNELD_CHAN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "channeld/chan_event.h"
#include "channeld/markdown.h"
#include "common/http_client.h"
#include "common/secret.h"
#include "common/worker.h"

struct chan_conf;
struct chan_send;

/* What a probe found out, as clients see it; borrowed. */
typedef void chan_probe_cb(json_t *result, void *arg);

/* One row of channels.def. */
struct channel_kind {
	const char	*name;
	const char	*id_line;
	size_t		 text_default, text_max;
	enum markdown_unit unit;
	const struct markdown_renderer *rich;
	unsigned int	 keep;		/* finished events, outbox rows */
	/* The immutable id that an entry of allowFrom names; false when it
	 * names none (a user name, say). */
	bool		(*allow_id)(struct str, char *id, size_t);
	/* 0, or -1 with why.  Called before anything else of the module. */
	int		(*configure)(const struct chan_conf *, char *why,
			    size_t);
	/* A journalled event as it came: 0, or -1 when it cannot be read. */
	int		(*read)(struct str raw, struct chan_event *);
	void		(*start)(void);	/* receive; may be on already */
	void		(*stop)(void);	/* receive no more; may be off */
	/* Can this poll be sent?  0, or -1 with why. */
	int		(*poll_check)(struct str json, char *why, size_t);
	/* Sends one piece; chan_out_sent() is called for it once, later. */
	void		(*send)(struct chan_send *);
	void		(*typing)(const char *chat, const char *thread);
	/* Asks the platform who we are, for at most that long: 0 and done is
	 * called later, or -1. */
	int		(*probe)(uint32_t ms, chan_probe_cb *done, void *arg);
};
const struct channel_kind *channel_kind(const char *name);	/* or NULL */
#define CHANNEL(name, id_line, def, max, unit, rich, keep)		\
	bool name##_allow_id(struct str, char *, size_t);		\
	int name##_configure(const struct chan_conf *, char *, size_t);	\
	int name##_read(struct str, struct chan_event *);		\
	void name##_start(void);					\
	void name##_stop(void);						\
	int name##_poll_check(struct str, char *, size_t);		\
	void name##_send(struct chan_send *);				\
	void name##_typing(const char *, const char *);			\
	int name##_probe(uint32_t, chan_probe_cb *, void *);
#include "channeld/channels.def"
#undef CHANNEL

/* --- chan_conf.c ---------------------------------------------------------*/

enum reply_mode { REPLY_OFF, REPLY_FIRST, REPLY_ALL };

struct chan_conf {
	const struct channel_kind *kind;
	char		 account[65], label[129];
	char		 host[256];
	uint16_t	 port;
	bool		 tls;
	char		 prefix[257];		/* of the path; "" or "/x" */
	char		 ca_file[1024], state_dir[1024];
	enum dm_policy	 dm;
	bool		 any;			/* "*" in allowFrom */
	char		(*allow)[EVENT_ID_MAX + 1];
	size_t		 nallow;
	size_t		 text_limit;
	bool		 paragraphs;
	enum markdown_tables tables;
	enum reply_mode	 reply;
	bool		 no_preview;
	unsigned int	 poll_s;
};
/* Reads a parcel; the result is the caller's.  NULL with why. */
struct chan_conf *chan_conf_load(const struct parcel *, char *why, size_t);
void	 chan_conf_free(struct chan_conf *);
/* What may not change without a new process; NULL when nothing did. */
const char *chan_conf_fixed(const struct chan_conf *old,
	    const struct chan_conf *new);
/* The one in force. */
const struct chan_conf *chan_conf(void);
void	 chan_conf_use(struct chan_conf *);
const struct secret *chan_token(void);
int	 chan_token_set(struct str);

/* --- chan_db.c -----------------------------------------------------------*/

/* Every function that returns int: -1 means that the database refused; what
 * it said is in chan_db_error(), and the open transaction is gone. */
int	 chan_db_open(const char *dir);
void	 chan_db_close(void);
bool	 chan_db_is_open(void);
const char *chan_db_error(void);
int	 chan_db_begin(void);
int	 chan_db_commit(void);
void	 chan_db_rollback(void);	/* keeps the error text */
int	 chan_db_probe(void);		/* writes and commits something */

/* Named numbers and texts: cursors.  Absent: 0 and out untouched. */
int	 chan_db_cursor_get(const char *name, char *out, size_t size);
int	 chan_db_cursor_set(const char *name, const char *value);

/* *added: false when its id or key is known already. */
int	 chan_db_event_add(const struct chan_event *, struct str raw,
	    uint64_t now_ms, bool *added);
struct chan_row {
	int64_t		 seq;
	char		 id[EVENT_ID_MAX + 1];
	char		 chat[EVENT_ID_MAX + 1];
	struct dbuf	 raw;
};
/* Oldest unfinished event of each chat (or of one): calls fn until it returns
 * false.  The row is fn's to read only. */
int	 chan_db_event_heads(const char *chat, bool (*fn)(
	    const struct chan_row *, void *), void *arg);
/* reason NULL: delivered to an agent. */
int	 chan_db_event_done(int64_t seq, const char *reason);
int64_t	 chan_db_events_waiting(void);
/* Forgets finished rows that are old or too many. */
int	 chan_db_prune(uint64_t now_ms, unsigned int keep);

/* 1 or 0. */
int	 chan_db_allowed(const char *sender);
int	 chan_db_allow(enum allow_op, const char *sender, int64_t generation);
/* Removes all that no ADD of this generation named. */
int	 chan_db_allow_sweep(int64_t generation);

enum piece_state { PIECE_PLANNED, PIECE_SENDING, PIECE_SENT, PIECE_FAILED,
	PIECE_UNKNOWN };
#define OUT_WORKING	(-1)	/* chan_out_row.status: not finished */
struct chan_out_row {
	char		 id[129], chat[129], thread[129], reply_to[129];
	int		 status;	/* enum delivery_status or OUT_WORKING */
	int		 format;	/* enum text_format */
	unsigned int	 npieces, next;	/* first that is planned */
	char		 reason[257];
	struct dbuf	 remote_ids;	/* "1,2", of those sent */
};
/* 1 found, 0 not. */
int	 chan_db_out_get(const char *id, struct chan_out_row *);
int	 chan_db_out_add(const struct chan_out_row *, uint64_t now_ms);
int	 chan_db_piece_add(const char *id, unsigned int idx, struct str rich,
	    struct str plain);
int	 chan_db_piece_text(const char *id, unsigned int idx,
	    struct dbuf *rich, struct dbuf *plain);
int	 chan_db_piece_set(const char *id, unsigned int idx,
	    enum piece_state, const char *remote_id);
/* All unfinished ones in the order they came. */
int	 chan_db_out_each(void (*fn)(const struct chan_out_row *, void *),
	    void *arg);
/* Counts pieces by state into n[PIECE_UNKNOWN + 1]; remote ids too. */
int	 chan_db_out_sum(const char *id, unsigned int *n, struct dbuf *ids);
int	 chan_db_out_finish(const char *id, int status, const char *ids,
	    const char *reason, uint64_t now_ms);
/* What was being sent when the last process ended: may or may not be there.
 * *n: how many. */
int	 chan_db_out_crashed(unsigned int *n);

/* --- chan_in.c -----------------------------------------------------------*/

#define CHAN_BACKLOG	2000	/* unfinished events before polling pauses */

void	 chan_in_init(void);
/* New rows, a router, room in its link, a changed allow list: go on. */
void	 chan_in_pump(void);
void	 chan_in_router(struct link *);		/* NULL: gone */
void	 chan_in_ack(const struct m_ch_inbound_ack *);
void	 chan_in_paired(const struct m_ch_pair_res *);
void	 chan_in_allow(const struct m_ch_allow *);
/* For the platform module: takes a batch into the journal with its cursor in
 * one transaction.  -1: nothing was taken, do not acknowledge. */
struct chan_batch_item {
	struct chan_event	*ev;
	struct str		 raw;
};
int	 chan_in_batch(struct chan_batch_item *, size_t n, const char *cursor,
	    const char *value);
bool	 chan_in_full(void);

/* --- chan_out.c ----------------------------------------------------------*/

struct chan_send {
	const char	*chat, *thread, *reply_to;
	struct str	 text;
	bool		 rich;
	bool		 poll;		/* text is CH_DELIVER's JSON of one */
	bool		 no_preview;
	void		*owner;		/* of chan_out */
	void		*call;		/* of the platform module */
};
enum send_result {
	SEND_OK,		/* remote_id is set */
	SEND_LATER,		/* surely not sent; again after wait_ms */
	SEND_PLAIN,		/* surely not sent; again as plain text */
	SEND_NO_THREAD,		/* surely not sent; again without thread */
	SEND_FAILED,		/* this text, for good */
	SEND_GONE,		/* this chat, for good */
	SEND_UNKNOWN,		/* may or may not have arrived */
};
void	 chan_out_sent(struct chan_send *, enum send_result,
	    const char *remote_id, uint32_t wait_ms, const char *reason);

void	 chan_out_init(void);
void	 chan_out_load(void);		/* after chan_db_open */
void	 chan_out_pump(void);
void	 chan_out_router(struct link *);
void	 chan_out_deliver(const struct m_ch_deliver *, uint64_t corr);
/* Plain text of our own, inside the caller's transaction. */
int	 chan_out_notice(const char *id, const char *chat, const char *text);
void	 chan_out_notice_go(void);	/* after that has been committed */
unsigned int chan_out_depth(void);
bool	 chan_out_busy(void);		/* a piece is on its way */
void	 chan_out_drain(void);		/* send nothing more */

/* --- chan_typing.c -------------------------------------------------------*/

void	 chan_typing_init(void);
void	 chan_typing(const char *chat, const char *thread, bool on);
void	 chan_typing_stop(void);

/* --- chan_state.c --------------------------------------------------------*/

void	 chan_state_init(void);
void	 chan_state_router(struct link *);
void	 chan_state_set(enum ch_state, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
enum ch_state chan_state_get(void);
/* Something failed that is not a state: lastError. */
void	 chan_state_error(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2)));
void	 chan_state_retrying(unsigned int attempts);
void	 chan_state_inbound(void);
void	 chan_state_outbound(void);
void	 chan_state_bot(const char *id, const char *username);
/* The database refused a write while `what`: stops receiving and sending, and
 * tries from time to time whether it takes one again. */
void	 chan_state_disk(const char *what);
bool	 chan_state_disk_bad(void);
bool	 chan_draining(void);

/* Back-off: first, first * factor, ... up to max, each +-25 %. */
struct chan_backoff {
	uint32_t	 first_ms, max_ms;
	unsigned int	 factor_pct;
	unsigned int	 tries;
};
uint32_t chan_backoff_next(struct chan_backoff *);

struct http_connector *chan_connector(void);

#endif
