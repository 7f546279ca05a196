/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * From what a transcript holds to what a model is told (spec agent-runtime 1.1,
 * 8): three roles remain, failed answers are left out, and every tool call has
 * exactly one result behind it.
 */
#include "common/compat.h"

#include "agentd/agentd.h"
#include "agentd/json_load.h"

static json_t *
user_text(const char *text, json_t *stamp)
{
	json_t	*m = json_pack("{s:s,s:[{s:s,s:s}]}", "role", "user",
		    "content", "type", "text", "text", text);

	if (m != NULL && stamp != NULL)
		json_object_set(m, "timestamp", stamp);
	return m;
}

static json_t *
wrapped(const char *lead, const char *summary)
{
	struct dbuf	 b;
	json_t		*m;

	dbuf_init(&b, 4u << 20);
	dbuf_printf(&b, "%s\n<summary>\n%s\n</summary>", lead, summary);
	m = dbuf_err(&b) ? NULL : user_text(dbuf_str(&b), NULL);
	dbuf_clear(&b);
	return m;
}

json_t *
history_convert(json_t *m)
{
	const char	*role = json_text(m, "role", ""), *stop;
	json_t		*content, *copy;

	if (strcmp(role, "user") == 0)
		return json_incref(m);
	if (strcmp(role, "assistant") == 0) {
		stop = json_text(m, "stopReason", "stop");
		if (strcmp(stop, "error") == 0 || strcmp(stop, "aborted") == 0)
			return NULL;
		return json_incref(m);
	}
	if (strcmp(role, "toolResult") == 0) {
		/* Host-side data is never sent to a model. */
		if (json_object_get(m, "details") == NULL)
			return json_incref(m);
		if ((copy = json_copy(m)) != NULL)
			json_object_del(copy, "details");
		return copy;
	}
	if (strcmp(role, "custom") == 0) {
		content = json_object_get(m, "content");
		if (content == NULL)
			return NULL;
		return json_pack("{s:s,s:O}", "role", "user", "content",
		    content);
	}
	if (strcmp(role, "branchSummary") == 0)
		return wrapped("This conversation came back from another "
		    "branch. What happened there:", json_text(m, "summary",
		    ""));
	if (strcmp(role, "compactionSummary") == 0)
		return wrapped("The earlier part of this conversation was "
		    "compacted. Its summary:", json_text(m, "summary", ""));
	if (strcmp(role, "bashExecution") == 0 &&
	    !json_is_true(json_object_get(m, "excludeFromContext"))) {
		struct dbuf b;

		dbuf_init(&b, 1u << 20);
		dbuf_printf(&b, "Ran `%s`\n```\n%s\n```", json_text(m,
		    "command", ""), json_text(m, "output", ""));
		copy = dbuf_err(&b) ? NULL : user_text(dbuf_str(&b),
		    json_object_get(m, "timestamp"));
		dbuf_clear(&b);
		return copy;
	}
	return NULL;
}

/* A copy of m with words in the place of its images. */
static json_t *
without_images(json_t *m)
{
	json_t	*copy = json_copy(m), *list = json_array(), *content, *block;
	size_t	 i;

	content = json_object_get(m, "content");
	json_array_foreach(content, i, block) {
		if (strcmp(json_text(block, "type", ""), "image") == 0)
			json_array_append_new(list, json_pack("{s:s,s:s}",
			    "type", "text", "text",
			    "(an earlier image, no longer shown)"));
		else
			json_array_append(list, block);
	}
	json_object_set_new(copy, "content", list);
	return copy;
}

void
history_limit_images(json_t *messages, size_t max_bytes)
{
	json_t	*m;
	size_t	 i, n, sum = 0;

	for (i = json_array_size(messages); i-- > 0; ) {
		m = json_array_get(messages, i);
		if ((n = transcript_images(m)) == 0)
			continue;
		if (n <= max_bytes - sum)
			sum += n;
		else {
			sum = max_bytes;	/* nor any older one */
			json_array_set_new(messages, i, without_images(m));
		}
	}
}

static json_t *
missing_result(json_t *call)
{
	return json_pack("{s:s,s:s,s:s,s:[{s:s,s:s}],s:b,s:I}", "role",
	    "toolResult", "toolCallId", json_text(call, "id", ""),
	    "toolName", json_text(call, "name", ""), "content", "type",
	    "text", "text", "The result of this call is missing; this entry "
	    "was inserted in its place.", "isError", 1, "timestamp",
	    (json_int_t)wall_ms());
}

void
history_repair(json_t *messages)
{
	json_t		*out, *m, *r, *content, *block;
	size_t		 i, k, j, n = json_array_size(messages);
	const char	*role;
	bool		*used;

	/* Nothing to do for the common, well-formed history. */
	if ((out = json_array()) == NULL ||
	    (used = calloc(n + 1, sizeof(*used))) == NULL) {
		json_decref(out);
		return;
	}
	/* A copy of what a client sent to the chat may be its first message,
	 * and providers want a user's. */
	if (n > 0 && strcmp(json_text(json_array_get(messages, 0), "role", ""),
	    "assistant") == 0)
		json_array_append_new(out, user_text("(This conversation "
		    "began with a message of yours.)", NULL));
	for (i = 0; i < n; i++) {
		m = json_array_get(messages, i);
		role = json_text(m, "role", "");
		if (strcmp(role, "toolResult") == 0)
			continue;	/* comes behind its call */
		json_array_append(out, m);
		if (strcmp(role, "assistant") != 0)
			continue;
		content = json_object_get(m, "content");
		json_array_foreach(content, k, block) {
			if (strcmp(json_text(block, "type", ""), "toolCall") !=
			    0)
				continue;
			/* A result may only come later, before the next
			 * assistant message is the usual place. */
			r = NULL;
			for (j = i + 1; j < n && r == NULL; j++) {
				json_t *c = json_array_get(messages, j);

				if (!used[j] && strcmp(json_text(c, "role",
				    ""), "toolResult") == 0 &&
				    strcmp(json_text(c, "toolCallId", ""),
				    json_text(block, "id", "")) == 0) {
					used[j] = true;
					r = c;
				}
			}
			if (r != NULL)
				json_array_append(out, r);
			else
				json_array_append_new(out,
				    missing_result(block));
		}
	}
	json_array_clear(messages);
	json_array_extend(messages, out);
	json_decref(out);
	free(used);
}
