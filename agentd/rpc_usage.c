/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * usage.cost: what models' answers took, by day of this machine's clock.  The
 * journal adds each turn as it ends, so nobody reads transcripts for it.
 */
#include "common/compat.h"

#include <math.h>

#include "agentd/agentd.h"
#include "agentd/json_load.h"
#include "agentd/rpc.h"

#define DAYS_MAX	3650

void
usage_day(uint64_t wall, char day[11])
{
	time_t		 t = (time_t)(wall / 1000);
	struct tm	 tm;

	if (localtime_r(&t, &tm) == NULL ||
	    strftime(day, 11, "%Y-%m-%d", &tm) == 0)
		strlcpy(day, "1970-01-01", 11);
}

void
usage_note(struct run *run, const json_t *message)
{
	struct sessdb_usage	*u = &run->spent;
	json_t			*usage = json_object_get(message, "usage");

	if (!json_is_object(usage))
		return;
	u->input += json_integer_value(json_object_get(usage, "input"));
	u->output += json_integer_value(json_object_get(usage, "output"));
	u->cache_read += json_integer_value(json_object_get(usage,
	    "cacheRead"));
	u->cache_write += json_integer_value(json_object_get(usage,
	    "cacheWrite"));
	u->total += json_integer_value(json_object_get(usage, "totalTokens"));
	u->cost += json_number_value(config_at(usage, "cost.total"));
	/* What runs in here costs nothing; of others the price must be told. */
	u->unpriced += strcmp(run->model.provider, "builtin") != 0 &&
	    json_object_get(run->model.config, "cost") == NULL;
}

void
usage_add(struct sessdb_usage *sum, const struct sessdb_usage *u)
{
	sum->input += u->input;
	sum->output += u->output;
	sum->cache_read += u->cache_read;
	sum->cache_write += u->cache_write;
	sum->total += u->total;
	sum->cost += u->cost;
	sum->unpriced += u->unpriced;
}

static void
put_usage(struct jw *w, const struct sessdb_usage *u)
{
	char	 cost[64];
	int	 n;

	jw_kint(w, "input", u->input);
	jw_kint(w, "output", u->output);
	jw_kint(w, "cacheRead", u->cache_read);
	jw_kint(w, "cacheWrite", u->cache_write);
	jw_kint(w, "totalTokens", u->total);
	n = snprintf(cost, sizeof(cost), "%.10g", isfinite(u->cost) ? u->cost :
	    0.0);
	jw_kraw(w, "totalCost", cost, (size_t)n);
	jw_kint(w, "missingCostEntries", u->unpriced);
}

struct walk {
	struct jw		*w;
	struct sessdb_usage	 sum;
};

static void
put_day(const struct sessdb_usage *u, void *arg)
{
	struct walk	*walk = arg;

	jw_obj(walk->w);
	jw_ks(walk->w, "date", u->day);
	put_usage(walk->w, u);
	jw_obj_end(walk->w);
	usage_add(&walk->sum, u);
}

/* A number, or a text that is one; else 30. */
static int64_t
days_param(const json_t *v)
{
	double	 d = 30;
	char	*end;

	if (json_is_number(v))
		d = json_number_value(v);
	else if (json_is_string(v) && str_trim(str_of(
	    json_string_value(v))).n > 0) {
		d = strtod(json_string_value(v), &end);
		if (*end != '\0' || !isfinite(d))
			d = 30;
	}
	d = floor(d);
	return d < 1 ? 1 : d > DAYS_MAX ? DAYS_MAX : (int64_t)d;
}

void
rpc_usage_cost(struct rpc *r)
{
	struct walk	 walk;
	struct dbuf	 b;
	struct jw	 w;
	struct tm	 tm;
	time_t		 t = (time_t)(wall_ms() / 1000);
	char		 since[11];
	int64_t		 days = days_param(json_object_get(r->params, "days"));

	if (db == NULL) {
		rpc_refuse(r, "UNAVAILABLE", "%s", journal_trouble());
		return;
	}
	/* Noon: days have 23 to 25 hours. */
	if (localtime_r(&t, &tm) != NULL) {
		tm.tm_hour = 12;
		tm.tm_mday -= (int)days - 1;
		tm.tm_isdst = -1;
		t = mktime(&tm);
	}
	usage_day((uint64_t)t * 1000, since);
	memset(&walk, 0, sizeof(walk));
	walk.w = &w;
	dbuf_init(&b, RPC_RESULT_MAX);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kuint(&w, "updatedAt", wall_ms());
	jw_kint(&w, "days", days);
	jw_karr(&w, "daily");
	if (sessdb_each_usage(db, since, put_day, &walk) == -1) {
		dbuf_clear(&b);
		rpc_refuse(r, "UNAVAILABLE", "Error: %s", sessdb_error(db));
		return;
	}
	jw_arr_end(&w);
	jw_kobj(&w, "totals");
	put_usage(&w, &walk.sum);
	jw_obj_end(&w);
	jw_obj_end(&w);
	rpc_answer(r, &b);
}
