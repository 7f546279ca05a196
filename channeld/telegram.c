/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Reads what the Bot API answers and writes what it is asked.  The bytes come
 * from strangers by way of Telegram: sizes are capped before they get here,
 * numbers are range-checked, text is cut at code-point borders.  No I/O.
 */

#include "common/compat.h"

#include <inttypes.h>

#include <openssl/evp.h>

#include "channeld/telegram.h"

#define ID_MIN	(-(INT64_C(1) << 53))
#define ID_MAX	(INT64_C(1) << 53)
#define QUOTE_MAX	4096	/* bytes of a quoted message */
#define VOTE_MIN	2	/* options of a poll */
#define VOTE_MAX	12
#define VOTE_QUESTION	300	/* characters */
#define VOTE_OPTION	100

/* Every kind of update of Bot API 8; field is also its name in the log. */
static const struct {
	const char	*field;
	enum chan_what	 what;
} kinds[] = {
	{ "message", WHAT_MESSAGE },
	{ "edited_message", WHAT_EDITED },
	{ "channel_post", WHAT_OTHER },
	{ "edited_channel_post", WHAT_OTHER },
	{ "business_connection", WHAT_OTHER },
	{ "business_message", WHAT_OTHER },
	{ "edited_business_message", WHAT_OTHER },
	{ "deleted_business_messages", WHAT_OTHER },
	{ "message_reaction", WHAT_OTHER },
	{ "message_reaction_count", WHAT_OTHER },
	{ "inline_query", WHAT_OTHER },
	{ "chosen_inline_result", WHAT_OTHER },
	{ "callback_query", WHAT_OTHER },
	{ "shipping_query", WHAT_OTHER },
	{ "pre_checkout_query", WHAT_OTHER },
	{ "purchased_paid_media", WHAT_OTHER },
	{ "poll", WHAT_OTHER },
	{ "poll_answer", WHAT_OTHER },
	{ "my_chat_member", WHAT_OTHER },
	{ "chat_member", WHAT_OTHER },
	{ "chat_join_request", WHAT_OTHER },
	{ "chat_boost", WHAT_OTHER },
	{ "removed_chat_boost", WHAT_OTHER },
};

static const struct {
	const char	*field, *shown;
} media[] = {
	{ "photo", "<media:image>" },
	{ "video", "<media:video>" },
	{ "video_note", "<media:video>" },
	{ "animation", "<media:video>" },	/* before document: has both */
	{ "voice", "<media:audio>" },
	{ "audio", "<media:audio>" },
	{ "sticker", "<media:sticker>" },
	{ "document", "<media:document>" },
};

/* --- small readers ------------------------------------------------------ */

static struct str
get_str(const json_t *o, const char *key)
{
	const json_t	*v = json_object_get(o, key);

	return (struct str){ json_string_value(v), json_string_length(v) };
}

static bool
get_int(const json_t *o, const char *key, int64_t min, int64_t max,
    int64_t *out)
{
	const json_t	*v = json_object_get(o, key);
	json_int_t	 n;

	if (!json_is_integer(v))
		return false;
	n = json_integer_value(v);
	if (n < min || n > max)
		return false;
	*out = n;
	return true;
}

static bool
get_id(const json_t *o, const char *key, char *buf, size_t size)
{
	int64_t	 n;

	if (!get_int(o, key, ID_MIN, ID_MAX, &n) || n == 0)
		return false;
	(void)snprintf(buf, size, "%" PRId64, n);
	return true;
}

/* One line for people and fields: no control bytes, cut to fit. */
static void
put_line(char *buf, size_t size, struct str s)
{
	size_t	 n, i;

	n = strlen(buf);
	for (i = 0; i < s.n;) {
		size_t	 len = 1;
		uint32_t cp;

		if ((len = utf8_decode(s.p + i, s.n - i, &cp)) == 0)
			len = 1;
		else if (cp >= 0x20 && cp != 0x7f) {
			if (len >= size - n)
				break;
			memcpy(buf + n, s.p + i, len);
			n += len;
		}
		i += len;
	}
	buf[n] = '\0';
}

/* Text with its NULs left out: nothing behind us takes one. */
static void
put_text(struct dbuf *b, struct str s)
{
	const char	*nul;

	while (s.n != 0 && (nul = memchr(s.p, '\0', s.n)) != NULL) {
		(void)dbuf_put(b, s.p, (size_t)(nul - s.p));
		s.n -= (size_t)(nul - s.p) + 1;
		s.p = nul + 1;
	}
	if (s.n != 0)
		(void)dbuf_put(b, s.p, s.n);
}

static void
user_name(const json_t *user, char *buf, size_t size)
{
	buf[0] = '\0';
	put_line(buf, size, get_str(user, "first_name"));
	if (get_str(user, "last_name").n != 0) {
		put_line(buf, size, STR_LIT(" "));
		put_line(buf, size, get_str(user, "last_name"));
	}
	if (buf[0] == '\0')
		put_line(buf, size, get_str(user, "username"));
}

/* --- answers ------------------------------------------------------------ */

/*
 * jansson refuses a whole document for one byte that is not UTF-8 or one
 * escape that is half a surrogate pair; a batch of updates must not be held up
 * for ever by one of its texts.
 */
static void
json_mend(struct dbuf *out, struct str in)
{
	uint32_t	 cp;
	size_t		 i, n;
	unsigned int	 u[2];
	bool		 half;

	for (i = 0; i < in.n; i += n) {
		if ((n = utf8_decode(in.p + i, in.n - i, &cp)) == 0) {
			n = 1;
			(void)dbuf_puts(out, "\xef\xbf\xbd");
			continue;
		}
		if (cp != '\\' || in.n - i < 2) {
			(void)dbuf_put(out, in.p + i, n);
			continue;
		}
		n = 2;
		half = false;
		if (in.p[i + 1] == 'u' && in.n - i >= 6 &&
		    hex_decode((struct str){ in.p + i + 2, 4 },
		    (unsigned char[2]){ 0 }, 2) == 2) {
			n = 6;
			u[0] = (unsigned int)strtoul((char[5]){ in.p[i + 2],
			    in.p[i + 3], in.p[i + 4], in.p[i + 5], 0 }, NULL,
			    16);
			half = u[0] >= 0xd800 && u[0] <= 0xdfff;
			if (half && u[0] < 0xdc00 && in.n - i >= 12 &&
			    in.p[i + 6] == '\\' && in.p[i + 7] == 'u') {
				u[1] = (unsigned int)strtoul((char[5]){
				    in.p[i + 8], in.p[i + 9], in.p[i + 10],
				    in.p[i + 11], 0 }, NULL, 16);
				if (u[1] >= 0xdc00 && u[1] <= 0xdfff) {
					n = 12;
					half = false;
				}
			}
		}
		if (half)
			(void)dbuf_puts(out, "\\ufffd");
		else
			(void)dbuf_put(out, in.p + i, n);
	}
}

static json_t *
json_read(struct str body)
{
	struct dbuf	 b;
	json_t		*root;

	if (body.n > TELEGRAM_BODY_MAX)
		return NULL;
	root = json_loadb(body.p == NULL ? "" : body.p, body.n, JSON_ALLOW_NUL,
	    NULL);
	if (root != NULL || body.n == 0)
		return root;
	dbuf_init(&b, TELEGRAM_BODY_MAX * 3);
	json_mend(&b, body);
	if (!dbuf_err(&b))
		root = json_loadb(dbuf_str(&b), b.n, JSON_ALLOW_NUL, NULL);
	dbuf_clear(&b);
	return root;
}

static bool
has(const char *text, const char *what)
{
	size_t	 n = strlen(what);

	for (; *text != '\0'; text++)
		if (ascii_ncasecmp(text, what, n) == 0)
			return true;
	return false;
}

static enum telegram_class
class_of(unsigned int code, const char *d)
{
	switch (code) {
	case 401:
	case 404:
		/* "Not Found" is what a token of the wrong form gets. */
		return TELEGRAM_AUTH;
	case 403:
		return TELEGRAM_GONE;
	case 409:
		return TELEGRAM_CONFLICT;
	case 429:
		return TELEGRAM_RATE;
	case 400:
		if (has(d, "can't parse entities") ||
		    has(d, "can't find end of the entity") ||
		    has(d, "unsupported start tag"))
			return TELEGRAM_MARKUP;
		if (has(d, "message thread not found"))
			return TELEGRAM_THREAD;
		if (has(d, "message is not modified"))
			return TELEGRAM_OK;
		if (has(d, "chat not found"))
			return TELEGRAM_GONE;
		return TELEGRAM_REFUSED;
	}
	if (code >= 500 && code < 600)
		return TELEGRAM_SERVER;
	if (code >= 400 && code < 500)
		return TELEGRAM_REFUSED;
	return TELEGRAM_GARBLED;
}

const char *
telegram_class_name(enum telegram_class c)
{
	static const char *const names[TELEGRAM_CLASS_MAX] = {
		"ok", "bad token", "conflict", "rate limited", "bad markup",
		"no such thread", "chat is closed to the bot", "refused",
		"server error", "not an answer of the Bot API" };

	return c < TELEGRAM_CLASS_MAX ? names[c] : "?";
}

void
telegram_answer_read(struct telegram_answer *a, unsigned int status,
    struct str body)
{
	const json_t	*par;
	json_t		*root;
	int64_t		 n;

	memset(a, 0, sizeof(*a));
	a->code = status;
	a->class = class_of(status, "");
	root = json_read(body);
	if (!json_is_object(root)) {
		/* Some proxy's page, or nothing: its status is all we know. */
		if (status < 400)
			a->class = TELEGRAM_GARBLED;
		json_decref(root);
		return;
	}
	put_line(a->description, sizeof(a->description),
	    get_str(root, "description"));
	if (json_is_true(json_object_get(root, "ok"))) {
		a->result = json_incref(json_object_get(root, "result"));
		a->class = a->result != NULL && status < 400 ? TELEGRAM_OK :
		    status < 400 ? TELEGRAM_GARBLED : a->class;
	} else if (get_int(root, "error_code", 100, 999, &n)) {
		a->code = (unsigned int)n;
		a->class = class_of(a->code, a->description);
	} else if (status < 400)
		a->class = TELEGRAM_GARBLED;
	par = json_object_get(root, "parameters");
	if (get_int(par, "retry_after", 0, 86400, &n))
		a->retry_after_ms = (uint32_t)n * 1000;
	if (a->class == TELEGRAM_RATE && a->retry_after_ms == 0)
		a->retry_after_ms = 1000;
	(void)get_id(par, "migrate_to_chat_id", a->migrated_to,
	    sizeof(a->migrated_to));
	json_decref(root);
	if (a->class != TELEGRAM_OK && a->result != NULL) {
		json_decref(a->result);
		a->result = NULL;
	}
}

void
telegram_answer_clear(struct telegram_answer *a)
{
	json_decref(a->result);
	a->result = NULL;
}

int
telegram_self_read(struct telegram_self *self, const json_t *r)
{
	if (!json_is_true(json_object_get(r, "is_bot")) ||
	    !get_id(r, "id", self->id, sizeof(self->id)))
		return -1;
	self->username[0] = '\0';
	put_line(self->username, sizeof(self->username),
	    get_str(r, "username"));
	return 0;
}

bool
telegram_token_ok(struct str t, char *id)
{
	size_t	 i, n;

	for (n = 0; n < t.n && ascii_isdigit((unsigned char)t.p[n]); n++)
		;
	if (n == 0 || n > 20 || n == t.n || t.p[n] != ':' || t.n - n < 2 ||
	    t.n > 256)
		return false;
	for (i = n + 1; i < t.n; i++)
		if (!ascii_isalnum((unsigned char)t.p[i]) && t.p[i] != '_' &&
		    t.p[i] != '-')
			return false;
	memcpy(id, t.p, n);
	id[n] = '\0';
	return true;
}

/* --- updates ------------------------------------------------------------ */

/* Text with the addresses of its links, which plain text would lose. */
static void
put_entities(struct dbuf *b, struct str s, const json_t *entities)
{
	const json_t	*e;
	struct str	 url;
	uint32_t	 cp;
	int64_t		 off, len;
	size_t		 i, pos, n, units, want;

	units = pos = 0;
	json_array_foreach(entities, i, e) {
		if (i == 100 || !str_eqs(get_str(e, "type"), "text_link") ||
		    !get_int(e, "offset", 0, 1 << 20, &off) ||
		    !get_int(e, "length", 1, 1 << 20, &len))
			continue;
		url = get_str(e, "url");
		want = (size_t)(off + len);
		if (want < units || url.n > 2048)
			continue;
		for (n = pos; units < want && pos < s.n;) {
			size_t	 c = utf8_decode(s.p + pos, s.n - pos, &cp);

			pos += c == 0 ? 1 : c;
			units += c != 0 && cp > 0xffff ? 2 : 1;
		}
		put_text(b, (struct str){ s.p + n, pos - n });
		(void)dbuf_puts(b, " (");
		put_text(b, url);
		(void)dbuf_puts(b, ")");
	}
	put_text(b, (struct str){ s.p + pos, s.n - pos });
}

static const char *
media_of(const json_t *msg)
{
	size_t	 i;

	for (i = 0; i < sizeof(media) / sizeof(media[0]); i++)
		if (json_object_get(msg, media[i].field) != NULL)
			return media[i].shown;
	return NULL;
}

static bool
put_location(struct dbuf *b, const json_t *msg)
{
	const json_t	*venue = json_object_get(msg, "venue");
	const json_t	*l = json_object_get(venue != NULL ? venue : msg,
	    "location");
	double		 lat, lon, acc;

	if (!json_is_number(json_object_get(l, "latitude")) ||
	    !json_is_number(json_object_get(l, "longitude")))
		return false;
	lat = json_number_value(json_object_get(l, "latitude"));
	lon = json_number_value(json_object_get(l, "longitude"));
	acc = json_number_value(json_object_get(l, "horizontal_accuracy"));
	if (!(lat >= -90 && lat <= 90 && lon >= -180 && lon <= 180))
		return false;
	if (venue != NULL) {
		(void)dbuf_puts(b, "\xf0\x9f\x93\x8d ");
		put_text(b, get_str(venue, "title"));
		(void)dbuf_puts(b, " \xe2\x80\x94 ");
		put_text(b, get_str(venue, "address"));
		(void)dbuf_printf(b, " (%.6f, %.6f)", lat, lon);
		return true;
	}
	(void)dbuf_printf(b, "%s%.6f, %.6f",
	    json_object_get(l, "live_period") != NULL ?
	    "\xf0\x9f\x9b\xb0 Live location: " : "\xf0\x9f\x93\x8d ", lat, lon);
	if (acc >= 1 && acc <= 1500)
		(void)dbuf_printf(b, " \xc2\xb1%dm", (int)acc);
	return true;
}

static void
put_forward(struct dbuf *b, const json_t *msg)
{
	const json_t	*o = json_object_get(msg, "forward_origin");
	const json_t	*chat;
	char		 name[257], when[25];
	int64_t		 date;

	if (!json_is_object(o))
		return;
	name[0] = '\0';
	user_name(json_object_get(o, "sender_user"), name, sizeof(name));
	if (name[0] == '\0')
		put_line(name, sizeof(name), get_str(o, "sender_user_name"));
	chat = json_object_get(o, "sender_chat");
	if (chat == NULL)
		chat = json_object_get(o, "chat");
	if (name[0] == '\0')
		put_line(name, sizeof(name), get_str(chat, "title"));
	if (!get_int(o, "date", 0, INT64_C(1) << 40, &date))
		date = 0;
	iso_time((uint64_t)date * 1000, when);
	(void)dbuf_printf(b, "[Forwarded from %s at %s]\n",
	    name[0] != '\0' ? name : "unknown", when);
}

static void
put_reply(struct dbuf *b, const json_t *msg, const char *id)
{
	const json_t	*r = json_object_get(msg, "reply_to_message");
	struct str	 body;
	char		 name[257];
	const char	*m;

	user_name(json_object_get(r, "from"), name, sizeof(name));
	body = get_str(json_object_get(msg, "quote"), "text");
	if (body.n == 0)
		body = get_str(r, "text");
	if (body.n == 0)
		body = get_str(r, "caption");
	if (body.n == 0 && (m = media_of(r)) != NULL)
		body = str_of(m);
	if (body.n == 0)
		return;
	(void)dbuf_printf(b, "\n\n[Replying to %s id:%s]\n",
	    name[0] != '\0' ? name : "unknown", id);
	put_text(b, (struct str){ body.p, utf8_cut(body.p, body.n,
	    QUOTE_MAX) });
	(void)dbuf_puts(b, "\n[/Replying]");
}

/* "/cmd@us rest" is "/cmd rest"; a command for another bot is not for us. */
static struct str
command_name(const json_t *msg, struct str text, struct dbuf *tmp,
    const struct telegram_self *self, struct chan_event *ev)
{
	const json_t	*e = json_array_get(json_object_get(msg, "entities"), 0);
	const char	*at;
	size_t		 n;
	int64_t		 off, len;

	if (!str_eqs(get_str(e, "type"), "bot_command") ||
	    !get_int(e, "offset", 0, 0, &off) ||
	    !get_int(e, "length", 2, 128, &len) || (size_t)len > text.n ||
	    text.p[0] != '/')
		return text;
	ev->command = true;
	n = (size_t)len;	/* commands are ASCII: units are bytes */
	if ((at = memchr(text.p, '@', n)) == NULL)
		return text;
	if (self->username[0] != '\0' && !str_ieqs((struct str){ at + 1,
	    n - (size_t)(at + 1 - text.p) }, self->username)) {
		ev->unusable = "a command for another bot";
		return text;
	}
	(void)dbuf_put(tmp, text.p, (size_t)(at - text.p));
	(void)dbuf_put(tmp, text.p + n, text.n - n);
	return dbuf_err(tmp) ? text : (struct str){ tmp->p, tmp->n };
}

static void
message_text(const json_t *msg, const struct telegram_self *self,
    struct chan_event *ev)
{
	struct dbuf	 tmp;
	struct str	 text;
	const char	*m;
	const json_t	*entities;

	dbuf_init(&tmp, 1 << 20);
	text = get_str(msg, "text");
	entities = json_object_get(msg, "entities");
	if (text.n == 0) {
		text = get_str(msg, "caption");
		entities = json_object_get(msg, "caption_entities");
	} else
		text = command_name(msg, text, &tmp, self, ev);
	m = media_of(msg);
	if (!ev->command)
		put_forward(&ev->text, msg);
	if (ev->command)
		put_text(&ev->text, text);
	else if (text.n != 0)
		put_entities(&ev->text, text, entities);
	if (m != NULL)
		(void)dbuf_printf(&ev->text, "%s%s", text.n != 0 ? "\n" : "",
		    m);
	else if (text.n == 0 && !put_location(&ev->text, msg))
		ev->unusable = "it holds no text";
	if (ev->reply_to[0] != '\0' && !ev->command && ev->unusable == NULL)
		put_reply(&ev->text, msg, ev->reply_to);
	if (dbuf_err(&ev->text))
		ev->unusable = "its text is too long";
	else if (ev->text.n > EVENT_TEXT_MAX) {
		ev->text.n = utf8_cut(ev->text.p, ev->text.n, EVENT_TEXT_MAX);
		ev->text.p[ev->text.n] = '\0';
	}
	dbuf_clear(&tmp);
}

static void
read_message(const json_t *msg, const struct telegram_self *self,
    struct chan_event *ev)
{
	int64_t	 date;

	(void)get_id(msg, "message_id", ev->msg_id, sizeof(ev->msg_id));
	(void)get_id(msg, "message_thread_id", ev->thread, sizeof(ev->thread));
	if (!json_is_true(json_object_get(msg, "is_topic_message")))
		ev->thread[0] = '\0';
	(void)get_id(json_object_get(msg, "reply_to_message"), "message_id",
	    ev->reply_to, sizeof(ev->reply_to));
	if (get_int(msg, "date", 0, INT64_C(1) << 40, &date))
		ev->ts_ms = (uint64_t)date * 1000;
	if (json_object_get(msg, "sender_chat") != NULL)
		ev->is_bot = true;
	if (ev->msg_id[0] == '\0')
		ev->unusable = "it has no message id";
	else if (ev->what == WHAT_MESSAGE)
		message_text(msg, self, ev);
}

/* The person behind any kind of update. */
static const json_t *
update_user(const json_t *o)
{
	static const char *const fields[] = { "from", "user", "actor_chat",
	    "voter_chat" };
	const json_t		*u;
	size_t			 i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (json_is_object(u = json_object_get(o, fields[i])))
			return u;
	return NULL;
}

static void
event_names(struct chan_event *ev, const struct telegram_self *self, int64_t id,
    int64_t edited)
{
	unsigned char	 md[EVP_MAX_MD_SIZE];
	unsigned int	 n = 0;
	char		 buf[1024], hex[17];

	(void)snprintf(buf, sizeof(buf), "%s|%s|%s|%s|%s|%" PRIu64 "|%" PRId64,
	    self->id, ev->name, ev->chat, ev->sender, ev->msg_id, ev->ts_ms,
	    edited);
	memset(md, 0, sizeof(md));
	(void)EVP_Digest(buf, strlen(buf), md, &n, EVP_sha256(), NULL);
	hex_encode(md, 8, hex);
	(void)snprintf(ev->id, sizeof(ev->id), "%" PRId64 "-%s", id, hex);
	if (ev->msg_id[0] != '\0')
		(void)snprintf(ev->key, sizeof(ev->key), "%s:%s:%s:%s:%" PRId64,
		    self->id, ev->name, ev->chat, ev->msg_id, edited);
	else
		(void)snprintf(ev->key, sizeof(ev->key), "%s:%s:u%s", self->id,
		    ev->name, ev->id);
}

int
telegram_update_read(const json_t *up, const struct telegram_self *self,
    int64_t *update_id, struct chan_event *ev)
{
	const json_t	*o = NULL, *chat, *user;
	struct str	 type;
	int64_t		 edited = 0;
	size_t		 i;

	chan_event_init(ev);
	if (!json_is_object(up) ||
	    !get_int(up, "update_id", 0, INT64_C(1) << 53, update_id))
		return -1;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((o = json_object_get(up, kinds[i].field)) != NULL) {
			ev->what = kinds[i].what;
			ev->name = kinds[i].field;
			break;
		}
	if (!json_is_object(o)) {
		ev->what = WHAT_OTHER;
		ev->unusable = "its kind is unknown";
		o = NULL;
	}
	chat = json_object_get(o, "chat");
	if (chat == NULL)	/* callback_query carries the message */
		chat = json_object_get(json_object_get(o, "message"), "chat");
	user = update_user(o);
	if (json_is_object(chat)) {
		type = get_str(chat, "type");
		ev->chat_type = str_eqs(type, "private") ? CHAT_DIRECT :
		    str_eqs(type, "channel") ? CHAT_CHANNEL : CHAT_GROUP;
		if (!get_id(chat, "id", ev->chat, sizeof(ev->chat)))
			ev->unusable = "its chat has no id";
	} else
		ev->chat_type = o != NULL && user != NULL ? CHAT_DIRECT :
		    CHAT_CHANNEL;
	if (user != NULL) {
		(void)get_id(user, "id", ev->sender, sizeof(ev->sender));
		user_name(user, ev->sender_name, sizeof(ev->sender_name));
		put_line(ev->sender_username, sizeof(ev->sender_username),
		    get_str(user, "username"));
		/* 777000 posts Telegram's own notices, the other stands for
		 * anonymous administrators: nobody's id. */
		ev->is_bot = json_is_true(json_object_get(user, "is_bot")) ||
		    strcmp(ev->sender, "777000") == 0 ||
		    strcmp(ev->sender, "1087968824") == 0;
		ev->is_self = strcmp(ev->sender, self->id) == 0;
	}
	if (ev->chat[0] == '\0')
		(void)strlcpy(ev->chat, ev->sender[0] != '\0' ? ev->sender :
		    "-", sizeof(ev->chat));
	if (ev->what != WHAT_OTHER)
		read_message(o, self, ev);
	(void)get_int(o, "edit_date", 1, INT64_C(1) << 40, &edited);
	event_names(ev, self, *update_id, edited);
	return 0;
}

/* --- requests ----------------------------------------------------------- */

static int
put_json(const char *p, size_t n, void *arg)
{
	return dbuf_put(arg, p, n);
}

/* Takes the object. */
static int
build(struct dbuf *out, json_t *o)
{
	int	 err;

	err = o == NULL ? -1 : json_dump_callback(o, put_json, out,
	    JSON_COMPACT);
	json_decref(o);
	return err == -1 || dbuf_err(out) ? -1 : 0;
}

/* Ids go as numbers, which is what every server takes. */
static json_t *
json_id(const char *id)
{
	int64_t	 n;

	if (id[0] == '-' && num_parse(str_of(id + 1), 1, ID_MAX, &n) == 0)
		return json_integer(-n);
	if (num_parse(str_of(id), 1, ID_MAX, &n) == 0)
		return json_integer(n);
	return json_string(id);
}

int
telegram_build_updates(struct dbuf *out, int64_t offset, unsigned int limit,
    unsigned int timeout_s)
{
	/* What is not handled is not asked for; what comes all the same goes
	 * through the gate. */
	return build(out, json_pack("{sI si si s[s]}", "offset",
	    (json_int_t)offset, "limit", (int)limit, "timeout", (int)timeout_s,
	    "allowed_updates", "message"));
}

int
telegram_build_message(struct dbuf *out, const struct telegram_message *m)
{
	json_t	*o;

	if ((o = json_pack("{so ss%}", "chat_id", json_id(m->chat), "text",
	    m->text.p == NULL ? "" : m->text.p, m->text.n)) == NULL)
		return -1;
	if (m->html)
		(void)json_object_set_new(o, "parse_mode", json_string("HTML"));
	/* Topic 1 is the general one, which must not be named. */
	if (m->thread[0] != '\0' && strcmp(m->thread, "1") != 0)
		(void)json_object_set_new(o, "message_thread_id",
		    json_id(m->thread));
	if (m->reply_to[0] != '\0')
		(void)json_object_set_new(o, "reply_parameters", json_pack(
		    "{so sb}", "message_id", json_id(m->reply_to),
		    "allow_sending_without_reply", 1));
	if (m->no_preview)
		(void)json_object_set_new(o, "link_preview_options",
		    json_pack("{sb}", "is_disabled", 1));
	return build(out, o);
}

static int
vote_text(const json_t *v, size_t most, const char *what, char *why,
    size_t size)
{
	const char	*s = json_string_value(v);
	size_t		 n = s == NULL ? 0 : utf8_count(s, strlen(s));

	if (n > 0 && n <= most)
		return 0;
	(void)snprintf(why, size, "%s of a Telegram poll has 1 to %zu "
	    "characters, not %zu", what, most, n);
	return -1;
}

int
telegram_build_vote(struct dbuf *out, const struct telegram_vote *v, char *why,
    size_t size)
{
	json_t	*in = json_loadb(v->json.p, v->json.n, 0, NULL), *o;
	json_t	*options = json_object_get(in, "options"), *one;
	size_t	 i;
	int	 err = -1;

	if (json_array_size(options) < VOTE_MIN ||
	    json_array_size(options) > VOTE_MAX)
		(void)snprintf(why, size, "Poll supports at most %d options, "
		    "and not less than %d", VOTE_MAX, VOTE_MIN);
	else if (json_object_get(in, "durationHours") != NULL)
		(void)snprintf(why, size, "a Telegram poll cannot end after "
		    "hours; leave durationHours out");
	else
		err = vote_text(json_object_get(in, "question"), VOTE_QUESTION,
		    "the question", why, size);
	json_array_foreach(options, i, one)
		if (err == 0)
			err = vote_text(one, VOTE_OPTION, "an option", why,
			    size);
	if (err == -1) {
		json_decref(in);
		return -1;
	}
	o = json_pack("{so sO sO}", "chat_id", json_id(v->chat), "question",
	    json_object_get(in, "question"), "options", options);
	if (o != NULL && json_integer_value(json_object_get(in,
	    "maxSelections")) > 1)
		(void)json_object_set_new(o, "allows_multiple_answers",
		    json_true());
	if (o != NULL && v->thread[0] != '\0' && strcmp(v->thread, "1") != 0)
		(void)json_object_set_new(o, "message_thread_id",
		    json_id(v->thread));
	json_decref(in);
	(void)strlcpy(why, "out of memory", size);
	return build(out, o);
}

void
telegram_sent_id(const json_t *result, bool vote, char *out, size_t size)
{
	const char	*poll = json_string_value(json_object_get(
			    json_object_get(result, "poll"), "id"));
	int64_t		 n;

	if (!vote || poll == NULL || num_parse(str_of(poll), 0, INT64_MAX,
	    &n) == -1)
		poll = NULL;
	(void)snprintf(out, size, "%" JSON_INTEGER_FORMAT "%s%s",
	    json_integer_value(json_object_get(result, "message_id")),
	    poll != NULL ? ":" : "", poll != NULL ? poll : "");
}

int
telegram_build_action(struct dbuf *out, const char *chat, const char *thread,
    const char *action)
{
	json_t	*o;

	if ((o = json_pack("{so ss}", "chat_id", json_id(chat), "action",
	    action)) == NULL)
		return -1;
	if (thread[0] != '\0')
		(void)json_object_set_new(o, "message_thread_id",
		    json_id(thread));
	return build(out, o);
}
