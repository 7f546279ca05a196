/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * One whole run of the configuration reader.  The input is the main file; what
 * follows a NUL is given for every file that is asked for.  A refused
 * configuration says why; an accepted one gives parcels that can be read, and
 * the token of the environment is in no JSON document.
 */

#include "common/compat.h"

#include <errno.h>
#include <unistd.h>

#include "gatewayd/config/config.h"

#define CANARY	"CANARY-of-the-environment"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct parcel	*env;
static const char	*more;
static size_t		 more_n;
static int		 index_seen;

static int
file_cb(void *arg, const char *path, char **text, size_t *n)
{
	if (path[0] != '/' || more == NULL)
		return ENOENT;
	if ((*text = malloc(more_n + 1)) == NULL)
		return ENOMEM;
	memcpy(*text, more, more_n);
	(*text)[more_n] = '\0';
	*n = more_n;
	return 0;
}

static int
parcel_cb(void *arg, enum role role, const char *instance,
    struct parcel_writer *pw)
{
	struct parcel	*p;
	struct str	 key, value;
	size_t		 iter = 0;
	int		 fd;

	if ((fd = parcel_writer_seal(pw)) == -1)
		return -1;
	if ((p = parcel_open(fd)) == NULL)
		abort();
	if (role == ROLE_PARENT)
		index_seen++;
	if (strlen(instance) > 128 || !utf8_valid(instance, strlen(instance)))
		abort();
	while (parcel_each(p, &iter, &key, &value))
		if (key.n > 5 && memcmp(key.p, "json.", 5) == 0 &&
		    memmem(value.p, value.n, CANARY, sizeof(CANARY) - 1) !=
		    NULL)
			abort();
	parcel_close(p);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cf	 cf;
	struct parcel_writer	*pw;
	const uint8_t		*nul;
	size_t			 n = size, i;
	bool			 ok;

	if (env == NULL) {
		if ((pw = parcel_writer_new()) == NULL)
			return 0;
		parcel_puts(pw, CANARY, "OPENCLAW_GATEWAY_TOKEN");
		parcel_puts(pw, "sk-ant-12345678", "ANTHROPIC_API_KEY");
		parcel_puts(pw, "/home/u", "HOME");
		parcel_puts(pw, "x", "X");
		env = parcel_open(parcel_writer_seal(pw));
	}
	more = NULL;
	if (size > 0 && (nul = memchr(data, '\0', size)) != NULL) {
		n = (size_t)(nul - data);
		more = (const char *)nul + 1;
		more_n = size - n - 1;
	}
	memset(&cf, 0, sizeof(cf));
	cf.path = "/cfg/openclaw.json";
	cf.state_dir = "/state";
	cf.flags = CF_ALLOW_UNCONFIGURED;
	cf.env = env;
	cf.read_file = file_cb;
	cf.put_parcel = parcel_cb;
	index_seen = 0;
	ok = cf_run(&cf, (const char *)data, n) == 0;
	if (ok != (cf.nerrors == 0) || ok != (index_seen == 1))
		abort();
	for (i = 0; i < cf.nproblems; i++)
		if (cf.problems[i].text[0] == '\0' ||
		    strstr(cf.problems[i].text, CANARY) != NULL)
			abort();
	cf_free(&cf);
	return 0;
}
