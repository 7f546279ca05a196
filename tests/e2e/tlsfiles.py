# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""A certificate authority for tests, and servers' contexts made from it."""
import datetime
import ipaddress
import os
import ssl
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    def __init__(self, key, cert):
        self.key, self.cert = key, cert
        self.pem = cert.public_bytes(serialization.Encoding.PEM)


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _cert(subject, key, issuer, issuer_key, *extensions):
    now = datetime.datetime.utcnow()
    b = x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(
        issuer).public_key(key.public_key()).serial_number(
        x509.random_serial_number()).not_valid_before(
        now - datetime.timedelta(days=1)).not_valid_after(
        now + datetime.timedelta(days=30))
    for e, critical in extensions:
        b = b.add_extension(e, critical)
    return b.sign(issuer_key, hashes.SHA256())


def make_ca(name="Test authority"):
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(key, _cert(
        name, key, _name(name), key,
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
         False)))


def _alt(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def server_files(ca, *names):
    """(certificate chain, key) as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    cert = _cert(names[0], key, ca.cert.subject, ca.key,
                 (x509.BasicConstraints(ca=False, path_length=None), True),
                 (x509.SubjectAlternativeName([_alt(n) for n in names]),
                  False))
    return (cert.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(serialization.Encoding.PEM,
                              serialization.PrivateFormat.PKCS8,
                              serialization.NoEncryption()))


def server_context(ca, *names):
    cert, key = server_files(ca, *names)
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    fd, path = tempfile.mkstemp()
    try:
        os.write(fd, cert + key)
        os.close(fd)
        ctx.load_cert_chain(path)
    finally:
        os.unlink(path)
    return ctx
