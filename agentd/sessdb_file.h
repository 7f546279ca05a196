/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The file below sessdb.c: its tables, its lock and its log.  Only sessdb.c
 * includes this.
 */
#ifndef AGENTD_SESSDB_FILE_H
#define AGENTD_SESSDB_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

struct sessdb_file {
	sqlite3		*db;
	int		 wal_fd;
	int		 wal_pages;	/* that are used */
	int64_t		 wal_bytes;	/* up to here it needs no step */
};

/* Makes the file and its tables when missing, takes those of older versions
 * over and the lock: 0, or -1 with errno and a reason; close it in both cases.
 */
int	 sessdb_file_open(struct sessdb_file *, const char *path, char *why,
	    size_t size);
void	 sessdb_file_close(struct sessdb_file *);
/* After each commit. */
void	 sessdb_file_reserve(struct sessdb_file *);
/* Outside of transactions; as sessdb_tidy(). */
void	 sessdb_file_tidy(struct sessdb_file *, bool idle);
/* errno of an SQLite result; always -1. */
int	 sessdb_file_error(int result);

#endif
