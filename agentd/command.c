/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Chat commands that are answered without a model (spec commands A). */
#include "common/compat.h"

#include "agentd/agentd.h"
#include "agentd/json_load.h"

/* Is `word` (with its slash) the command, alone or followed by something? */
static bool
is_word(struct str text, const char *word, struct str *rest)
{
	size_t	 n = strlen(word);

	if (text.n < n || ascii_ncasecmp(text.p, word, n) != 0)
		return false;
	*rest = (struct str){ text.p + n, text.n - n };
	/* /cmd@botname and /cmd: arguments */
	if (rest->n > 0 && rest->p[0] == '@')
		while (rest->n > 0 && !ascii_isspace((unsigned char)
		    rest->p[0])) {
			rest->p++;
			rest->n--;
		}
	if (rest->n > 0 && rest->p[0] == ':') {
		rest->p++;
		rest->n--;
	} else if (rest->n > 0 && !ascii_isspace((unsigned char)rest->p[0]))
		return false;
	*rest = str_trim(*rest);
	return true;
}

static bool
is_reset(struct str text, struct str *rest)
{
	json_t	*list = config_at(cfg->root, "session.resetTriggers"), *v;
	size_t	 i;

	if (!json_is_array(list))
		return is_word(text, "/new", rest) ||
		    is_word(text, "/reset", rest);
	json_array_foreach(list, i, v)
		if (json_is_string(v) && json_string_length(v) > 0 &&
		    is_word(text, json_string_value(v), rest))
			return true;
	return false;
}

enum command
command_parse(struct str text, struct str *rest)
{
	text = str_trim(text);
	*rest = text;
	if (text.n == 0)
		return COMMAND_NONE;
	if (is_reset(text, rest))
		return COMMAND_RESET;
	if (text.p[0] != '/')
		return COMMAND_NONE;
	/* A command without arguments does not match when text follows. */
	if (is_word(text, "/stop", rest) && rest->n == 0)
		return COMMAND_STOP;
	if (is_word(text, "/status", rest) && rest->n == 0)
		return COMMAND_STATUS;
	if ((is_word(text, "/help", rest) ||
	    is_word(text, "/commands", rest)) && rest->n == 0)
		return COMMAND_HELP;
	*rest = text;
	return COMMAND_NONE;
}

static void
put_count(struct dbuf *b, json_int_t n)
{
	if (n < 1000)
		dbuf_printf(b, "%lld", (long long)n);
	else if (n < 1000000)
		dbuf_printf(b, "%.1fk", (double)n / 1e3);
	else
		dbuf_printf(b, "%.1fm", (double)n / 1e6);
}

static json_int_t
number_of(struct session *s, const char *field)
{
	return json_integer_value(json_object_get(s->entry, field));
}

char *
command_status(struct session *s)
{
	struct dbuf	 b;
	const char	*model, *provider;
	json_int_t	 total, window, updated;
	char		 ref[512], *p;

	dbuf_init(&b, 65536);
	provider = session_text(s, "modelProvider", NULL);
	model = session_text(s, "model", NULL);
	dbuf_printf(&b, "\xf0\x9f\xa6\x9e OpenClaw (gatewayd %s)\n",
	    GW_VERSION);
	if (provider != NULL && model != NULL)
		dbuf_printf(&b, "\xf0\x9f\xa7\xa0 Model: %s/%s\n", provider,
		    model);
	else
		dbuf_printf(&b, "\xf0\x9f\xa7\xa0 Model: %s\n",
		    session_wish(s, ref, sizeof(ref)) ? ref :
		    cfg->candidates[0]);
	if (number_of(s, "inputTokens") + number_of(s, "outputTokens") > 0) {
		dbuf_puts(&b, "\xf0\x9f\xa7\xae Tokens: ");
		put_count(&b, number_of(s, "inputTokens"));
		dbuf_puts(&b, " in / ");
		put_count(&b, number_of(s, "outputTokens"));
		dbuf_puts(&b, " out\n");
	}
	total = number_of(s, "totalTokens");
	window = number_of(s, "contextTokens");
	if (window > 0) {
		dbuf_puts(&b, "\xf0\x9f\x93\x9a Context: ");
		put_count(&b, total);
		dbuf_putc(&b, '/');
		put_count(&b, window);
		dbuf_printf(&b, " (%lld%%) \xc2\xb7 \xf0\x9f\xa7\xb9 "
		    "Compactions: %lld\n", (long long)(total * 100 / window),
		    (long long)number_of(s, "compactionCount"));
	}
	dbuf_printf(&b, "\xf0\x9f\xa7\xb5 Session: %s", s->key);
	updated = number_of(s, "updatedAt");
	if (updated > 0)
		dbuf_printf(&b, " \xe2\x80\xa2 updated %llum ago",
		    (unsigned long long)((wall_ms() - (uint64_t)updated) /
		    60000));
	dbuf_printf(&b, "\n\xe2\x9a\x99\xef\xb8\x8f Runtime: agentd \xc2\xb7 "
	    "Think: %s\n\xf0\x9f\xaa\xa2 Queue: %zu waiting%s",
	    session_text(s, "thinkingLevel", cfg->thinking != NULL ?
	    cfg->thinking : "off"), s->nturns, s->run != NULL ?
	    " \xc2\xb7 running" : "");
	p = dbuf_take(&b, NULL);
	return p != NULL ? p : strdup("");
}

char *
command_help(void)
{
	return strdup("Commands:\n"
	    "/new or /reset - begin a new session; text behind it is its "
	    "first message\n"
	    "/stop - stop what is running\n"
	    "/status - model, tokens and session\n"
	    "/help - this list\n"
	    "Anything else goes to the assistant.");
}
