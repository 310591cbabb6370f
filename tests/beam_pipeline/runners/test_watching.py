"""What a Flink cluster tells of a job becomes one line, and only when it is sure."""

import pytest

from beam_pipeline.runners.flink_rest import JobStatus, Slots
from beam_pipeline.runners.watching import JobWatch
from transforms.errors import AnagramError, InputError

FREE, FULL = Slots(2, 1), Slots(2, 0)
LOST = "org.apache.flink.runtime.JobException: Recovery is suppressed\n\tat a.b(C.java:1)\n"
LOST += "Caused by: java.lang.NoClassDefFoundError: org/apache/beam/X\n\t... 3 more"
OURS = "java.lang.RuntimeException: Error received from SDK harness for instruction 4: Traceback\n"
OURS += (
    "  File \"x.py\", line 1\ntransforms.errors.InputError: a.txt: is gone [while running 'x']\n"
)


def status(state: str = "RUNNING", *, failures: tuple[str, ...] = (), **tasks: int) -> JobStatus:
    return JobStatus(state, tuple(sorted(tasks.items())), failures)


def test_an_error_of_ours_ends_the_job_before_it_is_restarted() -> None:
    error = JobWatch().verdict(status("RESTARTING", failures=(LOST, OURS)), FREE, 0)
    assert (type(error), str(error)) == (InputError, "a.txt: is gone")


def test_other_failures_are_left_to_flink() -> None:
    watch = JobWatch()
    assert watch.verdict(status("RESTARTING", failures=(LOST,)), FREE, 0) is None
    assert watch.verdict(status(failures=(LOST,), RUNNING=2), FREE, 1e6) is None


def test_each_other_reason_for_a_restart_is_told_once() -> None:
    watch = JobWatch()
    lost = "Flink restarts the job: java.lang.NoClassDefFoundError: org/apache/beam/X"
    away = "java.net.ConnectException: Connection refused"
    assert watch.notice(status()) is None
    assert watch.notice(status("FAILING", failures=(LOST,))) is None  # it may be the end
    assert watch.notice(status("RESTARTING", failures=(LOST,))) == lost
    assert watch.notice(status(failures=(LOST, LOST))) is None
    assert watch.notice(status(failures=(LOST, LOST, away))) == f"Flink restarts the job: {away}"
    assert watch.notice(status("RESTARTING", failures=(away, LOST))) == lost
    assert watch.notice(status("FAILED", failures=(away,))) is None
    assert watch.notice(status()) is None  # Flink does not keep all failures


def test_the_reason_for_a_restart_is_what_a_worker_has_raised() -> None:
    failure = """a.B: it failed
\tat a.b(C.java:1)
Caused by: java.lang.RuntimeException: Error received from SDK harness for instruction {}: Traceback
  File "x.py", line 1
OSError: no disk

During handling of the above exception, another exception occurred:

  File "x.py", line 2
OSError: no disk [while running 'Write']

\tat c.d(E.java:1)"""
    watch, attempts = JobWatch(), [failure.format(instruction) for instruction in (3, 9)]
    expected = "Flink restarts the job: OSError: no disk"
    assert watch.notice(status(failures=(attempts[0],))) == expected
    assert watch.notice(status(failures=(*attempts,))) is None


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        (
            status("FAILED", failures=(LOST,)),
            "the job has failed at Flink: java.lang.NoClassDefFoundError: org/apache/beam/X",
        ),
        (status("CANCELED"), "the job was cancelled at Flink"),
    ],
)
def test_an_end_that_the_job_server_does_not_report_is_reported(
    ended: JobStatus, expected: str
) -> None:
    watch = JobWatch(server_patience=15)
    assert watch.verdict(ended, FREE, 100) is None
    assert watch.verdict(ended, FREE, 114) is None
    error = watch.verdict(ended, FREE, 115)
    assert (type(error), str(error)) == (AnagramError, expected)


def test_a_job_that_waits_for_slots_for_long_is_ended() -> None:
    watch = JobWatch(slot_patience=60)
    assert watch.verdict(status(SCHEDULED=5), FULL, 0) is None
    assert watch.verdict(status(SCHEDULED=5), FULL, 59) is None
    assert "2 task slots and none is free for 5 tasks" in str(
        watch.verdict(status(SCHEDULED=5), FULL, 60)
    )


def test_a_job_that_makes_progress_or_may_go_on_is_not() -> None:
    watch = JobWatch(slot_patience=60)
    assert watch.verdict(status(SCHEDULED=5), FULL, 0) is None
    assert watch.verdict(status(SCHEDULED=4, FINISHED=1), FULL, 60) is None  # in turn
    assert watch.verdict(status(SCHEDULED=4, FINISHED=1), FREE, 1e6) is None
    assert watch.verdict(status(RUNNING=4, FINISHED=1), FULL, 2e6) is None
    assert watch.verdict(status("FINISHED", FINISHED=5), FULL, 3e6) is None


def test_a_job_that_waits_for_a_worker_for_long_is_ended() -> None:
    watch = JobWatch(worker_patience=60)
    assert watch.verdict_on_workers(True, 100) is None
    assert watch.verdict_on_workers(True, 159) is None
    error = watch.verdict_on_workers(True, 160)
    assert type(error) is AnagramError
    assert "waits for a Python worker for 60 s" in str(error)


def test_a_job_that_gets_its_workers_one_after_the_other_is_not() -> None:
    watch = JobWatch(worker_patience=60)
    for now in range(0, 600, 50):
        assert watch.verdict_on_workers(True, now) is None
        assert watch.verdict_on_workers(False, now + 25) is None
