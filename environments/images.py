"""Images: the Debian base, and everything built on it. Content-addressed, so nothing is built twice."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import docker.errors

from environments.engine import Engine, Say
from results.errors import EngineError, TargetError

DEBIAN_SUITE = "trixie"
BASE_RECIPE = "mmdebstrap minbase 1"
"""Part of the base image's name: a change of recipe makes a new image."""
REPOSITORY = "pij"
PULL_TIMEOUT_S = 300.0
_building = threading.Lock()


class BuildError(TargetError):
    """An image did not build; the text ends with the last lines of the build's log."""


def base_image(engine: Engine, say: Say, suite: str = DEBIAN_SUITE) -> str:
    """The Debian base image: pulled if a registry answers, else bootstrapped from Debian packages.

    Args:
        engine: where.
        say: receives progress lines.
        suite: Debian's name of the release.

    Returns:
        Its tag. Which of the two it was is in the image's label `pij.base`.

    Raises:
        EngineError: neither is possible; the text says what to run.
    """
    digest = hashlib.sha256(f"{suite} {BASE_RECIPE}".encode()).hexdigest()[:12]
    tag = f"{REPOSITORY}/base:{suite}-{digest}"
    pulled = f"debian:{suite}-slim"
    with _building:
        if exists(engine, tag):
            return tag
        say(f"base image: asking the registry for {pulled}")
        try:
            image = engine.client.images.pull(pulled)
            image.tag(tag)
            return tag
        except docker.errors.APIError as error:
            say(f"base image: no registry ({_first_line(error)}); bootstrapping Debian {suite}")
        _bootstrap(engine, tag, suite)
    return tag


def build_image(
    engine: Engine, name: str, context: Path, dockerfile: str, args: Mapping[str, str], say: Say
) -> tuple[str, str]:
    """Build an image unless the same one is there.

    Args:
        engine: where.
        name: what it is, e.g. `node-target`; part of the tag.
        context: folder; every file in it is part of the digest.
        dockerfile: its name in the folder.
        args: build arguments; `BASE` is replaced by the base image's id in the digest.
        say: receives progress lines.

    Returns:
        (tag, digest of everything that went in).

    Raises:
        BuildError: the build failed.
    """
    archive, digest = _pack(context)
    inputs = dict(args)
    if "BASE" in inputs:
        inputs["BASE"] = str(engine.client.images.get(inputs["BASE"]).id)
    key = json.dumps([digest, dockerfile, inputs], sort_keys=True)
    whole = hashlib.sha256(key.encode()).hexdigest()
    tag = f"{REPOSITORY}/{name}:{whole[:16]}"
    with _building:
        if not exists(engine, tag):
            say(f"building {name}")
            _build(engine, archive, dockerfile, dict(args), tag, say)
    return tag, whole


def exists(engine: Engine, tag: str) -> bool:
    """Whether the engine has this image."""
    try:
        engine.client.images.get(tag)
    except docker.errors.ImageNotFound:
        return False
    return True


def _build(engine: Engine, archive: bytes, dockerfile: str, args: dict[str, str], tag: str, say: Say) -> None:
    log: list[str] = []
    stream = engine.client.api.build(
        fileobj=io.BytesIO(archive),
        custom_context=True,
        dockerfile=dockerfile,
        buildargs=args,
        tag=tag,
        rm=True,
        forcerm=True,
        decode=True,
        labels={"pij.image": "1"},
        timeout=1800,
    )
    for line in _lines(stream):
        log.append(line)
        if line.startswith("Step "):
            say(f"building {tag.split(':')[0].split('/')[1]}: {line.strip()}")
        if line.startswith("ERROR: "):
            tail = "\n".join(entry.rstrip() for entry in log[-25:])
            raise BuildError(f"image {tag} did not build:\n{tail}")


def _lines(stream: Iterator[dict[str, object]]) -> Iterator[str]:
    try:
        for event in stream:
            if "stream" in event:
                yield str(event["stream"])
            if "error" in event:
                yield f"ERROR: {event['error']}"
    except docker.errors.APIError as error:
        yield f"ERROR: {error}"


def _pack(context: Path) -> tuple[bytes, str]:
    """A deterministic archive of a folder (no times, no owners), and its digest."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(context.rglob("*")):
            if "__pycache__" in path.parts or path.is_dir():
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(context.resolve()):
                raise BuildError(f"{path}: a link out of the build folder; allowed: files inside it. Remove it.")
            info = tarfile.TarInfo(str(path.relative_to(context)))
            data = path.read_bytes()
            info.size = len(data)
            info.mode = 0o755 if path.stat().st_mode & 0o111 else 0o644
            archive.addfile(info, io.BytesIO(data))
    packed = buffer.getvalue()
    return packed, hashlib.sha256(packed).hexdigest()


def _bootstrap(engine: Engine, tag: str, suite: str) -> None:
    tool = _bootstrap_tool()
    with tempfile.TemporaryDirectory(prefix="base-") as folder:
        archive = Path(folder) / "base.tar"
        done = subprocess.run(  # noqa: S603  # a fixed command line
            [tool, "--variant=minbase", "--include=ca-certificates", suite, str(archive)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            tail = "\n".join(done.stderr.splitlines()[-15:])
            raise EngineError(f"`mmdebstrap {suite}` exited {done.returncode}:\n{tail}")
        engine.client.api.import_image_from_file(
            str(archive),
            repository=tag.split(":")[0],
            tag=tag.split(":")[1],
            changes=["LABEL pij.base=bootstrapped"],
        )


def _bootstrap_tool() -> str:
    tool = shutil.which("mmdebstrap")
    if tool is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (
            ["apt-get", "-q", "update"],
            [
                "apt-get",
                "-q",
                "-y",
                "--no-install-recommends",
                "install",
                "mmdebstrap",
                "debian-archive-keyring",
            ],
        ):
            subprocess.run(command, env=environment, capture_output=True, check=False)  # noqa: S603
        tool = shutil.which("mmdebstrap")
    if tool is None:
        raise EngineError(
            "No image registry answers and mmdebstrap is not installed. Run:\n"
            "  sudo apt-get install mmdebstrap debian-archive-keyring"
        )
    return tool


def _first_line(error: Exception) -> str:
    return str(getattr(error, "explanation", None) or error).splitlines()[0][:160]
