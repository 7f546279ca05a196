/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* A transcript of any bytes is read without harm; opening it for appending
 * leaves a file to which a line can be appended and read back. */
#include "common/compat.h"

#include <fcntl.h>
#include <unistd.h>

#include "agentd/transcript.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static char	 name[] = "/dev/shm/gw-fuzz-XXXXXX";
static int	 dir = -1;

static void
tidy(void)
{
	unlinkat(dir, "t.jsonl", 0);
	rmdir(name);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct transcript *t;
	json_t		*m, *list;
	size_t		 bytes;
	bool		 moved;
	int		 fd;

	if (dir == -1) {
		if (mkdtemp(name) == NULL ||
		    (dir = open(name, O_RDONLY | O_DIRECTORY)) == -1)
			abort();
		atexit(tidy);
	}
	unlinkat(dir, "t.jsonl", 0);
	fd = openat(dir, "t.jsonl", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd == -1 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
	json_decref(transcript_parse_line((const char *)data, size));
	if ((t = transcript_open_read(dir, "t.jsonl")) != NULL) {
		json_decref(transcript_context(t, 4096, &bytes));
		json_decref(transcript_history(t, 10, 4096));
		transcript_close(t);
	}
	t = transcript_open(dir, "t.jsonl", "s", "/", 1, &moved);
	if (t == NULL)
		abort();
	m = json_pack("{s:s,s:s}", "role", "user", "content", "x");
	if (transcript_append_message(t, m, 1, NULL) == -1)
		abort();
	list = transcript_history(t, 1, 4096);
	if (!json_equal(json_array_get(list, 0), m))
		abort();
	json_decref(list);
	json_decref(m);
	transcript_close(t);
	if (moved)
		unlinkat(dir, "t.jsonl.corrupt-1", 0);
	return 0;
}
