/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * toold-files: the resident file worker of one agent.  It reads and writes
 * files of the workspace for toold, which cannot.  It takes FW_OP from toold
 * and from nobody else, never executes anything, has no network and sees no
 * folder but the workspace.
 */
#include "common/compat.h"

#include <errno.h>

#include "common/log.h"
#include "common/worker.h"
#include "toold/files.h"

static struct files	 files = {-1, ""};
static struct dbuf	 op_text, op_data;
static char		 workspace[WPATH_MAX];
static uint64_t		 nops;

static int
files_configure(const struct parcel *p, bool reload, char *why, size_t size)
{
	const char	*s;

	if ((s = parcel_get(p, "workspace")) == NULL || *s != '/' ||
	    strlen(s) >= sizeof(workspace)) {
		snprintf(why, size, "workspace: missing or not absolute");
		return -1;
	}
	/* Mounts and Landlock are for life: another workspace is another
	 * process. */
	if (reload && strcmp(s, workspace) != 0) {
		snprintf(why, size, "workspace: changes with a restart");
		return -1;
	}
	strlcpy(workspace, s, sizeof(workspace));
	return 0;
}

static int
files_setup(void)
{
	dbuf_init(&op_text, 2048);
	dbuf_init(&op_data, FILES_DATA_MAX + 1);
	return files_open(&files, workspace);
}

static void
files_peer(struct link *l)
{
	(void)l;
}

static enum msg_err
files_message(struct link *l, struct msg *m)
{
	struct m_fw_op	 op;
	struct m_fw_res	 res;
	enum msg_err	 err;

	if ((err = get_fw_op(m, &op)) != MSG_OK)
		return err;
	files_run(&files, &op, &res, &op_text, &op_data);
	nops++;
	if (send_fw_res(l, &res, m->h.corr, MSG_F_REPLY) == -1) {
		log_warn("fw_res: op %u", op.op);
		memset(&res, 0, sizeof(res));
		res.op = op.op;
		res.err = ENOBUFS;
		send_fw_res(l, &res, m->h.corr, MSG_F_REPLY);
	}
	/* One large file must not stay in memory behind its answer. */
	dbuf_clear(&op_data);
	dbuf_clear(&op_text);
	return MSG_OK;
}

static void
files_stat_line(struct m_proc_stat_res *res, char *detail, size_t size)
{
	(void)res;
	snprintf(detail, size, "%llu operations", (unsigned long long)nops);
}

static const struct worker files_worker = {
	WORKER_ROLE(FILES),
	.configure = files_configure,
	.setup = files_setup,
	.peer = files_peer,
	.message = files_message,
	.stat = files_stat_line,
};

int
main(int argc, char *argv[])
{
	return worker_main(argc, argv, &files_worker);
}
