"""The app, where workers find it."""

from pynenc_pg import Pynenc
from pynenc_pg.contrib.django import setup

setup()  # for the processes of a worker: nobody else sets Django up for them
app = Pynenc("example_django")
