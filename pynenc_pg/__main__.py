"""``python -m pynenc_pg`` is the command ``pynenc-pg``."""

from pynenc_pg.cli import main

if __name__ == "__main__":
    main()
