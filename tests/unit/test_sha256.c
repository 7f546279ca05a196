/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "common/text.h"
#include "common/sha256.h"

static void
test_known(void **state)
{
	char	 hex[65];

	(void)state;
	sha256_hex("", 0, hex);
	assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb924"
	    "27ae41e4649b934ca495991b7852b855");
	sha256_hex("abc", 3, hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223"
	    "b00361a396177a9cb410ff61f20015ad");
}

/* Every length around the block borders, in pieces, against OpenSSL. */
static void
test_against_openssl(void **state)
{
	struct sha256	 c;
	uint8_t		 in[300], a[SHA256_LEN], b[SHA256_LEN];
	unsigned int	 len;
	size_t		 n, cut;

	(void)state;
	for (n = 0; n < sizeof(in); n++)
		in[n] = (uint8_t)(n * 7 + 1);
	for (n = 0; n <= sizeof(in); n++) {
		cut = n * 3 / 7;
		sha256_init(&c);
		sha256_update(&c, in, cut);
		sha256_update(&c, in + cut, n - cut);
		sha256_final(&c, a);
		assert_int_equal(EVP_Digest(in, n, b, &len, EVP_sha256(),
		    NULL), 1);
		assert_memory_equal(a, b, sizeof(a));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_against_openssl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
