/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#include "common/dbuf.h"
#include "common/memfd.h"
#include "common/parcel.h"

#define PARCEL_MAGIC	"GWPARC01"
#define PARCEL_HEAD	8
#define RECORD_HEAD	6	/* u16 key length, u32 value length */

struct parcel {
	const char	*p;
	size_t		 n;
	bool		 mapped;	/* ours to unmap */
	size_t		 hint;		/* behind the record found last */
};

struct parcel_writer {
	struct dbuf	 buf;
};

/* The record at off: its length, or 0 when it does not fit in n bytes. */
static size_t
parcel_record(const char *p, size_t n, size_t off, struct str *key,
    struct str *value)
{
	uint32_t	 vlen;
	uint16_t	 klen;
	size_t		 left = n - off;

	if (left < RECORD_HEAD + 2)
		return 0;
	memcpy(&klen, p + off, 2);
	memcpy(&vlen, p + off + 2, 4);
	klen = le16toh(klen);
	vlen = le32toh(vlen);
	left -= RECORD_HEAD + 2;
	if (klen == 0 || klen > PARCEL_KEY_MAX || klen > left ||
	    vlen > left - klen)
		return 0;
	*key = (struct str){ p + off + RECORD_HEAD, klen };
	*value = (struct str){ key->p + klen + 1, vlen };
	if (key->p[klen] != '\0' || value->p[vlen] != '\0' ||
	    memchr(key->p, '\0', klen) != NULL)
		return 0;
	return RECORD_HEAD + 2 + (size_t)klen + vlen;
}

struct parcel *
parcel_of(const void *p, size_t n)
{
	struct parcel	*pc;
	struct str	 key, value;
	size_t		 off, len;

	if (n < PARCEL_HEAD || n > PARCEL_MAX ||
	    memcmp(p, PARCEL_MAGIC, PARCEL_HEAD) != 0) {
		errno = EBADMSG;
		return NULL;
	}
	for (off = PARCEL_HEAD; off < n; off += len) {
		if ((len = parcel_record(p, n, off, &key, &value)) == 0) {
			errno = EBADMSG;
			return NULL;
		}
	}
	if ((pc = calloc(1, sizeof(*pc))) == NULL)
		return NULL;
	pc->p = p;
	pc->n = n;
	return pc;
}

struct parcel *
parcel_open(int fd)
{
	struct parcel	*pc;
	const void	*p;
	size_t		 n;
	int		 saved;

	if (memfd_map(fd, PARCEL_MAX, &p, &n) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return NULL;
	}
	close(fd);
	if ((pc = parcel_of(p, n)) == NULL) {
		saved = errno;
		memfd_unmap(p, n);
		errno = saved;
		return NULL;
	}
	pc->mapped = true;
	return pc;
}

void
parcel_close(struct parcel *pc)
{
	if (pc == NULL)
		return;
	/* A sealed memfd cannot be zeroed here; the pages go with its last
	 * reference, and whoever keeps a secret copies it to better memory. */
	if (pc->mapped)
		memfd_unmap(pc->p, pc->n);
	free(pc);
}

bool
parcel_each(const struct parcel *pc, size_t *iter, struct str *key,
    struct str *value)
{
	size_t	 len;

	if (*iter == 0)
		*iter = PARCEL_HEAD;
	if (*iter >= pc->n ||
	    (len = parcel_record(pc->p, pc->n, *iter, key, value)) == 0)
		return false;
	*iter += len;
	return true;
}

static struct str parcel_vget(const struct parcel *, const char *, va_list)
    __attribute__((format(printf, 2, 0)));

static struct str
parcel_vget(const struct parcel *pc, const char *fmt, va_list ap)
{
	struct str	 key, value, want;
	char		 name[PARCEL_KEY_MAX + 1];
	size_t		 iter, end;
	int		 n;

	n = vsnprintf(name, sizeof(name), fmt, ap);
	if (n < 0 || (size_t)n >= sizeof(name))
		return (struct str){ NULL, 0 };
	want = (struct str){ name, (size_t)n };
	/* Readers ask in the order of writing, so the wanted record is most
	 * often the next one: look from there to the end, then from the start. */
	end = pc->hint > PARCEL_HEAD ? pc->hint : PARCEL_HEAD;
	for (iter = end; parcel_each(pc, &iter, &key, &value); )
		if (str_eq(key, want))
			goto found;
	for (iter = 0; parcel_each(pc, &iter, &key, &value); ) {
		if (str_eq(key, want))
			goto found;
		if (iter >= end)
			break;
	}
	return (struct str){ NULL, 0 };
found:
	((struct parcel *)(uintptr_t)pc)->hint = iter;
	return value;
}

struct str
parcel_get_str(const struct parcel *pc, const char *fmt, ...)
{
	struct str	 v;
	va_list		 ap;

	va_start(ap, fmt);
	v = parcel_vget(pc, fmt, ap);
	va_end(ap);
	return v;
}

const char *
parcel_get(const struct parcel *pc, const char *fmt, ...)
{
	struct str	 v;
	va_list		 ap;

	va_start(ap, fmt);
	v = parcel_vget(pc, fmt, ap);
	va_end(ap);
	return v.p;
}

int64_t
parcel_get_num(const struct parcel *pc, int64_t def, int64_t min, int64_t max,
    const char *fmt, ...)
{
	struct str	 v;
	int64_t		 num;
	va_list		 ap;

	va_start(ap, fmt);
	v = parcel_vget(pc, fmt, ap);
	va_end(ap);
	if (v.p == NULL || num_parse(v, min, max, &num) == -1)
		return def;
	return num;
}

bool
parcel_get_bool(const struct parcel *pc, bool def, const char *fmt, ...)
{
	struct str	 v;
	va_list		 ap;

	va_start(ap, fmt);
	v = parcel_vget(pc, fmt, ap);
	va_end(ap);
	if (v.p == NULL)
		return def;
	return str_eqs(v, "true") ? true : str_eqs(v, "false") ? false : def;
}

struct parcel_writer *
parcel_writer_new(void)
{
	struct parcel_writer	*pw;

	if ((pw = calloc(1, sizeof(*pw))) == NULL)
		return NULL;
	dbuf_init_secret(&pw->buf, PARCEL_MAX);
	dbuf_put(&pw->buf, PARCEL_MAGIC, PARCEL_HEAD);
	return pw;
}

static void parcel_vput(struct parcel_writer *, struct str, const char *,
    va_list) __attribute__((format(printf, 3, 0)));

static void
parcel_vput(struct parcel_writer *pw, struct str v, const char *fmt, va_list ap)
{
	char		 name[PARCEL_KEY_MAX + 1];
	uint32_t	 vlen;
	uint16_t	 klen;
	int		 n;

	n = vsnprintf(name, sizeof(name), fmt, ap);
	if (n <= 0 || (size_t)n >= sizeof(name) || v.n > PARCEL_MAX) {
		pw->buf.err = true;
		return;
	}
	klen = htole16((uint16_t)n);
	vlen = htole32((uint32_t)v.n);
	dbuf_put(&pw->buf, &klen, 2);
	dbuf_put(&pw->buf, &vlen, 4);
	dbuf_put(&pw->buf, name, (size_t)n + 1);
	dbuf_put(&pw->buf, v.p, v.n);
	dbuf_putc(&pw->buf, '\0');
}

void
parcel_put(struct parcel_writer *pw, struct str v, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	parcel_vput(pw, v, fmt, ap);
	va_end(ap);
}

void
parcel_puts(struct parcel_writer *pw, const char *v, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	parcel_vput(pw, str_of(v), fmt, ap);
	va_end(ap);
}

void
parcel_put_num(struct parcel_writer *pw, int64_t v, const char *fmt, ...)
{
	char	 text[24];
	va_list	 ap;

	snprintf(text, sizeof(text), "%lld", (long long)v);
	va_start(ap, fmt);
	parcel_vput(pw, str_of(text), fmt, ap);
	va_end(ap);
}

void
parcel_put_bool(struct parcel_writer *pw, bool v, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	parcel_vput(pw, str_of(v ? "true" : "false"), fmt, ap);
	va_end(ap);
}

struct str
parcel_writer_bytes(const struct parcel_writer *pw)
{
	return (struct str){ pw->buf.p, pw->buf.n };
}

int
parcel_writer_seal(struct parcel_writer *pw)
{
	int	 fd = -1;

	if (dbuf_err(&pw->buf))
		errno = ENOMEM;
	else
		fd = memfd_sealed("parcel", pw->buf.p, pw->buf.n);
	dbuf_clear(&pw->buf);
	free(pw);
	return fd;
}
