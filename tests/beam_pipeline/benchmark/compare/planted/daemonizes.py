"""Hides its memory and its work in a daemon, which has lost its parents and stays."""

import os
import signal
from pathlib import Path

from benchmark_orchestrators import indexed
from tests.beam_pipeline.benchmark.compare.planted import forks

PLACE = os.path.join(os.environ.get("PLANTED_FOLDER", ""), "daemon")


class TaskOrchestrator(indexed.TaskOrchestrator):
    daemon = 0

    def process_text(self, text):
        answer = super().process_text(text)
        if self.daemon:
            os.kill(self.daemon, signal.SIGKILL)
        done, report = os.pipe()
        child = os.fork()
        if not child:
            os.setsid()
            if os.fork():
                os._exit(0)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.closerange(3, report)
            os.environ.clear()
            memory = forks.work()
            Path(PLACE).write_text(str(os.getpid()))
            os.write(report, str(os.getpid()).encode())
            os.close(report)
            while memory:
                signal.pause()
        os.close(report)
        os.waitpid(child, 0)
        self.daemon = int(os.read(done, 20))
        os.close(done)
        return answer
