"""The pages about the configuration: complete, true, and their examples work."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from pynenc_pg.conf.config_pynenc import PynencConf
from pynenc_pg.conf.files import read_file
from pynenc_pg.conf.load import load
from pynenc_pg.conf.settings import every_key
from pynenc_pg.conf.show import shown_settings

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = (DOCS / "reference/configuration.md").read_text(encoding="utf-8")
HOWTO = (DOCS / "howto/configure.md").read_text(encoding="utf-8")
#: Of the tables with five columns, by the key in the first: default and variable.
ROWS = {
    cells[0].strip("`"): (cells[2].strip("`"), cells[3].strip("`"), cells[4])
    for line in REFERENCE.splitlines()
    if line.startswith("| `")
    and len(cells := [cell.strip() for cell in line[1:-1].split("|")]) == 5
}


def test_the_reference_has_every_setting_in_order() -> None:
    """A field that is added without a row, or a row whose field is gone, is an error."""
    assert list(ROWS) == every_key()


@pytest.mark.parametrize("key", every_key())
def test_the_reference_tells_the_truth(key: str) -> None:
    """Default and variable of each setting are those of the code, and it says what it means."""
    default, variable, meaning = ROWS[key]
    defaults = {one.key: one.value for one in shown_settings(PynencConf())}
    assert json.loads(default) == defaults[key]
    assert variable == "PYNENC__" + key.upper().replace(".", "__")
    assert meaning
    text = ",".join(defaults[key]) if isinstance(defaults[key], list) else defaults[key]
    conf = load(environment={variable: "" if text is None else str(text)})
    assert next(one.source for one in shown_settings(conf) if one.key == key).endswith(variable)


def _examples(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", HOWTO, re.DOTALL)


def test_files_of_the_howto_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its TOML and its YAML say the same, and what it says of tasks holds for them."""
    monkeypatch.chdir(tmp_path)
    first, of_tasks, of_patterns = _examples("toml")
    (as_yaml,) = _examples("yaml")
    assert tomllib.loads(first)["tool"]["pynenc"] == yaml.safe_load(as_yaml)
    (tmp_path / "a.yaml").write_text(as_yaml)
    assert read_file(tmp_path / "a.yaml", named_by="test") == yaml.safe_load(as_yaml)
    assert load(filepath="a.yaml", environment={}).runner.queues == ("fast", "default")
    (tmp_path / "a.toml").write_text(of_tasks.replace("requests.Timeout", "zlib.error"))
    conf = load(filepath="a.toml", environment={})
    task = conf.task_conf("shop.tasks.charge", {})
    assert (task.queue, task.max_retries, len(task.retry_for)) == ("money", 3, 2)
    (tmp_path / "b.toml").write_text(of_patterns)
    task = load(filepath="b.toml", environment={}).task_conf("shop.reports.daily_now", {})
    assert (task.queue, task.priority) == ("fast", -10)


def test_the_error_of_the_howto_is_the_one_there_is() -> None:
    """The line that it shows is the line that comes."""
    with pytest.raises(ValueError, match="concurrency = ") as refused:
        load(environment={"PYNENC__RUNNER__CONCURRENCY": "0"})
    assert f"pynenc-pg: {refused.value}\n" in HOWTO


def test_the_builder_of_the_howto_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its example runs as it stands."""
    names: dict[str, object] = {}
    exec(compile(_examples("python")[0], "configure.md", "exec"), names)  # noqa: S102 - our own page
    conf = getattr(names["app"], "conf")  # noqa: B009 - of unknown type
    assert (conf.runner.concurrency, conf.argument_print_mode) == (8, "hidden")
