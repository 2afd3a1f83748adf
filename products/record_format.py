"""The closed sets that say how a source's records are read; shared by manifests and ready-made mappings."""

from enum import StrEnum


class Format(StrEnum):
    """How a record of a source is read."""

    JSON_LINES = "json_lines"
    """One JSON object a line."""
    JSON = "json"
    """A whole document (webhook, poll, or a file that is written anew); `items` says where its records are."""
    REGEX = "regex"
    CEF = "cef"
    """ArcSight Common Event Format, with or without a syslog header."""
    LEEF = "leef"
    """IBM Log Event Extended Format 1.0 and 2.0."""
    KEY_VALUE = "key_value"
    """`key=value key2="quoted value"`."""
    XML = "xml"
    """A whole element a line or document; attributes are `@name`, text is `#text`."""


class PidNamespace(StrEnum):
    """Where the pids that a product reports come from."""

    HOST = "host"
    NODE = "node"
