"""`AnagramCount` records -> one sorted file, or shards, that appear whole or not at all.

Records are packed into sorted runs, the runs of a shard merged into a temporary file beside
the output, and the temporary files renamed when all of them stand and the totals of all stages
agree. A run holds its records as lines of text in UTF-8, whose byte order is the order of the
words, so that merging needs memory for the packed runs only.
"""

import heapq
import io
import itertools
import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.utils.windowed_value import WindowedValue

from beam_pipeline.io import publishing
from beam_pipeline.io.formats import FORMATS, Counted
from transforms.checks import check_one_of, check_positive
from transforms.errors import AnagramError
from transforms.expand import AnagramCount
from transforms.stages.bundles import in_global_window
from transforms.stages.dead_letters import DeadLetter, to_json
from transforms.stages.retry import Retrier, RetriesExhaustedError
from transforms.stages.stage import Stage, StageFn
from transforms.stages.totals import Totals, check_invariants

_RUN_RECORDS = 50_000
#: The "shard" that dead letters go to.
_DEAD_LETTERS = -1


class WriteOutcome(NamedTuple):
    """What there is to publish, and what all stages have told.

    Attributes:
      files: (temporary, final) paths of what has been written.
    """

    files: tuple[tuple[str, str], ...] = ()
    totals: Totals = Totals()


@dataclass
class WriteResults(Stage):
    """`AnagramCount` -> the paths of the files written, once they stand.

    Where there is a side_outputs, the totals in it must agree before anything is published.

    Attributes:
      path: the file; with more than one shard, ``path-00000-of-0000N`` and so on.
      format: one of `FORMATS`.
      num_shards: number of files. A word's shard depends on the word only.
      dead_letters: the file for the dead letters, JSON lines; empty: there is none.
      settings: of the run, noted in each dead letter.
      token: names the temporary files of this run.
      tell: whether to leave the totals, and the files to publish, at `publishing.manifest_path`.

    Raises (when it runs):
      AnagramError: the output cannot be written, or the totals do not agree.
    """

    path: str = ""
    format: str = "json"
    num_shards: int = 1
    dead_letters: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    token: str = field(default_factory=publishing.new_token)
    tell: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_one_of(FORMATS, format=self.format)
        check_positive(num_shards=self.num_shards)

    def expand(self, records: PCollection[AnagramCount]) -> PCollection[str]:
        runs = [self.run(records, "PackRuns", _PackFn(self), tuple[int, bytes])]
        # A shard without records is a file too, so every shard gets an empty run.
        shards = [*range(self.num_shards), *([_DEAD_LETTERS] if self.dead_letters else [])]
        runs.append(
            records.pipeline
            | "EmptyRuns" >> beam.Create([(shard, b"") for shard in shards], reshuffle=False)
        )
        if self.side_outputs is not None and self.dead_letters:
            letters = tuple(self.side_outputs.dead_letters) | "AllDeadLetters" >> beam.Flatten()
            runs.append(letters | "PackDeadLetters" >> beam.Map(_pack_letter, self.settings))
        files = (
            tuple(runs)
            | "AllRuns" >> beam.Flatten().with_output_types(tuple[int, bytes])
            | "GroupByShard" >> beam.GroupByKey()
        )
        written = self.run(files, "WriteShards", _WriteFn(self), WriteOutcome)
        totals = [] if self.side_outputs is None else self.side_outputs.totals
        told = tuple(totals) | "AllTotals" >> beam.Flatten(pipeline=records.pipeline)
        return (
            (written, told | "AsOutcomes" >> beam.Map(_told).with_output_types(WriteOutcome))
            | "Outcomes" >> beam.Flatten()
            | "MergeOutcomes" >> beam.CombineGlobally(_MergeFn()).without_defaults()
            | "Publish" >> beam.ParDo(_PublishFn(self)).with_output_types(str)
        )


class _PackFn(StageFn):
    """Records -> (shard, a sorted run of them packed into bytes)."""

    def __init__(self, sink: WriteResults):
        super().__init__(sink.resilience)
        self._num_shards = sink.num_shards

    def start_bundle(self) -> None:
        super().start_bundle()
        self._packed = 0
        self._lines: defaultdict[int, list[bytes]] = defaultdict(list)

    def process(self, record: AnagramCount) -> list[tuple[int, bytes]]:
        self._packed += 1
        word = record.word.encode()
        shard = zlib.crc32(word) % self._num_shards if self._num_shards > 1 else 0
        lines = self._lines[shard]
        lines.append(b"%s\t%d\n" % (word, record.count))
        return [] if len(lines) < _RUN_RECORDS else [(shard, _pack(self._lines.pop(shard)))]

    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput]:
        yield from in_global_window((shard, _pack(lines)) for shard, lines in self._lines.items())
        self.totals["records_packed"] = self._packed
        yield from self.emit_totals()


def _pack(lines: list[bytes]) -> bytes:
    # A tab sorts before every character of a word: lines sort as their words do.
    return b"".join(sorted(lines))


def merge(runs: Iterable[bytes]) -> Iterator[Counted]:
    """Packed runs -> their (word, count) in the order of the words."""
    for line in heapq.merge(*(io.BytesIO(run) for run in runs if run)):
        word, _, count = line.decode().partition("\t")
        yield word, int(count)


def _pack_letter(letter: DeadLetter, settings: Mapping[str, Any]) -> tuple[int, bytes]:
    return _DEAD_LETTERS, to_json(letter, settings).encode() + b"\n"


def _told(totals: Totals) -> WriteOutcome:
    return WriteOutcome(totals=totals)


class _WriteFn(StageFn):
    """(Shard, its packed runs) -> the `WriteOutcome` of having written them."""

    def __init__(self, sink: WriteResults):
        super().__init__(sink.resilience)
        self._sink = sink.path, sink.num_shards, sink.format
        self._dead_letters, self._token = sink.dead_letters, sink.token
        self._retrier = Retrier("write", sink.resilience)

    def process(self, shard_and_runs: tuple[int, Iterable[bytes]]) -> Iterator[WriteOutcome]:
        shard, runs = shard_and_runs
        path, num_shards, _ = self._sink
        final = self._dead_letters
        if shard != _DEAD_LETTERS:
            final = publishing.shard_path(path, shard, num_shards)
        try:
            temporary, written = self._retrier(self._write, final, shard, runs)
        except RetriesExhaustedError as error:
            option = "dead_letters" if shard == _DEAD_LETTERS else "output"
            path = final if shard == _DEAD_LETTERS else path
            raise AnagramError(f"--{option}={path}: cannot be written: {error}") from error
        if shard != _DEAD_LETTERS:
            self.totals["records_written"] += written
        self.totals["files_written"] += 1
        yield WriteOutcome(files=((temporary, final),))

    def finish_bundle(self) -> Iterator[TaggedOutput]:
        return self.emit_totals(self._retrier)

    def _write(self, final: str, shard: int, runs: Iterable[bytes]) -> tuple[str, int]:
        """-> the temporary file, and how many records are in it."""
        temporary = publishing.temporary_path(final, self._token)
        compression = CompressionTypes.detect_compression_type(final)
        with FileSystems.create(temporary, compression_type=compression) as file:
            if shard == _DEAD_LETTERS:
                lines = [run for run in runs if run]
                for line in lines:  # not every file of Beam's has `writelines`
                    file.write(line)
                return temporary, len(lines)
            counting = itertools.count()
            records = (record for record, _ in zip(merge(runs), counting, strict=False))
            FORMATS[self._sink[2]](records, file)
            return temporary, next(counting)


class _MergeFn(beam.CombineFn):
    """`WriteOutcome`s -> all in one. The accumulator is (files, totals)."""

    def create_accumulator(self) -> tuple[list[tuple[str, str]], Totals]:
        return [], Totals()

    def add_input(
        self, accumulator: tuple[list[tuple[str, str]], Totals], outcome: WriteOutcome
    ) -> tuple[list[tuple[str, str]], Totals]:
        accumulator[0].extend(outcome.files)
        accumulator[1].update(outcome.totals)
        return accumulator

    def merge_accumulators(
        self, accumulators: Iterable[tuple[list[tuple[str, str]], Totals]]
    ) -> tuple[list[tuple[str, str]], Totals]:
        merged = self.create_accumulator()
        for files, totals in accumulators:
            merged[0].extend(files)
            merged[1].update(totals)
        return merged

    def extract_output(self, accumulator: tuple[list[tuple[str, str]], Totals]) -> WriteOutcome:
        files, totals = accumulator
        return WriteOutcome(tuple(sorted(files, key=lambda pair: pair[1])), totals)


class _PublishFn(beam.DoFn):
    """The `WriteOutcome` of all -> the final paths, once the files stand there."""

    def __init__(self, sink: WriteResults):
        self._path, self._num_shards = sink.path, sink.num_shards
        self._dead_letters = sink.dead_letters
        self._is_checked = sink.side_outputs is not None
        self._wanted = sink.num_shards + bool(sink.dead_letters)
        self._token = sink.token
        self._told = publishing.manifest_path(sink.path, sink.token) if sink.tell else ""
        self._retrier = Retrier("write", sink.resilience)

    def process(self, outcome: WriteOutcome) -> Iterator[str]:
        totals = outcome.totals + Totals(files=len(outcome.files), files_wanted=self._wanted)
        if self._is_checked:
            check_invariants(totals)
        # Dead letters first: no result may stand without those that belong to it.
        files = sorted(outcome.files, key=self._is_result)
        with publishing.publish_lock(self._path):
            if self._told and not publishing.is_locked(self._path, self._token):
                raise AnagramError(
                    f"{self._path}: not published: the run that asked for it has been stopped, or "
                    "waits on another machine"
                )
            self._tell(totals, files)  # from here on the result is to stand, whoever dies
            for temporary, final in files:
                try:
                    self._retrier(publishing.replace, temporary, final)
                except RetriesExhaustedError as error:
                    raise AnagramError(f"{final}: cannot be written: {error}") from error
            if self._num_shards > 1:  # an earlier result may have had more of them
                # Compared by name: a folder has more than one spelling.
                written = {final.rpartition("/")[2] for _, final in outcome.files}
                shards = publishing.all_shards(self._path)
                publishing.remove(one for one in shards if one.rpartition("/")[2] not in written)
        retries, faults = self._retrier.drain_counts()
        if retries or faults:
            self._tell(totals + Totals(retries=retries, faults_injected=faults), files)
        yield from (final for _, final in outcome.files)

    def _tell(self, totals: Totals, files: list[tuple[str, str]]) -> None:
        """Leaves the totals, and what is to be renamed, to the one who waits for the run."""
        if self._told:
            temporary = publishing.temporary_path(self._path, self._token)
            with FileSystems.create(temporary) as file:
                file.write(json.dumps({"totals": totals, "files": files}).encode())
            publishing.replace(temporary, self._told)

    def _is_result(self, file: tuple[str, str]) -> bool:
        return file[1] != self._dead_letters
