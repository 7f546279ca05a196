/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What the adapters of network providers share: reading messages in the form
 * of the transcript, options, compat keys, server-sent events as JSON, and
 * bodies of failures.
 */
#ifndef AGENTD_PROVIDERS_WIRE_H
#define AGENTD_PROVIDERS_WIRE_H

#include "agentd/provider.h"
#include "agentd/sse.h"

#define WIRE_JSON_DEPTH	64

bool	 wire_blank(const json_t *string);
/* Was this assistant message made by the model that is asked now? */
bool	 wire_same_model(const json_t *msg, const struct provider_model *);
bool	 wire_has_calls(const json_t *msg);
/* Text blocks of a content (or the string itself) joined by LF. */
int	 wire_text(const json_t *content, struct dbuf *);
size_t	 wire_count_images(const json_t *content);

/* A member of an object under construction; takes the value over. */
void	 wire_put(json_t *object, const char *key, json_t *value);
void	 wire_put_text(json_t *object, const char *key, const char *text);
/* A tool of the context in the words of an interface, which calls the schema
 * of its parameters so. */
json_t	*wire_tool(const json_t *tool, const char *schema_key);

/* min(model, 32000), or what was asked for. */
uint64_t wire_max_tokens(const struct provider_model *,
	    const struct provider_options *);
/* off 0, minimal 1 .. xhigh 5 */
int	 wire_thinking_level(const struct provider_options *);
/* compat.<key> of the model, else of the provider, else NULL. */
const json_t *wire_compat(const struct provider_model *, const char *key);
bool	 wire_compat_bool(const struct provider_model *, const char *key,
	    bool def);
const char *wire_compat_text(const struct provider_model *, const char *key,
	    const char *def);
/* Host of the base URL, lower case, into buf. */
const char *wire_host(const struct provider_model *, char *buf, size_t size);
/* Does the path of the base URL end in this? */
bool	 wire_base_ends(const struct provider_model *, const char *tail);

/* Dumps and frees body into the request; -1 with *err filled in. */
int	 wire_body(struct provider_request *, json_t *body,
	    struct provider_error *err);
/* A parsed JSON object of a failure's body, or NULL. */
json_t	*wire_error_json(struct str body);
/* "HTTP 429 rate_limit_error: text" with at most what fits. */
void	 wire_error_message(struct provider_error *, unsigned int status,
	    const char *type, const char *text);
/* Type of content of an answer is JSON and no event stream. */
bool	 wire_is_json(struct str headers);
/* Any short text of a body that is no JSON: its first printable bytes. */
void	 wire_error_excerpt(struct str body, char *out, size_t size);

/*
 * The shell of a parser: events of a stream as JSON objects, or a whole JSON
 * body at once.  Anything malformed ends the stream as PROVIDER_FORMAT.
 */
struct wire_parser {
	struct pstream	*ps;
	struct sse	 sse;
	struct dbuf	 whole;		/* of an answer that is no stream */
	bool		 json;		/* such an answer */
	/* An event; `done` is "[DONE]". */
	void		(*event)(struct wire_parser *, json_t *);
	void		(*done)(struct wire_parser *);
	/* The whole body. */
	void		(*body)(struct wire_parser *, json_t *);
	/* The stream ended without having ended the message. */
	void		(*eof)(struct wire_parser *);
};
void	 wire_parser_init(struct wire_parser *, struct str headers,
	    struct pstream *);
void	 wire_parser_feed(void *, const char *, size_t);
void	 wire_parser_finish(void *);
void	 wire_parser_clear(struct wire_parser *);

#endif
