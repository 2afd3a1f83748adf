"""Loads the user's Sigma rules and turns them into SQL with pySigma, each for the kind of event that it is about.

A rule that can't be applied to audit data, or that pySigma can't convert, is named with the reason. None is
replaced by a rule of ours.
"""

import os

from sigma.backends.sqlite import sqliteBackend
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule
from yaml import YAMLError

FULLTEXT = "fulltext"
FIELDS = {
    "process_creation": {
        "Image", "CommandLine", "ParentImage", "ParentCommandLine", "CurrentDirectory", "User", "LogonId",
        "ProcessId", "ParentProcessId",
    },
    "file_event": {"TargetFilename", "Image", "User", "ProcessId"},
    "network_connection": {"DestinationIp", "DestinationPort", "Image", "Initiated", "User", "ProcessId"},
}  # fmt: skip
"""What audit data can say about each category; a rule that asks for more is not applicable."""
AUDITD = "auditd"
"""Any field: each audit record is a row with the fields it has."""


class Ruleset:
    """The rules that apply, and what became of the others."""

    def __init__(self):
        """Nothing loaded yet."""
        self.rules = {}  # table -> [(query, facts)]
        self.columns = {AUDITD: {"type"}, **{table: set(fields) for table, fields in FIELDS.items()}}
        self.loaded, self.not_applicable, self.failed = 0, {}, {}

    def load(self, folder):
        """Load every .yml and .yaml below a folder."""
        backends = {
            table: sqliteBackend(table=table, collate_nocase=True, fulltext_field=FULLTEXT) for table in self.columns
        }
        for root, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                if name.endswith((".yml", ".yaml")):
                    path = os.path.join(root, name)
                    self._load_file(path, os.path.relpath(path, folder), backends)

    def _load_file(self, path, name, backends):
        try:
            with open(path, encoding="utf-8") as file:
                rule = SigmaRule.from_yaml(file.read())
            table, why = self._table(rule)
            if table is None:
                self.not_applicable.setdefault(why, []).append(name)
                return
            backend = backends[table]
            missing = set(backend.required_fields(rule)) - FIELDS[table] - {FULLTEXT} if table in FIELDS else set()
            if missing:
                why = f"{table} by {', '.join(sorted(missing))}"
                self.not_applicable.setdefault(why, []).append(name)
                return
            queries = backend.convert_rule(rule)
        except (SigmaError, YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
            self.failed.setdefault(f"{type(error).__name__}: {str(error)[:150]}", []).append(name)
            return
        self.columns[table] |= set(backend.required_fields(rule))
        for query in queries:
            self.rules.setdefault(table, []).append((query, facts_of(rule, name)))
        self.loaded += 1

    def _table(self, rule):
        source = rule.logsource
        if source.product not in (None, "linux"):
            return None, f"product {source.product}"
        if source.category in FIELDS:
            return source.category, ""
        if source.service == AUDITD and source.category is None:
            return AUDITD, ""
        return None, f"log source {source.category or source.service or 'not named'}"

    def describe(self, notes):
        """One line for the result's notes, then every rule that is not in force."""
        left = sum(len(names) for names in self.not_applicable.values())
        failed = sum(len(names) for names in self.failed.values())
        kinds = "; ".join(f"{why}: {len(names)}" for why, names in sorted(self.not_applicable.items()))
        print(
            f"Sigma rules: {self.loaded} in force, {left} not applicable to audit data"
            f"{f' ({kinds})' if kinds else ''}, {failed} not converted by pySigma",
            file=notes,
        )
        for title, groups in (("not applicable", self.not_applicable), ("not converted", self.failed)):
            for why, names in sorted(groups.items()):
                for name in names:
                    print(f"{title} ({why}): {name}", file=notes)


def facts_of(rule, name):
    """What an alert says about its rule."""
    return {
        "id": str(rule.id) if rule.id else name,
        "title": rule.title,
        "level": str(rule.level.name).lower() if rule.level else None,
        "tags": [f"{tag.namespace}.{tag.name}" for tag in rule.tags],
        "file": name,
    }
