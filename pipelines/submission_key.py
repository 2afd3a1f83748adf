"""Who made a submission: Ed25519 signatures (RFC 8032), through the `cryptography` package.

A signature says that the holder of a key made the archive. Whose key it is must be learnt another way, e.g. by reading
out the public key on the telephone.
"""

import base64
import hashlib
import os
from pathlib import Path

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from results.documents import Definition
from results.errors import ContentError, Problem
from results.signatures import ALGORITHM, PREFIX, objection, public_text, read_public

CONTEXT = b"pij submission 1\n"
"""Signed in front of the manifest, so that the signature is of no use for anything else."""


class Signature(Definition):
    """`submission.sig`."""

    algorithm: str
    public_key: str
    signature: str
    """Base64."""


def default_key() -> Path:
    """Where the vendor's key lies if none is named; `PIJ_KEY` moves it."""
    return Path(os.environ.get("PIJ_KEY") or Path(typer.get_app_dir("pij")) / "vendor.key")


def make_key(path: Path) -> str:
    """Make a key pair: the private key at `path` (mode 0600), the public one beside it as `<path>.pub`.

    Returns:
        The public key as text.

    Raises:
        ContentError: there is a file already; nothing is overwritten.
    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        mend = "Use the key that is there, or name another file: a lost key can't be made again."
        raise _problem(path, "a file", "a file that is not there yet", mend) from None
    except OSError as error:
        raise _problem(path, str(error.strerror), "a file that can be written", "Name another with --to.") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    text = public_text(key.public_key())
    path.with_name(f"{path.name}.pub").write_text(f"{text}\n", "utf-8")
    return text


def sign(path: Path, manifest: bytes) -> Signature:
    """Sign a manifest with the key in a file.

    Raises:
        ContentError: the file holds no Ed25519 key.
    """
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        mend = "Make one: pij product key."
        raise _problem(path, str(error.strerror), "a private key", mend) from None
    except (ValueError, TypeError) as error:
        allowed = "an Ed25519 private key in PEM, without a password"
        raise _problem(path, str(error)[:100], allowed, "Make one: pij product key.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _problem(path, type(key).__name__, "an Ed25519 private key in PEM", "Make one: pij product key.")
    return Signature(
        algorithm=ALGORITHM,
        public_key=public_text(key.public_key()),
        signature=base64.b64encode(key.sign(CONTEXT + manifest)).decode(),
    )


def signature_objection(signature: Signature, manifest: bytes) -> tuple[str, str] | None:
    """(found, allowed) if a signature does not hold for a manifest; None if it does."""
    return objection(signature.algorithm, signature.public_key, signature.signature, CONTEXT + manifest)


def known_key(given: str) -> str:
    """A public key that the user gave: as text, or as a file that holds it.

    Raises:
        ContentError: it is none.
    """
    path = Path(given)
    try:
        text = path.read_text("utf-8").strip() if not given.startswith(PREFIX) else given.strip()
        return public_text(read_public(text))
    except (OSError, ValueError) as error:
        allowed = f"{PREFIX}… as `pij product key` prints it, or a file that holds it"
        raise _problem(path, str(error)[:100], allowed, "Ask the vendor for the public key.") from None


def fingerprint(public: str) -> str:
    """Short enough to be read out: the first 16 hex digits of the SHA-256 of the public key's text."""
    digits = hashlib.sha256(public.encode()).hexdigest()[:16]
    return " ".join(digits[at : at + 4] for at in range(0, 16, 4))


def _problem(path: Path, found: str, allowed: str, mend: str) -> ContentError:
    return ContentError([Problem(path=str(path), line=None, field="key", found=found, allowed=allowed, mend=mend)])
