"""The app, where workers find it."""

from __future__ import annotations

from pynenc_pg import Pynenc
from pynenc_pg.contrib.django import setup

setup()
app = Pynenc("site")
