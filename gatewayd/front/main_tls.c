/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* gatewayd-front-tls: the front worker with TLS; see main.c. */

#include "common/compat.h"

#include "common/tls.h"
#include "gatewayd/front/front.h"

static struct tls_config	*config;

static int
tls_configure(struct str cert, struct str key, char *why, size_t size)
{
	struct tls_config	*c;

	if (cert.p == NULL || key.p == NULL) {
		(void)snprintf(why, size, "no certificate or no key");
		return -1;
	}
	if ((c = tls_server_new(cert, key, why, size)) == NULL)
		return -1;
	/* Connections hold their own reference to the old one. */
	tls_config_free(config);
	config = c;
	return 0;
}

static int
tls_start(struct stream *s)
{
	return tls_stream_start(s, config, NULL);
}

static const struct front_tls tls = { tls_configure, tls_start };

int
main(int argc, char *argv[])
{
	front_tls = &tls;
	return front_main(argc, argv);
}
