"""How fast it is, beside what the database itself allows. ``python -m benchmarks --help``.

- ``contenders``: what is measured, one module each, all with the same four functions;
- ``contract``: what such a module is given and what it returns;
- ``catalogue``: the rows of the table;
- ``server``, ``cpu``: a PostgreSQL of the run's own, and who used the processor;
- ``rounds``: who is measured when; ``report``: the table, the JSON and the page in ``docs``;
- ``bare``, ``children``, ``ours``, ``tasks``: what the contenders of this project are made of.
"""
