/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "common/http_error.h"
#include "common/json_write.h"

static void
put(struct dbuf *b, bool no_ok, const char *type, const char *code,
    const char *message)
{
	struct jw	w;

	jw_init(&w, b);
	jw_obj(&w);
	if (no_ok)
		jw_kbool(&w, "ok", false);
	jw_kobj(&w, "error");
	jw_ks(&w, "message", message);
	jw_ks(&w, "type", type);
	if (code != NULL)
		jw_ks(&w, "code", code);
	jw_obj_end(&w);
	jw_obj_end(&w);
}

void
http_error_put(struct dbuf *b, bool no_ok, const char *type, const char *code,
    const char *fmt, va_list ap)
{
	char	text[HTTP_ERROR_TEXT];

	(void)utf8_vfmt(text, sizeof(text), fmt, ap);
	put(b, no_ok, type, code, text);
}

void
http_error_puts(struct dbuf *b, const char *type, const char *message)
{
	put(b, false, type, NULL, message);
}
