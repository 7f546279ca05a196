/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The list of what is wrong with a configuration.  Texts name keys and types
 * and never values: a value may be a secret in the wrong place.
 */

#include "common/compat.h"

#include <stdarg.h>

#include "gatewayd/config/config.h"

void
cf_complain(struct cf *cf, enum cf_severity severity, const struct json5 *at,
    const char *key, const char *fmt, ...)
{
	struct cf_problem	*p;
	struct dbuf		 b;
	va_list			 ap;

	if (severity == CF_ERROR)
		cf->nerrors++;
	else
		cf->nwarnings++;
	/* Warnings must not crowd out the errors that stop the start. */
	if (cf->nproblems >= CF_PROBLEMS_MAX -
	    (severity == CF_WARNING ? CF_PROBLEMS_MAX / 4 : 0))
		return;
	p = &cf->problems[cf->nproblems];
	memset(p, 0, sizeof(*p));
	dbuf_init(&b, 2048);
	va_start(ap, fmt);
	dbuf_vprintf(&b, fmt, ap);
	va_end(ap);
	if ((p->key = strdup(key)) == NULL ||
	    (p->text = dbuf_take(&b, NULL)) == NULL) {
		free(p->key);
		dbuf_clear(&b);
		return;
	}
	p->severity = severity;
	p->file = at != NULL ? at->file : UINT16_MAX;
	p->line = at != NULL ? at->line : 0;
	cf->nproblems++;
}

const char *
cf_file_name(const struct cf *cf, uint16_t file)
{
	return file < cf->nfiles ? cf->files[file] : "";
}
