/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Throw-away certificates for tests: a root, a server's under it (names
 * gw.example, *.wild.example, 127.0.0.1, ::1), an expired one, another root. */
#ifndef TESTS_UNIT_TEST_CERTS_H
#define TESTS_UNIT_TEST_CERTS_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/text.h"

struct test_certs {
	struct str	leaf, leaf_key, expired, root, other_root, other_key;
	struct str	bundle;		/* other_root and root */
};

static struct str
test_cert_text(BIO *bio)
{
	struct str	 s;
	char		*p;
	long		 n = BIO_get_mem_data(bio, &p);

	s = (struct str){ p, (size_t)n };
	s.p = str_dup(s);
	BIO_free(bio);
	return s;
}

static struct str
test_cert_pem(X509 *x)
{
	BIO	*bio = BIO_new(BIO_s_mem());

	PEM_write_bio_X509(bio, x);
	return test_cert_text(bio);
}

static struct str
test_key_pem(EVP_PKEY *key)
{
	BIO	*bio = BIO_new(BIO_s_mem());

	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	return test_cert_text(bio);
}

static X509 *
test_cert_new(const char *name, EVP_PKEY *key, X509 *issuer,
    EVP_PKEY *issuer_key, long from, long to, const char *san)
{
	static long	 serial = 1;
	X509_EXTENSION	*ext;
	X509V3_CTX	 ctx;
	X509		*x = X509_new();

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
	X509_gmtime_adj(X509_getm_notBefore(x), from);
	X509_gmtime_adj(X509_getm_notAfter(x), to);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN",
	    MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(issuer == NULL ? x :
	    issuer));
	X509_set_pubkey(x, key);
	X509V3_set_ctx(&ctx, issuer == NULL ? x : issuer, x, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_basic_constraints,
	    issuer == NULL ? "critical,CA:TRUE" : "CA:FALSE");
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	if (san != NULL) {
		ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name,
		    san);
		X509_add_ext(x, ext, -1);
		X509_EXTENSION_free(ext);
	}
	X509_sign(x, issuer_key, EVP_sha256());
	return x;
}

static int
test_certs_make(struct test_certs *c)
{
	static const char san[] = "DNS:gw.example,DNS:*.wild.example,"
	    "IP:127.0.0.1,IP:::1";
	EVP_PKEY	*ca = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
	EVP_PKEY	*key = EVP_EC_gen("P-256");
	X509		*root, *oroot, *leaf, *old;
	char		*p;

	root = test_cert_new("Test Root", ca, NULL, ca, -3600, 3600, NULL);
	oroot = test_cert_new("Other Root", other, NULL, other, -3600, 3600,
	    "DNS:gw.example");
	leaf = test_cert_new("gw", key, root, ca, -3600, 3600, san);
	old = test_cert_new("old", key, root, ca, -7200, -3600, san);
	c->root = test_cert_pem(root);
	c->other_root = test_cert_pem(oroot);
	c->other_key = test_key_pem(other);
	c->leaf = test_cert_pem(leaf);
	c->leaf_key = test_key_pem(key);
	c->expired = test_cert_pem(old);
	if (asprintf(&p, "# roots\n%s\n%s", c->other_root.p, c->root.p) == -1)
		return -1;
	c->bundle = str_of(p);
	X509_free(root);
	X509_free(oroot);
	X509_free(leaf);
	X509_free(old);
	EVP_PKEY_free(ca);
	EVP_PKEY_free(other);
	EVP_PKEY_free(key);
	return 0;
}

static void
test_certs_clear(struct test_certs *c)
{
	struct str	*all[] = { &c->leaf, &c->leaf_key, &c->expired,
	    &c->root, &c->other_root, &c->other_key, &c->bundle };
	size_t		 i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free((void *)(uintptr_t)all[i]->p);
}

#endif
