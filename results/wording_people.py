"""The words about registration, and about how arms are configured. (Japanese, English)."""

PEOPLE: dict[str, tuple[str, str]] = {
    "registered": ("事前登録", "Registered"),
    "signature": ("署名", "Signature"),
    "signature.none": ("なし", "none"),
    "signature.forged": (
        "無効です。この登録に対する署名になっていません。記された公開鍵：{key}",
        "INVALID: it does not hold for this registration. Public key named beside it: {key}",
    ),
    "as_registered": ("試行は登録どおりか", "Trials run as registered"),
    "as_registered.recorded": (
        "記録されている限りでは、はい（下記は記録がなく、確かめられません）",
        "As far as was recorded, yes (what stands below was not recorded, so it can't be checked)",
    ),
    "as_scored": ("採点は登録どおりか", "Scored as registered"),
    "as_scored.later": (
        "いいえ。登録後に改訂された採点プログラムで採点し直しています（第{then}版 → 第{now}版）。試行そのものは"
        "実施時のままです。ソースのSHA-256：登録時{then_digest}、今回{now_digest}",
        "No: the trials are those that were run, and they were scored anew by a later scorer (from version {then} to "
        "version {now}). SHA-256 of its sources: registered {then_digest}, now {now_digest}",
    ),
    "as_scored.other": (
        "いいえ。登録されたものとは別の採点プログラムで採点しています（登録は第{then}版、今回は第{now}版）。試行そのものは"
        "実施時のままです。ソースのSHA-256：登録時{then_digest}、今回{now_digest}",
        "No: the trials are those that were run, and they were scored by another scorer than the registered one "
        "(registered: version {then}, now: version {now}). SHA-256 of its sources: registered {then_digest}, now "
        "{now_digest}",
    ),
    "early": ("{trial}：登録より前に開始", "{trial}: began before the registration"),
    "missing": (
        "{trial}：登録されているのに結果がありません（未実施か、除かれたもの。予算・停止規則の決定にもありません）",
        "{trial}: registered, but without a result (not run yet, or taken out), and neither the budget nor the "
        "stopping rule left it out",
    ),
    "restarts": (
        "登録後に結果を破棄して最初からやり直した回数：{count}",
        "Times that results were set aside after the registration and the campaign was begun again: {count}",
    ),
    "not_recorded.entry_digest": (
        "どの版の製品フォルダ・設定で実行したか（{count}件の試行）",
        "which product folder and configuration was run (in {count} trials)",
    ),
    "not_recorded.pace": ("予算と再試行の上限", "budget and number of retries"),
    "departure": ("{field}：登録は{registered}、実際は{found}", "{field}: registered {registered}, found {found}"),
    "departure.about": ("{subject}：{line}", "{subject}: {line}"),
    "departs.attack_release": ("ATT&CKの版", "ATT&CK release"),
    "departs.budget_minutes": ("予算（分）", "budget in minutes"),
    "departs.campaign": ("キャンペーン", "campaign"),
    "departs.environment_digest": ("環境", "environment"),
    "departs.journal": ("日誌に記された登録", "registration that the journal names"),
    "departs.pace": ("途中で変えた予算・再試行", "budget and retries, changed on the way"),
    "departs.plan_digest": ("攻撃計画", "plan"),
    "departs.product": ("製品フォルダと設定", "product folder and arm"),
    "departs.registration": ("登録そのもの", "the registration itself"),
    "departs.retries": ("再試行の上限", "number of retries"),
    "departs.seed": ("シード", "seed"),
    "departs.signature": ("署名（無効）", "signature (invalid)"),
    "departs.unplanned": ("登録されていない試行", "trial that was not registered"),
    "more_lines": ("ほかに{count}行。すべては次のファイルにあります：", "{count} more lines; all of them are in"),
    "h.arms": ("設定の差", "How the arms are configured"),
    "arms.note": (
        "製品ごとに、既定の設定からの差をdiff形式で示します。宣言された設定の差のほか、設定の値が名指すファイルと、それを読む"
        "ファイル（両方の設定に共通で、コンテナ内で何を適用するかを決めるもの）の全文を含みます。",
        "What each arm changes against its product's default one, as a unified diff: the settings as declared, the "
        "files that a changed setting names, and in full the files that read it (the same in both arms; they decide "
        "what is applied in the container).",
    ),
    "arms.lines": ("{changed}行の差", "{changed} changed lines"),
    "arms.file": ("全文", "the whole file"),
    "arms.run": (
        "試行を始める前に記録したものです。",
        "Recorded before the first trial was started.",
    ),
    "arms.matched": (
        "公開時に製品フォルダ（現在のもの、または過去のコミットのもの）から作成しました。ダイジェストは、実行時に記録されたものと"
        "一致しています。",
        "Made at publication from the product's folder, as it is or as an earlier commit holds it: its digest is the "
        "one recorded when it was run.",
    ),
    "arms.registered": (
        "公開時に製品フォルダ（現在のもの、または過去のコミットのもの）から作成しました。ダイジェストは事前登録されたものと一致して"
        "いますが、試行自体には記録がありません。",
        "Made at publication from the product's folder, as it is or as an earlier commit holds it: its digest is the "
        "registered one, but the trials themselves did not record theirs.",
    ),
    "arms.unchecked": (
        "公開時に製品フォルダから作成しました。実行時のダイジェストの記録がなく、同じフォルダかどうかは確かめられません。",
        "Made from the product's folder at publication; no digest was recorded when it was run, so whether the folder "
        "is the same can't be checked.",
    ),
    "arms.changed": (
        "製品フォルダが実行時から変わっていて、実行時のものが手元にないため、差を示しません。",
        "The product's folder is not the one that was run, which is not at hand; no difference is shown.",
    ),
    "arms.absent": (
        "製品フォルダが手元になく、実行時の記録もないため、差を示せません。",
        "The product's folder is not at hand, and nothing was recorded when it was run; no difference can be shown.",
    ),
}
