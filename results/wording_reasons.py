"""The rules that decide verdicts, and why a cost is not known, in Japanese.

Records hold them in English; what follows a rule stays as it is.
"""

_RULES = (
    (
        "its effect was not seen, and there is no control with the same seed to compare with",
        "効果が見えず、比較できる同じシードの対照がない",
    ),
    (
        "its effect was seen, the product was alive, and nothing was attributed to it",
        "効果を確認し、製品は稼働していたが、帰属する警告も記録もない",
    ),
    (
        "its effect is absent, is present in the control, and the product says it blocked",
        "対照では効果があり、製品ありでは効果がなく、製品が遮断を報告している",
    ),
    (
        "its effect is absent and is present in the control, but the product does not say that it blocked",
        "対照では効果があり、製品ありでは効果がないが、製品は遮断を報告していない",
    ),
    (
        "the last canary never came: neither an alert nor its absence counts",
        "最後のカナリアが届かなかったため、警告の有無を数えない",
    ),
    (
        "no canary shows that the pipe was still open, so neither an alert nor its absence counts, after its end and "
        "the declared latency of ",
        "手順の終了と宣言された遅延の後に経路が開いていたことを示すカナリアがないため、警告の有無を数えない。宣言された遅延：",
    ),
    (
        "telemetry that holds its minimum evidence, and no alert",
        "最低限の証拠を満たす記録があり、警告はない",
    ),
    ("an alert was attributed to it", "帰属した警告がある"),
    (
        "; its alerts together name more than 10 techniques, so that none says which",
        "。警告が合わせて10を超えるテクニックを挙げているので、どれとも特定していない",
    ),
    (
        "; its alerts together name more than 7 tactics, so that none says which",
        "。警告が合わせて7を超える戦術を挙げているので、どれとも特定していない",
    ),
    (
        "; beyond its declared class and so in no denominator of it: ",
        "。宣言された分類の外なので、その分母には含めない：",
    ),
    ("alerted, but the product gives its alerts no time", "警告はあるが、製品が警告に時刻を付けない"),
    ("there was no alert on a step that its class can see", "製品の分類で見える手順への警告がない"),
    ("there was no alert", "警告がない"),
    ("fewer were alerted on before the observation ended", "観測の終了までに警告があった手順はこれより少ない"),
    (
        "no upper limit, which so few executions can't have; 95 % that it is not below the lower one",
        "上限なし：実行数が少なすぎて上限を求められない。下限は単独で95 %の信頼度を持つ",
    ),
    ("no upper limit: the curve's own does not come down that far", "上限なし：曲線の上限がそこまで下がらない"),
    ("too few alerts for limits that hold with 95 %", "警告が少なすぎるため、95 %の限界を求められない"),
    ("there is no step execution", "該当する手順の実行がない"),
    ("no trial has an attributed alert", "帰属した警告のある試行がない"),
    (
        "fewer than six trials: no limits of a median hold with 95 %",
        "試行が6回未満のため、中央値の95 %の限界を求められない",
    ),
    ("no upper limit: too many trials without an alert", "上限なし：警告のない試行が多すぎる"),
    ("trials without an attributed alert with a time: ", "時刻付きの帰属した警告のない試行："),
    ("trials without an attributed alert: ", "帰属した警告のない試行："),
    ("no trial carried out a malicious step", "攻撃の手順を実行した試行がない"),
    ("the product's class sees none of ", "この製品分類では次のいずれも見えない："),
    ("left alone", "警告なし"),
    ("the control: no product", "対照（製品なし）"),
    ("the trial is invalid ", "試行が無効 "),
    ("in the control, without any product: ", "製品なしの対照で："),
    ("it was not run: ", "実行していない："),
    ("nothing can tell whether it had an effect", "効果の有無を判断できる事実がない"),
    ("its effect was not seen: ", "効果を確認できず："),
    ("its effect was there before it: ", "実行前から効果があった："),
    (
        "not counted: 0, or nothing, in every sample of every container of the campaign",
        "計測されていない：評価全体のどのコンテナのどの標本でも0または値なし",
    ),
    (
        "the kernel or the container's network did not count it",
        "カーネルまたはコンテナのネットワークが計測していない",
    ),
    ("the product has no container of its own", "製品に専用のコンテナがない"),
    ("no control with the same seed was counted", "計測された同じシードの対照がない"),
    ("one repetition has no spread", "反復が1回のみのため、ばらつきを求められない"),
    ("no repetition in which both were done", "両方で行われた反復がない"),
    ("all of one technique: no interval", "一つのテクニックのみのため、区間を求められない"),
    ("only the cost is weighed: no interval", "費用だけに重みがあるため、区間を求められない"),
    ("one trial has no spread", "試行が1回のみのため、ばらつきを求められない"),
    ("nothing to divide by: there is no such step execution", "該当する手順の実行がなく、割り算ができない"),
    ("the plan has no valid benign twin", "有効な正規の作業（攻撃と対になる操作）がない"),
    (
        "every placebo was alerted on: nothing is left that chance does not explain",
        "すべてのプラセボに警告があり、偶然で説明できない部分が残らない",
    ),
    ("no step has two valid repetitions", "有効な反復が2回以上ある手順がない"),
    (
        "every answer is the same, so that agreement beyond chance is not defined",
        "すべての結果が同じなので、偶然を超える一致は定義できない",
    ),
    ("no trial watched for any time", "観測した時間のある試行がない"),
    ("no step was detected", "検知した手順がない"),
    ("the objective step was carried out in no trial", "目的の手順が実行された試行がない"),
    ("no execution is valid for both", "両方で有効な実行がない"),
    (
        "neither has an alert with a time on a common step",
        "共通の手順について、時刻のある警告がどちらにもない",
    ),
    (
        "every technique gives it the same score: no spread to make an interval of",
        "どのテクニックでも同じ点数なので、区間を作るばらつきがない",
    ),
    ("nothing is weighed", "重みがすべて0"),
    ("; ", "。"),  # whatever else is said besides
)


def reason_words(reason: str, language: str) -> str:
    """A reason in the page's language, as far as it is one of the rules."""
    if language != "ja":
        return reason
    for english, japanese in _RULES:
        if reason.startswith(english):
            return japanese + reason_words(reason.removeprefix(english), language)
    return reason
