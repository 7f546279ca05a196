/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See text_window.h.  Pure. */
#include "common/compat.h"

#include "common/text.h"
#include "toold/text_window.h"

void
text_window_init(struct text_window *w, uint64_t from, uint64_t want)
{
	memset(w, 0, sizeof(*w));
	w->from = from > 0 ? from : 1;
	w->want = want;
	w->line = 1;
	text_clean_init(&w->clean, false);
	dbuf_init(&w->cur, TEXT_WINDOW_BYTES + 1);
	dbuf_init(&w->out, TEXT_WINDOW_BYTES + 1);
}

void
text_window_clear(struct text_window *w)
{
	dbuf_clear(&w->cur);
	dbuf_clear(&w->out);
}

/* The line in cur is whole. */
static void
text_window_commit(struct text_window *w, bool newline)
{
	text_clean_end(&w->clean, &w->cur);
	if (dbuf_err(&w->cur) || w->cur.n + newline > TEXT_WINDOW_BYTES -
	    w->out.n) {
		w->end = w->shown == 0 ? TEXT_WINDOW_LONG :
		    TEXT_WINDOW_FULL_BYTES;
		w->long_bytes = w->line_bytes;
	} else {
		dbuf_put(&w->out, w->cur.p, w->cur.n);
		if (newline)
			dbuf_putc(&w->out, '\n');
		w->shown++;
	}
	dbuf_reset(&w->cur);
}

void
text_window_put(struct text_window *w, const char *p, size_t n)
{
	const char	*nl, *end = p + n;
	size_t		 len;

	while (p < end) {
		nl = memchr(p, '\n', end - p);
		len = (size_t)((nl == NULL ? end : nl) - p);
		w->line_bytes += len;
		if (w->line >= w->from && w->end == TEXT_WINDOW_OPEN) {
			/* Whether there is more is known only now. */
			if (w->want != 0 && w->shown == w->want)
				w->end = TEXT_WINDOW_WANTED;
			else if (w->shown == TEXT_WINDOW_LINES)
				w->end = TEXT_WINDOW_FULL_LINES;
			else {
				if (!dbuf_err(&w->cur))
					text_clean_put(&w->clean, p, len,
					    &w->cur);
				if (nl != NULL)
					text_window_commit(w, true);
			}
		}
		if (nl == NULL)
			break;
		w->line++;
		w->line_bytes = 0;
		p = nl + 1;
	}
}

uint64_t
text_window_finish(struct text_window *w)
{
	if (w->line_bytes == 0)
		return w->line - 1;	/* ended with a newline, or empty */
	if (w->line >= w->from && w->end == TEXT_WINDOW_OPEN)
		text_window_commit(w, false);
	return w->line;
}

const char *
text_sniff(const void *bytes, size_t n, bool *image)
{
	static const struct {
		const char	*magic;
		size_t		 len;
		const char	*what;
		bool		 image;
	} kinds[] = {
		{ "\x89PNG\r\n\x1a\n", 8, "image/png", true },
		{ "\xff\xd8\xff", 3, "image/jpeg", true },
		{ "GIF87a", 6, "image/gif", true },
		{ "GIF89a", 6, "image/gif", true },
		{ "%PDF-", 5, "PDF document", false },
		{ "\x7f" "ELF", 4, "ELF program", false },
		{ "PK\x03\x04", 4, "ZIP archive or office document", false },
		{ "\x1f\x8b", 2, "gzip data", false },
		{ "BZh", 3, "bzip2 data", false },
		{ "\xfd" "7zXZ\0", 6, "xz data", false },
		{ "\x28\xb5\x2f\xfd", 4, "zstd data", false },
		{ "7z\xbc\xaf\x27\x1c", 6, "7-zip archive", false },
		{ "SQLite format 3\0", 16, "SQLite database", false },
		{ "\0\0\1\0", 4, "icon", false },
		{ "OggS", 4, "Ogg audio", false },
		{ "fLaC", 4, "FLAC audio", false },
		{ "ID3", 3, "MP3 audio", false },
		{ "\xca\xfe\xba\xbe", 4, "Java class", false },
		{ "\0asm", 4, "WebAssembly", false },
		{ "\xff\xfe", 2, "UTF-16 text", false },
		{ "\xfe\xff", 2, "UTF-16 text", false },
	};
	const char	*p = bytes;
	size_t		 i;

	*image = false;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (n < kinds[i].len ||
		    memcmp(p, kinds[i].magic, kinds[i].len) != 0)
			continue;
		*image = kinds[i].image;
		/* Text may begin so by chance; binary data hold NULs. */
		if (kinds[i].image || memchr(p, '\0', n) != NULL ||
		    !utf8_valid(p, utf8_cut(p, n, n)))
			return kinds[i].what;
	}
	if (n >= 12 && memcmp(p, "RIFF", 4) == 0 &&
	    memcmp(p + 8, "WEBP", 4) == 0) {
		*image = true;
		return "image/webp";
	}
	if (n >= 12 && memcmp(p + 4, "ftyp", 4) == 0)
		return "MP4 video";
	if (n > 0 && memchr(p, '\0', n) != NULL)
		return "binary data";
	return NULL;
}
