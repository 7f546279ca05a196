/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* What cppcheck must know of system headers, which it does not read here. */
#define json_array_foreach(a, i, v)					\
	for (i = 0; i < json_array_size(a) &&				\
	    (v = json_array_get(a, i)) != NULL; i++)
#define json_object_foreach(o, k, v)					\
	for (void *it_ = json_object_iter(o); it_ != NULL &&		\
	    (k = json_object_iter_key(it_)) != NULL &&			\
	    (v = json_object_iter_value(it_)) != NULL;			\
	    it_ = json_object_iter_next(o, it_))
#define LIST_HEAD(name, type)	struct name { struct type *lh_first; }
#define LIST_ENTRY(type)	struct { struct type *le_next, **le_prev; }
#define LIST_FOREACH(v, h, f)	for (v = (h)->lh_first; v; v = v->f.le_next)
#define SLIST_HEAD(name, type)	struct name { struct type *slh_first; }
#define SLIST_HEAD_INITIALIZER(h) { NULL }
#define SLIST_ENTRY(type)	struct { struct type *sle_next; }
#define SLIST_FOREACH(v, h, f)	for (v = (h)->slh_first; v; v = v->f.sle_next)
#define STAILQ_HEAD(name, type)	struct name { struct type *stqh_first, **last; }
#define STAILQ_HEAD_INITIALIZER(h) { NULL, NULL }
#define STAILQ_ENTRY(type)	struct { struct type *stqe_next; }
#define STAILQ_FOREACH(v, h, f)	for (v = (h)->stqh_first; v; v = v->f.stqe_next)
#define TAILQ_HEAD(name, type)	struct name { struct type *tqh_first, **last; }
#define TAILQ_HEAD_INITIALIZER(h) { NULL, NULL }
#define TAILQ_ENTRY(type)	struct { struct type *tqe_next, **tqe_prev; }
#define TAILQ_FOREACH(v, h, f)	for (v = (h)->tqh_first; v; v = v->f.tqe_next)
#define TAILQ_FOREACH_REVERSE(v, h, n, f)				\
	for (v = TAILQ_LAST(h, n); v; v = TAILQ_PREV(v, n, f))
