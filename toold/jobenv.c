/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See jobenv.h.  Pure. */
#include "common/compat.h"

#include "toold/jobenv.h"

/*
 * A name that ends in '*' stands for all that begin so.  Most of these load
 * code or run a program before the command's first line; the rest are names
 * that we set ourselves.
 */
static const char *const refused[] = {
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "PWD", "OLDPWD",
	"OPENCLAW_*", "GATEWAYD_*", "LD_*", "DYLD_*", "GLIBC_*", "MALLOC_*",
	"GCONV_PATH", "LOCPATH", "NLSPATH", "HOSTALIASES", "LOCALDOMAIN",
	"RES_OPTIONS", "GETCONF_DIR", "TZDIR", "ENV", "BASH_*", "BASHOPTS",
	"SHELLOPTS", "KSH_ENV", "ZDOTDIR", "FPATH", "IFS", "CDPATH", "PS0",
	"PS1", "PS2", "PS4", "PROMPT_COMMAND", "GIT_*", "SSH_*", "NODE_*",
	"NPM_CONFIG_*", "npm_config_*", "PYTHON*", "PERL*", "RUBY*",
	"BUNDLE_*", "GEM_*", "LUA_*", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS",
	"JDK_JAVA_OPTIONS", "CLASSPATH", "PHPRC", "PHP_INI_SCAN_DIR", "R_*",
	"GUILE_*", "EDITOR", "VISUAL", "PAGER", "MANPAGER", "LESSOPEN",
	"LESSCLOSE", "BROWSER", "MAKEFLAGS", "RUSTC_WRAPPER", "RUSTFLAGS",
	"CC", "CXX", "GOFLAGS", "OPENSSL_CONF", "OPENSSL_MODULES",
	"OPENSSL_ENGINES", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_HOME",
	"WGETRC", "TERMINFO", "TERMCAP", "TERMINFO_DIRS", "INPUTRC",
	"XDG_*", "DBUS_*", "SUDO_*", "SYSTEMD_*", "NOTIFY_SOCKET", "_",
};

bool
jobenv_name_ok(struct str name, const char **why)
{
	const char	*r;
	size_t		 i, len;

	*why = NULL;
	if (name.n == 0 || name.n > 256 || ascii_isdigit(name.p[0]))
		*why = "is not a variable name";
	for (i = 0; *why == NULL && i < name.n; i++) {
		if (!ascii_isalnum((unsigned char)name.p[i]) &&
		    name.p[i] != '_')
			*why = "is not a variable name";
	}
	for (i = 0; *why == NULL && i < sizeof(refused) / sizeof(refused[0]);
	    i++) {
		r = refused[i];
		len = strlen(r);
		if (r[len - 1] == '*' ?
		    name.n >= len - 1 && memcmp(name.p, r, len - 1) == 0 :
		    str_eqs(name, r))
			*why = "may not be set by a call";
	}
	return *why == NULL;
}

int
jobenv_add(struct dbuf *env, struct str name, struct str value)
{
	if (value.n > 0 && memchr(value.p, '\0', value.n) != NULL)
		return -1;
	dbuf_put(env, name.p, name.n);
	dbuf_putc(env, '=');
	dbuf_put(env, value.p, value.n);
	return dbuf_putc(env, '\0');
}

int
jobenv_base(struct dbuf *env, const char *path_prepend, const char *tz,
    bool terminal)
{
	dbuf_printf(env, "PATH=%s%s%s", path_prepend,
	    *path_prepend == '\0' ? "" : ":", JOBENV_PATH);
	dbuf_putc(env, '\0');
	/* The job's own /tmp: made for it, gone with it. */
	jobenv_add(env, STR_LIT("HOME"), STR_LIT("/tmp"));
	jobenv_add(env, STR_LIT("TMPDIR"), STR_LIT("/tmp"));
	jobenv_add(env, STR_LIT("USER"), STR_LIT("agent"));
	jobenv_add(env, STR_LIT("LOGNAME"), STR_LIT("agent"));
	jobenv_add(env, STR_LIT("SHELL"), STR_LIT("/bin/sh"));
	jobenv_add(env, STR_LIT("LANG"), STR_LIT("C.UTF-8"));
	jobenv_add(env, STR_LIT("TERM"), terminal ?
	    STR_LIT("xterm-256color") : STR_LIT("dumb"));
	if (*tz != '\0')
		jobenv_add(env, STR_LIT("TZ"), str_of(tz));
	return jobenv_add(env, STR_LIT("OPENCLAW_SHELL"), STR_LIT("exec"));
}
