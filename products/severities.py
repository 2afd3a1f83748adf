"""Each product's own scale of severity, as one scale of words.

The words are those of OCSF and Sigma: informational, low, medium, high, critical. Where a vendor publishes the bands of
its numbers, they are taken from there; the source stands beside each scale.
"""

from bisect import bisect_right

WORDS = ("informational", "low", "medium", "high", "critical")
SYNONYMS = {
    **{word: word for word in WORDS},
    # Syslog's names (RFC 5424, table 2) and their long forms, as Falco and many others use them.
    **dict.fromkeys(("emergency", "emerg", "panic", "alert", "fatal", "crit", "severe", "very-high"), "critical"),
    **dict.fromkeys(("error", "err", "major"), "high"),
    **dict.fromkeys(("warning", "warn", "moderate"), "medium"),
    **dict.fromkeys(("notice", "minor"), "low"),
    **dict.fromkeys(("info", "information", "debug", "none"), "informational"),
}
"""What a product may print -> the word; anything else is unknown."""

BANDS: dict[str, tuple[tuple[float, ...], tuple[str, ...]]] = {
    # "Low 0-3, Medium 4-6, High 7-8, Very-High 9-10" (ArcSight, Implementing CEF).
    "cef": ((4, 7, 9), WORDS[1:]),
    # 0 emergency … 7 debug (RFC 5424, table 2); the words as for the names above.
    "syslog": ((3, 4, 5, 6), tuple(reversed(WORDS))),
    # "Low 0-6, Medium 7-11, High 12-14, Critical 15 and higher" (Wazuh dashboard, from 4.8 on).
    "wazuh": ((7, 12, 15), WORDS[1:]),
    # Elastic's risk score: low to 21, medium to 47, high to 73, critical above, its rules' defaults.
    "0-100": ((22, 48, 74), WORDS[1:]),
    # CrowdStrike Falcon: steps of 20, as its Severity and SeverityName go together (30 low, 70 high).
    "crowdstrike": ((20, 40, 60, 80), WORDS),
    # Suricata and Snort: priority 1 is the highest; 4 and above are informational.
    "priority": ((2, 3, 4), ("high", "medium", "low", "informational")),
    # OCSF severity_id: 1 informational … 5 critical, 6 fatal.
    "ocsf": ((2, 3, 4, 5), WORDS),
}
LIMITS = {
    "cef": (0, 10),
    "syslog": (0, 7),
    "wazuh": (0, 16),
    "0-100": (0, 100),
    "crowdstrike": (0, 100),
    "priority": (1, 255),
    "ocsf": (1, 6),
}
SCALES = ("words", *BANDS)


def severity_word(value: object, scale: str = "words") -> str | None:
    """One of `WORDS`, or None if the value is none of its scale.

    Args:
        value: as the product gave it; a word is read on every scale.
        scale: one of `SCALES`.
    """
    if value is None or isinstance(value, bool):
        return None
    text = str(value)[:40].strip().lower().replace(" ", "-").replace("_", "-")
    if text in SYNONYMS:
        return SYNONYMS[text]
    if scale not in BANDS:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    low, high = LIMITS[scale]
    if not low <= number <= high:
        return None
    starts, words = BANDS[scale]
    return words[bisect_right(starts, number)]
