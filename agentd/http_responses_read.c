/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Reads the body of POST /v1/responses.  Unknown members are refused, so that
 * nobody believes in a setting that has no effect; null counts as absent, and
 * what the vendor's clients write otherwise than Open Responses (no type on a
 * message, flat tools, image_url) is understood too.  No address is fetched:
 * this process has no network.
 */
#include "common/compat.h"

#include "agentd/http_responses.h"
#include "agentd/json_load.h"
#include "agentd/sanitize.h"

#define FILES_MAX_CHARS	200000
#define FILE_MAX_BYTES	5242880
#define IMAGE_MAX_BYTES	10485760

struct reader {
	struct http_turn	*t;
	struct http_talk	 talk;
	struct dbuf		 said;		/* by system messages */
	struct dbuf		 files;
	char			*why;
	size_t			 size;
};

static int	 bad(struct reader *, const char *path, const char *fmt, ...)
		    __attribute__((format(printf, 3, 4)));

static int
bad(struct reader *r, const char *path, const char *fmt, ...)
{
	char	 text[256];
	va_list	 ap;

	va_start(ap, fmt);
	utf8_vfmt(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(r->why, r->size, "%s%s%s", path, path[0] != '\0' ? ": " : "",
	    text);
	return -1;
}

/* What of a name a message shows. */
static int
shown(const char *s)
{
	return (int)utf8_cut(s, strlen(s), 64);
}

/* --- types ----------------------------------------------------------------- */

enum kind { ANY, TEXT, BOOL, POSITIVE, NUMBER, OBJECT, ARRAY, TEXTS, SAID };
struct member {
	const char	*name;
	enum kind	 kind;
	bool		 need;
	const char	*choices;	/* of TEXT: "|a|b|" */
};

static bool
kind_ok(const json_t *v, enum kind k, const char **want)
{
	const char	*key;
	json_t		*m;

	switch (k) {
	case ANY:
		return true;
	case TEXT:
		*want = "must be string";
		return json_is_string(v);
	case BOOL:
		*want = "must be boolean";
		return json_is_boolean(v);
	case POSITIVE:
		*want = "must be a whole number above 0";
		return json_is_integer(v) && json_integer_value(v) > 0;
	case NUMBER:
		*want = "must be number";
		return json_is_number(v);
	case OBJECT:
		*want = "must be object";
		return json_is_object(v);
	case ARRAY:
		*want = "must be array";
		return json_is_array(v);
	case TEXTS:
		*want = "must be an object of strings";
		if (!json_is_object(v))
			return false;
		json_object_foreach((json_t *)(uintptr_t)v, key, m)
			if (!json_is_string(m))
				return false;
		return true;
	case SAID:
		*want = "must be string or array";
		return json_is_string(v) || json_is_array(v);
	}
	return false;
}

/* Judges the members of o; null ones are taken out. */
static int
members(struct reader *r, json_t *o, const char *path,
    const struct member *list, size_t n)
{
	const char	*key, *want = "";
	char		 at[192], choice[72];
	json_t		*v;
	void		*tmp;
	size_t		 i;

	if (!json_is_object(o))
		return bad(r, path, "must be object");
	json_object_foreach_safe(o, tmp, key, v)
		if (json_is_null(v))
			json_object_del(o, key);
	for (i = 0; i < n; i++) {
		snprintf(at, sizeof(at), "%s%s%s", path, path[0] != '\0' ?
		    "." : "", list[i].name);
		if ((v = json_object_get(o, list[i].name)) == NULL) {
			if (list[i].need)
				return bad(r, at, "is required");
			continue;
		}
		if (!kind_ok(v, list[i].kind, &want))
			return bad(r, at, "%s", want);
		if (list[i].choices == NULL || !json_is_string(v))
			continue;
		snprintf(choice, sizeof(choice), "|%.64s|",
		    json_string_value(v));
		if (strstr(list[i].choices, choice) == NULL)
			return bad(r, at, "must be one of %.*s",
			    (int)strlen(list[i].choices) - 2,
			    list[i].choices + 1);
	}
	json_object_foreach(o, key, v) {
		for (i = 0; i < n && strcmp(list[i].name, key) != 0; i++)
			;
		if (i == n)
			return bad(r, path, "unrecognized key \"%.*s\"",
			    shown(key), key);
	}
	return 0;
}
#define MEMBERS(r, o, path, list) \
	members(r, o, path, list, sizeof(list) / sizeof((list)[0]))

/* --- parts of a message -------------------------------------------------------- */

static bool
mime_allowed(const char *section, const char *fallback, const char *mime)
{
	json_t	*list, *v;
	char	 path[80], word[130];
	size_t	 i;

	snprintf(path, sizeof(path), "http.responses.%s.allowedMimes",
	    section);
	list = config_at(cfg->root, path);
	if (json_array_size(list) == 0) {
		snprintf(word, sizeof(word), "|%.120s|", mime);
		return strstr(fallback, word) != NULL;
	}
	json_array_foreach(list, i, v)
		if (ascii_casecmp(json_string_value(v) != NULL ?
		    json_string_value(v) : "", mime) == 0)
			return true;
	return false;
}

static int64_t
limit_of(const char *path, int64_t fallback)
{
	char	 at[80];
	json_t	*v;

	snprintf(at, sizeof(at), "http.responses.%s", path);
	v = config_at(cfg->root, at);
	return json_is_integer(v) ? json_integer_value(v) : fallback;
}

/* The type and data of a source: base64, or a data: address. */
struct source {
	char	 mime[128];
	const char *data;
	const char *name;
};

static int
read_source(struct reader *r, json_t *part, const char *path,
    struct source *s)
{
	static const struct member	 list[] = {
		{ "type", TEXT, true, "|base64|url|" },
		{ "url", TEXT, false, NULL },
		{ "media_type", TEXT, false, NULL },
		{ "data", TEXT, false, NULL },
		{ "filename", TEXT, false, NULL },
	};
	json_t		*source = json_object_get(part, "source");
	const char	*url, *p, *comma;
	char		 at[192];
	size_t		 n;

	memset(s, 0, sizeof(*s));
	snprintf(at, sizeof(at), "%s.source", path);
	url = json_text(part, "image_url", json_text(part, "file_data", ""));
	s->name = json_text(part, "filename", "file");
	if (source != NULL) {
		if (MEMBERS(r, source, at, list) == -1)
			return -1;
		s->name = json_text(source, "filename", s->name);
		if (strcmp(json_text(source, "type", ""), "base64") == 0) {
			p = json_text(source, "media_type", "");
			s->data = json_text(source, "data", "");
			if (p[0] == '\0' || s->data[0] == '\0')
				return bad(r, at, "media_type and data must "
				    "not be empty");
			n = strcspn(p, ";");
			goto type;
		}
		url = json_text(source, "url", "");
	}
	if (strncmp(url, "data:", 5) != 0 || (comma = strchr(url, ',')) ==
	    NULL || comma - url < 7 || strncmp(comma - 7, ";base64", 7) != 0)
		return bad(r, at, "addresses are not fetched by this "
		    "gateway; send the data in base64");
	p = url + 5;
	s->data = comma + 1;
	n = strcspn(p, ";,");
type:
	if (n >= sizeof(s->mime))
		n = sizeof(s->mime) - 1;
	for (; n > 0 && p[n - 1] == ' '; n--)
		;
	memcpy(s->mime, p, n);
	s->mime[n] = '\0';
	for (n = 0; s->mime[n] != '\0'; n++)
		s->mime[n] = (char)ascii_tolower((unsigned char)s->mime[n]);
	return 0;
}

static int
read_image(struct reader *r, json_t *part, const char *path)
{
	struct source	 s;
	int64_t		 most = limit_of("images.maxBytes", IMAGE_MAX_BYTES);

	if (read_source(r, part, path, &s) == -1)
		return -1;
	if (!mime_allowed("images",
	    "|image/jpeg|image/png|image/gif|image/webp|", s.mime))
		return bad(r, path, "Unsupported image MIME type: %.*s",
		    shown(s.mime), s.mime);
	if ((int64_t)(strlen(s.data) / 4 * 3) > most)
		return bad(r, path, "Image too large (limit: %lld bytes)",
		    (long long)most);
	if (r->t->media == NULL)
		r->t->media = json_array();
	json_array_append_new(r->t->media, json_pack("{s:s,s:s,s:s}", "type",
	    "image", "mimeType", s.mime, "content", s.data));
	return 0;
}

/* A name inside the tag of a file must not end it. */
static void
put_name(struct dbuf *b, const char *name)
{
	size_t	 n = utf8_cut(name, strlen(name), 200);

	for (; n > 0; name++, n--)
		dbuf_putc(b, *name == '"' || *name == '<' || *name == '>' ||
		    (unsigned char)*name < 0x20 ? ' ' : *name);
}

static int
read_file(struct reader *r, json_t *part, const char *path)
{
	struct source	 s;
	struct sanitize	 st = { .nheld = 0 };
	struct dbuf	 text;
	int64_t		 most = limit_of("files.maxBytes", FILE_MAX_BYTES);
	int64_t		 chars = limit_of("files.maxChars", FILES_MAX_CHARS);
	size_t		 at, k, cut = 0, n;
	ssize_t		 len;
	char		*p;

	if (read_source(r, part, path, &s) == -1)
		return -1;
	if (strcmp(s.mime, "application/pdf") == 0)
		return bad(r, path, "PDF files are not read by this gateway; "
		    "send their text");
	if (!mime_allowed("files", "|text/plain|text/markdown|text/html|"
	    "text/csv|application/json|", s.mime))
		return bad(r, path, "Unsupported file MIME type: %.*s",
		    shown(s.mime), s.mime);
	n = strlen(s.data);
	if ((int64_t)(n / 4 * 3) > most)
		return bad(r, path, "File too large (limit: %lld bytes)",
		    (long long)most);
	if ((p = malloc(n + 1)) == NULL)
		return bad(r, path, "out of memory");
	if ((len = base64_decode((struct str){ s.data, n }, p, n)) == -1) {
		free(p);
		return bad(r, path, "data: must be base64");
	}
	dbuf_init(&text, ROUTE_BODY_MAX * 3u);
	sanitize_put(&st, &text, p, (size_t)len);
	sanitize_end(&st, &text);
	free(p);
	for (at = 0; at < text.n && chars > 0; at += k, chars--) {
		for (k = 1; at + k < text.n &&
		    ((unsigned char)text.p[at + k] & 0xc0) == 0x80; k++)
			;
		cut = at + k;
	}
	if (cut > 0) {
		if (r->files.n > 0)
			dbuf_puts(&r->files, "\n\n");
		dbuf_puts(&r->files, "<file name=\"");
		put_name(&r->files, s.name);
		dbuf_puts(&r->files, "\">\n");
		dbuf_put(&r->files, text.p, cut);
		dbuf_puts(&r->files, "\n</file>");
	}
	dbuf_clear(&text);
	return 0;
}

static int
read_part(struct reader *r, json_t *part, const char *path, struct dbuf *b)
{
	static const struct member	 texts[] = {
		{ "type", TEXT, true, NULL }, { "text", TEXT, true, NULL },
		{ "annotations", ARRAY, false, NULL },
		{ "logprobs", ARRAY, false, NULL },
	};
	static const struct member	 data[] = {
		{ "type", TEXT, true, NULL },
		{ "source", OBJECT, false, NULL },
		{ "image_url", TEXT, false, NULL },
		{ "file_data", TEXT, false, NULL },
		{ "filename", TEXT, false, NULL },
		{ "detail", TEXT, false, NULL },
	};
	const char	*type = json_text(part, "type", "");

	if (strcmp(type, "input_text") == 0 ||
	    strcmp(type, "output_text") == 0) {
		if (MEMBERS(r, part, path, texts) == -1)
			return -1;
		type = json_text(part, "text", "");
		if (type[0] != '\0' && b->n > 0)
			dbuf_putc(b, '\n');
		dbuf_puts(b, type);
		return 0;
	}
	if (strcmp(type, "input_image") != 0 && strcmp(type, "input_file") !=
	    0)
		return bad(r, path, "type must be one of input_text, "
		    "output_text, input_image, input_file");
	if (MEMBERS(r, part, path, data) == -1)
		return -1;
	return strcmp(type, "input_image") == 0 ? read_image(r, part, path) :
	    read_file(r, part, path);
}

/* --- items --------------------------------------------------------------------- */

static int
read_message(struct reader *r, json_t *item, const char *path)
{
	static const struct member	 list[] = {
		{ "type", TEXT, false, NULL }, { "role", TEXT, true,
		    "|system|developer|user|assistant|" },
		{ "content", SAID, true, NULL }, { "id", TEXT, false, NULL },
		{ "status", TEXT, false, NULL },
	};
	struct dbuf	 b;
	struct str	 text;
	json_t		*content, *part;
	const char	*role;
	char		 at[160];
	size_t		 i;
	int		 ret = 0;

	if (MEMBERS(r, item, path, list) == -1)
		return -1;
	content = json_object_get(item, "content");
	dbuf_init(&b, ROUTE_BODY_MAX);
	if (json_is_string(content))
		dbuf_puts(&b, json_string_value(content));
	else
		json_array_foreach(content, i, part) {
			snprintf(at, sizeof(at), "%s.content.%zu", path, i);
			if ((ret = read_part(r, part, at, &b)) == -1)
				break;
		}
	text = str_trim((struct str){ dbuf_str(&b), b.n });
	role = json_text(item, "role", "");
	if (ret == 0 && text.n > 0) {
		if (strcmp(role, "user") == 0)
			http_talk_add(&r->talk, "User", text, true);
		else if (strcmp(role, "assistant") == 0)
			http_talk_add(&r->talk, "Assistant", text, false);
		else {
			if (r->said.n > 0)
				dbuf_puts(&r->said, "\n\n");
			dbuf_put(&r->said, text.p, text.n);
		}
	}
	dbuf_clear(&b);
	return ret;
}

static int
read_item(struct reader *r, json_t *item, const char *path)
{
	static const struct member	 call[] = {
		{ "type", TEXT, true, NULL }, { "id", TEXT, false, NULL },
		{ "call_id", TEXT, false, NULL }, { "name", TEXT, true, NULL },
		{ "arguments", TEXT, true, NULL },
		{ "status", TEXT, false, NULL },
	};
	static const struct member	 output[] = {
		{ "type", TEXT, true, NULL }, { "call_id", TEXT, true, NULL },
		{ "output", TEXT, true, NULL }, { "id", TEXT, false, NULL },
		{ "status", TEXT, false, NULL },
	};
	static const struct member	 reasoning[] = {
		{ "type", TEXT, true, NULL }, { "id", TEXT, false, NULL },
		{ "content", ANY, false, NULL },
		{ "encrypted_content", TEXT, false, NULL },
		{ "summary", ANY, false, NULL },
		{ "status", TEXT, false, NULL },
	};
	static const struct member	 reference[] = {
		{ "type", TEXT, true, NULL }, { "id", TEXT, true, NULL },
	};
	const char	*type = json_text(item, "type", json_object_get(item,
			    "role") != NULL ? "message" : "");
	char		 who[160];

	if (!json_is_object(item))
		return bad(r, path, "must be object");
	if (strcmp(type, "message") == 0)
		return read_message(r, item, path);
	if (strcmp(type, "function_call") == 0)
		return MEMBERS(r, item, path, call);
	if (strcmp(type, "reasoning") == 0)
		return MEMBERS(r, item, path, reasoning);
	if (strcmp(type, "item_reference") == 0)
		return MEMBERS(r, item, path, reference);
	if (strcmp(type, "function_call_output") != 0)
		return bad(r, path, "type must be one of message, "
		    "function_call, function_call_output, reasoning, "
		    "item_reference");
	if (MEMBERS(r, item, path, output) == -1)
		return -1;
	type = json_text(item, "call_id", "");
	snprintf(who, sizeof(who), "Tool:%.*s", (int)utf8_cut(type,
	    strlen(type), 128), type);
	http_talk_add(&r->talk, who, str_of(json_text(item, "output", "")),
	    true);
	return 0;
}

/* --- tools of the client ----------------------------------------------------------- */

static bool
name_ok(const char *s)
{
	size_t	 n;

	for (n = 0; ascii_isalnum((unsigned char)s[n]) || s[n] == '_' ||
	    s[n] == '-'; n++)
		;
	return n > 0 && n <= 64 && s[n] == '\0';
}

static int
read_tool(struct reader *r, json_t *tool, const char *path)
{
	static const struct member	 flat[] = {
		{ "type", TEXT, true, "|function|" },
		{ "function", OBJECT, false, NULL },
		{ "name", TEXT, false, NULL },
		{ "description", TEXT, false, NULL },
		{ "parameters", OBJECT, false, NULL },
		{ "strict", BOOL, false, NULL },
	};
	json_t		*f, *params, *other;
	const char	*name;
	size_t		 i;

	if (MEMBERS(r, tool, path, flat) == -1)
		return -1;
	if ((f = json_object_get(tool, "function")) == NULL)
		f = tool;
	name = json_text(f, "name", "");
	if (!name_ok(name))
		return bad(r, path, "name must be 1 to 64 letters, digits, _ "
		    "and -");
	params = json_object_get(f, "parameters");
	if (params != NULL && !json_is_object(params))
		return bad(r, path, "parameters must be object");
	json_array_foreach(toolcall_list(), i, other)
		if (strcmp(json_text(other, "name", ""), name) == 0)
			return bad(r, path, "the agent has a tool \"%s\" "
			    "itself; give yours another name", name);
	json_array_foreach(r->t->tools, i, other)
		if (strcmp(json_text(other, "name", ""), name) == 0)
			return bad(r, path, "the name \"%s\" is there twice",
			    name);
	params = params != NULL ? json_incref(params) :
	    json_pack("{s:s,s:{}}", "type", "object", "properties");
	json_array_append_new(r->t->tools, json_pack("{s:s,s:s,s:o}", "name",
	    name, "description", json_text(f, "description", ""),
	    "parameters", params));
	return 0;
}

/* Which of them may be called, and what the model is told about it. */
static int
read_choice(struct reader *r, json_t *choice)
{
	const char	*name;
	json_t		*t, *only = NULL;
	size_t		 i;

	if (choice == NULL || (json_is_string(choice) && strcmp(
	    json_string_value(choice), "auto") == 0))
		return 0;
	if (json_is_string(choice) && strcmp(json_string_value(choice),
	    "none") == 0) {
		json_array_clear(r->t->tools);
		return 0;
	}
	if (json_is_string(choice) && strcmp(json_string_value(choice),
	    "required") == 0) {
		if (json_array_size(r->t->tools) == 0)
			return bad(r, "tool_choice", "required, but no tools "
			    "were provided");
		dbuf_puts(&r->said, r->said.n > 0 ? "\n\n" : "");
		dbuf_puts(&r->said, "Call one of the client's tools before "
		    "you answer.");
		return 0;
	}
	if (!json_is_object(choice) || strcmp(json_text(choice, "type", ""),
	    "function") != 0)
		return bad(r, "tool_choice", "must be auto, none, required or "
		    "a function");
	name = json_text(json_object_get(choice, "function"), "name",
	    json_text(choice, "name", ""));
	json_array_foreach(r->t->tools, i, t)
		if (strcmp(json_text(t, "name", ""), name) == 0)
			only = t;
	if (only == NULL)
		return bad(r, "tool_choice", "unknown tool: %.*s",
		    shown(name), name);
	json_incref(only);
	json_array_clear(r->t->tools);
	json_array_append_new(r->t->tools, only);
	dbuf_puts(&r->said, r->said.n > 0 ? "\n\n" : "");
	dbuf_printf(&r->said, "Call the tool %s before you answer.", name);
	return 0;
}

/* --- the whole --------------------------------------------------------------------- */

static void
put_extra(struct dbuf *b, struct str s)
{
	if (s.n == 0)
		return;
	if (b->n > 0)
		dbuf_puts(b, "\n\n");
	dbuf_put(b, s.p, s.n);
}

static int
read_body(struct reader *r, json_t *body)
{
	static const struct member	 list[] = {
		{ "model", TEXT, true, NULL }, { "input", SAID, true, NULL },
		{ "instructions", TEXT, false, NULL },
		{ "tools", ARRAY, false, NULL },
		{ "tool_choice", ANY, false, NULL },
		{ "stream", BOOL, false, NULL },
		{ "max_output_tokens", POSITIVE, false, NULL },
		{ "max_tool_calls", POSITIVE, false, NULL },
		{ "user", TEXT, false, NULL },
		{ "temperature", NUMBER, false, NULL },
		{ "top_p", NUMBER, false, NULL },
		{ "metadata", TEXTS, false, NULL },
		{ "store", BOOL, false, NULL },
		{ "previous_response_id", TEXT, false, NULL },
		{ "reasoning", OBJECT, false, NULL },
		{ "truncation", TEXT, false, "|auto|disabled|" },
	};
	static const struct member	 reasoning[] = {
		{ "effort", TEXT, false, "|low|medium|high|" },
		{ "summary", TEXT, false, "|auto|concise|detailed|" },
	};
	struct http_turn	*t = r->t;
	json_t			*v, *item;
	char			 path[64];
	size_t			 i;

	if (MEMBERS(r, body, "", list) == -1)
		return -1;
	if ((v = json_object_get(body, "reasoning")) != NULL &&
	    MEMBERS(r, v, "reasoning", reasoning) == -1)
		return -1;
	v = json_object_get(body, "input");
	if (json_is_string(v))
		http_talk_add(&r->talk, "User", str_trim((struct str){
		    json_string_value(v), json_string_length(v) }), true);
	else
		json_array_foreach(v, i, item) {
			snprintf(path, sizeof(path), "input.%zu", i);
			if (read_item(r, item, path) == -1)
				return -1;
		}
	t->tools = json_array();
	json_array_foreach(json_object_get(body, "tools"), i, item) {
		snprintf(path, sizeof(path), "tools.%zu", i);
		if (read_tool(r, item, path) == -1)
			return -1;
	}
	if (read_choice(r, json_object_get(body, "tool_choice")) == -1)
		return -1;
	t->max_tokens = json_integer_value(json_object_get(body,
	    "max_output_tokens"));
	put_extra(&t->extra, str_of(json_text(body, "instructions", "")));
	put_extra(&t->extra, (struct str){ dbuf_str(&r->said), r->said.n });
	put_extra(&t->extra, (struct str){ dbuf_str(&r->files),
	    r->files.n });
	t->extra.err = t->extra.err || dbuf_err(&r->said) ||
	    dbuf_err(&r->files);
	http_talk_write(&r->talk, &t->message);
	if (t->message.n == 0 && !dbuf_err(&t->message)) {
		snprintf(r->why, r->size,
		    "Missing user message in `input`.");
		return -1;
	}
	return 0;
}

int
http_responses_read(json_t *body, struct http_turn *t, char *why, size_t size)
{
	struct reader	 r = { .t = t, .why = why, .size = size };
	int		 ret;

	dbuf_init(&r.said, ROUTE_BODY_MAX);
	dbuf_init(&r.files, ROUTE_BODY_MAX * 3u);
	ret = read_body(&r, body);
	json_decref(r.talk.lines);
	dbuf_clear(&r.said);
	dbuf_clear(&r.files);
	return ret;
}
