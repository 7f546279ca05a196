/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The OpenSSL side of a stream.  No configuration file is read, no session is
 * kept, nothing is renegotiated; buffers are given back while a connection is
 * idle.
 */

#include "common/compat.h"

#include <errno.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <event2/buffer.h>

#include "common/stream_transport.h"
#include "common/text.h"
#include "common/tls.h"
#include "common/tls_roots.h"

struct tls_config {
	SSL_CTX			*ctx;
	struct tls_roots	*roots;		/* client */
	bool			 server;
};

static const unsigned char alpn[] = { 8, 'h', 't', 't', 'p', '/', '1', '.',
    '1' };

/* The text of the last error, for an operator. */
static void
tls_error(char *why, size_t size, const char *what)
{
	const char	*text = NULL;
	unsigned long	 e;

	if ((e = ERR_peek_last_error()) != 0)
		text = ERR_reason_error_string(e);
	(void)snprintf(why, size, "%s%s%s", what, text != NULL ? ": " : "",
	    text != NULL ? text : "");
	ERR_clear_error();
}

static struct tls_config *
tls_config_new(const SSL_METHOD *method, char *why, size_t size)
{
	struct tls_config	*c;

	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1 ||
	    (c = calloc(1, sizeof(*c))) == NULL) {
		(void)snprintf(why, size, "out of memory");
		return NULL;
	}
	if ((c->ctx = SSL_CTX_new(method)) == NULL ||
	    SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION) != 1) {
		tls_error(why, size, "TLS context");
		tls_config_free(c);
		return NULL;
	}
	SSL_CTX_set_options(c->ctx, SSL_OP_NO_RENEGOTIATION |
	    SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
	    SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_num_tickets(c->ctx, 0);
	SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(c->ctx, SSL_MODE_RELEASE_BUFFERS |
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return c;
}

void
tls_config_free(struct tls_config *c)
{
	if (c == NULL)
		return;
	SSL_CTX_free(c->ctx);
	tls_roots_free(c->roots);
	free(c);
}

static struct tls_config *
tls_client_finish(struct tls_config *c, struct tls_roots *roots, char *why,
    size_t size)
{
	if ((c->roots = roots) == NULL) {
		tls_config_free(c);
		return NULL;
	}
	if (tls_roots_attach(roots, SSL_CTX_get_cert_store(c->ctx)) == -1 ||
	    SSL_CTX_set_alpn_protos(c->ctx, alpn, sizeof(alpn)) != 0) {
		tls_error(why, size, "TLS context");
		tls_config_free(c);
		return NULL;
	}
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
	return c;
}

struct tls_config *
tls_client_new(const char *ca_file, char *why, size_t size)
{
	struct tls_config	*c;

	if ((c = tls_config_new(TLS_client_method(), why, size)) == NULL)
		return NULL;
	return tls_client_finish(c, tls_roots_open(ca_file, why, size), why,
	    size);
}

struct tls_config *
tls_client_new_pem(struct str pem, char *why, size_t size)
{
	struct tls_config	*c;

	if ((c = tls_config_new(TLS_client_method(), why, size)) == NULL)
		return NULL;
	return tls_client_finish(c, tls_roots_copy(pem, why, size), why, size);
}

/* Nobody is at a terminal to type one. */
static int
no_password_cb(char *buf, int size, int rwflag, void *arg)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)arg;
	return -1;
}

static int
alpn_select_cb(SSL *ssl, const unsigned char **out, unsigned char *outlen,
    const unsigned char *in, unsigned int inlen, void *arg)
{
	unsigned char	*sel;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&sel, outlen, alpn, sizeof(alpn), in,
	    inlen) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = sel;
	return SSL_TLSEXT_ERR_OK;
}

static int
server_cert(SSL_CTX *ctx, struct str pem, char *why, size_t size)
{
	X509	*x;
	BIO	*bio;
	int	 n = 0, r = -1;

	if (pem.n > INT32_MAX ||
	    (bio = BIO_new_mem_buf(pem.p, (int)pem.n)) == NULL) {
		(void)snprintf(why, size, "out of memory");
		return -1;
	}
	while ((x = PEM_read_bio_X509(bio, NULL, no_password_cb,
	    NULL)) != NULL) {
		/* The first is ours; the chain takes its reference. */
		if (n++ == 0) {
			r = SSL_CTX_use_certificate(ctx, x) == 1 ? 0 : -1;
			X509_free(x);
		} else if (SSL_CTX_add0_chain_cert(ctx, x) != 1) {
			X509_free(x);
			r = -1;
		}
		if (r == -1)
			break;
	}
	BIO_free(bio);
	if (r == -1)
		tls_error(why, size, "certificate");
	ERR_clear_error();
	return r;
}

static int
server_key(SSL_CTX *ctx, struct str pem, char *why, size_t size)
{
	EVP_PKEY	*key = NULL;
	BIO		*bio = NULL;
	int		 r = -1;

	if (pem.n <= INT32_MAX &&
	    (bio = BIO_new_mem_buf(pem.p, (int)pem.n)) != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_password_cb, NULL);
	if (key == NULL)
		tls_error(why, size, "private key");
	else if (SSL_CTX_use_PrivateKey(ctx, key) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		tls_error(why, size, "private key does not fit certificate");
	else
		r = 0;
	EVP_PKEY_free(key);
	BIO_free(bio);
	return r;
}

struct tls_config *
tls_server_new(struct str cert, struct str key, char *why, size_t size)
{
	struct tls_config	*c;

	if ((c = tls_config_new(TLS_server_method(), why, size)) == NULL)
		return NULL;
	c->server = true;
	if (server_cert(c->ctx, cert, why, size) == -1 ||
	    server_key(c->ctx, key, why, size) == -1) {
		tls_config_free(c);
		return NULL;
	}
	SSL_CTX_set_alpn_select_cb(c->ctx, alpn_select_cb, NULL);
	return c;
}

/* --- transport ----------------------------------------------------------- */

static enum stream_io
tls_result(SSL *ssl, int r, const char *what, char *reason, size_t size)
{
	long	verify;
	int	e = SSL_get_error(ssl, r), saved = errno;

	switch (e) {
	case SSL_ERROR_WANT_READ:
		return STREAM_IO_READ;
	case SSL_ERROR_WANT_WRITE:
		return STREAM_IO_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return STREAM_IO_EOF;
	case SSL_ERROR_SYSCALL:
		ERR_clear_error();
		errno = saved;
		return saved == 0 ? STREAM_IO_TRUNCATED : STREAM_IO_ERROR;
	default:
		break;
	}
	if (ERR_GET_REASON(ERR_peek_error()) ==
	    SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		ERR_clear_error();
		return STREAM_IO_TRUNCATED;
	}
	verify = SSL_get_verify_result(ssl);
	if (verify != X509_V_OK) {
		(void)snprintf(reason, size, "certificate: %s",
		    X509_verify_cert_error_string(verify));
		ERR_clear_error();
	} else {
		tls_error(reason, size, what);
	}
	return STREAM_IO_FAILED;
}

static enum stream_io
tls_handshake(void *ctx, char *reason, size_t size)
{
	int	r;

	ERR_clear_error();
	errno = 0;
	if ((r = SSL_do_handshake(ctx)) == 1)
		return STREAM_IO_OK;
	return tls_result(ctx, r, "handshake", reason, size);
}

static enum stream_io
tls_read(void *ctx, int fd, void *p, size_t size, size_t *n, char *reason,
    size_t reason_size)
{
	(void)fd;
	ERR_clear_error();
	errno = 0;
	if (SSL_read_ex(ctx, p, size, n) == 1)
		return STREAM_IO_OK;
	return tls_result(ctx, 0, "record", reason, reason_size);
}

static enum stream_io
tls_write(void *ctx, int fd, struct evbuffer *out, char *reason,
    size_t reason_size)
{
	struct evbuffer_iovec	iov;
	size_t			n;

	(void)fd;
	if (evbuffer_peek(out, -1, NULL, &iov, 1) < 1)
		return STREAM_IO_OK;
	ERR_clear_error();
	errno = 0;
	if (SSL_write_ex(ctx, iov.iov_base, iov.iov_len, &n) == 1) {
		evbuffer_drain(out, n);
		return STREAM_IO_OK;
	}
	return tls_result(ctx, 0, "record", reason, reason_size);
}

static bool
tls_pending(void *ctx)
{
	return SSL_pending(ctx) > 0;
}

static void
tls_shutdown(void *ctx)
{
	(void)SSL_shutdown(ctx);
	ERR_clear_error();
}

static void
tls_free(void *ctx)
{
	SSL_free(ctx);
}

static const struct stream_transport tls_transport = {
	.handshake = tls_handshake,
	.read = tls_read,
	.write = tls_write,
	.pending = tls_pending,
	.shutdown = tls_shutdown,
	.free = tls_free,
};

/* Whom the certificate must name. */
static int
client_name(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM	*param = SSL_get0_param(ssl);

	X509_VERIFY_PARAM_set_hostflags(param,
	    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
		return 0;	/* an address has no SNI */
	ERR_clear_error();
	if (X509_VERIFY_PARAM_set1_host(param, host, 0) != 1 ||
	    SSL_set_tlsext_host_name(ssl, host) != 1)
		return -1;
	return 0;
}

int
tls_stream_start(struct stream *s, struct tls_config *c, const char *host)
{
	SSL	*ssl;

	if (c->server != (host == NULL) || (host != NULL && *host == '\0')) {
		errno = EINVAL;
		return -1;
	}
	if ((ssl = SSL_new(c->ctx)) == NULL)
		goto fail;
	if (SSL_set_fd(ssl, stream_fd(s)) != 1)
		goto fail;
	if (c->server)
		SSL_set_accept_state(ssl);
	else {
		if (client_name(ssl, host) == -1)
			goto fail;
		SSL_set_connect_state(ssl);
	}
	stream_set_transport(s, &tls_transport, ssl);
	return 0;
fail:
	SSL_free(ssl);
	ERR_clear_error();
	errno = ENOMEM;
	return -1;
}
