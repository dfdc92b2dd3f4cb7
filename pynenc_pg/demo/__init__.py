"""``pynenc-pg demo``: real work for a real worker, with figures at the end.

``tasks`` is what a user of the library writes; the rest starts it, watches it and reports.
"""
