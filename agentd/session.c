/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Sessions in memory: a bounded cache over the index and the transcripts.
 * Whatever is running, waiting or not yet written stays; the rest goes, oldest
 * first, so that neither memory nor descriptors grow with their number.
 */
#include "common/compat.h"

#include <errno.h>

#include "agentd/agentd.h"
#include "agentd/json_load.h"
#include "common/log.h"

#define SESSION_BUCKETS		256
#define SESSION_CACHE		32	/* idle ones; each has a descriptor */
#define SESSION_CACHE_BYTES	(4u << 20)	/* as text; ten times as trees */
#define SESSION_CACHE_MS	(5ull * 60 * 1000)

LIST_HEAD(bucket, session);
static struct bucket		 buckets[SESSION_BUCKETS];
static struct session_list	 lru = TAILQ_HEAD_INITIALIZER(lru);

static struct bucket *bucket_of(const char *);
static void	 session_free(struct session *);
static void	 session_unload(struct session *);
static char	*indent_text(const json_t *);
static void	 row_write(struct session *, struct dbuf *);
static const char *display_name(struct session *, char *, size_t);

struct session *
session_find(const char *key)
{
	struct session	*s;

	LIST_FOREACH(s, bucket_of(key), hash)
		if (strcmp(s->key, key) == 0) {
			TAILQ_REMOVE(&lru, s, lru);
			TAILQ_INSERT_TAIL(&lru, s, lru);
			s->used_ms = mono_ms();
			return s;
		}
	return NULL;
}

struct session *
session_get(const char *key)
{
	struct session	*s;
	char		*text = NULL, uuid[37];
	int		 r = 0;

	if ((s = session_find(key)) != NULL)
		return s;
	if (db == NULL) {
		errno = EIO;
		return NULL;
	}
	if ((r = sessdb_get_entry(db, key, &text)) == -1)
		return NULL;
	if ((s = calloc(1, sizeof(*s))) == NULL) {
		free(text);
		return NULL;
	}
	strlcpy(s->key, key, sizeof(s->key));
	TAILQ_INIT(&s->turns);
	if (text != NULL)
		s->entry = json_load_bounded(text, strlen(text), 64);
	free(text);
	s->stored = r == 1;
	if (!json_is_object(s->entry)) {
		json_decref(s->entry);
		s->entry = json_object();
	}
	s->placed = s->stored;
	if (session_text(s, "sessionId", NULL) == NULL) {
		uuid_v4(uuid);
		session_set(s, "sessionId", json_string(uuid));
		s->placed = false;
	}
	LIST_INSERT_HEAD(bucket_of(key), s, hash);
	TAILQ_INSERT_TAIL(&lru, s, lru);
	s->used_ms = mono_ms();
	return s;
}

const char *
session_id(struct session *s)
{
	return session_text(s, "sessionId", "");
}

bool
session_wish(struct session *s, char *ref, size_t size)
{
	const char	*model = session_text(s, "modelOverride", NULL);
	const char	*provider = session_text(s, "providerOverride", NULL);
	int		 n;

	if (model == NULL)
		return false;
	/* Older stores may name the model alone. */
	if (provider == NULL)
		n = snprintf(ref, size, "%.*s/%s", (int)strcspn(
		    cfg->candidates[0], "/"), cfg->candidates[0], model);
	else
		n = snprintf(ref, size, "%s/%s", provider, model);
	return n > 0 && (size_t)n < size;
}

const char *
session_text(struct session *s, const char *field, const char *def)
{
	return json_text(s->entry, field, def);
}

void
session_set(struct session *s, const char *field, json_t *value)
{
	if (value == NULL || json_is_null(value)) {
		json_decref(value);
		json_object_del(s->entry, field);
	} else
		json_object_set_new(s->entry, field, value);
}

struct session *
session_first(void)
{
	return TAILQ_FIRST(&lru);
}

struct session *
session_next(struct session *s)
{
	return TAILQ_NEXT(s, lru);
}

struct session *
session_existing(const char *key)
{
	struct session	*s;
	char		*entry;

	if ((s = session_find(key)) != NULL)
		return s;
	if (db == NULL || sessdb_get_entry(db, key, &entry) != 1)
		return NULL;
	free(entry);
	return session_get(key);
}

struct transcript *
session_read(struct session *s)
{
	char	 name[256];

	session_file(s, name, sizeof(name));
	return transcript_open_read(sessions_fd, name);
}

int
session_load(struct session *s, size_t max_bytes)
{
	char		 name[256];
	json_t		*raw, *m, *c;
	bool		 moved;
	size_t		 i;

	if (s->transcript == NULL) {
		session_file(s, name, sizeof(name));
		s->transcript = transcript_open(sessions_fd, name,
		    session_id(s), cfg->workspace, wall_ms(), &moved);
		if (s->transcript == NULL)
			return -1;
		if (moved)
			log_warnx("session %s: transcript %s was no "
			    "transcript; kept as %s.corrupt-*", s->key, name,
			    name);
		tails_opened(s->transcript, name);
	}
	if (s->history != NULL)
		return 0;
	if ((raw = transcript_context(s->transcript, max_bytes,
	    &s->history_bytes)) == NULL)
		return -1;
	if ((s->history = json_array()) == NULL) {
		json_decref(raw);
		errno = ENOMEM;
		return -1;
	}
	json_array_foreach(raw, i, m)
		if ((c = history_convert(m)) != NULL)
			json_array_append_new(s->history, c);
	json_decref(raw);
	history_repair(s->history);
	s->media_bytes = 0;
	json_array_foreach(s->history, i, m)
		s->media_bytes += transcript_images(m);
	return 0;
}

void
session_forget_history(struct session *s)
{
	json_decref(s->history);
	s->history = NULL;
	s->history_bytes = s->media_bytes = 0;
	s->reload = false;
}

void
session_dirty(struct session *s, bool activity)
{
	if (activity)
		session_set(s, "updatedAt", json_integer((json_int_t)
		    wall_ms()));
	journal_session(s);
}

int
session_append(struct session *s, json_t *message, bool in_context,
    char id[9])
{
	json_t	*c;
	char	 own[9];
	int	 ret = -1;

	if (in_context && s->history != NULL &&
	    (c = history_convert(message)) != NULL) {
		s->history_bytes += transcript_weight(c);
		s->media_bytes += transcript_images(c);
		json_array_append_new(s->history, c);
	}
	if (id == NULL)
		id = own;
	id[0] = '\0';
	if (s->transcript == NULL)
		errno = EBADF;
	else if (json_array_size(s->unsaved) == 0)
		ret = transcript_append_message(s->transcript, message,
		    wall_ms(), id);
	else
		errno = EIO;	/* behind what waits already */
	if (ret == 0) {
		announce_message(s, message, id);
		return 0;
	}
	if (s->unsaved == NULL)
		s->unsaved = json_array();
	json_array_append(s->unsaved, message);
	return -1;
}

int
session_save(struct session *s)
{
	char	 id[9];

	while (json_array_size(s->unsaved) > 0) {
		if (s->transcript == NULL && session_load(s, 1u << 20) == -1)
			return -1;
		if (transcript_append_message(s->transcript,
		    json_array_get(s->unsaved, 0), wall_ms(), id) == -1)
			return -1;
		announce_message(s, json_array_get(s->unsaved, 0), id);
		json_array_remove(s->unsaved, 0);
	}
	if (s->transcript == NULL || !transcript_needs_sync(s->transcript))
		return 0;	/* its new lines go into the journal */
	return transcript_sync(s->transcript);
}

void
session_trim(struct session *s, size_t max_bytes)
{
	size_t	 n, drop, bytes;

	if (s->history == NULL || s->history_bytes <= max_bytes)
		return;
	/* Cut well below the limit, so that what is sent keeps its beginning
	 * (and a provider its cache) for some turns. */
	n = json_array_size(s->history);
	bytes = s->history_bytes;
	for (drop = 0; drop + 1 < n; drop++) {
		json_t *m = json_array_get(s->history, drop);

		if (bytes <= max_bytes / 4 * 3 &&
		    strcmp(json_text(m, "role", ""), "user") == 0)
			break;
		bytes -= transcript_weight(m);
	}
	/* The last question always stays. */
	while (drop > 0 && drop + 1 >= n && strcmp(json_text(
	    json_array_get(s->history, drop), "role", ""), "user") != 0)
		drop--;
	if (drop > 0) {
		json_t *kept = json_array();
		size_t	i;

		for (i = drop; i < n; i++)
			json_array_append(kept, json_array_get(s->history,
			    i));
		json_decref(s->history);
		s->history = kept;
		s->history_bytes = bytes;
	}
}

void
session_reset(struct session *s)
{
	static const char *const cleared[] = { "thinkingLevel",
	    "verboseLevel", "reasoningLevel", "ttsAuto", "responseUsage",
	    "modelOverride", "providerOverride", "sendPolicy", "queueMode",
	    "queueDebounceMs", "queueCap", "queueDrop", "memoryFlushAt",
	    "memoryFlushCompactionCount", "sessionFile", "abortedLastRun" };
	char	 uuid[37];
	size_t	 i;

	session_unload(s);
	for (i = 0; i < sizeof(cleared) / sizeof(cleared[0]); i++)
		json_object_del(s->entry, cleared[i]);
	uuid_v4(uuid);
	session_set(s, "sessionId", json_string(uuid));
	s->placed = false;
	session_set(s, "systemSent", json_false());
	session_set(s, "compactionCount", json_integer(0));
	session_dirty(s, true);
}

int
session_replace(struct session *s, json_t *entry)
{
	json_t	*old = s->entry;
	int	 saved;

	if (db == NULL) {
		errno = EIO;
		return -1;
	}
	s->entry = json_incref(entry);
	if (sessdb_begin(db) == 0 && session_put(s) == 0 &&
	    sessdb_commit(db) == 0) {
		json_decref(old);
		s->stored = s->placed = true;
		view_changed();
		return 0;
	}
	saved = errno;
	sessdb_rollback(db);
	json_decref(s->entry);
	s->entry = old;
	errno = saved;
	return -1;
}

void
session_close(struct session *s)
{
	session_unload(s);
	json_decref(s->unsaved);
	s->unsaved = NULL;
}

int
session_drop(struct session *s)
{
	char	 name[256];
	int	 saved;

	session_file(s, name, sizeof(name));
	session_close(s);
	if (sessdb_begin(db) == -1)
		return -1;
	if (sessdb_drop_session(db, s->key) == -1 ||
	    sessdb_drop_tail(db, name, INT64_MAX) == -1 ||
	    sessdb_commit(db) == -1) {
		saved = errno;
		sessdb_rollback(db);
		errno = saved;
		return -1;
	}
	journal_session_gone(s);
	turn_session_gone(s);
	session_free(s);
	view_changed();
	return 0;
}

bool
session_stale(struct session *s, const char *channel, enum chat_type type,
    uint64_t now_ms)
{
	json_t		*conf, *by_type = NULL, *reset, *v;
	const char	*mode, *kind;
	uint64_t	 updated, idle = 0;
	struct tm	 tm;
	time_t		 now = (time_t)(now_ms / 1000), edge;
	int		 hour = 4;

	updated = (uint64_t)json_integer_value(json_object_get(s->entry,
	    "updatedAt"));
	if (!s->stored || updated == 0)
		return false;
	conf = json_object_get(cfg->root, "session");
	kind = session_key_is_thread(str_of(s->key)) ? "thread" :
	    session_key_kind(str_of(s->key)) == SESSION_GROUP ||
	    type != CHAT_DIRECT ? "group" : "dm";
	reset = channel[0] == '\0' ? NULL : json_object_get(json_object_get(
	    conf, "resetByChannel"), channel);
	if (reset == NULL) {
		by_type = json_object_get(json_object_get(conf,
		    "resetByType"), kind);
		reset = json_object_get(conf, "reset");
	}
	mode = json_text(by_type, "mode", json_text(reset, "mode", NULL));
	v = json_object_get(by_type, "idleMinutes");
	if (v == NULL)
		v = json_object_get(reset, "idleMinutes");
	if (v == NULL)
		v = json_object_get(conf, "idleMinutes");
	if (json_is_integer(v) && json_integer_value(v) > 0 &&
	    json_integer_value(v) < 100 * 365 * 24 * 60)
		idle = (uint64_t)json_integer_value(v);
	if (mode == NULL)
		mode = idle > 0 && by_type == NULL && reset == NULL ? "idle" :
		    "daily";
	if (strcmp(mode, "idle") == 0 && idle == 0)
		idle = 60;
	if (idle > 0 && now_ms > updated + idle * 60000)
		return true;
	if (strcmp(mode, "daily") != 0)
		return false;
	v = json_object_get(by_type, "atHour");
	if (v == NULL)
		v = json_object_get(reset, "atHour");
	if (json_is_integer(v))
		hour = (int)json_integer_value(v);
	hour = hour < 0 ? 0 : hour > 23 ? 23 : hour;
	if (localtime_r(&now, &tm) == NULL)
		return false;
	tm.tm_hour = hour;
	tm.tm_min = tm.tm_sec = 0;
	tm.tm_isdst = -1;
	edge = mktime(&tm);
	if (edge > now) {
		tm.tm_mday--;
		tm.tm_hour = hour;
		tm.tm_min = tm.tm_sec = 0;
		tm.tm_isdst = -1;
		edge = mktime(&tm);
	}
	return edge != (time_t)-1 && updated < (uint64_t)edge * 1000;
}

int
session_put(struct session *s)
{
	struct sessdb_session	 v;
	struct dbuf		 row, search;
	char			 name[SESSION_KEY_MAX + 300], *entry;
	size_t			 i;
	int			 ret = -1, saved;

	dbuf_init(&row, 1u << 20);
	dbuf_init(&search, 65536);
	entry = indent_text(s->entry);
	row_write(s, &row);
	dbuf_printf(&search, "%s\n%s\n%s\n%s\n%s", s->key, session_id(s),
	    display_name(s, name, sizeof(name)), session_text(s, "label", ""),
	    session_text(s, "subject", ""));
	if (entry == NULL || dbuf_err(&row) || dbuf_err(&search)) {
		errno = ENOMEM;
		goto out;
	}
	for (i = 0; i < search.n; i++)
		search.p[i] = (char)ascii_tolower((unsigned char)search.p[i]);
	memset(&v, 0, sizeof(v));
	v.key = s->key;
	v.session_id = session_id(s);
	v.label = session_text(s, "label", NULL);
	v.spawned_by = session_text(s, "spawnedBy", NULL);
	v.search = dbuf_str(&search);
	v.updated_at = (uint64_t)json_integer_value(json_object_get(s->entry,
	    "updatedAt"));
	v.entry = entry;
	v.row = dbuf_str(&row);
	ret = sessdb_put_session(db, &v);
out:
	saved = errno;
	free(entry);
	dbuf_clear(&row);
	dbuf_clear(&search);
	errno = saved;
	return ret;
}

int
session_each(const struct sessdb_filter *f, sessdb_session_fn *fn, void *arg)
{
	/* What cannot be written is told as it was. */
	(void)journal_sessions();
	return sessdb_each_session(db, f, fn, arg);
}

void
session_shrink(void)
{
	struct session	*s, *next;
	uint64_t	 now = mono_ms();
	size_t		 bytes = 0, idle = 0;

	/* Newest first: those within the limits stay. */
	for (s = TAILQ_LAST(&lru, session_list); s != NULL; s = next) {
		next = TAILQ_PREV(s, session_list, lru);
		bytes += s->history_bytes + s->media_bytes;
		if (s->run != NULL || s->dirty || s->pins > 0 || s->in_ready ||
		    !TAILQ_EMPTY(&s->turns) ||
		    json_array_size(s->unsaved) > 0)
			continue;
		if (++idle > SESSION_CACHE || bytes > SESSION_CACHE_BYTES ||
		    now - s->used_ms > SESSION_CACHE_MS) {
			bytes -= s->history_bytes + s->media_bytes;
			session_free(s);
		}
	}
}

static struct bucket *
bucket_of(const char *key)
{
	uint32_t	 h = 2166136261u;

	while (*key != '\0')
		h = (h ^ (unsigned char)*key++) * 16777619u;
	return &buckets[h % SESSION_BUCKETS];
}

static void
session_unload(struct session *s)
{
	if (s->transcript != NULL && transcript_dirty(s->transcript) &&
	    transcript_sync(s->transcript) == -1)
		log_warn("session %s: transcript", s->key);
	transcript_close(s->transcript);
	s->transcript = NULL;
	session_forget_history(s);
}

static void
session_free(struct session *s)
{
	session_unload(s);
	LIST_REMOVE(s, hash);
	TAILQ_REMOVE(&lru, s, lru);
	json_decref(s->entry);
	json_decref(s->unsaved);
	free(s);
}

void
session_file(struct session *s, char *name, size_t size)
{
	const char	*file, *slash, *topic;
	size_t		 i;

	/* A path from an imported store counts only by its last part. */
	file = session_text(s, "sessionFile", "");
	slash = strrchr(file, '/');
	file = slash != NULL ? slash + 1 : file;
	if (strlen(file) > 6 && strlen(file) < size && file[0] != '.' &&
	    strcmp(file + strlen(file) - 6, ".jsonl") == 0) {
		strlcpy(name, file, size);
		return;
	}
	if ((topic = strstr(s->key, ":topic:")) != NULL) {
		topic += 7;
		for (i = 0; ascii_isdigit((unsigned char)topic[i]); i++)
			;
		if (i > 0 && topic[i] == '\0') {
			snprintf(name, size, "%s-topic-%s.jsonl",
			    session_id(s), topic);
			return;
		}
	}
	snprintf(name, size, "%s.jsonl", session_id(s));
}

/* Indented by two, and two more because it will stand inside the view. */
static char *
indent_text(const json_t *j)
{
	char	*p = json_dumps(j, JSON_INDENT(2)), *out, *q;
	size_t	 n = 0, lines = 0, i;

	if (p == NULL)
		return NULL;
	for (i = 0; p[i] != '\0'; i++)
		lines += p[i] == '\n';
	n = i;
	if ((q = out = malloc(n + 2 * lines + 1)) != NULL) {
		for (i = 0; i <= n; i++) {
			*q++ = p[i];
			if (p[i] == '\n') {
				*q++ = ' ';
				*q++ = ' ';
			}
		}
	}
	free(p);
	return out;
}

/* "<channel>:group:<id>" or "<channel>:channel:<id>" of a key; false when it
 * is no group's. */
static bool
group_of_key(struct session *s, struct str *channel, struct str *id)
{
	struct str	 agent, rest, tail;
	size_t		 n;

	if (!session_key_split(str_of(s->key), &agent, &rest))
		return false;
	for (n = 0; n < rest.n && rest.p[n] != ':'; n++)
		;
	*channel = (struct str){ rest.p, n };
	tail = (struct str){ rest.p + n, rest.n - n };
	n = str_prefix(tail, ":group:") ? 7 : str_prefix(tail, ":channel:") ?
	    9 : 0;
	*id = (struct str){ tail.p + n, tail.n - n };
	return n > 0 && id->n > 0;
}

/* Its own name, what the group is called, its label, who wrote first; "" */
static const char *
display_name(struct session *s, char *buf, size_t size)
{
	struct str	 channel, id;
	const char	*name = session_text(s, "displayName", NULL), *p;

	if (name != NULL)
		return name;
	if (group_of_key(s, &channel, &id)) {
		channel = str_of(session_text(s, "channel", NULL));
		if (channel.n == 0)
			group_of_key(s, &channel, &id);
		p = session_text(s, "groupChannel", session_text(s, "subject",
		    session_text(s, "space", NULL)));
		if (p != NULL)
			id = (struct str){ p, utf8_cut(p, strlen(p), 200) };
		snprintf(buf, size, "%.*s:g-%.*s", (int)channel.n, channel.p,
		    (int)id.n, id.p);
		return buf;
	}
	return session_text(s, "label", json_text(json_object_get(s->entry,
	    "origin"), "label", ""));
}

static void
row_write(struct session *s, struct dbuf *b)
{
	static const char *const copied[] = { "label", "subject", "groupChannel", "space", "chatType",
	    "origin", "sessionId", "systemSent", "abortedLastRun",
	    "thinkingLevel", "verboseLevel", "reasoningLevel",
	    "elevatedLevel", "sendPolicy", "inputTokens", "outputTokens",
	    "responseUsage", "modelProvider", "model", "contextTokens",
	    "deliveryContext", "lastChannel", "lastTo", "lastAccountId" };
	enum session_kind kind;
	struct str	 channel, id;
	struct jw	 w;
	json_t		*v;
	const char	*type;
	char		 name[SESSION_KEY_MAX + 300], *text;
	size_t		 i;

	jw_init(&w, b);
	jw_obj(&w);
	jw_ks(&w, "key", s->key);
	kind = session_key_kind(str_of(s->key));
	type = session_text(s, "chatType", "");
	if (kind == SESSION_DIRECT && (strcmp(type, "group") == 0 ||
	    strcmp(type, "channel") == 0))
		kind = SESSION_GROUP;
	jw_ks(&w, "kind", session_kind_name(kind));
	if (session_text(s, "channel", NULL) != NULL)
		jw_ks(&w, "channel", session_text(s, "channel", ""));
	else if (group_of_key(s, &channel, &id))
		jw_kstr(&w, "channel", channel);
	jw_kstr_opt(&w, "displayName", str_of(display_name(s, name,
	    sizeof(name))));
	v = json_object_get(s->entry, "totalTokens");
	jw_kint(&w, "totalTokens", v != NULL ? json_integer_value(v) :
	    json_integer_value(json_object_get(s->entry, "inputTokens")) +
	    json_integer_value(json_object_get(s->entry, "outputTokens")));
	v = json_object_get(s->entry, "updatedAt");
	if (json_is_integer(v))
		jw_kint(&w, "updatedAt", json_integer_value(v));
	else
		jw_knull(&w, "updatedAt");
	for (i = 0; i < sizeof(copied) / sizeof(copied[0]); i++) {
		if ((v = json_object_get(s->entry, copied[i])) == NULL)
			continue;
		if (json_is_string(v)) {
			jw_ks(&w, copied[i], json_string_value(v));
			continue;
		}
		if ((text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY)) ==
		    NULL)
			continue;
		jw_kraw(&w, copied[i], text, strlen(text));
		free(text);
	}
	jw_obj_end(&w);
}
