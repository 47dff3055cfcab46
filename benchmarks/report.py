"""The table, as Markdown for people and JSON for programs."""

import json
from collections.abc import Mapping, Sequence

from benchmarks.results import FLOOR, KERNEL, LXCFS, OURS, UNCACHED, Row, Spread

_HEAD = ["what", "", OURS, LXCFS, "ours/lxcfs (min..max)", "target", "", UNCACHED, FLOOR, KERNEL]


def markdown(facts: Mapping[str, str], rows: Sequence[Row], notes: Sequence[str]) -> str:
    """The whole report."""
    lines = ["# Benchmark results", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    lines += ["", "Medians over the rounds; ratios are made round by round.", ""]
    lines += [_line(_HEAD), _line(["---", "---", *["--:"] * 3, "---", "---", *["--:"] * 3])]
    lines += [_line(_cells(row)) for row in rows]
    lines += ["", *(f"- {note}" for note in notes), ""]
    return "\n".join(lines)


def as_json(facts: Mapping[str, str], rows: Sequence[Row], notes: Sequence[str]) -> str:
    """Every round's value of every server."""
    document = {
        "facts": dict(facts),
        "rows": [_object(row) for row in rows],
        "notes": list(notes),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _object(row: Row) -> dict[str, object]:
    ratio = row.ratio()
    return {
        "kind": row.kind.title,
        "name": row.name,
        "unit": row.kind.unit,
        "rounds": row.values,
        "ratio": ratio and ratio._asdict(),
        "target": _target(row),
        "met": row.judged(),
    }


def _cells(row: Row) -> list[str]:
    return [
        f"{row.kind.title}, {row.kind.unit}",
        row.name,
        _number(row.spread(OURS)),
        _number(row.spread(LXCFS)),
        _ratio(row.ratio()),
        _target(row),
        {True: "met", False: "**missed**", None: ""}[row.judged()],
        _with_ratio(row, UNCACHED),
        _number(row.spread(FLOOR)),
        _number(row.spread(KERNEL)),
    ]


def _number(spread: Spread | None) -> str:
    if spread is None:
        return ""
    return f"{spread.median:,.0f}" if spread.median >= 100 else f"{spread.median:.3g}"


def _ratio(ratio: Spread | None) -> str:
    return f"{ratio.median:.2f} ({ratio.min:.2f}..{ratio.max:.2f})" if ratio else ""


def _with_ratio(row: Row, server: str) -> str:
    ratio = row.ratio(server)
    return _number(row.spread(server)) + (f" ({ratio.median:.2f})" if ratio else "")


def _target(row: Row) -> str:
    target = row.kind.target
    if target is None:
        return ""
    return f"{'ours ' if target.of == 'ours' else ''}{target.comparison} {target.bound:g}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
