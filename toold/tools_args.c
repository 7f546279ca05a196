/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Arguments as models write them, checked against the table and brought to
 * one form: other names for a parameter, numbers as text, a single value where
 * a list is due.  All complaints are collected, so that one more try suffices
 * (spec/agent-runtime.md AR-13).  Pure; every byte is hostile.
 */
#include "common/compat.h"

#include <inttypes.h>

#include "toold/tools.h"

#define SHOW_MAX	2000	/* bytes of the received arguments shown */
#define NAME_SHOW	64	/* of an unknown name */

static const struct {
	const char *tool, *other, *name;
} aliases[] = {
#define TOOL(ID, name, group, conc, taint, limit_ms, sum, desc, ...)
#define ALIAS(tool, other, name) { tool, other, name },
#include "toold/tools.def"
#undef TOOL
#undef ALIAS
};

/* A model must not point a client that holds credentials at another gateway
 * (T02), nor set what only the host may set (T24). */
static const char *const forbidden[] = { "gatewayUrl", "gatewayToken",
	"gateway_url", "gateway_token", "approved", "approvalDecision",
	"approvalId", "resolvedBy", "senderIsOwner" };

static const struct tool_param *
args_param(const struct tool *t, const char *name)
{
	size_t	 i;

	for (i = 0; i < t->nparams; i++)
		if (strcmp(t->params[i].name, name) == 0)
			return &t->params[i];
	for (i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		if (strcmp(aliases[i].other, name) == 0 &&
		    (aliases[i].tool[0] == '*' ||
		    strcmp(aliases[i].tool, t->name) == 0))
			break;
	}
	if (i == sizeof(aliases) / sizeof(aliases[0]))
		return NULL;
	name = aliases[i].name;
	for (i = 0; i < t->nparams; i++)
		if (strcmp(t->params[i].name, name) == 0)
			return &t->params[i];
	return NULL;
}

static void
args_complain(struct dbuf *errors, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
args_complain(struct dbuf *errors, const char *name, const char *fmt, ...)
{
	va_list	 ap;

	dbuf_printf(errors, "  - %s: ", name);
	va_start(ap, fmt);
	dbuf_vprintf(errors, fmt, ap);
	va_end(ap);
	dbuf_putc(errors, '\n');
}

/* The text of a plain value; false for anything else. */
static bool
args_text(const json_t *v, char *num, size_t size, struct str *out)
{
	if (json_is_string(v)) {
		*out = (struct str){json_string_value(v),
		    json_string_length(v)};
		return true;
	}
	if (json_is_integer(v))
		snprintf(num, size, "%" JSON_INTEGER_FORMAT,
		    json_integer_value(v));
	else if (json_is_real(v))
		snprintf(num, size, "%.15g", json_real_value(v));
	else if (json_is_boolean(v))
		snprintf(num, size, "%s", json_is_true(v) ? "true" : "false");
	else
		return false;
	*out = str_of(num);
	return true;
}

static json_t *
args_choice(const struct tool_param *p, struct str s)
{
	const char	*c = p->choices, *bar;
	struct str	 one;

	for (; c != NULL; c = bar == NULL ? NULL : bar + 1) {
		bar = strchr(c, '|');
		one.p = c;
		one.n = bar == NULL ? strlen(c) : (size_t)(bar - c);
		if (one.n == s.n && ascii_ncasecmp(one.p, s.p, s.n) == 0)
			return json_stringn(one.p, one.n);
	}
	return NULL;
}

static json_t *
args_str(const struct tool_param *p, const json_t *v, struct dbuf *errors)
{
	struct str	 s;
	json_t		*out;
	char		 num[40];

	if (json_is_boolean(v) || !args_text(v, num, sizeof(num), &s)) {
		args_complain(errors, p->name, "must be a text");
		return NULL;
	}
	if (p->flags & PARAM_TRIM)
		s = str_trim(s);
	if (p->choices != NULL) {
		if ((out = args_choice(p, s)) == NULL)
			args_complain(errors, p->name, "must be one of %s",
			    p->choices);
		return out;
	}
	if (p->max > 0 && s.n > (size_t)p->max) {
		args_complain(errors, p->name,
		    "is %zu bytes long; at most %" PRId64 " are taken", s.n,
		    p->max);
		return NULL;
	}
	if (s.n < (size_t)p->min) {
		args_complain(errors, p->name, "must not be empty");
		return NULL;
	}
	return json_stringn(s.p, s.n);
}

static json_t *
args_int(const struct tool_param *p, const json_t *v, struct dbuf *errors)
{
	int64_t	 n;
	double	 d;

	if (json_is_integer(v))
		n = json_integer_value(v);
	else if (json_is_real(v)) {
		d = json_real_value(v);
		if (!(d >= -9e15 && d <= 9e15)) {
			args_complain(errors, p->name, "is out of range");
			return NULL;
		}
		n = (int64_t)(d < 0 ? d - 0.5 : d + 0.5);
	} else if (!json_is_string(v) || num_parse(str_trim((struct str){
	    json_string_value(v), json_string_length(v)}), INT64_MIN,
	    INT64_MAX, &n) == -1) {
		args_complain(errors, p->name, "must be a number");
		return NULL;
	}
	if (p->flags & PARAM_CLAMP) {
		if (n < p->min)
			n = p->min;
		if (p->max != 0 && n > p->max)
			n = p->max;
	}
	if ((p->min != 0 || p->max != 0) && n < p->min) {
		args_complain(errors, p->name, "must be at least %" PRId64,
		    p->min);
		return NULL;
	}
	if (p->max != 0 && n > p->max) {
		args_complain(errors, p->name, "must be at most %" PRId64,
		    p->max);
		return NULL;
	}
	return json_integer(n);
}

static json_t *
args_bool(const struct tool_param *p, const json_t *v, struct dbuf *errors)
{
	struct str	 s;
	char		 num[40];

	if (json_is_boolean(v))
		return json_boolean(json_is_true(v));
	if (args_text(v, num, sizeof(num), &s)) {
		s = str_trim(s);
		if (str_ieqs(s, "true") || str_ieqs(s, "yes") ||
		    str_eqs(s, "1"))
			return json_true();
		if (str_ieqs(s, "false") || str_ieqs(s, "no") ||
		    str_eqs(s, "0") || s.n == 0)
			return json_false();
	}
	args_complain(errors, p->name, "must be true or false");
	return NULL;
}

static json_t *
args_map(const struct tool_param *p, const json_t *v, struct dbuf *errors)
{
	json_t		*parsed = NULL, *out = NULL, *val;
	const json_t	*o = v;
	const char	*key;
	struct str	 s;
	char		 num[40];

	/* Some models send the object as text. */
	if (json_is_string(v))
		o = parsed = json_loadb(json_string_value(v),
		    json_string_length(v), JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(o)) {
		args_complain(errors, p->name,
		    "must be an object of names and texts");
		goto out;
	}
	if (json_object_size(o) > (size_t)p->max) {
		args_complain(errors, p->name, "has more than %" PRId64
		    " entries", p->max);
		goto out;
	}
	out = json_object();
	json_object_foreach((json_t *)(uintptr_t)o, key, val) {
		if (!args_text(val, num, sizeof(num), &s)) {
			args_complain(errors, p->name,
			    "the value of %.*s must be a text", NAME_SHOW,
			    key);
			json_decref(out);
			out = NULL;
			break;
		}
		json_object_set_new(out, key, json_stringn(s.p, s.n));
	}
out:
	json_decref(parsed);
	return out;
}

static json_t *
args_list(const struct tool_param *p, const json_t *v, struct dbuf *errors)
{
	json_t		*out, *val;
	struct str	 s;
	char		 num[40];
	size_t		 i;

	out = json_array();
	if (args_text(v, num, sizeof(num), &s)) {
		if (s.n > 0)
			json_array_append_new(out, json_stringn(s.p, s.n));
		return out;
	}
	if (!json_is_array(v) || json_array_size(v) > (size_t)p->max) {
		args_complain(errors, p->name,
		    "must be a list of at most %" PRId64 " texts", p->max);
		json_decref(out);
		return NULL;
	}
	json_array_foreach(v, i, val) {
		if (!args_text(val, num, sizeof(num), &s)) {
			args_complain(errors, p->name,
			    "entry %zu must be a text", i + 1);
			json_decref(out);
			return NULL;
		}
		json_array_append_new(out, json_stringn(s.p, s.n));
	}
	return out;
}

static json_t *
args_edits(const struct tool_param *p, const json_t *v, struct dbuf *errors)
{
	json_t		*out, *val, *o, *n;
	size_t		 i;

	if (!json_is_array(v) || json_array_size(v) < (size_t)p->min ||
	    json_array_size(v) > (size_t)p->max) {
		args_complain(errors, p->name, "must be a list of %" PRId64
		    " to %" PRId64 " replacements", p->min, p->max);
		return NULL;
	}
	out = json_array();
	json_array_foreach(v, i, val) {
		if ((o = json_object_get(val, "oldText")) == NULL)
			o = json_object_get(val, "old_string");
		if ((n = json_object_get(val, "newText")) == NULL)
			n = json_object_get(val, "new_string");
		if (!json_is_string(o) || !json_is_string(n)) {
			args_complain(errors, p->name,
			    "entry %zu needs the texts oldText and newText",
			    i + 1);
			json_decref(out);
			return NULL;
		}
		json_array_append_new(out, json_pack("{s:O, s:O}", "oldText",
		    o, "newText", n));
	}
	return out;
}

static json_t *
args_value(const struct tool_param *p, const json_t *v, struct dbuf *errors)
{
	switch (p->type) {
	case PARAM_STR:
		return args_str(p, v, errors);
	case PARAM_INT:
		return args_int(p, v, errors);
	case PARAM_BOOL:
		return args_bool(p, v, errors);
	case PARAM_MAP:
		return args_map(p, v, errors);
	case PARAM_LIST:
		return args_list(p, v, errors);
	case PARAM_EDITS:
		return args_edits(p, v, errors);
	}
	return NULL;
}

static void
args_members(const struct tool *t, const json_t *in, json_t *out,
    struct dbuf *errors, struct dbuf *notes)
{
	const struct tool_param	*p;
	const char		*key;
	json_t			*v, *checked;
	size_t			 i;

	json_object_foreach((json_t *)(uintptr_t)in, key, v) {
		for (i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
			if (strcmp(key, forbidden[i]) == 0)
				break;
		if (i < sizeof(forbidden) / sizeof(forbidden[0])) {
			args_complain(errors, key, "is refused here");
			continue;
		}
		if ((p = args_param(t, key)) == NULL) {
			dbuf_printf(notes, "Note: %s has no parameter "
			    "\"%.*s\"; it was ignored.\n", t->name, NAME_SHOW,
			    key);
			continue;
		}
		if (json_is_null(v))
			continue;
		/* The name itself wins over another name for it. */
		if (strcmp(key, p->name) != 0 &&
		    json_object_get(in, p->name) != NULL)
			continue;
		if ((checked = args_value(p, v, errors)) != NULL)
			json_object_set_new(out, p->name, checked);
	}
	for (i = 0; i < t->nparams; i++) {
		p = &t->params[i];
		if ((p->flags & PARAM_REQ) == 0 ||
		    json_object_get(out, p->name) != NULL)
			continue;
		/* Complained about above already when it was there. */
		v = json_object_get(in, p->name);
		if (v == NULL || json_is_null(v))
			args_complain(errors, p->name, "is missing");
	}
	if (t->id == TOOL_EDIT && json_object_get(out, "edits") == NULL &&
	    errors->n == 0) {
		if (json_object_get(out, "oldText") == NULL)
			args_complain(errors, "oldText", "is missing");
		if (json_object_get(out, "newText") == NULL)
			args_complain(errors, "newText", "is missing");
	}
}

json_t *
tools_args_check(const struct tool *t, struct str text, struct dbuf *errors,
    struct dbuf *notes)
{
	struct dbuf	 list;
	json_error_t	 je;
	json_t		*in, *out = NULL;
	char		*shown = NULL;
	size_t		 n;

	if (str_trim(text).n == 0)
		text = STR_LIT("{}");
	in = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &je);
	if (!json_is_object(in)) {
		dbuf_printf(errors, "The arguments of %s are not a JSON "
		    "object%s%s.", t->name, in == NULL ? ": " : "",
		    in == NULL ? je.text : "");
		json_decref(in);
		return NULL;
	}
	dbuf_init(&list, TOOLS_ERRORS_MAX / 2);
	if ((out = json_object()) != NULL)
		args_members(t, in, out, &list, notes);
	if (out == NULL || list.n > 0 || dbuf_err(&list)) {
		json_decref(out);
		out = NULL;
		shown = json_dumps(in, JSON_INDENT(2));
		n = shown == NULL ? 0 : strlen(shown);
		dbuf_printf(errors, "The arguments of %s are not valid:\n%s\n"
		    "Received arguments:\n", t->name, dbuf_str(&list));
		dbuf_put(errors, shown == NULL ? "" : shown,
		    utf8_cut(shown == NULL ? "" : shown, n, SHOW_MAX));
		if (n > SHOW_MAX)
			dbuf_printf(errors, "\n[%zu bytes in all]", n);
		free(shown);
	}
	dbuf_clear(&list);
	json_decref(in);
	return out;
}

struct str
tools_arg_str(const json_t *args, const char *name)
{
	const json_t	*v = json_object_get(args, name);

	if (!json_is_string(v))
		return (struct str){NULL, 0};
	return (struct str){json_string_value(v), json_string_length(v)};
}

int64_t
tools_arg_int(const json_t *args, const char *name, int64_t def)
{
	const json_t	*v = json_object_get(args, name);

	return json_is_integer(v) ? json_integer_value(v) : def;
}

bool
tools_arg_bool(const json_t *args, const char *name, bool def)
{
	const json_t	*v = json_object_get(args, name);

	return json_is_boolean(v) ? json_is_true(v) : def;
}
