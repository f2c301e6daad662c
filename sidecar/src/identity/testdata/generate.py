#!/usr/bin/env python3
"""Writes every fixture of this folder anew: keys that nothing trusts.

Needs the `openssl` command 3.x with its legacy provider, and libcrypto.so.3
for what the command cannot do: a PFX without a password (as opposed to an
empty one) and one with several keys.
"""

import base64
import ctypes
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent
OLD = ["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "SHA1"]


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def issue(folder, name, subject, days=36500, bits=2048, issuer=None):
    key, request, certificate = (folder / f"{name}.{part}" for part in ("key", "csr", "crt"))
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}", "-out", key)
    openssl("req", "-new", "-key", key, "-subj", subject, "-out", request)
    by = ["-CA", folder / f"{issuer}.crt", "-CAkey", folder / f"{issuer}.key"] if issuer else ["-signkey", key]
    openssl("x509", "-req", "-in", request, *by, "-days", days, "-out", certificate)


def export(folder, name, *options, certificate="leaf", password="", more=()):
    chain = ["-certfile", more] if more else []
    openssl("pkcs12", "-export", "-inkey", folder / f"{certificate}.key", "-in", folder / f"{certificate}.crt",
            *chain, "-passout", f"pass:{password}", "-out", HERE / name, *options)


class LibCrypto:
    """Just enough of libcrypto to build a PFX by hand."""

    def __init__(self, folder):
        self.folder = folder
        self.c = ctypes.CDLL("libcrypto.so.3")
        self.c.OSSL_PROVIDER_load(None, b"legacy")
        self.c.OSSL_PROVIDER_load(None, b"default")
        for name in ("BIO_new_file", "PEM_read_bio_X509", "PEM_read_bio_PrivateKey", "PKCS12_create",
                     "PKCS12_add_safes", "EVP_sha1", "EVP_sha256"):
            getattr(self.c, name).restype = ctypes.c_void_p

    def read(self, name, reader):
        bio = self.c.BIO_new_file(str(self.folder / name).encode(), b"r")
        return ctypes.c_void_p(reader(ctypes.c_void_p(bio), None, None, None))

    def certificate(self, name):
        return self.read(f"{name}.crt", self.c.PEM_read_bio_X509)

    def key(self, name):
        return self.read(f"{name}.key", self.c.PEM_read_bio_PrivateKey)

    def write(self, pfx, name):
        assert pfx, name
        bio = ctypes.c_void_p(self.c.BIO_new_file(str(HERE / name).encode(), b"w"))
        assert self.c.i2d_PKCS12_bio(bio, pfx) == 1
        self.c.BIO_free(bio)

    def without_password(self, name, method, mac):
        nid = self.c.OBJ_txt2nid(method.encode())
        key_nid = self.c.OBJ_txt2nid(b"PBE-SHA1-3DES")
        pfx = self.c.PKCS12_create(None, None, self.key("leaf"), self.certificate("leaf"), None,
                                   key_nid, nid, 2048, 1 if mac else -1, 0)
        self.write(ctypes.c_void_p(pfx), name)

    def several(self, name, keys, certificates):
        bags, safes = ctypes.c_void_p(), ctypes.c_void_p()
        nid = self.c.OBJ_txt2nid(b"AES-256-CBC")
        for key in keys:
            assert self.c.PKCS12_add_key(ctypes.byref(bags), self.key(key), 0, 2048, nid, b"")
        for certificate in certificates:
            assert self.c.PKCS12_add_cert(ctypes.byref(bags), self.certificate(certificate))
        assert self.c.PKCS12_add_safe(ctypes.byref(safes), bags, -1, 0, None)
        pfx = ctypes.c_void_p(self.c.PKCS12_add_safes(safes, 0))
        sha256 = ctypes.c_void_p(self.c.EVP_sha256())
        assert self.c.PKCS12_set_mac(pfx, b"", 0, None, 0, 2048, sha256)
        self.write(pfx, name)


def write_pfx(folder):
    legacy = ["-legacy"]
    chain = HERE / "ca.crt.pem"
    export(folder, "aes256.pfx")
    export(folder, "aes128-sha1.pfx", "-keypbe", "AES-128-CBC", "-certpbe", "AES-128-CBC", "-macalg", "SHA1")
    export(folder, "3des.pfx", *OLD)
    export(folder, "rc2-40.pfx", *legacy)
    export(folder, "rc2-128.pfx", *legacy, "-keypbe", "PBE-SHA1-2DES", "-certpbe", "PBE-SHA1-RC2-128")
    export(folder, "sha384.pfx", "-macalg", "SHA384")
    export(folder, "sha512.pfx", "-macalg", "SHA512")
    export(folder, "nomac.pfx", "-nomac")
    export(folder, "plain.pfx", "-keypbe", "NONE", "-certpbe", "NONE")
    export(folder, "plain-nomac.pfx", "-keypbe", "NONE", "-certpbe", "NONE", "-nomac")
    export(folder, "chain.pfx", more=chain)
    export(folder, "chain-rc2-40.pfx", *legacy, more=chain)
    export(folder, "password.pfx", password="s3cret-pässwörd")
    export(folder, "password-rc2-40.pfx", *legacy, password="s3cret-pässwörd")
    export(folder, "password-nomac.pfx", "-nomac", *OLD[:4], password="s3cret-pässwörd")
    openssl("pkcs12", "-export", "-nokeys", "-in", folder / "leaf.crt", "-passout", "pass:",
            "-out", HERE / "no-key.pfx")
    openssl("pkcs12", "-export", "-nocerts", "-inkey", folder / "leaf.key", "-passout", "pass:",
            "-out", HERE / "no-certificate.pfx")
    libcrypto = LibCrypto(folder)
    libcrypto.without_password("absent-3des.pfx", "PBE-SHA1-3DES", True)
    libcrypto.without_password("absent-rc2-40.pfx", "PBE-SHA1-RC2-40", True)
    libcrypto.without_password("absent-rc2-40-nomac.pfx", "PBE-SHA1-RC2-40", False)
    libcrypto.several("several.pfx", ["ec", "other", "ca", "leaf"], ["ca", "leaf"])
    libcrypto.several("mismatch.pfx", ["other"], ["leaf"])


def write_pem(folder):
    def text(*names):
        return "".join((folder / name).read_text() for name in names)

    openssl("rsa", "-in", folder / "leaf.key", "-traditional", "-out", folder / "leaf.pkcs1")
    openssl("pkcs8", "-topk8", "-in", folder / "leaf.key", "-passout", "pass:x", "-out", folder / "leaf.locked")
    (HERE / "leaf.key.pem").write_text(text("leaf.key"))
    (HERE / "leaf.pkcs1.pem").write_text(text("leaf.pkcs1"))
    (HERE / "leaf.crt.pem").write_text(text("leaf.crt"))
    (HERE / "leaf.locked.pem").write_text(text("leaf.locked"))
    (HERE / "other.key.pem").write_text(text("other.key"))
    (HERE / "ec.pem").write_text(text("ec.key", "ec.crt"))
    (HERE / "ec.sec1.pem").write_text(text("ec.sec1", "ec.crt"))
    for name in ("rsa3072", "rsa4096", "rsa1024", "expired"):
        (HERE / f"{name}.pem").write_text(text(f"{name}.key", f"{name}.crt"))
    text = base64.encodebytes((HERE / "rc2-40.pfx").read_bytes())
    (HERE / "rc2-40.base64").write_bytes(text)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        issue(folder, "ca", "/O=Example/CN=Test CA")
        issue(folder, "leaf", "/O=Example/CN=prometheus", issuer="ca")
        issue(folder, "other", "/CN=other")
        issue(folder, "rsa3072", "/CN=rsa3072", bits=3072)
        issue(folder, "rsa4096", "/CN=rsa4096", bits=4096)
        issue(folder, "rsa1024", "/CN=rsa1024", bits=1024)
        issue(folder, "expired", "/CN=expired", days=-1)
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", folder / "ec.key")
        openssl("req", "-new", "-x509", "-key", folder / "ec.key", "-subj", "/CN=ec", "-days", 36500,
                "-out", folder / "ec.crt")
        openssl("ec", "-in", folder / "ec.key", "-out", folder / "ec.sec1")
        (HERE / "ca.crt.pem").write_text((folder / "ca.crt").read_text())
        write_pfx(folder)
        write_pem(folder)


main()
