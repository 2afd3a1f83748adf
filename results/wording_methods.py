"""How numbers were made, and what they rest on, in Japanese. Records hold both in English.

The words are the keys: whoever changes a method changes its words, and `tests/results/test_wording.py` asks for theirs.
"""

import re
from collections.abc import Mapping

_METHODS: Mapping[str, str] = {
    "wilson": "Wilson法",
    "effective sample size of a cluster bootstrap over techniques, less for Student's t, in Wilson's form": (
        "テクニック単位のクラスター・ブートストラップによる有効標本数（Studentのtの分だけ小さくする）を使うWilson形式"
    ),
    "effective sample size of a cluster bootstrap over techniques, in Wilson's form": (
        "テクニック単位のクラスター・ブートストラップによる有効標本数を使うWilson形式"
    ),
    "mean over techniques; ": "テクニックごとの割合の平均。",
    "(p - c) / (1 - c), limits of a ratio of shares by variance recovery": (
        "(p − c) / (1 − c)。区間は割合の比の分散復元法（MOVER）"
    ),
    "limits of a difference of shares by variance recovery, techniques drawn with their twins (Agresti and Min's, "
    "where each was run once)": (
        "区間は割合の差の分散復元法（MOVER）。テクニックは対になる正規の作業とともに抽出（各1回だけの場合はAgrestiとMinの方法）"
    ),
    "Wilson's; repetitions count as far as they differ from copies (Kish's design effect, all techniques)": (
        "Wilson法。反復は、同じ結果の写しと異なる分だけ数える（全テクニックから求めたKishのデザイン効果）"
    ),
    "Jeffreys' limits of a Poisson count, of several trials exact ones; divided by its overdispersion between "
    "techniques and between trials": (
        "Poisson計数のJeffreys区間。試行が複数あれば正確な区間。計数はテクニック間と試行間の過分散で割る"
    ),
    "1 + m; m: ": "1 + m。mは",
    "m / (1 + m); m: ": "m / (1 + m)。mは",
    "alerts beyond a step's first, Jeffreys' limits of a count divided by its overdispersion between techniques": (
        "各手順の2件目以降の警告数で、区間はテクニック間の過分散で割った計数のJeffreys区間"
    ),
    "Kaplan-Meier; limits by fractional order statistics with the curve's effective size (variance robust to "
    "techniques, less for Student's t); where so few can have no upper limit, a lower limit of 95 % by itself": (
        "Kaplan–Meier法。区間は、曲線の有効標本数（分散はテクニックのまとまりに頑健で、Studentのtの分だけ小さくする）による"
        "小数次の順序統計量。実行数が少なく上限がありえないときは、下限だけで95 %"
    ),
    "Krippendorff's alpha (nominal); limits from the share of contradictions of the rarer answer, with the effective "
    "size that alpha's own variance between techniques gives it, in Wilson's form": (
        "Krippendorffのα（名義尺度）。区間は、少ないほうの結果に対する食い違いの割合から、α自身のテクニック間の分散に相当する"
        "有効標本数を使うWilson形式"
    ),
    "geometric mean of paired ratios over repetitions, with Student's interval of their logarithms": (
        "反復ごとの対の比の幾何平均。区間は対数についてのStudentの区間"
    ),
    "mean over trials with Student's interval": "試行の平均とStudentの区間",
    "Wilson's; windows divided by their overdispersion between trials": "Wilson形式。窓の数は試行間の過分散で割る",
    ", which hold whole steps with at least 95 %": "。手順は整数なので、95 %以上の確率で含む",
    "median over trials, those without an alert counted as later than any; limits by fractional order statistics": (
        "試行の中央値。警告のない試行は、どれよりも遅いと数える。区間は小数次の順序統計量による"
    ),
    "effective number of pairs, from a jackknife over techniques, in Wilson's form": (
        "テクニック単位のジャックナイフによる対の有効数を使うWilson形式"
    ),
    "same executions; Agresti and Min's half pairs, effective number of pairs from a cluster bootstrap over "
    "techniques, less for Student's t": (
        "同じ実行どうしの対。AgrestiとMinの方法（半対を加える）で、対の有効数はテクニック単位のクラスター・ブートストラップによる"
        "（Studentのtの分だけ小さくする）"
    ),
    "weighted sum; its place between the least and the greatest one, effective size of a cluster bootstrap over "
    "techniques, less for Student's t, in Wilson's form": (
        "重みつきの和。取りうる最小と最大の間での位置を割合とみなし、テクニック単位のクラスター・ブートストラップによる"
        "有効標本数（Studentのtの分だけ小さくする）を使うWilson形式"
    ),
    "mean over the techniques of both campaigns of each one's rate; limits of a difference by variance recovery, "
    "techniques drawn in pairs (Agresti and Min's, where each was run once)": (
        "両方にあるテクニックごとの割合の平均。区間は差の分散復元法（MOVER）。テクニックは対で抽出（各1回だけの場合はAgrestiとMinの"
        "方法）"
    ),
}
_SPREAD = re.compile(r" \(([\d.]+) over (\d+)\)")
_THINGS: Mapping[str, str] = {
    "techniques": "テクニック",
    "steps": "手順",
    "trials": "試行",
    "placebos": "プラセボ",
    "seconds": "秒",
    "repetitions": "反復",
    "detected step executions": "検知した手順の実行",
}
"""What `Estimate.of` says."""


def method_words(method: str, language: str) -> str:
    """How a number was made, in the page's language."""
    if language != "ja" or not method:
        return method
    for english, japanese in _METHODS.items():
        if method.startswith(english):
            return japanese + method_words(method.removeprefix(english), language)
    return _SPREAD.sub(r"（過分散 \1、試行 \2）", method)


def rests_on(n: int, of: str, language: str) -> str:
    """How many things of what kind a number rests on."""
    return f"n = {n} {_THINGS.get(of, of)}" if language == "ja" else f"n = {n} {of}"
