/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "common/tls_roots.h"

#define ROOTS_MAX	4096
#define FILE_MAX	(16u << 20)

struct root {
	size_t		 pos, len;	/* of its PEM block */
	unsigned long	 hash;		/* of its subject */
	bool		 loaded;
};

struct tls_roots {
	const char	*p;
	size_t		 n;
	bool		 mapped;
	bool		 hashed;
	struct root	*v;
	size_t		 count;
};

static const char *const system_files[] = {
	"/etc/ssl/certs/ca-certificates.crt",	/* Debian, Alpine, Arch */
	"/etc/pki/tls/certs/ca-bundle.crt",	/* Fedora */
	"/etc/ssl/ca-bundle.pem",		/* SUSE */
	"/etc/ssl/cert.pem",
};

static int	store_index = -1;

static X509 *
root_decode(const struct tls_roots *r, const struct root *root)
{
	X509	*x;
	BIO	*bio;

	if ((bio = BIO_new_mem_buf(r->p + root->pos, (int)root->len)) == NULL)
		return NULL;
	x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	ERR_clear_error();
	return x;
}

/* Where the blocks are; decoded is nothing yet. */
static int
roots_index(struct tls_roots *r, char *why, size_t size)
{
	static const char	 begin[] = "-----BEGIN CERTIFICATE-----";
	static const char	 end[] = "-----END CERTIFICATE-----";
	const char		*b, *e, *p = r->p, *last = r->p + r->n;
	struct root		*v;
	X509			*x;

	while ((b = memmem(p, (size_t)(last - p), begin,
	    sizeof(begin) - 1)) != NULL) {
		e = memmem(b, (size_t)(last - b), end, sizeof(end) - 1);
		if (e == NULL || r->count == ROOTS_MAX)
			break;
		e += sizeof(end) - 1;
		if (r->count % 64 == 0) {
			v = reallocarray(r->v, r->count + 64, sizeof(*v));
			if (v == NULL) {
				(void)snprintf(why, size, "out of memory");
				return -1;
			}
			r->v = v;
		}
		r->v[r->count++] = (struct root){ (size_t)(b - r->p),
		    (size_t)(e - b), 0, false };
		p = e;
	}
	if (r->count == 0) {
		(void)snprintf(why, size, "no certificate in it");
		return -1;
	}
	/* A file of something else is better found at the start. */
	if ((x = root_decode(r, &r->v[0])) == NULL) {
		(void)snprintf(why, size, "first certificate is malformed");
		return -1;
	}
	X509_free(x);
	return 0;
}

void
tls_roots_free(struct tls_roots *r)
{
	if (r == NULL)
		return;
	if (r->mapped)
		munmap((void *)(uintptr_t)r->p, r->n);
	else
		free((void *)(uintptr_t)r->p);
	free(r->v);
	free(r);
}

static int
roots_map(struct tls_roots *r, const char *file)
{
	struct stat	 st;
	void		*p = MAP_FAILED;
	int		 fd;

	if ((fd = open(file, O_RDONLY | O_CLOEXEC)) == -1)
		return -1;
	if (fstat(fd, &st) == 0) {
		if (!S_ISREG(st.st_mode) || st.st_size <= 0 ||
		    st.st_size > FILE_MAX)
			errno = EINVAL;
		else
			p = mmap(NULL, (size_t)st.st_size, PROT_READ,
			    MAP_PRIVATE, fd, 0);
	}
	close(fd);
	if (p == MAP_FAILED)
		return -1;
	r->p = p;
	r->n = (size_t)st.st_size;
	r->mapped = true;
	return 0;
}

struct tls_roots *
tls_roots_open(const char *file, char *why, size_t size)
{
	struct tls_roots	*r;
	char			 text[128];
	size_t			 i;
	int			 ok = -1;

	if ((r = calloc(1, sizeof(*r))) == NULL) {
		(void)snprintf(why, size, "out of memory");
		return NULL;
	}
	if (file != NULL)
		ok = roots_map(r, file);
	else
		for (i = 0; i < sizeof(system_files) /
		    sizeof(system_files[0]) && ok == -1; i++)
			ok = roots_map(r, file = system_files[i]);
	if (ok == -1)
		(void)snprintf(why, size, "%s: %s", file, strerror(errno));
	else if ((ok = roots_index(r, text, sizeof(text))) == -1)
		(void)snprintf(why, size, "%s: %s", file, text);
	if (ok == -1) {
		tls_roots_free(r);
		return NULL;
	}
	return r;
}

struct tls_roots *
tls_roots_copy(struct str pem, char *why, size_t size)
{
	struct tls_roots	*r;

	if ((r = calloc(1, sizeof(*r))) == NULL || pem.n > FILE_MAX ||
	    (r->p = str_dup(pem)) == NULL) {
		(void)snprintf(why, size, "out of memory");
		free(r);
		return NULL;
	}
	r->n = pem.n;
	if (roots_index(r, why, size) == -1) {
		tls_roots_free(r);
		return NULL;
	}
	return r;
}

/* Puts the roots with this subject into the store. */
static void
roots_load(X509_STORE *store, const X509_NAME *name)
{
	struct tls_roots	*r;
	unsigned long		 hash;
	X509			*x;
	size_t			 i;
	int			 ok;

	if ((r = X509_STORE_get_ex_data(store, store_index)) == NULL)
		return;
	if (!r->hashed) {
		for (i = 0; i < r->count; i++) {
			if ((x = root_decode(r, &r->v[i])) == NULL) {
				r->v[i].loaded = true;
				continue;
			}
			r->v[i].hash = X509_NAME_hash_ex(
			    X509_get_subject_name(x), NULL, NULL, &ok);
			X509_free(x);
		}
		r->hashed = true;
	}
	hash = X509_NAME_hash_ex(name, NULL, NULL, &ok);
	for (i = 0; i < r->count; i++) {
		if (r->v[i].loaded || r->v[i].hash != hash)
			continue;
		if ((x = root_decode(r, &r->v[i])) == NULL)
			continue;
		if (X509_STORE_add_cert(store, x) == 1)
			r->v[i].loaded = true;
		X509_free(x);
	}
	ERR_clear_error();
}

static int
get_issuer_cb(X509 **issuer, X509_STORE_CTX *ctx, X509 *x)
{
	roots_load(X509_STORE_CTX_get0_store(ctx), X509_get_issuer_name(x));
	return X509_STORE_CTX_get1_issuer(issuer, ctx, x);
}

static STACK_OF(X509) *
lookup_certs_cb(X509_STORE_CTX *ctx, const X509_NAME *name)
{
	roots_load(X509_STORE_CTX_get0_store(ctx), name);
	return X509_STORE_CTX_get1_certs(ctx, name);
}

int
tls_roots_attach(struct tls_roots *r, X509_STORE *store)
{
	if (store_index == -1 && (store_index = X509_STORE_get_ex_new_index(0,
	    NULL, NULL, NULL, NULL)) == -1)
		return -1;
	if (X509_STORE_set_ex_data(store, store_index, r) != 1)
		return -1;
	X509_STORE_set_get_issuer(store, get_issuer_cb);
	X509_STORE_set_lookup_certs(store, lookup_certs_cb);
	return 0;
}
