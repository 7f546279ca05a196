/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * See output.h.  Memory is bounded by keep + its two fifths + the marks
 * (16 bytes per 4096 lines or 256 KiB of a spill file); a call reads at most
 * OUTPUT_SCAN bytes of the spill file, so none holds up the loop.
 */
#include "common/compat.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "common/text.h"
#include "toold/output.h"

#define OUTPUT_MARK_LINES	4096
#define OUTPUT_MARK_BYTES	(256u << 10)
#define OUTPUT_MARKS_MAX	65536
#define OUTPUT_SCAN		(2u << 20)

void
output_init(struct output *o, size_t keep, int dir_fd, const char *name,
    uint64_t spill_max)
{
	memset(o, 0, sizeof(*o));
	o->keep = keep;
	/* The text that does not fit any more is looked at before it goes. */
	dbuf_init(&o->head, keep + 1);
	o->dir_fd = dir_fd;
	o->spill_fd = -1;
	o->spill_max = spill_max;
	if (strlcpy(o->spill_name, name, sizeof(o->spill_name)) >=
	    sizeof(o->spill_name))
		o->dir_fd = -1;
}

void
output_clear(struct output *o)
{
	dbuf_clear(&o->head);
	free(o->tail);
	free(o->marks);
	if (o->spill_fd != -1) {
		close(o->spill_fd);
		unlinkat(o->dir_fd, o->spill_name, 0);
	}
	memset(o, 0, sizeof(*o));
	o->spill_fd = o->dir_fd = -1;
}

bool
output_cut(const struct output *o)
{
	return o->tail != NULL;
}

static void
output_ring_put(struct output *o, const char *p, size_t n)
{
	size_t	 room;

	if (n > o->tail_size) {
		p += n - o->tail_size;
		n = o->tail_size;
	}
	while (n > 0) {
		room = o->tail_size - o->tail_at;
		if (room > n)
			room = n;
		memcpy(o->tail + o->tail_at, p, room);
		o->tail_at = (o->tail_at + room) % o->tail_size;
		o->tail_n += room;
		p += room;
		n -= room;
	}
	if (o->tail_n > o->tail_size)
		o->tail_n = o->tail_size;
}

static int
output_spill(struct output *o, const char *p, size_t n)
{
	ssize_t	 put;

	if (o->spill_fd == -1 || o->spill_failed)
		return -1;
	if (n > o->spill_max - o->spilled)
		n = (size_t)(o->spill_max - o->spilled);
	while (n > 0) {
		put = pwrite(o->spill_fd, p, n, (off_t)o->spilled);
		if (put == -1 && errno == EINTR)
			continue;
		if (put <= 0) {
			/* Disk full: beginning and end are still kept. */
			o->spill_failed = true;
			return -1;
		}
		o->spilled += put;
		p += put;
		n -= put;
	}
	return 0;
}

static void
output_mark(struct output *o, uint64_t offset, uint64_t line)
{
	struct output_mark	*m;

	if (o->nmarks == OUTPUT_MARKS_MAX)
		return;
	if ((o->nmarks & (o->nmarks - 1)) == 0) {	/* grow by doubling */
		m = reallocarray(o->marks, o->nmarks == 0 ? 1 : o->nmarks * 2,
		    sizeof(*m));
		if (m == NULL)
			return;
		o->marks = m;
	}
	o->marks[o->nmarks++] = (struct output_mark){offset, line};
}

static void
output_count(struct output *o, const char *p, size_t n)
{
	const struct output_mark *last;
	const char	*q = p, *end = p + n;

	while (q < end && (q = memchr(q, '\n', end - q)) != NULL) {
		q++;
		o->lines++;
		o->line_at = o->total + (q - p);
		last = o->nmarks > 0 ? &o->marks[o->nmarks - 1] : NULL;
		if (o->lines - (last ? last->line : 0) >= OUTPUT_MARK_LINES ||
		    o->line_at - (last ? last->offset : 0) >=
		    OUTPUT_MARK_BYTES)
			output_mark(o, o->line_at, o->lines);
	}
	o->total += n;
}

/* Memory is full: everything goes to the file, its end to the ring. */
static void
output_overflow(struct output *o)
{
	size_t	 head = o->keep / 5 * 3;

	o->tail_size = o->keep - head;
	if (o->tail_size == 0 || (o->tail = malloc(o->tail_size)) == NULL) {
		o->tail_size = 0;
		return;
	}
	if (o->dir_fd != -1)
		o->spill_fd = openat(o->dir_fd, o->spill_name, O_RDWR |
		    O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	output_spill(o, o->head.p, o->head.n);
	output_ring_put(o, o->head.p, o->head.n);
	/* Less memory is not less text: what goes is in the file or ring. */
	o->head.n = utf8_cut(o->head.p, o->head.n, head);
	o->head.p[o->head.n] = '\0';
}

int
output_put(struct output *o, const char *p, size_t n)
{
	size_t	 fits;
	int	 rv = 0;

	if (n == 0)
		return 0;
	if (o->tail == NULL && n > o->keep - o->head.n) {
		fits = utf8_cut(p, n, o->keep - o->head.n);
		if (dbuf_put(&o->head, p, fits) == -1)
			return -1;
		output_count(o, p, fits);
		p += fits;
		n -= fits;
		if (o->head.n > 0)
			output_overflow(o);
		if (o->tail == NULL)
			return -1;
	}
	if (o->tail == NULL) {
		rv = dbuf_put(&o->head, p, n);
		output_count(o, p, n);
		return rv;
	}
	output_ring_put(o, p, n);
	rv = output_spill(o, p, n);
	output_count(o, p, n);
	return rv;
}

/* Bytes at offset: how many, 0 when these were not kept or at the end. */
static size_t
output_pread(const struct output *o, uint64_t offset, char *buf, size_t n)
{
	uint64_t	 from;
	size_t		 i;
	ssize_t		 got;

	if (offset >= o->total)
		return 0;
	if (n > o->total - offset)
		n = (size_t)(o->total - offset);
	if (offset < o->head.n) {
		if (n > o->head.n - offset)
			n = (size_t)(o->head.n - offset);
		memcpy(buf, o->head.p + offset, n);
		return n;
	}
	from = o->total - o->tail_n;
	if (o->tail != NULL && offset >= from) {
		for (i = 0; i < n; i++)
			buf[i] = o->tail[(o->tail_at + o->tail_size -
			    o->tail_n + (size_t)(offset - from) + i) %
			    o->tail_size];
		return n;
	}
	if (o->spill_fd == -1 || offset >= o->spilled)
		return 0;
	if (n > o->spilled - offset)
		n = (size_t)(o->spilled - offset);
	do {
		got = pread(o->spill_fd, buf, n, (off_t)offset);
	} while (got == -1 && errno == EINTR);
	return got > 0 ? (size_t)got : 0;
}

/* Is p[0] the first byte of a letter? */
static bool
output_border(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

void
output_tail(const struct output *o, size_t max, struct dbuf *out)
{
	char		 buf[4096];
	uint64_t	 at;
	size_t		 n, i;
	bool		 first = true;

	at = o->total > max ? o->total - max : 0;
	if (o->tail != NULL && at < o->total - o->tail_n)
		at = o->total - o->tail_n;
	for (; at < o->total; at += n) {
		if ((n = output_pread(o, at, buf, sizeof(buf))) == 0)
			break;
		i = 0;
		if (first && at > 0)
			while (i < n && !output_border(buf[i]))
				i++;
		first = false;
		dbuf_put(out, buf + i, n - i);
	}
}

void
output_text(const struct output *o, struct dbuf *out, const char *hint)
{
	struct dbuf	 tail;
	const char	*p, *nl;
	size_t		 n;

	if (o->tail == NULL) {
		dbuf_put(out, dbuf_str(&o->head), o->head.n);
		return;
	}
	dbuf_init(&tail, o->tail_size + 1);
	output_tail(o, o->tail_size, &tail);
	/* Cut at a line's border when one is near. */
	p = dbuf_str(&tail);
	n = tail.n;
	nl = n == 0 ? NULL : memchr(p, '\n', n / 10 + 1);
	if (nl != NULL && (size_t)(nl - p) + 1 < n) {
		n -= (size_t)(nl - p) + 1;
		p = nl + 1;
	}
	dbuf_put(out, o->head.p, o->head.n);
	if (o->total > o->head.n + n)
		dbuf_printf(out, "\n\n[... %" PRIu64 " of %" PRIu64
		    " characters left out%s%s]\n\n", o->total - o->head.n - n,
		    o->total, hint == NULL ? "" : "; ",
		    hint == NULL ? "" : hint);
	else {
		/* Ring and head overlap: go on where the head ends. */
		p += n - (size_t)(o->total - o->head.n);
		n = (size_t)(o->total - o->head.n);
	}
	dbuf_put(out, p, n);
	dbuf_clear(&tail);
}

void
output_since(const struct output *o, uint64_t *offset, size_t max,
    struct dbuf *out)
{
	char		 buf[4096];
	uint64_t	 tail;
	size_t		 n, put = 0;

	while (*offset < o->total && put < max) {
		n = max - put < sizeof(buf) ? max - put : sizeof(buf);
		n = output_pread(o, *offset, buf, n);
		if (n == 0) {
			tail = o->total - o->tail_n;
			if (*offset >= tail)
				break;
			dbuf_printf(out, "\n[... %" PRIu64
			    " characters were not kept]\n", tail - *offset);
			*offset = tail;
			continue;
		}
		/* Never half a letter, unless nothing else is left. */
		if (*offset + n < o->total && n > 4)
			n = utf8_cut(buf, n, n - 1);
		dbuf_put(out, buf, n);
		*offset += n;
		put += n;
	}
}

uint64_t
output_line_count(const struct output *o)
{
	return o->lines + (o->total > o->line_at ? 1 : 0);
}

size_t
output_lines(const struct output *o, uint64_t from, size_t n, size_t max,
    struct dbuf *out)
{
	char		 buf[4096];
	uint64_t	 at = 0, line = 0, scanned = 0;
	size_t		 i, got, k, done = 0, start = out->n;

	if (from > 0)
		from--;
	for (i = o->nmarks; i > 0; i--) {
		if (o->marks[i - 1].line <= from) {
			at = o->marks[i - 1].offset;
			line = o->marks[i - 1].line;
			break;
		}
	}
	while (at < o->total && done < n && out->n - start < max &&
	    scanned < OUTPUT_SCAN) {
		if ((got = output_pread(o, at, buf, sizeof(buf))) == 0) {
			/* Behind what the file holds: lines there are known
			 * by number only near the end. */
			dbuf_puts(out, "[not kept]\n");
			done++;
			break;
		}
		scanned += got;
		for (i = 0; i < got && done < n && out->n - start < max;
		    i = k) {
			for (k = i; k < got && buf[k] != '\n'; k++)
				;
			if (k < got)
				k++;
			if (line >= from) {
				size_t	 len = k - i;

				if (len > max - (out->n - start))
					len = max - (out->n - start);
				dbuf_put(out, buf + i, len);
			}
			if (buf[k - 1] == '\n') {
				if (line >= from)
					done++;
				line++;
			}
		}
		at += i;
	}
	if (at >= o->total && o->total > o->line_at && line >= from &&
	    done < n)
		done++;		/* the last line, without its newline */
	return done;
}
