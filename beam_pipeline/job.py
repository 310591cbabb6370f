"""One job, as its options say: input and dictionary -> the result at its place."""

import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems

from beam_pipeline import atomic
from beam_pipeline.inputs import resolve
from beam_pipeline.options import AnagramOptions, UsageError
from beam_pipeline.pipeline import build
from beam_pipeline.replay import SETTINGS, CountEarlier, ReadDeadLetters, settings_of
from beam_pipeline.runner import run_to_end, runner_name, threads_for
from beam_pipeline.sinks import WriteResult
from beam_pipeline.sources import ReadFiles, ReadString
from transforms.chaos import Chaos
from transforms.dictionary import WORD_LISTS, DictionarySpec
from transforms.errors import AnagramError
from transforms.ledger import CAUSE_PREFIX, Ledger
from transforms.resilience import Resilience


@dataclass(frozen=True)
class Summary:
    """What a finished job can tell of itself.

    Attributes:
      seconds: from the first look at the input until the result stood.
      totals: of the whole run, see `transforms.ledger`.
    """

    runner: str
    seconds: float
    totals: Mapping[str, int]

    @property
    def dead_letters_by_cause(self) -> dict[str, int]:
        """Stage and type of error -> how many records were put aside for it."""
        return {
            name.removeprefix(CAUSE_PREFIX): number
            for name, number in self.totals.items()
            if name.startswith(CAUSE_PREFIX)
        }


def run_job(options: AnagramOptions) -> Summary:
    """Runs the job to its end; its result then stands at ``--output``.

    Without an output path the result is written to standard output.

    Raises:
      AnagramError: one line for the user; nothing has been published.
    """
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="anagrams-"))
        output, token = options.output or str(Path(scratch, "result")), atomic.new_token()
        pipeline = _pipeline(options, scratch, output, token)
        for path in filter(None, (output, options.dead_letters)):
            stack.enter_context(atomic.claimed(path, token))
        run_to_end(pipeline, verbose=options.verbose)
        with FileSystems.open(atomic.told_path(output, token)) as told:
            totals = json.loads(told.read())
        if options.output is None:
            _copy_to_stdout(output)
    return Summary(runner_name(options), time.monotonic() - began, totals)


def _pipeline(options: AnagramOptions, scratch: str, output: str, token: str) -> beam.Pipeline:
    dictionary, earlier = _dictionary(options), None
    ledger = Ledger()
    resilience = Resilience(
        options.max_attempts, options.on_error, Chaos.parse(options.chaos or "")
    )
    if options.merge or options.replay:
        earlier = CountEarlier(
            dictionary,
            options.merge or "",
            options.replay or "",
            resilience=resilience,
            ledger=ledger,
        )
    pipeline = beam.Pipeline(options=options)
    records = build(
        pipeline,
        _source(options, scratch, resilience, ledger),
        engine=options.engine,
        dictionary=dictionary,
        encoding_errors=options.encoding_errors,
        min_word_length=options.min_word_length,
        min_class_size=options.min_class_size,
        min_count=options.min_count,
        top=options.top,
        threads=threads_for(options),
        earlier=earlier,
        resilience=resilience,
        ledger=ledger,
    )
    records | "WriteResult" >> WriteResult(
        output,
        options.output_format,
        options.num_shards,
        options.dead_letters or "",
        {name: getattr(options, name) for name in SETTINGS},
        token,
        tell=True,
        resilience=resilience,
        ledger=ledger,
    )
    return pipeline


def _dictionary(options: AnagramOptions) -> DictionarySpec:
    dictionary = DictionarySpec(options.dictionary, options.normalization)
    if not dictionary.is_corpus and not set(dictionary.spec.split("+")) <= set(WORD_LISTS):
        try:
            dictionary.load()  # fails here rather than on a worker
        except AnagramError as error:
            raise UsageError(f"--dictionary={dictionary.spec}: {error}") from error
    return dictionary


def _source(
    options: AnagramOptions, scratch: str, resilience: Resilience, ledger: Ledger
) -> beam.PTransform:
    if options.text is not None:
        return ReadString(options.text, resilience=resilience, ledger=ledger)
    settings: dict[str, Any] = {
        "encoding": options.encoding,
        "errors": options.encoding_errors,
        "normalization": options.normalization,
        "resilience": resilience,
        "ledger": ledger,
    }
    if options.replay is not None:
        recorded: str = settings_of(options.replay).get("encoding") or options.encoding
        return ReadDeadLetters(path=options.replay, recorded_encoding=recorded, **settings)
    try:
        patterns = [found for pattern in options.input for found in resolve(pattern, scratch)]
    except AnagramError as error:
        raise UsageError(f"--input={error}") from error
    return ReadFiles(tuple(patterns), **settings)


def _copy_to_stdout(path: str) -> None:
    with open(path, "rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.buffer.flush()
