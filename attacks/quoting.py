"""Whether an argument's value stays the argument that it is, or would be read by the shell as something else."""

import re
import shlex
from collections.abc import Iterator

from attacks.procedure import PLACEHOLDER

SHELLS = ("bash", "sh")
BREAKING = {
    "single": ("'",),
    "double": ('"', "`", "$("),
    "bare": (";", "&", "|", "<", ">", "(", ")", "`", "$("),
    "here": (),
}
"""What ends a word or begins a command, by where the placeholder stands."""
QUOTED = re.compile(r"'[^']*'")
IN_WORDS = {
    "single": "inside single quotes",
    "double": "inside double quotes",
    "bare": "without quotes",
    "here": "in a here-document",
}


def objection(command: str, name: str, value: str) -> str | None:
    """Why a value would escape from its place in a shell command; None if it stays in it.

    Args:
        command: the procedure's command, its placeholders not filled in.
        name: of the argument.
        value: that a step gives it.
    """
    control = next((character for character in value if ord(character) < 32 or ord(character) == 127), None)
    if control is not None:
        return f"the control character {control!r}"
    for place in places(command, name):
        seen = QUOTED.sub("", value) if place == "bare" else value
        for text in BREAKING[place]:
            if text in seen:
                return f"{text!r} where the command has it {IN_WORDS[place]}"
        if place == "bare" and not _is_balanced(value):
            return f"a quote without its other half where the command has it {IN_WORDS[place]}"
        if place == "double" and value.endswith("\\"):
            return "a backslash before the closing quote"
    return None


def _is_balanced(value: str) -> bool:
    try:
        shlex.split(value)
    except ValueError:
        return False
    return True


def places(command: str, name: str) -> Iterator[str]:
    """Where the placeholders of an argument stand: `single`, `double`, `bare`, `here`, in the order of the command.

    A scanner of quotes, substitutions, comments and here-documents; not a shell, but enough to know what a quote in
    the value would do.
    """
    stack = ["bare"]
    at = 0
    end: tuple[int, int] | None = None
    while at < len(command):
        if end is not None:
            body, at, end = command[at : end[1]], end[1], None
            for match in PLACEHOLDER.finditer(body):
                if match.group(1) == name:
                    yield "here"
            continue
        here = PLACEHOLDER.match(command, at)
        if here is not None:
            if here.group(1) == name:
                yield stack[-1] if stack[-1] in ("single", "double") else "bare"
            at = here.end()
            continue
        at, end = _step(command, at, stack)


def _step(command: str, at: int, stack: list[str]) -> tuple[int, tuple[int, int] | None]:
    """Read one character (or pair): the next position, and the span of a here-document that begins there."""
    character, top = command[at], stack[-1]
    if top == "single":
        if character == "'":
            stack.pop()
        return at + 1, None
    if character == "\\":
        return at + 2, None
    if command.startswith("$(", at):
        stack.append("paren")
        return at + 2, None
    if character == '"':
        stack.pop() if top == "double" else stack.append("double")
    elif top != "double":
        if character == "'":
            stack.append("single")
        elif character == "(":
            stack.append("paren")
        elif character == ")" and top == "paren":
            stack.pop()
        elif character == "#" and (at == 0 or command[at - 1] in " \t\n;"):
            newline = command.find("\n", at)
            return (len(command) if newline < 0 else newline), None
        elif command.startswith("<<", at) and not command.startswith("<<<", at):
            return _here_document(command, at)
        elif command.startswith("<<<", at):
            return at + 3, None
    return at + 1, None


def _here_document(command: str, at: int) -> tuple[int, tuple[int, int] | None]:
    line_end = command.find("\n", at)
    if line_end < 0:
        return at + 2, None
    word = command[at + 2 : line_end].lstrip("-").split()
    mark = word[0].strip("'\"") if word else ""
    position = line_end + 1
    for line in command[position:].splitlines(keepends=True):
        if line.strip() == mark:
            break
        position += len(line)
    return line_end + 1, (line_end + 1, position)
