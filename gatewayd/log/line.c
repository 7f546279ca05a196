/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "common/json_write.h"
#include "common/redact.h"
#include "gatewayd/log/line.h"

static const struct {
	int		 id;
	const char	*name;
} levels[LOG_LEVEL_MAX] = {
	[LOG_LEVEL_FATAL] = { 6, "FATAL" },
	[LOG_LEVEL_ERROR] = { 5, "ERROR" },
	[LOG_LEVEL_WARN] = { 4, "WARN" },
	[LOG_LEVEL_INFO] = { 3, "INFO" },
	[LOG_LEVEL_DEBUG] = { 2, "DEBUG" },
	[LOG_LEVEL_TRACE] = { 1, "TRACE" },
};

/* Keeps text on its line and away from the terminal: control characters (C0,
 * DEL, C1, direction marks) as \n, \x1b, \u202e; bytes that are no UTF-8 as
 * \xff. */
void
line_escape(struct dbuf *b, struct str s)
{
	size_t		 i, len;
	uint32_t	 cp;

	for (i = 0; i < s.n; i += len) {
		len = utf8_decode(s.p + i, s.n - i, &cp);
		if (len == 0) {
			dbuf_printf(b, "\\x%02x", (unsigned char)s.p[i]);
			len = 1;
		} else if (cp == '\n')
			dbuf_puts(b, "\\n");
		else if (cp == '\t')
			dbuf_putc(b, ' ');
		else if (cp < 0x20 || cp == 0x7f)
			dbuf_printf(b, "\\x%02x", (unsigned int)cp);
		else if ((cp >= 0x80 && cp < 0xa0) || cp == 0x2028 ||
		    cp == 0x2029 || (cp >= 0x200e && cp <= 0x200f) ||
		    (cp >= 0x202a && cp <= 0x202e) ||
		    (cp >= 0x2066 && cp <= 0x2069))
			dbuf_printf(b, "\\u%04x", (unsigned int)cp);
		else
			dbuf_put(b, s.p + i, len);
	}
}

void
line_format(struct dbuf *out, enum log_level level, const char *subsystem,
    struct str text, uint64_t ms, const char *hostname)
{
	struct dbuf	 masked, clean, bind;
	struct jw	 w;
	char		 date[25];

	if (text.n > LOG_TEXT_MAX)
		text.n = LOG_TEXT_MAX;
	dbuf_init_secret(&masked, 4 * LOG_TEXT_MAX);
	dbuf_init(&clean, 16 * LOG_TEXT_MAX);
	dbuf_init(&bind, 1024);
	/* Masked before control characters become text: a private key has
	 * line breaks that must still be seen as such. */
	redact_text(text, REDACT_LOG, &masked);
	line_escape(&clean, (struct str){ dbuf_str(&masked), masked.n });
	jw_init(&w, &bind);
	jw_obj(&w);
	jw_ks(&w, "subsystem", subsystem);
	jw_obj_end(&w);
	iso_time(ms, date);
	if ((unsigned int)level >= LOG_LEVEL_MAX)
		level = LOG_LEVEL_INFO;

	jw_init(&w, out);
	jw_obj(&w);
	jw_kstr(&w, "0", (struct str){ dbuf_str(&bind), bind.n });
	jw_kstr(&w, "1", (struct str){ dbuf_str(&clean), clean.n });
	jw_kobj(&w, "_meta");
	jw_ks(&w, "runtime", "gatewayd");
	jw_ks(&w, "runtimeVersion", GW_VERSION);
	jw_ks(&w, "hostname", hostname);
	jw_kstr(&w, "name", (struct str){ dbuf_str(&bind), bind.n });
	jw_karr(&w, "parentNames");
	jw_s(&w, "openclaw");
	jw_arr_end(&w);
	jw_ks(&w, "date", date);
	jw_kint(&w, "logLevelId", levels[level].id);
	jw_ks(&w, "logLevelName", levels[level].name);
	jw_obj_end(&w);
	jw_ks(&w, "time", date);
	jw_obj_end(&w);
	dbuf_putc(out, '\n');
	dbuf_clear(&masked);
	dbuf_clear(&clean);
	dbuf_clear(&bind);
}

bool
line_allowed(struct line_rate *r, uint64_t now)
{
	uint64_t	 more;

	if (r->last_ms == 0) {
		r->tokens = LINE_BURST;
		r->last_ms = now;
	}
	more = (now - r->last_ms) * LINE_PER_S / 1000;
	if (more > 0) {
		r->tokens = more > LINE_BURST - r->tokens ? LINE_BURST :
		    r->tokens + (uint32_t)more;
		r->last_ms = now;
	}
	if (r->tokens == 0) {
		r->dropped++;
		return false;
	}
	r->tokens--;
	return true;
}
