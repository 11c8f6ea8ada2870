"""A throw-away certificate authority and one server certificate for the broker's host names."""

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from exchange.hosts import CERTIFIED_HOSTS
from exchange.state import write_file

VALID = timedelta(days=90)
RENEW = timedelta(days=7)
CLOCK_SLACK = timedelta(days=1)


def ensure_certificates(directory: Path, hosts: Sequence[str] = CERTIFIED_HOSTS) -> None:
    """Make ca.pem, server.pem and server.key in `directory`, unless those there name all hosts and are good for a week.

    The authority's own key is never stored: nobody can sign with it later.
    """
    server = directory / "server.pem"
    if server.exists() and (directory / "ca.pem").exists() and (directory / "server.key").exists():
        certificate = x509.load_pem_x509_certificate(server.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        is_whole = set(hosts) <= set(names.get_values_for_type(x509.DNSName))
        if is_whole and certificate.not_valid_after_utc - datetime.now(UTC) > RENEW:
            return
    authority_key, key = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    authority = _sign_authority(authority_key, hosts)
    certificate = _sign_server(key, authority, authority_key, hosts)
    write_file(directory / "server.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    write_file(server, certificate.public_bytes(Encoding.PEM), mode=0o644)
    write_file(directory / "ca.pem", authority.public_bytes(Encoding.PEM), mode=0o644)


def server_context(directory: Path) -> ssl.SSLContext:
    """TLS for the listener, from the files of `ensure_certificates`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(directory / "server.pem", directory / "server.key")
    return context


def _builder(subject: x509.Name, issuer: x509.Name) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - CLOCK_SLACK).not_valid_after(now + VALID)


def _sign_authority(key: EllipticCurvePrivateKey, hosts: Sequence[str]) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Alpha Harvester local exchange, throw-away authority")])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = _builder(name, name).public_key(key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    names = x509.NameConstraints([x509.DNSName(host) for host in hosts], None)
    return builder.add_extension(names, critical=True).sign(key, SHA256())


def _sign_server(
    key: EllipticCurvePrivateKey,
    authority: x509.Certificate,
    authority_key: EllipticCurvePrivateKey,
    hosts: Sequence[str],
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
    builder = _builder(name, authority.subject).public_key(key.public_key())
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
    builder = builder.add_extension(names, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    builder = builder.add_extension(usage, critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    return builder.add_extension(issuer, critical=False).sign(authority_key, SHA256())
