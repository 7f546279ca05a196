/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "agentd/providers/builtin_understand.h"

#define TOKENS_MAX	48
#define TOKEN_BYTES	40
#define CJK_WORD	6	/* longest word of the tables, code points */
#define SHORT_MAX	400	/* bytes of a sentence without free text */
#define LEADS_MAX	4
#define TAILS_MAX	3

enum {
#define NUMBER(n, v)	N_##n = (v),
#include "agentd/providers/builtin_intents.def"
};

static const struct {
	const char	*id, *en, *zh;
} intents[] = {
	{ "unknown", "", "" },
#define INTENT(n, id, en, zh)	{ id, en, zh },
#include "agentd/providers/builtin_intents.def"
};
static const struct {
	enum bintent	 intent;
	const char	*pattern;
} phrases[] = {
#define PHRASE(n, p)	{ B_##n, p },
#include "agentd/providers/builtin_intents.def"
};
static const struct {
	enum bintent	 intent;
	const char	*words;
} keys[] = {
#define KEYS(n, w)	{ B_##n, w },
#include "agentd/providers/builtin_intents.def"
};
static const char *const soft[] = {
#define SOFT(w)		w,
#include "agentd/providers/builtin_intents.def"
};
static const char *const leads[] = {
#define LEAD(w)		w,
#include "agentd/providers/builtin_intents.def"
};
static const char *const tails[] = {
#define TAIL(w)		w,
#include "agentd/providers/builtin_intents.def"
};
#define NELEM(a)	(sizeof(a) / sizeof((a)[0]))

/* What may follow a bare "run": a sentence like "run a marathon" may not. */
static const char commands[] =
    " ls ll cat echo printf pwd date cal uname df du free uptime whoami id w"
    " who ps top env printenv hostname head tail wc grep rg find sort cut tr"
    " uniq awk sed touch mkdir rmdir cp mv rm ln chmod chown tar gzip gunzip"
    " zip unzip stat file which type test true false sleep seq expr bc tree"
    " diff cmp md5sum sha1sum sha256sum base64 xargs tee nproc lscpu lsblk"
    " lsof mount ip ping dig host curl wget nc ssh python python3 node npm npx"
    " perl ruby lua php go cargo rustc gcc clang cc make cmake git sqlite3 jq"
    " sh bash zsh dash systemctl journalctl docker apt apt-get dpkg sudo su"
    " nohup nice timeout time watch man less more vi vim nano ed yes kill"
    " pkill killall ";

struct token {
	char	 s[TOKEN_BYTES];
	size_t	 n;
	bool	 cjk;
};

const char *
bintent_id(enum bintent i)
{
	return (size_t)i < NELEM(intents) ? intents[i].id : "unknown";
}

const char *
bintent_label(enum bintent i, bool zh)
{
	if ((size_t)i >= NELEM(intents))
		return "";
	return zh ? intents[i].zh : intents[i].en;
}

struct str
understanding_slot(const struct understanding *u, enum btext_slot kind,
    size_t i)
{
	struct str	 none = { NULL, 0 };
	size_t		 k;

	for (k = 0; k < u->m.n; k++)
		if (u->m.slot[k].kind == kind && i-- == 0)
			return u->m.slot[k].v;
	return none;
}

/* Takes the word w off the front of *t when it stands there as a whole word
 * and something is left. */
static bool
strip_lead(struct str *t, const char *w)
{
	struct str	 rest = *t, lit = str_of(w);
	struct str	 next;
	uint32_t	 a, b;
	bool		 cjk = false;

	while (lit.n > 0) {
		b = btext_next(&lit);
		cjk = btext_iscjk(b);
		if ((a = btext_next(&rest)) != b)
			return false;
	}
	next = rest;
	a = btext_next(&next);
	if (!cjk && a != ' ' && a != ',' && a != '!' && a != ':' &&
	    !btext_iscjk(a))
		return false;
	for (;;) {
		next = rest;
		a = btext_next(&next);
		if (a != ' ' && a != ',' && a != '!' && a != ':' && a != '\n')
			break;
		rest = next;
	}
	if (rest.n == 0)
		return false;
	*t = rest;
	return true;
}

static struct str
strip_punct(struct str t)
{
	static const char *const marks[] = { ".", "!", "?", ",", ";", ":", "~",
	    " ", "\t", "\n", "\r", "。", "！", "？", "，", "；", "：", "…",
	    "～", "、", NULL };
	size_t	 i, n;

	for (i = 0; marks[i] != NULL; i++) {
		n = strlen(marks[i]);
		if (t.n > n && memcmp(t.p + t.n - n, marks[i], n) == 0) {
			t.n -= n;
			i = (size_t)-1;
		}
	}
	return t;
}

static bool
strip_tail(struct str *t, const char *w)
{
	size_t	 n = strlen(w), i;
	bool	 cjk = btext_hascjk(str_of(w));

	if (t->n <= n)
		return false;
	for (i = 0; i < n; i++)
		if (ascii_tolower(t->p[t->n - n + i]) != w[i])
			return false;
	if (!cjk && !ascii_isspace(t->p[t->n - n - 1]) &&
	    t->p[t->n - n - 1] != ',')
		return false;
	t->n -= n;
	*t = strip_punct(*t);
	return true;
}

static bool
is_command(struct str cmd)
{
	char	 word[TOKEN_BYTES + 2];
	size_t	 n = 0;

	while (n < cmd.n && !ascii_isspace(cmd.p[n]))
		n++;
	if (n == 0 || n > TOKEN_BYTES - 2)
		return false;
	if (memchr(cmd.p, '/', n) != NULL)
		return true;
	snprintf(word, sizeof(word), " %.*s ", (int)n, cmd.p);
	return strstr(commands, word) != NULL;
}

/* Does a colon, also a full-width one, stand right before p? */
static bool
after_colon(struct str text, const char *p)
{
	static const char	 wide[] = "\xef\xbc\x9a";
	size_t			 n = (size_t)(p - text.p);

	while (n > 0 && (ascii_isspace(text.p[n - 1]) || text.p[n - 1] == '`'))
		n--;
	return (n > 0 && text.p[n - 1] == ':') ||
	    (n >= 3 && memcmp(text.p + n - 3, wide, 3) == 0);
}

/* RUN: what was asked for, and may it go without a preview? */
static bool
take_command(struct understanding *u, struct str text, const char *pattern,
    bool polite)
{
	struct str	 cmd = u->m.slot[u->m.n - 1].v, bare;
	bool		 again, quoted;
	size_t		 i;

	if (polite) {
		cmd = str_trim(cmd);
		do {
			again = false;
			for (i = 0; i < NELEM(tails); i++)
				again = again || strip_tail(&cmd, tails[i]);
		} while (again);
	}
	bare = btext_unquote(cmd);
	quoted = bare.n != cmd.n && cmd.p[0] == '`';
	if (quoted)
		cmd = str_trim(bare);
	if (cmd.n == 0)
		return false;
	u->m.slot[u->m.n - 1].v = cmd;
	if (!after_colon(text, cmd.p) && strstr(pattern, "command") == NULL &&
	    pattern[0] != '$' && pattern[0] != '!' && !quoted &&
	    !is_command(cmd) && !u->zh)
		return false;
	u->exact = !polite;
	return true;
}

static bool
match_phrases(struct str raw, struct understanding *u)
{
	struct str	 t[LEADS_MAX + 1], shorter[TAILS_MAX + 1];
	size_t		 i, k, nt, ns, l;
	bool		 again;

	nt = 0;
	t[nt++] = str_trim(raw);
	do {
		again = false;
		t[nt] = t[nt - 1];
		for (l = 0; l < NELEM(leads) && !again; l++)
			again = strip_lead(&t[nt], leads[l]);
		if (again)
			nt++;
	} while (again && nt < NELEM(t));

	for (i = 0; i < nt; i++) {
		ns = 0;
		shorter[ns++] = strip_punct(t[i]);
		do {
			again = false;
			shorter[ns] = shorter[ns - 1];
			for (l = 0; l < NELEM(tails) && !again; l++)
				again = strip_tail(&shorter[ns], tails[l]);
			if (again)
				ns++;
		} while (again && ns < NELEM(shorter));
		for (k = 0; k < NELEM(phrases); k++) {
			u->intent = phrases[k].intent;
			u->score = 100;
			if (btext_takes_rest(phrases[k].pattern)) {
				if (!btext_match(phrases[k].pattern, t[i],
				    &u->m))
					continue;
				if (u->intent == B_RUN && !take_command(u,
				    t[i], phrases[k].pattern, i > 0))
					continue;
				return true;
			}
			if (t[i].n > SHORT_MAX)
				continue;
			for (l = 0; l < ns; l++)
				if (btext_match(phrases[k].pattern, shorter[l],
				    &u->m))
					return true;
		}
	}
	u->intent = B_UNKNOWN;
	u->score = 0;
	memset(&u->m, 0, sizeof(u->m));
	return false;
}

/* Is s one of the blank-separated words of list?  With weights ("word:40")
 * *weight is that of the word. */
static bool
in_list(const char *list, struct str s, int *weight)
{
	const char	*p = list, *end, *colon;
	int		 w;

	while (*p != '\0') {
		while (*p == ' ')
			p++;
		for (end = p; *end != '\0' && *end != ' '; end++)
			;
		w = 0;
		for (colon = end; colon > p && ascii_isdigit(colon[-1]);
		    colon--)
			;
		if (colon > p && colon < end && colon[-1] == ':') {
			const char *d;

			for (d = colon; d < end; d++)
				w = w * 10 + (*d - '0');
			colon--;
		} else
			colon = end;
		if ((size_t)(colon - p) == s.n && memcmp(p, s.p, s.n) == 0) {
			if (weight != NULL)
				*weight = w;
			return true;
		}
		p = end;
	}
	return false;
}

static bool
is_soft(struct str s)
{
	size_t	 i;

	for (i = 0; i < NELEM(soft); i++)
		if (in_list(soft[i], s, NULL))
			return true;
	return false;
}

static bool
is_key(struct str s)
{
	size_t	 i;

	for (i = 0; i < NELEM(keys); i++)
		if (in_list(keys[i].words, s, NULL))
			return true;
	return false;
}

static void
token_add(struct token *t, size_t *n, const char *s, size_t len, bool cjk)
{
	if (*n >= TOKENS_MAX || len == 0 || len >= TOKEN_BYTES) {
		if (*n < TOKENS_MAX && len > 0) {
			t[*n].n = 0;	/* too long to be known */
			t[*n].cjk = false;
			(*n)++;
		}
		return;
	}
	memcpy(t[*n].s, s, len);
	t[*n].s[len] = '\0';
	t[*n].n = len;
	t[*n].cjk = cjk;
	(*n)++;
}

/* Cuts a run of CJK text into the longest words that the tables know. */
static void
tokenise_cjk(const char *run, size_t len, struct token *t, size_t *n)
{
	size_t		 end[CJK_WORD] = { 0 }, k, best, at = 0;
	struct str	 rest;

	while (at < len) {
		rest.p = run + at;
		rest.n = len - at;
		for (k = 0; k < CJK_WORD && rest.n > 0; k++) {
			btext_next(&rest);
			end[k] = len - rest.n;
		}
		for (best = k; best > 1; best--) {
			struct str w = { run + at, end[best - 1] - at };

			if (is_key(w) || is_soft(w))
				break;
		}
		token_add(t, n, run + at, end[best - 1] - at, true);
		at = end[best - 1];
	}
}

static size_t
tokenise(struct str text, struct token *t)
{
	char		 run[SHORT_MAX * 2];
	char		 enc[4];
	size_t		 n = 0, len = 0, e;
	uint32_t	 cp;
	int		 kind, now = 0;	/* 0 none, 1 latin, 2 cjk */

	for (;;) {
		cp = btext_next(&text);
		if (cp == 0)
			kind = 0;
		else if (btext_iscjk(cp))
			kind = 2;
		else if (cp >= 0x80 || ascii_isalnum((int)cp) || cp == '\'' ||
		    cp == '-')
			kind = 1;
		else
			kind = 0;
		if (kind != now || len + 4 >= sizeof(run)) {
			if (now == 2)
				tokenise_cjk(run, len, t, &n);
			else if (now == 1)
				token_add(t, &n, run, len, false);
			len = 0;
			now = kind;
		}
		if (cp == 0 || n >= TOKENS_MAX)
			break;
		if (kind != 0) {
			e = utf8_encode(cp, enc);
			memcpy(run + len, enc, e);
			len += e;
		}
	}
	return n;
}

/* Weight of this token for one intent, slips allowed; 0 when it has none. */
static int
key_weight(const char *words, const struct token *t, bool fuzzy)
{
	struct str	 s = { t->s, t->n }, w;
	const char	*p, *end;
	int		 weight, max, d, best = 0, cost;

	if (t->n == 0)
		return 0;
	if (in_list(words, s, &weight))
		return weight;
	if (!fuzzy || t->cjk || t->n < N_FUZZY1_LEN)
		return 0;
	max = t->n >= N_FUZZY2_LEN ? 2 : 1;
	for (p = words; *p != '\0'; p = end) {
		while (*p == ' ')
			p++;
		for (end = p; *end != '\0' && *end != ' ' && *end != ':';
		    end++)
			;
		w.p = p;
		w.n = (size_t)(end - p);
		if (w.n >= N_FUZZY1_LEN &&
		    (d = btext_distance(s, w, max)) <= max &&
		    in_list(words, w, &weight)) {
			cost = weight - weight * N_FUZZY_COST * d / 100;
			if (cost > best)
				best = cost;
		}
		while (*end != '\0' && *end != ' ')
			end++;
	}
	return best;
}

static void
score_keys(struct str text, struct understanding *u)
{
	struct token	 t[TOKENS_MAX];
	int		 score[B_MAX];
	bool		 known[TOKENS_MAX], issoft[TOKENS_MAX];
	size_t		 i, k, n, hits, misses;
	int		 w, sum, best;
	enum bintent	 at;

	if (text.n > SHORT_MAX)
		return;
	memset(score, 0, sizeof(score));
	n = tokenise(text, t);
	for (i = 0; i < n; i++) {
		struct str s = { t[i].s, t[i].n };

		issoft[i] = t[i].n > 0 && is_soft(s);
		known[i] = t[i].n > 0 && is_key(s);
	}
	for (k = 0; k < NELEM(keys); k++) {
		sum = 0;
		hits = 0;
		misses = 0;
		for (i = 0; i < n; i++) {
			w = key_weight(keys[k].words, &t[i],
			    !known[i] && !issoft[i]);
			if (w > 0) {
				sum += w;
				hits++;
			} else if (!issoft[i])
				misses += 2;
		}
		if (hits == 0)
			continue;
		hits *= 2;
		if (sum > 100)
			sum = 100;
		sum = (int)((size_t)sum * hits * hits /
		    ((hits + misses) * (hits + misses)));
		if (sum > score[keys[k].intent])
			score[keys[k].intent] = sum;
	}
	u->nchoice = 0;
	while (u->nchoice < BCHOICES && u->nchoice < N_CHOICES) {
		best = 0;
		at = B_UNKNOWN;
		for (i = 1; i < B_MAX; i++)
			if (score[i] > best) {
				best = score[i];
				at = (enum bintent)i;
			}
		if (best < N_MAYBE)
			break;
		if (u->nchoice == 0)
			u->score = best;
		/* Sure, and nothing else comes near. */
		else if (u->score >= N_SURE && best + 5 < u->score)
			break;
		u->choice[u->nchoice++] = at;
		score[at] = 0;
	}
	if (u->nchoice == 1 && u->score >= N_SURE) {
		u->intent = u->choice[0];
		u->nchoice = 0;
	}
}

void
builtin_understand(struct str text, struct understanding *u)
{
	memset(u, 0, sizeof(*u));
	text = str_trim(text);
	u->zh = btext_hascjk(text);
	if (text.n == 0 || match_phrases(text, u))
		return;
	score_keys(text, u);
}

static bool
one_of(struct str text, const char *const *words)
{
	struct btext_match	 m;

	text = strip_punct(str_trim(text));
	for (; *words != NULL; words++)
		if (text.n <= 64 && btext_match(*words, text, &m))
			return true;
	return false;
}

enum banswer
builtin_yesno(struct str text)
{
	static const char *const yes[] = {
		"(yes|y|yeah|yep|yup|sure|ok|okay|correct|right|please|fine|affirmative|absolutely|definitely|of course|go|go ahead|do it|go for it|confirm|confirmed|proceed|overwrite|replace it|run it|sounds good) [please|do it|go ahead|overwrite|overwrite it|run it|do|sure|thanks|thank you]",
		"(是|是的|对|对的|好|好的|可以|行|嗯|确认|确定|当然|同意|覆盖|执行|运行|没问题|没错|要|来吧|嗯嗯|好啊|好吧|可以的) [吧|的|啊|覆盖|执行|运行|谢谢]",
		NULL };
	static const char *const no[] = {
		"(no|n|nope|nah|cancel|stop|abort|never mind|nevermind|don't|do not|dont|keep it|leave it|forget it|negative|not now|no way) [thanks|thank you|please|do not|don't|cancel|stop|keep it|do it]",
		"(不|不要|不用|不行|不是|否|取消|算了|别|停|停止|不可以|不必|别覆盖|不覆盖|不执行|不了|不好|先不要) [了|谢谢|吧|啦]",
		NULL };

	if (one_of(text, yes))
		return ANSWER_YES;
	if (one_of(text, no))
		return ANSWER_NO;
	return ANSWER_NONE;
}

int
builtin_ordinal(struct str text)
{
	static const char *const forms[] = {
		"[the|number|option|第] (1|one|first|一) [one|个|项|th|st]",
		"[the|number|option|第] (2|two|second|二|两) [one|个|项|nd]",
		"[the|number|option|第] (3|three|third|三) [one|个|项|rd]",
		"[the|number|option|第] (4|four|fourth|四) [one|个|项|th]",
		"[the|number|option|第] (5|five|fifth|五) [one|个|项|th]",
		"[the|number|option|第] (6|six|sixth|六) [one|个|项|th]",
		"[the|number|option|第] (7|seven|seventh|七) [one|个|项|th]",
		"[the|number|option|第] (8|eight|eighth|八) [one|个|项|th]",
		"[the|number|option|第] (9|nine|ninth|九) [one|个|项|th]",
	};
	struct btext_match	 m;
	size_t			 i;

	text = strip_punct(str_trim(text));
	if (text.n == 0 || text.n > 40)
		return 0;
	for (i = 0; i < NELEM(forms); i++)
		if (btext_match(forms[i], text, &m))
			return (int)i + 1;
	return 0;
}
