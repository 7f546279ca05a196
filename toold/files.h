/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * File operations beneath one folder, for the file worker.  Every name is
 * resolved by the kernel with openat2() beneath the folder's descriptor,
 * without symbolic links (T29); no name is ever joined to another as text and
 * opened.  What is opened is checked by its descriptor, never by its name.
 */
#ifndef TOOLD_FILES_H
#define TOOLD_FILES_H

#include "common/dbuf.h"
#include "common/msg.h"
#include "toold/wpath.h"

#define FILES_DATA_MAX	(8u << 20)	/* bytes of one read or write */
#define FILES_LIST_MAX	10000		/* names of one folder looked at */

struct files {
	int	 root_fd;
	char	 root[WPATH_MAX];
};

/* 0, or -1 with errno. */
int	 files_open(struct files *, const char *root);
void	 files_close(struct files *);

/*
 * Does one operation.  res->err, n, total are set; text and data get what
 * res->text and res->data point to until the next change of the two buffers.
 *
 * FILE_READ	data: at most limit bytes from offset; total: size of the file
 * FILE_WRITE	data replaces the file; with offset 1 only while the file
 *		holds exactly data2 (ESTALE otherwise); text: "created" or
 *		"replaced"; n: bytes
 * FILE_STAT	text: "type=file size=N mode=0644 mtime=MS links=1", of a
 *		folder also "free=N total=N" (of the file system)
 * FILE_LIST	data: names, see enums.h; control bytes as \xNN; n: names
 *		given, total: names there
 * FILE_MKDIR	with parents
 *
 * Errors: an errno; EXDEV for a path that leaves the folder, ELOOP for a
 * symbolic link on the way, ENXIO for what is neither file nor folder, EMLINK
 * for a file with a second name elsewhere.
 */
void	 files_run(struct files *, const struct m_fw_op *, struct m_fw_res *,
	    struct dbuf *text, struct dbuf *data);

#endif
