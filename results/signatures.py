"""Ed25519 signatures (RFC 8032), checked through the `cryptography` package.

A signature says that the holder of a key signed these bytes. Whose key it is must be learnt another way.
"""

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PREFIX = "pij1:"
"""Before a public key as text."""
ALGORITHM = "ed25519"


def objection(algorithm: str, public_key: str, signature: str, signed: bytes) -> tuple[str, str] | None:
    """(found, allowed) if a signature does not hold for some bytes; None if it does.

    Args:
        algorithm: as it is named beside the signature.
        public_key: as text, see `public_text`.
        signature: in base64.
        signed: every byte that was signed, its context included.
    """
    if algorithm != ALGORITHM:
        return algorithm[:40], ALGORITHM
    try:
        read_public(public_key).verify(base64.b64decode(signature, validate=True), signed)
    except (ValueError, binascii.Error) as error:
        return str(error)[:100], "a public key and a signature in base64"
    except InvalidSignature:
        return "a signature that does not hold for this manifest", "the signature of these very bytes"
    return None


def read_public(text: str) -> Ed25519PublicKey:
    """A public key from its text.

    Raises:
        ValueError: it is none.
    """
    if not text.startswith(PREFIX):
        raise ValueError(f"no public key (it begins with {PREFIX})")
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(text.removeprefix(PREFIX), validate=True))


def public_text(key: Ed25519PublicKey) -> str:
    """A public key as text."""
    return PREFIX + base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
