/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Options of a command, from the tables. */
#include "common/compat.h"

#include "common/text.h"
#include "openclaw/openclaw.h"

static const struct {
	const char	*name;
	char		 letter;
	const char	*value, *help;
	bool		 gateway;
} options[OPT_MAX] = {
#define OPTION(name, letter, ID, value, help, gateway)			\
	{ name, letter, value, help, gateway },
#include "openclaw/options.def"
#undef OPTION
};

static bool
option_allowed(const struct command *c, size_t o)
{
	const char	*p = c->options;
	size_t		 n;

	if (o == OPT_HELP || o == OPT_NO_COLOR)
		return true;
	if (options[o].gateway && p[0] == '*')
		return true;
	while (*p != '\0') {
		n = strcspn(p, " ");
		if (strlen(options[o].name) == n &&
		    strncmp(p, options[o].name, n) == 0)
			return true;
		p += n + strspn(p + n, " ");
	}
	return false;
}

int
options_parse(struct args *a, const struct command *c, int argc, char *argv[],
    int first)
{
	const char	*name, *value;
	char		 letter[8] = "";
	size_t		 o, n;
	int		 i;

	for (i = first; i < argc; i++) {
		if (argv[i][0] != '-' || argv[i][1] == '\0' ||
		    strcmp(argv[i], "--") == 0) {
			if (strcmp(argv[i], "--") == 0 && ++i == argc)
				break;
			if (a->noperands ==
			    sizeof(a->operand) / sizeof(a->operand[0])) {
				fprintf(stderr, "error: too many arguments\n");
				return -1;
			}
			a->operand[a->noperands++] = argv[i];
			continue;
		}
		name = argv[i] + (argv[i][1] == '-' ? 2 : 1);
		n = strcspn(name, "=");
		value = name[n] == '=' ? name + n + 1 : NULL;
		for (o = 0; o < OPT_MAX; o++)
			if (argv[i][1] == '-' ?
			    strlen(options[o].name) == n &&
			    strncmp(name, options[o].name, n) == 0 :
			    n == 1 && options[o].letter == name[0] &&
			    option_allowed(c, o))
				break;
		if (o == OPT_MAX || !option_allowed(c, o)) {
			fprintf(stderr, "error: unknown option '%s'\n",
			    argv[i]);
			return -1;
		}
		if (options[o].value == NULL) {
			a->opt[o] = "";
			continue;
		}
		if (value == NULL && ++i < argc)
			value = argv[i];
		if (value == NULL) {
			if (options[o].letter != 0)
				snprintf(letter, sizeof(letter), "-%c, ",
				    options[o].letter);
			fprintf(stderr, "error: option '%s--%s <%s>' argument "
			    "missing\n", letter, options[o].name,
			    options[o].value);
			return -1;
		}
		a->opt[o] = value;
		if (o != OPT_SCOPE && o != OPT_POLL_OPTION)
			continue;
		if (a->nmany == sizeof(a->many) / sizeof(a->many[0])) {
			fprintf(stderr, "error: too many --%s\n",
			    options[o].name);
			return -1;
		}
		a->many[a->nmany++] = value;
	}
	if (a->opt[OPT_HELP] == NULL && c->operands[0] == '\0' &&
	    a->noperands > 0) {
		fprintf(stderr, "error: too many arguments for '%s'\n",
		    c->name);
		return -1;
	}
	if (a->opt[OPT_NO_COLOR] != NULL)
		setenv("NO_COLOR", "1", 1);
	return 0;
}

void
options_help(const struct command *c)
{
	char	 left[64];
	size_t	 o;

	printf("usage: openclaw %s [option ...]%s%s\n\n%s\n\noptions:\n",
	    c->name, c->operands[0] != '\0' ? " " : "", c->operands, c->help);
	for (o = 0; o < OPT_MAX; o++) {
		if (!option_allowed(c, o))
			continue;
		if (options[o].letter != 0)
			snprintf(left, sizeof(left), "-%c, --%s%s%s%s",
			    options[o].letter, options[o].name,
			    options[o].value != NULL ? " <" : "",
			    options[o].value != NULL ? options[o].value : "",
			    options[o].value != NULL ? ">" : "");
		else
			snprintf(left, sizeof(left), "    --%s%s%s%s",
			    options[o].name,
			    options[o].value != NULL ? " <" : "",
			    options[o].value != NULL ? options[o].value : "",
			    options[o].value != NULL ? ">" : "");
		printf("  %-26s %s\n", left, options[o].help);
	}
}

void
options_words(const struct command *c)
{
	size_t	 o;

	for (o = 0; o < OPT_MAX; o++)
		if (option_allowed(c, o))
			printf("--%s ", options[o].name);
}

int64_t
options_num(const struct args *a, enum option o, int64_t def, int64_t min,
    int64_t max)
{
	int64_t	 v;

	if (a->opt[o] == NULL)
		return def;
	if (num_parse(str_of(a->opt[o]), min, max, &v) == -1) {
		if (o == OPT_TIMEOUT)
			fprintf(stderr, "Error: --timeout must be a positive "
			    "integer (milliseconds)\n");
		else
			fprintf(stderr, "Error: --%s takes a whole number from "
			    "%lld to %lld\n", options[o].name, (long long)min,
			    (long long)max);
		exit(1);
	}
	return v;
}
