"""All components in memory: a runner in a thread as in production, or a clock of your own."""

import unittest

from pynenc_pg import InvocationStatus
from pynenc_pg.testing import in_memory

import tasks


class TestWithARunner(unittest.TestCase):
    def setUp(self) -> None:
        tasks.app.conf.orchestrator_cls = "MemOrchestrator"
        tasks.app.conf.broker_cls = "MemBroker"
        tasks.app.conf.state_backend_cls = "MemStateBackend"
        tasks.app.conf.runner_cls = "ThreadRunner"
        self.addCleanup(tasks.app.close)  # what is in memory goes, too
        self.enterContext(tasks.app.runner.in_background())

    def test_add(self) -> None:
        self.assertEqual(tasks.add(1, 2).result_or_raise(timeout=10), 3)

    def test_many(self) -> None:
        calls = [tasks.add(number, 1) for number in range(100)]
        self.assertEqual([call.result for call in calls], list(range(1, 101)))


class TestWithAClock(unittest.TestCase):
    def test_a_retry_waits_for_an_hour(self) -> None:
        with in_memory(tasks.app) as world:
            invocation = tasks.fetch(7)
            world.run_until_idle()
            self.assertIs(invocation.status, InvocationStatus.RETRY)
            world.advance(3600)
            self.assertEqual(invocation.result, "page 7")
