/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Turns that were here before: duplicates of what a client or a channel offers
 * again, and ends that are told again because whoever was to hear them, or this
 * process, died.
 */
#include "common/compat.h"

#include "agentd/agentd.h"
#include "agentd/json_load.h"
#include "common/log.h"

struct dup {
	enum turn_state	 state;
	char		*run_id, *raw_key, *summary, *result;
	int		 status;
	uint64_t	 accepted_at, started_at, ended_at;
};

static void
note_dup(const struct sessdb_turn *t, void *arg)
{
	struct dup	*d = arg;

	d->state = t->state;
	d->run_id = xstrdup(t->run_id);
	d->raw_key = xstrdup(t->raw_key);
	d->summary = xstrdup(t->summary);
	d->result = xstrdup(t->result);
	d->status = t->status;
	d->accepted_at = t->accepted_at;
	d->started_at = t->started_at;
	d->ended_at = t->ended_at;
}

static void
dup_free(struct dup *d)
{
	free(d->run_id);
	free(d->raw_key);
	free(d->summary);
	free(d->result);
}

/* The end of a turn that was told before, or should have been. */
static void
tell_end(struct link *l, struct str run_id, const struct dup *d)
{
	struct m_ag_run_end	 end;

	memset(&end, 0, sizeof(end));
	end.run_id = run_id;
	end.status = (uint8_t)d->status;
	end.started_at = d->started_at;
	end.ended_at = d->ended_at;
	end.summary = str_of(d->status == RUN_OK ? "completed" :
	    d->status == RUN_ABORTED ? "aborted" : d->summary);
	end.summary.n = utf8_cut(end.summary.p, end.summary.n, 4096);
	end.result = str_of(d->result[0] != '\0' ? d->result : "{}");
	send_ag_run_end(l, &end, 0, 0);
}

int
turn_seen(struct link *l, uint64_t corr, const struct m_ag_turn *in)
{
	struct dup		 d;
	struct turn		*t;
	int			 r;

	if ((t = journal_find_accepting(in->dedupe_key.p)) != NULL) {
		/* Not on the disk yet, so nothing may be promised: whoever
		 * asked last gets the answer that is due (the first was the
		 * router's before it ended, or has given up). */
		t->corr = corr;
		t->asker = link_endpoint(l);
		t->ack_due = true;
		return 1;
	}
	memset(&d, 0, sizeof(d));
	if ((r = sessdb_find_dedupe(db, in->dedupe_key.p, note_dup, &d)) != 1)
		return r;
	if (d.state == TURN_ST_DONE && run_find(d.run_id) != NULL)
		d.state = TURN_ST_RUNNING;	/* its end is not safe yet */
	turn_ack(l, corr, in->run_id.p, TURN_DUPLICATE, d.accepted_at,
	    d.state == TURN_ST_DONE ? "done" : "running", "");
	if (d.state == TURN_ST_DONE && in->source != TURN_CHANNEL)
		tell_end(l, in->run_id, &d);
	dup_free(&d);
	return 1;
}

/* The last text of a result as run.c's result_text() writes it. */
static char *
result_last_text(const char *result)
{
	json_t		*root, *payload, *found = NULL;
	const char	*text;
	size_t		 i;
	char		*p;

	root = json_loads(result, 0, NULL);
	json_array_foreach(json_object_get(root, "payloads"), i, payload)
		if (json_object_get(payload, "text") != NULL)
			found = payload;
	text = json_text(found, "text", "");
	p = xstrdup(text);
	json_decref(root);
	return p;
}

/*
 * A router that outlived the process before this one asks about a run: its end
 * may be on the disk and yet have been told to nobody.
 */
enum msg_err
turn_asked(struct link *l, struct msg *m)
{
	struct m_ag_run_ask	 v;
	struct m_ag_run_end	 end;
	struct dup		 d;
	struct turn		 t;
	struct run		 run;
	enum msg_err		 err;
	int			 r;

	if ((err = get_ag_run_ask(m, &v)) != MSG_OK)
		return err;
	memset(&d, 0, sizeof(d));
	if (journal_find_accepting(v.dedupe_key.p) != NULL ||
	    run_find(v.run_id.p) != NULL ||
	    turn_find_queued(v.run_id.p) != NULL)
		return MSG_OK;		/* its end comes by itself */
	if (db == NULL || (r = sessdb_find_dedupe(db, v.dedupe_key.p, note_dup,
	    &d)) == -1)
		return MSG_OK;		/* whoever waits asks again */
	if (r == 0) {
		memset(&end, 0, sizeof(end));
		end.run_id = v.run_id;
		end.status = RUN_ERROR;
		end.summary = STR_LIT("the agent knows nothing of this run");
		end.result = STR_LIT("{}");
		send_ag_run_end(l, &end, 0, 0);
		return MSG_OK;
	}
	if (d.state == TURN_ST_DONE) {
		log_info("run %s: its end is told after the restart",
		    v.run_id.p);
		if (!v.chat_told) {
			memset(&t, 0, sizeof(t));
			memset(&run, 0, sizeof(run));
			t.row.run_id = d.run_id;
			t.row.raw_key = d.raw_key;
			run.turn = &t;
			run.status = (enum run_status)d.status;
			run.last_text = result_last_text(d.result);
			run.failure = d.summary;
			event_chat_end(&run);
			free(run.last_text);
		}
		tell_end(l, v.run_id, &d);
	}
	dup_free(&d);
	return MSG_OK;
}
