/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* openclaw skills: which there are, and what they lack. */
#include "common/compat.h"

#include "common/dbuf.h"
#include "openclaw/openclaw.h"

static const char *const classes[] = { "bins", "anyBins", "env", "config",
	"os" };
#define CLASSES	(sizeof(classes) / sizeof(classes[0]))

static bool
is(json_t *s, const char *key)
{
	return json_is_true(json_object_get(s, key));
}

/* In the order in which one hides another. */
static bool
lacks(json_t *s)
{
	return !is(s, "eligible") && !is(s, "disabled") &&
	    !is(s, "blockedByAllowlist");
}

/* "bins: gh, jq; env: TOKEN" */
static void
put_missing(struct dbuf *b, json_t *s)
{
	json_t	*list, *v;
	size_t	 i, k;

	dbuf_reset(b);
	for (k = 0; k < CLASSES; k++) {
		list = json_object_get(json_object_get(s, "missing"),
		    classes[k]);
		if (json_array_size(list) > 0)
			dbuf_printf(b, "%s%s: ", b->n > 0 ? "; " : "",
			    classes[k]);
		json_array_foreach(list, i, v)
			dbuf_printf(b, "%s%s", i > 0 ? ", " : "",
			    json_string_value(v) != NULL ?
			    json_string_value(v) : "?");
	}
}

/* The keys of a list of skills, which are fewer than one has. */
static json_t *
row_of(json_t *s)
{
	static const char *const keys[] = { "name", "description", "emoji",
		"eligible", "disabled", "blockedByAllowlist", "source",
		"primaryEnv", "homepage", "missing" };
	json_t	*o = json_object(), *v;
	size_t	 i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if ((v = json_object_get(s, keys[i])) != NULL)
			json_object_set(o, keys[i], v);
	return o;
}

/* --- skills list ------------------------------------------------------------ */

static void
list_json(json_t *report, bool eligible)
{
	json_t	*out = json_object(), *rows = json_array(), *s;
	size_t	 i;

	json_array_foreach(json_object_get(report, "skills"), i, s)
		if (!eligible || is(s, "eligible"))
			json_array_append_new(rows, row_of(s));
	json_object_set(out, "workspaceDir", json_object_get(report,
	    "workspaceDir"));
	json_object_set(out, "managedSkillsDir", json_object_get(report,
	    "managedSkillsDir"));
	json_object_set_new(out, "skills", rows);
	print_json(out);
	json_decref(out);
}

static void
list_text(json_t *report, bool eligible, bool verbose)
{
	static const char *const heads[] = { "Status", "Skill", "Description",
		"Source", "Missing" };
	struct table	*t = table_new(heads, verbose ? 5 : 4);
	json_t		*all = json_object_get(report, "skills"), *s;
	struct dbuf	 b;
	size_t		 i, ready = 0, n = 0;

	dbuf_init(&b, 65536);
	json_array_foreach(all, i, s) {
		ready += is(s, "eligible");
		if (eligible && !is(s, "eligible"))
			continue;
		n++;
		table_row(t);
		table_add(t, 0, "%s", is(s, "eligible") ? "✓ ready" :
		    is(s, "disabled") ? "⏸ disabled" : is(s,
		    "blockedByAllowlist") ? "🚫 blocked" : "✗ missing");
		table_add(t, 1, "%s %s", jtext(s, "emoji", "📦"), jtext(s,
		    "name", "?"));
		table_add(t, 2, "%s", jtext(s, "description", ""));
		table_add(t, 3, "%s", jtext(s, "source", ""));
		put_missing(&b, s);
		if (verbose)
			table_add(t, 4, "%s", dbuf_str(&b));
	}
	dbuf_clear(&b);
	if (n > 0)
		printf("Skills (%zu/%zu ready)\n", ready, n);
	else
		printf(eligible ? "No skill can be used. `openclaw skills "
		    "list` shows "
		    "all.\n" : "There are no skills.\n");
	if (n > 0)
		table_print(t);
	else
		free(t);
}

int
cmd_skills_list(struct args *a)
{
	json_t	*report = rpc_once(a, "skills.status", NULL);
	bool	 eligible = a->opt[OPT_ELIGIBLE] != NULL;

	if (report == NULL)
		return 1;
	if (a->opt[OPT_JSON] != NULL)
		list_json(report, eligible);
	else
		list_text(report, eligible, a->opt[OPT_VERBOSE] != NULL);
	json_decref(report);
	return 0;
}

/* --- skills info ------------------------------------------------------------ */

static void
line(const char *what, const char *text)
{
	if (text == NULL || text[0] == '\0')
		return;
	printf("  %s: ", what);
	print_text(text);
	putchar('\n');
}

static bool
in_list(json_t *list, const char *text)
{
	json_t	*v;
	size_t	 i;

	json_array_foreach(list, i, v)
		if (json_is_string(v) && strcmp(json_string_value(v), text) ==
		    0)
			return true;
	return false;
}

static void
show_needs(json_t *s)
{
	static const char *const names[] = { "Binaries", "Any binaries",
		"Environment", "Config", "OS" };
	json_t		*list, *missing, *v;
	const char	*text;
	size_t		 i, k;
	bool		 any = false;

	for (k = 0; k < CLASSES; k++) {
		list = json_object_get(json_object_get(s, "requirements"),
		    classes[k]);
		missing = json_object_get(json_object_get(s, "missing"),
		    classes[k]);
		if (json_array_size(list) == 0)
			continue;
		printf("%s  %s: ", any ? "" : "\nRequirements:\n", names[k]);
		any = true;
		json_array_foreach(list, i, v) {
			text = json_string_value(v);
			printf("%s%s ", i > 0 ? ", " : "", text != NULL &&
			    in_list(missing, text) ? "✗" : "✓");
			print_text(text != NULL ? text : "?");
		}
		putchar('\n');
	}
}

static void
info_text(json_t *s)
{
	json_t	*list = json_object_get(s, "install"), *v;
	size_t	 i;

	print_text(jtext(s, "emoji", "📦"));
	putchar(' ');
	print_text(jtext(s, "name", "?"));
	printf(" %s\n\n", is(s, "eligible") ? "✓ Ready" : is(s, "disabled") ?
	    "⏸ Disabled" : is(s, "blockedByAllowlist") ?
	    "🚫 Blocked by allowlist" : "✗ Missing requirements");
	print_text(jtext(s, "description", ""));
	printf("\n\nDetails:\n");
	line("Source", jtext(s, "source", ""));
	line("Path", jtext(s, "filePath", ""));
	line("Homepage", jtext(s, "homepage", ""));
	line("Primary env", jtext(s, "primaryEnv", ""));
	show_needs(s);
	if (is(s, "eligible") || json_array_size(list) == 0)
		return;
	printf("\nInstall options:\n");
	json_array_foreach(list, i, v) {
		printf("  → ");
		print_text(jtext(v, "label", "?"));
		putchar('\n');
	}
}

int
cmd_skills_info(struct args *a)
{
	const char	*name = a->operand[0];
	json_t		*report, *s, *found = NULL, *none;
	size_t		 i;

	if (a->noperands != 1) {
		fprintf(stderr, "error: missing required argument 'name'\n");
		return 1;
	}
	if ((report = rpc_once(a, "skills.status", NULL)) == NULL)
		return 1;
	json_array_foreach(json_object_get(report, "skills"), i, s)
		if (found == NULL && (strcmp(jtext(s, "name", ""), name) ==
		    0 || strcmp(jtext(s, "skillKey", ""), name) == 0))
			found = s;
	if (found != NULL && a->opt[OPT_JSON] != NULL)
		print_json(found);
	else if (found != NULL)
		info_text(found);
	else if (a->opt[OPT_JSON] != NULL) {
		none = json_pack("{s:s, s:s}", "error", "not found", "skill",
		    name);
		print_json(none);
		json_decref(none);
	} else {
		fprintf(stderr, "Error: no skill is called \"");
		print_text_to(stderr, name);
		fprintf(stderr, "\"; `openclaw skills list` shows all\n");
	}
	json_decref(report);
	return found != NULL ? 0 : 1;
}

/* --- skills check ----------------------------------------------------------- */

struct counts {
	json_t	*eligible, *disabled, *blocked, *missing;
};

static void
check_json(json_t *report, const struct counts *c)
{
	json_t	*out = json_object(), *rows = json_array(), *o, *s, *v;
	size_t	 i;

	json_object_set_new(out, "summary", json_pack("{s:I, s:I, s:I, s:I, "
	    "s:I}", "total", (json_int_t)json_array_size(json_object_get(
	    report, "skills")), "eligible", (json_int_t)json_array_size(
	    c->eligible), "disabled", (json_int_t)json_array_size(
	    c->disabled), "blocked", (json_int_t)json_array_size(c->blocked),
	    "missingRequirements", (json_int_t)json_array_size(c->missing)));
	json_object_set(out, "eligible", c->eligible);
	json_object_set(out, "disabled", c->disabled);
	json_object_set(out, "blocked", c->blocked);
	json_array_foreach(c->missing, i, s) {
		o = json_object();
		json_object_set(o, "name", json_object_get(s, "name"));
		json_object_set(o, "missing", json_object_get(s, "missing"));
		if ((v = json_object_get(s, "install")) != NULL)
			json_object_set(o, "install", v);
		json_array_append_new(rows, o);
	}
	json_object_set_new(out, "missingRequirements", rows);
	print_json(out);
	json_decref(out);
}

static void
check_text(json_t *report, const struct counts *c)
{
	struct dbuf	 b;
	json_t		*s;
	size_t		 i, n = 0;

	printf("Skills Status Check\n\nTotal: %zu\n", json_array_size(
	    json_object_get(report, "skills")));
	printf("✓ Eligible: %zu\n", json_array_size(c->eligible));
	printf("⏸ Disabled: %zu\n", json_array_size(c->disabled));
	printf("🚫 Blocked by allowlist: %zu\n", json_array_size(c->blocked));
	printf("✗ Missing requirements: %zu\n", json_array_size(c->missing));
	json_array_foreach(json_object_get(report, "skills"), i, s) {
		if (!is(s, "eligible"))
			continue;
		printf("%s  ", n++ == 0 ? "\nReady to use:\n" : "");
		print_text(jtext(s, "emoji", "📦"));
		putchar(' ');
		print_text(jtext(s, "name", "?"));
		putchar('\n');
	}
	dbuf_init(&b, 65536);
	json_array_foreach(c->missing, i, s) {
		printf("%s  ", i == 0 ? "\nMissing requirements:\n" : "");
		print_text(jtext(s, "emoji", "📦"));
		putchar(' ');
		print_text(jtext(s, "name", "?"));
		put_missing(&b, s);
		printf(" (");
		print_text(dbuf_str(&b));
		printf(")\n");
	}
	dbuf_clear(&b);
}

int
cmd_skills_check(struct args *a)
{
	json_t		*report = rpc_once(a, "skills.status", NULL), *s;
	struct counts	 c = { json_array(), json_array(), json_array(),
	    json_array() };
	size_t		 i;

	json_array_foreach(json_object_get(report, "skills"), i, s) {
		if (is(s, "eligible"))
			json_array_append(c.eligible, json_object_get(s,
			    "name"));
		if (is(s, "disabled"))
			json_array_append(c.disabled, json_object_get(s,
			    "name"));
		else if (is(s, "blockedByAllowlist"))
			json_array_append(c.blocked, json_object_get(s,
			    "name"));
		if (lacks(s))
			json_array_append(c.missing, s);
	}
	if (report != NULL && a->opt[OPT_JSON] != NULL)
		check_json(report, &c);
	else if (report != NULL)
		check_text(report, &c);
	json_decref(c.eligible);
	json_decref(c.disabled);
	json_decref(c.blocked);
	json_decref(c.missing);
	if (report == NULL)
		return 1;
	json_decref(report);
	return 0;
}
