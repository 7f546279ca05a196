/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Lines of an administrator's control connection into the whole router with no
 * sibling: whatever comes, each frame is answered by one line of JSON, or the
 * connection ends.
 */
#include "common/compat.h"

#include <sys/socket.h>

#include <event2/buffer.h>
#include <unistd.h>

#include "common/log.h"
#include "gatewayd/router/router.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct event_base	*base;

static void
start(void)
{
	struct parcel_writer	*w = parcel_writer_new();
	struct parcel		*p;
	char			 why[128];

	base = event_base_new();
	log_setlevel(LOG_LEVEL_FATAL);
	parcel_puts(w, "main", "agent.0.id");
	parcel_puts(w, "work", "agent.1.id");
	p = parcel_open(parcel_writer_seal(w));
	if (p == NULL || rt_worker.configure(p, false, why, sizeof(why)) == -1)
		abort();
	parcel_close(p);
	if (rt_start(base, NULL) == -1)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct skim_val	 v;
	struct client	*c;
	char		*text, *line, *nl;
	size_t		 n;
	int		 sv[2];

	if (base == NULL)
		start();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == -1)
		abort();
	if ((c = rt_client_new(sv[1], DOOR_CONTROL)) == NULL)
		abort();
	c->role = CLIENT_OPERATOR;
	c->scopes = 31;
	c->protocol = 3;
	c->principal = strdup("fuzz");
	text = malloc(size + 1);
	memcpy(text, data, size);
	/* Each line on its own, so that reads beyond it are seen. */
	for (line = text; line < text + size; line = nl + 1) {
		if ((nl = memchr(line, '\n', (size_t)(text + size - line))) ==
		    NULL)
			nl = text + size;
		n = (size_t)(nl - line);
		if (n > 0) {
			char	*one = malloc(n);

			memcpy(one, line, n);
			rt_dispatch(c, one, n);
			free(one);
		}
	}
	free(text);
	n = evbuffer_get_length(c->out);
	text = malloc(n + 1);
	evbuffer_remove(c->out, text, n);
	for (line = text; line < text + n; line = nl + 1) {
		if ((nl = memchr(line, '\n', (size_t)(text + n - line))) ==
		    NULL)
			abort();
		if (skim_text(line, (size_t)(nl - line), &v) != SKIM_OK ||
		    v.kind != SKIM_OBJECT)
			abort();
	}
	free(text);
	rt_client_close(c, 1000, "");
	rt_clients_flush();
	close(sv[0]);
	rt_clients_sweep(UINT64_MAX);
	event_base_loop(base, EVLOOP_NONBLOCK);
	if (rt_clients_count() != 0)
		abort();
	return 0;
}
