/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * First byte: which tool; the rest: its arguments as a model wrote them.  What
 * is accepted must hold known names with values of their type only.
 */
#include "common/compat.h"

#include "toold/toolpolicy.h"
#include "toold/tools.h"
#include "toold/wpath.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check_value(const struct tool *t, const char *name, const json_t *v)
{
	size_t	 i;

	for (i = 0; i < t->nparams; i++)
		if (strcmp(t->params[i].name, name) == 0)
			break;
	if (i == t->nparams)
		abort();
	switch (t->params[i].type) {
	case PARAM_STR:
		if (!json_is_string(v) || (t->params[i].max > 0 &&
		    json_string_length(v) > (size_t)t->params[i].max))
			abort();
		break;
	case PARAM_INT:
		if (!json_is_integer(v) || (t->params[i].max != 0 &&
		    json_integer_value(v) > t->params[i].max))
			abort();
		break;
	case PARAM_BOOL:
		if (!json_is_boolean(v))
			abort();
		break;
	case PARAM_MAP:
		if (!json_is_object(v))
			abort();
		break;
	case PARAM_LIST:
	case PARAM_EDITS:
		if (!json_is_array(v))
			abort();
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const struct tool	*t;
	struct toolpolicy	 pol;
	struct dbuf		 errors, notes;
	struct str		 path;
	json_t			*args, *v;
	enum exec_security	 security;
	enum exec_ask		 ask;
	const char		*key;
	char			 buf[WPATH_MAX], why[256];

	if (n == 0)
		return 0;
	t = tools_get(p[0] % TOOL_ID_MAX);
	dbuf_init(&errors, TOOLS_ERRORS_MAX);
	dbuf_init(&notes, 4096);
	args = tools_args_check(t, (struct str){(const char *)p + 1, n - 1},
	    &errors, &notes);
	if (args == NULL && errors.n == 0)
		abort();
	json_object_foreach(args, key, v)
		check_value(t, key, v);
	path = tools_arg_str(args, "path");
	if (path.p != NULL && wpath_resolve(path, "/w", buf, sizeof(buf)) ==
	    WPATH_OK && (buf[0] == '/' || buf[0] == '\0' ||
	    strcmp(buf, "..") == 0 || strncmp(buf, "../", 3) == 0 ||
	    strstr(buf, "/../") != NULL))
		abort();
	json_decref(args);
	/* The same bytes as a configuration. */
	if (toolpolicy_init(&pol, (struct str){(const char *)p + 1, n - 1},
	    why, sizeof(why)) == 0) {
		toolpolicy_allows(&pol, t, why, sizeof(why));
		toolpolicy_exec(&pol, pol.config, &security, &ask, why,
		    sizeof(why));
		toolpolicy_clear(&pol);
	}
	dbuf_clear(&errors);
	dbuf_clear(&notes);
	return 0;
}
