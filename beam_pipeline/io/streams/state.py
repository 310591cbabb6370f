"""How far a stream has been published, written down beside what has been published.

A runner on one machine has no state that outlives it. What a killed run leaves is its folder of
windows, so that is where the next run has to find out what there is still to do:

- Each file is one complete window. It is there whole or not at all.
- ``.stream.json`` says until when windows are complete: every window that ends at or before
  ``complete_until`` has been published, if there was anything in it.

The second follows from Beam's watermarks. What has been published is grouped once more in its
window (`RecordComplete`). That group fires when the watermark there has passed the end of the
window, which is not before all that came earlier has been published, this window included.

A run that is started again therefore reads from the earliest moment at which a window that is not
complete may begin: `Windowing.reach` before ``complete_until``. For Kafka, that is the first
message with a timestamp of this moment or later, which the broker knows; all others of that time or
later come behind it. What is read again and is in a window that has been published, or is over, is
dropped (`DropPublished`). All other windows begin anew, so each gets all of its messages, once.

A message that a run has found late, and dropped, is dropped again. With allowed lateness, late
panes are published beside their window; what was read for a late pane and not published when a run
was killed is lost, as it belongs to a window that is there.
"""

import contextlib
import json
import math
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.pvalue import PCollection
from apache_beam.transforms.core import Windowing
from apache_beam.utils.timestamp import Timestamp

from beam_pipeline.errors import OutputError
from beam_pipeline.io.locks import folder_lock
from beam_pipeline.io.naming import listed, name_of
from beam_pipeline.io.publishing import write_whole
from transforms.files import stores
from transforms.files.schemes import is_local
from transforms.stages.retry import describe
from transforms.stages.windows import SetWindowing

STATE = ".stream.json"
_FOUND = ".found-"
_VERSION = 1
# No file of state is larger, in bytes.
_MAX_SIZE = 64 << 20
#: The start and the end of a window, in seconds since the epoch.
Interval = tuple[float, float]


class StreamState(NamedTuple):
    """How far a stream has been published.

    Attributes:
      settings: those on which the content of windows depends, as JSON has them.
      complete_until: windows that end at this time or before are published, in seconds since the
        epoch; None: it is not known of any.
      is_ended: whether the stream was read to an end, and its last window closed early.
    """

    settings: Mapping[str, Any] = {}
    complete_until: float | None = None
    is_ended: bool = False

    @classmethod
    def read(cls, folder: str) -> "StreamState | None":
        """Returns what an earlier run has left in a folder; None if there was none.

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
        """Writes the state into a folder, which there must be.

        Raises:
          OutputError: it cannot be written.
        """
        fields = {"version": _VERSION, **self._asdict()}
        write_whole(_join(folder, STATE), json.dumps(fields, indent=2).encode() + b"\n")


# Names of files of windows, see `beam_pipeline.io.naming.window_name`; on HDFS without colons.
_NAME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d):?(\d\d):?(\d\d(?:\.\d+)?)Z")


def published_windows(folder: str) -> set[Interval]:
    """Returns the windows of which there is a file in a folder.

    Raises:
      OutputError: the folder cannot be listed.
    """
    try:
        paths = listed(_join(folder, "x"), "", "Z_")
    except Exception as error:  # each filesystem raises its own
        raise OutputError(f"{folder}: cannot be listed ({describe(error)})") from error
    return {window for path in paths if (window := _window_of(name_of(path))) is not None}


def _window_of(name: str) -> Interval | None:
    if name.startswith("."):
        return None
    times = [
        Timestamp.from_rfc3339(f"{day}T{hour}:{minute}:{second}Z").micros / 1e6
        for day, hour, minute, second in _NAME.findall(name)
    ]
    return (times[0], times[1]) if len(times) == 2 else None


class FoundFiles:
    """When files were found: each find is a small file in a folder, written before it is used.

    Args:
      folder: which one.
      since: files found before this time have been published, in seconds since the epoch.
    """

    def __init__(self, folder: str, since: float | None = None):
        self._folder, self._since = folder, since
        self._times: dict[str, tuple[int, float]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_times": None}

    def add(self, sizes: Mapping[str, int], now: float) -> dict[tuple[str, int], float]:
        """Adds files, if they are not known.

        Args:
          sizes: of the files, in bytes, by their paths.
          now: in seconds since the epoch.

        Returns:
          When files were found, by path and size; also those that are not there any more.

        Raises:
          OutputError: it cannot be written down.
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
    """Drops what is in windows that have been published, or are over.

    Attributes:
      published: the windows of which there are files.
      complete_until: windows that end at this time or before are over; None: none is.
    """

    published: Collection[Interval] = ()
    complete_until: float | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, elements: PCollection[Any]) -> PCollection[Any]:
        if not self.published and self.complete_until is None:
            return elements
        until = float("-inf") if self.complete_until is None else self.complete_until
        drop = beam.ParDo(_DropFn(tuple(self.published), until))
        kept: PCollection[Any] = elements | "Drop" >> drop
        kept.element_type = elements.element_type
        return kept


class _DropFn(beam.DoFn):
    def __init__(self, published: tuple[Interval, ...], until: float):
        # Those that are over need not be looked for.
        self._published = [window for window in published if window[1] > until]
        self._until = until

    def process(self, element: Any, window: Any = beam.DoFn.WindowParam) -> Iterator[Any]:
        start, end = window.start.micros / 1e6, window.end.micros / 1e6
        if end <= self._until:
            return
        # Before sessions are merged, a message has a part of the window of its session.
        if not any(first <= start and end <= last for first, last in self._published):
            yield element


@dataclass
class RecordComplete(beam.PTransform[PCollection[str], PCollection[float]]):
    """Records until when windows are complete, and yields that, in seconds since the epoch.

    Attributes:
      folder: of the windows.
      settings: see `StreamState`.
      tell: called with the time until which windows are complete, for example to tell a broker.
    """

    folder: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    tell: Callable[[float], None] | None = None

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
        self._tell = settings.tell

    def process(self, _: tuple[None, Any], window: Any = beam.DoFn.WindowParam) -> Iterator[float]:
        end = window.end.micros / 1e6
        path = _join(self._folder, STATE)
        with folder_lock(path) if is_local(path) else contextlib.nullcontext():
            state = StreamState.read(self._folder) or StreamState(self._settings)
            if state.complete_until is None or state.complete_until < end:
                state._replace(complete_until=end).write(self._folder)
        if self._tell is not None:
            self._tell(end)
        yield end
