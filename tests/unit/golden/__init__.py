"""Texts of version 1 of the wire format, as they stand in rows. They are read for ever.

A file is added when something new is written, and never changed. ``shapes`` has the classes that
they name.
"""
