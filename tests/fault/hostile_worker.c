/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Stands in for toold-files and misbehaves once it runs, as its instance says:
 * "ctl" asks the parent for what only the router may, "noise" sends it bytes,
 * "seq" skips a number, "peer" speaks to its siblings in the parent's name,
 * "mute" never says READY.  Any other instance keeps quiet.
 */
#include "common/compat.h"

#include <sys/socket.h>

#include <string.h>
#include <unistd.h>

#include "common/worker.h"

static void
say(int fd, uint16_t type, uint32_t seq, size_t n)
{
	struct msg_header	 h = { .length = (uint32_t)(MSG_HEADER + n),
				    .type = type, .version = MSG_PROTOCOL,
				    .seq = seq };
	uint8_t			 buf[MSG_HEADER + 64] = { 0 };

	msg_header_put(buf, &h);
	if (write(fd, buf, MSG_HEADER + n) == -1)
		worker_exit(1);
}

static void
hostile_start(void)
{
	const char	*how = worker_instance();

	if (strcmp(how, "ctl") == 0)
		say(WORKER_FD_CTL, MSG_SUP_REQ, 3, 6);
	else if (strcmp(how, "noise") == 0) {
		if (write(WORKER_FD_CTL, "what is this", 12) == -1)
			worker_exit(1);
	} else if (strcmp(how, "seq") == 0)
		say(WORKER_FD_CTL, MSG_PROC_PONG, 99, 8);
}

static void
hostile_peer(struct link *l)
{
	int	 fd, type;
	socklen_t len = sizeof(type);

	(void)l;
	if (strcmp(worker_instance(), "peer") != 0)
		return;
	/* Whatever socket there is but the parent's. */
	for (fd = WORKER_FD_FIRST; fd < 64; fd++)
		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
		    type == SOCK_SEQPACKET)
			say(fd, MSG_PROC_QUIT, 1, 0);
}

static int
hostile_setup(void)
{
	if (strcmp(worker_instance(), "mute") == 0)
		for (;;)
			sleep(3600);	/* the filter of the start has no pause */
	return 0;
}

static enum msg_err
hostile_message(struct link *l, struct msg *m)
{
	(void)l;
	(void)m;
	return MSG_OK;
}

static const struct worker hostile_worker = {
	WORKER_ROLE(FILES),
	.setup = hostile_setup,
	.peer = hostile_peer,
	.message = hostile_message,
	.start = hostile_start,
};

int
main(int argc, char *argv[])
{
	return worker_main(argc, argv, &hostile_worker);
}
