"""Sizes as Compose spells them."""

UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def size_of(size: str) -> int:
    """Bytes of a size, e.g. `512m`."""
    return int(size[:-1]) * UNITS[size[-1]] if size[-1] in UNITS else int(size)
