import threading
import unittest

import basic


class Adding(unittest.TestCase):
    def setUp(self) -> None:
        basic.app.conf.dev_mode_force_sync_tasks = False
        basic.app.conf.orchestrator_cls = "MemOrchestrator"
        basic.app.conf.broker_cls = "MemBroker"
        basic.app.conf.state_backend_cls = "MemStateBackend"
        basic.app.conf.runner_cls = "ThreadRunner"
        self.thread = threading.Thread(target=basic.app.runner.run, daemon=True)
        self.thread.start()

    def tearDown(self) -> None:
        basic.app.runner.stop_runner_loop()
        self.thread.join()

    def test_add(self) -> None:
        self.assertEqual(basic.add(1, 2).result, 3)
