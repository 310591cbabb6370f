"""A stream gets what it needs on Flink: checkpoints that lose nothing, and one job a folder."""

from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import GoogleCloudOptions

from beam_pipeline.errors import UsageError
from beam_pipeline.options import AnagramOptions
from beam_pipeline.runners.flink_options import FlinkJobServerOptions
from beam_pipeline.runners.flink_streams import (
    CHECKPOINTING_INTERVAL_MILLIS,
    job_name,
    prepare_stream,
)


def prepared(*arguments: str, query: str = "") -> AnagramOptions:
    """Options that are complete for Flink."""
    options = AnagramOptions([f"--input=kafka://h:1/t{query}", "--output=out", *arguments])
    prepare_stream(options)
    return options


@pytest.mark.parametrize(
    ("given", "interval"),
    [((), CHECKPOINTING_INTERVAL_MILLIS), (("--checkpointing_interval=500",), 500)],
)
def test_bundles_are_finished_before_each_checkpoint(given: tuple[str, ...], interval: int) -> None:
    sent = prepared(*given).get_all_options(drop_default=True)
    assert sent["checkpointing_interval"] == interval
    assert sent["finish_bundle_before_checkpointing"] is True


def test_a_stream_with_an_end_has_no_checkpoints_for_flink_would_not_end_it() -> None:
    sent = prepared(query="?until=now").get_all_options(drop_default=True)
    assert "checkpointing_interval" not in sent
    assert sent["finish_bundle_before_checkpointing"] is True


@pytest.mark.parametrize(("interval", "query"), [(5000, "?until=now"), (0, ""), (-1, "")])
def test_checkpoints_that_cannot_be_are_refused(interval: int, query: str) -> None:
    with pytest.raises(UsageError) as raised:
        prepared(f"--checkpointing_interval={interval}", query=query)
    assert (raised.value.setting, raised.value.value) == ("checkpointing_interval", interval)


@pytest.mark.parametrize(
    ("given", "retries", "delay"),
    [
        ((), 2**31 - 1, 5000),
        (("--environment_cache_millis=4000",), 2**31 - 1, 8000),
        (("--number_of_execution_retries=3", "--execution_retry_delay=9"), 3, 9),
    ],
)
def test_a_stream_is_restarted_as_often_as_it_fails_when_its_workers_are_gone(
    given: tuple[str, ...], retries: int, delay: int
) -> None:
    sent = prepared(*given).get_all_options()
    assert sent["number_of_execution_retries"] == retries
    assert sent["execution_retry_delay"] == delay


def test_jobs_of_one_folder_have_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    names = {job_name(folder) for folder in ("out", str(tmp_path / "out"), "link/out/", "./out")}
    assert len(names) == 1
    assert names.isdisjoint({job_name("other"), job_name("gs://b/out")})
    assert prepared().view_as(GoogleCloudOptions).job_name in names
    assert prepared("--job_name=mine").view_as(GoogleCloudOptions).job_name == "mine"
    assert prepared().view_as(FlinkJobServerOptions).checkpointing_interval
