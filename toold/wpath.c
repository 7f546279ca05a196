/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See wpath.h.  Pure text, no look at the file system. */
#include "common/compat.h"

#include "toold/wpath.h"

const char *
wpath_err_text(enum wpath_err err)
{
	switch (err) {
	case WPATH_OK:
		return "no error";
	case WPATH_EMPTY:
		return "the path is empty";
	case WPATH_TOO_LONG:
		return "the path, or a name in it, is too long";
	case WPATH_NUL:
		return "the path holds a NUL or a newline";
	case WPATH_HOME:
		return "\"~\" is not expanded here; give a path relative to "
		    "the workspace";
	case WPATH_OUTSIDE:
		return "the path is outside the workspace";
	case WPATH_ERR_MAX:
		break;
	}
	return "unknown error";
}

enum wpath_err
wpath_resolve(struct str path, const char *workspace, char *buf, size_t size)
{
	size_t	 i, len, n, wlen;

	if (path.n == 0)
		return WPATH_EMPTY;
	if (path.n >= WPATH_MAX)
		return WPATH_TOO_LONG;
	if (memchr(path.p, '\0', path.n) != NULL ||
	    memchr(path.p, '\n', path.n) != NULL)
		return WPATH_NUL;
	if (path.p[0] == '~' && (path.n == 1 || path.p[1] == '/'))
		return WPATH_HOME;
	if (path.p[0] == '/') {
		wlen = strlen(workspace);
		while (wlen > 1 && workspace[wlen - 1] == '/')
			wlen--;
		if (wlen == 0 || path.n < wlen ||
		    memcmp(path.p, workspace, wlen) != 0 ||
		    (path.n > wlen && path.p[wlen] != '/' && wlen > 1))
			return WPATH_OUTSIDE;
		path.p += wlen;
		path.n -= wlen;
	}
	n = 0;
	for (i = 0; i < path.n; i += len) {
		if (path.p[i] == '/') {
			len = 1;
			continue;
		}
		for (len = 0; i + len < path.n && path.p[i + len] != '/';)
			len++;
		if (len == 1 && path.p[i] == '.')
			continue;
		if (len == 2 && path.p[i] == '.' && path.p[i + 1] == '.') {
			if (n == 0)
				return WPATH_OUTSIDE;
			while (n > 0 && buf[n - 1] != '/')
				n--;
			if (n > 0)
				n--;
			continue;
		}
		if (len > WPATH_NAME_MAX || len + 2 > size - n)
			return WPATH_TOO_LONG;
		if (n > 0)
			buf[n++] = '/';
		memcpy(buf + n, path.p + i, len);
		n += len;
	}
	if (n == 0) {
		if (size < 2)
			return WPATH_TOO_LONG;
		buf[n++] = '.';
	}
	buf[n] = '\0';
	return WPATH_OK;
}
