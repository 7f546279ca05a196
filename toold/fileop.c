/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Requests to the file worker, and the way back of their answers. */
#include "common/compat.h"

#include <errno.h>

#include "common/log.h"
#include "toold/toold.h"

struct fileop {
	LIST_ENTRY(fileop)	 entry;
	struct toold		*t;
	uint32_t		 num;
	fileop_cb		 cb;		/* NULL: forgotten */
	void			*arg;
};

struct fileop *
fileop_start(struct toold *t, const struct m_fw_op *op, fileop_cb cb,
    void *arg, const char **why)
{
	struct m_fw_op	 o = *op;
	struct fileop	*f;

	*why = "the file worker is not running; try again in a moment";
	if (t->files == NULL)
		return NULL;
	*why = "too many file operations at once";
	if (t->nfileops >= TOOLD_FILEOPS_MAX || link_full(t->files))
		return NULL;
	*why = "out of memory";
	if ((f = calloc(1, sizeof(*f))) == NULL)
		return NULL;
	if (++t->last_fileop == 0)
		t->last_fileop = 1;
	o.op = f->num = t->last_fileop;
	f->t = t;
	f->cb = cb;
	f->arg = arg;
	if (send_fw_op(t->files, &o, link_corr(), 0) == -1) {
		log_warn("fw_op: verb %u", o.verb);
		*why = "the file worker cannot be reached";
		free(f);
		return NULL;
	}
	LIST_INSERT_HEAD(&t->fileops, f, entry);
	t->nfileops++;
	return f;
}

static void
fileop_free(struct fileop *f)
{
	LIST_REMOVE(f, entry);
	f->t->nfileops--;
	free(f);
}

void
fileop_forget(struct fileop *f)
{
	/* Kept until its answer comes, so that the answer is known. */
	if (f != NULL)
		f->cb = NULL;
}

enum msg_err
fileop_result(struct toold *t, struct msg *m)
{
	struct m_fw_res	 res;
	struct fileop	*f;
	fileop_cb	 cb;
	void		*arg;
	enum msg_err	 err;

	if ((err = get_fw_res(m, &res)) != MSG_OK)
		return err;
	LIST_FOREACH(f, &t->fileops, entry)
		if (f->num == res.op)
			break;
	if (f == NULL)
		return MSG_MEANING;
	cb = f->cb;
	arg = f->arg;
	fileop_free(f);
	if (cb != NULL)
		cb(arg, &res, NULL);
	return MSG_OK;
}

void
fileop_link_gone(struct toold *t)
{
	struct fileop	*f;
	fileop_cb	 cb;
	void		*arg;

	while ((f = LIST_FIRST(&t->fileops)) != NULL) {
		cb = f->cb;
		arg = f->arg;
		fileop_free(f);
		if (cb != NULL)
			cb(arg, NULL, "the file worker ended; whether the "
			    "operation was done is not known");
	}
}

const char *
fileop_strerror(uint32_t err)
{
	switch (err) {
	case ENOENT:
		return "no such file or folder";
	case EXDEV:
		return "the path leads out of the workspace";
	case ELOOP:
		return "a symbolic link is on the way, and links are not "
		    "followed";
	case EISDIR:
		return "it is a folder";
	case ENOTDIR:
		return "a part of the path is not a folder";
	case ENXIO:
		return "it is neither a file nor a folder";
	case EMLINK:
		return "the file has a second name elsewhere (hard link), so "
		    "it is not written to";
	case EACCES:
	case EPERM:
		return "permission denied";
	case ENOSPC:
	case EDQUOT:
		return "no space left on the disk; nothing was changed";
	case EROFS:
		return "the file system is read-only";
	case EFBIG:
		return "the file is too large";
	case ENAMETOOLONG:
		return "the path is too long";
	case EINVAL:
		return "the path is not valid";
	case ESTALE:
		return "the file was changed by somebody else meanwhile; read "
		    "it again";
	case ENOMEM:
	case ENOBUFS:
		return "out of memory";
	case EIO:
		return "input or output error on the disk";
	}
	return "the operation failed";
}
