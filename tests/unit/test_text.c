/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Text, numbers, encodings, buffers, parcels: the small parts. */
#include "common/compat.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/dbuf.h"
#include "common/memfd.h"
#include "common/parcel.h"
#include "common/paths.h"
#include "common/text.h"
#include "gatewayd/host/token_file.h"

static void
test_numbers(void **state)
{
	int64_t		 v;
	uint64_t	 u;

	(void)state;
	assert_int_equal(num_parse(STR_LIT("42"), 0, 100, &v), 0);
	assert_int_equal(v, 42);
	assert_int_equal(num_parse(STR_LIT("-7"), -10, 10, &v), 0);
	assert_int_equal(v, -7);
	assert_int_equal(num_parse(STR_LIT("101"), 0, 100, &v), -1);
	assert_int_equal(errno, ERANGE);
	assert_int_equal(num_parse(STR_LIT("99999999999999999999"), 0,
	    INT64_MAX, &v), -1);
	assert_int_equal(errno, ERANGE);
	assert_int_equal(num_parse(STR_LIT(""), 0, 1, &v), -1);
	assert_int_equal(num_parse(STR_LIT("-"), -1, 1, &v), -1);
	assert_int_equal(num_parse(STR_LIT("1x"), 0, 9, &v), -1);
	assert_int_equal(num_parse(STR_LIT(" 1"), 0, 9, &v), -1);
	assert_int_equal(num_parse(STR_LIT("+1"), 0, 9, &v), -1);
	assert_int_equal(num_parse_duration_ms(STR_LIT(
	    "18446744073709551615d"), UINT64_MAX, &u), -1);
	assert_int_equal(num_parse_duration_ms(STR_LIT("10m"), UINT64_MAX,
	    &u), 0);
	assert_int_equal(u, 600000);
	assert_int_equal(num_parse_duration_ms(STR_LIT("10 m"), UINT64_MAX,
	    &u), -1);
}

static size_t __attribute__((format(printf, 3, 4)))
fmt_into(char *buf, size_t size, const char *fmt, ...)
{
	va_list	 ap;
	size_t	 n;

	va_start(ap, fmt);
	n = utf8_vfmt(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

/* Wherever it is cut, what is left is a whole prefix of what was meant. */
static void
test_cut_text_stays_text(void **state)
{
	static const char	 all[] = "a\xc3\xbc\xe2\x82\xac"
				    "\xf0\x9f\x98\x80z";
	static const size_t	 whole[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10,
				    11, 11 };
	char			 buf[16];
	size_t			 size, n;

	(void)state;
	for (size = 1; size <= sizeof(whole) / sizeof(whole[0]); size++) {
		n = fmt_into(buf, size, "%s", all);
		assert_int_equal(n, whole[size - 1]);
		assert_int_equal(strlen(buf), n);
		assert_memory_equal(buf, all, n);
		snprintf(buf, size, "%s", all);
		assert_int_equal(utf8_mend(buf), n);
	}
	/* What is no text at all is at least ended. */
	strlcpy(buf, "\xbf\xbf", sizeof(buf));
	assert_int_equal(utf8_mend(buf), 2);
}

static void
test_utf8(void **state)
{
	static const struct { const char *s; bool ok; } t[] = {
		{ "", true }, { "plain ascii that is long", true },
		{ "gr\xc3\xbc\xc3\x9f dich", true },
		{ "\xe4\xbd\xa0\xe5\xa5\xbd", true },
		{ "\xf0\x9f\x98\x80", true },
		{ "\xc0\x80", false }, { "\xc1\xbf", false },
		{ "\xe0\x80\x80", false }, { "\xed\xa0\x80", false },
		{ "\xf4\x90\x80\x80", false }, { "\xf8\x88\x80\x80", false },
		{ "\x80", false }, { "abc\xff", false }, { "\xe4\xbd", false },
		{ "eight ok\xf0\x9f\x98", false },
	};
	char		 buf[4];
	uint32_t	 cp, back;
	size_t		 i, n;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_int_equal(utf8_valid(t[i].s, strlen(t[i].s)), t[i].ok);
	for (cp = 0; cp < 0x110000; cp += 37) {
		n = utf8_encode(cp, buf);
		if (cp >= 0xd800 && cp <= 0xdfff) {
			assert_int_equal(n, 0);
			continue;
		}
		assert_int_equal(utf8_decode(buf, n, &back), n);
		assert_int_equal(back, cp);
	}
	assert_int_equal(utf8_cut("a\xc3\xbc", 3, 2), 1);
	assert_int_equal(utf8_cut("a\xc3\xbc", 3, 3), 3);
	assert_int_equal(utf8_count("a\xc3\xbc", 3), 2);
}

static void
test_encodings(void **state)
{
	unsigned char	 raw[300], back[300];
	char		 text[900];
	size_t		 n, i;

	(void)state;
	for (n = 0; n < sizeof(raw); n++) {
		for (i = 0; i < n; i++)
			raw[i] = (unsigned char)(i * 7 + n);
		hex_encode(raw, n, text);
		assert_int_equal(hex_decode(str_of(text), back, 300), n);
		assert_memory_equal(raw, back, n);
		base64_encode(raw, n, text);
		assert_int_equal(strlen(text), BASE64_LEN(n));
		assert_int_equal(base64_decode(str_of(text), back, 300), n);
		assert_memory_equal(raw, back, n);
		base64url_encode(raw, n, text);
		assert_null(strpbrk(text, "+/="));
		assert_int_equal(base64_decode(str_of(text), back, 300), n);
		assert_memory_equal(raw, back, n);
		if (n > 0)
			assert_int_equal(base64_decode(str_of(text), back,
			    n - 1), -1);
	}
	assert_int_equal(base64_decode(STR_LIT("A"), back, 300), -1);
	assert_int_equal(base64_decode(STR_LIT("AB=="), back, 300), -1);
	assert_int_equal(base64_decode(STR_LIT("AA="), back, 300), -1);
	assert_int_equal(base64_decode(STR_LIT("AA=A"), back, 300), -1);
	assert_int_equal(hex_decode(STR_LIT("abc"), back, 300), -1);
	assert_int_equal(hex_decode(STR_LIT("zz"), back, 300), -1);
	iso_time(1769688896789ULL, text);
	assert_string_equal(text, "2026-01-29T12:14:56.789Z");
}

static void
test_dbuf_keeps_its_maximum(void **state)
{
	struct dbuf	 b;
	char		*p;
	size_t		 n;

	(void)state;
	dbuf_init(&b, 10);
	assert_int_equal(dbuf_puts(&b, "12345"), 0);
	assert_int_equal(dbuf_printf(&b, "%d", 67890), 0);
	assert_int_equal(dbuf_putc(&b, 'x'), -1);
	assert_true(dbuf_err(&b));
	assert_null(dbuf_take(&b, &n));
	dbuf_reset(&b);
	assert_int_equal(dbuf_puts(&b, "abc"), 0);
	dbuf_consume(&b, 1);
	assert_string_equal(dbuf_str(&b), "bc");
	p = dbuf_take(&b, &n);
	assert_string_equal(p, "bc");
	assert_int_equal(n, 2);
	free(p);
	dbuf_clear(&b);
	dbuf_init_secret(&b, 1000);
	for (n = 0; n < 1000; n++)
		assert_int_equal(dbuf_putc(&b, 's'), 0);
	dbuf_clear(&b);
}

static void
test_parcels(void **state)
{
	struct parcel_writer	*pw = parcel_writer_new();
	struct parcel		*pc;
	struct str		 key, value, raw;
	char			*copy;
	size_t			 iter = 0, n = 0, i;
	int			 fd;

	(void)state;
	assert_non_null(pw);
	for (i = 0; i < 100; i++)
		parcel_put_num(pw, (int64_t)i, "list.%zu.value", i);
	parcel_puts(pw, "true", "flag");
	parcel_put(pw, (struct str){ "a\0b", 3 }, "bytes");
	raw = parcel_writer_bytes(pw);
	copy = malloc(raw.n);
	memcpy(copy, raw.p, raw.n);
	/* No prefix of a parcel is taken for a parcel with less in it, but at
	 * the border of a record. */
	for (i = 0; i < raw.n; i++)
		if ((pc = parcel_of(copy, i)) != NULL) {
			n++;
			parcel_close(pc);
		}
	assert_int_equal(n, 102);
	copy[8] = (char)0xff;
	assert_null(parcel_of(copy, raw.n));
	free(copy);
	fd = parcel_writer_seal(pw);
	assert_true(fd != -1);
	pc = parcel_open(fd);
	assert_non_null(pc);
	for (i = 0; i < 100; i++)
		assert_int_equal(parcel_get_num(pc, -1, 0, 1000,
		    "list.%zu.value", 99 - i), 99 - i);
	assert_int_equal(parcel_get_num(pc, -1, 0, 10, "list.%d.value", 50),
	    -1);
	assert_true(parcel_get_bool(pc, false, "flag"));
	assert_null(parcel_get(pc, "missing"));
	assert_int_equal(parcel_get_str(pc, "bytes").n, 3);
	for (n = 0; parcel_each(pc, &iter, &key, &value); n++)
		;
	assert_int_equal(n, 102);
	parcel_close(pc);
	/* not sealed: could change under our feet */
	fd = memfd_create("x", MFD_ALLOW_SEALING);
	assert_int_equal(write(fd, "GWPARC01", 8), 8);
	assert_null(parcel_open(fd));
	assert_int_equal(errno, EBADMSG);
}

static void
test_token_file(void **state)
{
	char	 dir[] = "/tmp/gwtok.XXXXXX", path[64], why[256];
	char	 a[TOKEN_FILE_LEN + 1], b[TOKEN_FILE_LEN + 1];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/t", dir);
	assert_int_equal(token_file_load(path, false, a, why, sizeof(why)),
	    -1);
	assert_int_equal(token_file_load(path, true, a, why, sizeof(why)), 0);
	assert_int_equal(strlen(a), TOKEN_FILE_LEN);
	assert_int_equal(token_file_load(path, false, b, why, sizeof(why)), 0);
	assert_string_equal(a, b);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(token_file_load(path, false, b, why, sizeof(why)),
	    -1);
	unlink(path);
	rmdir(dir);
}

static void
test_paths(void **state)
{
	struct paths	 ps;
	char		 why[256];

	(void)state;
	unsetenv("OPENCLAW_STATE_DIR");
	unsetenv("OPENCLAW_CONFIG_PATH");
	unsetenv("OPENCLAW_PROFILE");
	setenv("HOME", "/home/x", 1);
	assert_int_equal(paths_resolve(&ps, NULL, "/a/b/../c//d/.", why,
	    sizeof(why)), 0);
	assert_string_equal(ps.state, "/a/c/d");
	assert_string_equal(ps.config, "/a/c/d/openclaw.json");
	assert_string_equal(ps.control, "/a/c/d/run/control.sock");
	assert_int_equal(paths_resolve(&ps, "~/c.json", "/s", why,
	    sizeof(why)), 0);
	assert_string_equal(ps.config, "/home/x/c.json");
	setenv("OPENCLAW_PROFILE", "work", 1);
	assert_int_equal(paths_resolve(&ps, NULL, NULL, why, sizeof(why)), 0);
	assert_string_equal(ps.state, "/home/x/.openclaw-work");
	setenv("OPENCLAW_PROFILE", "../x", 1);
	assert_int_equal(paths_resolve(&ps, NULL, NULL, why, sizeof(why)),
	    -1);
	unsetenv("OPENCLAW_PROFILE");
	setenv("OPENCLAW_STATE_DIR", PATHS_SERVICE_STATE, 1);
	assert_int_equal(paths_resolve(&ps, NULL, NULL, why, sizeof(why)), 0);
	assert_string_equal(ps.config, PATHS_SERVICE_CONFIG);
	assert_string_equal(ps.run, PATHS_SERVICE_RUN);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_cut_text_stays_text),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_encodings),
		cmocka_unit_test(test_dbuf_keeps_its_maximum),
		cmocka_unit_test(test_parcels),
		cmocka_unit_test(test_token_file),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
