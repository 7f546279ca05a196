/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "common/json_skim.h"
#include "common/json_write.h"
#include "common/methods.h"
#include "gatewayd/front/connect_frame.h"

#define ANSWER_MAX	8192
#define REASON_CUT	120	/* bytes of a close reason (spec 1.5) */
#define NODE_MAX	16384	/* AUTH_REQ.node */

void
connect_error(struct dbuf *out, struct str id, const char *code,
    const char *message, struct str details, uint32_t retry_s)
{
	struct jw	w;

	jw_init(&w, out);
	jw_obj(&w);
	jw_ks(&w, "type", "res");
	jw_kraw(&w, "id", id.p, id.n);
	jw_kbool(&w, "ok", false);
	jw_kobj(&w, "error");
	jw_ks(&w, "code", code);
	jw_ks(&w, "message", message);
	if (details.n > 0)
		jw_kraw(&w, "details", details.p, details.n);
	if (retry_s > 0) {
		jw_kbool(&w, "retryable", true);
		jw_kuint(&w, "retryAfterMs", (uint64_t)retry_s * 1000);
	}
	jw_obj_end(&w);
	jw_obj_end(&w);
}

static bool
refuse(struct connect_frame *cf, unsigned int close_code, const char *code,
    const char *message, const char *details)
{
	size_t	n;

	cf->close_code = close_code;
	if (code != NULL)
		connect_error(&cf->answer, cf->id, code, message,
		    str_of(details), 0);
	n = utf8_cut(message, strlen(message), REASON_CUT);
	memcpy(cf->close_reason, message, n);
	cf->close_reason[n] = '\0';
	return false;
}

static bool
refuse_params(struct connect_frame *cf, const char *text)
{
	char	buf[METHOD_ERROR_MAX + 64];

	(void)snprintf(buf, sizeof(buf), "invalid connect params: %s", text);
	return refuse(cf, 1008, "INVALID_REQUEST", buf, NULL);
}

/* A string value unescaped into the block, which never grows: it was reserved
 * for the whole frame, and an unescaped text is not longer than a raw one. */
static bool
take(struct connect_frame *cf, const struct skim_val *v, struct str *out)
{
	char	*p = cf->block.p + cf->block.n;
	ssize_t	 n;

	*out = (struct str){ "", 0 };
	if (v->kind != SKIM_STRING)
		return true;
	n = skim_unescape(v, p, cf->block.max - cf->block.n);
	if (n == -1)
		return false;
	*out = (struct str){ p, (size_t)n };
	cf->block.n += (size_t)n + 1;
	return true;
}

struct field {
	const char	*name, *where;
	size_t		 max;
	struct str	*out;
};

/* Strings of one object, bounded by what the messages behind us carry. */
static bool
take_fields(struct connect_frame *cf, const struct skim_val *object,
    const struct field *f, size_t n)
{
	struct skim_val	v;
	char		text[128];
	size_t		i;

	for (i = 0; i < n; i++) {
		(void)skim_get(object, f[i].name, &v);
		if (!take(cf, &v, f[i].out))
			return refuse_params(cf, "out of memory");
		if (f[i].out->n > f[i].max) {
			(void)snprintf(text, sizeof(text), "at %s/%s: must NOT"
			    " have more than %zu characters", f[i].where,
			    f[i].name, f[i].max);
			return refuse_params(cf, text);
		}
	}
	return true;
}

/* Scopes as they were asked for, joined as the signature has them. */
static bool
take_scopes(struct connect_frame *cf, const struct skim_val *scopes)
{
	struct skim_iter	it;
	struct skim_val		v;
	struct str		one;
	char			*start = cf->block.p + cf->block.n, *end;

	cf->req.scopes = (struct str){ "", 0 };
	if (scopes->kind != SKIM_ARRAY)
		return true;
	skim_iter_init(&it, scopes);
	while (skim_next(&it, NULL, &v)) {
		if (!take(cf, &v, &one))
			return refuse_params(cf, "out of memory");
		/* The NUL behind each becomes the comma. */
		cf->block.p[cf->block.n - 1] = ',';
	}
	end = cf->block.p + cf->block.n;
	if (end > start) {
		end[-1] = '\0';
		cf->req.scopes = (struct str){ start,
		    (size_t)(end - start) - 1 };
	}
	if (cf->req.scopes.n > 4096)
		return refuse_params(cf, "at /scopes: must NOT have more than "
		    "4096 characters");
	return true;
}

/* What only nodes and later versions use goes on as it stands. */
static bool
take_node(struct connect_frame *cf, const struct p_CONNECT *p)
{
	const struct { const char *name; const struct skim_val *v; } parts[] = {
		{ "caps", &p->caps }, { "commands", &p->commands },
		{ "permissions", &p->permissions }, { "pathEnv", &p->pathEnv },
	};
	struct dbuf	b;
	struct jw	w;
	size_t		i;
	bool		ok;

	dbuf_init(&b, NODE_MAX);
	jw_init(&w, &b);
	jw_obj(&w);
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i].v->kind != SKIM_ABSENT)
			jw_kraw(&w, parts[i].name, parts[i].v->p,
			    parts[i].v->n);
	jw_obj_end(&w);
	ok = !dbuf_err(&b) && b.n < cf->block.max - cf->block.n;
	if (ok) {
		memcpy(cf->block.p + cf->block.n, b.p, b.n);
		cf->req.node = (struct str){ cf->block.p + cf->block.n, b.n };
		cf->block.n += b.n;
		cf->block.p[cf->block.n++] = '\0';
	}
	dbuf_clear(&b);
	return ok ? true : refuse_params(cf, "caps, commands, permissions and "
	    "pathEnv are too long together");
}

static bool
connect_params(struct connect_frame *cf, const struct p_CONNECT *p)
{
	const struct field client[] = {
		{ "id", "/client", 64, &cf->req.client_id },
		{ "mode", "/client", 32, &cf->req.client_mode },
		{ "displayName", "/client", 512, &cf->req.display_name },
		{ "version", "/client", 128, &cf->req.version },
		{ "platform", "/client", 128, &cf->req.platform },
		{ "deviceFamily", "/client", 128, &cf->req.device_family },
		{ "modelIdentifier", "/client", 128,
		    &cf->req.model_identifier },
		{ "instanceId", "/client", 256, &cf->req.instance_id },
	};
	const struct field device[] = {
		{ "id", "/device", 128, &cf->req.device_id },
		{ "publicKey", "/device", 1024, &cf->req.device_key },
		{ "signature", "/device", 1024, &cf->req.signature },
		{ "nonce", "/device", 128, &cf->req.nonce },
	};
	const struct field auth[] = {
		{ "token", "/auth", 4096, &cf->req.token },
		{ "password", "/auth", 4096, &cf->req.password },
		{ "deviceToken", "/auth", 4096, &cf->req.device_token },
	};
	struct skim_val	v;
	struct str	role;
	int64_t		min = 0, max = 0, at = 0;
	char		mismatch[PROTOCOL_MISMATCH_MAX];

	(void)skim_int(&p->minProtocol, &min);
	(void)skim_int(&p->maxProtocol, &max);
	if ((cf->req.protocol = protocol_choose(min, max)) == 0) {
		protocol_mismatch(min, max, mismatch);
		return refuse(cf, 1002, "INVALID_REQUEST", "protocol mismatch",
		    mismatch);
	}
	if (!take(cf, &p->role, &role))
		return refuse_params(cf, "out of memory");
	if (p->role.kind == SKIM_ABSENT || str_eqs(role, "operator"))
		cf->req.role = CLIENT_OPERATOR;
	else if (str_eqs(role, "node"))
		cf->req.role = CLIENT_NODE;
	else
		return refuse(cf, 1008, "INVALID_REQUEST", "invalid role",
		    NULL);
	if (!take_fields(cf, &p->client, client,
	    sizeof(client) / sizeof(client[0])) || !take_scopes(cf, &p->scopes))
		return false;
	if (p->device.kind == SKIM_OBJECT) {
		cf->req.have_device = 1;
		if (!take_fields(cf, &p->device, device,
		    sizeof(device) / sizeof(device[0])))
			return false;
		(void)skim_get(&p->device, "signedAt", &v);
		(void)skim_int(&v, &at);
		cf->req.signed_at = (uint64_t)at;
	}
	if (p->auth.kind == SKIM_OBJECT) {
		cf->req.have_token = skim_get(&p->auth, "token", &v);
		cf->req.have_password = skim_get(&p->auth, "password", &v);
		if (!take_fields(cf, &p->auth, auth,
		    sizeof(auth) / sizeof(auth[0])))
			return false;
		/* Alone it is judged as the token that it is. */
		if (cf->req.token.n == 0 && cf->req.device_token.n > 0) {
			cf->req.token = cf->req.device_token;
			cf->req.have_token = true;
		}
	}
	return take_node(cf, p);
}

bool
connect_frame_parse(struct connect_frame *cf, char *p, size_t n)
{
	struct skim_frame	f;
	struct p_CONNECT	params;
	struct dbuf		err;
	bool			ok;

	memset(cf, 0, sizeof(*cf));
	/* All strings with their NULs, and the node part once more. */
	dbuf_init_secret(&cf->block, 2 * n + NODE_MAX + 256);
	dbuf_init(&cf->answer, ANSWER_MAX);
	if (n > CONNECT_FRAME_MAX || skim_frame(p, n, &f) != SKIM_OK) {
		cf->close_code = 1000;
		return false;
	}
	if (f.odd)
		skim_repair(p, n);
	dbuf_init(&err, METHOD_ERROR_MAX);
	if (method_frame(&f.root, &err) == -1 || f.id.n > CONNECT_ID_MAX) {
		dbuf_clear(&err);
		return refuse(cf, 1008, NULL, "invalid request frame", NULL);
	}
	if (dbuf_reserve(&cf->block, cf->block.max - 1) == -1) {
		dbuf_clear(&err);
		cf->close_code = 1011;
		return false;
	}
	cf->id = (struct str){ cf->block.p, f.id.n };
	memcpy(cf->block.p, f.id.p, f.id.n);
	cf->block.n = f.id.n;
	cf->block.p[cf->block.n++] = '\0';
	if (!skim_is(&f.method, "connect"))
		ok = refuse(cf, 1008, "INVALID_REQUEST",
		    "invalid handshake: first request must be connect", NULL);
	else if (method_params(method_get(METHOD_CONNECT), 3, &f.params,
	    (struct skim_val *)&params, &err) == -1)
		ok = refuse_params(cf, dbuf_str(&err));
	else
		ok = connect_params(cf, &params);
	dbuf_clear(&err);
	return ok;
}

void
connect_frame_clear(struct connect_frame *cf)
{
	dbuf_clear(&cf->answer);
	dbuf_clear(&cf->block);
	memset(&cf->req, 0, sizeof(cf->req));
}
