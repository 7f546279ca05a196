/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The table of tools (tools.def), its schemas, and the check of arguments. */
#ifndef TOOLD_TOOLS_H
#define TOOLD_TOOLS_H

#include <jansson.h>

#include "common/dbuf.h"
#include "common/text.h"

enum tool_id {
#define TOOL(ID, name, group, conc, taint, limit_ms, sum, desc, ...)	\
	TOOL_##ID,
#define ALIAS(tool, other, name)
#include "toold/tools.def"
#undef TOOL
#undef ALIAS
	TOOL_ID_MAX
};

enum tool_taint { TAINT_HOST, TAINT_FILE, TAINT_COMMAND, TAINT_WEB };

enum tool_param_type { PARAM_STR, PARAM_INT, PARAM_BOOL, PARAM_MAP,
	PARAM_LIST, PARAM_EDITS };
enum tool_param_flag { PARAM_REQ = 1, PARAM_TRIM = 2, PARAM_CLAMP = 4,
	PARAM_HIDE = 8 };

struct tool_param {
	const char		*name;
	enum tool_param_type	 type;
	unsigned int		 flags;
	int64_t			 min, max;
	const char		*choices;	/* "a|b", or NULL */
	const char		*description;
};

struct tool {
	enum tool_id		 id;
	const char		*name;
	const char		*group;		/* "fs" of "group:fs" */
	bool			 shared;	/* may run beside others */
	enum tool_taint		 taint;
	uint32_t		 limit_ms;
	const char		*summary;
	const char		*description;
	const struct tool_param	*params;
	size_t			 nparams;
};

/* NULL when there is none.  Old names ("bash") lead to the new ones. */
const struct tool *tools_find(struct str name);
const struct tool *tools_get(enum tool_id);
/* One row of TL_LIST_RES; a new reference, NULL when out of memory. */
json_t	*tools_schema(const struct tool *);

#define TOOLS_ERRORS_MAX	16384	/* bytes of a text of complaints */

/*
 * Checks text against the tool's parameters.  On success a new object that
 * holds nothing but known names with values of their type, and in notes a
 * line per thing that was ignored.  Otherwise NULL, and in errors the whole
 * text for the model.
 */
json_t	*tools_args_check(const struct tool *, struct str text,
	    struct dbuf *errors, struct dbuf *notes);
/* Of checked arguments; the default when missing. */
struct str tools_arg_str(const json_t *args, const char *name);
int64_t	 tools_arg_int(const json_t *args, const char *name, int64_t def);
bool	 tools_arg_bool(const json_t *args, const char *name, bool def);

#endif
