/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What one model API is to the agent loop: a row of pure functions.  An
 * adapter turns (model, context, options) into one HTTP request without
 * credentials, and the bytes of the answer into blocks of one assistant
 * message.  It does no I/O, reads no clock, keeps no state but its parser and
 * never fails with anything but pstream_error().  One adapter is one file in
 * agentd/providers/ and one row in agentd/provider.c.
 *
 * Two kinds of rows:
 * - network: build() and the parser functions are set.  The loop sends the
 *   request to a modeld, which adds origin, path prefix and credential, and
 *   feeds what comes back.
 * - engine: the answer is made in this process.  engine_new() and
 *   engine_step() are set; the loop calls step() until it has ended the
 *   stream, waiting *delay_ms between two calls.  A step is short (one delta,
 *   one tool call).  An abort is honoured between two steps: the loop just
 *   calls engine_free().
 *
 * Messages, blocks and usage are JSON as in the transcript (spec
 * agent-runtime 1.1).  Everything passed to build() and engine_new() is
 * borrowed, and stays unchanged until the parser or engine is freed.
 */
#ifndef AGENTD_PROVIDER_H
#define AGENTD_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/dbuf.h"
#include "common/text.h"

#define PROVIDER_BLOCKS_MAX	512
#define PROVIDER_CALLS_MAX	128
#define PROVIDER_TEXT_MAX	(16u << 20)	/* one message */
#define PROVIDER_ARGS_MAX	(1u << 20)	/* one tool call */
#define PROVIDER_BODY_MAX	(32u << 20)	/* a request */
#define PROVIDER_ERRBODY_MAX	(64u << 10)	/* kept of a failure's body */

/* Class of a failure; what the loop does about each: spec providers 9.1. */
enum provider_class {
	PROVIDER_OK,
	PROVIDER_RATE_LIMIT,
	PROVIDER_OVERLOADED,
	PROVIDER_TRANSIENT,	/* 5xx, cut connection */
	PROVIDER_TIMEOUT,
	PROVIDER_AUTH,
	PROVIDER_BILLING,
	PROVIDER_NOT_FOUND,	/* no such model */
	PROVIDER_OVERFLOW,	/* context too long */
	PROVIDER_FORMAT,	/* the request or the answer is malformed */
	PROVIDER_REFUSAL,
	PROVIDER_IMAGE,
	PROVIDER_ABORTED,
	PROVIDER_CLASS_MAX
};
const char *provider_class_name(enum provider_class);

enum stop_reason { STOP_STOP, STOP_LENGTH, STOP_TOOL_USE, STOP_ERROR,
	STOP_ABORTED };
const char *stop_reason_name(enum stop_reason);	/* "toolUse" */

struct provider_usage {		/* input excludes cached tokens */
	uint64_t input, output, cache_read, cache_write;
	bool known;		/* the provider said so */
};

/* One model of the catalogue. */
struct provider_model {
	const char	*provider;	/* "anthropic" */
	const char	*api;		/* "anthropic-messages" */
	const char	*id;		/* as the provider knows it */
	const char	*base_url;	/* "" for engines; for quirks by host */
	uint64_t	 context_window;
	uint64_t	 max_tokens;
	bool		 reasoning;
	bool		 images;
	double		 cost_input, cost_output;	/* per million */
	double		 cost_cache_read, cost_cache_write;
	const json_t	*config;	/* its entry in models.providers.*.models,
					 * with "compat"; or NULL */
	const json_t	*provider_config;	/* models.providers.<name> */
};

struct provider_context {
	const char	*system;	/* system prompt; never NULL */
	json_t		*messages;	/* array, spec agent-runtime 1.1 */
	/* array of {name, description, parameters: JSON schema} */
	json_t		*tools;
};

struct provider_options {
	uint64_t	 max_tokens;	/* 0: the model's, at most 32000 */
	double		 temperature;	/* < 0: leave out */
	const char	*thinking;	/* off minimal low medium high xhigh */
	const char	*session_id;
	const char	*session_key;
	const json_t	*params;	/* merged agents.defaults.models params,
					 * or NULL */
	const json_t	*builtin;	/* models.builtin of the configuration,
					 * or NULL; for engines */
	uint64_t	 now_ms;	/* wall clock, the only one an engine has */
	const char	*time_zone;	/* IANA name or "" */
	const char	*workspace;	/* folder as the tools see it */
	bool		 configured;	/* there is a provider with a network */
};

struct provider_request {
	char		 method[8];
	char		 path[1024];	/* behind the base URL's own path */
	struct dbuf	 headers;	/* "name: value\n" lines, no credential */
	struct dbuf	 body;
};

struct provider_error {
	enum provider_class	 class;
	uint32_t		 retry_after_ms;	/* 0: not said */
	bool			 no_retry;	/* x-should-retry: false */
	char			 message[1024];	/* for people; no secret in it */
};

/*
 * The message that is being received.  The adapter reports blocks under its
 * own index (any number below PROVIDER_BLOCKS_MAX; a block opens at its first
 * report); the stream assembles them, checks the bounds above and UTF-8, parses
 * tool arguments and tells the loop.  After done or error, and after a bound
 * was passed (the stream then reports PROVIDER_FORMAT itself), further calls
 * are ignored; pstream_ended() tells.  The loop never frees the stream or the
 * parser inside a report.
 */
struct pstream;

bool	 pstream_ended(const struct pstream *);
void	 pstream_text(struct pstream *, unsigned int index, const char *,
	    size_t);
void	 pstream_thinking(struct pstream *, unsigned int index, const char *,
	    size_t);
/* Of a text or thinking block; replaces what it had.  `redacted` marks a
 * thinking block whose signature is opaque data (providers PR-7). */
void	 pstream_signature(struct pstream *, unsigned int index, const char *,
	    size_t, bool redacted);
/* Opens a tool call; then its arguments as JSON text in any number of parts
 * (none at all counts as {}). */
void	 pstream_toolcall(struct pstream *, unsigned int index, const char *id,
	    const char *name);
void	 pstream_toolargs(struct pstream *, unsigned int index, const char *,
	    size_t);
/* Closes one block; done closes what is still open.  Twice is harmless. */
void	 pstream_end(struct pstream *, unsigned int index);
/* Replaces what was said before. */
void	 pstream_usage(struct pstream *, const struct provider_usage *);
/* STOP_STOP, STOP_LENGTH or STOP_TOOL_USE.  STOP_STOP becomes STOP_TOOL_USE
 * when there are tool calls. */
void	 pstream_done(struct pstream *, enum stop_reason);
void	 pstream_error(struct pstream *, const struct provider_error *);
void	 pstream_errorf(struct pstream *, enum provider_class,
	    uint32_t retry_after_ms, const char *fmt, ...)
	    __attribute__((format(printf, 4, 5)));

/* What the loop (or a test) gets from the stream. */
enum pstream_event_type {
	PS_TEXT,	/* delta: new visible text */
	PS_THINKING,	/* delta */
	PS_TOOLCALL,	/* block: a finished toolCall */
	PS_DONE,	/* message: the whole assistant message; stop, usage */
	PS_ERROR,	/* message: what there is so far; error */
};
struct pstream_event {
	enum pstream_event_type	 type;
	unsigned int		 content_index;
	struct str		 delta;
	json_t			*block;		/* borrowed */
	json_t			*message;	/* borrowed; incref to keep */
	enum stop_reason	 stop;
	const struct provider_usage *usage;
	const struct provider_error *error;
};
typedef void pstream_fn(const struct pstream_event *, void *arg);

/* model is borrowed.  now_ms becomes the message's timestamp. */
struct pstream *pstream_new(const struct provider_model *, uint64_t now_ms,
	    pstream_fn *, void *arg);
void	 pstream_free(struct pstream *);
/* The message as it is (a new reference), with that stop reason: for an abort
 * in mid-stream.  Unfinished tool calls are left out. */
json_t	*pstream_partial(struct pstream *, enum stop_reason,
	    const char *error);
/* Has any text, thinking or tool call been reported? */
bool	 pstream_started(const struct pstream *);

/* The raw text when the arguments of the call at that place in the message
 * were not a JSON object (the block then has {}); else NULL. */
const char *pstream_bad_args(const struct pstream *,
	    unsigned int content_index);

struct provider {
	const char	*api;		/* "openai-completions", "builtin" */
	const char	*model;		/* engines: the model; else NULL */

	/* Writes the request (zeroed, buffers initialised by the caller):
	 * 0, or -1 with *err filled in. */
	int	(*build)(const struct provider_model *,
		    const struct provider_context *,
		    const struct provider_options *,
		    struct provider_request *, struct provider_error *err);
	/* For answers with a 2xx status; headers as modeld passed them.
	 * NULL: out of memory. */
	void	*(*parser_new)(const struct provider_model *,
		    struct str headers, struct pstream *);
	void	(*feed)(void *parser, const char *, size_t);
	/* The body ended in order; must leave the stream ended. */
	void	(*finish)(void *parser);
	void	(*parser_free)(void *parser);
	/* Any other status (3xx included), with at most
	 * PROVIDER_ERRBODY_MAX of its body. */
	void	(*classify)(unsigned int status, struct str headers,
		    struct str body, struct provider_error *);

	/* NULL: out of memory. */
	void	*(*engine_new)(const struct provider_model *,
		    const struct provider_context *,
		    const struct provider_options *, struct pstream *);
	/* One step; when it did not end the stream, *delay_ms (preset to 0)
	 * is the time until the next. */
	void	(*engine_step)(void *engine, uint32_t *delay_ms);
	void	(*engine_free)(void *engine);
};

/* NULL when unknown. */
const struct provider *provider_find(const char *api, const char *model);

void	 provider_request_init(struct provider_request *);
void	 provider_request_clear(struct provider_request *);
/* Value of a header in "name: value\n" lines (p NULL when absent). */
struct str provider_header(struct str headers, const char *name);
/* retry-after-ms, retry-after (seconds) and x-should-retry into *err. */
void	 provider_retry_headers(struct str headers, struct provider_error *err);
/* A failed message's text says which class it is (spec agent-runtime 9.4,
 * 15.4); PROVIDER_OK when it says nothing. */
enum provider_class provider_class_of_text(const char *);

#endif
