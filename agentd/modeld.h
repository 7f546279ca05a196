/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * modeld: the only holder of one provider credential.  It may send requests of
 * its agents to the one origin and path prefix of its parcel, and nothing
 * else: it follows no redirect, takes no address, credential or host from an
 * agent, and knows nothing of what the requests mean.
 */
#ifndef AGENTD_MODELD_H
#define AGENTD_MODELD_H

#include "common/http_client.h"
#include "common/link.h"
#include "common/parcel.h"
#include "common/secret.h"

#define MODELD_HEADERS_MAX	32

struct modeld_config {
	char		 provider[64];
	char		 host[256];
	uint16_t	 port;
	bool		 tls;
	char		 prefix[512];	/* "" or "/v1", no slash at its end */
	char		 ca_file[1024];
	bool		 proxy;
	enum { AUTH_NONE, AUTH_API_KEY, AUTH_BEARER } auth;
	struct secret	 secret;
	struct {
		char		 name[128];
		struct secret	 value;
	} header[MODELD_HEADERS_MAX];
	size_t		 nheaders;
};

/* 0, or -1 with a reason that holds no secret. */
int	 modeld_config_read(struct modeld_config *, const struct parcel *,
	    char *why, size_t size);
void	 modeld_config_clear(struct modeld_config *);
/* Do both lead to the same place the same way? */
bool	 modeld_config_same_place(const struct modeld_config *,
	    const struct modeld_config *);
/* Prefix and path of a request joined; -1 for a path that leaves the prefix
 * or has more than one reading (T39). */
int	 modeld_path(const struct modeld_config *, struct str path, char *out,
	    size_t size);
/* May a header of that name come from an agent? */
bool	 modeld_header_allowed(struct str name);
/* May a header of the answer be told to an agent? */
bool	 modeld_header_told(struct str name);
/* Overwrites every occurrence of a secret with asterisks. */
void	 modeld_redact(const struct modeld_config *, char *, size_t);

/* Calls: MD_REQ, MD_CREDIT, MD_CANCEL of an agent's link. */
void	 modeld_calls_init(const struct modeld_config *, struct http_client *);
enum msg_err modeld_calls_message(struct link *, struct msg *);
void	 modeld_calls_drained(struct link *);
void	 modeld_calls_gone(struct link *);	/* the link's calls end */
size_t	 modeld_calls_running(void);
struct modeld_stats { uint64_t calls, failed; unsigned int last_status; };
void	 modeld_calls_stats(struct modeld_stats *);
/* Called whenever a call has ended; for draining. */
void	 modeld_calls_on_end(void (*)(void));

#endif
