"""The pages on metrics name what is exported, and so do the dashboard and the alerts."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from pynenc_pg.postgres.measures import measures
from pynenc_pg.runner.exposition import Exposition
from pynenc_pg.testing import in_memory
from tests.acceptance.workers import wait_for
from tests.app import tasks

REFERENCE: Final = Path(__file__).parents[2] / "docs" / "reference"
ROW: Final = re.compile(r"^\| `(pynenc_\w+)` \| (\w+) \| (.*) \| (.+) \|$", re.MULTILINE)
NAME: Final = re.compile(r"\bpynenc_\w+")


@pytest.fixture(scope="module")
def of_a_runner() -> list[Metric]:
    """All that a runner which has worked tells."""
    app = tasks.app
    with pytest.MonkeyPatch.context() as patch, in_memory(app):
        patch.setattr(app.conf.runner, "metrics", True)
        patch.setattr(app.conf, "runner_cls", "ThreadRunner")
        runner = app.runner
        exposition = Exposition(runner, CollectorRegistry())
        thread = threading.Thread(target=runner.run)
        thread.start()
        try:
            wait_for(lambda: runner.health().ready)
            return list(exposition.collect())
        finally:
            runner.stop_runner_loop()
            thread.join()


def _told(metric: Metric) -> str:
    return f"{metric.name}_total" if metric.type == "counter" else metric.name


def _exported(of_a_runner: list[Metric]) -> dict[str, tuple[str, str]]:
    """By name, the kind and what it is about."""
    found = {_told(one): (one.type, one.documentation) for one in of_a_runner}
    for measure, _ in measures():
        name = f"{measure.name}_total" if measure.kind == "counter" else measure.name
        found[name] = (measure.kind, measure.about)
    return found


def test_the_reference_has_every_metric(of_a_runner: list[Metric]) -> None:
    """With its kind, its labels and what it is about, and no other."""
    text = (REFERENCE / "metrics.md").read_text(encoding="utf-8")
    rows = {name: (kind, about) for name, kind, _, about in ROW.findall(text)}
    assert rows == _exported(of_a_runner)
    labels = {name: tuple(re.findall(r"`(\w+)`", said)) for name, _, said, _ in ROW.findall(text)}
    for measure, names in measures():
        assert (
            labels[f"{measure.name}_total" if measure.kind == "counter" else measure.name] == names
        )
    for metric in of_a_runner:
        assert labels[_told(metric)] == tuple(getattr(metric, "_labelnames", ()))


def _known(expression: str, exported: dict[str, tuple[str, str]]) -> None:
    names = NAME.findall(expression)
    assert names, expression
    for name in names:
        base = re.sub(r"_(bucket|count|sum)$", "", name)
        assert name in exported or exported.get(base, ("",))[0] == "histogram", name


def test_alerts_ask_for_what_is_exported(of_a_runner: list[Metric]) -> None:
    """Each has what Prometheus demands."""
    rules = yaml.safe_load((REFERENCE / "prometheus-alerts.yml").read_text(encoding="utf-8"))
    [group] = rules["groups"]
    exported = _exported(of_a_runner)
    names = [rule["alert"] for rule in group["rules"]]
    assert len(set(names)) == len(names) > 5
    for rule in group["rules"]:
        _known(rule["expr"], exported)
        assert re.fullmatch(r"\d+m", rule["for"])
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"]
        assert rule["expr"].count("(") == rule["expr"].count(")")


def _targets(panels: list[dict[str, Any]]) -> Iterator[str]:
    for panel in panels:
        for target in panel.get("targets", ()):
            yield target["expr"]


def test_the_dashboard_asks_for_what_is_exported(of_a_runner: list[Metric]) -> None:
    """Panels lie beside each other, and each has a number of its own."""
    dashboard = json.loads((REFERENCE / "grafana-dashboard.json").read_text(encoding="utf-8"))
    exported = _exported(of_a_runner)
    expressions = list(_targets(dashboard["panels"]))
    assert len(expressions) > 20
    for expression in expressions:
        _known(expression, exported)
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    cells = [
        (x, y)
        for grid in (panel["gridPos"] for panel in dashboard["panels"])
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
