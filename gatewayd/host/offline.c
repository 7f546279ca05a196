/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See offline.h. */
#include "common/compat.h"

#include <sys/mman.h>

#include <errno.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memfd.h"
#include "gatewayd/gatewayd.h"
#include "gatewayd/host/offline.h"

#define TEXT_MAX	(64u << 20)	/* the reader's own limits are less */

static struct event_base	*base;
static int		*status, verb;

int
offline_verb(const char *name)
{
	return strcmp(name, "show") == 0 ? CF_SHOW :
	    strcmp(name, "set") == 0 ? CF_SET :
	    strcmp(name, "edit") == 0 ? CF_EDIT : -1;
}

static int
copy(int from, int to)
{
	static char	 buf[65536];
	size_t		 all = 0;
	ssize_t		 n, w, off;

	while ((n = read(from, buf, sizeof(buf))) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		if ((all += (size_t)n) > TEXT_MAX) {
			errno = EFBIG;
			return -1;
		}
		for (off = 0; off < n; off += w)
			if ((w = write(to, buf + off, (size_t)(n - off))) ==
			    -1) {
				if (errno != EINTR)
					return -1;
				w = 0;
			}
	}
	explicit_bzero(buf, sizeof(buf));
	return 0;
}

static void
offline_cb(bool ok)
{
	char	 why[4608];
	int	 fd = results_text(CF_TEXT_ANSWER);

	*status = ok ? 0 : 1;
	if (fd == -1 || (!ok && conf_problem()[0] != '\0')) {
		log_errorx("configuration: %s", conf_problem());
		*status = EX_CONFIG;
	} else if (ok && verb != CF_SHOW &&
	    configure_store(why, sizeof(why)) == -1) {
		log_errorx("configuration: %s", why);
		*status = EX_CONFIG;
	} else if (lseek(fd, 0, SEEK_SET) == -1 ||
	    copy(fd, STDOUT_FILENO) == -1) {
		log_warn("standard output");
		*status = EX_IOERR;
	}
	if (fd != -1)
		close(fd);
	event_base_loopbreak(base);
}

void
offline_start(struct event_base *b, int v, int *result)
{
	int	 fd = memfd_create("wish", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	base = b;
	verb = v;
	status = result;
	if (fd == -1 || copy(STDIN_FILENO, fd) == -1 || memfd_seal(fd) == -1)
		fatal("standard input");
	if (conf_write((uint8_t)verb, fd, offline_cb) == -1)
		fatal("configuration reader");
	close(fd);
}
