"""Checks options before a run, as far as possible. Changes nothing."""

import os

from apache_beam.options.pipeline_options import DirectOptions, TypeOptions

from beam_pipeline.cli.collisions import is_same_file
from beam_pipeline.cli.paths import STDOUT, check_paths
from beam_pipeline.cli.streams import check_stream
from beam_pipeline.errors import UsageError, needs_extra
from beam_pipeline.io.formats import FORMATS, format_of
from beam_pipeline.io.inputs import STDIN
from beam_pipeline.options import AnagramOptions
from beam_pipeline.report.write import EXTENSIONS
from transforms.checks import is_installed
from transforms.dictionary import DictionarySpec
from transforms.files.compression import is_compressed
from transforms.stages.chaos import Chaos
from transforms.text.encoding import Encoding

# The maximum number of workers of the local runner, which are processes or threads.
_MAX_WORKERS = 1000
# The options for files that a run writes; results of built-in cases are printed instead.
_OF_FILES = ("output", "output_format", "dead_letters", "report")

# For each value of ``--telemetry``, a module of its extra that other extras do not install.
_TELEMETRY_CLIENTS = {
    "openlineage": "openlineage.client",
    "opentelemetry": "opentelemetry.exporter.otlp.proto.http",
}
# Files in which OpenLineage's client looks for its settings by default.
_LINEAGE_SETTINGS = ("openlineage.yml", "~/.openlineage/openlineage.yml")


def validate(options: AnagramOptions, *, local: bool) -> None:
    """Checks options as the user gave them.

    Args:
      options: the options of the command line; not changed.
      local: whether the runner runs on this machine.

    Raises:
      UsageError: an option is wrong, or cannot be combined with another one.
    """
    _check_names(options)
    _check_workers(options)
    _check_types(options)
    check_stream(options)
    if options.test_case:
        _check_test_case(options, local=local)
    else:
        _check_input(options)
    _check_encoding(options)
    _check_dictionary(options)
    _check_chaos(options)
    _check_merge(options)
    _check_dead_letters(options)
    _check_output(options, local=local)
    _check_report(options)
    _check_telemetry(options)
    check_paths(options, local=local)
    if options.progress and not local:
        message = "the workers of a remote runner cannot be observed from here"
        raise UsageError(message, setting="progress")


def _check_names(options: AnagramOptions) -> None:
    for name in ("output", "dead_letters", "merge", "replay"):
        path = getattr(options, name)
        if path is not None and not _is_utf8(path):
            message = "the name is not UTF-8, which Beam cannot pass to workers; rename the file"
            raise UsageError(message, setting=name, value=path)


def _check_workers(options: AnagramOptions) -> None:
    direct = options.view_as(DirectOptions)
    workers = direct.direct_num_workers
    if direct.direct_running_mode == "multi_threading" and workers != 1:
        message = (
            "Beam's threads have mixed up data; give in_memory, which counts with a thread for "
            "each core, or multi_processing"
        )
        raise UsageError(message, setting="direct_running_mode", value="multi_threading")
    if not 0 <= workers <= _MAX_WORKERS:
        message = f"is not a number from 0, which means one for each core, to {_MAX_WORKERS}"
        raise UsageError(message, setting="direct_num_workers", value=workers)


def _check_types(options: AnagramOptions) -> None:
    types = options.view_as(TypeOptions)
    if types.performance_runtime_type_check:
        message = "Beam does so only where each function has one output; give runtime_type_check"
        raise UsageError(message, setting="performance_runtime_type_check")
    if types.type_check_strictness == "ALL_REQUIRED":
        raise UsageError(
            "not even Beam's own transforms have all these types; give DEFAULT_TO_ANY",
            setting="type_check_strictness",
            value=types.type_check_strictness,
        )


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_test_case(options: AnagramOptions, *, local: bool) -> None:
    given = [
        name
        for name in ("input", "text", "replay", "merge", "telemetry", "group_by", *_OF_FILES)
        if getattr(options, name) not in (None, [])
    ]
    if options.num_shards > 1:
        given.append("num_shards")
    # These need a file of dead letters.
    if options.on_error == "dead_letter":
        given.append("on_error=dead_letter")
    if options.encoding_errors == "quarantine":
        given.append("encoding_errors=quarantine")
    if given:
        message = f"cannot be combined with --{given[0]}"
        raise UsageError(message, setting="test_case", value=options.test_case)
    if not local:
        message = "prints results, which a remote runner cannot"
        raise UsageError(message, setting="test_case", value=options.test_case)


def _check_input(options: AnagramOptions) -> None:
    given = [name for name in ("input", "text", "replay") if getattr(options, name) is not None]
    if len(given) > 1:
        raise UsageError(f"--{given[0]} and --{given[1]}: give only one of them")
    if not given:
        raise UsageError(
            "no input: give --text=STRING, --input=PATTERN or --test_case=small (see --help)"
        )
    if (options.input or []).count(STDIN) > 1:
        raise UsageError("standard input can be read only once", setting="input", value=STDIN)


def _check_encoding(options: AnagramOptions) -> None:
    try:
        Encoding(options.encoding or "utf-8")
    except ValueError as error:
        raise UsageError(str(error), setting="encoding", value=options.encoding) from None


def _check_dictionary(options: AnagramOptions) -> None:
    codec = options.dictionary_encoding
    try:
        DictionarySpec(encoding=codec)
    except ValueError as error:
        raise UsageError(str(error), setting="dictionary_encoding", value=codec) from None


def _check_chaos(options: AnagramOptions) -> None:
    if options.chaos:
        try:
            Chaos.parse(options.chaos)
        except ValueError as error:
            raise UsageError(str(error), setting="chaos", value=options.chaos) from None


def _check_merge(options: AnagramOptions) -> None:
    if options.merge is not None and format_of(options.merge) is None:
        message = f"the extension names no format; it must be one of {', '.join(FORMATS)}"
        raise UsageError(message, setting="merge", value=options.merge)
    if options.merge and options.output and is_same_file(options.merge, options.output):
        # A user who merges into a file will do so again.
        for name in ("min_word_length", "min_class_size", "min_count", "top"):
            value = getattr(options, name)
            if value not in (None, 1):
                message = (
                    "would leave words out of the result that is merged, to which nothing could be "
                    "added any more: give another --output"
                )
                raise UsageError(message, setting=name, value=value)


def _check_dead_letters(options: AnagramOptions) -> None:
    path = options.dead_letters
    for name, value in (("on_error", "dead_letter"), ("encoding_errors", "quarantine")):
        if getattr(options, name) == value and not path:
            raise UsageError("needs --dead_letters=PATH", setting=name, value=value)
    if path is None:
        return
    if path == STDOUT:
        raise UsageError("must be a file", setting="dead_letters", value=path)
    if options.on_error == "fail" and options.encoding_errors != "quarantine":
        message = "needs --on_error=dead_letter or --encoding_errors=quarantine"
        raise UsageError(message, setting="dead_letters", value=path)


def _check_output(options: AnagramOptions, *, local: bool) -> None:
    path = options.output
    if options.sort != "word" and options.num_shards > 1:
        message = "needs one file: give no --num_shards"
        raise UsageError(message, setting="sort", value=options.sort)
    if path is None or path == STDOUT:
        if options.num_shards > 1:
            raise UsageError("needs --output=PATH", setting="num_shards", value=options.num_shards)
        if not local:
            message = "a remote runner cannot write to standard output"
            raise UsageError(message, setting="output", value=path)
        return
    output_format = options.output_format or format_of(path)
    if output_format is None:
        message = f"the extension names no format; give --output_format={{{','.join(FORMATS)}}}"
        raise UsageError(message, setting="output", value=path)
    if output_format == "parquet" and is_compressed(path):
        raise UsageError("Parquet files are compressed inside", setting="output", value=path)


def _check_report(options: AnagramOptions) -> None:
    for path in options.report:
        if not path.lower().endswith(EXTENSIONS):
            message = f"must end in {' or '.join(EXTENSIONS)}"
            raise UsageError(message, setting="report", value=path)


def _check_telemetry(options: AnagramOptions) -> None:
    for name in options.telemetry:
        if not is_installed(_TELEMETRY_CLIENTS[name]):
            raise UsageError(needs_extra(name), setting="telemetry", value=name)
    if "openlineage" in options.telemetry and not _knows_lineage_collector():
        message = "set OPENLINEAGE_URL to where its collector is, or OPENLINEAGE_CONFIG to a file"
        raise UsageError(message, setting="telemetry", value="openlineage")


def _knows_lineage_collector() -> bool:
    """Whether any setting that OpenLineage's client reads is set."""
    return any(name.startswith("OPENLINEAGE_") for name in os.environ) or any(
        os.path.exists(os.path.expanduser(path)) for path in _LINEAGE_SETTINGS
    )
