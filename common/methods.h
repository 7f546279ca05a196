/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The public methods of methods.def as data: look-up, authorisation, and a
 * validator of parameters with the protocol's own error texts.  No allocation
 * besides the text of an error.
 */
#ifndef COMMON_METHODS_H
#define COMMON_METHODS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/dbuf.h"
#include "common/json_skim.h"
#include "proto/enums.h"

#define PARAM_INT_MAX	9007199254740992	/* 2^53: what JSON can say */
#define METHOD_PARAMS_MAX 32
#define ATTACH_MAX_BYTES	5000000	/* of a client's one, decoded */
#define METHOD_ERROR_MAX 2048			/* bytes of an error text */

enum method_id {
#define SCHEMA(id, judging, params)
#define KNOWN(name, scope)
#define METHOD(id, name, owner, handler, scope, judging, listed, params) \
	METHOD_##id,
#include "proto/methods.def"
#undef METHOD
#undef KNOWN
#undef SCHEMA
	METHOD_MAX,
	METHOD_UNBUILT	/* a KNOWN name */
};

enum method_owner {
	OWNER_FRONT, OWNER_ROUTER, OWNER_AGENT, OWNER_AGENTS, OWNER_STORE,
	OWNER_LOG, OWNER_TOOL, OWNER_PARENT
};
enum method_listed { LISTED_HIDDEN, LISTED_CORE, LISTED_HOST, LISTED_NEW };
/* Beside enum scope (proto/enums.h): */
#define METHOD_SCOPE_NONE	0
#define METHOD_SCOPE_NODE	0x80

struct schema;

struct method {
	const char		*name;
	enum method_id		 id;
	enum method_owner	 owner;
	uint8_t			 scope;
	enum method_listed	 listed;
	const struct schema	*params;
};

/* Row i of the table, KNOWN names included; NULL behind the last. */
const struct method *method_at(size_t i);
const struct method *method_get(enum method_id);
/* Place of a parameter in the values of method_params(); -1: it has none. */
int	 method_param_at(const struct method *, const char *name);
/* By name; NULL when the protocol has no such method. */
const struct method *method_find(struct str name);

/*
 * What it takes to call it: a scope, or one of the two above.  m is NULL for an
 * unknown name, which needs operator.admin.
 */
unsigned int method_scope(const struct method *m, uint32_t protocol,
	    const struct skim_val *params);
/* Is it counted how often a device calls it? */
bool	 method_limited(const struct method *, uint32_t protocol);
/* May this client call what needs that?  NULL, else the protocol's message. */
const char *method_refusal(unsigned int need, enum client_role,
	    unsigned int scopes);
/* Is it, or the event, known to clients of that version? */
bool	 method_spoken(const struct method *, uint32_t protocol);
bool	 event_spoken(enum gw_event, uint32_t protocol);
/* An operator must have one of these scopes to hear of it, and a node does not
 * hear of it; 0: everybody may. */
unsigned int event_guard(enum gw_event, uint32_t protocol);
/* "operator.read" and the rest of a list separated by blanks or commas as
 * bits; names that are none of ours give no bit. */
unsigned int scopes_parse(struct str names);

/*
 * Judges params (kind SKIM_ABSENT counts as {}) and lends each parameter's
 * value in the order of the table: values has room for METHOD_PARAMS_MAX and
 * absent ones get SKIM_ABSENT.  0, or -1 with the failures in err, joined as
 * the protocol has them, without its "invalid <method> params: ".
 */
int	 method_params(const struct method *, uint32_t protocol,
	    const struct skim_val *params, struct skim_val *values,
	    struct dbuf *err);
/* The same for a request frame (the whole text). */
int	 method_frame(const struct skim_val *frame, struct dbuf *err);

/*
 * The version that connect answers a client of this range: 4 where it takes
 * that, else 3, else 2 or 1, which older documents show and which are the same
 * as 3.  0: none.
 */
uint32_t protocol_choose(int64_t least, int64_t most);
/* Details of the refusal then. */
#define PROTOCOL_MISMATCH_MAX	192
void	 protocol_mismatch(int64_t least, int64_t most,
	    char buf[PROTOCOL_MISMATCH_MAX]);


/*
 * struct p_<ID>: the values of one method by name.  All members are of one
 * type, so that it can be filled as an array:
 *	method_params(m, 3, params, (struct skim_val *)&p, &err)
 */
#define P_STR(n, need, lo, hi)		struct skim_val n;
#define P_STRS(n, need, lo, hi)		struct skim_val n;
#define P_ARR(n, need, lo, hi)		struct skim_val n;
#define P_INT(n, need, lo, hi)		struct skim_val n;
#define P_BOOL(n, need)			struct skim_val n;
#define P_BOOLS(n, need)		struct skim_val n;
#define P_TEXTS(n, need)		struct skim_val n;
#define P_ANY(n, need)			struct skim_val n;
#define P_ENUM(n, need, list)		struct skim_val n;
#define P_NSTR(n, need, lo, hi)		struct skim_val n;
#define P_NENUM(n, need, list)		struct skim_val n;
#define P_OBJ(n, need, schema)		struct skim_val n;
#define SCHEMA(id, judging, params)	struct p_##id { params };
#define KNOWN(name, scope)
#define METHOD(id, name, owner, handler, scope, judging, listed, params)	\
	struct p_##id { params struct skim_val end_; };			\
	_Static_assert(sizeof(struct p_##id) / sizeof(struct skim_val) <= \
	    METHOD_PARAMS_MAX, "METHOD_PARAMS_MAX is too small");
#include "proto/methods.def"
#undef METHOD
#undef KNOWN
#undef SCHEMA
#undef P_STR
#undef P_STRS
#undef P_ARR
#undef P_INT
#undef P_BOOL
#undef P_BOOLS
#undef P_TEXTS
#undef P_ANY
#undef P_ENUM
#undef P_NSTR
#undef P_NENUM
#undef P_OBJ

#endif
