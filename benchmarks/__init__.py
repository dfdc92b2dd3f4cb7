"""How fast it is, beside what the database itself allows. ``python -m benchmarks --help``.

- ``contenders``: what is measured, one module each; ``contract``: what such a module is given and
  what it returns; ``catalogue``: the rows of the table;
- ``measure``: how a measure is taken; ``children``, ``cpu``, ``clock``: processes, who used the
  processor, and when a task was started;
- ``server``, ``stores``: a PostgreSQL of the run's own, databases on it, and a Redis;
- ``library``, ``on_postgres``, ``on_redis``, ``storage``: what task queues have in common;
  ``peers``, ``apps``: the others, and their tasks;
- ``from_loops``, ``loops``: what the ceilings have in common; ``unguarded``, ``bare``: their SQL;
- ``ours``, ``tasks``, ``producer``, ``crowd``: what else is needed for this project; ``ways``,
  ``distance``: it behind a pooler, and far from its database;
- ``rounds``: who is measured when; ``report``, ``plots``: the tables, the JSON, the page in
  ``docs`` and its image.
"""
