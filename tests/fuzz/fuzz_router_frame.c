/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Lines of an administrator's control connection into the whole router with no
 * sibling: whatever comes, each frame is answered by one line of JSON, or the
 * connection ends.  A line that begins with N is of a node, whose id of a
 * command, all zeros, is that of the last one it was sent.
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

#define ANY_ID	"00000000-0000-4000-8000-000000000000"

static struct client *
client(enum client_role role, int *other)
{
	struct client	*c;
	int		 sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == -1)
		abort();
	if ((c = rt_client_new(sv[1], DOOR_CONTROL)) == NULL)
		abort();
	c->role = role;
	c->scopes = role == CLIENT_OPERATOR ? 31 : 0;
	c->protocol = role == CLIENT_OPERATOR ? 3 : 4;
	c->principal = strdup("fuzz");
	*other = sv[0];
	return c;
}

static struct client *
node(int *other)
{
	struct m_auth_ticket	 t;
	struct client		*c = client(CLIENT_NODE, other);

	memset(&t, 0, sizeof(t));
	t.client_id = STR_LIT("n");
	t.platform = STR_LIT("linux");
	t.node = STR_LIT("{\"commands\":[\"system.run\",\"system.which\"]}");
	rt_node_connect(c, &t);
	return c;
}

/* Puts the id of the last command that was sent in the place of ANY_ID. */
static void
fill_id(struct client *c, char *p, size_t n)
{
	size_t	 out = evbuffer_get_length(c->out), i;
	char	*text = (char *)evbuffer_pullup(c->out, -1), *id = NULL, *at;

	for (i = 0; text != NULL && i + 90 < out; i++)
		if (memcmp(text + i, "invoke.request", 14) == 0)
			id = memmem(text + i, out - i, "\"id\":\"", 6);
	at = memmem(p, n, ANY_ID, 36);
	if (id != NULL && at != NULL && id + 42 <= text + out)
		memcpy(at, id + 6, 36);
}

/* Everything that was sent is lines of JSON. */
static void
check(struct client *c)
{
	struct skim_val	 v;
	size_t		 n = evbuffer_get_length(c->out);
	char		*text = malloc(n + 1), *line, *nl;

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
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct client	*c, *d;
	char		*text, *line, *nl, *one;
	size_t		 n;
	int		 fds[2];

	if (base == NULL)
		start();
	c = client(CLIENT_OPERATOR, &fds[0]);
	d = node(&fds[1]);
	text = malloc(size + 1);
	memcpy(text, data, size);
	/* Each line on its own, so that reads beyond it are seen. */
	for (line = text; line < text + size; line = nl + 1) {
		if ((nl = memchr(line, '\n', (size_t)(text + size - line))) ==
		    NULL)
			nl = text + size;
		n = (size_t)(nl - line);
		if (n > 0 && line[0] == 'N') {
			one = malloc(n);
			memcpy(one, line + 1, n - 1);
			fill_id(d, one, n - 1);
			rt_dispatch(d, one, n - 1);
			free(one);
		} else if (n > 0) {
			one = malloc(n);
			memcpy(one, line, n);
			rt_dispatch(c, one, n);
			free(one);
		}
	}
	free(text);
	check(c);
	check(d);
	/* Who leaves first differs. */
	rt_client_close(size % 2 == 0 ? c : d, 1000, "");
	rt_client_close(size % 2 == 0 ? d : c, 1000, "");
	rt_clients_flush();
	close(fds[0]);
	close(fds[1]);
	rt_clients_sweep(UINT64_MAX);
	event_base_loop(base, EVLOOP_NONBLOCK);
	if (rt_clients_count() != 0)
		abort();
	return 0;
}
