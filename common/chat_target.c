/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "common/chat_target.h"

#define DIGITS_MAX	19	/* of a number that fits 63 bits */
#define NAME_MIN	4
#define NAME_MAX	32

/* Takes a prefix off, whatever its letter case. */
static bool
skip(struct str *s, const char *prefix)
{
	size_t	 n = strlen(prefix);

	if (s->n < n || ascii_ncasecmp(s->p, prefix, n) != 0)
		return false;
	s->p += n;
	s->n -= n;
	return true;
}

static bool
digits(struct str s)
{
	size_t	 i;

	for (i = 0; i < s.n; i++)
		if (!ascii_isdigit((unsigned char)s.p[i]))
			return false;
	return s.n > 0 && s.n <= DIGITS_MAX;
}

static bool
user_name(struct str s)
{
	size_t	 i;

	for (i = 0; i < s.n; i++)
		if (!ascii_isalnum((unsigned char)s.p[i]) && s.p[i] != '_')
			return false;
	return s.n >= NAME_MIN && s.n <= NAME_MAX;
}

/*
 * [telegram:|tg:][group:]<number>, @name, t.me/name; then :topic:<number> or
 * :<number>.  A group's number is negative; whether a name is a person's or a
 * group's only the platform knows.
 */
static int
telegram(struct str s, struct chat_target *t)
{
	struct str	 chat, number;
	const char	*colon;
	bool		 link;

	while (skip(&s, "telegram:") || skip(&s, "tg:"))
		;
	(void)skip(&s, "group:");
	link = skip(&s, "https://t.me/") || skip(&s, "http://t.me/") ||
	    skip(&s, "t.me/");
	colon = memchr(s.p, ':', s.n);
	chat = (struct str){ s.p, colon != NULL ? (size_t)(colon - s.p) :
	    s.n };
	if (colon != NULL) {
		s = (struct str){ colon + 1, s.n - chat.n - 1 };
		(void)skip(&s, "topic:");
		if (!digits(s) || str_copy(s, t->thread,
		    sizeof(t->thread)) == -1)
			return -1;
	}
	if (link || (chat.n > 0 && chat.p[0] == '@')) {
		if (!link) {
			chat.p++;
			chat.n--;
		}
		if (!user_name(chat))
			return -1;
		t->chat[0] = '@';
		return str_copy(chat, t->chat + 1, sizeof(t->chat) - 1);
	}
	number = chat;
	if (chat.n > 0 && chat.p[0] == '-') {
		t->type = CHAT_GROUP;
		number = (struct str){ chat.p + 1, chat.n - 1 };
	}
	if (!digits(number))
		return -1;
	return str_copy(chat, t->chat, sizeof(t->chat));
}

static const struct platform {
	const char	*name, *hint;
	int		(*parse)(struct str, struct chat_target *);
} platforms[] = {
	{ "telegram", "<chatId>", telegram },
};

static const struct platform *
find(const char *name)
{
	size_t	 i;

	for (i = 0; i < sizeof(platforms) / sizeof(platforms[0]); i++)
		if (strcmp(platforms[i].name, name) == 0)
			return &platforms[i];
	return NULL;
}

int
chat_target_parse(const char *platform, struct str s, struct chat_target *t)
{
	const struct platform	*p = find(platform);

	memset(t, 0, sizeof(*t));
	t->type = CHAT_DIRECT;
	return p == NULL ? -1 : p->parse(str_trim(s), t);
}

const char *
chat_target_hint(const char *platform)
{
	const struct platform	*p = find(platform);

	return p == NULL ? "" : p->hint;
}
