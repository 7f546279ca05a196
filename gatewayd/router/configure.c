/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * config.*: what the file says is answered from what the parcel or the
 * supervisor brought; a change goes to the supervisor as it came.  No text of
 * a configuration is parsed here, and none with a secret in it comes here
 * except from the client who sends one.
 */
#include "common/compat.h"

#include <unistd.h>

#include "common/log.h"
#include "common/memfd.h"
#include "gatewayd/config/schema.h"
#include "gatewayd/router/router.h"

#define WRITE_MS	120000	/* others may be before it */
#define PARAMS_MAX	(8u << 20)
#define ANSWER_MAX	RT_MAX_PAYLOAD
#define SCHEMA_MAX	(4u << 20)

void
rt_do_config_get(struct request *r)
{
	if (rt.cf->file != NULL)
		rt_answer_raw(r->client, r->id, rt.cf->file->p,
		    rt.cf->file->n);
	else
		rt_answer_raw(r->client, r->id, rt.cf->json_config.p,
		    rt.cf->json_config.n);
}

/* It is the same for as long as this program is. */
void
rt_do_config_schema(struct request *r)
{
	static struct payload	*schema;
	struct dbuf		 b;

	if (schema == NULL) {
		dbuf_init(&b, SCHEMA_MAX);
		if (schema_write(&b, wall_ms()) == 0)
			schema = rt_payload_of(b.p, b.n);
		dbuf_clear(&b);
	}
	if (schema == NULL)
		rt_answer_error(r->client, r->id, "UNAVAILABLE",
		    "out of memory");
	else
		rt_answer_raw(r->client, r->id, schema->p, schema->n);
}

static void
put(struct request *r, enum cf_verb verb, struct str params)
{
	struct m_sup_config_put	 q;
	struct pending		*p = NULL;
	int			 fd = -1;

	memset(&q, 0, sizeof(q));
	q.verb = (uint8_t)verb;
	if (params.n > PARAMS_MAX) {
		rt_answer_error(r->client, r->id, "INVALID_REQUEST",
		    "the configuration would be too large");
		return;
	}
	if (rt.ctl == NULL || (fd = memfd_sealed("config", params.p,
	    params.n)) == -1 || (p = rt_pending_new(PEND_SUP, rt.ctl,
	    r->client, r->id, WRITE_MS)) == NULL) {
		if (fd != -1)
			close(fd);
		rt_answer_error(r->client, r->id, "UNAVAILABLE",
		    "too many requests; try again");
		return;
	}
	p->method = r->method;
	dbuf_init(&p->rows, 0);
	if (link_send_fds(rt.ctl, MSG_SUP_CONFIG_PUT, &q, p->corr, 0, &fd,
	    1) == -1) {
		rt_pending_free(p);
		rt_answer_error(r->client, r->id, "UNAVAILABLE",
		    "the supervisor does not answer");
	}
}

void
rt_do_config_write(struct request *r)
{
	put(r, r->method->id == METHOD_CONFIG_SET ? CF_SET :
	    r->method->id == METHOD_CONFIG_APPLY ? CF_APPLY :
	    r->method->id == METHOD_CONFIG_PATCH ? CF_PATCH : CF_EDIT,
	    (struct str){ r->params.p, r->params.n });
}

/* The token goes out of the file; the reload that follows ends the channel. */
void
rt_do_channels_logout(struct request *r)
{
	const struct p_CHANNELS_LOGOUT *v = &r->p.CHANNELS_LOGOUT;
	const struct rt_account	*a;
	struct str		 kind, account;
	struct dbuf		 b;
	struct jw		 w;
	char			 buf[2][128], name[128], text[192];
	size_t			 i;

	if (rt_text_of(&v->channel, buf[0], sizeof(buf[0])) == -1)
		buf[0][0] = '\0';
	kind = str_trim(str_of(buf[0]));
	if (str_copy(kind, name, sizeof(name)) == -1)
		name[0] = '\0';
	for (i = 0; name[i] != '\0'; i++)
		name[i] = (char)ascii_tolower((unsigned char)name[i]);
	if (!rt_known_channel(name) || strcmp(name, "last") == 0) {
		rt_answer_error(r->client, r->id, "INVALID_REQUEST",
		    "invalid channels.logout channel");
		return;
	}
	if (strcmp(name, "telegram") != 0) {
		snprintf(text, sizeof(text), "channel %s does not support "
		    "logout", name);
		rt_answer_error(r->client, r->id, "INVALID_REQUEST", text);
		return;
	}
	if (rt_text_of(&v->accountId, buf[1], sizeof(buf[1])) == -1) {
		rt_answer_error(r->client, r->id, "INVALID_REQUEST", "invalid "
		    "channels.logout params: at /accountId: must NOT have "
		    "more than 127 bytes");
		return;
	}
	account = str_trim(str_of(buf[1]));
	if (account.n == 0) {
		account = STR_LIT("default");
		a = rt_account_find(str_of(name), account);
		for (i = 0; a == NULL && i < rt.cf->naccounts; i++)
			if (strcmp(rt.cf->accounts[i].kind, name) == 0)
				a = &rt.cf->accounts[i];
		if (a != NULL)
			account = str_of(a->account);
	}
	dbuf_init(&b, 4096);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "channel", name);
	jw_kstr(&w, "accountId", account);
	jw_obj_end(&w);
	put(r, CF_LOGOUT, (struct str){ dbuf_str(&b), b.n });
	dbuf_clear(&b);
}

void
rt_do_skills_update(struct request *r)
{
	put(r, CF_SKILL, (struct str){ r->params.p, r->params.n });
}

/* A sealed text, checked to be JSON; NULL otherwise. */
static struct payload *
take_json(struct msg *m)
{
	struct payload	*p = NULL;
	struct skim_val	 v;
	const void	*text;
	size_t		 n;
	int		 fd;

	if (m->nfds != 1)
		return NULL;
	fd = msg_take_fd(m, 0);
	if (memfd_map(fd, ANSWER_MAX, &text, &n) == 0) {
		if (n > 0 && skim_text(text, n, &v) == SKIM_OK)
			p = rt_payload_of(v.p, v.n);
		memfd_unmap(text, n);
	}
	close(fd);
	return p;
}

/* {code, message, details?} of the reader as an error of ours. */
static void
answer_refusal(struct client *c, struct str id, const struct payload *p)
{
	struct skim_val	 root = { p->p, p->n, SKIM_OBJECT, false }, v;
	struct str	 none = { "", 0 };
	struct dbuf	*b;

	if (!skim_get(&root, "code", &v) || v.kind != SKIM_STRING) {
		rt_answer_error_full(c, id, none, STR_LIT("UNAVAILABLE"),
		    STR_LIT("refused"), none);
		return;
	}
	b = rt_client_begin(c);
	dbuf_put(b, "{\"type\":\"res\",\"id\":", 19);
	dbuf_put(b, id.p, id.n);
	dbuf_puts(b, ",\"ok\":false,\"error\":");
	dbuf_put(b, p->p, p->n);
	dbuf_putc(b, '}');
	rt_client_end(c);
}

static int
ask_reload(struct link *l, uint64_t corr)
{
	struct m_sup_req	 q;

	memset(&q, 0, sizeof(q));
	q.verb = SUP_RELOAD;
	q.arg = STR_LIT("");
	return send_sup_req(l, &q, corr, 0);
}

/* Whoever changed a skill asks at once what it is now: the answer waits until
 * it is in force (rt_sup_written()). */
static bool
await_reload(struct link *l, struct pending *p, const struct payload *text)
{
	dbuf_reset(&p->rows);
	p->rows.max = ANSWER_MAX;
	return dbuf_put(&p->rows, text->p, text->n) == 0 &&
	    ask_reload(l, p->corr) == 0;
}

void
rt_sup_written(struct pending *p, bool ok, struct str why)
{
	struct client	*c = rt_client_find(p->client);

	if (!ok)
		log_warnx("%s: written, but not in force: %.*s",
		    p->method->name, (int)why.n, why.p);
	if (c != NULL)
		rt_answer_raw(c, (struct str){ p->id, p->id_n }, p->rows.p,
		    p->rows.n);
}

enum msg_err
rt_on_sup_config_res(struct link *l, struct msg *m)
{
	struct m_sup_config_res	 v;
	struct pending		*p;
	struct payload		*text;
	struct client		*c;
	struct str		 id, none = { "", 0 };
	enum msg_err		 err;

	if ((err = get_sup_config_res(m, &v)) != MSG_OK)
		return err;
	if ((p = rt_pending_find(m->h.corr, PEND_SUP, l)) == NULL)
		return MSG_OK;
	if ((c = rt_client_find(p->client)) != NULL) {
		id = (struct str){ p->id, p->id_n };
		text = take_json(m);
		if (text != NULL && v.ok &&
		    p->method->id == METHOD_SKILLS_UPDATE &&
		    await_reload(l, p, text)) {
			rt_payload_unref(text);
			return MSG_OK;
		}
		if (text != NULL && v.ok)
			rt_answer_raw(c, id, text->p, text->n);
		else if (text != NULL)
			answer_refusal(c, id, text);
		else
			rt_answer_error_full(c, id, none,
			    STR_LIT("UNAVAILABLE"), v.text.n > 0 ? v.text : STR_LIT("the answer is "
			    "too large to be shown"), none);
		rt_payload_unref(text);
	}
	/* Whoever logs out means now, also where changes of the file wait for
	 * somebody's word (gateway.reload.mode off). */
	if (v.ok && p->method->id == METHOD_CHANNELS_LOGOUT &&
	    ask_reload(l, link_corr()) == -1)
		log_warn("reload after channels.logout");
	rt_pending_free(p);
	return MSG_OK;
}

enum msg_err
rt_on_sup_snapshot(struct msg *m)
{
	struct m_sup_snapshot	 v;
	struct payload		*text;
	enum msg_err		 err;

	if ((err = get_sup_snapshot(m, &v)) != MSG_OK)
		return err;
	if ((text = take_json(m)) == NULL)
		return MSG_MEANING;
	rt_payload_unref(rt.cf->file);
	rt.cf->file = text;
	return MSG_OK;
}
