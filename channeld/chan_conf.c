/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The account's settings, from its parcel.  What is missing or cannot be read
 * never opens anything.  The token goes into secret memory at the first
 * configuration and stays there; a new one needs a new process.
 */

#include "common/compat.h"

#include "channeld/chan.h"
#include "common/log.h"

#define ALLOW_MAX	10000
#define POLL_S		30	/* getUpdates waits that long for news */

static struct chan_conf	*current;
static struct secret	 token;

const struct chan_conf *
chan_conf(void)
{
	return current;
}

void
chan_conf_use(struct chan_conf *c)
{
	chan_conf_free(current);
	current = c;
}

void
chan_conf_free(struct chan_conf *c)
{
	if (c != NULL)
		free(c->allow);
	free(c);
}

const struct secret *
chan_token(void)
{
	return &token;
}

int
chan_token_set(struct str s)
{
	return secret_set(&token, s);
}

static int
conf_text(const struct parcel *pc, const char *key, char *buf, size_t size,
    const char *def)
{
	const char	*s = parcel_get(pc, "%s", key);

	return strlcpy(buf, s != NULL ? s : def, size) >= size ? -1 : 0;
}

/* allowFrom as ids; an entry that is none gives no right and is named. */
static int
conf_allow(struct chan_conf *c, const struct parcel *pc)
{
	char		 id[EVENT_ID_MAX + 1];
	struct str	 s;
	int		 i;

	for (i = 0; i < ALLOW_MAX; i++) {
		s = str_trim(parcel_get_str(pc, "allowFrom.%d", i));
		if (s.p == NULL)
			break;
	}
	if (i > 0 && (c->allow = calloc((size_t)i, sizeof(*c->allow))) == NULL)
		return -1;
	while (i-- > 0) {
		s = str_trim(parcel_get_str(pc, "allowFrom.%d", i));
		if (str_eqs(s, "*"))
			c->any = true;
		else if (c->kind->allow_id(s, id, sizeof(id)))
			(void)strlcpy(c->allow[c->nallow++], id, sizeof(id));
		else
			log_warnx("allowFrom: \"%.*s\" is no immutable id and "
			    "gives no right", (int)(s.n > 64 ? 64 : s.n), s.p);
	}
	return 0;
}

/* The optional settings, which come as the JSON that the user wrote. */
static void
conf_json(struct chan_conf *c, const struct parcel *pc)
{
	struct str	 text = parcel_get_str(pc, "json.config");
	const char	*s;
	json_t		*o;

	o = text.p == NULL ? NULL : json_loadb(text.p, text.n, 0, NULL);
	if ((s = json_string_value(json_object_get(o, "name"))) != NULL)
		(void)strlcpy(c->label, s, sizeof(c->label));
	if ((s = json_string_value(json_object_get(o, "chunkMode"))) != NULL)
		c->paragraphs = strcmp(s, "newline") == 0;
	s = json_string_value(json_object_get(json_object_get(o, "markdown"),
	    "tables"));
	if (s != NULL)
		c->tables = strcmp(s, "bullets") == 0 ? TABLES_BULLETS :
		    strcmp(s, "off") == 0 ? TABLES_OFF : TABLES_CODE;
	if ((s = json_string_value(json_object_get(o, "replyToMode"))) != NULL)
		c->reply = strcmp(s, "off") == 0 ? REPLY_OFF :
		    strcmp(s, "all") == 0 ? REPLY_ALL : REPLY_FIRST;
	c->no_preview = json_is_false(json_object_get(o, "linkPreview"));
	json_decref(o);
}

struct chan_conf *
chan_conf_load(const struct parcel *pc, char *why, size_t size)
{
	struct chan_conf	*c;
	const char		*s;
	int			 dm;

	if ((c = calloc(1, sizeof(*c))) == NULL) {
		(void)strlcpy(why, "out of memory", size);
		return NULL;
	}
	s = parcel_get(pc, "kind");
	if (s == NULL || (c->kind = channel_kind(s)) == NULL) {
		(void)snprintf(why, size, "unknown channel %s",
		    s == NULL ? "" : s);
		goto fail;
	}
	if (conf_text(pc, "account", c->account, sizeof(c->account), "") == -1
	    || conf_text(pc, "apiRoot.host", c->host, sizeof(c->host), "") == -1
	    || conf_text(pc, "apiRoot.prefix", c->prefix, sizeof(c->prefix),
	    "") == -1 || conf_text(pc, "ca.file", c->ca_file,
	    sizeof(c->ca_file), "") == -1 || conf_text(pc, "state.dir",
	    c->state_dir, sizeof(c->state_dir), "") == -1) {
		(void)strlcpy(why, "account, apiRoot, ca.file or state.dir is "
		    "too long", size);
		goto fail;
	}
	if (c->account[0] == '\0' || c->host[0] == '\0' ||
	    c->state_dir[0] == '\0') {
		(void)strlcpy(why, "account, apiRoot.host or state.dir is "
		    "missing", size);
		goto fail;
	}
	/* "/" and "/x/" are "" and "/x". */
	while (c->prefix[0] != '\0' && c->prefix[strlen(c->prefix) - 1] == '/')
		c->prefix[strlen(c->prefix) - 1] = '\0';
	c->tls = parcel_get_bool(pc, true, "apiRoot.tls");
	c->port = (uint16_t)parcel_get_num(pc, c->tls ? 443 : 80, 1, 65535,
	    "apiRoot.port");
	s = parcel_get(pc, "dmPolicy");
	if ((dm = dm_policy_parse(s != NULL ? s : "pairing")) == -1) {
		log_warnx("dmPolicy: \"%s\" is unknown, taken as allowlist",
		    s);
		dm = DM_ALLOWLIST;
	}
	c->dm = dm;
	c->reply = REPLY_FIRST;
	c->poll_s = (unsigned int)parcel_get_num(pc, POLL_S, 1, 50,
	    "poll.timeoutSeconds");
	c->text_limit = (size_t)parcel_get_num(pc,
	    (int64_t)c->kind->text_default, 64, (int64_t)c->kind->text_max,
	    "textLimit");
	conf_json(c, pc);
	if (conf_allow(c, pc) == -1) {
		(void)strlcpy(why, "out of memory", size);
		goto fail;
	}
	return c;
fail:
	chan_conf_free(c);
	return NULL;
}

const char *
chan_conf_fixed(const struct chan_conf *a, const struct chan_conf *b)
{
	if (a->kind != b->kind || strcmp(a->account, b->account) != 0)
		return "account";
	if (strcmp(a->host, b->host) != 0 || a->port != b->port ||
	    a->tls != b->tls || strcmp(a->prefix, b->prefix) != 0)
		return "apiRoot";
	if (strcmp(a->ca_file, b->ca_file) != 0)
		return "ca.file";
	if (strcmp(a->state_dir, b->state_dir) != 0)
		return "state.dir";
	return NULL;
}
