"""The image of the Dockerfile and the services of compose.yaml, as processes of this machine."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
import yaml
from psycopg import sql
from psycopg.conninfo import make_conninfo

ROOT: Final = Path(__file__).parents[2]
_VARIABLE: Final = re.compile(r"\$\{(\w+):-([^}]*)\}")


@dataclass(slots=True)
class Image:
    """What the last stage of a Dockerfile says."""

    environment: dict[str, str] = field(default_factory=dict)
    #: Where files of the checkout are in the image.
    files: dict[str, Path] = field(default_factory=dict)
    folder: str = "/"
    user: str = "root"
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, dockerfile: Path) -> Image:
        """Read it."""
        made = cls()
        for word, rest in instructions(dockerfile):
            match word:
                case "FROM":
                    made = cls()
                case "ENV":
                    made.environment |= dict(one.split("=", 1) for one in shlex.split(rest))
                case "WORKDIR":
                    made.folder = rest
                case "USER":
                    made.user = rest
                case "COPY" if not rest.startswith("--from"):
                    *sources, there = rest.split()
                    for one in sources:
                        made.files[made.folder if there == "./" else there] = ROOT / one
                case "CMD":
                    made.command = json.loads(rest)
                case "HEALTHCHECK":
                    made.health = json.loads(rest.partition("CMD ")[2])
        return made

    def popen(
        self, command: Sequence[str], environment: Mapping[str, str], **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start what a container would: its variables and no others, its folder, its files."""
        found = {inside: str(here) for inside, here in self.files.items()}
        ours = {**self.environment, "PATH": f"{Path(sys.executable).parent}:{os.defpath}"}
        for name in ("PYTHONPATH", "HOME"):  # the tests' own way to the code
            if name in os.environ:
                ours[name] = os.environ[name]
        words = [found.get(word, word) for word in command]
        return subprocess.Popen(
            words, cwd=found[self.folder], env={**ours, **environment}, **options
        )


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile, in order."""
    text = re.sub(r"^#.*\n", "", dockerfile.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines if line]


def services(variables: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the services of compose.yaml, with these variables set."""

    def filled(value: Any) -> Any:
        if isinstance(value, str):
            return _VARIABLE.sub(lambda m: variables.get(m[1]) or m[2], value)
        if isinstance(value, dict):
            return {key: filled(one) for key, one in value.items()}
        return [filled(one) for one in value] if isinstance(value, list) else value

    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = filled(yaml.safe_load(text)["services"])
    return found


def with_other_port(service: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return a service that listens, and is asked for its health, at a free port; and the port."""
    port = free_port()

    def moved(value: Any) -> Any:
        if isinstance(value, list):
            return [port if one in {"8080", "8765"} else one for one in value]
        return value

    check = {name: moved(value) for name, value in service["healthcheck"].items()}
    return {**service, "command": moved(service["command"]), "healthcheck": check}, port


def free_port() -> str:
    """Return a port of this machine that nobody listens at: containers have ports of their own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@contextmanager
def user(dsn: str, *roles: str) -> Iterator[str]:
    """Yield the DSN of a user of its own, who is in these roles of ours."""
    name = f"deployed_{free_port()}_{os.getpid()}"
    with psycopg.connect(dsn, autocommit=True) as admin:
        members = sql.SQL(", ").join(sql.Identifier(f"pynenc_{role}") for role in roles)
        made = sql.SQL("create role {} login password 'secret' in role {}")
        admin.execute(made.format(sql.Identifier(name), members))
        try:
            yield make_conninfo(dsn, user=name, password="secret")  # noqa: S106 - of a test
        finally:
            admin.execute(sql.SQL("drop owned by {0}; drop role {0}").format(sql.Identifier(name)))
