/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The command line of gatewayd(8). */
#include "common/compat.h"

#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/text.h"
#include "gatewayd/host/offline.h"
#include "gatewayd/host/options.h"
#include "gatewayd/host/terminal.h"

static void __attribute__((noreturn))
usage(void)
{
	dprintf(STDERR_FILENO, "usage: gatewayd [-AaDStUVv] [-b bind] "
	    "[-c file] [-e verb] [-g group[:group]]\n"
	    "                [-l libexec] [-p port] [-s state] [-u uid]\n"
	    "                [-x status]\n"
	    "see gatewayd(8); `openclaw gateway run` starts it too\n");
	exit(2);
}

void
options_read(struct options *o, int argc, char *argv[])
{
	int	 opt;

	terminal_init();
	memset(o, 0, sizeof(*o));
	o->offline = -1;
	o->bad_config = EX_CONFIG;
	while ((opt = getopt(argc, argv, "Aab:c:De:g:l:p:Ss:tu:UVvx:")) != -1) {
		switch (opt) {
		case 'A':
			o->audit = true;
			break;
		case 'a':
			o->conf_flags |= CF_ALLOW_UNCONFIGURED;
			break;
		case 'b':
			if (setenv("OPENCLAW_GATEWAY_BIND", optarg, 1) == -1)
				usage();
			break;
		case 'c':
			o->config = optarg;
			break;
		case 'D':
			o->conf_flags |= CF_DEV;
			break;
		case 'e':
			if ((o->offline = offline_verb(optarg)) == -1)
				usage();
			o->conf_flags |= CF_CHECK_ONLY;
			break;
		case 'g':
			o->groups = optarg;
			break;
		case 'l':
			o->libexec = optarg;
			break;
		case 'p':
			if (setenv("OPENCLAW_GATEWAY_PORT", optarg, 1) == -1)
				usage();
			break;
		case 'S':
			o->conf_flags |= CF_CHECK_ONLY;
			break;
		case 's':
			o->state = optarg;
			break;
		case 't':
			o->weak = true;
			break;
		case 'u':
			if (num_parse(str_of(optarg), 1, 4000000000,
			    &o->uid_base) == -1)
				usage();
			break;
		case 'U':
			o->user = true;
			break;
		case 'V':
			printf("gatewayd %s (message protocol %d)\n",
			    GW_VERSION, MSG_PROTOCOL);
			exit(0);
		case 'v':
			log_setlevel(LOG_LEVEL_DEBUG);
			break;
		case 'x':
			if (num_parse(str_of(optarg), 1, 125,
			    &o->bad_config) == -1)
				usage();
			break;
		default:
			usage();
		}
	}
	if (optind != argc || (o->audit && !o->weak))
		usage();
}
