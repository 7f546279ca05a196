/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Parcels: what gatewayd-config hands to one process.  A parcel is a sealed
 * memfd of records, each
 *	u16 key length, u32 value length (little endian), key, NUL, value, NUL
 * behind the 8 bytes "GWPARC01".  Keys are dotted lower-case names
 * ("listen.0.port"), values are text; a list is numbered from 0 without gaps.
 * A value may be a JSON document, which only its consumer parses.
 * Which keys a role gets is listed in gatewayd/config/parcels.c.
 */
#ifndef COMMON_PARCEL_H
#define COMMON_PARCEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text.h"

struct parcel;
struct parcel_writer;

#define PARCEL_MAX	(64u << 20)	/* bytes of one parcel */
#define PARCEL_KEY_MAX	256

/* Maps fd (which must be a fully sealed memfd), checks every record, closes
 * fd.  NULL with errno: EBADMSG for a malformed parcel. */
struct parcel *parcel_open(int fd);
/* The same over memory that the caller keeps; for tests and the fuzzer. */
struct parcel *parcel_of(const void *, size_t);
/* Zeroes its private copy (it may hold a secret) and frees. */
void	 parcel_close(struct parcel *);

/* NUL-terminated value, or NULL; fmt makes the key. */
const char *parcel_get(const struct parcel *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
/* As above with the length. p is NULL when absent. */
struct str parcel_get_str(const struct parcel *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
/* The value as number; def when absent, malformed or outside min..max. */
int64_t	 parcel_get_num(const struct parcel *, int64_t def, int64_t min,
	    int64_t max, const char *fmt, ...)
	    __attribute__((format(printf, 5, 6)));
/* "true"/"false"; def when absent. */
bool	 parcel_get_bool(const struct parcel *, bool def, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
/* Walks all records in order: index from 0; false at the end. */
bool	 parcel_each(const struct parcel *, size_t *iter, struct str *key,
	    struct str *value);

struct parcel_writer *parcel_writer_new(void);	/* NULL: out of memory */
void	 parcel_put(struct parcel_writer *, struct str value,
	    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void	 parcel_puts(struct parcel_writer *, const char *value,
	    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void	 parcel_put_num(struct parcel_writer *, int64_t value,
	    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void	 parcel_put_bool(struct parcel_writer *, bool value,
	    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Bytes so far, for a hash. */
struct str parcel_writer_bytes(const struct parcel_writer *);
/* Seals it into a memfd and frees the writer: fd, or -1 with errno (a put
 * that failed shows here). */
int	 parcel_writer_seal(struct parcel_writer *);

#endif
