"""Reading an image's files without running anything of it."""

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

from environments.engine import NOT_ANSWERING, Engine
from environments.standing import remove_quietly
from results.errors import EngineError

CHUNK = 1 << 20


class _Stream(io.RawIOBase):
    """The engine's chunks as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  # any writable buffer
        if not self._rest:
            self._rest = next(self._chunks, b"")
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


@contextmanager
def exported(engine: Engine, image: str) -> Iterator[tarfile.TarFile]:
    """An image's whole file system as an archive that is read from front to back.

    A container is made from the image and never started; it is removed afterwards.

    Raises:
        EngineError: the engine does not give it out.
    """
    try:
        container = engine.client.containers.create(image, command=["/never-started"], network_mode="none")
    except NOT_ANSWERING as error:
        raise EngineError(f"image {image}: its files could not be read: {error}") from error
    try:
        chunks = cast("Iterator[bytes]", iter(container.export(chunk_size=CHUNK)))  # the stubs say str
        stream = cast("IO[bytes]", io.BufferedReader(_Stream(chunks), CHUNK))
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            yield archive
    except (tarfile.TarError, *NOT_ANSWERING) as error:
        raise EngineError(f"image {image}: its files could not be read: {error}") from error
    finally:
        remove_quietly(lambda: container.remove(force=True, v=True))
