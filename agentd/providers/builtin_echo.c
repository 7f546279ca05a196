/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * builtin/echo: answers with what a model would have seen, in a stable form,
 * for tests of the context and for people who wonder.  "echo full" adds hashes
 * and every message, "echo json" is for programs; anything else is a summary
 * of a few lines.
 */

#include "common/compat.h"

#include <inttypes.h>

#include "agentd/json_load.h"
#include "agentd/providers/builtin.h"
#include "agentd/providers/providers.h"

static uint32_t
json_crc(const json_t *j)
{
	uint32_t	 crc = 0;
	char		*s;

	if ((s = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS |
	    JSON_ENCODE_ANY)) != NULL)
		crc = bcrc32(0, s, strlen(s));
	free(s);
	return crc;
}

/* Sections of the system prompt: lines that begin with "## ". */
static json_t *
sections(const char *system, bool full)
{
	json_t		*list = json_array();
	const char	*p = system, *end;
	const char	*eol;

	while (*p != '\0') {
		end = strstr(p + 1, "\n## ");
		end = end == NULL ? p + strlen(p) : end + 1;
		eol = strchrnul(p, '\n');
		if (eol > end)
			eol = end;
		json_array_append_new(list, !full ? json_null() :
		    json_pack("{s:s%,s:I,s:I}",
		    "title", p, utf8_cut(p, (size_t)(eol - p), 80),
		    "bytes", (json_int_t)(end - p), "crc",
		    (json_int_t)bcrc32(0, p, (size_t)(end - p))));
		p = end;
	}
	return list;
}

static json_t *
describe(const struct provider_model *model,
    const struct provider_context *ctx, const struct provider_options *opts,
    bool full)
{
	json_t		*root, *tools, *msgs, *m, *content;
	const json_t	*t;
	size_t		 i, k;
	uint64_t	 sum = (strlen(ctx->system) + 3) / 4;

	tools = json_array();
	for (i = 0; i < json_array_size(ctx->tools); i++) {
		t = json_array_get(ctx->tools, i);
		sum += 10;
		if (!full) {
			json_array_append_new(tools, json_null());
			continue;
		}
		json_array_append_new(tools, json_pack("{s:s,s:I}", "name",
		    json_text(t, "name", "?"), "crc",
		    (json_int_t)json_crc(json_object_get(t, "parameters"))));
	}
	msgs = json_array();
	for (i = 0; i < json_array_size(ctx->messages); i++) {
		t = json_array_get(ctx->messages, i);
		sum += bmsg_tokens(t);
		if (!full) {
			json_array_append_new(msgs, json_null());
			continue;
		}
		m = json_pack("{s:s,s:[]}", "role", bmsg_role(t), "blocks");
		content = json_object_get(t, "content");
		if (json_is_string(content))
			json_array_append_new(json_object_get(m, "blocks"),
			    json_pack("{s:s,s:I}", "type", "text", "bytes",
			    (json_int_t)json_string_length(content)));
		for (k = 0; k < json_array_size(content); k++) {
			const json_t *b = json_array_get(content, k);
			const char *type = json_text(b, "type", "?");
			const json_t *v = json_object_get(b,
			    strcmp(type, "thinking") == 0 ? "thinking" :
			    strcmp(type, "image") == 0 ? "data" : "text");
			json_t *e = json_pack("{s:s}", "type", type);

			if (strcmp(type, "toolCall") == 0)
				json_object_set_new(e, "name", json_string(
				    json_text(b, "name", "?")));
			else
				json_object_set_new(e, "bytes", json_integer(
				    (json_int_t)json_string_length(v)));
			json_array_append_new(json_object_get(m, "blocks"), e);
		}
		json_array_append_new(msgs, m);
	}
	root = json_pack("{s:s,s:s,s:s,s:I,s:o,s:o,s:o}", "provider",
	    model->provider, "model", model->id, "thinking",
	    opts->thinking == NULL ? "off" : opts->thinking, "tokens",
	    (json_int_t)sum, "system", sections(ctx->system, full), "tools",
	    tools, "messages", msgs);
	return root;
}

static void
render(const json_t *root, struct str last, bool full, struct dbuf *out)
{
	const json_t	*list, *e, *blocks;
	size_t		 i, k;

	dbuf_printf(out, "echo: %.*s\n\n", (int)utf8_cut(last.p, last.n, 2000),
	    last.n == 0 ? "" : last.p);
	list = json_object_get(root, "system");
	dbuf_printf(out, "system: %zu sections\n", json_array_size(list));
	for (i = 0; full && i < json_array_size(list); i++) {
		e = json_array_get(list, i);
		dbuf_printf(out, "- %s: %" JSON_INTEGER_FORMAT " bytes, %08"
		    PRIx32 "\n", json_text(e, "title", ""),
		    json_integer_value(json_object_get(e, "bytes")),
		    (uint32_t)json_integer_value(json_object_get(e, "crc")));
	}
	list = json_object_get(root, "tools");
	dbuf_printf(out, "tools: %zu\n", json_array_size(list));
	for (i = 0; full && i < json_array_size(list); i++) {
		e = json_array_get(list, i);
		dbuf_printf(out, "- %s: %08" PRIx32 "\n",
		    json_text(e, "name", ""),
		    (uint32_t)json_integer_value(json_object_get(e, "crc")));
	}
	list = json_object_get(root, "messages");
	dbuf_printf(out, "messages: %zu\n", json_array_size(list));
	for (i = 0; full && i < json_array_size(list); i++) {
		e = json_array_get(list, i);
		dbuf_printf(out, "- %s:", json_text(e, "role", ""));
		blocks = json_object_get(e, "blocks");
		for (k = 0; k < json_array_size(blocks); k++) {
			const json_t *b = json_array_get(blocks, k);

			if (json_object_get(b, "name") != NULL)
				dbuf_printf(out, " toolCall %s",
				    json_text(b, "name", ""));
			else
				dbuf_printf(out, " %s %" JSON_INTEGER_FORMAT,
				    json_text(b, "type", ""),
				    json_integer_value(json_object_get(b,
				    "bytes")));
		}
		dbuf_putc(out, '\n');
	}
	dbuf_printf(out, "thinking: %s\ntokens: %" JSON_INTEGER_FORMAT,
	    json_text(root, "thinking", ""),
	    json_integer_value(json_object_get(root, "tokens")));
}

static void *
echo_new(const struct provider_model *model,
    const struct provider_context *ctx, const struct provider_options *opts,
    struct pstream *ps)
{
	struct bplayer	*b;
	struct dbuf	 user, out;
	struct str	 own = { "", 0 };
	json_t		*root;
	char		*s;
	ssize_t		 at;

	if ((b = bplayer_new(ctx, opts, ps, 0)) == NULL)
		return NULL;
	dbuf_init(&user, PROVIDER_BODY_MAX);
	dbuf_init(&out, PROVIDER_TEXT_MAX);
	if ((at = bmsg_last_user(ctx->messages,
	    json_array_size(ctx->messages))) != -1 &&
	    bmsg_text(json_array_get(ctx->messages, (size_t)at), &user) == 0)
		own = bmsg_own_words((struct str){ dbuf_str(&user), user.n });
	/* Counted only, where the details are not shown. */
	root = describe(model, ctx, opts, str_eqs(own, "echo json") ||
	    str_eqs(own, "echo full"));
	if (str_eqs(own, "echo json")) {
		if ((s = json_dumps(root, JSON_COMPACT)) != NULL)
			dbuf_puts(&out, s);
		free(s);
	} else
		render(root, own, str_eqs(own, "echo full"), &out);
	if (dbuf_err(&out) || root == NULL)
		b->plan.err = true;
	bplan_text(&b->plan, dbuf_str(&out), NULL);
	json_decref(root);
	dbuf_clear(&out);
	dbuf_clear(&user);
	return b;
}

const struct provider provider_builtin_echo = {
	.api = "builtin",
	.model = "echo",
	.engine_new = echo_new,
	.engine_step = bplayer_step,
	.engine_free = bplayer_free,
};
