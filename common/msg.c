/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Coding and permissions of messages, driven by the tables.  Pure: no I/O but
 * the memfds of large bodies, no logging.  Everything a peer can send passes
 * msg_header_get(), msg_allowed() and msg_decode() before a handler sees it.
 */
#include "common/compat.h"

#include <endian.h>
#include <errno.h>
#include <unistd.h>

#include "common/memfd.h"
#include "common/msg.h"

/* --- tables ------------------------------------------------------------- */

#define F(t, sname, n, lo, hi)	{ t, #n, offsetof(sname, n), lo, hi },
#define U8(n, lo, hi)	F(FIELD_U8, THIS, n, lo, hi)
#define U16(n, lo, hi)	F(FIELD_U16, THIS, n, lo, hi)
#define U32(n, lo, hi)	F(FIELD_U32, THIS, n, lo, hi)
#define U64(n, lo, hi)	F(FIELD_U64, THIS, n, lo, hi)
#define STR(n, lo, hi)	F(FIELD_STR, THIS, n, lo, hi)
#define BLOB(n, hi)	F(FIELD_BLOB, THIS, n, 0, hi)
#define BODY(n, hi)	F(FIELD_BODY, THIS, n, 0, hi)

/* The row's struct is the type that its field macros take offsets in; naming
 * it through a local typedef keeps the table free of that detail. */
#define MSG(num, NAME, name, max, fds, FIELDS)				\
	static const struct msg_field *					\
	msg_fields_of_##name(void)						\
	{								\
		typedef struct m_##name THIS;				\
		static const struct msg_field f[] = {			\
			FIELDS { FIELD_END, NULL, sizeof(THIS), 0, 0 }	\
		};							\
		return f;						\
	}
#include "proto/messages.def"
#undef MSG

static struct msg_desc msg_table[] = {
#define MSG(num, NAME, name, max, fds, FIELDS)				\
	{ num, #NAME, max, fds, sizeof(struct m_##name), NULL },
#include "proto/messages.def"
#undef MSG
};
#define MSG_COUNT	(sizeof(msg_table) / sizeof(msg_table[0]))

/* Group and low byte index: every number is below 0x0d00. */
#define MSG_GROUPS	0x0d
static uint8_t msg_index[MSG_GROUPS][0x80];	/* row + 1 */
static bool msg_ready;

static void
msg_init(void)
{
	size_t	 i = 0;

#define MSG(num, NAME, name, max, fds, FIELDS)				\
	msg_table[i].fields = msg_fields_of_##name();			\
	msg_index[(num) >> 8][(num) & 0xff] = (uint8_t)(i + 1);		\
	i++;
#include "proto/messages.def"
#undef MSG
	_Static_assert(MSG_COUNT < 255, "index type too small");
	msg_ready = true;
}

const struct msg_desc *
msg_desc_at(size_t i)
{
	if (!msg_ready)
		msg_init();
	return i < MSG_COUNT ? &msg_table[i] : NULL;
}

static size_t
msg_row(uint16_t type)
{
	if (!msg_ready)
		msg_init();
	if (type >> 8 >= MSG_GROUPS || (type & 0xff) >= 0x80)
		return 0;
	return msg_index[type >> 8][type & 0xff];
}

const struct msg_desc *
msg_desc(uint16_t type)
{
	size_t	 row = msg_row(type);

	return row > 0 ? &msg_table[row - 1] : NULL;
}

/* --- roles and permissions ---------------------------------------------- */

#define ONE	false
#define EACH	false
#define ONCE	false
#define WANT	true
static const struct {
	const char	*name, *program, *user;
	bool		 wanted;
} roles[ROLE_MAX] = {
#define ROLE(n, NAME, name, prog, user, count) 	\
	[n] = { name, prog, user, count },
#include "proto/roles.def"
#undef ROLE
};

const char *
role_name(unsigned int r)
{
	return r < ROLE_MAX ? roles[r].name : "?";
}

const char *
role_program(unsigned int r)
{
	return r < ROLE_MAX ? roles[r].program : "?";
}

const char *
role_user(unsigned int r)
{
	return r < ROLE_MAX ? roles[r].user : "?";
}

bool
role_wanted(unsigned int r)
{
	return r < ROLE_MAX && roles[r].wanted;
}

enum role
role_by_name(const char *name)
{
	unsigned int	 r;

	for (r = 0; r < ROLE_MAX; r++)
		if (strcmp(roles[r].name, name) == 0)
			break;
	return r;
}

static const struct { uint8_t a, b; } link_table[] = {
#define LINK(x, y)	{ ROLE_##x, ROLE_##y },
#define ALLOW(m, f, t, s)
#include "proto/links.def"
#undef LINK
#undef ALLOW
};

bool
role_linked(unsigned int a, unsigned int b)
{
	size_t	 i;

	for (i = 0; i < sizeof(link_table) / sizeof(link_table[0]); i++)
		if ((link_table[i].a == a && link_table[i].b == b) ||
		    (link_table[i].a == b && link_table[i].b == a))
			return true;
	return false;
}

#define ROLE_ANY	255
#define SETUP		LINK_SETUP
#define RUN		LINK_RUN
#define DRAIN		LINK_DRAIN
#define EVER		(LINK_SETUP | LINK_RUN | LINK_DRAIN)
static const struct {
	uint16_t	 type;
	uint8_t		 from, to, states;
} allow_table[] = {
#define LINK(x, y)
#define ALLOW(m, f, t, s)	{ MSG_##m, ROLE_##f, ROLE_##t, s },
#include "proto/links.def"
#undef LINK
#undef ALLOW
};
#undef SETUP
#undef RUN
#undef DRAIN
#undef EVER

enum msg_err
msg_allowed(uint16_t type, enum role from, enum role to, enum link_state state)
{
	size_t	 i;
	bool	 direction = false;

	for (i = 0; i < sizeof(allow_table) / sizeof(allow_table[0]); i++) {
		if (allow_table[i].type != type ||
		    (allow_table[i].from != from &&
		    (allow_table[i].from != ROLE_ANY || from == ROLE_PARENT)) ||
		    (allow_table[i].to != to &&
		    (allow_table[i].to != ROLE_ANY || to == ROLE_PARENT)))
			continue;
		if (allow_table[i].states & state)
			return MSG_OK;
		direction = true;
	}
	return direction ? MSG_STATE : MSG_DIRECTION;
}

const char *
msg_err_name(enum msg_err e)
{
	static const char *const names[MSG_ERR_MAX] = {
		"ok", "truncated", "trailing bytes", "out of range",
		"bad text", "bad descriptor", "unknown type",
		"wrong direction", "wrong state", "sequence gap",
		"too large", "refused content", "out of memory"
	};

	return (unsigned int)e < MSG_ERR_MAX ? names[e] : "?";
}

/* --- header ------------------------------------------------------------- */

void
msg_header_put(void *buf, const struct msg_header *h)
{
	uint8_t		*p = buf;
	uint32_t	 v32;
	uint16_t	 v16;
	uint64_t	 v64;

	v32 = htole32(h->length);
	memcpy(p, &v32, 4);
	v16 = htole16(h->type);
	memcpy(p + 4, &v16, 2);
	p[6] = h->version;
	p[7] = h->flags;
	v32 = htole32(h->dst);
	memcpy(p + 8, &v32, 4);
	v32 = htole32(h->src);
	memcpy(p + 12, &v32, 4);
	v64 = htole64(h->corr);
	memcpy(p + 16, &v64, 8);
	v32 = htole32(h->seq);
	memcpy(p + 24, &v32, 4);
	memset(p + 28, 0, 4);
}

enum msg_err
msg_header_get(const void *buf, size_t n, struct msg_header *h)
{
	const uint8_t	*p = buf;
	uint32_t	 v32;
	uint16_t	 v16;
	uint64_t	 v64;

	if (n < MSG_HEADER)
		return MSG_TRUNCATED;
	memcpy(&v32, p, 4);
	h->length = le32toh(v32);
	memcpy(&v16, p + 4, 2);
	h->type = le16toh(v16);
	h->version = p[6];
	h->flags = p[7];
	memcpy(&v32, p + 8, 4);
	h->dst = le32toh(v32);
	memcpy(&v32, p + 12, 4);
	h->src = le32toh(v32);
	memcpy(&v64, p + 16, 8);
	h->corr = le64toh(v64);
	memcpy(&v32, p + 24, 4);
	h->seq = le32toh(v32);
	memcpy(&v32, p + 28, 4);
	if (h->length != n)
		return MSG_TRUNCATED;
	if (h->version != MSG_PROTOCOL || v32 != 0 ||
	    (h->flags & ~(MSG_F_FDS | MSG_F_MORE | MSG_F_REPLY)) != 0)
		return MSG_RANGE;
	return MSG_OK;
}

/* --- payload ------------------------------------------------------------ */

struct writer {
	uint8_t	*p;
	size_t	 left;
	bool	 full;
};

static void
put_bytes(struct writer *w, const void *p, size_t n)
{
	if (w->full || n > w->left) {
		w->full = true;
		return;
	}
	if (n > 0)
		memcpy(w->p, p, n);
	w->p += n;
	w->left -= n;
}

static void
put_num(struct writer *w, uint64_t v, size_t size)
{
	v = htole64(v);
	put_bytes(w, &v, size);
}

static uint64_t
field_num(const struct msg_field *f, const char *base)
{
	uint32_t	 v32;
	uint16_t	 v16;
	uint64_t	 v64;

	switch (f->type) {
	case FIELD_U8:
		return *(const uint8_t *)(base + f->offset);
	case FIELD_U16:
		memcpy(&v16, base + f->offset, 2);
		return v16;
	case FIELD_U32:
		memcpy(&v32, base + f->offset, 4);
		return v32;
	case FIELD_U64:
		memcpy(&v64, base + f->offset, 8);
		return v64;
	case FIELD_END:
	case FIELD_STR:
	case FIELD_BLOB:
	case FIELD_BODY:
		break;
	}
	return 0;
}

static size_t
field_size(enum field_type t)
{
	return t == FIELD_U8 ? 1 : t == FIELD_U16 ? 2 : t == FIELD_U32 ? 4 : 8;
}

ssize_t
msg_encode(uint16_t type, const void *value, void *buf, size_t size,
    int *body_fds, size_t *nbody_fds)
{
	const struct msg_desc	*d;
	const struct msg_field	*f;
	const char		*base = value;
	struct writer		 w;
	struct str		 s;
	uint64_t		 v;
	size_t			 fixed = MSG_HEADER, bodies = 0;
	int			 saved;
	bool			 inline_ok;

	*nbody_fds = 0;
	if ((d = msg_desc(type)) == NULL) {
		errno = EINVAL;
		return -1;
	}
	/* Bounds of every field, and whether the bodies fit inline. */
	for (f = d->fields; f->type != FIELD_END; f++) {
		if (f->type < FIELD_STR) {
			v = field_num(f, base);
			fixed += field_size(f->type);
		} else {
			memcpy(&s, base + f->offset, sizeof(s));
			v = s.n;
			if (f->type == FIELD_BODY) {
				fixed += 6;
				bodies += s.n;
			} else
				fixed += 5 + s.n;
			if (f->type == FIELD_STR && (!utf8_valid(s.p, s.n) ||
			    (s.n > 0 && memchr(s.p, '\0', s.n) != NULL))) {
				errno = EINVAL;
				return -1;
			}
		}
		if (v < f->min || v > f->max) {
			errno = EINVAL;
			return -1;
		}
	}
	inline_ok = fixed + bodies <= d->max && fixed + bodies <= size;
	if (!inline_ok && (bodies == 0 || fixed > d->max || fixed > size)) {
		errno = EMSGSIZE;
		return -1;
	}
	w = (struct writer){ (uint8_t *)buf + MSG_HEADER, size - MSG_HEADER,
	    false };
	for (f = d->fields; f->type != FIELD_END; f++) {
		if (f->type < FIELD_STR) {
			put_num(&w, field_num(f, base), field_size(f->type));
			continue;
		}
		memcpy(&s, base + f->offset, sizeof(s));
		if (f->type == FIELD_BODY) {
			put_num(&w, inline_ok || s.n == 0 ? 0 : 1, 1);
			if (!inline_ok && s.n > 0) {
				put_num(&w, s.n, 4);
				body_fds[*nbody_fds] =
				    memfd_sealed(d->name, s.p, s.n);
				if (body_fds[*nbody_fds] == -1)
					goto fail;
				(*nbody_fds)++;
				continue;
			}
		}
		put_num(&w, s.n, 4);
		put_bytes(&w, s.p, s.n);
		put_bytes(&w, "", 1);
	}
	if (w.full) {
		errno = EMSGSIZE;
		goto fail;
	}
	return (ssize_t)(size - w.left);
fail:
	saved = errno;
	while (*nbody_fds > 0)
		close(body_fds[--*nbody_fds]);
	errno = saved;
	return -1;
}

struct reader {
	const uint8_t	*p;
	size_t		 left;
};

static enum msg_err
get_num(struct reader *r, size_t size, uint64_t *v)
{
	if (size > r->left)
		return MSG_TRUNCATED;
	*v = 0;
	memcpy(v, r->p, size);
	*v = le64toh(*v);
	r->p += size;
	r->left -= size;
	return MSG_OK;
}

static enum msg_err
get_bytes(struct reader *r, const struct msg_field *f, struct str *s)
{
	uint64_t	 n;
	enum msg_err	 err;

	if ((err = get_num(r, 4, &n)) != MSG_OK)
		return err;
	if (n < f->min || n > f->max)
		return MSG_RANGE;
	if (r->left == 0 || n > r->left - 1)
		return MSG_TRUNCATED;
	*s = (struct str){ (const char *)r->p, (size_t)n };
	if (s->p[n] != '\0')
		return MSG_TEXT;
	if (f->type == FIELD_STR && (!utf8_valid(s->p, s->n) ||
	    memchr(s->p, '\0', s->n) != NULL))
		return MSG_TEXT;
	r->p += n + 1;
	r->left -= n + 1;
	return MSG_OK;
}

static enum msg_err
get_body(struct msg *m, struct reader *r, const struct msg_field *f,
    size_t *fd_at, struct str *s)
{
	uint64_t	 kind, n;
	const void	*p;
	size_t		 len;
	enum msg_err	 err;

	if ((err = get_num(r, 1, &kind)) != MSG_OK)
		return err;
	if (kind > 1)
		return MSG_RANGE;
	if (kind == 0)
		return get_bytes(r, f, s);
	if ((err = get_num(r, 4, &n)) != MSG_OK)
		return err;
	if (n == 0 || n > f->max)
		return MSG_RANGE;
	if (*fd_at >= m->nfds || m->nmaps >= 2)
		return MSG_FD;
	if (memfd_map(m->fds[*fd_at], f->max, &p, &len) == -1)
		return errno == EBADMSG ? MSG_FD : MSG_NOMEM;
	m->map[m->nmaps].p = p;
	m->map[m->nmaps++].n = len;
	if (len != n)
		return MSG_FD;
	(*fd_at)++;
	*s = (struct str){ p, len };
	return MSG_OK;
}

/* Bodies come last among the descriptors: how many there are. */
static size_t
count_body_fds(const struct msg *m, const struct msg_desc *d)
{
	const struct msg_field	*f;
	struct reader		 r = { m->payload, m->len };
	uint64_t		 kind, n;
	size_t			 count = 0;

	for (f = d->fields; f->type != FIELD_END; f++) {
		if (f->type < FIELD_STR) {
			if (get_num(&r, field_size(f->type), &n) != MSG_OK)
				return 0;
			continue;
		}
		kind = 0;
		if (f->type == FIELD_BODY && get_num(&r, 1, &kind) != MSG_OK)
			return 0;
		if (get_num(&r, 4, &n) != MSG_OK)
			return 0;
		if (kind == 1) {
			count++;
			continue;
		}
		if (r.left == 0 || n > r.left - 1)
			return 0;
		r.p += n + 1;
		r.left -= n + 1;
	}
	return count;
}

enum msg_err
msg_decode(struct msg *m, void *value)
{
	const struct msg_desc	*d;
	const struct msg_field	*f;
	char			*base = value;
	struct reader		 r = { m->payload, m->len };
	struct str		 s;
	uint64_t		 v;
	uint32_t		 v32;
	uint16_t		 v16;
	size_t			 fd_at, nbody;
	enum msg_err		 err;

	if ((d = msg_desc(m->h.type)) == NULL)
		return MSG_UNKNOWN;
	nbody = count_body_fds(m, d);
	if (nbody > m->nfds || m->nfds - nbody > d->fds)
		return MSG_FD;
	fd_at = m->nfds - nbody;
	/* Decoding twice (a forwarder that looks first) maps once more. */
	while (m->nmaps > 0) {
		m->nmaps--;
		memfd_unmap(m->map[m->nmaps].p, m->map[m->nmaps].n);
	}
	memset(value, 0, d->size);
	for (f = d->fields; f->type != FIELD_END; f++) {
		if (f->type < FIELD_STR) {
			if ((err = get_num(&r, field_size(f->type), &v)) !=
			    MSG_OK)
				return err;
			if (v < f->min || v > f->max)
				return MSG_RANGE;
			v16 = (uint16_t)v;
			v32 = (uint32_t)v;
			if (f->type == FIELD_U8)
				*(uint8_t *)(base + f->offset) = (uint8_t)v;
			else if (f->type == FIELD_U16)
				memcpy(base + f->offset, &v16, 2);
			else if (f->type == FIELD_U32)
				memcpy(base + f->offset, &v32, 4);
			else
				memcpy(base + f->offset, &v, 8);
			continue;
		}
		if (f->type == FIELD_BODY)
			err = get_body(m, &r, f, &fd_at, &s);
		else
			err = get_bytes(&r, f, &s);
		if (err != MSG_OK)
			return err;
		memcpy(base + f->offset, &s, sizeof(s));
	}
	return r.left == 0 ? MSG_OK : MSG_TRAILING;
}

int
msg_take_fd(struct msg *m, size_t i)
{
	int	 fd;

	if (i >= m->nfds)
		return -1;
	fd = m->fds[i];
	m->fds[i] = -1;
	return fd;
}

void
msg_clear(struct msg *m)
{
	size_t	 i;

	while (m->nmaps > 0) {
		m->nmaps--;
		memfd_unmap(m->map[m->nmaps].p, m->map[m->nmaps].n);
	}
	for (i = 0; i < m->nfds; i++)
		if (m->fds[i] != -1)
			close(m->fds[i]);
	m->nfds = 0;
}
