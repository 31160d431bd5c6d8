"""Who made an archive: an Ed25519 signature of its manifest, which names the digest of everything else.

The signature is the plain one of RFC 8032 over the bytes of ``manifest.json``, 64 bytes in ``manifest.sig``: OpenSSL
makes keys and checks signatures likewise. It is the same for the same key and manifest.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcore.core.digests import digest_bytes
from mlcore.errors import ConfigError, quoted

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE_BYTES = 64
_MOST_KEY_BYTES = 16 * 2**10
_MAKE = (
    "make one with: openssl genpkey -algorithm ed25519 -out key.pem; openssl pkey -in key.pem -pubout -out public.pem"
)


class Signer:
    """A private key.

    Args:
        path: Its file: PEM, without a password.

    Raises:
        ConfigError: It is no such key, or what reads it is not installed.
    """

    def __init__(self, path: Path) -> None:
        from_pem = _library().load_pem_private_key
        self._key: Ed25519PrivateKey = _loaded(path, lambda data: from_pem(data, password=None), "private")

    def sign(self, manifest: bytes) -> bytes:
        """The signature of a manifest."""
        return self._key.sign(manifest)


class TrustedKey:
    """A public key.

    Args:
        path: Its file: PEM.

    Raises:
        ConfigError: It is no such key, or what reads it is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key: Ed25519PublicKey = _loaded(path, _library().load_pem_public_key, "public")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key's 32 bytes."""
        return digest_bytes(self._key.public_bytes_raw())

    def made(self, signature: bytes, manifest: bytes) -> bool:
        """Whether the owner of the private key signed this manifest."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._key.verify(signature, manifest)
        except InvalidSignature:
            return False
        return True


def trusted_keys(paths: Sequence[Path]) -> tuple[TrustedKey, ...]:
    """The public keys of files, and of all ``*.pem`` of folders.

    Raises:
        ConfigError: One is no public key, or there is none at all.
    """
    files = [file for path in paths for file in (sorted(path.glob("*.pem")) if path.is_dir() else [path])]
    if not files:
        raise ConfigError(
            "there is no public key to check signatures by", where=", ".join(map(str, paths)), next_step=_MAKE
        )
    return tuple(TrustedKey(file) for file in files)


def _library() -> Any:
    try:
        from cryptography.hazmat.primitives import serialization
    except ImportError as error:
        raise ConfigError(
            "what signs archives is not installed", next_step="pip install 'mlcore[signing]', or leave keys out"
        ) from error
    return serialization


def _loaded(path: Path, parse: Any, kind: str) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ed25519

    try:
        with path.open("rb") as file:
            key = parse(file.read(_MOST_KEY_BYTES))
    except OSError as error:
        raise ConfigError(
            f"the {kind} key cannot be read: {error.strerror or error}", where=str(path), next_step=_MAKE
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # which quote nothing of the file
        raise ConfigError(
            f"the file is no {kind} key without a password: {quoted(str(error))}", where=str(path), next_step=_MAKE
        ) from error
    if not isinstance(key, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey):
        raise ConfigError(f"the {kind} key is none of Ed25519", where=str(path), next_step=_MAKE)
    return key
