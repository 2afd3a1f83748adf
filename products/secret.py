"""Secrets of a product, and their removal from whatever is kept.

A product that is given a secret may print it anywhere. So every line is looked through before it is kept, and every
record again before it is written: the secret's own bytes, and the forms in which programs usually print them
(base64 at any offset, hexadecimal, percent-encoded, escaped for JSON or HTML) become `[secret ID]`. What is
compressed, encrypted or cut into pieces is not recognised.
"""

import base64
import html
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, quote_plus

from pydantic import BaseModel

from products.manifest import Arm, Product, Source
from results.errors import ContentError, Problem

GENERATED = "generated"
"""Id of the shared secret that pij draws for a webhook."""
SHORTEST = 8
"""Characters: a shorter secret would be taken for ordinary text, and found in it."""
LARGEST = 64 * 1024
REFERENCE = re.compile(r"\$\{secret:([a-z0-9_]+)\}")
Model = TypeVar("Model", bound=BaseModel)


class Secrets:
    """Secrets by id. Never shown by a traceback, a debugger or a serialiser by accident."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        """Keep the values."""
        self._values = dict(values or {})

    def __repr__(self) -> str:
        """Ids only."""
        return f"Secrets({', '.join(sorted(self._values))})"

    def __getitem__(self, name: str) -> str:
        """One secret's value."""
        return self._values[name]

    def __contains__(self, name: str) -> bool:
        """Whether there is one of that id."""
        return name in self._values

    def fill(self, text: str) -> str:
        """Put the values in the place of `${secret:ID}`."""
        return REFERENCE.sub(lambda match: self._values.get(match.group(1), match.group(0)), text)

    def drawn_for(self, product: Product, arm: Arm) -> "Secrets":
        """The same, with a new shared secret if the product has a webhook that asks for one."""
        if not any(source.webhook and source.webhook.secret == GENERATED for source in _sources(product, arm)):
            return self
        return Secrets({**self._values, GENERATED: secrets.token_hex(24)})

    def redactor(self) -> "Redactor":
        """What takes these secrets out of text."""
        return Redactor(self._values)


class Redactor:
    """Takes secrets out of text, bytes and records."""

    def __init__(self, values: Mapping[str, str]) -> None:
        """Recognise the usual forms of these values."""
        forms = {form: name for name, value in values.items() for form in _forms(value)}
        self._names = {form: f"[secret {name}]".encode() for form, name in forms.items()}
        longest_first = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(re.escape(form) for form in longest_first)) if forms else None

    def line(self, data: bytes) -> bytes:
        """Bytes without the secrets."""
        if self._pattern is None:
            return data
        return self._pattern.sub(lambda match: self._names[match.group(0)], data)

    def text(self, text: str) -> str:
        """Text without the secrets."""
        if self._pattern is None:
            return text
        return self.line(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def record(self, record: Model) -> Model:
        """A record without the secrets."""
        if self._pattern is None:
            return record
        plain = record.model_dump_json()
        clean = self.text(plain)
        return record if clean == plain else type(record).model_validate_json(clean)


def find_secrets(product: Product, files: Mapping[str, Path]) -> tuple[Secrets, tuple[str, ...]]:
    """The secrets that a product needs: (those that were given, what is missing, in words).

    Args:
        product: what needs them.
        files: secret id -> file that the user named; what is not there is looked for in `PIJ_SECRET_<ID>`.

    Raises:
        ContentError: a file can't be read, or a value can't be a secret.
    """
    found: dict[str, str] = {}
    missing = []
    for secret in product.secrets:
        variable = variable_of(secret.id)
        value = _read(secret.id, files[secret.id]) if secret.id in files else os.environ.get(variable)
        if value is None:
            missing.append(f"secret {secret.id}: {secret.what.en} (give it as {variable} or --secret {secret.id}=FILE)")
            continue
        complaint = _complaint(value)
        if complaint:
            where = str(files.get(secret.id, variable))
            raise ContentError([_problem(where, secret.id, complaint)])
        found[secret.id] = value
    return Secrets(found), tuple(missing)


def variable_of(secret: str) -> str:
    """The environment variable that a secret is looked for in."""
    return f"PIJ_SECRET_{secret.upper()}"


def _sources(product: Product, arm: Arm) -> Iterator[Source]:
    yield from product.alerts if arm.alerts is None else arm.alerts
    yield from product.telemetry if arm.telemetry is None else arm.telemetry


def _read(name: str, path: Path) -> str:
    try:
        data = path.read_bytes()
        return data[: LARGEST + 1].decode().strip("\r\n")
    except OSError as error:
        raise ContentError([_problem(str(path), name, error.strerror or "can't be read")]) from error
    except UnicodeDecodeError as error:
        raise ContentError([_problem(str(path), name, "bytes that are no text")]) from error


def _complaint(value: str) -> str | None:
    """What is wrong with a value; never the value itself."""
    if "\0" in value:
        return "a zero byte"
    if not SHORTEST <= len(value) <= LARGEST:
        return f"{len(value)} characters"
    return None


def _problem(where: str, name: str, found: str) -> Problem:
    return Problem(
        path=where, line=None, field=f"secret {name}", found=found,
        allowed=f"UTF-8 text of {SHORTEST} to {LARGEST} characters", mend="Give the secret's value, and nothing else.",
    )  # fmt: skip


def _forms(value: str) -> set[bytes]:
    """The forms in which a value may be met."""
    raw = value.encode()
    percent = {quote(value), quote(value, safe=""), quote_plus(value), quote(value, safe="~()*!.'")}
    percent |= {re.sub("%[0-9A-F]{2}", lambda match: match.group(0).lower(), text) for text in percent}
    escaped = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], html.escape(value)}
    escaped |= {text.replace("/", "\\/") for text in escaped}
    escaped |= {json.dumps(text)[1:-1] for text in escaped}  # JSON in JSON, as when a message is logged as a field
    written = {text.encode() for text in (*percent, *escaped)}
    return {raw, raw.hex().encode(), raw.hex().upper().encode(), *written, *_base64_forms(raw)}


def _base64_forms(raw: bytes) -> Iterator[bytes]:
    """The characters that only these bytes decide, for each place in which they may stand in a longer text."""
    for before in range(3):
        first = -(-before * 8 // 6)
        last = (before + len(raw)) * 8 // 6
        for encoded in (base64.b64encode(bytes(before) + raw), base64.urlsafe_b64encode(bytes(before) + raw)):
            yield encoded[first:last]
