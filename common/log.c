/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <unistd.h>

#include <errno.h>

#include "common/log.h"

static const char	*log_procname = "gatewayd";
static enum log_level	 log_level = LOG_LEVEL_INFO;
static void		(*log_sink)(enum log_level, const char *);

static const char *const log_names[LOG_LEVEL_MAX] = {
	"fatal", "error", "warn", "info", "debug", "trace"
};

void
log_init(const char *procname)
{
	log_procname = procname;
}

void
log_setlevel(enum log_level level)
{
	log_level = level;
}

enum log_level
log_getlevel(void)
{
	return log_level;
}

const char *
log_level_name(enum log_level level)
{
	return (unsigned int)level < LOG_LEVEL_MAX ? log_names[level] : "?";
}

void
log_setsink(void (*sink)(enum log_level, const char *))
{
	log_sink = sink;
}

static void log_put(enum log_level, const char *, va_list, const char *)
    __attribute__((format(printf, 2, 0)));

static void
log_put(enum log_level level, const char *fmt, va_list ap, const char *err)
{
	char	 text[LOG_TEXT_MAX];
	int	 n, saved = errno;

	if (level > log_level)
		return;
	n = vsnprintf(text, sizeof(text), fmt, ap);
	if (n < 0)
		strlcpy(text, "(unprintable log line)", sizeof(text));
	if (err != NULL) {
		strlcat(text, ": ", sizeof(text));
		strlcat(text, err, sizeof(text));
	}
	if (log_sink != NULL)
		log_sink(level, text);
	else
		dprintf(STDERR_FILENO, "%s: %s%s%s\n", log_procname,
		    level <= LOG_LEVEL_WARN ? log_level_name(level) : "",
		    level <= LOG_LEVEL_WARN ? ": " : "", text);
	errno = saved;
}

#define LOG_FN(name, level, err)					\
void									\
name(const char *fmt, ...)						\
{									\
	const char	*e = (err);					\
	va_list		 ap;						\
									\
	va_start(ap, fmt);						\
	log_put(level, fmt, ap, e);					\
	va_end(ap);							\
}

LOG_FN(log_warn, LOG_LEVEL_WARN, strerror(errno))
LOG_FN(log_warnx, LOG_LEVEL_WARN, NULL)
LOG_FN(log_errorx, LOG_LEVEL_ERROR, NULL)
LOG_FN(log_info, LOG_LEVEL_INFO, NULL)
LOG_FN(log_debug, LOG_LEVEL_DEBUG, NULL)

void
fatal(const char *fmt, ...)
{
	const char	*e = strerror(errno);
	va_list		 ap;

	va_start(ap, fmt);
	log_put(LOG_LEVEL_FATAL, fmt, ap, e);
	va_end(ap);
	_exit(1);
}

void
fatalx(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	log_put(LOG_LEVEL_FATAL, fmt, ap, NULL);
	va_end(ap);
	_exit(1);
}

void *
xcalloc(size_t n, size_t size)
{
	void	*p;

	if ((p = calloc(n, size)) == NULL)
		fatal("out of memory for %zu x %zu bytes", n, size);
	return p;
}

char *
xstrdup(const char *s)
{
	char	*p;

	if ((p = strdup(s)) == NULL)
		fatal("out of memory for a text of %zu bytes", strlen(s));
	return p;
}
