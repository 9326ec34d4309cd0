"""Show medians and ratios: a table, JSON, and a plot."""

from __future__ import annotations

import json
import platform
from pathlib import Path

from .measure import Medians


def table(medians: Medians, reference: str) -> str:
    """Return the medians as text, with the ratio to one contender.

    :param medians: what was measured
    :param reference: name of the contender that the others are compared with
    """
    lines = []
    for case in _cases(medians):
        lines.append(case)
        base = medians.get(reference, {}).get(case)
        rows = [(own[case], name) for name, own in medians.items() if case in own]
        for seconds, name in sorted(rows):
            ratio = "" if base is None else f"{seconds / base:8.2f}"
            lines.append(f"  {name:44} {seconds * 1e6:12.0f} us{ratio}")
        lines.append("")
    return "\n".join(lines)


def write_json(path: Path, medians: Medians, reference: str) -> None:
    """Write the medians, and where they come from.

    :param path: the file
    :param medians: what was measured
    :param reference: name of the contender that the others are compared with
    """
    told = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "reference": reference,
        "seconds": medians,
    }
    path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def write_plot(path: Path, medians: Medians, reference: str) -> None:
    """Draw the ratios to one contender, a bar for each.

    :param path: the file, an SVG
    :param medians: what was measured
    :param reference: name of the contender that the others are compared with
    """
    import matplotlib

    matplotlib.use("svg")
    # The same picture of the same figures.
    matplotlib.rcParams["svg.hashsalt"] = "asgitest"
    import matplotlib.pyplot as plot

    cases = [case for case in _cases(medians) if case in medians[reference]]
    figure, axes = plot.subplots(len(cases), 1, figsize=(9, 2.2 * len(cases)), squeeze=False)
    for axis, case in zip(axes[:, 0], cases, strict=True):
        base = medians[reference][case]
        rows = sorted(((own[case] / base, name) for name, own in medians.items() if case in own))
        bars = axis.barh([name for _, name in rows], [ratio for ratio, _ in rows])
        axis.bar_label(bars, fmt="%.2f", padding=3)
        axis.set_title(f"{case}: time, {reference} = 1")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def _cases(medians: Medians) -> list[str]:
    return sorted({case for own in medians.values() for case in own})
