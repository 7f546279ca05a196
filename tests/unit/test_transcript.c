/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

#include "agentd/transcript.h"
#include "common/dbuf.h"

#define NOW	1769936403000ull
#define SID	"5d0c2a52-6a0f-4f0e-9d1c-0a2b3c4d5e6f"

static int	 dir_fd = -1;
static char	 dir_name[64];

static int
setup(void **state)
{
	(void)state;
	strlcpy(dir_name, "/tmp/gw-transcript-XXXXXX", sizeof(dir_name));
	if (mkdtemp(dir_name) == NULL)
		return -1;
	dir_fd = open(dir_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir_fd == -1 ? -1 : 0;
}

static int
teardown(void **state)
{
	struct dirent	*e;
	DIR		*d = fdopendir(dir_fd);

	(void)state;
	while ((e = readdir(d)) != NULL)
		unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	rmdir(dir_name);
	return 0;
}

static void
put_file(const char *name, const char *p, size_t n)
{
	int	 fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd != -1);
	assert_int_equal(write(fd, p, n), (ssize_t)n);
	close(fd);
}

static char *
get_file(const char *name, size_t *n)
{
	struct stat	 st;
	int		 fd = openat(dir_fd, name, O_RDONLY);
	char		*p;

	assert_true(fd != -1);
	fstat(fd, &st);
	p = calloc(1, (size_t)st.st_size + 1);
	assert_int_equal(read(fd, p, (size_t)st.st_size), st.st_size);
	close(fd);
	*n = (size_t)st.st_size;
	return p;
}

static struct transcript *
open_it(const char *name)
{
	struct transcript	*t;
	bool			 moved;

	t = transcript_open(dir_fd, name, SID, "/w", NOW, &moved);
	assert_non_null(t);
	assert_false(moved);
	return t;
}

static void
say(struct transcript *t, const char *role, const char *text)
{
	json_t	*m = json_pack("{s:s,s:[{s:s,s:s}],s:I}", "role", role,
		    "content", "type", "text", "text", text, "timestamp",
		    (json_int_t)NOW);

	assert_int_equal(transcript_append_message(t, m, NOW, NULL), 0);
	json_decref(m);
}

static const char *
text_at(json_t *list, size_t i)
{
	return json_string_value(json_object_get(json_array_get(
	    json_object_get(json_array_get(list, i), "content"), 0), "text"));
}

static void
test_written_form(void **state)
{
	struct transcript	*t = open_it("a.jsonl");
	char			*p, want[1024], id1[9], id2[9];
	json_t			*m;
	size_t			 n;

	(void)state;
	m = json_pack("{s:s,s:s}", "role", "user", "content", "hi");
	assert_int_equal(transcript_append_message(t, m, NOW, id1), 0);
	assert_int_equal(transcript_append_message(t, m, NOW + 1, id2), 0);
	json_decref(m);
	assert_true(transcript_dirty(t));
	assert_int_equal(transcript_sync(t), 0);
	assert_false(transcript_dirty(t));
	transcript_close(t);
	p = get_file("a.jsonl", &n);
	snprintf(want, sizeof(want), "{\"type\":\"session\",\"version\":3,"
	    "\"id\":\"" SID "\",\"timestamp\":\"2026-02-01T09:00:03.000Z\","
	    "\"cwd\":\"/w\"}\n"
	    "{\"type\":\"message\",\"id\":\"%s\",\"parentId\":null,"
	    "\"timestamp\":\"2026-02-01T09:00:03.000Z\",\"message\":{"
	    "\"role\":\"user\",\"content\":\"hi\"}}\n"
	    "{\"type\":\"message\",\"id\":\"%s\",\"parentId\":\"%s\","
	    "\"timestamp\":\"2026-02-01T09:00:03.001Z\",\"message\":{"
	    "\"role\":\"user\",\"content\":\"hi\"}}\n", id1, id2, id1);
	assert_string_equal(p, want);
	free(p);
}

/* What a power failure takes, at any byte, comes back from the copy; a file
 * that is another one is left alone. */
static void
test_R07_lost_end_is_put_back(void **state)
{
	struct transcript	*t = open_it("c.jsonl");
	char			*all, *copy, *p, *none;
	json_t			*m;
	int64_t			 at, at2;
	size_t			 n, len, cut;
	int			 fd;

	(void)state;
	m = json_pack("{s:s,s:s}", "role", "user", "content", "hi");
	/* A new file is offered whole, and again when it was not taken. */
	assert_int_equal(transcript_append_message(t, m, NOW, NULL), 0);
	assert_false(transcript_needs_sync(t));
	assert_int_equal(transcript_offer(t, &copy, &n, &at), 1);
	assert_int_equal(at, 0);
	assert_int_equal(n, transcript_size(t));
	free(copy);
	assert_int_equal(transcript_offer(t, &none, &len, &at2), 0);
	transcript_taken(t, false);
	assert_true(transcript_dirty(t));
	assert_int_equal(transcript_offer(t, &copy, &n, &at), 1);
	assert_int_equal(at, 0);
	free(copy);
	transcript_taken(t, true);
	assert_false(transcript_dirty(t));
	/* Then only what is new. */
	assert_int_equal(transcript_append_message(t, m, NOW, NULL), 0);
	assert_int_equal(transcript_offer(t, &copy, &n, &at), 1);
	assert_true(at > 0);
	assert_int_equal(at + (int64_t)n, transcript_size(t));
	transcript_taken(t, true);
	transcript_close(t);
	/* Opened again, nobody knows what of it is on the disk. */
	t = open_it("c.jsonl");
	assert_int_equal(transcript_append_message(t, m, NOW, NULL), 0);
	assert_true(transcript_needs_sync(t));
	transcript_close(t);
	json_decref(m);
	all = get_file("c.jsonl", &len);
	assert_int_equal(transcript_restore(dir_fd, "c.jsonl", copy, n, at),
	    0);
	for (cut = 0; cut <= n; cut++) {
		put_file("c.jsonl", all, (size_t)at + cut);
		assert_int_equal(transcript_restore(dir_fd, "c.jsonl", copy,
		    n, at), cut < n);
		p = get_file("c.jsonl", &len);
		assert_int_equal(len, (size_t)at + n);
		assert_memory_equal(p, all, len);
		free(p);
	}
	/* Blocks of zeros are lost data; other bytes are somebody's. */
	memset(all + at, 0, n);
	put_file("c.jsonl", all, (size_t)at + n);
	assert_int_equal(transcript_restore(dir_fd, "c.jsonl", copy, n, at),
	    1);
	all[at + 3] = 'x';
	put_file("c.jsonl", all, (size_t)at + n);
	assert_int_equal(transcript_restore(dir_fd, "c.jsonl", copy, n, at),
	    -1);
	assert_int_equal(errno, EBADMSG);
	put_file("c.jsonl", all, (size_t)at - 1);
	assert_int_equal(transcript_restore(dir_fd, "c.jsonl", copy, n, at),
	    -1);
	assert_int_equal(errno, EBADMSG);
	unlinkat(dir_fd, "c.jsonl", 0);
	assert_int_equal(transcript_restore(dir_fd, "c.jsonl", copy, n, at),
	    -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(transcript_restore(dir_fd, "c.jsonl", copy, n, 0),
	    1);
	fd = openat(dir_fd, "c.jsonl", O_RDONLY);
	assert_true(fd != -1);
	close(fd);
	assert_int_equal(transcript_restore(dir_fd, "../c", copy, n, 0), -1);
	free(all);
	free(copy);
}

/* R15 and R07: a crash at any byte leaves a file that reads well and can be
 * appended to. */
static void
test_R07_torn_at_every_byte(void **state)
{
	struct transcript	*t = open_it("b.jsonl");
	char			*p, *nl;
	json_t			*list;
	size_t			 n, cut, bytes, lines;
	bool			 moved;

	(void)state;
	say(t, "user", "one");
	say(t, "assistant", "two \xc3\xa9");
	say(t, "user", "three");
	transcript_close(t);
	p = get_file("b.jsonl", &n);
	for (cut = 0; cut <= n; cut++) {
		put_file("c.jsonl", p, cut);
		for (lines = 0, nl = p; nl < p + cut; nl++)
			lines += *nl == '\n';
		/* A reader beside us accepts it as it is ... */
		t = transcript_open_read(dir_fd, "c.jsonl");
		assert_non_null(t);
		list = transcript_context(t, 1 << 20, &bytes);
		assert_int_equal(json_array_size(list),
		    lines == 0 ? 0 : lines - 1 +
		    (cut > 0 && p[cut - 1] != '\n' && p[cut] == '\n'));
		json_decref(list);
		transcript_close(t);
		/* ... and the owner goes on behind the last whole line. */
		t = transcript_open(dir_fd, "c.jsonl", SID, "/w", NOW, &moved);
		assert_non_null(t);
		assert_false(moved);
		say(t, "user", "next");
		list = transcript_context(t, 1 << 20, &bytes);
		assert_int_equal(json_array_size(list),
		    lines == 0 ? 1 : lines);
		assert_string_equal(text_at(list, json_array_size(list) - 1),
		    "next");
		json_decref(list);
		transcript_close(t);
	}
	free(p);
}

static void
test_bad_header_is_kept_aside(void **state)
{
	struct transcript	*t;
	struct dirent		*e;
	DIR			*d;
	bool			 moved, found = false;

	(void)state;
	put_file("d.jsonl", "not a transcript\n", 17);
	t = transcript_open(dir_fd, "d.jsonl", SID, "/w", NOW, &moved);
	assert_non_null(t);
	assert_true(moved);
	say(t, "user", "x");
	transcript_close(t);
	d = fdopendir(dup(dir_fd));
	rewinddir(d);
	while ((e = readdir(d)) != NULL)
		found |= strncmp(e->d_name, "d.jsonl.corrupt-", 16) == 0;
	closedir(d);
	assert_true(found);
}

static void
test_context_is_bounded_and_begins_with_a_question(void **state)
{
	struct transcript	*t = open_it("e.jsonl");
	json_t			*list;
	char			 text[64];
	size_t			 bytes;
	int			 i;

	(void)state;
	for (i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "q%d", i);
		say(t, "user", text);
		say(t, "assistant", "a");
	}
	list = transcript_context(t, 1000, &bytes);
	assert_true(bytes <= 1000);
	assert_true(json_array_size(list) >= 4);
	assert_string_equal(json_string_value(json_object_get(
	    json_array_get(list, 0), "role")), "user");
	json_decref(list);
	list = transcript_history(t, 3, 1 << 20);
	assert_int_equal(json_array_size(list), 3);
	assert_string_equal(text_at(list, 1), "q499");
	json_decref(list);
	list = transcript_history(t, 100, 1);
	assert_int_equal(json_array_size(list), 1);
	json_decref(list);
	list = transcript_context(t, 1 << 20, &bytes);
	assert_int_equal(json_array_size(list), 1000);
	assert_string_equal(text_at(list, 0), "q0");
	json_decref(list);
	transcript_close(t);
}

static void
test_branches_compaction_and_noise(void **state)
{
	static const char file[] =
	    "{\"type\":\"session\",\"version\":2,\"id\":\"s\"}\n"
	    "{\"type\":\"message\",\"id\":\"00000001\",\"parentId\":null,"
	    "\"message\":{\"role\":\"user\",\"content\":[{\"type\":\"text\","
	    "\"text\":\"old\"}]}}\n"
	    "{\"type\":\"message\",\"id\":\"00000002\",\"parentId\":"
	    "\"00000001\",\"message\":{\"role\":\"user\",\"content\":[{"
	    "\"type\":\"text\",\"text\":\"kept\"}]}}\n"
	    "garbage {\n"
	    "{\"type\":\"message\",\"id\":\"0000000f\",\"parentId\":"
	    "\"00000002\",\"message\":{\"role\":\"user\",\"content\":[{"
	    "\"type\":\"text\",\"text\":\"other branch\"}]}}\n"
	    "{\"type\":\"compaction\",\"id\":\"00000003\",\"parentId\":"
	    "\"00000002\",\"summary\":\"S\",\"firstKeptEntryId\":"
	    "\"00000002\",\"tokensBefore\":7}\n"
	    "{\"type\":\"future\",\"id\":\"00000004\",\"parentId\":"
	    "\"00000003\"}\n"
	    "{\"type\":\"message\",\"id\":\"00000005\",\"parentId\":"
	    "\"00000004\",\"message\":{\"role\":\"hookMessage\","
	    "\"content\":[{\"type\":\"text\",\"text\":\"new\"}]}}\n";
	struct transcript	*t;
	json_t			*list;
	size_t			 bytes;

	(void)state;
	put_file("f.jsonl", file, sizeof(file) - 1);
	t = open_it("f.jsonl");
	list = transcript_context(t, 1 << 20, &bytes);
	assert_int_equal(json_array_size(list), 3);
	assert_string_equal(json_string_value(json_object_get(
	    json_array_get(list, 0), "role")), "compactionSummary");
	assert_string_equal(text_at(list, 1), "kept");
	assert_string_equal(text_at(list, 2), "new");
	assert_string_equal(json_string_value(json_object_get(
	    json_array_get(list, 2), "role")), "custom");
	json_decref(list);
	list = transcript_history(t, 100, 1 << 20);
	assert_int_equal(json_array_size(list), 3);
	assert_string_equal(text_at(list, 0), "old");
	json_decref(list);
	transcript_branch(t, "00000002");
	say(t, "user", "side");
	list = transcript_context(t, 1 << 20, &bytes);
	assert_int_equal(json_array_size(list), 3);
	assert_string_equal(text_at(list, 2), "side");
	json_decref(list);
	transcript_close(t);
}

static void
test_version_1_has_no_ids(void **state)
{
	static const char file[] =
	    "{\"type\":\"session\",\"id\":\"s\"}\n"
	    "{\"type\":\"message\",\"message\":{\"role\":\"user\","
	    "\"content\":[{\"type\":\"text\",\"text\":\"one\"}]}}\n"
	    "{\"type\":\"message\",\"message\":{\"role\":\"user\","
	    "\"content\":[{\"type\":\"text\",\"text\":\"two\"}]}}\n";
	struct transcript	*t;
	json_t			*list;
	size_t			 bytes;

	(void)state;
	put_file("g.jsonl", file, sizeof(file) - 1);
	t = open_it("g.jsonl");
	say(t, "user", "three");
	list = transcript_context(t, 1 << 20, &bytes);
	assert_int_equal(json_array_size(list), 3);
	json_decref(list);
	transcript_close(t);
}

static void
test_long_lines(void **state)
{
	struct transcript	*t = open_it("h.jsonl");
	size_t			 n = TRANSCRIPT_LINE_MAX + 100, bytes;
	char			*big = malloc(n + 1);
	json_t			*list;
	int			 fd;

	(void)state;
	say(t, "user", "before");
	memset(big, 'x', n);
	big[300000] = '\0';
	say(t, "user", big);
	transcript_close(t);
	/* A giant that somebody else wrote is passed over. */
	memset(big, 'x', n);
	big[n] = '\n';
	fd = openat(dir_fd, "h.jsonl", O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, big, n + 1), (ssize_t)n + 1);
	close(fd);
	t = open_it("h.jsonl");
	say(t, "user", "after");
	list = transcript_context(t, 1 << 30, &bytes);
	assert_int_equal(json_array_size(list), 3);
	assert_int_equal(strlen(text_at(list, 1)), 300000);
	json_decref(list);
	transcript_close(t);
	free(big);
}

static void
test_R15_full_disk_leaves_whole_lines(void **state)
{
	struct transcript	*t = open_it("i.jsonl");
	struct rlimit		 old, lim;
	json_t			*m, *list;
	char			 text[200];
	size_t			 bytes;
	int			 ok = 0, i;

	(void)state;
	memset(text, 't', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	m = json_pack("{s:s,s:[{s:s,s:s}]}", "role", "user", "content",
	    "type", "text", "text", text);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	lim = old;
	lim.rlim_cur = 1500;
	setrlimit(RLIMIT_FSIZE, &lim);
	for (i = 0; i < 10; i++)
		ok += transcript_append_message(t, m, NOW, NULL) == 0;
	assert_true(ok > 0 && ok < 10);
	setrlimit(RLIMIT_FSIZE, &old);
	/* There is room again: goes on as if nothing had been. */
	assert_int_equal(transcript_append_message(t, m, NOW, NULL), 0);
	list = transcript_context(t, 1 << 20, &bytes);
	assert_int_equal(json_array_size(list), ok + 1);
	json_decref(list);
	json_decref(m);
	transcript_close(t);
}

static void
test_hostile_lines(void **state)
{
	struct dbuf	 b;
	int		 i;

	(void)state;
	dbuf_init(&b, 1 << 20);
	dbuf_puts(&b, "{\"type\":\"x\",\"a\":");
	for (i = 0; i < 100000; i++)
		dbuf_putc(&b, '[');
	assert_null(transcript_parse_line(b.p, b.n));
	dbuf_clear(&b);
	assert_null(transcript_parse_line("[]", 2));
	assert_null(transcript_parse_line("{}", 2));
	assert_null(transcript_parse_line("{\"type\":1}", 10));
	assert_null(transcript_parse_line("", 0));
	assert_null(transcript_open_read(dir_fd, "../etc"));
	assert_null(transcript_open_read(dir_fd, ".hidden"));
	assert_int_equal(symlinkat("/etc/passwd", dir_fd, "link.jsonl"), 0);
	assert_null(transcript_open_read(dir_fd, "link.jsonl"));
	assert_null(transcript_open_read(dir_fd, "absent.jsonl"));
	assert_int_equal(errno, ENOENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_written_form),
		cmocka_unit_test(test_R07_lost_end_is_put_back),
		cmocka_unit_test(test_R07_torn_at_every_byte),
		cmocka_unit_test(test_bad_header_is_kept_aside),
		cmocka_unit_test(
		    test_context_is_bounded_and_begins_with_a_question),
		cmocka_unit_test(test_branches_compaction_and_noise),
		cmocka_unit_test(test_version_1_has_no_ids),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_R15_full_disk_leaves_whole_lines),
		cmocka_unit_test(test_hostile_lines),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
