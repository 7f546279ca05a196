/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Logging.  A worker's lines go as LOG_LINE messages over its log link; a
 * program without one (the supervisor before the logger is up, openclaw, a
 * test) writes them to standard error.  Every function keeps errno.  Text that
 * came from outside is escaped by the logger; secrets are never passed here.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdarg.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_FATAL,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_TRACE,
	LOG_LEVEL_MAX
};

#define LOG_TEXT_MAX	8192	/* bytes of one line; longer is cut */

/* procname is kept by pointer; it prefixes lines on standard error. */
void	 log_init(const char *procname);
void	 log_setlevel(enum log_level);
enum log_level log_getlevel(void);
const char *log_level_name(enum log_level);	/* "info" */
/* Where lines go; NULL puts standard error back. */
void	 log_setsink(void (*)(enum log_level, const char *text));

/* log_warn and fatal append strerror(errno); the x forms do not. */
void	 log_warn(const char *, ...) __attribute__((format(printf, 1, 2)));
void	 log_warnx(const char *, ...) __attribute__((format(printf, 1, 2)));
void	 log_errorx(const char *, ...) __attribute__((format(printf, 1, 2)));
void	 log_info(const char *, ...) __attribute__((format(printf, 1, 2)));
void	 log_debug(const char *, ...) __attribute__((format(printf, 1, 2)));
void	 fatal(const char *, ...)
	    __attribute__((noreturn, format(printf, 1, 2)));
void	 fatalx(const char *, ...)
	    __attribute__((noreturn, format(printf, 1, 2)));

/* calloc/strdup that call fatal(): for small fixed sizes in unprivileged
 * roles only, never for a size that a peer chose. */
void	*xcalloc(size_t, size_t);
char	*xstrdup(const char *);

#endif
