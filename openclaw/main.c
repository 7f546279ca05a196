/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* openclaw: global options, choice of the command, help. */
#include "common/compat.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "common/text.h"
#include "openclaw/openclaw.h"

const struct command	 commands[] = {
#define COMMAND(name, run, options, operands, help)			\
	{ name, run, options, operands, help },
#include "openclaw/commands.def"
#undef COMMAND
	{ NULL, NULL, NULL, NULL, NULL }
};

static void
help_all(const char *group)
{
	const struct command	*c;
	size_t			 n = group != NULL ? strlen(group) : 0;

	if (group == NULL)
		printf("usage: openclaw [--profile name | --dev] [--no-color] "
		    "command [option ...]\n\ncommands:\n");
	else
		printf("usage: openclaw %s command [option ...]\n\n"
		    "commands:\n", group);
	for (c = commands; c->name != NULL; c++) {
		if (group != NULL && (strncmp(c->name, group, n) != 0 ||
		    c->name[n] != ' '))
			continue;
		if (group == NULL && c->run == NULL)
			continue;
		printf("  %-20s %s\n", c->name, c->help);
	}
	printf("\n`openclaw command --help` tells its options; "
	    "openclaw(1) has all.\n");
}

/* Longest command whose words begin argv; *used words of it. */
static const struct command *
command_find(int argc, char *argv[], int first, int *used)
{
	const struct command	*c, *best = NULL;
	char			 name[64];
	int			 i, words;

	*used = 0;
	for (c = commands; c->name != NULL; c++) {
		name[0] = '\0';
		words = strchr(c->name, ' ') != NULL ? 2 : 1;
		if (first + words > argc)
			continue;
		for (i = 0; i < words; i++) {
			if (i > 0)
				strlcat(name, " ", sizeof(name));
			strlcat(name, argv[first + i], sizeof(name));
		}
		if (strcmp(name, c->name) == 0 && words > *used) {
			best = c;
			*used = words;
		}
	}
	return best;
}

/* Are there commands below it? */
static bool
is_group(const struct command *group)
{
	const struct command	*c;
	size_t			 n = strlen(group->name);

	for (c = commands; c->name != NULL; c++)
		if (strncmp(c->name, group->name, n) == 0 &&
		    c->name[n] == ' ')
			return true;
	return false;
}

static size_t
distance(const char *a, const char *b)
{
	size_t	 row[65], i, j, last, keep, n = strlen(b), cost;

	if (n > 64)
		return 99;
	for (j = 0; j <= n; j++)
		row[j] = j;
	for (i = 0; a[i] != '\0'; i++) {
		last = row[0];
		row[0] = i + 1;
		for (j = 1; j <= n; j++) {
			keep = row[j];
			cost = last + (a[i] != b[j - 1]);
			if (row[j] + 1 < cost)
				cost = row[j] + 1;
			if (row[j - 1] + 1 < cost)
				cost = row[j - 1] + 1;
			row[j] = cost;
			last = keep;
		}
	}
	return row[n];
}

static int
unknown(const char *what, const char *word, const char *group)
{
	const struct command	*c, *best = NULL;
	const char		*tail;
	size_t			 d, least = 3, n;

	n = group != NULL ? strlen(group) : 0;
	for (c = commands; c->name != NULL; c++) {
		if (group != NULL && (strncmp(c->name, group, n) != 0 ||
		    c->name[n] != ' '))
			continue;
		tail = group != NULL ? c->name + n + 1 : c->name;
		if ((d = distance(word, tail)) < least) {
			least = d;
			best = c;
		}
	}
	fprintf(stderr, "error: unknown %s '%s'\n", what, word);
	if (best != NULL)
		fprintf(stderr, "(Did you mean %s?)\n", group != NULL ?
		    best->name + n + 1 : best->name);
	return 1;
}

/* What could not be written is no success; that a reader has gone is his own
 * business. */
static int
finish(int status)
{
	struct pollfd	 pfd = { STDOUT_FILENO, 0, 0 };

	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLNVAL) == 0)
		return status;
	fprintf(stderr, "Error: standard output: %s\n", errno != 0 ?
	    strerror(errno) : "cannot be written");
	return 1;
}

int
main(int argc, char *argv[])
{
	const struct command	*c;
	struct args		 args;
	static char		 approvals[] = "approvals";
	const char		*profile = NULL;
	int			 first, used, operand, fd;
	bool			 dev = false, help;

	setlocale(LC_CTYPE, "C.UTF-8");
	signal(SIGPIPE, SIG_IGN);
	/* No connection may get the number of a standard stream. */
	while ((fd = open("/dev/null", O_RDONLY)) != -1 && fd <= 2)
		;
	if (fd != -1)
		close(fd);
	memset(&args, 0, sizeof(args));
	for (first = 1; first < argc && argv[first][0] == '-'; first++) {
		if (strcmp(argv[first], "--version") == 0 ||
		    strcmp(argv[first], "-V") == 0 ||
		    strcmp(argv[first], "-v") == 0) {
			printf("%s\n", GW_VERSION);
			return 0;
		} else if (strcmp(argv[first], "--help") == 0 ||
		    strcmp(argv[first], "-h") == 0) {
			help_all(NULL);
			return 0;
		} else if (strcmp(argv[first], "--no-color") == 0)
			setenv("NO_COLOR", "1", 1);
		else if (strcmp(argv[first], "--dev") == 0)
			dev = true;
		else if (strncmp(argv[first], "--profile=", 10) == 0)
			profile = argv[first] + 10;
		else if (strcmp(argv[first], "--profile") == 0 &&
		    first + 1 < argc)
			profile = argv[++first];
		else if (strcmp(argv[first], "--profile") == 0) {
			fprintf(stderr, "error: option '--profile <name>' "
			    "argument missing\n");
			return 2;
		} else {
			fprintf(stderr, "error: unknown option '%s'\n",
			    argv[first]);
			return 1;
		}
	}
	if (dev && profile != NULL) {
		fprintf(stderr, "Error: --dev and --profile exclude each "
		    "other; give one\n");
		return 2;
	}
	if (profile != NULL && (profile[0] == '\0' || strspn(profile,
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
	    != strlen(profile))) {
		fprintf(stderr, "Error: --profile takes letters, digits, - "
		    "and _\n");
		return 2;
	}
	if (dev || profile != NULL)
		setenv("OPENCLAW_PROFILE", dev ? "dev" : profile, 1);
	if (dev && getenv("OPENCLAW_GATEWAY_PORT") == NULL)
		setenv("OPENCLAW_GATEWAY_PORT", "19001", 1);
	help = first < argc && strcmp(argv[first], "help") == 0;
	if (help)
		first++;
	if (first == argc) {
		help_all(NULL);
		return help ? 0 : 1;
	}
	/* What it is called elsewhere. */
	if (strcmp(argv[first], "exec-approvals") == 0)
		argv[first] = approvals;
	if ((c = command_find(argc, argv, first, &used)) == NULL)
		return unknown("command", argv[first], NULL);
	operand = first + used;
	if (used == 1 && operand < argc && argv[operand][0] != '-' &&
	    is_group(c))
		return unknown("command", argv[operand], c->name);
	if (c->run == NULL) {
		help_all(c->name);
		return help || operand < argc ? 0 : 1;
	}
	if (help) {
		options_help(c);
		return 0;
	}
	if (options_parse(&args, c, argc, argv, operand) == -1)
		return 1;
	if (args.opt[OPT_HELP] != NULL) {
		options_help(c);
		return 0;
	}
	args.argv = argv;
	return finish(c->run(&args));
}
