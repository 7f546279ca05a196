/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The table of model adapters and what all of them share. */

#include "common/compat.h"

#include "agentd/provider.h"
#include "agentd/providers/providers.h"
#include "common/text.h"

#define RETRY_AFTER_MAX_MS	(24u * 3600 * 1000)

static const struct provider *const table[] = {
#define PROVIDER_ADDRESS(name)	&name,
	PROVIDERS(PROVIDER_ADDRESS)
#undef PROVIDER_ADDRESS
	NULL
};

const struct provider *
provider_find(const char *api, const char *model)
{
	size_t	 i;

	for (i = 0; table[i] != NULL; i++) {
		if (strcmp(table[i]->api, api) != 0)
			continue;
		if (table[i]->model == NULL ||
		    strcmp(table[i]->model, model) == 0)
			return table[i];
	}
	return NULL;
}

const char *
provider_class_name(enum provider_class c)
{
	switch (c) {
	case PROVIDER_OK: return "ok";
	case PROVIDER_RATE_LIMIT: return "rate_limit";
	case PROVIDER_OVERLOADED: return "overloaded";
	case PROVIDER_TRANSIENT: return "transient";
	case PROVIDER_TIMEOUT: return "timeout";
	case PROVIDER_AUTH: return "auth";
	case PROVIDER_BILLING: return "billing";
	case PROVIDER_NOT_FOUND: return "model_not_found";
	case PROVIDER_OVERFLOW: return "overflow";
	case PROVIDER_FORMAT: return "format";
	case PROVIDER_REFUSAL: return "refusal";
	case PROVIDER_IMAGE: return "image";
	case PROVIDER_ABORTED: return "aborted";
	case PROVIDER_CLASS_MAX: break;
	}
	return "?";
}

const char *
stop_reason_name(enum stop_reason r)
{
	switch (r) {
	case STOP_STOP: return "stop";
	case STOP_LENGTH: return "length";
	case STOP_TOOL_USE: return "toolUse";
	case STOP_ERROR: return "error";
	case STOP_ABORTED: return "aborted";
	}
	return "?";
}

void
provider_request_init(struct provider_request *r)
{
	memset(r, 0, sizeof(*r));
	dbuf_init(&r->headers, 8192);
	dbuf_init(&r->body, PROVIDER_BODY_MAX);
}

void
provider_request_clear(struct provider_request *r)
{
	dbuf_clear(&r->headers);
	dbuf_clear(&r->body);
}

struct str
provider_header(struct str headers, const char *name)
{
	struct str	 line, none = { NULL, 0 };
	const char	*nl;
	size_t		 n = strlen(name);

	while (headers.n > 0) {
		nl = memchr(headers.p, '\n', headers.n);
		line.p = headers.p;
		line.n = nl == NULL ? headers.n : (size_t)(nl - headers.p);
		headers.p += line.n;
		headers.n -= line.n;
		if (headers.n > 0) {
			headers.p++;
			headers.n--;
		}
		if (line.n > n && line.p[n] == ':' &&
		    ascii_ncasecmp(line.p, name, n) == 0) {
			line.p += n + 1;
			line.n -= n + 1;
			return str_trim(line);
		}
	}
	return none;
}

void
provider_retry_headers(struct str headers, struct provider_error *err)
{
	struct str	 v;
	uint64_t	 n;

	v = provider_header(headers, "retry-after-ms");
	if (v.p != NULL && num_parse_u64(v, RETRY_AFTER_MAX_MS, &n) == 0) {
		err->retry_after_ms = (uint32_t)n;
	} else {
		v = provider_header(headers, "retry-after");
		if (v.p != NULL &&
		    num_parse_u64(v, RETRY_AFTER_MAX_MS / 1000, &n) == 0)
			err->retry_after_ms = (uint32_t)(n * 1000);
	}
	v = provider_header(headers, "x-should-retry");
	if (v.p != NULL && str_ieqs(v, "false"))
		err->no_retry = true;
}

static bool
text_has(const char *text, const char *part)
{
	size_t	 n = strlen(part);

	for (; *text != '\0'; text++)
		if (ascii_ncasecmp(text, part, n) == 0)
			return true;
	return false;
}

enum provider_class
provider_class_of_text(const char *text)
{
	/* Order matters: AR-47, overflow before rate limit, except when the
	 * text itself speaks of tokens per minute. */
	static const struct {
		const char		*part;
		enum provider_class	 class;
	} rows[] = {
		{ "tokens per min", PROVIDER_RATE_LIMIT },
		{ "prompt is too long", PROVIDER_OVERFLOW },
		{ "input is too long for requested model", PROVIDER_OVERFLOW },
		{ "exceeds the context window", PROVIDER_OVERFLOW },
		{ "maximum prompt length is", PROVIDER_OVERFLOW },
		{ "reduce the length of the messages", PROVIDER_OVERFLOW },
		{ "maximum context length", PROVIDER_OVERFLOW },
		{ "exceeds the limit of", PROVIDER_OVERFLOW },
		{ "exceeds the available context size", PROVIDER_OVERFLOW },
		{ "greater than the context length", PROVIDER_OVERFLOW },
		{ "context window exceeds limit", PROVIDER_OVERFLOW },
		{ "context length exceeded", PROVIDER_OVERFLOW },
		{ "context_length_exceeded", PROVIDER_OVERFLOW },
		{ "too many tokens", PROVIDER_OVERFLOW },
		{ "token limit exceeded", PROVIDER_OVERFLOW },
		{ "request_too_large", PROVIDER_OVERFLOW },
		{ "request exceeds the maximum size", PROVIDER_OVERFLOW },
		{ "credit balance", PROVIDER_BILLING },
		{ "insufficient credits", PROVIDER_BILLING },
		{ "insufficient_quota", PROVIDER_BILLING },
		{ "payment required", PROVIDER_BILLING },
		{ "plans & billing", PROVIDER_BILLING },
		{ "overloaded", PROVIDER_OVERLOADED },
		{ "rate limit", PROVIDER_RATE_LIMIT },
		{ "rate_limit", PROVIDER_RATE_LIMIT },
		{ "too many requests", PROVIDER_RATE_LIMIT },
		{ "exceeded your current quota", PROVIDER_RATE_LIMIT },
		{ "resource has been exhausted", PROVIDER_RATE_LIMIT },
		{ "resource exhausted", PROVIDER_RATE_LIMIT },
		{ "quota exceeded", PROVIDER_RATE_LIMIT },
		{ "usage limit", PROVIDER_RATE_LIMIT },
		{ "invalid api key", PROVIDER_AUTH },
		{ "incorrect api key", PROVIDER_AUTH },
		{ "invalid x-api-key", PROVIDER_AUTH },
		{ "invalid token", PROVIDER_AUTH },
		{ "authentication", PROVIDER_AUTH },
		{ "unauthorized", PROVIDER_AUTH },
		{ "forbidden", PROVIDER_AUTH },
		{ "access denied", PROVIDER_AUTH },
		{ "timed out", PROVIDER_TIMEOUT },
		{ "timeout", PROVIDER_TIMEOUT },
		{ "deadline exceeded", PROVIDER_TIMEOUT },
		{ "string should match pattern", PROVIDER_FORMAT },
		{ "tool_use.id", PROVIDER_FORMAT },
		{ "tool_use_id", PROVIDER_FORMAT },
		{ "invalid request format", PROVIDER_FORMAT },
		{ "service unavailable", PROVIDER_TRANSIENT },
		{ "server error", PROVIDER_TRANSIENT },
		{ "internal error", PROVIDER_TRANSIENT },
		{ "connection error", PROVIDER_TRANSIENT },
		{ "connection refused", PROVIDER_TRANSIENT },
		{ "upstream connect", PROVIDER_TRANSIENT },
		{ "reset before headers", PROVIDER_TRANSIENT },
	};
	size_t	 i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (text_has(text, rows[i].part))
			return rows[i].class;
	return PROVIDER_OK;
}
