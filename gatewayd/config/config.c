/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The steps of one run, in their order. */

#include "common/compat.h"

#include "gatewayd/config/config.h"
#include "common/sha256.h"

int
cf_run(struct cf *cf, const char *text, size_t n)
{
	const char	*home;

	dbuf_init(&cf->restart_paths, 1024);
	if ((cf->pool = json5_pool_new(CF_POOL_MAX)) == NULL)
		return -1;
	cf->exists = text != NULL;
	sha256_hex(text != NULL ? text : "", n, cf->hash);
	if (text != NULL) {
		if ((cf->raw = malloc(n + 1)) == NULL)
			return -1;
		if (n > 0)
			memcpy(cf->raw, text, n);
		cf->raw[n] = '\0';
		cf->rawlen = n;
	}
	home = cf->env != NULL ? parcel_get(cf->env, "HOME") : NULL;
	cf->home = strdup(home != NULL && home[0] == '/' ? home :
	    cf->state_dir);
	if (cf->home == NULL || cf_load(cf, cf->raw, cf->rawlen) == -1 ||
	    (cf->source = json5_copy(cf->pool, cf->root)) == NULL ||
	    cf_env_load(cf) == -1 || cf_substitute(cf) == -1 ||
	    cf_migrate(cf) == -1)
		goto fail;
	cf_validate(cf);
	if (cf->nerrors > 0)
		return -1;
	cf->sound = true;
	cf_cross_check(cf);
	if (cf_defaults(cf) == -1)
		goto fail;
	cf_reload_class(cf);
	cf_start_gates(cf);
	/* Also with errors: it finds those of providers and accounts. */
	if (cf_parcels(cf) == -1)
		goto fail;
	return 0;
fail:
	if (cf->nerrors == 0)
		cf_error(cf, NULL, "", "out of memory");
	return -1;
}

static void
vars_free(struct cf_var *v)
{
	struct cf_var	*next;

	for (; v != NULL; v = next) {
		next = v->next;
		free(v->name);
		freezero(v->value, strlen(v->value));
		free(v);
	}
}

void
cf_free(struct cf *cf)
{
	size_t	 i;

	for (i = 0; i < cf->nproblems; i++) {
		free(cf->problems[i].key);
		free(cf->problems[i].text);
	}
	for (i = 0; i < cf->nfiles; i++)
		free(cf->files[i]);
	vars_free(cf->dotenv);
	vars_free(cf->vars);
	freezero(cf->raw, cf->rawlen);
	dbuf_clear(&cf->restart_paths);
	free(cf->dir);
	free(cf->home);
	json5_pool_free(cf->pool);
	memset(cf, 0, sizeof(*cf));
}
