/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Diagnosis by the built-in helper: the report of the tool diagnose in words,
 * or where that is not offered a few fixed probes through exec.
 */

#include "common/compat.h"

#include "agentd/providers/builtin_flows.h"

/* --- checks ---------------------------------------------------------------- */

struct check { bool ok; enum breply say, fix; char arg[160]; };

static int
level_rank(const char *level)
{
	if (strcmp(level, "fail") == 0)
		return 3;
	if (strcmp(level, "warn") == 0)
		return 2;
	if (strcmp(level, "skip") == 0)
		return 0;
	return 1;
}

/* The report of the tool diagnose: worst first, at most 12 lines. */
static void
end_diagnose(struct dialog *d, const struct bresult *r)
{
	json_t		*root, *list, *row, *fix;
	struct dbuf	 good;
	char		 total[24], bad[24];
	size_t		 i, nbad = 0, n, lines = 0;
	int		 rank;

	root = json_load_bounded(dbuf_str(&r->text), r->text.n,
	    JSON_LOAD_DEPTH);
	list = json_object_get(root, "results");
	if ((n = json_array_size(list)) == 0) {
		json_decref(root);
		bflow_end_quote(d, R_RESULT, NULL, bflow_result(r), QUOTE_LINES);
		return;
	}
	for (i = 0; i < n; i++)
		if (level_rank(json_text(json_array_get(list, i), "level",
		    "")) >= 2)
			nbad++;
	snprintf(total, sizeof(total), "%zu", n);
	snprintf(bad, sizeof(bad), "%zu", nbad);
	dialog_say(d, nbad == 0 ? R_DIAG_OK : R_DIAG_BAD, total, bad, NULL,
	    NULL);
	dbuf_puts(&d->out, "\n");
	for (rank = 3; rank >= 2; rank--)
		for (i = 0; i < n; i++) {
			row = json_array_get(list, i);
			if (level_rank(json_text(row, "level", "")) != rank)
				continue;
			if (++lines > 12)
				continue;
			dbuf_printf(&d->out, "\n- **%s** %s: %s",
			    json_text(row, "level", "?"),
			    json_text(row, "title", json_text(row, "id",
			    "?")), json_text(row, "detail", ""));
			fix = json_array_get(json_object_get(row, "fixes"),
			    0);
			if (fix != NULL) {
				dbuf_puts(&d->out, "\n");
				dialog_say(d, R_DIAG_FIX, json_text(fix,
				    "text", ""), NULL, NULL, NULL);
			}
		}
	if (lines > 12) {
		char	 more[24];

		snprintf(more, sizeof(more), "%zu", lines - 12);
		dbuf_puts(&d->out, "\n- ");
		dialog_say(d, R_DIAG_MORE, more, NULL, NULL, NULL);
	}
	dbuf_init(&good, 8192);
	for (i = 0; i < n; i++) {
		row = json_array_get(list, i);
		if (level_rank(json_text(row, "level", "")) == 1)
			dbuf_printf(&good, "%s%s", good.n == 0 ? "" : ", ",
			    json_text(row, "title", json_text(row, "id",
			    "?")));
	}
	if (good.n > 0) {
		dbuf_puts(&d->out, "\n\n");
		dialog_say(d, R_DIAG_GOOD, dbuf_str(&good), NULL, NULL, NULL);
	}
	dbuf_clear(&good);
	json_decref(root);
	dbuf_puts(&d->out, "\n\n");
	bflow_say(d, R_DIAG_GATEWAY);
	dialog_done(d);
}

/* The last number before a per cent sign; -1 when there is none. */
static int
percent_in(struct str t)
{
	size_t	 i, k;
	int	 v = -1;

	for (i = 1; i < t.n; i++)
		if (t.p[i] == '%' && ascii_isdigit(t.p[i - 1])) {
			for (k = i; k > 0 && i - k < 3 &&
			    ascii_isdigit(t.p[k - 1]); k--)
				;
			for (v = 0; k < i; k++)
				v = v * 10 + (t.p[k] - '0');
		}
	return v;
}

/* Without the tool diagnose: fixed probes through exec and ls. */
static const char *const probes[] = { "uname -srm",
	"grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status", "df -P .",
	"ls -A" };

static void
end_probes(struct dialog *d)
{
	struct check	 c[8];
	struct bresult	*r;
	struct str	 t;
	size_t		 n = 0, i, bad = 0;
	char		 total[24], nbad[24];
	int		 used;

	memset(c, 0, sizeof(c));
	r = dialog_result(d, "exec", 0);
	t = bflow_result(r);
	c[n].ok = !r->is_error;
	c[n].say = r->is_error ? R_DIAG_RUNS_NOT : R_DIAG_RUNS;
	c[n].fix = R_DIAG_RUNS_FIX;
	t.n = utf8_cut(t.p, t.n, sizeof(c[n].arg) - 1);
	str_copy(t, c[n].arg, sizeof(c[n].arg));
	n++;
	if ((r = dialog_result(d, "exec", 1)) != NULL && !r->is_error) {
		t = bflow_result(r);
		c[n].ok = bflow_has(t, "NoNewPrivs:\t1") &&
		    bflow_has(t, "Seccomp:\t2");
		c[n].say = c[n].ok ? R_DIAG_SECCOMP : R_DIAG_SECCOMP_NOT;
		c[n].fix = R_DIAG_RUNS_FIX;
		n++;
	}
	if ((r = dialog_result(d, "exec", 2)) != NULL && !r->is_error &&
	    (used = percent_in(bflow_result(r))) >= 0) {
		c[n].ok = used < 90;
		c[n].say = c[n].ok ? R_DIAG_DISK : R_DIAG_DISK_FULL;
		c[n].fix = R_DIAG_DISK_FIX;
		snprintf(c[n].arg, sizeof(c[n].arg), "%d %%", used);
		n++;
	}
	if ((r = dialog_result(d, "exec", 3)) != NULL) {
		t = bflow_result(r);
		c[n].ok = !r->is_error;
		c[n].say = c[n].ok ? R_DIAG_FILES : R_DIAG_FILES_NOT;
		c[n].fix = R_DIAG_FILES_FIX;
		t.n = utf8_cut(t.p, t.n, sizeof(c[n].arg) - 1);
		if (!c[n].ok)
			str_copy(t, c[n].arg, sizeof(c[n].arg));
		n++;
	}
	for (i = 0; i < n; i++)
		bad += !c[i].ok;
	snprintf(total, sizeof(total), "%zu", n);
	snprintf(nbad, sizeof(nbad), "%zu", bad);
	dialog_say(d, bad == 0 ? R_DIAG_OK : R_DIAG_BAD, total, nbad, NULL,
	    NULL);
	dbuf_puts(&d->out, "\n");
	for (used = 0; used < 2; used++)
		for (i = 0; i < n; i++) {
			if (c[i].ok != (used == 1))
				continue;
			dbuf_printf(&d->out, "\n- **%s** ", c[i].ok ? "ok" :
			    "fail");
			dialog_say(d, c[i].say, c[i].arg, NULL, NULL, NULL);
			if (!c[i].ok) {
				dbuf_puts(&d->out, "\n");
				dialog_say(d, R_DIAG_FIX,
				    dialog_phrase(d, c[i].fix), NULL, NULL,
				    NULL);
			}
		}
	dbuf_puts(&d->out, "\n- **info** ");
	if (d->opts->configured)
		dialog_say(d, R_MODEL, d->model->provider, d->model->id, NULL,
		    NULL);
	else
		bflow_say(d, R_DIAG_MODEL);
	dbuf_puts(&d->out, "\n\n");
	bflow_say(d, R_DIAG_GATEWAY);
	dialog_done(d);
}

void
bflow_diagnose(struct dialog *d)
{
	struct bresult	*r;
	size_t		 i;
	bool		 jail = d->u.intent == B_DIAG_SANDBOX;

	if ((r = dialog_result(d, "diagnose", 0)) != NULL) {
		if (r->is_error)
			bflow_end_failed(d, r);
		else
			end_diagnose(d, r);
	} else if (btools_has(d->ctx->tools, "diagnose")) {
		dialog_call(d, "diagnose", jail ? json_pack("{s:[s],s:b}",
		    "checks", "jail", "deep", 1) : json_object(), NULL);
	} else if (dialog_result(d, "exec", 0) != NULL) {
		end_probes(d);
	} else {
		for (i = 0; i < sizeof(probes) / sizeof(probes[0]); i++)
			if (!bflow_exec(d, probes[i]))
				break;
	}
}
