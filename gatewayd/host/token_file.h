/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The token of a gateway that was configured with none: made once, kept in a
 * private file of the state directory, read by gatewayd(8) and openclaw(1). */
#ifndef GATEWAYD_HOST_TOKEN_FILE_H
#define GATEWAYD_HOST_TOKEN_FILE_H

#include <stdbool.h>
#include <stddef.h>

#define TOKEN_FILE_NAME	"gateway-token"
#define TOKEN_FILE_LEN	48	/* hex digits: 192 bits */

/* Reads the token, or makes it when there is no file and `make` is set.  The
 * file must belong to the caller with mode 0600.  0, or -1 with why. */
int	 token_file_load(const char *path, bool make,
	    char token[TOKEN_FILE_LEN + 1], char *why, size_t);

/* gateway_token.c: puts that token into the environment, for the reader of the
 * configuration, unless a token or password is there.  0, or -1 with why. */
int	 gateway_token_load(const char *state, char *why, size_t);
const char *gateway_token(void);	/* "" when the user set one */

#endif
