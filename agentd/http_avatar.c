/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * GET /avatar/<agent> (spec gateway-protocol 7.6): the agent's picture, from
 * its workspace and from nowhere else.  Nobody has logged in to ask, so it is
 * one small file of a kind that browsers draw, named by the configuration or
 * by IDENTITY.md and never by the request.
 */
#include "common/compat.h"

#include <sys/stat.h>

#include <errno.h>
#include <unistd.h>

#include "agentd/http.h"
#include "common/beneath.h"

#define PICTURE_MAX	(1u << 20)

static bool
is_url(const char *s)
{
	return ascii_ncasecmp(s, "http://", 7) == 0 ||
	    ascii_ncasecmp(s, "https://", 8) == 0 ||
	    ascii_ncasecmp(s, "data:", 5) == 0;
}

/* The form of a file's name; HTTP_FORM_MAX when it is no picture. */
static enum http_form
form_of(const char *name)
{
	static const struct { const char *ext; enum http_form form; } t[] = {
		{ ".png", HTTP_PNG }, { ".jpg", HTTP_JPEG },
		{ ".jpeg", HTTP_JPEG }, { ".gif", HTTP_GIF },
		{ ".webp", HTTP_WEBP }, { ".svg", HTTP_SVG },
	};
	const char	*dot = strrchr(name, '.');
	size_t		 i;

	for (i = 0; dot != NULL && i < sizeof(t) / sizeof(t[0]); i++)
		if (ascii_casecmp(dot, t[i].ext) == 0)
			return t[i].form;
	return HTTP_FORM_MAX;
}

/* The picture, open for reading, and its size; -1 when there is none that may
 * be shown. */
static int
picture_open(const char *name, size_t *size)
{
	struct stat	 st;
	int		 fd;

	if (cfg->workspace[0] == '\0' || form_of(name) == HTTP_FORM_MAX ||
	    (fd = beneath_open_file(cfg->workspace, name)) == -1)
		return -1;
	if (fstat(fd, &st) == -1 || st.st_size <= 0 ||
	    st.st_size > PICTURE_MAX) {
		close(fd);
		return -1;
	}
	*size = (size_t)st.st_size;
	return fd;
}

static void
answer_meta(struct http_call *c, const char *url)
{
	struct dbuf	 b;
	struct jw	 w;

	dbuf_init(&b, 8192);
	jw_init(&w, &b);
	jw_obj(&w);
	if (url != NULL)
		jw_ks(&w, "avatarUrl", url);
	else {
		jw_key(&w, "avatarUrl");
		jw_raw(&w, "null", 4);
	}
	jw_obj_end(&w);
	http_json(c, 200, &b);
}

void
http_avatar(struct http_call *c, const struct m_http_req *q, json_t *body)
{
	char	 name[1024], path[512], *p = NULL;
	bool	 meta = str_eqs(q->wish, "meta");
	size_t	 size = 0, n = 0;
	ssize_t	 r;
	int	 fd = -1;

	(void)body;
	if (!identity_avatar(name, sizeof(name)))
		name[0] = '\0';
	if (meta && is_url(name)) {
		answer_meta(c, name);
		return;
	}
	if (name[0] != '\0' && !is_url(name))
		fd = picture_open(name, &size);
	if (meta) {
		if (fd != -1)
			close(fd);
		identity_avatar_path(path, sizeof(path));
		answer_meta(c, fd != -1 ? path : NULL);
		return;
	}
	if (fd != -1 && (p = malloc(size)) != NULL)
		while (n < size && (r = pread(fd, p + n, size - n,
		    (off_t)n)) != 0) {
			if (r == -1 && errno != EINTR)
				break;
			if (r > 0)
				n += (size_t)r;
		}
	if (fd != -1)
		close(fd);
	/* Shorter by now: somebody is writing it. */
	if (p == NULL || n != size)
		http_bytes(c, 404, HTTP_TEXT, STR_LIT("Not Found"));
	else
		http_bytes(c, 200, form_of(name), (struct str){ p, n });
	free(p);
}
