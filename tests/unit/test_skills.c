/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Finding skills on a real file system, and whether they may be used. */
#include "common/compat.h"

#include <sys/stat.h>

#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

#include "agentd/agentd.h"
#include "agentd/skills.h"
#include "common/dbuf.h"

static char			 top[64];
static struct skills_places	 places;
static struct skills		*all;

static char *
at(const char *name)
{
	static char	 buf[8][512];
	static size_t	 i;

	i = (i + 1) % 8;
	snprintf(buf[i], sizeof(buf[i]), "%s/%s", top, name);
	return buf[i];
}

static void
folder(const char *name)
{
	char	*p, *s = at(name);

	for (p = s + strlen(top) + 1; (p = strchr(p, '/')) != NULL; *p++ =
	    '/') {
		*p = '\0';
		mkdir(s, 0755);
	}
	assert_true(mkdir(s, 0755) == 0 || access(s, F_OK) == 0);
}

static void
put(const char *dir, const char *name, const char *text)
{
	char	 path[256];
	FILE	*f;

	folder(dir);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(at(path), "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void
skill(const char *dir, const char *name, const char *more)
{
	char	 text[4096];

	snprintf(text, sizeof(text), "---\nname: %s\ndescription: in %s\n%s"
	    "---\n", name, dir, more);
	put(dir, "SKILL.md", text);
}

/* "name=description" of all, in their order. */
static const char *
load(void)
{
	static char	 buf[16384];
	size_t		 i;

	skills_free(all);
	all = skills_load(&places);
	assert_non_null(all);
	buf[0] = '\0';
	for (i = 0; i < all->n; i++) {
		strlcat(buf, i > 0 ? " " : "", sizeof(buf));
		strlcat(buf, all->v[i].name, sizeof(buf));
		strlcat(buf, "=", sizeof(buf));
		strlcat(buf, &all->v[i].description[3], sizeof(buf));
	}
	return buf;
}

static int
setup(void **state)
{
	(void)state;
	strlcpy(top, "/tmp/skills.XXXXXX", sizeof(top));
	if (mkdtemp(top) == NULL)
		return -1;
	memset(&places, 0, sizeof(places));
	places.workspace = strdup(at("ws"));
	folder("ws");
	return 0;
}

static int
drop(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)st;
	(void)flag;
	(void)f;
	return remove(path);
}

static int
teardown(void **state)
{
	(void)state;
	skills_free(all);
	all = NULL;
	free((void *)(uintptr_t)places.workspace);
	return nftw(top, drop, 16, FTW_DEPTH | FTW_PHYS);
}

static void
test_precedence(void **state)
{
	static char	 extra[128], bundled[128], managed[128];

	(void)state;
	assert_string_equal(load(), "");
	snprintf(extra, sizeof(extra), "%s/extra", top);
	snprintf(bundled, sizeof(bundled), "%s/bundled", top);
	snprintf(managed, sizeof(managed), "%s/managed", top);
	places.extra[places.nextra++] = extra;
	places.bundled = bundled;
	places.managed = managed;
	assert_string_equal(load(), "");
	skill("extra/b", "b", "");
	skill("extra/a", "a", "");
	skill("extra/deep/er/c", "c", "");
	assert_string_equal(load(), "a=extra/a b=extra/b c=extra/deep/er/c");
	assert_int_equal(all->v[0].source, SKILL_EXTRA);
	assert_string_equal(all->v[2].dir, at("extra/deep/er/c"));
	assert_string_equal(all->v[2].file, at("extra/deep/er/c/SKILL.md"));
	/* the later one takes the place of the earlier */
	skill("bundled/a", "a", "");
	assert_string_equal(load(), "a=bundled/a b=extra/b "
	    "c=extra/deep/er/c");
	skill("managed/x", "a", "");
	skill("ws/skills/b", "b", "");
	skill("ws/skills/z", "z", "");
	assert_string_equal(load(), "a=managed/x b=ws/skills/b "
	    "c=extra/deep/er/c z=ws/skills/z");
	assert_int_equal(all->v[1].source, SKILL_WORKSPACE);
	assert_null(skills_find(all, "y"));
	assert_string_equal(skills_find(all, "z")->key, "z");
	/* what is not looked into, and what is no skill */
	skill("ws/skills/.hidden", "h", "");
	skill("ws/skills/node_modules/n", "n", "");
	put("ws/skills/w", "skill.md", "---\ndescription: in w\n---\n");
	put("ws/skills", "README.md", "---\ndescription: in w\n---\n");
	put("ws/skills/v", "SKILL.md", "---\nname: v\n---\n");
	assert_string_equal(load(), "a=managed/x b=ws/skills/b "
	    "c=extra/deep/er/c z=ws/skills/z");
}

static void
test_T49_nothing_outside_is_read(void **state)
{
	static char	 more[128];

	(void)state;
	skill("secret/s", "s", "");
	skill("ws/other/o", "o", "");
	skill("ws/skills/a", "a", "");
	folder("ws/skills/b");
	assert_int_equal(symlink(at("secret/s/SKILL.md"),
	    at("ws/skills/b/SKILL.md")), 0);
	assert_int_equal(symlink("../../secret", at("ws/skills/c")), 0);
	assert_int_equal(symlink("../other", at("ws/skills/d")), 0);
	assert_int_equal(symlink(at("secret"), at("ws/skills/e")), 0);
	assert_int_equal(symlink("/proc/self/root", at("ws/skills/f")), 0);
	assert_int_equal(symlink("missing", at("ws/skills/g")), 0);
	assert_int_equal(mkfifo(at("ws/skills/b/x"), 0600), 0);
	folder("ws/skills/h");
	assert_int_equal(mkfifo(at("ws/skills/h/SKILL.md"), 0600), 0);
	folder("ws/skills/i/SKILL.md");
	assert_string_equal(load(), "a=ws/skills/a");
	/* a link that stays inside is followed */
	assert_int_equal(symlink("../a/SKILL.md", at("ws/skills/b/y")), 0);
	assert_int_equal(unlink(at("ws/skills/b/SKILL.md")), 0);
	assert_int_equal(symlink("../a/SKILL.md",
	    at("ws/skills/b/SKILL.md")), 0);
	assert_string_equal(load(), "a=ws/skills/a");
	assert_string_equal(all->v[0].dir, at("ws/skills/b"));
	/* the folder itself, and one named in the configuration */
	assert_int_equal(rename(at("ws/skills"), at("ws/was")), 0);
	assert_int_equal(symlink("../secret", at("ws/skills")), 0);
	snprintf(more, sizeof(more), "%s/ws/more", top);
	places.extra[places.nextra++] = more;
	assert_int_equal(symlink(at("secret"), at("ws/more")), 0);
	assert_string_equal(load(), "");
	assert_int_equal(unlink(at("ws/more")), 0);
	assert_int_equal(symlink("other", at("ws/more")), 0);
	assert_string_equal(load(), "o=ws/other/o");
}

static void
test_T49_a_walk_ends(void **state)
{
	char	 name[512];
	size_t	 i, n;

	(void)state;
	/* links to itself: each folder is walked once */
	skill("ws/skills/a", "a", "");
	for (i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "ws/skills/a/l%zu", i);
		assert_int_equal(symlink("..", at(name)), 0);
	}
	assert_string_equal(load(), "a=ws/skills/a");
	/* deeper than is looked */
	strlcpy(name, "ws/skills/d", sizeof(name));
	for (i = 0; i < SKILLS_DEPTH_MAX - 1; i++)
		strlcat(name, "/d", sizeof(name));
	skill(name, "deep", "");
	strlcat(name, "/d", sizeof(name));
	skill(name, "deeper", "");
	load();
	assert_non_null(skills_find(all, "deep"));
	assert_null(skills_find(all, "deeper"));
	/* more than are taken */
	for (i = 0; i < SKILLS_ROOT_MAX + 20; i++) {
		snprintf(name, sizeof(name), "ws/skills/n%03zu", i);
		skill(name, name + 10, "");
	}
	load();
	assert_int_equal(all->n, SKILLS_ROOT_MAX);
	for (n = 0; n < SKILLS_NAMES_MAX; n++) {
		snprintf(name, sizeof(name), "ws/skills/a/%zu", n);
		i = (size_t)open(at(name), O_CREAT | O_WRONLY, 0600);
		close((int)i);
	}
	load();
	assert_true(all->n < SKILLS_ROOT_MAX);
}

/* --- judgement -------------------------------------------------------------- */

static const struct skill *
one(const char *meta)
{
	char	 text[4096];

	snprintf(text, sizeof(text), "metadata: {openclaw: {%s}}\n", meta);
	skill("ws/skills/k", "k", text);
	load();
	assert_int_equal(all->n, 1);
	return &all->v[0];
}

static struct skill_verdict
judge(const char *meta, const char *settings)
{
	struct skill_verdict	 v;
	json_t			*s = json_loads(settings, 0, NULL);

	assert_non_null(s);
	skill_judge(one(meta), s, &v);
	json_decref(s);
	return v;
}

static void
test_judgement(void **state)
{
	struct config		 c;
	struct skill_verdict	 v;
	static char		 bundled[128];
	char			 settings[256];

	(void)state;
	memset(&c, 0, sizeof(c));
	snprintf(settings, sizeof(settings), "{\"tools\":{\"exec\":{"
	    "\"pathPrepend\":[\"%s\",5,\"relative\"]}}}", at("bin"));
	c.root = json_loads(settings, 0, NULL);
	cfg = &c;
	put("bin", "mine", "");
	put("bin", "plain", "");
	folder("bin/some-folder");
	assert_int_equal(chmod(at("bin/mine"), 0755), 0);
	assert_true(skill_has_program("mine") && skill_has_program("sh"));
	assert_false(skill_has_program("plain") || skill_has_program("some-folder") ||
	    skill_has_program("") || skill_has_program("..") ||
	    skill_has_program("../bin/mine") || skill_has_program("no-such"));

	assert_true(judge("", "{}").eligible);
	v = judge("requires: {bins: ['sh', 'no-1', 'mine', 'no-2']}", "{}");
	assert_true(!v.eligible && v.bins == 10);
	v = judge("requires: {anyBins: ['no-1', 'no-2']}", "{}");
	assert_true(!v.eligible && v.any_bins == 3);
	assert_true(judge("requires: {anyBins: ['no-1', 'sh']}",
	    "{}").eligible);
	v = judge("os: ['darwin', 'win32']", "{}");
	assert_true(!v.eligible && v.os == 3);
	assert_true(judge("os: ['darwin', 'linux']", "{}").eligible);
	v = judge("always: true, os: ['darwin'], requires: {bins: ['no']}",
	    "{}");
	assert_true(v.eligible && v.os == 0 && v.bins == 0);

	/* env: of the gateway, of the entry, or its key */
	v = judge("primaryEnv: 'B', requires: {env: ['A', 'B', 'C', 'D']}",
	    "{\"environ\":[\"A\"],\"entries\":{\"k\":{\"apiKey\":true,"
	    "\"env\":[\"C\"]}}}");
	assert_true(!v.eligible && v.env == 8);
	v = judge("requires: {env: ['B']}", "{\"entries\":{\"k\":{"
	    "\"apiKey\":true}}}");
	assert_true(v.env == 1);
	v = judge("requires: {config: ['a.b', 'a', 'a.c', 'x.y', "
	    "'browser.enabled', '..a..b', '']}", "{\"config\":{\"a\":{\"b\":"
	    "true,\"c\":false}}}");
	assert_true(v.config == (4 | 8));
	v = judge("requires: {config: ['browser.enabled']}",
	    "{\"config\":{\"browser\":{\"enabled\":false}}}");
	assert_true(v.config == 1);

	v = judge("", "{\"entries\":{\"k\":{\"disabled\":true}}}");
	assert_true(v.disabled && !v.eligible);
	v = judge("skillKey: 'other'", "{\"entries\":{\"k\":{\"disabled\":"
	    "true}}}");
	assert_true(!v.disabled && v.eligible);
	/* the list is for bundled ones alone */
	assert_false(judge("", "{\"allowBundled\":[\"x\"]}").blocked);
	snprintf(bundled, sizeof(bundled), "%s/ws/skills", top);
	places.bundled = bundled;
	free((void *)(uintptr_t)places.workspace);
	places.workspace = NULL;
	assert_true(judge("", "{\"allowBundled\":[\"x\"]}").blocked);
	assert_false(judge("", "{\"allowBundled\":[\"k\"]}").blocked);
	assert_false(judge("skillKey: 'x'", "{\"allowBundled\":[\"x\"]}")
	    .blocked);
	assert_false(judge("", "{\"allowBundled\":[]}").blocked);
	json_decref(c.root);
	cfg = NULL;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_precedence, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_T49_nothing_outside_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_T49_a_walk_ends, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_judgement, setup,
		    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
