"""The state of a stream: which windows are published, saved in the folder of the windows.

A runner on one machine has no state that outlives it. A killed run leaves only its folder of
windows, so the next run determines from this folder what is still to be done:

- Each file is one complete window, written atomically.
- ``.stream.json`` has the time until which windows are complete: every window that ends at or
  before ``complete_until`` has been published, unless it had no records.

The second follows from Beam's watermarks. Published files are grouped once more in their window
(`RecordComplete`). This group fires when the watermark of that step has passed the end of the
window, and so only after this window and all earlier ones have been published.

Therefore a run that is started again reads from the earliest time at which an incomplete window may
begin: `Windowing.reach` before ``complete_until``. For Kafka, the broker returns the offset of the
first message with this timestamp or a later one; all others of that time or later have greater
offsets. Elements of windows that have been published, or are over, are dropped (`DropPublished`).
All other windows are counted from their beginning, so each gets all of its messages, once.

A message that a run has dropped as late is dropped again.

With an allowed lateness, a window is over when this has passed as well. Until then late panes are
published beside its file, and messages that a killed run had read for the next pane must not be
lost. So the whole window is read and counted again, and the counts of its published panes are
subtracted (`beam_pipeline.io.earlier_panes`). Here too, a window is over only when all of it has
been published, because runners hold the watermark back while late elements wait for their pane.

A window and its lateness may be over when a job is restored from a checkpoint and publishes the
window again. Nothing is lost if it is killed then, because a file of a window with one pane is
replaced by an equal one, and files of several panes are never changed.
"""

import contextlib
import json
import math
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.pvalue import PCollection
from apache_beam.transforms.core import Windowing

from beam_pipeline.errors import OutputError
from beam_pipeline.io.locks import folder_lock
from beam_pipeline.io.naming import Interval, files_of_windows, listed
from beam_pipeline.io.publishing import write_whole
from transforms.files import stores
from transforms.files.schemes import is_local
from transforms.stages.retry import Resilience, applying, describe
from transforms.stages.windows import SetWindowing

STATE = ".stream.json"
_FOUND = ".found-"
_VERSION = 1
# The maximum size of the state file, in bytes.
_MAX_SIZE = 64 << 20


class StreamState(NamedTuple):
    """The state of a stream.

    Attributes:
      settings: the settings on which the content of windows depends, as types of JSON.
      complete_until: windows that end at this time or before are published, in seconds since the
        epoch; None if unknown.
      is_ended: whether the stream was read to its end, so that its last window closed early.
    """

    settings: Mapping[str, Any] = {}
    complete_until: float | None = None
    is_ended: bool = False

    @classmethod
    def read(cls, folder: str) -> "StreamState | None":
        """Returns the state that an earlier run has saved in a folder; None if there is none.

        Raises:
          OutputError: it cannot be read.
        """
        path = _join(folder, STATE)
        try:
            data = _read(path)
            if data is None:
                return None
            fields = json.loads(data)
            if fields["version"] != _VERSION or not isinstance(fields["settings"], dict):
                raise ValueError("it is of another version")
            until = fields["complete_until"]
            if until is not None and not math.isfinite(float(until)):
                raise ValueError("complete_until is no time")
            return cls(
                fields["settings"],
                None if until is None else float(until),
                bool(fields["is_ended"]),
            )
        except Exception as error:  # the file may hold anything, and each filesystem has its own
            raise OutputError(f"{folder}: {path} cannot be read ({describe(error)})") from error

    def write(self, folder: str) -> None:
        """Writes the state into an existing folder.

        Raises:
          OutputError: it cannot be written.
        """
        fields = {"version": _VERSION, **self._asdict()}
        write_whole(_join(folder, STATE), json.dumps(fields, indent=2).encode() + b"\n")


def published_windows(folder: str) -> set[Interval]:
    """Returns the windows that have a file in a folder.

    Raises:
      OutputError: the folder cannot be listed.
    """
    return set(_files_in(folder).values())


def published_files(folder: str) -> set[str]:
    """Returns the paths of the files of windows in a folder.

    Raises:
      OutputError: the folder cannot be listed.
    """
    return set(_files_in(folder))


def _files_in(folder: str) -> dict[str, Interval]:
    try:
        return files_of_windows(folder)
    except Exception as error:  # each filesystem raises its own
        raise OutputError(f"{folder}: cannot be listed ({describe(error)})") from error


class FoundFiles:
    """The times at which files were found, saved in small files in a folder before they are used.

    Args:
      folder: the folder.
      since: files found before this time have been published, in seconds since the epoch.
    """

    def __init__(self, folder: str, since: float | None = None):
        self._folder, self._since = folder, since
        self._times: dict[str, tuple[int, float]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_times": None}

    def add(self, sizes: Mapping[str, int], now: float) -> dict[tuple[str, int], float]:
        """Adds files that are not known yet.

        Args:
          sizes: the sizes of the files in bytes, by path.
          now: the current time, in seconds since the epoch.

        Returns:
          The times at which files were found, by path and size; including files that were removed.

        Raises:
          OutputError: they cannot be saved.
        """
        if self._times is None:
            self._times = dict(self._read())
        new = {path: size for path, size in sizes.items() if path not in self._times}
        if new:
            name = f"{_FOUND}{round(now * 1000):015d}.json"
            fields = {"version": _VERSION, "found": now, "files": new}
            write_whole(_join(self._folder, name), json.dumps(fields).encode() + b"\n")
            self._times.update({path: (size, now) for path, size in new.items()})
        since = float("-inf") if self._since is None else self._since
        return {
            (path, size): found for path, (size, found) in self._times.items() if found >= since
        }

    def _read(self) -> Iterator[tuple[str, tuple[int, float]]]:
        for path in sorted(listed(_join(self._folder, "x"), _FOUND, ".json")):
            try:
                fields = json.loads(_read(path) or b"null")
                found = float(fields["found"])
                for file, size in fields["files"].items():
                    yield str(file), (int(size), found)
            except Exception as error:  # the file may hold anything
                message = f"{self._folder}: {path} cannot be read ({describe(error)})"
                raise OutputError(message) from error


def _join(folder: str, name: str) -> str:
    return os.path.join(folder, name) if is_local(folder) else FileSystems.join(folder, name)


def _read(path: str) -> bytes | None:
    if is_local(path):
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            return file.read(_MAX_SIZE)
        return None
    return stores.read_file(path, _MAX_SIZE) if stores.exists(path) else None


@dataclass
class DropPublished(beam.PTransform[PCollection[Any], PCollection[Any]]):
    """Drops elements in windows that have been published, or are over.

    Attributes:
      published: the windows that have files and get no more panes.
      over_until: windows that end at this time or before are over; None if no window is.
    """

    published: Collection[Interval] = ()
    over_until: float | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, elements: PCollection[Any]) -> PCollection[Any]:
        if not self.published and self.over_until is None:
            return elements
        until = float("-inf") if self.over_until is None else self.over_until
        drop = beam.ParDo(_DropFn(tuple(self.published), until))
        kept: PCollection[Any] = elements | "Drop" >> drop
        kept.element_type = elements.element_type
        return kept


class _DropFn(beam.DoFn):
    def __init__(self, published: tuple[Interval, ...], until: float):
        # Windows that are over need not be looked up.
        self._published = [window for window in published if window[1] > until]
        self._until = until

    def process(self, element: Any, window: Any = beam.DoFn.WindowParam) -> Iterator[Any]:
        start, end = window.start.micros / 1e6, window.end.micros / 1e6
        if end <= self._until:
            return
        # Before sessions are merged, the window of a message is a part of that of its session.
        if not any(first <= start and end <= last for first, last in self._published):
            yield element


@dataclass
class RecordComplete(beam.PTransform[PCollection[str], PCollection[float]]):
    """Saves the time until which windows are complete, and yields it, in seconds since the epoch.

    Attributes:
      folder: the folder of the windows.
      settings: see `StreamState`.
      tell: called with the time until which windows are complete, for example to commit offsets.
      resilience: how many times saving is tried.
    """

    folder: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    tell: Callable[[float], None] | None = None
    resilience: Resilience = field(default_factory=Resilience)

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, published: PCollection[str]) -> PCollection[float]:
        recorded: PCollection[float] = (
            published
            # Without triggers: a window is complete when the watermark has passed its end.
            | "OnTime" >> SetWindowing(Windowing(published.windowing.windowfn), str)
            | "OneKey" >> beam.WithKeys(None)
            | "WhenComplete" >> beam.GroupByKey()
            | "Record" >> beam.ParDo(_RecordFn(self)).with_output_types(float)
        )
        return recorded


class _RecordFn(beam.DoFn):
    def __init__(self, settings: RecordComplete):
        self._folder, self._settings = settings.folder, dict(settings.settings)
        self._tell, self._resilience = settings.tell, settings.resilience

    def process(self, _: tuple[None, Any], window: Any = beam.DoFn.WindowParam) -> Iterator[float]:
        end = window.end.micros / 1e6
        with applying(self._resilience):
            self._record(end)
        if self._tell is not None:
            self._tell(end)
        yield end

    def _record(self, end: float) -> None:
        path = _join(self._folder, STATE)
        with folder_lock(path) if is_local(path) else contextlib.nullcontext():
            state = StreamState.read(self._folder) or StreamState(self._settings)
            if state.complete_until is None or state.complete_until < end:
                state._replace(complete_until=end).write(self._folder)
