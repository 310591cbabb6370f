"""Sets defaults that depend on other options. The rest of the program reads complete options."""

import copy
import sys

from apache_beam.options.pipeline_options import StandardOptions

from beam_pipeline.cli.paths import STDOUT
from beam_pipeline.io.formats import format_of
from beam_pipeline.options import AnagramOptions, is_streaming
from beam_pipeline.runners.names import is_local

#: The default dictionary.
DEFAULT_DICTIONARY = "gcide"
#: The default format of the windows of a stream.
STREAM_FORMAT = "jsonl"


def complete(options: AnagramOptions, *, runner: str) -> None:
    """Sets the options that depend on others, in place.

    The dictionary becomes the default one if none is given, and the output None means standard
    output. If no format is given, the extension decides. By default, progress is shown on a
    terminal if nothing else is printed there.

    Args:
      options: the options as the user gave them, validated.
      runner: the resolved runner, see `beam_pipeline.runners.names.resolve_runner`.
    """
    options.view_as(StandardOptions).runner = runner
    options.dictionary = options.dictionary or [DEFAULT_DICTIONARY]
    if options.output == STDOUT:
        options.output = None
    if is_streaming(options):
        options.view_as(StandardOptions).streaming = True
        options.output_format = options.output_format or STREAM_FORMAT
    if options.output_format is None:
        options.output_format = "json" if options.output is None else format_of(options.output)
    if options.progress is None:
        is_quiet = options.test_case or options.verbose or options.log_format == "json"
        options.progress = is_local(runner) and not is_quiet and sys.stderr.isatty()


def options_of_case(options: AnagramOptions, text: str, output: str) -> AnagramOptions:
    """Returns complete options that count the text of a built-in case.

    Args:
      options: complete options with built-in cases; not changed.
      text: the text to count.
      output: the path for the result, as JSON.
    """
    of_case = copy.deepcopy(options)
    of_case.test_case, of_case.text = None, text
    of_case.output, of_case.output_format = output, "json"
    return of_case
