"""The longer sentences of the published pages: how to read them, and the methodology. (Japanese, English)."""

PROSE: dict[str, tuple[str, str]] = {
    "tagline": (
        "セキュリティ製品が実際に何を検知するかを確かめる、公開の評価",
        "An open evaluation of what security products really detect",
    ),
    "intro.what": (
        "{environment}環境で、攻撃計画「{plan}」の攻撃手順{malicious}件（ATT&CK戦術{tactics}種）を、"
        "製品{products}種・設定{arms}通りに対して各{repetitions}回実行しました。",
        "The plan “{plan}”, {malicious} attack steps over {tactics} ATT&CK tactics, was replayed in the "
        "environment {environment} against {products} products in {arms} arms, {repetitions} times each.",
    ),
    "intro.how": (
        "各試行は、外部への経路を持たない新しいコンテナ群で行い、攻撃の効果は製品とは独立に確認しています。"
        "正規の作業{benign}件とプラセボ{placebo}件を、目印なしに混ぜてあります。",
        "Every trial ran in fresh containers without a way out, and the effect of each step was confirmed "
        "independently of the product. {benign} benign twins and {placebo} placebos were mixed in, unmarked.",
    ),
    "intro.read": (
        "割合には必ず件数と95%信頼区間を添え、評価できなかったものは検知なしに数えず、理由とともに示します。"
        "表のどの欄からも、実行内容・受信した警告・帰属の根拠をたどれます。",
        "Every rate stands with its counts and 95% interval; what could not be judged is never counted as a "
        "miss and is shown with the reason. Each cell leads to what was executed, the alert as received and "
        "why it was attributed.",
    ),
    "missing_trials": (
        "計画された試行のうち、まだ実施されていないものがあります：",
        "Some planned trials have not been run yet:",
    ),
    "rates.note": (
        "点は観測された割合、線は95%信頼区間（{methods}）です。分母nは、その製品分類で見える有効な手順の実行回数です。"
        "見えるかどうかは製品の宣言だけで決め、実際の検知には左右されません。宣言の外で検知した手順は表に示しますが分母には含めず、"
        "「すべての指標」に別に数えます。製品分類が違えば分母も違うため、分類をまたぐ順位づけには使えません。区間が大きく重なる場合、差は示されていません。",
        "The dot is the observed rate, the line its 95% interval ({methods}). The denominator n is the number of "
        "valid step executions that the product's class can see. What it can see is as declared, whatever it detected: "
        "steps seen beyond the declaration are shown, but in no denominator, and counted apart under “All metrics”. "
        "Classes differ in what they can see, so these are no ranking across classes. Where intervals overlap "
        "widely, no difference is shown.",
    ),
    "outcomes.note": (
        "対象外・不成立・無効も隠さず、すべての実行回数を示します。",
        "All executions are shown, including those not applicable, disrupted or invalid.",
    ),
    "matrix.note": (
        "一つの欄が一回の試行です（左から反復順）。欄を選ぶと証拠が開きます。",
        "One sign is one trial (repetitions from left to right). Choose a sign to open its evidence.",
    ),
    "noise.note": (
        "誤警告と偶然率は上の図にあります。ここに示すのは警告の量と、手順の終了から製品自身の警告時刻までの時間です。"
        "検知されなかった手順は打ち切りとして扱います（Kaplan–Meier）。",
        "False alarms and chance are in the figures above. Here: how much it said, and the time from the end of a "
        "step to the product's own alert time. Steps not detected are censored (Kaplan–Meier).",
    ),
    "facts.note": (
        "各試行の記録は終了時に封印（ハッシュ木）されています。manifest.jsonは、このページを構成する全ファイルのSHA-256です。",
        "The records of each trial were sealed (hash tree) when it ended. manifest.json holds the SHA-256 of "
        "every file of this page.",
    ),
    "figure.script": (
        "図の表示にはJavaScriptを使います。同じ数値は上の表と結果のページにあります。",
        "The figures need JavaScript. The same numbers are in the tables above and on the results page.",
    ),
    "method.purpose": (
        "本評価は、製品が攻撃に対して狙いどおりに働くかを確かめる「有効性検証」です。あわせて、正規の作業を混ぜた環境での"
        "誤警告・警告量・速さを測り、実際の環境で試す「試行検証」の判断材料を提供します。",
        "This is an effectiveness validation (有効性検証): does the product do what it is meant to against an "
        "attack? By mixing in legitimate work and measuring false alarms, alert volume and latency it also "
        "informs the validation in real use (試行検証) that a buyer carries out.",
    ),
    "method.valid": (
        "有効性の条件：攻撃の効果が確認され、製品が最初と最後のカナリアに応答し、警告の経路が開いていたときにだけ「検知なし」と"
        "判定します。条件を欠くものは「無効」とし、理由を示します。",
        "Validity: a miss counts only if the effect of the step was confirmed, the product answered the canary "
        "before the first step and after the last, and the path of its alerts was open. Anything else is "
        "invalid, with the reason.",
    ),
    "method.attribution": (
        "帰属：警告と手順を結ぶ根拠は、強い順にコンテナ、プロセスの系譜、対象物（ファイル・利用者・通信）、時刻です。"
        "同じ強さで複数の手順に当てはまる警告は「あいまい」とし、どの手順にも数えません。目印は一切使いません。",
        "Attribution: an alert is tied to a step by container, process lineage, object (file, user, "
        "connection) or time, strongest first. An alert that fits two steps equally well is ambiguous and "
        "counts for nobody. No marker is planted.",
    ),
    "method.outcome": (
        "判定：阻止（効果がなく、製品が遮断を報告）、警告（テクニックを特定/戦術を特定/内容は特定せず）、"
        "記録（警告はないが、行為を示す記録がある）、検知なし。製品の報告なしに効果が消えたものは「不成立」とし、阻止に数えません。"
        "時刻だけで帰属した警告と、6つ以上のテクニックを名乗る警告は、「内容は特定せず」までとします。"
        "一つの手順への警告が合わせて11以上のテクニックを名乗る場合も、そのすべてを同じに扱います。"
        "戦術は、一つの警告で5つ以上、一つの手順で合わせて8つ以上なら、挙げていないものとみなします。"
        "手順の後に警告の経路が開いていたことをカナリアが示さなければ、警告の有無をどちらも数えません。",
        "Verdicts: prevented (the effect is absent and the product says it blocked), alerted (technique, "
        "tactic or general), logged (no alert, but telemetry that shows the act), missed. Where the effect is "
        "absent without the product's word the step is disrupted and not credited. An alert attributed by time "
        "alone, or that names more than five techniques, counts as general at most; so do all alerts on a step "
        "that together name more than ten. More than four tactics on an alert, or seven on a step, count as none. "
        "Where no canary shows that the pipe was open after a step, neither an alert on it nor its absence counts.",
    ),
    "method.chance": (
        "偶然補正：プラセボに警告が帰属した割合cを測り、補正後の割合(p − c)/(1 − c)を併記します。"
        "すべてに警告する製品は何も得ません。",
        "Chance correction: with c the share of placebos that “detected” something, the corrected rate "
        "(p − c)/(1 − c) stands beside the raw one. A product that alerts on everything gains nothing.",
    ),
    "method.limits": (
        "限界：コンテナ内の一つの攻撃計画による結果であり、他の環境や攻撃への一般化には限りがあります。"
        "nが小さいため、小さな差は検出できません。",
        "Limits: this is one plan in containers and generalises only so far to other systems and attacks; with "
        "so few executions, small differences cannot be seen.",
    ),
}
