/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * See edit.h.  The file is brought to LF once; exact search runs on that.
 * Only when it finds nothing, file and passage are folded (blanks at line
 * ends, typographic quotes, dashes and spaces) and searched again; a table of
 * positions leads back, so that nothing outside the match is touched.
 */
#include "common/compat.h"

#include "toold/edit.h"

#define EDIT_CONTEXT	3	/* lines of a diff around a change */

struct fold {
	char		*p;
	size_t		 n;
	uint32_t	*pos;	/* pos[i]: where byte i came from; n + 1 */
};

struct span {
	size_t		 from, to;	/* in the LF text */
	struct str	 with;
};

/* Line ends to LF; the result has room for n bytes. */
static size_t
edit_to_lf(const char *p, size_t n, char *out)
{
	size_t	 i, o = 0;

	for (i = 0; i < n; i++) {
		if (p[i] == '\r' && i + 1 < n && p[i + 1] == '\n')
			continue;
		out[o++] = p[i];
	}
	return o;
}

/* Does every line end in CR LF?  A mixed file is left as it is. */
static bool
edit_is_crlf(const char *p, size_t n)
{
	const char	*q = p, *end = p + n;

	while (q < end && (q = memchr(q, '\n', end - q)) != NULL) {
		if (q == p || q[-1] != '\r')
			return false;
		q++;
	}
	return n > 0 && memchr(p, '\n', n) != NULL;
}

/* The plain byte that stands for a typographic one; 0: keep it. */
static char
edit_fold_char(uint32_t cp)
{
	if ((cp >= 0x2018 && cp <= 0x201b) || cp == 0x2032)
		return '\'';
	if ((cp >= 0x201c && cp <= 0x201f) || cp == 0x2033)
		return '"';
	if ((cp >= 0x2010 && cp <= 0x2015) || cp == 0x2212)
		return '-';
	if (cp == 0xa0 || (cp >= 0x2000 && cp <= 0x200a) || cp == 0x202f ||
	    cp == 0x205f || cp == 0x3000)
		return ' ';
	return 0;
}

static void
fold_clear(struct fold *f)
{
	free(f->p);
	free(f->pos);
	memset(f, 0, sizeof(*f));
}

static int
fold_make(struct fold *f, const char *p, size_t n)
{
	uint32_t	 cp;
	size_t		 i, len, keep = 0;	/* behind the last non-blank */
	char		 c;

	memset(f, 0, sizeof(*f));
	if ((f->p = malloc(n + 1)) == NULL ||
	    (f->pos = reallocarray(NULL, n + 1, sizeof(*f->pos))) == NULL) {
		fold_clear(f);
		return -1;
	}
	for (i = 0; i < n; i += len) {
		if ((unsigned char)p[i] < 0x80) {
			len = 1;
			c = p[i];
		} else if ((len = utf8_decode(p + i, n - i, &cp)) == 0) {
			len = 1;
			c = 0;
		} else
			c = edit_fold_char(cp);
		if (c == '\n')
			f->n = keep;	/* drop the blanks before it */
		if (c != 0) {
			f->pos[f->n] = (uint32_t)i;
			f->p[f->n++] = c;
		} else {
			for (size_t k = 0; k < len; k++) {
				f->pos[f->n] = (uint32_t)(i + k);
				f->p[f->n++] = p[i + k];
			}
		}
		if (c != ' ' && c != '\t' && c != '\r')
			keep = f->n;
	}
	f->n = keep;
	f->pos[f->n] = (uint32_t)n;
	return 0;
}

/* Counts matches that do not overlap, up to 1000; *at is the first. */
static size_t
edit_count(const char *p, size_t n, const char *what, size_t len, size_t *at)
{
	const char	*hit, *end = p + n;
	size_t		 count = 0;

	while (len > 0 && count < 1000 && (size_t)(end - p) >= len &&
	    (hit = memmem(p, end - p, what, len)) != NULL) {
		if (count++ == 0)
			*at = n - (size_t)(end - hit);
		p = hit + len;
	}
	return count;
}

static enum edit_err
edit_find(const char *p, size_t n, struct fold *folded, const struct edit *e,
    struct span *s, struct edit_result *res)
{
	struct fold	 what;
	char		*lf;
	size_t		 len, at = 0;
	enum edit_err	 err = EDIT_OK;

	if (e->old_text.n == 0)
		return EDIT_EMPTY;
	if ((lf = malloc(e->old_text.n)) == NULL)
		return EDIT_NOMEM;
	len = edit_to_lf(e->old_text.p, e->old_text.n, lf);
	res->count = edit_count(p, n, lf, len, &at);
	if (res->count == 0) {
		if (folded->p == NULL && fold_make(folded, p, n) == -1) {
			free(lf);
			return EDIT_NOMEM;
		}
		if (fold_make(&what, lf, len) == -1) {
			free(lf);
			return EDIT_NOMEM;
		}
		res->count = edit_count(folded->p, folded->n, what.p, what.n,
		    &at);
		if (res->count == 1) {
			res->fuzzy = true;
			s->from = folded->pos[at];
			s->to = folded->pos[at + what.n];
			/* The passage may end in a newline that the last
			 * line of the file lacks: never reach behind it. */
			if (s->to > n)
				s->to = n;
		}
		fold_clear(&what);
	} else {
		s->from = at;
		s->to = at + len;
	}
	free(lf);
	if (res->count == 0)
		err = EDIT_NONE;
	else if (res->count > 1)
		err = EDIT_SEVERAL;
	return err;
}

static int
span_cmp(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

static size_t
count_lines(const char *p, size_t n)
{
	size_t	 lines = 0;
	const char *end = p + n;

	while (p < end && (p = memchr(p, '\n', end - p)) != NULL) {
		lines++;
		p++;
	}
	return lines;
}

static void
diff_lines(struct dbuf *d, char sign, const char *p, size_t n)
{
	const char	*nl, *end = p + n;

	while (p < end && !dbuf_err(d)) {
		nl = memchr(p, '\n', end - p);
		dbuf_putc(d, sign);
		dbuf_put(d, p, (nl == NULL ? end : nl) - p);
		dbuf_putc(d, '\n');
		if (nl == NULL) {
			dbuf_puts(d, "\\ no newline at the end\n");
			break;
		}
		p = nl + 1;
	}
}

static size_t
line_start(const char *p, size_t at)
{
	while (at > 0 && p[at - 1] != '\n')
		at--;
	return at;
}

/* Behind the newline that ends the line of at. */
static size_t
line_end(const char *p, size_t n, size_t at)
{
	const char	*nl;

	if (at >= n)
		return n;
	nl = memchr(p + at, '\n', n - at);
	return nl == NULL ? n : (size_t)(nl - p) + 1;
}

/*
 * One hunk: the lines around [from, to) of old, which with replaces.  delta is
 * by how many lines earlier hunks moved this place, and grows by this one's.
 */
static void
diff_hunk(struct dbuf *d, struct str old, size_t from, size_t to,
    struct str with, int64_t *delta)
{
	struct dbuf	 lines;
	const char	*new_p;
	size_t		 a, b, c = 0, e, i, len, ctx_from, ctx_to, bs, es;
	int64_t		 moved;
	bool		 whole;

	a = line_start(old.p, from);
	/* When the change ends on a line border, the next line is no part. */
	whole = old.p[to - 1] == '\n' &&
	    (with.n == 0 ? from == a : with.p[with.n - 1] == '\n');
	b = whole ? to : line_end(old.p, old.n, to);
	moved = (int64_t)count_lines(with.p, with.n) -
	    (int64_t)count_lines(old.p + from, to - from);
	dbuf_init(&lines, 2 * EDIT_FILE_MAX);
	dbuf_put(&lines, old.p + a, from - a);
	dbuf_put(&lines, with.p, with.n);
	dbuf_put(&lines, old.p + to, b - to);
	new_p = dbuf_str(&lines);
	e = lines.n;
	if (dbuf_err(&lines))
		goto out;
	/* Leave out lines that both begin or end with. */
	while ((len = line_end(old.p, b, a) - a) > 0 && len <= e - c &&
	    memcmp(old.p + a, new_p + c, len) == 0 &&
	    line_end(new_p, e, c) - c == len) {
		a += len;
		c += len;
	}
	while (b > a && e > c) {
		bs = line_start(old.p, b - 1);
		es = line_start(new_p, e - 1);
		if (bs < a || es < c || b - bs != e - es ||
		    memcmp(old.p + bs, new_p + es, b - bs) != 0)
			break;
		b = bs;
		e = es;
	}
	ctx_from = a;
	for (i = 0; i < EDIT_CONTEXT && ctx_from > 0; i++)
		ctx_from = line_start(old.p, ctx_from - 1);
	ctx_to = b;
	for (i = 0; i < EDIT_CONTEXT && ctx_to < old.n; i++)
		ctx_to = line_end(old.p, old.n, ctx_to);
	i = count_lines(old.p, ctx_from) + 1;
	dbuf_printf(d, "@@ -%zu +%lld @@\n", i,
	    (long long)((int64_t)i + *delta));
	diff_lines(d, ' ', old.p + ctx_from, a - ctx_from);
	diff_lines(d, '-', old.p + a, b - a);
	diff_lines(d, '+', new_p + c, e - c);
	diff_lines(d, ' ', old.p + b, ctx_to - b);
out:
	*delta += moved;
	dbuf_clear(&lines);
}

/* LF text to the file's own form. */
static int
edit_from_lf(struct dbuf *out, const char *p, size_t n, bool bom, bool crlf)
{
	const char	*nl, *end = p + n;

	if (bom)
		dbuf_puts(out, "\xef\xbb\xbf");
	if (!crlf)
		return dbuf_put(out, p, n);
	while (p < end && (nl = memchr(p, '\n', end - p)) != NULL) {
		dbuf_put(out, p, nl - p);
		if (dbuf_puts(out, "\r\n") == -1)
			return -1;
		p = nl + 1;
	}
	return dbuf_put(out, p, end - p);
}

static enum edit_err
edit_build(struct str old, struct span *s, size_t n, struct dbuf *lf,
    struct dbuf *diff, struct edit_result *res)
{
	struct str	 with;
	char		*buf;
	size_t		 i, at = 0;
	int64_t		 delta = 0;
	enum edit_err	 err = EDIT_OK;

	for (i = 0; i < n; i++) {
		dbuf_put(lf, old.p + at, s[i].from - at);
		if ((buf = malloc(s[i].with.n + 1)) == NULL)
			return EDIT_NOMEM;
		with.p = buf;
		with.n = edit_to_lf(s[i].with.p, s[i].with.n, buf);
		dbuf_put(lf, with.p, with.n);
		if (diff != NULL && !dbuf_err(diff))
			diff_hunk(diff, old, s[i].from, s[i].to, with, &delta);
		at = s[i].to;
		free(buf);
	}
	dbuf_put(lf, old.p + at, old.n - at);
	if (dbuf_err(lf))
		return EDIT_TOO_LARGE;
	for (i = 0; i < old.n && i < lf->n && old.p[i] == lf->p[i];)
		i++;
	if (i == old.n && i == lf->n)
		err = EDIT_SAME;
	res->first_line = count_lines(old.p, i) + 1;
	return err;
}

enum edit_err
edit_apply(struct str file, const struct edit *edits, size_t n,
    struct dbuf *text, struct dbuf *diff, struct edit_result *res)
{
	struct span	 spans[EDIT_MAX];
	struct fold	 folded;
	struct dbuf	 lf;
	struct str	 old;
	char		*buf = NULL;
	size_t		 i;
	bool		 bom, crlf;
	enum edit_err	 err = EDIT_OK;

	memset(res, 0, sizeof(*res));
	memset(&folded, 0, sizeof(folded));
	memset(spans, 0, sizeof(spans));
	dbuf_init(&lf, EDIT_FILE_MAX);
	if (n == 0)
		return EDIT_EMPTY;
	if (n > EDIT_MAX || file.n > EDIT_FILE_MAX)
		return EDIT_TOO_LARGE;
	bom = file.n >= 3 && memcmp(file.p, "\xef\xbb\xbf", 3) == 0;
	if (bom) {
		file.p += 3;
		file.n -= 3;
	}
	crlf = edit_is_crlf(file.p, file.n);
	if ((buf = malloc(file.n + 1)) == NULL)
		return EDIT_NOMEM;
	if (crlf)
		old.n = edit_to_lf(file.p, file.n, buf);
	else {
		if (file.n > 0)
			memcpy(buf, file.p, file.n);
		old.n = file.n;
	}
	old.p = buf;
	buf[old.n] = '\0';

	for (i = 0; i < n; i++) {
		res->which = i;
		err = edit_find(old.p, old.n, &folded, &edits[i], &spans[i],
		    res);
		if (err != EDIT_OK)
			goto out;
		spans[i].with = edits[i].new_text;
	}
	qsort(spans, n, sizeof(spans[0]), span_cmp);
	for (i = 1; i < n; i++) {
		if (spans[i].from < spans[i - 1].to) {
			err = EDIT_OVERLAP;
			goto out;
		}
	}
	if ((err = edit_build(old, spans, n, &lf, diff, res)) != EDIT_OK)
		goto out;
	if (edit_from_lf(text, dbuf_str(&lf), lf.n, bom, crlf) == -1)
		err = EDIT_TOO_LARGE;
out:
	dbuf_clear(&lf);
	fold_clear(&folded);
	free(buf);
	return err;
}
