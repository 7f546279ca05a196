/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* What the reader of pages has to know of an element. */
#ifndef TOOLD_FETCH_HTML_ELEMENTS_H
#define TOOLD_FETCH_HTML_ELEMENTS_H

#include "common/text.h"

enum html_elem_flag {
	EL_VOID		= 1,	/* has no end */
	EL_SKIP		= 2,	/* nothing in it is to be read */
	EL_BLOCK	= 4,	/* stands on lines of its own */
	EL_APART	= 8,	/* with an empty line around it */
	EL_CHROME	= 16,	/* menus, side columns, footers */
	EL_MAIN		= 32,
	EL_ARTICLE	= 64,
};

enum html_elem_kind {
	KIND_OTHER, KIND_A, KIND_BOLD, KIND_ITALIC, KIND_CODE, KIND_PRE,
	KIND_H, KIND_P, KIND_LI, KIND_UL, KIND_OL, KIND_DT, KIND_DL,
	KIND_QUOTE, KIND_TABLE, KIND_TR, KIND_TD, KIND_BR, KIND_HR, KIND_IMG,
	KIND_TITLE, KIND_BASE, KIND_HEADER, KIND_OPTION,
};

struct html_elem {
	const char		*name;
	enum html_elem_kind	 kind;
	unsigned int		 flags;
};

/* Never NULL: what is not known is a plain inline element. */
const struct html_elem *html_elem_find(struct str name);

#endif
