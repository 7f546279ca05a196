/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* A request before it is sent, and its way into and out of the queue. */

#include "common/compat.h"

#include <errno.h>

#include "common/http_request.h"

#define REQUEST_HEAD_MAX	65536
#define DEFAULT_TIMEOUT_MS	120000
#define DEFAULT_MAX_BODY	((uint64_t)64 << 20)

static void
http_request_free(struct http_request *rq)
{
	if (rq->body_free != NULL)
		rq->body_free(rq->body_arg);
	dbuf_clear(&rq->head);
	free(rq);
}

struct http_request *
http_request_new(struct http_client *client, const char *method,
    const char *path, const struct http_request_ops *ops, void *arg)
{
	struct http_request	*rq;
	const char		*p;

	if (!http_token_ok(str_of(method)) || path[0] != '/')
		goto invalid;
	for (p = path; *p != '\0'; p++)
		if (*p <= 0x20 || *p >= 0x7f || *p == '#')
			goto invalid;
	if ((rq = calloc(1, sizeof(*rq))) == NULL)
		return NULL;
	rq->client = client;
	rq->ops = ops;
	rq->arg = arg;
	rq->head_ms = rq->idle_ms = DEFAULT_TIMEOUT_MS;
	rq->max_body = DEFAULT_MAX_BODY;
	rq->to_head = strcmp(method, "HEAD") == 0;
	rq->idempotent = rq->to_head || strcmp(method, "GET") == 0;
	rq->has_body = strcmp(method, "POST") == 0 ||
	    strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
	/* The path may hold a credential too (Telegram). */
	dbuf_init_secret(&rq->head, REQUEST_HEAD_MAX);
	dbuf_printf(&rq->head, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path,
	    client->host_header);
	return rq;
invalid:
	errno = EINVAL;
	return NULL;
}

int
http_request_header(struct http_request *rq, const char *name,
    const char *value)
{
	static const char *const ours[] = { "host", "content-length",
	    "connection", "transfer-encoding", "upgrade", "te", "trailer",
	    "expect", "proxy-authorization", "accept-encoding" };
	size_t	i;

	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (ascii_casecmp(name, ours[i]) == 0)
			goto invalid;
	if (!http_token_ok(str_of(name)) || !http_value_ok(str_of(value)))
		goto invalid;
	return dbuf_printf(&rq->head, "%s: %s\r\n", name, value);
invalid:
	errno = EINVAL;
	return -1;
}

static void
copy_free(void *p)
{
	free(p);
}

int
http_request_body(struct http_request *rq, const void *p, size_t n,
    void (*free_cb)(void *), void *free_arg)
{
	void	*copy;

	if (free_cb == NULL && n > 0) {
		if ((copy = malloc(n)) == NULL)
			return -1;
		memcpy(copy, p, n);
		p = free_arg = copy;
		free_cb = copy_free;
	}
	if (rq->body_free != NULL)
		rq->body_free(rq->body_arg);
	rq->body_p = p;
	rq->body_n = n;
	rq->body_free = free_cb;
	rq->body_arg = free_arg;
	rq->has_body = true;
	return 0;
}

void
http_request_timeouts(struct http_request *rq, uint32_t head_ms,
    uint32_t idle_ms)
{
	if (head_ms != 0)
		rq->head_ms = head_ms;
	if (idle_ms != 0)
		rq->idle_ms = idle_ms;
}

void
http_request_max_body(struct http_request *rq, uint64_t max)
{
	rq->max_body = max;
}

void
http_request_wait(struct http_request *rq, bool first)
{
	rq->waiting = true;
	rq->client->nwaiting++;
	if (first)
		TAILQ_INSERT_HEAD(&rq->client->waiting, rq, entry);
	else
		TAILQ_INSERT_TAIL(&rq->client->waiting, rq, entry);
}

void
http_request_unwait(struct http_request *rq)
{
	rq->waiting = false;
	rq->client->nwaiting--;
	TAILQ_REMOVE(&rq->client->waiting, rq, entry);
}

int
http_request_send(struct http_request *rq)
{
	struct http_client	*client = rq->client;

	/* An answer is read as it is, so none but the plain form is wanted. */
	dbuf_puts(&rq->head, "Accept-Encoding: identity\r\n");
	if (rq->has_body)
		dbuf_printf(&rq->head, "Content-Length: %zu\r\n", rq->body_n);
	dbuf_puts(&rq->head, "\r\n");
	errno = 0;
	if (dbuf_err(&rq->head) || client->dead ||
	    client->nwaiting >= client->max_waiting) {
		errno = dbuf_err(&rq->head) ? ENOMEM : client->dead ? EPIPE :
		    ENOBUFS;
		http_request_free(rq);
		return -1;
	}
	http_request_wait(rq, false);
	http_client_kick(client);
	return 0;
}

void
http_request_cancel(struct http_request *rq)
{
	struct http_conn	*c = rq->conn;

	if (rq->over)
		return;		/* its done is running */
	if (rq->waiting)
		http_request_unwait(rq);
	rq->over = true;
	if (c != NULL)
		http_conn_give_up(c);
	http_request_free(rq);
}

void
http_request_done(struct http_request *rq, enum http_error err,
    const char *reason)
{
	rq->over = true;
	if (rq->ops->done != NULL)
		rq->ops->done(rq, err, reason, rq->arg);
	http_request_free(rq);
}

void
http_request_pause(struct http_request *rq)
{
	rq->paused = true;
	if (rq->conn != NULL)
		stream_pause(rq->conn->stream);
}

void
http_request_resume(struct http_request *rq)
{
	rq->paused = false;
	if (rq->conn != NULL) {
		rq->conn->since_ms = mono_ms();
		stream_resume(rq->conn->stream);
	}
}

unsigned int
http_request_status(const struct http_request *rq)
{
	return rq->status;
}

uint32_t
http_request_retry_after_ms(const struct http_request *rq)
{
	return rq->retry_after_ms;
}

bool
http_request_started(const struct http_request *rq)
{
	return rq->started;
}
