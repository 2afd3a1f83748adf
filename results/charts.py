"""Interactive figures of the notebook; the only module that knows plotly.

The results page draws its own static SVG instead: it must be readable without JavaScript, in print and on a
phone, and plotly's script alone is larger than everything else published. The script is shipped once, as a
file beside the pages, never fetched.
"""

import html
from pathlib import Path
from typing import Any

import pandas as pd
import plotly
import plotly.graph_objects as go

from results.printable import script_data
from results.wording import words

MIME = "application/vnd.plotly.v1+json"
_COLOURS = {
    "prevented": "#3a6fb5",
    "alerted": "#1b8a75",
    "logged": "#c9a227",
    "missed": "#c9625c",
    "disrupted": "#8567b5",
    "not_applicable": "#c4c9d1",
    "invalid": "#8b94a1",
}
# Readable on the light and on the dark page.
_SERIES = ("#3f7fcf", "#cf7f2c", "#1f9a80", "#9878d0", "#d2554b", "#7b8694", "#a98b22", "#3a9fc0")
_MARKS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "x")


def rates_chart(frame: pd.DataFrame, language: str) -> go.Figure:
    """Dot and 95 % interval of each arm and metric, from `frames.rates`."""
    say = words(language)
    figure = go.Figure()
    drawn = frame.dropna(subset=["rate"])
    for index, (arm, rows) in enumerate(drawn.groupby("arm", sort=False)):
        figure.add_trace(
            go.Scatter(
                name=_plain(arm),
                x=rows["rate"].tolist(),
                y=rows["metric"].tolist(),
                mode="markers",
                orientation="h",
                offsetgroup=str(index),
                alignmentgroup="arms",
                marker={
                    "size": 10,
                    "color": _SERIES[index % len(_SERIES)],
                    "symbol": _MARKS[index % len(_MARKS)],
                },
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": (rows["high"] - rows["rate"]).tolist(),
                    "arrayminus": (rows["rate"] - rows["low"]).tolist(),
                },
                text=rows["text"].tolist(),
                hovertemplate="%{fullData.name}<br>%{y}: %{text}<extra></extra>",
            )
        )
    figure.update_xaxes(title=f"{say['rate']} · {say['interval']}", range=[-0.02, 1.02], tickformat=".0%")
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_layout(scattermode="group", scattergap=0.3)
    arms = max(1, drawn["arm"].nunique())
    return _styled(figure, 130 + (20 + 14 * arms) * max(1, drawn["metric"].nunique()))


def outcomes_chart(frame: pd.DataFrame, language: str) -> go.Figure:
    """All attack step executions of each arm by outcome, from `frames.outcomes`."""
    figure = go.Figure()
    for outcome, rows in frame.groupby("outcome", sort=False):
        figure.add_trace(
            go.Bar(
                name=str(rows["word"].iloc[0]),
                x=rows["count"].tolist(),
                y=[_plain(arm) for arm in rows["arm"]],
                orientation="h",
                marker={"color": _COLOURS[str(outcome)]},
                text=[str(count) if count else "" for count in rows["count"]],
            )
        )
    figure.update_layout(barmode="stack", legend_traceorder="normal")
    figure.update_xaxes(title=f"n ({words(language)['steps_executed']})")
    figure.update_yaxes(autorange="reversed", automargin=True)
    return _styled(figure, 150 + 48 * max(1, frame["arm"].nunique()))


def _plain(text: object) -> str:
    """Plotly reads tags (links too) in what it prints; text from a product is text."""
    return html.escape(str(text))


def _styled(figure: go.Figure, height: int) -> go.Figure:
    figure.update_layout(
        template="plotly_white",
        height=height,
        margin={"l": 10, "r": 20, "t": 20, "b": 50},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    return figure


def figure_data(bundle: dict[str, Any]) -> str:
    """A figure's notebook output as JSON that may stand inside a script element."""
    return script_data({"data": bundle["data"], "layout": bundle["layout"]})


def plotly_script() -> Path:
    """Plotly's own script, as its package ships it."""
    return Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
