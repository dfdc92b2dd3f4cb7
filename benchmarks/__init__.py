"""How fast it is, beside what the database itself allows. ``python -m benchmarks --help``.

- ``contenders``: what is measured, one module each; ``contract``: what such a module is given and
  what it returns; ``catalogue``: the rows of the table;
- ``measure``: how a measure is taken; ``children``, ``cpu``, ``clock``: processes, who used the
  processor, and when a task was started;
- ``server``, ``stores``: a PostgreSQL of the run's own, databases on it, and a Redis;
- ``library``, ``on_postgres``: what contenders have in common; ``peers``, ``apps``: other task
  queues, and their tasks;
- ``bare``, ``ours``, ``tasks``: what the contenders of this project are made of;
- ``rounds``: who is measured when; ``report``: the tables, the JSON and the page in ``docs``.
"""
