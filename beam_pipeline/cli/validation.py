"""Checks of options that need no run, and what one option leaves to another."""

import os
import sys

from apache_beam.io.filesystems import FileSystems

from beam_pipeline.errors import UsageError
from beam_pipeline.io.formats import FORMATS, format_of
from beam_pipeline.io.inputs import STDIN
from beam_pipeline.options import AnagramOptions
from beam_pipeline.report.write import EXTENSIONS
from transforms.files.compression import is_compressed
from transforms.stages.chaos import Chaos
from transforms.text.encoding import Encoding

STDOUT = "-"


def validate(options: AnagramOptions, *, local: bool) -> None:
    """Checks what can be checked without running, and fills in what depends on other options."""
    if options.test_case:
        for name in ("input", "text", "output", "replay"):
            if getattr(options, name) is not None:
                raise UsageError(f"--test_case brings its own text and output: leave out --{name}")
    else:
        _check_input(options)
    try:
        Encoding(options.encoding)
    except ValueError as error:
        raise UsageError(f"--encoding={options.encoding}: {error}") from None
    if options.chaos:
        try:
            Chaos.parse(options.chaos)
        except ValueError as error:
            raise UsageError(f"--chaos={options.chaos}: {error}") from None
    _check_merge(options)
    _check_dead_letters(options)
    _check_output(options, local=local)
    _check_report(options)
    _check_progress(options, local=local)


def _check_input(options: AnagramOptions) -> None:
    given = [name for name in ("input", "text", "replay") if getattr(options, name) is not None]
    if len(given) > 1:
        raise UsageError(f"--{given[0]} and --{given[1]}: give only one of them")
    if not given:
        raise UsageError("no input: give --input, --text or --test_case (see --help)")
    if (options.input or []).count(STDIN) > 1:
        raise UsageError("--input=-: standard input can be read once only")


def _check_merge(options: AnagramOptions) -> None:
    if options.merge is None:
        return
    if options.test_case:
        raise UsageError("--test_case: leave out --merge")
    if format_of(options.merge) is None:
        raise UsageError(
            f"--merge={options.merge}: the extension names no format; it must be one of "
            f"{', '.join(FORMATS)}"
        )


def _check_dead_letters(options: AnagramOptions) -> None:
    path = options.dead_letters
    for name, value in (("on_error", "dead_letter"), ("encoding_errors", "quarantine")):
        if getattr(options, name) == value and not path:
            raise UsageError(f"--{name}={value}: needs --dead_letters=PATH")
    if path is None:
        return
    if path == STDOUT:
        raise UsageError("--dead_letters=-: must be a file")
    if options.on_error == "fail" and options.encoding_errors != "quarantine":
        raise UsageError(
            f"--dead_letters={path}: needs --on_error=dead_letter or --encoding_errors=quarantine"
        )
    if options.test_case:
        raise UsageError("--test_case: leave out --dead_letters")
    _check_own_file(options, "dead_letters", "output", "replay", "merge")


def _check_output(options: AnagramOptions, *, local: bool) -> None:
    if options.output == STDOUT:
        options.output = None
    if options.output is None:
        if options.num_shards > 1:
            raise UsageError(f"--num_shards={options.num_shards}: needs --output=PATH")
        if not local:
            raise UsageError("--output: a remote runner cannot write to standard output")
        options.output_format = options.output_format or "json"
        return
    options.output_format = options.output_format or format_of(options.output)
    if options.output_format is None:
        raise UsageError(
            f"--output={options.output}: the extension names no format; "
            f"give --output_format={{{','.join(FORMATS)}}}"
        )
    if options.output_format == "parquet" and is_compressed(options.output):
        raise UsageError(f"--output={options.output}: Parquet files are compressed inside")
    _check_own_file(options, "output")


def _check_report(options: AnagramOptions) -> None:
    path = options.report
    if path is None:
        return
    if options.test_case:
        raise UsageError("--test_case: leave out --report")
    if not path.lower().endswith(EXTENSIONS):
        raise UsageError(f"--report={path}: must end in {' or '.join(EXTENSIONS)}")
    _check_own_file(options, "report", "output", "dead_letters", "replay", "merge")


def _check_progress(options: AnagramOptions, *, local: bool) -> None:
    if options.progress and not local:
        raise UsageError("--progress: the workers of a remote runner cannot be watched from here")
    if options.progress is None:
        quiet = options.test_case or options.verbose or options.log_format == "json"
        options.progress = local and not quiet and sys.stderr.isatty()


def _check_own_file(options: AnagramOptions, name: str, *others: str) -> None:
    """Checks that the file of the option `name` can be written, and is no other option's."""
    path = getattr(options, name)
    for other in others:
        given = getattr(options, other)
        if given and os.path.abspath(given) == os.path.abspath(path):
            raise UsageError(f"--{name}={path}: is also --{other}")
    if FileSystems.get_scheme(path) is None:
        _check_writable(name, path)


def _check_writable(name: str, path: str) -> None:
    if os.path.isdir(path):
        raise UsageError(f"--{name}={path}: is a folder")
    if os.path.exists(path) and not os.path.isfile(path):
        raise UsageError(f"--{name}={path}: is not a regular file")
    folder = os.path.dirname(os.path.abspath(path))
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        raise UsageError(f"--{name}={path}: {folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"--{name}={path}: no permission to write in {folder}")
