"""The Dockerfile: linted, and what it says holds here."""

from __future__ import annotations

import fnmatch
import subprocess
import sys
from pathlib import Path
from typing import Final

from pynenc_pg.cli.runner import start
from tests.deploy.image import ROOT, Image, instructions

FILE: Final = ROOT / "Dockerfile"


def test_the_linter_is_content() -> None:
    """Hadolint finds nothing, its own shellcheck included."""
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([program, FILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_nobody_is_root_and_nothing_is_secret() -> None:
    """The user is a number that Kubernetes can tell from root; variables carry no password."""
    image = Image.of(FILE)
    assert image.user.partition(":")[0].isdigit()
    assert int(image.user.partition(":")[0]) >= 10000
    said = FILE.read_text(encoding="utf-8").lower()
    assert not [word for word in ("password", "token", "dsn", "secret") if word in said]


def test_the_image_starts_a_worker_that_is_asked() -> None:
    """Its command has options that there are, and its health check asks the port that they name."""
    image = Image.of(FILE)
    assert image.command[:3] == ["pynenc-pg", "runner", "start"]
    parsed = start.make_context("start", image.command[3:])
    assert image.health[-2:] == [str(parsed.params["health_port"]), "/live"]
    assert image.files[image.health[1]].is_file()
    module, _, app = image.environment["PYNENC_APP"].partition(".")
    assert f"{app} = Pynenc(" in (image.files[image.folder] / f"{module}.py").read_text("utf-8")


def test_what_it_copies_is_there() -> None:
    """Each source is in the checkout, and .dockerignore lets it through; nothing else."""
    copied = {
        source
        for word, rest in instructions(FILE)
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copied
    assert all((ROOT / source).exists() for source in copied)
    refused = [line.removeprefix("**/") for line in lines[2:] if not line.startswith("!")]
    assert not [source for source in copied for one in refused if fnmatch.fnmatch(source, one)]


def test_the_wheel_is_built_of_what_it_copies() -> None:
    """The stage that builds has what the build of a wheel reads: its steps run in .ci/run."""
    read = {"pyproject.toml", "README.md", "LICENSE", "pynenc_pg", "migrations"}
    first = FILE.read_text(encoding="utf-8").partition("\nFROM")[2].partition("\nFROM")[0]
    there = {
        word for line in first.splitlines() if line.startswith("COPY") for word in line.split()
    }
    assert read <= there
