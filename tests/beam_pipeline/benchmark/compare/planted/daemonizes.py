"""Hides its memory and its work in a daemon, which has lost its parents and stays."""

import os
import signal
import time
from pathlib import Path

from benchmark_orchestrators import indexed
from tests.beam_pipeline.benchmark.compare.planted import forks


class TaskOrchestrator(indexed.TaskOrchestrator):
    def process_text(self, text):
        answer = super().process_text(text)
        done, tell = os.pipe()
        child = os.fork()
        if not child:
            os.setsid()
            if os.fork():
                os._exit(0)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.closerange(3, tell)
            os.environ.clear()
            forks.work()
            Path(PLACE).write_text(str(os.getpid()))
            os.write(tell, b"x")
            os.close(tell)
            time.sleep(600)
            os._exit(0)
        os.waitpid(child, 0)
        os.read(done, 1)
        return answer


PLACE = os.path.join(os.environ.get("PLANTED_FOLDER", ""), "daemon")
