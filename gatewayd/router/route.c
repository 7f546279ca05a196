/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See route.h.  Peer ids come from chat platforms: any UTF-8 text. */
#include "common/compat.h"

#include "common/dbuf.h"
#include "gatewayd/router/route.h"

static bool
account_matches(const struct route_binding *b, struct str account)
{
	if (b->account[0] == '\0')
		return str_eqs(account, "default");
	return strcmp(b->account, "*") == 0 || str_eqs(account, b->account);
}

static enum route_peer_kind
peer_kind(enum chat_type type)
{
	switch (type) {
	case CHAT_GROUP:
		return PEER_GROUP;
	case CHAT_CHANNEL:
		return PEER_CHANNEL;
	case CHAT_DIRECT:
	case CHAT_TYPE_MAX:
		break;
	}
	return PEER_DM;
}

static bool
peer_equal(struct str id, const char *wanted)
{
	return str_ieqs(id, wanted);
}

/* "<chat>:topic:<thread>": a topic is a peer of its own; its group is asked
 * second. */
static bool
peer_topic_equal(const struct route_from *f, const char *wanted)
{
	char	 buf[300];
	int	 n;

	if (f->thread.n == 0)
		return false;
	n = snprintf(buf, sizeof(buf), "%.*s:topic:%.*s", (int)f->chat.n,
	    f->chat.p, (int)f->thread.n, f->thread.p);
	return n > 0 && (size_t)n < sizeof(buf) &&
	    peer_equal((struct str){ buf, (size_t)n }, wanted);
}

static const struct route_binding *
binding_find(const struct route_table *t, const struct route_from *f,
    const char **by)
{
	const struct route_binding	*b, *hit[4] = { NULL };
	static const char *const	 names[] = { "binding.peer",
	    "binding.peer", "binding.account", "binding.channel" };
	size_t				 i, step;
	bool				 star;

	for (i = 0; i < t->nbindings; i++) {
		b = &t->bindings[i];
		if (!str_ieqs(f->channel, b->channel) ||
		    !account_matches(b, f->account))
			continue;
		star = strcmp(b->account, "*") == 0;
		if (b->peer_kind != PEER_ANY) {
			if (b->peer_kind != peer_kind(f->type))
				continue;
			if (peer_topic_equal(f, b->peer))
				step = 0;
			else if (peer_equal(f->chat, b->peer))
				step = 1;
			else
				continue;
		} else
			step = star ? 3 : 2;
		if (hit[step] == NULL)
			hit[step] = b;
	}
	for (step = 0; step < 4; step++)
		if (hit[step] != NULL) {
			*by = names[step];
			return hit[step];
		}
	return NULL;
}

const char *
route_agent(const struct route_table *t, const struct route_from *f,
    const char **by)
{
	const struct route_binding	*b;
	const char			*dummy;

	if (by == NULL)
		by = &dummy;
	if ((b = binding_find(t, f, by)) == NULL) {
		*by = "default";
		return t->default_agent;
	}
	if (t->known != NULL && !t->known(str_of(b->agent)))
		return t->default_agent;
	return b->agent;
}

static void
put_lower(struct dbuf *b, struct str s)
{
	size_t	 i;

	for (i = 0; i < s.n; i++)
		dbuf_putc(b, (char)ascii_tolower((unsigned char)s.p[i]));
}

/* The canonical name of a peer, when the owner linked it to one. */
static struct str
identity_of(const struct route_table *t, const struct route_from *f,
    struct str peer)
{
	char	 buf[300];
	size_t	 i;
	int	 n;

	n = snprintf(buf, sizeof(buf), "%.*s:%.*s", (int)f->channel.n,
	    f->channel.p, (int)peer.n, peer.p);
	for (i = 0; i < t->nidentities; i++) {
		if (str_ieqs(peer, t->identities[i].peer) ||
		    (n > 0 && (size_t)n < sizeof(buf) && str_ieqs(
		    (struct str){ buf, (size_t)n }, t->identities[i].peer)))
			return str_of(t->identities[i].name);
	}
	return peer;
}

int
route_key(const struct route_table *t, const struct route_from *f,
    const char *agent, char *key, size_t size)
{
	struct dbuf	 b;
	struct str	 peer;
	int		 r;

	dbuf_init(&b, size - 1);
	if (t->scope_global) {
		dbuf_puts(&b, "global");
		goto done;
	}
	dbuf_puts(&b, "agent:");
	put_lower(&b, str_of(agent));
	dbuf_putc(&b, ':');
	if (f->type == CHAT_GROUP || f->type == CHAT_CHANNEL) {
		put_lower(&b, f->channel);
		dbuf_puts(&b, f->type == CHAT_GROUP ? ":group:" : ":channel:");
		put_lower(&b, f->chat);
		if (f->thread.n > 0) {
			dbuf_puts(&b, f->type == CHAT_GROUP ? ":topic:" :
			    ":thread:");
			put_lower(&b, f->thread);
		}
		goto done;
	}
	if (t->dm_scope == DM_MAIN) {
		dbuf_puts(&b, "main");
	} else {
		peer = identity_of(t, f, f->chat);
		if (t->dm_scope != DM_PEER) {
			put_lower(&b, f->channel);
			dbuf_putc(&b, ':');
		}
		if (t->dm_scope == DM_ACCOUNT_PEER) {
			put_lower(&b, f->account);
			dbuf_putc(&b, ':');
		}
		dbuf_puts(&b, "dm:");
		put_lower(&b, peer);
	}
	if (f->thread.n > 0) {
		dbuf_puts(&b, ":thread:");
		put_lower(&b, f->thread);
	}
done:
	r = dbuf_err(&b) ? -1 : 0;
	if (r == 0)
		memcpy(key, dbuf_str(&b), b.n + 1);
	dbuf_clear(&b);
	return r;
}

bool
route_may_deliver(const struct route_table *t, const char *agent,
    struct str channel, struct str account)
{
	const struct route_binding	*b;
	const char			*to;
	size_t				 i;

	if (strcmp(agent, t->default_agent) == 0)
		return true;
	for (i = 0; i < t->nbindings; i++) {
		b = &t->bindings[i];
		to = t->known != NULL && !t->known(str_of(b->agent)) ?
		    t->default_agent : b->agent;
		if (strcmp(to, agent) == 0 && str_ieqs(channel, b->channel) &&
		    account_matches(b, account))
			return true;
	}
	return false;
}

struct str
route_key_agent(struct str key)
{
	struct str	 none = { "", 0 }, rest;
	const char	*colon;

	if (key.n < 6 || ascii_ncasecmp(key.p, "agent:", 6) != 0)
		return none;
	rest = (struct str){ key.p + 6, key.n - 6 };
	if ((colon = memchr(rest.p, ':', rest.n)) == NULL || colon == rest.p ||
	    colon + 1 == rest.p + rest.n)
		return none;
	return (struct str){ rest.p, (size_t)(colon - rest.p) };
}

int
route_dm_scope_parse(const char *s, enum route_dm_scope *out)
{
	static const char *const names[] = { "main", "per-peer",
	    "per-channel-peer", "per-account-channel-peer" };
	unsigned int	 i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(s, names[i]) == 0) {
			*out = (enum route_dm_scope)i;
			return 0;
		}
	return -1;
}

/* They are const to the rest of the world. */
static void
text_free(const char *s)
{
	free((void *)(uintptr_t)s);
}

void
route_table_clear(struct route_table *t)
{
	size_t	 i;

	for (i = 0; i < t->nbindings; i++) {
		text_free(t->bindings[i].agent);
		text_free(t->bindings[i].channel);
		text_free(t->bindings[i].account);
		text_free(t->bindings[i].peer);
	}
	for (i = 0; i < t->nidentities; i++) {
		text_free(t->identities[i].name);
		text_free(t->identities[i].peer);
	}
	free(t->bindings);
	free(t->identities);
	memset(t, 0, sizeof(*t));
}
