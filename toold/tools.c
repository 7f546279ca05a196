/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The tables that tools.def makes, and the schemas that models see. */
#include "common/compat.h"

#include "toold/tools.h"

#define REQ	PARAM_REQ
#define TRIM	PARAM_TRIM
#define CLAMP	PARAM_CLAMP
#define HIDE	PARAM_HIDE

#define P(TYPE, name, flags, min, max, choices, desc)			\
	{ #name, PARAM_##TYPE, flags, min, max, choices, desc },
#define TOOL(ID, name, group, conc, taint, limit_ms, sum, desc, ...)	\
	static const struct tool_param params_##ID[] = { __VA_ARGS__ };
#define ALIAS(tool, other, name)
#include "toold/tools.def"
#undef TOOL
#undef P

#define SHARED		true
#define EXCLUSIVE	false
static const struct tool tools[TOOL_ID_MAX] = {
#define TOOL(ID, name, group, conc, taint, limit_ms, sum, desc, ...)	\
	[TOOL_##ID] = { TOOL_##ID, name, group, conc, TAINT_##taint,	\
	limit_ms, sum, desc, params_##ID,				\
	sizeof(params_##ID) / sizeof(params_##ID[0]) },
#include "toold/tools.def"
#undef TOOL
};
#undef ALIAS

const struct tool *
tools_get(enum tool_id id)
{
	return (unsigned int)id < TOOL_ID_MAX ? &tools[id] : NULL;
}

const struct tool *
tools_find(struct str name)
{
	size_t	 i;

	name = str_trim(name);
	if (str_ieqs(name, "bash"))
		name = STR_LIT("exec");
	for (i = 0; i < TOOL_ID_MAX; i++)
		if (str_ieqs(name, tools[i].name))
			return &tools[i];
	return NULL;
}

static json_t *
tools_choices(const char *choices)
{
	json_t		*list = json_array();
	const char	*bar;

	for (; list != NULL && choices != NULL; choices = bar == NULL ? NULL :
	    bar + 1) {
		bar = strchr(choices, '|');
		json_array_append_new(list, json_stringn(choices, bar == NULL ?
		    strlen(choices) : (size_t)(bar - choices)));
	}
	return list;
}

/* Only the keywords that every provider takes (TL-1). */
static json_t *
tools_param_schema(const struct tool_param *p)
{
	json_t	*s = json_object();

	switch (p->type) {
	case PARAM_STR:
		json_object_set_new(s, "type", json_string("string"));
		if (p->choices != NULL)
			json_object_set_new(s, "enum",
			    tools_choices(p->choices));
		break;
	case PARAM_INT:
		json_object_set_new(s, "type", json_string("integer"));
		if (p->min != 0 || p->max != 0)
			json_object_set_new(s, "minimum",
			    json_integer(p->min));
		if (p->max != 0)
			json_object_set_new(s, "maximum",
			    json_integer(p->max));
		break;
	case PARAM_BOOL:
		json_object_set_new(s, "type", json_string("boolean"));
		break;
	case PARAM_MAP:
		json_object_set_new(s, "type", json_string("object"));
		json_object_set_new(s, "additionalProperties",
		    json_pack("{s:s}", "type", "string"));
		break;
	case PARAM_LIST:
		json_object_set_new(s, "type", json_string("array"));
		json_object_set_new(s, "items",
		    json_pack("{s:s}", "type", "string"));
		break;
	case PARAM_EDITS:
		json_object_set_new(s, "type", json_string("array"));
		json_object_set_new(s, "items", json_pack(
		    "{s:s, s:{s:{s:s}, s:{s:s}}, s:[s,s]}",
		    "type", "object", "properties", "oldText", "type",
		    "string", "newText", "type", "string",
		    "required", "oldText", "newText"));
		break;
	}
	json_object_set_new(s, "description", json_string(p->description));
	return s;
}

json_t *
tools_schema(const struct tool *t)
{
	json_t	*props = json_object(), *req = json_array(), *params;
	size_t	 i;

	for (i = 0; i < t->nparams; i++) {
		if (t->params[i].flags & PARAM_HIDE)
			continue;
		json_object_set_new(props, t->params[i].name,
		    tools_param_schema(&t->params[i]));
		if (t->params[i].flags & PARAM_REQ)
			json_array_append_new(req,
			    json_string(t->params[i].name));
	}
	/* Shown as required although edits may stand in their place. */
	if (t->id == TOOL_EDIT) {
		json_array_append_new(req, json_string("oldText"));
		json_array_append_new(req, json_string("newText"));
	}
	params = json_pack("{s:s, s:o, s:o}", "type", "object",
	    "properties", props, "required", req);
	return json_pack("{s:s, s:s, s:o, s:s, s:s}", "name", t->name,
	    "description", t->description, "parameters", params,
	    "summary", t->summary, "concurrency",
	    t->shared ? "shared" : "exclusive");
}
