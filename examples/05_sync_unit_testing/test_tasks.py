"""With one setting tasks run at the call, in this thread: no store, no runner, no waiting."""

import unittest

import tasks


class TestTasks(unittest.TestCase):
    def setUp(self) -> None:
        tasks.app.conf.dev_mode_force_sync_tasks = True
        self.addCleanup(setattr, tasks.app.conf, "dev_mode_force_sync_tasks", False)

    def test_add(self) -> None:
        self.assertEqual(tasks.add(1, 2).result, 3)

    def test_tasks_that_call_tasks(self) -> None:
        self.assertEqual(tasks.total([1, 2, 3]).result, 6)

    def test_retries_come_at_once(self) -> None:
        invocation = tasks.fetch(7)
        self.assertEqual(invocation.result, "page 7")
        self.assertEqual(len(invocation.attempts), 3)

    def test_errors_are_raised_by_result(self) -> None:
        invocation = tasks.add(1, "2")  # type: ignore[arg-type]  # that is the point
        with self.assertRaises(TypeError):
            invocation.result
