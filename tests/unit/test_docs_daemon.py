"""The page on worker daemons says what is true: options, exit codes, events, files that parse."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import click
import yaml

from pynenc_pg.cli.runner import start
from pynenc_pg.runner.daemon import ExitCode

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs/howto/daemon.md").read_text(encoding="utf-8")
OPTIONS: Final = {name for option in start.params for name in option.opts}


def test_every_option_is_on_the_page() -> None:
    """And no other one is, but those of commands that are not ours."""
    named = set(re.findall(r"--[a-z]+(?:-[a-z]+)*", PAGE))
    assert named - OPTIONS == {"--app", "--help"}
    assert OPTIONS - named == {"--log-level"}  # docs/howto/logging.md has it


def test_the_exit_codes() -> None:
    """Page, --help and code have the same."""
    help_ = click.unstyle(start.get_help(click.Context(start)))
    for text, pattern in ((PAGE, r"^\| (\d) \|"), (help_, r"^    (\d)  ")):
        assert re.findall(pattern, text, re.MULTILINE) == [str(code.value) for code in ExitCode]


def test_its_events_are_listed() -> None:
    """Each event that the page names stands in the reference."""
    reference = (ROOT / "docs/reference/log-events.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:runner|health|systemd)\.[a-z]+)`", PAGE)
    assert named
    assert not [event for event in named if f"| `{event}` |" not in reference]


def test_the_unit_starts_a_worker() -> None:
    """What the page shows of the unit stands in its file, in the same order (tests/deploy)."""
    [text] = re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)
    file = (ROOT / "deploy/systemd/pynenc-pg@.service").read_text(encoding="utf-8").splitlines()
    shown = text.splitlines()
    assert len(shown) > 10
    assert [line for line in file if line in shown] == shown


def test_the_pod_asks_its_worker() -> None:
    """The pod parses, and its probes ask where its worker answers."""
    [text] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    spec = yaml.safe_load(text)["spec"]
    assert spec["terminationGracePeriodSeconds"] > 30
    [worker] = spec["containers"]
    parsed = start.make_context("start", [*worker["command"][5:], *worker["args"]])
    asked = {name: worker[name]["httpGet"] for name in worker if name.endswith("Probe")}
    assert {probe["port"] for probe in asked.values()} == {parsed.params["health_port"]}
    assert parsed.params["health_host"] == "0.0.0.0"  # noqa: S104 - probes come from outside
    assert asked["livenessProbe"]["path"] == "/live"
    assert asked["readinessProbe"]["path"] == "/ready"
