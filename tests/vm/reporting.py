"""A pytest plugin for inside a machine: tells each test and its outcome on descriptor 3.

First which tests there will be, then one line for each when it has ended: docs of `Outcome`.
"""

import json
import os
from typing import Any

import pytest

_RESULTS = 3

_reports: dict[str, list[pytest.TestReport]] = {}


def _tell(what: dict[str, Any]) -> None:
    data = json.dumps(what).encode() + b"\n"
    while data:
        data = data[os.write(_RESULTS, data) :]


def pytest_collection_finish(session: pytest.Session) -> None:
    _tell({"selected": [item.nodeid for item in session.items]})


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    phases = _reports.setdefault(report.nodeid, [])
    phases.append(report)
    if report.when == "teardown":
        _tell(_outcome(_reports.pop(report.nodeid)))


def _outcome(phases: list[pytest.TestReport]) -> dict[str, Any]:
    """The worst of set-up, call and tear-down; what a failure shows, or why it was skipped."""
    told = {
        "test": phases[0].nodeid,
        "outcome": "passed",
        "seconds": round(sum(phase.duration for phase in phases), 1),
        "text": "",
    }
    for phase in phases:
        if phase.failed:
            sections = [f"--- {name}\n{text}" for name, text in phase.sections]
            return told | {
                "outcome": "failed",
                "text": "\n".join([phase.longreprtext, *sections]),
            }
        if phase.skipped:
            told |= {"outcome": "skipped", "text": _reason(phase)}
    return told


def _reason(report: pytest.TestReport) -> str:
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
