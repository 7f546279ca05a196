/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What the flows of the built-in helper share.  A flow is a function of the
 * wish and of the tool results that have come so far: it either asks for the
 * next tool call, puts a question, or says the last word.
 */
#ifndef AGENTD_PROVIDERS_BUILTIN_FLOWS_H
#define AGENTD_PROVIDERS_BUILTIN_FLOWS_H

#include "agentd/json_load.h"
#include "agentd/providers/builtin_dialog.h"

#define QUOTE_LINES	40
#define PREVIEW_LINES	5

void	 bflow_say(struct dialog *, enum breply);
void	 bflow_end(struct dialog *, enum breply);
/* Says r with a quotation as its last field and ends. */
void	 bflow_end_quote(struct dialog *, enum breply r, const char *a0,
	    struct str text, size_t lines);
void	 bflow_end_failed(struct dialog *, const struct bresult *);
/* Its text without outer blanks. */
struct str bflow_result(const struct bresult *);
/* Does the text hold that, in either case? */
bool	 bflow_has(struct str, const char *);
/* Does this failure mean that there is no such file? */
bool	 bflow_missing(const struct bresult *);
/* A copy as C string in b, which the caller clears; "" when there is none. */
const char *bflow_cstr(struct str, struct dbuf *b);
bool	 bflow_path_usable(struct str);
/* One shell word, whatever is in it. */
void	 bflow_shell_quote(struct dbuf *, struct str, bool is_path);
/* The i-th file that the user named; p is NULL when there is none. */
struct str bflow_path(const struct dialog *, size_t i);
bool	 bflow_exec(struct dialog *, const char *command);
void	 bflow_write(struct dialog *, const char *path, struct str content);

void	 bflow_unknown(struct dialog *);
/* builtin_files.c */
void	 bflow_list(struct dialog *);
void	 bflow_show(struct dialog *);
void	 bflow_make(struct dialog *);
void	 bflow_append(struct dialog *);
void	 bflow_replace(struct dialog *);
void	 bflow_delete(struct dialog *);
void	 bflow_search(struct dialog *);
void	 bflow_note(struct dialog *);
/* builtin_web.c */
bool	 bflow_is_address(struct str);
void	 bflow_web(struct dialog *);
/* builtin_checks.c */
void	 bflow_diagnose(struct dialog *);

#endif
