/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "agentd/attach.h"
#include "common/json_skim.h"

#define LABEL_MAX	64	/* bytes of a name in messages */
#define HEAD_MAX	256	/* characters that are looked at */

/* The kinds of files that are told apart.  Providers take the first four; any
 * other image would make them refuse the conversation for ever. */
static const struct {
	size_t		 at;
	const char	*magic;
	size_t		 n;
	const char	*mime;
	bool		 image;
} kinds[] = {
	{ 0, "\x89PNG\r\n\x1a\n", 8, "image/png", true },
	{ 0, "\xff\xd8\xff", 3, "image/jpeg", true },
	{ 0, "GIF8", 4, "image/gif", true },
	{ 8, "WEBP", 4, "image/webp", true },
	{ 0, "BM", 2, "image/bmp", false },
	{ 0, "II*\0", 4, "image/tiff", false },
	{ 0, "MM\0*", 4, "image/tiff", false },
	{ 4, "ftyp", 4, "video/mp4", false },	/* and heic, avif */
	{ 0, "%PDF", 4, "application/pdf", false },
	{ 0, "PK\3\4", 4, "application/zip", false },
	{ 0, "\x1f\x8b", 2, "application/gzip", false },
	{ 8, "WAVE", 4, "audio/wav", false },
	{ 0, "OggS", 4, "audio/ogg", false },
	{ 0, "ID3", 3, "audio/mpeg", false },
	{ 0, "\x7f""ELF", 4, "application/x-elf", false },
	{ 0, "<?xml", 5, "application/xml", false },
};

/* What the file is, NULL when that cannot be told. */
static const char *
sniff(struct str b64, bool *image)
{
	unsigned char	 head[HEAD_MAX];
	ssize_t		 n;
	size_t		 i;

	*image = false;
	if (b64.n > HEAD_MAX)
		b64.n = HEAD_MAX;
	if ((n = base64_decode(b64, head, sizeof(head))) <= 0)
		return NULL;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].at + kinds[i].n <= (size_t)n &&
		    memcmp(head + kinds[i].at, kinds[i].magic, kinds[i].n) ==
		    0) {
			*image = kinds[i].image;
			return kinds[i].mime;
		}
	return NULL;
}

/* What the client says it is, when that is an image of a kind we take. */
static const char *
declared(const struct skim_val *mime)
{
	char	 buf[64];
	size_t	 i;

	if (mime->kind != SKIM_STRING ||
	    skim_unescape(mime, buf, sizeof(buf)) == -1)
		return NULL;
	buf[strcspn(buf, "; ")] = '\0';
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].image && ascii_casecmp(buf, kinds[i].mime) == 0)
			return kinds[i].mime;
	return NULL;
}

/* fileName, else type, else its number. */
static void
label_of(const struct skim_val *item, size_t number, char *buf, size_t size)
{
	static const char *const names[] = { "fileName", "type" };
	struct skim_val	 v;
	char		*p;
	ssize_t		 n;
	size_t		 i;

	for (i = 0; i < 2; i++) {
		if (!skim_get(item, names[i], &v) || v.kind != SKIM_STRING ||
		    v.n <= 2 || v.n > 4096 || (p = malloc(v.n)) == NULL)
			continue;
		n = skim_unescape(&v, p, v.n);
		if (n > 0) {
			n = (ssize_t)utf8_cut(p, (size_t)n, size - 1);
			memcpy(buf, p, (size_t)n);
			buf[n] = '\0';
		}
		free(p);
		if (n > 0)
			return;
	}
	snprintf(buf, size, "attachment-%zu", number);
}

/* Behind "data:...;base64,", or all of it. */
static struct str
data_url(struct str s)
{
	size_t	 i;

	s = str_trim(s);
	if (!str_prefix(s, "data:"))
		return s;
	for (i = 5; i < s.n && s.p[i] != ';'; i++)
		;
	if (i > 5 && str_prefix((struct str){ s.p + i, s.n - i }, ";base64,"))
		return (struct str){ s.p + i + 8, s.n - i - 8 };
	return s;
}

static bool
is_base64(struct str s)
{
	size_t	 i, pad = 0;

	if (s.n % 4 != 0)
		return false;
	while (pad < 2 && pad < s.n && s.p[s.n - 1 - pad] == '=')
		pad++;
	for (i = 0; i < s.n - pad; i++)
		if (!ascii_isalnum((unsigned char)s.p[i]) && s.p[i] != '+' &&
		    s.p[i] != '/')
			return false;
	return true;
}

static int
read_one(const struct skim_val *item, struct str content, size_t number,
    size_t max, struct dbuf *out, struct dbuf *dropped, char *why, size_t size)
{
	struct skim_val	 mime;
	struct str	 b64 = data_url(content);
	const char	*is, *says;
	char		 label[LABEL_MAX + 1];
	size_t		 bytes;
	bool		 image;

	label_of(item, number, label, sizeof(label));
	if (!is_base64(b64)) {
		snprintf(why, size, "Error: attachment %s: invalid base64 "
		    "content", label);
		return -1;
	}
	bytes = b64.n / 4 * 3;
	if (b64.n > 0 && b64.p[b64.n - 1] == '=')
		bytes -= b64.p[b64.n - 2] == '=' ? 2 : 1;
	if (bytes == 0 || bytes > max) {
		snprintf(why, size, "Error: attachment %s: exceeds size limit "
		    "(%zu > %zu bytes)", label, bytes, max);
		return -1;
	}
	skim_get(item, "mimeType", &mime);
	is = sniff(b64, &image);
	says = declared(&mime);
	if (is == NULL ? says == NULL : !image) {
		dbuf_printf(dropped, "attachment %s: %s, left out\n", label,
		    is != NULL ? is : "no image");
		return 0;
	}
	dbuf_puts(out, out->n == 0 ? "[" : ",");
	dbuf_puts(out, "{\"type\":\"image\",\"data\":\"");
	dbuf_put(out, b64.p, b64.n);
	dbuf_printf(out, "\",\"mimeType\":\"%s\"}", is != NULL ? is : says);
	return 0;
}

int
attach_read(struct str json, size_t max, struct dbuf *out,
    struct dbuf *dropped, char *why, size_t size)
{
	struct skim_iter	 it;
	struct skim_val		 root, item, v;
	struct str		 content;
	size_t			 n = 0;
	ssize_t			 len;
	char			*p;
	int			 ret;

	if (skim_text(json.p, json.n, &root) != SKIM_OK ||
	    root.kind != SKIM_ARRAY) {
		snprintf(why, size, "Error: attachments are no array");
		return -1;
	}
	skim_iter_init(&it, &root);
	while (skim_next(&it, NULL, &item)) {
		if (item.kind != SKIM_OBJECT ||
		    !skim_get(&item, "content", &v) ||
		    v.kind != SKIM_STRING || v.n <= 2)
			continue;	/* nothing to attach */
		if (++n > ATTACH_MAX) {
			snprintf(why, size, "Error: more than %d attachments",
			    ATTACH_MAX);
			return -1;
		}
		p = NULL;
		content = skim_raw(&v);
		if (v.escaped) {	/* "\/" is usual */
			if ((p = malloc(v.n)) == NULL ||
			    (len = skim_unescape(&v, p, v.n)) == -1) {
				free(p);
				snprintf(why, size, "Error: out of memory");
				return -1;
			}
			content = (struct str){ p, (size_t)len };
		}
		ret = read_one(&item, content, n, max, out, dropped, why,
		    size);
		free(p);
		if (ret == -1)
			return -1;
	}
	if (out->n > 0)
		dbuf_putc(out, ']');
	if (dbuf_err(out)) {
		snprintf(why, size, "Error: out of memory");
		return -1;
	}
	return 0;
}
