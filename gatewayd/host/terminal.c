/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "common/log.h"
#include "gatewayd/host/terminal.h"

static bool	 had;

/* The kernel takes a closed terminal from every process of its session before
 * anybody gets a signal. */
static bool
terminal_there(void)
{
	int	 fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK |
		    O_CLOEXEC);

	if (fd == -1)
		return false;
	close(fd);
	return true;
}

void
terminal_init(void)
{
	struct sigaction	 sa;

	/* nohup(1): it is to outlive the terminal. */
	had = sigaction(SIGHUP, NULL, &sa) == 0 &&
	    sa.sa_handler != SIG_IGN && terminal_there();
}

bool
terminal_gone(void)
{
	if (!had || terminal_there())
		return false;
	log_info("the terminal is closed");
	return true;
}

void
terminal_address(const char *url, const char *token, const char *state)
{
	if (token[0] != '\0' && isatty(STDOUT_FILENO))
		printf("open %s#token=%s\n", url, token);
	else if (token[0] != '\0')
		printf("open %s with the token in %s/gateway-token\n", url,
		    state);
	else
		printf("open %s\n", url);
	fflush(stdout);
}
