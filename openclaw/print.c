/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* What people read: JSON, tables, ages.  Everything that came from the gateway
 * passes print_text() or a table cell, so a hostile name cannot drive the
 * terminal. */
#include "common/compat.h"

#include <sys/ioctl.h>

#include <stdarg.h>
#include <unistd.h>
#include <wchar.h>

#include "common/text.h"
#include "openclaw/openclaw.h"

#define COLS_MAX	12
#define CELL_MAX	256

struct table {
	const char *const	*heads;
	size_t			 ncols, nrows, cap;
	char			 (*cells)[CELL_MAX];	/* nrows * ncols */
};

void
print_json(json_t *j)
{
	json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
}

bool
print_colors(const struct args *a)
{
	return getenv("NO_COLOR") == NULL && a->opt[OPT_PLAIN] == NULL &&
	    a->opt[OPT_JSON] == NULL && isatty(STDOUT_FILENO);
}

/* Next code point for display; control characters and what could reorder a
 * line become U+FFFD. */
static size_t
glyph(const char *p, size_t n, char out[5], int *width)
{
	uint32_t	 cp;
	size_t		 len = utf8_decode(p, n, &cp), olen;

	if (len == 0 || (cp < 0x20 && cp != '\n' && cp != '\t') ||
	    (cp >= 0x7f && cp < 0xa0) || (cp >= 0x202a && cp <= 0x202e) ||
	    (cp >= 0x2066 && cp <= 0x2069)) {
		len = len == 0 ? 1 : len;
		cp = 0xfffd;
	}
	olen = utf8_encode(cp, out);
	out[olen] = '\0';
	*width = cp == '\n' || cp == '\t' ? 1 : wcwidth((wchar_t)cp);
	if (*width < 0)
		*width = 1;
	return len;
}

void
print_text(const char *s)
{
	print_text_to(stdout, s);
}

void
print_text_to(FILE *f, const char *s)
{
	char	 out[5];
	size_t	 n = strlen(s), len;
	int	 w;

	for (; n > 0; s += len, n -= len) {
		len = glyph(s, n, out, &w);
		fputs(out, f);
	}
}

static int
text_width(const char *s)
{
	char	 out[5];
	size_t	 n = strlen(s), len;
	int	 w, sum = 0;

	for (; n > 0; s += len, n -= len) {
		len = glyph(s, n, out, &w);
		sum += w;
	}
	return sum;
}

static void
print_cell(const char *s, int width)
{
	char	 out[5];
	size_t	 n = strlen(s), len;
	int	 w, sum = 0;
	bool	 cut = text_width(s) > width;

	for (; n > 0; s += len, n -= len) {
		len = glyph(s, n, out, &w);
		if (out[0] == '\n' || out[0] == '\t')
			out[0] = ' ';
		if (sum + w > width - (cut ? 1 : 0))
			break;
		fputs(out, stdout);
		sum += w;
	}
	if (cut && width > 0) {
		fputs("…", stdout);
		sum++;
	}
	printf("%*s", width - sum, "");
}

struct table *
table_new(const char *const *heads, size_t n)
{
	struct table	*t;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		return NULL;
	t->heads = heads;
	t->ncols = n;
	return t;
}

void
table_row(struct table *t)
{
	void	*p;

	if (t->nrows == t->cap) {
		p = reallocarray(t->cells, (t->cap + 32) * t->ncols,
		    CELL_MAX);
		if (p == NULL)
			return;
		t->cells = p;
		t->cap += 32;
	}
	memset(t->cells[t->nrows * t->ncols], 0, t->ncols * CELL_MAX);
	t->nrows++;
}

void
table_add(struct table *t, size_t col, const char *fmt, ...)
{
	char	*cell;
	va_list	 ap;

	if (t->nrows == 0 || col >= t->ncols)
		return;
	cell = t->cells[(t->nrows - 1) * t->ncols + col];
	va_start(ap, fmt);
	vsnprintf(cell, CELL_MAX, fmt, ap);
	va_end(ap);
	cell[utf8_cut(cell, strlen(cell), CELL_MAX - 5)] = '\0';
}

static void
table_rule(const struct table *t, const int *w, const char *left,
    const char *mid, const char *right)
{
	size_t	 c;
	int	 i;

	fputs(left, stdout);
	for (c = 0; c < t->ncols; c++) {
		for (i = 0; i < w[c] + 2; i++)
			fputs("─", stdout);
		fputs(c + 1 < t->ncols ? mid : right, stdout);
	}
	putchar('\n');
}

/* Too narrow for a box: a line for each value, a blank one between rows. */
static void
table_print_lines(const struct table *t)
{
	const char	*cell;
	size_t		 r, c;

	for (r = 0; r < t->nrows; r++) {
		if (r > 0)
			putchar('\n');
		for (c = 0; c < t->ncols; c++) {
			cell = t->cells[r * t->ncols + c];
			if (cell[0] == '\0')
				continue;
			printf("%s: ", t->heads[c]);
			print_cell(cell, text_width(cell));
			putchar('\n');
		}
	}
}

void
table_print(struct table *t)
{
	struct winsize	 ws;
	int		 w[COLS_MAX], below[COLS_MAX] = { 0 }, total = 1, limit = 0, widest;
	size_t		 r, c;

	if (t == NULL)
		return;
	for (c = 0; c < t->ncols; c++) {
		for (r = 0; r < t->nrows; r++)
			if (text_width(t->cells[r * t->ncols + c]) > below[c])
				below[c] = text_width(t->cells[r * t->ncols +
				    c]);
		w[c] = text_width(t->heads[c]);
		if (w[c] < below[c])
			w[c] = below[c];
		total += w[c] + 3;
	}
	if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) ==
	    0 && ws.ws_col > 0)
		limit = ws.ws_col;
	/* Notes stand last and give way first, then headings that are wider
	 * than what is below them, then whatever is widest. */
	while (limit > 0 && total > limit) {
		widest = 0;
		for (c = 1; c < t->ncols; c++)
			if (w[c] > w[widest])
				widest = (int)c;
		for (c = 0; c < t->ncols && (w[c] <= 4 || w[c] <= below[c]);
		    c++)
			;
		if (w[t->ncols - 1] > 4)
			widest = (int)t->ncols - 1;
		else if (c < t->ncols)
			widest = (int)c;
		else if (w[widest] <= 6)
			break;
		w[widest]--;
		total--;
	}
	if (limit > 0 && total > limit) {
		table_print_lines(t);
		goto out;
	}
	table_rule(t, w, "┌", "┬", "┐");
	for (c = 0; c < t->ncols; c++) {
		fputs("│ ", stdout);
		print_cell(t->heads[c], w[c]);
		putchar(' ');
	}
	puts("│");
	table_rule(t, w, "├", "┼", "┤");
	for (r = 0; r < t->nrows; r++) {
		for (c = 0; c < t->ncols; c++) {
			fputs("│ ", stdout);
			print_cell(t->cells[r * t->ncols + c], w[c]);
			putchar(' ');
		}
		puts("│");
	}
	table_rule(t, w, "└", "┴", "┘");
out:
	free(t->cells);
	free(t);
}

const char *
age_text(int64_t ms, char buf[32])
{
	int64_t	 s = ms / 1000;

	if (ms < 0)
		strlcpy(buf, "-", 32);
	else if (s < 60)
		strlcpy(buf, "just now", 32);
	else if (s < 3600)
		snprintf(buf, 32, "%lldm ago", (long long)s / 60);
	else if (s < 172800)
		snprintf(buf, 32, "%lldh ago", (long long)s / 3600);
	else
		snprintf(buf, 32, "%lldd ago", (long long)s / 86400);
	return buf;
}

const char *
jtext(json_t *j, const char *key, const char *def)
{
	const char	*s = json_string_value(json_object_get(j, key));

	return s != NULL ? s : def;
}

void
jjoin(json_t *list, char *buf, size_t size)
{
	json_t	*v;
	size_t	 i;

	buf[0] = '\0';
	json_array_foreach(list, i, v) {
		if (i > 0)
			strlcat(buf, ", ", size);
		strlcat(buf, json_string_value(v) != NULL ?
		    json_string_value(v) : "?", size);
	}
}

int64_t
jnum(json_t *j, const char *key, int64_t def)
{
	json_t	*v = json_object_get(j, key);

	return json_is_number(v) ? (int64_t)json_number_value(v) : def;
}

int
print_answer(const struct args *a, json_t *res, void (*human)(json_t *))
{
	if (res == NULL)
		return 1;
	if (a->opt[OPT_JSON] != NULL)
		print_json(res);
	else
		human(res);
	json_decref(res);
	return 0;
}
