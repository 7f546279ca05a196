/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * See skills.h: finding them.  A folder is walked below a descriptor of it, and
 * nothing is opened that a link leads out of it to; what is named twice by
 * links is read once, and a walk ends at its limits, so that no arrangement of
 * files costs more than they allow.
 */
#include "common/compat.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "agentd/agentd.h"
#include "agentd/json_load.h"
#include "agentd/skills.h"
#include "common/beneath.h"
#include "common/log.h"

#define POOL_MAX	(64u << 20)
#define COMPLAINTS_MAX	8	/* lines in the log for one folder */

struct walk {
	struct skills		*all;
	enum skill_source	 source;
	int			 root;		/* O_PATH */
	char			 path[PATH_MAX];	/* as people know it */
	size_t			 base;		/* bytes of it for the root */
	struct { dev_t dev; ino_t ino; } *seen;
	size_t			 nseen, names, found;
	unsigned int		 complaints;
	char			*buf;		/* SKILL_HEAD_MAX */
};

static const char *const sources[SKILL_SOURCES] = { "openclaw-extra",
	"openclaw-bundled", "openclaw-managed", "openclaw-workspace" };

const char *
skill_source_name(enum skill_source source)
{
	return sources[source];
}

static void
complain(struct walk *w, const char *why)
{
	if (w->complaints++ < COMPLAINTS_MAX)
		log_warnx("skill %s: %s; it is left out", w->path, why);
}

/* --- one file --------------------------------------------------------------- */

const struct skill *
skills_find(const struct skills *all, const char *name)
{
	size_t	 i;

	for (i = 0; i < all->n; i++)
		if (strcmp(all->v[i].name, name) == 0)
			return &all->v[i];
	return NULL;
}

/* It takes the place of one with its name. */
static void
keep(struct skills *all, const struct skill *sk)
{
	const struct skill	*old = skills_find(all, sk->name);
	void			*p;
	size_t			 i;

	if (old != NULL) {
		i = (size_t)(old - all->v);
		free(all->v[i].install);
		all->v[i] = *sk;
		return;
	}
	if (all->n == all->cap) {
		p = reallocarray(all->v, all->cap + 64, sizeof(*all->v));
		if (p == NULL) {
			free(sk->install);
			return;
		}
		all->v = p;
		all->cap += 64;
	}
	all->v[all->n++] = *sk;
}

static const char *
pooled(struct json5_pool *pool, const char *s, size_t n)
{
	struct json5	*v = json5_new_str(pool, (struct str){ s, n }, NULL);

	return v != NULL ? v->s.p : NULL;
}

/* The SKILL.md that w->path names. */
static void
take_file(struct walk *w)
{
	struct skill	 sk;
	struct stat	 st;
	const char	*why, *slash;
	size_t		 n = 0, dir;
	ssize_t		 r = 0;
	int		 fd;

	/* O_NONBLOCK: a planted fifo must not make us wait. */
	fd = beneath_open(w->root, w->path + w->base + 1, O_RDONLY |
	    O_NONBLOCK | O_NOCTTY, 0, true);
	if (fd == -1) {
		complain(w, errno == EXDEV ? "a link leads out of the folder" :
		    strerror(errno));
		return;
	}
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		close(fd);
		complain(w, "it is no file");
		return;
	}
	while (n < SKILL_HEAD_MAX && (r = read(fd, w->buf + n,
	    SKILL_HEAD_MAX - n)) > 0)
		n += (size_t)r;
	close(fd);
	if (r == -1) {
		complain(w, strerror(errno));
		return;
	}
	memset(&sk, 0, sizeof(sk));
	sk.source = w->source;
	slash = strrchr(w->path, '/');
	dir = (size_t)(slash - w->path);
	sk.file = pooled(w->all->pool, w->path, strlen(w->path));
	sk.dir = pooled(w->all->pool, w->path, dir);
	if (sk.file == NULL || sk.dir == NULL) {
		complain(w, "all of them need too much memory");
		return;
	}
	slash = strrchr(sk.dir, '/');
	sk.name = slash != NULL ? slash + 1 : sk.dir;
	if (skill_read(w->all->pool, &sk, w->buf, n, &why) == -1) {
		complain(w, why);
		return;
	}
	w->found++;
	keep(w->all, &sk);
}

/* --- folders ---------------------------------------------------------------- */

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What may be a SKILL.md or a folder to look into. */
static bool
interests(const struct dirent *d)
{
	size_t	 n = strlen(d->d_name), i;

	if (d->d_name[0] == '.' || strcmp(d->d_name, "node_modules") == 0)
		return false;
	if (d->d_type != DT_DIR && d->d_type != DT_LNK &&
	    d->d_type != DT_UNKNOWN && strcmp(d->d_name, "SKILL.md") != 0)
		return false;
	for (i = 0; i < n; i++)
		if ((unsigned char)d->d_name[i] < 0x20 || d->d_name[i] ==
		    0x7f)
			return false;
	return utf8_valid(d->d_name, n);
}

/* The names of a folder, sorted; *n of them.  Takes fd. */
static char **
read_names(struct walk *w, int fd, size_t *n)
{
	struct dirent	*d;
	char		**v = NULL, **more;
	size_t		 cap = 0;
	DIR		*dir;

	*n = 0;
	if ((dir = fdopendir(fd)) == NULL) {
		close(fd);
		return NULL;
	}
	while ((d = readdir(dir)) != NULL) {
		if (w->names++ >= SKILLS_NAMES_MAX)
			break;
		if (!interests(d))
			continue;
		if (*n == cap) {
			more = reallocarray(v, cap + 64, sizeof(*v));
			if (more == NULL)
				break;
			v = more;
			cap += 64;
		}
		if ((v[*n] = strdup(d->d_name)) == NULL)
			break;
		++*n;
	}
	closedir(dir);
	if (*n > 1)
		qsort(v, *n, sizeof(*v), by_name);
	return v;
}

/* Was this folder walked before?  Links may name it again. */
static bool
seen_before(struct walk *w, int fd)
{
	struct stat	 st;
	size_t		 i;

	if (fstat(fd, &st) == -1)
		return true;
	for (i = 0; i < w->nseen; i++)
		if (w->seen[i].dev == st.st_dev && w->seen[i].ino == st.st_ino)
			return true;
	if (w->nseen == SKILLS_DIRS_MAX)
		return true;
	w->seen[w->nseen].dev = st.st_dev;
	w->seen[w->nseen++].ino = st.st_ino;
	return false;
}

/* The folder that w->path names. */
static void
walk_folder(struct walk *w, unsigned int depth)
{
	const char	*rel = w->path + w->base;
	char		**names;
	size_t		 len = strlen(w->path), n, i;
	int		 fd;

	fd = beneath_open(w->root, *rel == '\0' ? "." : rel + 1, O_RDONLY |
	    O_DIRECTORY | O_NONBLOCK, 0, true);
	if (fd == -1) {
		/* Most names are of other things than folders. */
		if (errno == EXDEV)
			complain(w, "a link leads out of the folder");
		return;
	}
	if (seen_before(w, fd)) {
		close(fd);
		return;
	}
	names = read_names(w, fd, &n);
	for (i = 0; i < n; i++) {
		if (w->found >= SKILLS_ROOT_MAX ||
		    w->names > SKILLS_NAMES_MAX || (size_t)snprintf(w->path +
		    len, sizeof(w->path) - len, "/%s", names[i]) >=
		    sizeof(w->path) - len)
			;
		else if (strcmp(names[i], "SKILL.md") == 0)
			take_file(w);
		else if (depth < SKILLS_DEPTH_MAX)
			walk_folder(w, depth + 1);
		w->path[len] = '\0';
		free(names[i]);
	}
	free(names);
}

/* A folder of the workspace is opened below it: the workspace's user may put
 * a link in its place. */
static int
open_root(const struct skills_places *pl, const char *path)
{
	size_t	 n = pl->workspace != NULL ? strlen(pl->workspace) : 0;
	int	 ws, fd, saved;

	if (n == 0 || strncmp(path, pl->workspace, n) != 0 || path[n] != '/')
		return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if ((ws = open(pl->workspace, O_PATH | O_DIRECTORY | O_CLOEXEC)) ==
	    -1)
		return -1;
	fd = beneath_open(ws, path + n + 1, O_PATH | O_DIRECTORY, 0, true);
	saved = errno;
	close(ws);
	errno = saved;
	return fd;
}

static void
walk_root(struct walk *w, const struct skills_places *pl,
    enum skill_source source, const char *path)
{
	w->source = source;
	w->nseen = w->names = w->found = 0;
	w->complaints = 0;
	if (path == NULL || strlcpy(w->path, path, sizeof(w->path)) >=
	    sizeof(w->path))
		return;
	w->base = strlen(w->path);
	if ((w->root = open_root(pl, path)) == -1) {
		if (errno == EXDEV)
			log_warnx("skills %s: a link leads out of the "
			    "workspace; it is left out", path);
		else if (errno != ENOENT)
			log_warn("skills %s", path);
		return;
	}
	walk_folder(w, 0);
	close(w->root);
	if (w->found >= SKILLS_ROOT_MAX || w->names > SKILLS_NAMES_MAX ||
	    w->nseen == SKILLS_DIRS_MAX)
		log_warnx("skills %s: more than is looked at (%u skills, %u "
		    "names, %u folders); the rest is left out", path,
		    SKILLS_ROOT_MAX, SKILLS_NAMES_MAX, SKILLS_DIRS_MAX);
	if (w->complaints > COMPLAINTS_MAX)
		log_warnx("skills %s: %u more are left out", path,
		    w->complaints - COMPLAINTS_MAX);
}

/* --- all -------------------------------------------------------------------- */

struct skills *
skills_load(const struct skills_places *pl)
{
	static struct walk	 w;
	struct skills		*all;
	char			 own[PATH_MAX];
	size_t			 i;

	memset(&w, 0, sizeof(w));
	if ((all = calloc(1, sizeof(*all))) == NULL)
		return NULL;
	w.all = all;
	all->pool = json5_pool_new(POOL_MAX);
	w.buf = malloc(SKILL_HEAD_MAX);
	w.seen = calloc(SKILLS_DIRS_MAX, sizeof(*w.seen));
	if (all->pool == NULL || w.buf == NULL || w.seen == NULL) {
		free(w.buf);
		free(w.seen);
		skills_free(all);
		errno = ENOMEM;
		return NULL;
	}
	for (i = 0; i < pl->nextra; i++)
		walk_root(&w, pl, SKILL_EXTRA, pl->extra[i]);
	walk_root(&w, pl, SKILL_BUNDLED, pl->bundled);
	walk_root(&w, pl, SKILL_MANAGED, pl->managed);
	if (pl->workspace != NULL && (size_t)snprintf(own, sizeof(own),
	    "%s/skills", pl->workspace) < sizeof(own))
		walk_root(&w, pl, SKILL_WORKSPACE, own);
	free(w.buf);
	free(w.seen);
	return all;
}

void
skills_free(struct skills *all)
{
	size_t	 i;

	if (all == NULL)
		return;
	for (i = 0; i < all->n; i++)
		free(all->v[i].install);
	free(all->v);
	json5_pool_free(all->pool);
	free(all);
}

void
skills_places(struct skills_places *pl)
{
	json_t		*s = json_object_get(cfg->root, "skills"), *v;
	size_t		 i;

	memset(pl, 0, sizeof(*pl));
	if (cfg->workspace[0] != '\0')
		pl->workspace = cfg->workspace;
	pl->managed = json_text(s, "managed", NULL);
	pl->bundled = json_text(s, "bundled", NULL);
	json_array_foreach(json_object_get(s, "extra"), i, v)
		if (json_is_string(v) && pl->nextra < SKILLS_EXTRA_MAX)
			pl->extra[pl->nextra++] = json_string_value(v);
}
