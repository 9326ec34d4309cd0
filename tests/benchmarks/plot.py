"""The plot of the documentation: for each case a panel, for each contender a bar."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .report import Results, duration

_COLUMNS = 2
_OURS, _REFERENCE, _OTHERS, _FLOORS = "#2f6f9f", "#c2703d", "#b8b8b8", "#e3e3e3"


def write(path: Path, results: Results) -> None:
    """Draw the medians, each panel on a scale of its own.

    :param path: the file, an SVG
    :param results: what was measured
    """
    import matplotlib

    matplotlib.use("svg")
    # The same picture of the same figures, and text that can be searched.
    matplotlib.rcParams.update({"svg.hashsalt": "asgitest", "svg.fonttype": "none"})
    from matplotlib import pyplot

    cases = sorted(results.cases(), key=lambda case: -len(results.ranking(case)))
    heights = _row_heights(results, cases)
    figure, axes = pyplot.subplots(
        len(heights),
        _COLUMNS,
        figsize=(11, sum(heights)),
        squeeze=False,
        gridspec_kw={"height_ratios": heights},
        layout="constrained",
    )
    panels = list(axes.flat)
    for axis, case in zip(panels, cases, strict=False):
        _draw(axis, results, case)
    for axis in panels[len(cases) :]:
        axis.set_axis_off()
    figure.suptitle(
        f"Median time, less is better; in brackets relative to {results.reference}'s client. "
        f"{results.python}",
        fontsize=11,
    )
    figure.savefig(path, metadata={"Date": None})


def _row_heights(results: Results, cases: list[str]) -> list[float]:
    """Return the height of each row of panels in inches; the fullest panel of it decides."""
    counts = [len(results.ranking(case)) for case in cases]
    rows = [counts[start : start + _COLUMNS] for start in range(0, len(counts), _COLUMNS)]
    return [0.7 + 0.24 * max(row) for row in rows]


def _draw(axis: Any, results: Results, case: str) -> None:
    # Barh begins at the bottom, and the fastest are to stand on top.
    rows = results.ranking(case)[::-1]
    base = results.seconds[results.reference][case]
    names = [name for name, _ in rows]
    colours = [_colour(name, results.reference) for name in names]
    bars = axis.barh(names, [seconds for _, seconds in rows], color=colours, height=0.72)
    labels = [f"{duration(seconds)} ({seconds / base:.2f})" for _, seconds in rows]
    axis.bar_label(bars, labels, padding=4, fontsize=8)
    axis.set_title(case, fontsize=10, fontweight="bold", loc="left")
    axis.set_xlim(0, max(seconds for _, seconds in rows) * 1.3)
    axis.set_xticks([])
    axis.tick_params(axis="y", length=0, labelsize=8)
    axis.spines[["top", "right", "bottom"]].set_visible(False)


def _colour(name: str, reference: str) -> str:
    if name.startswith("asgitest"):
        return _OURS
    if name == reference:
        return _REFERENCE
    return _FLOORS if name.startswith("floor") else _OTHERS
