/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* openclaw config get: one value of the running configuration. */
#include "common/compat.h"

#include "common/text.h"
#include "gatewayd/config/keys.h"
#include "openclaw/openclaw.h"

#define DEPTH_MAX	32
#define PART_MAX	128

struct path {
	char	 part[DEPTH_MAX][PART_MAX];
	size_t	 n;
};

/* a.b[0].c, a[key]; a backslash takes the next character as it is.  0, or -1
 * when it is no path. */
static int
path_parse(const char *s, struct path *p)
{
	size_t	 len;
	bool	 bracket;

	for (p->n = 0; *s != '\0'; p->n++) {
		bracket = *s == '[';
		if (bracket || (*s == '.' && p->n > 0))
			s++;
		if (p->n == DEPTH_MAX)
			return -1;
		for (len = 0; *s != '\0' && (bracket ? *s != ']' :
		    *s != '.' && *s != '['); s++) {
			if (*s == '\\' && s[1] != '\0')
				s++;
			if (len == PART_MAX - 1)
				return -1;
			p->part[p->n][len++] = *s;
		}
		p->part[p->n][len] = '\0';
		if (len == 0 || (bracket && *s++ != ']') ||
		    (bracket && *s != '\0' && *s != '.' && *s != '['))
			return -1;
	}
	return p->n > 0 ? 0 : -1;
}

static json_t *
path_value(json_t *j, const struct path *p)
{
	uint64_t	 at;
	size_t		 i;

	for (i = 0; i < p->n && j != NULL; i++)
		if (!json_is_array(j))
			j = json_object_get(j, p->part[i]);
		else if (num_parse_u64(str_of(p->part[i]), UINT32_MAX,
		    &at) == 0)
			j = json_array_get(j, at);
		else
			j = NULL;
	return j;
}

/* What is not set has a default, or is no key at all. */
static void
path_explain(const struct path *p)
{
	const struct key_node	*n = keys_root(), *next;
	const char		*hint;
	uint64_t		 at;
	size_t			 i, k;

	for (i = 0; i < p->n && n != NULL; i++, n = next) {
		next = keys_child(n, str_of(p->part[i]));
		if (next == NULL && num_parse_u64(str_of(p->part[i]),
		    UINT32_MAX, &at) == 0)
			next = keys_child(n, STR_LIT("[]"));
		if (next != NULL)
			continue;
		if (!keys_has_members(n))
			return;		/* below it anything may be */
		fprintf(stderr, "There is no such key");
		if ((hint = keys_nearest(n, str_of(p->part[i]))) != NULL) {
			fprintf(stderr, "; did you mean ");
			for (k = 0; k < i; k++)
				fprintf(stderr, "%s.", p->part[k]);
			fprintf(stderr, "%s?\n", hint);
		} else
			fprintf(stderr, "; openclaw.json(5) has them all.\n");
		return;
	}
	if (n == NULL)
		return;
	if (n->dflt != NULL && n->dflt[0] != '\0')
		fprintf(stderr, "It is not set; its default is %s.\n",
		    n->dflt);
	else
		fprintf(stderr, "It is not set.\n");
}

int
cmd_config_get(struct args *a)
{
	struct path	 p;
	json_t		*res, *v;

	if (a->noperands != 1) {
		fprintf(stderr, a->noperands == 0 ?
		    "error: missing required argument 'path'\n" :
		    "error: too many arguments for 'config get'\n");
		return 1;
	}
	if (path_parse(a->operand[0], &p) == -1) {
		fprintf(stderr, "Error: %s: not a path; write it as "
		    "agents.list[0].id\n", a->operand[0]);
		return 1;
	}
	if ((res = rpc_once(a, "config.get", NULL)) == NULL)
		return 1;
	v = path_value(json_object_get(res, "config"), &p);
	if (v == NULL) {
		fprintf(stderr, "Config path not found: %s\n",
		    a->operand[0]);
		path_explain(&p);
		json_decref(res);
		return 1;
	}
	if (a->opt[OPT_JSON] == NULL && json_is_string(v)) {
		print_text(json_string_value(v));
		putchar('\n');
	} else
		print_json(v);
	json_decref(res);
	return 0;
}
