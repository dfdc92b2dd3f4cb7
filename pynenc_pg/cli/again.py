"""The command line that this process was started with, and how to begin it anew."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Final, NoReturn

from pynenc_pg.exceptions import ConfigError


def _folder() -> str:
    """Return the current folder by the name it was entered with.

    Behind a symbolic link that a deployment moves on, the same name leads to the new release.
    """
    here = str(Path.cwd())
    named = os.environ.get("PWD", here)
    try:
        return named if Path(named).samefile(here) else here
    except OSError:
        return here


#: At the start: tasks may change it.
FOLDER: Final = _folder()


def command() -> list[str]:
    """Return the interpreter and its arguments, ``-m pynenc_pg`` among them if that was given."""
    given, ours = sys.orig_argv[1:], sys.argv[1:]
    if given[len(given) - len(ours) :] != ours:  # the interpreter was begun for something else
        given = ["-m", "pynenc_pg", *ours]
    return [sys.executable, *given]


def begin_anew() -> NoReturn:
    """Execute the same command in our place: the pid stays, the code is read anew.

    Raises:
        ConfigError: the interpreter or the folder is not there any more.
    """
    words = command()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.chdir(FOLDER)
        os.execv(words[0], words)  # noqa: S606 - no shell is wanted
    except OSError as error:
        message = f"cannot begin anew in {FOLDER} with {words[0]}: {error}"
        raise ConfigError(message) from error
