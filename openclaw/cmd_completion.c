/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * `openclaw completion`: a bash script that completes command words and
 * options, written from the tables.  zsh reads it after bashcompinit.
 */
#include "common/compat.h"

#include <stdio.h>
#include <string.h>

#include "openclaw/openclaw.h"

/* The words that may follow `before` ("": the program's name). */
static void
put_next_words(const char *before)
{
	const struct command	*c;
	size_t			 n = strlen(before);
	const char		*word;
	int			 len, last_len = 0;
	const char		*last = "";

	for (c = commands; c->name != NULL; c++) {
		if (strncmp(c->name, before, n) != 0 ||
		    (n > 0 && c->name[n] != ' '))
			continue;
		word = c->name + (n > 0 ? n + 1 : 0);
		len = (int)strcspn(word, " ");
		/* Words of one group stand together in the table. */
		if (len == last_len && strncmp(word, last, (size_t)len) == 0)
			continue;
		printf("%.*s ", len, word);
		last = word;
		last_len = len;
	}
}

int
cmd_completion(struct args *a)
{
	const struct command	*c;

	(void)a;
	printf("# bash completion of openclaw, by `openclaw completion`\n"
	    "_openclaw()\n{\n"
	    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} path= w words=\n"
	    "\tfor w in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
	    "\t\tcase $w in\n\t\t-*) ;;\n\t\t*) path=\"$path $w\" ;;\n"
	    "\t\tesac\n\tdone\n"
	    "\tcase ${path# } in\n"
	    "\t\"\") words=\"");
	put_next_words("");
	printf("--help --version\" ;;\n");
	/* Backwards: a group stands before its commands. */
	for (c = commands; c->name != NULL; c++)
		continue;
	while (c-- > commands) {
		printf("\t\"%s\"*) words=\"", c->name);
		put_next_words(c->name);
		options_words(c);
		printf("\" ;;\n");
	}
	printf("\tesac\n"
	    "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
	    "complete -o default -F _openclaw openclaw\n");
	return 0;
}
