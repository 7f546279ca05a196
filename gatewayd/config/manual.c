/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "gatewayd/config/keys.h"
#include "gatewayd/config/manual.h"

/* mdoc text: a leading dot or quote would be a request, a backslash an
 * escape. */
static void
put_text(struct dbuf *b, const char *s)
{
	if (*s == '.' || *s == '\'')
		dbuf_puts(b, "\\&");
	for (; *s != '\0'; s++) {
		if (*s == '\\')
			dbuf_puts(b, "\\e");
		else if (*s == '|')
			dbuf_puts(b, " | ");
		else
			dbuf_putc(b, *s);
	}
}

/* The type behind "@name" when that is a mere name for one; else NULL. */
static const char *
simple_shape(const char *name, size_t n)
{
	const char	*path, *type, *dflt, *help;
	unsigned int	 flags;
	size_t		 i;

	for (i = 0; keys_row(i, &path, &type, &flags, &dflt, &help); i++)
		if (strlen(path) == n && strncmp(path, name, n) == 0 &&
		    help[0] == '\0' && type[0] != '@' &&
		    strcmp(type, "object") != 0)
			return type;
	return NULL;
}

/* "int:1..5" as a reader would have it. */
static void
put_type(struct dbuf *b, const char *type)
{
	static const char *const words[][2] = {
		{ "enum:", "" }, { "option:", "" }, { "strnum", "string or "
		    "number" }, { "map:", "map of " }, { "hhmm24", "HH:MM" },
		{ "hhmm", "HH:MM" }, { "exe", "program" },
		{ "ipv4", "IPv4 address" }, { "hex", "RRGGBB" },
	};
	const char	*shape;
	size_t		 i, n;
	bool		 start = true;

	while (*type != '\0') {
		if (start && *type == '@') {
			n = strcspn(type, " [");
			if ((shape = simple_shape(type, n)) != NULL)
				put_type(b, shape);
			else
				dbuf_printf(b, "%s%.*s", start ? "keys of " :
				    "", (int)n - 1, type + 1);
			type += n;
			start = false;
			continue;
		}
		for (i = 0; start && i < sizeof(words) / sizeof(words[0]);
		    i++) {
			n = strlen(words[i][0]);
			if (strncmp(type, words[i][0], n) != 0)
				continue;
			put_text(b, words[i][1]);
			type += n;
			break;
		}
		if (*type == '\0')
			break;
		start = *type == ' ';
		if (type[0] == '[' && type[1] == ']') {
			dbuf_puts(b, ", list");
			type += 2;
		} else if (*type == ':') {
			dbuf_putc(b, ' ');
			type++;
		} else if (*type == '|') {
			dbuf_puts(b, " | ");
			type++;
		} else
			dbuf_putc(b, *type++);
	}
}

/* The part of a path that names its section. */
static size_t
section_len(const char *path)
{
	return strcspn(path, ".[");
}

static void
put_row(struct dbuf *b, const char *path, const char *type, unsigned int flags,
    const char *dflt, const char *help)
{
	/* Keys of a shape are named without it. */
	if (path[0] == '@')
		path += strcspn(path, ".[") + 1;
	dbuf_printf(b, ".It Ic %s Pq ", path);
	put_type(b, type);
	if (flags & K_REQ)
		dbuf_puts(b, ", required");
	if (flags & K_SECRET)
		dbuf_puts(b, ", secret");
	dbuf_puts(b, "\n");
	put_text(b, help);
	if (dflt[0] != '\0') {
		dbuf_puts(b, " (default ");
		put_text(b, dflt);
		dbuf_putc(b, ')');
	}
	dbuf_puts(b, ".\n");
}

/* Is row i the first of its section that has something to say? */
static bool
first_of_section(size_t i, const char *section, size_t n)
{
	const char	*path, *type, *dflt, *help;
	unsigned int	 flags;
	size_t		 k;

	for (k = 0; k < i && keys_row(k, &path, &type, &flags, &dflt, &help);
	    k++)
		if (help[0] != '\0' && section_len(path) == n &&
		    strncmp(path, section, n) == 0)
			return false;
	return true;
}

static void
put_section(struct dbuf *b, const char *section, size_t n)
{
	const char	*path, *type, *dflt, *help;
	unsigned int	 flags;
	size_t		 i;

	dbuf_printf(b, ".Ss %s%.*s\n.Bl -tag -width Ds -compact\n",
	    section[0] == '@' ? "Keys of " : "",
	    (int)n - (section[0] == '@'), section + (section[0] == '@'));
	for (i = 0; keys_row(i, &path, &type, &flags, &dflt, &help); i++) {
		if (section_len(path) != n || strncmp(path, section, n) != 0)
			continue;
		if (help[0] != '\0')
			put_row(b, path, type, flags, dflt, help);
		else if (type[0] == '@')
			dbuf_printf(b, ".It all keys of %s\n", type + 1);
	}
	dbuf_puts(b, ".El\n");
}

/* Sections in order of the table, then the shapes they refer to. */
int
cf_manual(struct dbuf *b)
{
	const char	*path, *type, *dflt, *help;
	unsigned int	 flags;
	size_t		 i, n;
	int		 shapes;

	for (shapes = 0; shapes < 2; shapes++)
		for (i = 0; keys_row(i, &path, &type, &flags, &dflt, &help);
		    i++) {
			n = section_len(path);
			if (help[0] != '\0' && (path[0] == '@') == shapes &&
			    first_of_section(i, path, n))
				put_section(b, path, n);
		}
	return dbuf_err(b) ? -1 : 0;
}
