"""A runner's name means what Beam means by it, and how many threads may count."""

import pytest

from beam_pipeline.cli.parsing import parse
from beam_pipeline.errors import UsageError
from beam_pipeline.options import AnagramOptions
from beam_pipeline.runners import names

PRISM = "apache_beam.runners.portability.prism_runner.PrismRunner"


def options_of(*arguments: str) -> AnagramOptions:
    """The options of a run with these arguments besides a text."""
    return parse(["--text=cat", "--output=out.json", *arguments])


@pytest.mark.parametrize(
    ("given", "resolved"),
    [
        ("FnApiRunner", "FnApiRunner"),
        ("fnapi", "FnApiRunner"),
        ("DirectRunner", "FnApiRunner"),
        ("direct", "FnApiRunner"),
        ("SwitchingDirectRunner", "FnApiRunner"),
        ("BundleBasedDirectRunner", "BundleBasedDirectRunner"),
        ("prism", "PrismRunner"),
        ("FLINK", "FlinkRunner"),
        ("apache_beam.runners.runner.PipelineRunner", "apache_beam.runners.runner.PipelineRunner"),
    ],
)
def test_names_are_resolved_as_beam_does(given: str, resolved: str) -> None:
    assert names.resolve_runner(given) == resolved


def test_an_unknown_runner_is_refused_with_a_list_of_the_known() -> None:
    with pytest.raises(UsageError, match=r"not one of .*FlinkRunner, FnApiRunner") as raised:
        names.resolve_runner("Flunk")
    assert (raised.value.setting, raised.value.value) == ("runner", "Flunk")


def test_local_runners_share_the_files_of_this_process() -> None:
    local = ("FnApiRunner", "BundleBasedDirectRunner", "PrismRunner", "a.package.PrismRunner")
    assert all(map(names.is_local, local))
    remote = (
        "FlinkRunner",
        "SparkRunner",
        "DataflowRunner",
        "PortableRunner",
        "apache_beam.runners.runner.PipelineRunner",
    )
    assert not any(map(names.is_local, remote))


def test_only_the_default_runner_is_in_process() -> None:
    assert names.is_in_process(options_of())
    assert not names.is_in_process(options_of("--runner=BundleBasedDirectRunner"))
    assert not names.is_in_process(options_of("--runner=PrismRunner"))
    assert names.runner_name(options_of(f"--runner={PRISM}")) == "PrismRunner"


@pytest.mark.parametrize(
    ("arguments", "threads", "described"),
    [
        ([], 3, "FnApiRunner (in_memory, 3 threads)"),
        (["--dictionary=none"], 3, "FnApiRunner (in_memory, 3 threads)"),
        (["--engine=elementwise"], 1, "FnApiRunner (in_memory, 1 worker)"),
        (
            ["--direct_running_mode=multi_processing", "--direct_num_workers=2"],
            1,
            "FnApiRunner (multi_processing, 2 workers)",
        ),
        (["--runner=FlinkRunner"], 1, "FlinkRunner"),
        (
            ["--runner=apache_beam.runners.runner.PipelineRunner"],
            1,
            "apache_beam.runners.runner.PipelineRunner",
        ),
    ],
)
def test_one_worker_in_compiled_code_has_all_cores(
    arguments: list[str], threads: int, described: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2}, raising=False)
    options = options_of(*arguments)
    assert names.threads_for(options) == threads
    assert names.describe_runner(options) == described


KAFKA, PUBSUB = "--input=kafka://h:1/t", "--input=pubsub://projects/p/subscriptions/s"


@pytest.mark.parametrize(
    ("runner", "runs"),
    [
        ("PrismRunner", [KAFKA, "--watch=5"]),
        ("FlinkRunner", [KAFKA, "--watch=5"]),
        ("FnApiRunner", []),
        ("BundleBasedDirectRunner", [PUBSUB]),
        ("SparkRunner", []),
        # It may be any; what it says is what the user gets.
        ("PortableRunner", [KAFKA, "--watch=5", PUBSUB]),
    ],
)
def test_runners_get_the_streams_that_they_can_read(runner: str, runs: list[str]) -> None:
    for stream in (KAFKA, "--watch=5", PUBSUB):
        options = AnagramOptions([stream])
        if stream in runs:
            names.check_runs_streams(options, runner)
        else:
            with pytest.raises(UsageError) as raised:
                names.check_runs_streams(options, runner)
            assert raised.value.value == runner


def test_a_stream_with_an_end_runs_in_this_process() -> None:
    names.check_runs_streams(AnagramOptions([f"{KAFKA}?until=now"]), "FnApiRunner")


@pytest.mark.parametrize(
    ("arguments", "has_end"),
    [
        ([f"{KAFKA}?until=now"], True),
        ([f"{KAFKA}?delay=1&until=n%6Fw"], True),
        ([f"{KAFKA}?start=latest"], False),
        (["--input=a?until=now", "--watch=5"], False),  # a pattern of files
    ],
)
def test_only_a_topic_can_have_an_end(arguments: list[str], has_end: bool) -> None:
    options = AnagramOptions(arguments)
    assert names.has_end(options) == has_end
    assert (names.default_runner(options) == "FnApiRunner") == has_end


@pytest.mark.parametrize(
    ("runner", "splits"), [("PrismRunner", 1), ("FnApiRunner", 1), ("FlinkRunner", None)]
)
def test_only_clusters_read_the_parts_of_a_stream_by_themselves(
    runner: str, splits: int | None
) -> None:
    assert names.max_splits_for(AnagramOptions([KAFKA, f"--runner={runner}"])) == splits


@pytest.mark.parametrize(
    ("more", "once"),
    [
        ((), True),
        (("--engine=elementwise",), True),
        (("--direct_runner_bundle_repeat=1",), False),
        (("--direct_running_mode=multi_processing", "--direct_num_workers=2"), False),
        (("--runner=PrismRunner",), False),
    ],
)
def test_elements_are_received_once_by_the_only_worker(more: tuple[str, ...], once: bool) -> None:
    options = AnagramOptions(["--runner=FnApiRunner", *more])
    assert names.receives_each_element_once(options) == once
