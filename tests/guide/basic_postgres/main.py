"""Calls the tasks; a worker process executes them."""

import time

import tasks

print("add:", tasks.add(1, 2).result)

began = time.monotonic()
invocations = [tasks.sleep(1) for _ in range(4)]
print("slept:", [invocation.result for invocation in invocations])
print("in parallel:", time.monotonic() - began < 3.5)
