/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* How an assistant presents itself to people: its name and its picture, from
 * whoever may write a configuration or a workspace. */
#ifndef COMMON_PERSONA_H
#define COMMON_PERSONA_H

#include "common/text.h"

#define PERSONA_NAME_CHARS	50
#define PERSONA_AVATAR_CHARS	200
/* Bytes for either, with their NUL. */
#define PERSONA_NAME_SIZE	256
#define PERSONA_AVATAR_SIZE	1024

/* Trimmed, at most so many characters; false when nothing is left. */
bool	 persona_take(struct str, size_t chars, char *out, size_t size);
/* The first that is a name, and the first that is an avatar (an address, a
 * file, or a sign or two); "Assistant" and "A" when there is none. */
void	 persona_name(const struct str *, size_t n,
	    char out[PERSONA_NAME_SIZE]);
void	 persona_avatar(const struct str *, size_t n,
	    char out[PERSONA_AVATAR_SIZE]);
bool	 persona_is_url(const char *avatar);
/* A file, which clients get from the gateway and not from where it lies. */
bool	 persona_is_file(const char *avatar);
/* Where: "/base/avatar/<agent>". */
void	 persona_path(const char *base, const char *agent, char *buf,
	    size_t size);

#endif
