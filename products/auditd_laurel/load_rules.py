"""Loads the rule files that Debian's auditd package ships, so that they watch a node instead of the engine host.

Runs in the sensor's container. The kernel resolves a watched path in the mount namespace of whoever loads the
rule, so each path of a rule is prefixed with the root of the node's first process. Nothing else is changed, and
no rule is added, except those that 31-privileged.rules says to generate and, where asked, the kernel's record of
every program start that Sigma's `process_creation` presupposes.

    load_rules.py NODE_PID RULE_FILE... [--process-creation]
"""

import os
import re
import stat
import subprocess
import sys

SHIPPED = "/usr/share/doc/auditd/examples/audit-rules"
NOTES = "/run/notes/rules.txt"
PRIVILEGED = "31-privileged.rules"
PRIVILEGED_FOLDERS = ("/bin", "/sbin", "/usr/bin", "/usr/sbin")
PATH = re.compile(r"(-F (?:path|dir)=|-w )(/\S*)")
PROCESS_CREATION = [f"-a always,exit -F arch=b{bits} -S execve,execveat -F key=process_creation" for bits in (64, 32)]
ONLY_SETTINGS = ("-D", "-b", "-f", "--backlog_wait_time", "-r", "-c", "-i", "-e")


def main(arguments):
    """Load everything and write down what became of it."""
    node_pid = arguments[0]
    root = f"/proc/{int(node_pid)}/root"
    files = [name for name in arguments[1:] if not name.startswith("--")]
    os.makedirs(os.path.dirname(NOTES), exist_ok=True)
    loaded, wanted, refused = 0, 0, {}
    for name in files:
        for line in rules_of(name, root):
            done = subprocess.run(["auditctl", *line.split()], capture_output=True, text=True, check=False)
            if line.startswith(ONLY_SETTINGS):
                continue
            wanted += 1
            # auditctl exits 0 for some rules that the kernel refused, and says so.
            complaint = "" if done.returncode == 0 and "rror" not in done.stderr else reason(done.stderr, root)
            if complaint:
                refused.setdefault(complaint, []).append(line.replace(root, ""))
            else:
                loaded += 1
    if "--process-creation" in arguments:
        for line in PROCESS_CREATION:
            subprocess.run(["auditctl", *line.split()], capture_output=True, check=True)
    write_notes(files, loaded, wanted, refused)


def rules_of(name, root):
    """The lines of a shipped rule file, their paths moved under the node's root."""
    if name == PRIVILEGED:
        yield from privileged(root)
        return
    with open(os.path.join(SHIPPED, os.path.basename(name))) as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                yield PATH.sub(lambda found: found.group(1) + resolve(root, found.group(2)), line.strip())


def resolve(root, path):
    """A path in the node; symbolic links are followed inside the node, not in this container."""
    current, parts, links = "", [part for part in path.split("/") if part], 0
    while parts:
        part = parts.pop(0)
        if part == "..":
            current = current.rpartition("/")[0]
            continue
        step = f"{current}/{part}"
        if os.path.islink(root + step) and links < 40:
            links += 1
            target = os.readlink(root + step)
            current = "" if target.startswith("/") else current
            parts = [piece for piece in target.split("/") if piece and piece != "."] + parts
        else:
            current = step
    return root + current


def privileged(root):
    """What 31-privileged.rules says to generate: a rule for each set-user-id program of the node, for both ABIs."""
    seen = set()
    for folder in PRIVILEGED_FOLDERS:
        base = resolve(root, folder)
        for entry in sorted(os.scandir(base), key=lambda item: item.name):
            if entry.path in seen or not entry.is_file(follow_symlinks=False):
                continue
            seen.add(entry.path)
            if entry.stat(follow_symlinks=False).st_mode & stat.S_ISUID:
                for bits in (64, 32):
                    yield (
                        f"-a always,exit -F arch=b{bits} -F path={entry.path} -F perm=x "
                        "-F auid>=1000 -F auid!=unset -F key=privileged"
                    )


def reason(text, root):
    """Why auditctl refused a rule, without the place of the node."""
    lines = [line.strip() for line in text.replace(root, "").splitlines() if line.strip()]
    return lines[0][:120] if lines else "no reason given"


def write_notes(files, loaded, wanted, refused):
    """Two lines for the pipeline's notes, then every refused rule for a person."""
    with open(NOTES, "w") as notes:
        short = ", ".join(f"{len(lines)} refused ({why})" for why, lines in refused.items())
        print(f"rules: {loaded} of {wanted} loaded from {' '.join(files)}" + (f"; {short}" if short else ""), file=notes)
        for why, lines in refused.items():
            for line in lines:
                print(f"refused ({why}): {line}", file=notes)


if __name__ == "__main__":
    main(sys.argv[1:])
