/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The table of configuration keys (keys.def) as a tree to walk beside a
 * document.  Data only; validate.c, redact.c and the manual use it.
 */
#ifndef GATEWAYD_CONFIG_KEYS_H
#define GATEWAYD_CONFIG_KEYS_H

#include "common/text.h"

enum key_flag {
	K_SECRET	= 1,
	K_REQ		= 2,
	K_PATH		= 4,
	K_NEW		= 8,
	K_OPEN		= 16,	/* unknown keys below are taken silently */
};

enum key_kind {
	KEY_STRING, KEY_BOOL, KEY_INT, KEY_NUM, KEY_ENUM, KEY_OPTION,
	KEY_OBJECT, KEY_RECORD, KEY_ARRAY, KEY_MAP, KEY_STRNUM, KEY_ANY,
	KEY_NULL, KEY_HEX, KEY_DURATION, KEY_HHMM, KEY_HHMM24, KEY_EXE,
	KEY_IPV4, KEY_SHAPE
};

struct key_node;

/* One alternative of a type. */
struct key_alt {
	enum key_kind	 kind;
	bool		 list;		/* a list of this */
	bool		 bounded, open;	/* open: min itself is too small */
	double		 min, max;
	struct str	 choices;	/* "a|b"; also name of a shape */
	const struct key_node *shape;	/* KEY_SHAPE, or KEY_MAP's values */
};

#define KEY_ALTS_MAX	4

struct key_node {
	struct str	 name;		/* one part of the path */
	unsigned int	 flags;
	const char	*type;		/* NULL: only there for those below */
	const char	*dflt, *help;
	struct key_alt	 alts[KEY_ALTS_MAX];
	size_t		 nalts;
	struct key_node	*child, *next;
};

/* The root, built on first use; NULL when out of memory.  A mistake in the
 * table is found by the unit test. */
const struct key_node *keys_root(void);
/* The node for a member or (name "[]") an item; NULL when unknown. */
const struct key_node *keys_child(const struct key_node *, struct str name);
/* Only what is written out, not the "*" of a record. */
const struct key_node *keys_named(const struct key_node *, struct str name);
/* Is anything below it known by name or by "*"? */
bool	 keys_has_members(const struct key_node *);
bool	 keys_has_items(const struct key_node *);
/* A known name that is likely meant, or NULL. */
const char *keys_nearest(const struct key_node *, struct str name);
/* Does the table have rows at all that the walk cannot reach, shapes that do
 * not exist, types that do not parse?  For the test: NULL, or what. */
const char *keys_check(void);
/* Names that hold secrets by habit: token, password, apiKey, ... */
bool	 keys_name_is_secret(struct str name);
/* Row i of keys.def; false behind the last. */
bool	 keys_row(size_t i, const char **path, const char **type,
	    unsigned int *flags, const char **dflt, const char **help);

#endif
