"""The words of the pages of metrics and of comparison. (Japanese, English)."""

MEASURES: dict[str, tuple[str, str]] = {
    "h.metrics": ("すべての指標", "All metrics"),
    "h.comparison": ("製品の比較", "Products compared"),
    "h.registration": ("事前登録・裁定・異議", "Registration, adjudication, disputes"),
    "metrics.note": (
        "どの値にも95%信頼区間とnを添えます。値を出せないときは「–」とし、理由を示します。区間は、同じテクニックの手順が似た結果に"
        "なることを織り込んでいます（テクニック単位のクラスター・ブートストラップによる分散を、Wilson形式とStudentのtで用います）。",
        "Every number has its 95 % interval and its n; where there is none, “–” stands with the reason. Intervals "
        "allow for steps of one technique coming out alike (variance of a cluster bootstrap over techniques, in "
        "Wilson's form with Student's t).",
    ),
    "comparison.note": (
        "すべて、同じ手順・同じシードの試行どうしの比較です。「差は示されず」も結果です。p値は、その指標のすべての組についてHolm法で"
        "調整しています。信頼区間は組ごとのもので、調整していません。結論は調整済みのp値によります。",
        "Everything here is paired: the same steps with the same seeds. “No difference shown” is a result. P-values "
        "are adjusted over all pairs of a metric by Holm's method; intervals are of each pair alone, not adjusted. The "
        "conclusion goes by the adjusted p-value.",
    ),
    "measure.sensitivity": ("感度（警告または阻止）", "Sensitivity (alerted or prevented)"),
    "measure.specificity": ("特異度（警告も妨害もされなかった正規の作業）", "Specificity (twins left alone)"),
    "measure.beyond_class": (
        "宣言された分類の外で見えた手順（他の指標の分母には含めない）",
        "Seen beyond its declared class (in no other denominator)",
    ),
    "measure.youden_j": ("YoudenのJ（感度＋特異度−1）", "Youden's J (sensitivity + specificity − 1)"),
    "measure.balanced_accuracy": ("均衡正解率", "Balanced accuracy"),
    "measure.false_positives": ("誤警告（攻撃のない1時間あたり）", "False positives per hour without an attack"),
    "measure.alerts_per_step": ("検知した手順あたりの警告数", "Alerts per detected step"),
    "measure.alerts_per_hour": ("1時間あたりの警告数", "Alerts per hour"),
    "measure.duplicates": ("重複警告の割合", "Share of duplicate alerts"),
    "measure.wrong": ("誤ったテクニック名の割合", "Share naming a wrong technique"),
    "measure.naming_luck": (
        "名前の偶然率（ある手順で挙げた名前が、ほかのテクニックの手順でも正解になる割合）",
        "Naming luck (names given on one step that would be right on one of another technique)",
    ),
    "measure.windows": (
        "偶然率（攻撃のない時間から無作為に選んだ窓への警告）",
        "Chance rate (alerts on random windows without an attack)",
    ),
    "measure.chance": ("偶然率（プラセボ）", "Chance rate (placebos)"),
    "measure.median": ("製品の遅れ：中央値", "Product delay: median"),
    "measure.quantile": ("製品の遅れ：分位点", "Product delay: quantile"),
    "measure.delivery": ("配送の遅れ：中央値", "Delivery delay: median"),
    "measure.chain_seen": ("連鎖のうち見えた割合", "Share of the chain seen"),
    "measure.steps_before": ("最初の警告までの手順数（中央値）", "Steps before the first alert (median)"),
    "measure.seconds_before": ("最初の警告までの秒数（中央値）", "Seconds to the first alert (median)"),
    "measure.objective": ("目的達成前に警告した試行", "Trials alerted before the objective"),
    "measure.alpha": ("反復間の一致（Krippendorffのα）", "Agreement of repetitions (Krippendorff's alpha)"),
    "measure.same": ("毎回同じ結果の手順", "Steps with the same answer each time"),
    "h.delays": ("遅れ（手順の終了から警告まで）", "Delays (end of a step to its alert)"),
    "delays.note": (
        "曲線は、まだ警告されていない手順の割合（Kaplan–Meier）です。検知されなかった手順は、観察の終わりで打ち切ります。",
        "The curve is the share of steps not alerted on yet (Kaplan–Meier). Misses are censored where the watch ended.",
    ),
    "delays.untimed": (
        "製品の時刻がない警告の手順{n}件を除く（受信時刻では製品の遅れがわからない）",
        "{n} alerted on without a time of the product's own left out: their receipt does not tell its delay",
    ),
    "chain.by_receipt": (
        "製品の時刻がない警告は受信時刻に置く（値は上限）",
        "an alert without a time of the product's own stands at its receipt: an upper bound",
    ),
    "clock": ("製品の時計のずれ（カナリアから）", "Product's clock, from its canaries"),
    "clock.between": ("{low} 秒から {high} 秒の間", "between {low} s and {high} s ahead"),
    "clock.contradictory": ("一つのずれでは説明できない", "no single offset fits"),
    "measure.slow_down": ("通常業務の所要時間（対照の何倍か）", "Time of ordinary work, times the control's"),
    "h.costs": ("負荷", "Cost"),
    "costs.note": (
        "製品自身のコンテナと、ノード内での増加分（同じシードの対照との差）です。上の「通常業務の所要時間」は、この試行検証の正規の作業"
        "（短いもの）によります。負荷の大きい作業での測定は docs/validation/overhead.md にあります。",
        "The product's own containers, and what it adds in the nodes (less the control with the same seed). The time "
        "of ordinary work above is that of this campaign's benign steps, which are short; heavier work is measured in "
        "docs/validation/overhead.md.",
    ),
    "cost.own": ("製品のコンテナ", "Own containers"),
    "cost.nodes": ("ノード内の増加分", "Added in the nodes"),
    "cost.cpu_seconds": ("CPU時間（秒）", "CPU seconds"),
    "cost.cpu_cores": ("CPUコア", "CPU cores"),
    "cost.memory_peak_bytes": ("メモリ最大（MiB）", "Peak memory (MiB)"),
    "cost.memory_mean_bytes": ("メモリ平均（MiB）", "Mean memory (MiB)"),
    "cost.disk_read_bytes": ("ディスク読み（MiB）", "Disk read (MiB)"),
    "cost.disk_write_bytes": ("ディスク書き（MiB）", "Disk written (MiB)"),
    "cost.network_in_bytes": ("受信（MiB）", "Network in (MiB)"),
    "cost.network_out_bytes": ("送信（MiB）", "Network out (MiB)"),
    "h.techniques": ("テクニック別の感度と特異度", "Sensitivity and specificity by technique"),
    "h.claims": ("開発元の主張と測定結果", "The vendor's claims against what was measured"),
    "claim": ("主張", "Claim"),
    "claim.held": ("裏づけられた", "held"),
    "claim.partly": ("一部のみ", "partly"),
    "claim.not_held": ("裏づけられず", "not held"),
    "claim.not_tested": ("未検証", "not tested"),
    "h.sometimes": ("検知したりしなかったりした手順", "Steps detected in some repetitions only"),
    "h.quality": ("入力の不備", "Bad input"),
    "quality.note": (
        "順序の乱れ、重複、未来の時刻などの警告には、それぞれ規則があります。ここに示すのは該当した件数です。"
        "「うち試行外」は、同じ機械で動いていた別の試行など、この試行の外の活動についての警告です。採点にも他の列にも数えません。",
        "Alerts out of order, repeated, in the future and so on each have a rule; here is how many met it. “Other "
        "work on the host” is what ran beside the trial, such as another trial: it counts for nothing, and in no other "
        "column.",
    ),
    "quality.observations": ("警告", "Alerts"),
    "quality.outside": ("うち試行外", "of these, other work on the host"),
    "quality.out_of_order": ("順序の乱れ", "out of order"),
    "quality.repeated": ("重複", "repeated"),
    "quality.future": ("未来", "future"),
    "quality.without_time": ("時刻なし", "no time"),
    "quality.wrong_zone": ("時間帯の誤り", "wrong zone"),
    "quality.stale": ("試行より前", "before the trial"),
    "quality.pid_reused": ("PIDの再利用", "pid reused"),
    "quality.unknown_node": ("未知のコンテナ", "unknown container"),
    "quality.misspelt_technique": ("ID誤記", "id misspelt"),
    "quality.revoked_technique": ("ID廃止", "id revoked"),
    "quality.unknown_technique": ("ID不明", "id unknown"),
    "h.conduct": ("製品として不審な挙動", "Conduct that no product should show"),
    "no_conduct": ("報告すべき挙動はありませんでした。", "Nothing to report."),
    "h.pairs": ("組ごとの差", "Differences, pair by pair"),
    "h.ranking": ("順位と不確かさ", "Ranks and their uncertainty"),
    "ranking.note": (
        "順位は重みづけ次第です。下のつまみで、読み手自身の重みに変えられます。「順位の範囲」は、全製品について同時に95%で成り立つ範囲"
        "（Mogstadほか、2024年）で、既定の重みについて計算したものです。つまみを動かすと点数と順位、重みを半分から2倍まで変えたときに"
        "その順位が保たれる割合を計算し直します。",
        "An order is as good as the weights. Move the sliders to use your own. “Places” hold for all arms at once with "
        "95 % (Mogstad et al., 2024), under the default weights. Scores, ranks, and how often a rank survives when "
        "each weight is drawn between half and twice itself are recomputed as you move the sliders.",
    ),
    "ranking.default": ("既定の重みに戻す", "Default weights"),
    "ranking.script": ("重みの変更にはJavaScriptを使います。", "Changing the weights needs JavaScript."),
    "ranking.basis.applicable": (
        "対象：全製品の分類で見える、全製品で有効な手順の実行。",
        "Over executions that are valid for all and that every arm's class can see.",
    ),
    "ranking.basis.valid": (
        "対象：全製品で有効な手順の実行（その分類で見えないものは「見えなかった」と数えます）。",
        "Over executions that are valid for all; what an arm's class can't see counts as not seen.",
    ),
    "rank": ("順位", "Rank"),
    "score": ("点数", "Score"),
    "places": ("順位の範囲", "Places"),
    "keeps": ("重みを変えても保たれる割合", "Survives other weights"),
    "weight": ("重み", "Weight"),
    "order_survives": ("全体の順位が保たれる割合", "The whole order survives in"),
    "weigh.prevented": ("阻止", "prevented"),
    "weigh.technique": ("警告：テクニック", "alerted: technique"),
    "weigh.tactic": ("警告：戦術", "alerted: tactic"),
    "weigh.general": ("警告：内容不特定", "alerted: general"),
    "weigh.logged": ("記録", "logged"),
    "weigh.missed": ("検知なし", "missed"),
    "weigh.note": (
        "正規の作業への妨害は、警告・遮断・不成立のいずれかとなった割合です。遅れは60秒を上限とする平均で、検知なしは60秒、製品の時刻が"
        "ない警告は受信まで（上限）と数えます。負荷は製品のコンテナとノードでの増加分のCPUコア数で、対照より少ない分は誤差とみなし0と"
        "します。",
        "Twins disturbed: alerted on, blocked or disrupted. Delay: mean up to 60 s; a miss counts 60 s, an alert "
        "without a time of the product's own by its receipt, an upper bound. Cost: CPU cores of its own containers and "
        "what it adds on the nodes; less than in the control is noise and counts as 0.",
    ),
    "weigh.twins_disturbed": ("正規の作業への妨害", "twins disturbed"),
    "weigh.delay": ("遅れ", "delay"),
    "weigh.cost": ("負荷（CPUコア）", "cost (CPU cores)"),
    "pair": ("組", "Pair"),
    "difference": ("差 [95%信頼区間]", "Difference [95 % interval]"),
    "only": ("片方だけ", "only one"),
    "p_holm": ("p（Holm）", "p (Holm)"),
    "test": ("検定", "Test"),
    "beats": ("先行する標本の割合", "Ahead in resamples"),
    "detectable": ("示せる最小の差", "Smallest difference shown"),
    "conclusion": ("結論", "Conclusion"),
    "conclusion.first": ("左が上", "the first is ahead"),
    "conclusion.second": ("右が上", "the second is ahead"),
    "conclusion.no_difference_shown": ("差は示されず", "no difference shown"),
    "conclusion.not_comparable": ("比較できず", "not comparable"),
    "conclusion.alike": ("差は許容幅の内（同等）", "alike within the margin"),
    "conclusion.open": ("未決", "not settled yet"),
    "h.rule": ("事前登録した停止規則による結論", "By the stopping rule that was registered"),
    "rule.note": (
        "この試行検証は、途中の結果を見て停止できる規則を試行の前に定めています。規則の対象の指標については、この表が結論です。下の検定は"
        "反復の数が結果によらず決まっていたとみなすため、停止のあった組では「差あり」が多めに出ます。",
        "This campaign may stop by what it has shown, by a rule fixed before the first trial. For the rule's metric "
        "this table is the conclusion. The tests below take the number of repetitions as fixed beforehand; for pairs "
        "that were stopped they call too many different.",
    ),
    "rule.facts": (
        "指標：{metric}。全ての組と全ての中間解析を通じた第一種の過誤：{alpha}％以下。同等とみなす幅：{margin}パーセントポイント。"
        "完了した反復：{looks}回のうち{done}回。",
        "Metric: {metric}. Type-I error over all pairs and looks: at most {alpha} %. Margin: {margin} percentage "
        "points. Repetitions complete: {done} of {looks}.",
    ),
    "rule.after": ("決着した反復", "Settled or last looked at after repetition"),
    "rule.threshold": ("この組・この回の水準", "Level of this pair and look"),
    "compared.detected": ("検知（警告または阻止）", "Detected (alerted or prevented)"),
    "compared.technique": ("テクニックを特定した警告", "Alerted: technique"),
    "compared.visible": ("可視（阻止・警告・記録）", "Visible (prevented, alerted or logged)"),
    "compared.prevented": ("阻止", "Prevented"),
    "compared.twins_left_alone": ("警告も妨害もされなかった正規の作業", "Twins left alone"),
    "compared.delay": ("速さ（先に警告した割合の差）", "Speed (who alerts sooner)"),
    "overall": ("全製品が同じとする検定", "Test that all arms are alike"),
    "no_comparison": (
        "比較できる製品が二つ以上ありません。",
        "There are no two arms that can be compared.",
    ),
    "h.schedule": ("規則により実施しなかった試行", "Trials that the campaign's own rules left out"),
    "not_registered": ("事前登録されていません。", "Not registered beforehand."),
    "adjudications": ("裁定", "Adjudications"),
    "no_adjudications": ("裁定はありません。", "No verdict was changed by a person."),
    "author": ("裁定者", "Author"),
    "before_after": ("変更前 → 変更後", "Before → after"),
    "disputes": ("異議", "Disputes"),
    "dispute_window": ("異議申立期間", "Dispute window"),
    "provisional": (
        "異議申立期間が終わっていない暫定版です。",
        "Provisional: the dispute window has not closed.",
    ),
}
