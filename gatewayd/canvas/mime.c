/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "common/text.h"
#include "gatewayd/canvas/mime.h"

/* The first is what is not known. */
static const struct { const char *ext, *type; } types[] = {
	{ "", "application/octet-stream" },
	{ "html", "text/html; charset=utf-8" },
	{ "htm", "text/html; charset=utf-8" },
	{ "css", "text/css; charset=utf-8" },
	{ "js", "text/javascript; charset=utf-8" },
	{ "mjs", "text/javascript; charset=utf-8" },
	{ "json", "application/json; charset=utf-8" },
	{ "map", "application/json; charset=utf-8" },
	{ "jsonl", "application/x-ndjson; charset=utf-8" },
	{ "webmanifest", "application/manifest+json; charset=utf-8" },
	{ "txt", "text/plain; charset=utf-8" },
	{ "log", "text/plain; charset=utf-8" },
	{ "md", "text/markdown; charset=utf-8" },
	{ "csv", "text/csv; charset=utf-8" },
	{ "xml", "application/xml" },
	{ "svg", "image/svg+xml" },
	{ "png", "image/png" },
	{ "jpg", "image/jpeg" },
	{ "jpeg", "image/jpeg" },
	{ "gif", "image/gif" },
	{ "webp", "image/webp" },
	{ "avif", "image/avif" },
	{ "bmp", "image/bmp" },
	{ "ico", "image/x-icon" },
	{ "woff", "font/woff" },
	{ "woff2", "font/woff2" },
	{ "ttf", "font/ttf" },
	{ "otf", "font/otf" },
	{ "mp3", "audio/mpeg" },
	{ "m4a", "audio/mp4" },
	{ "ogg", "audio/ogg" },
	{ "opus", "audio/ogg" },
	{ "wav", "audio/wav" },
	{ "flac", "audio/flac" },
	{ "mp4", "video/mp4" },
	{ "webm", "video/webm" },
	{ "mov", "video/quicktime" },
	{ "pdf", "application/pdf" },
	{ "wasm", "application/wasm" },
	{ "zip", "application/zip" },
	{ "gz", "application/gzip" },
};
#define TYPES	(sizeof(types) / sizeof(types[0]))

unsigned int
mime_of(const char *name)
{
	const char	*dot = strrchr(name, '.');
	unsigned int	 i;

	if (dot == NULL || strchr(dot, '/') != NULL)
		return 0;
	for (i = 1; i < TYPES; i++)
		if (ascii_casecmp(dot + 1, types[i].ext) == 0)
			return i;
	return 0;
}

const char *
mime_type(unsigned int type)
{
	return type < TYPES ? types[type].type : NULL;
}

bool
mime_is_html(unsigned int type)
{
	return type < TYPES && ascii_ncasecmp(types[type].type, "text/html",
	    9) == 0;
}
