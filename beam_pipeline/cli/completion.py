"""Fills in what one option leaves to others. The rest of the program reads complete options."""

import copy
import sys

from apache_beam.options.pipeline_options import StandardOptions

from beam_pipeline.cli.paths import STDOUT
from beam_pipeline.io.formats import format_of
from beam_pipeline.options import AnagramOptions, is_streaming
from beam_pipeline.runners.names import is_local

#: What is counted if nothing else is asked for.
DEFAULT_DICTIONARY = "gcide"
#: The format of the windows of a stream if no other is asked for.
STREAM_FORMAT = "jsonl"


def complete(options: AnagramOptions, *, runner: str) -> None:
    """Fills in the options that depend on others, in place.

    Without a dictionary it is the default one, standard output becomes the output None, the
    extension decides the format that was not given, and progress is shown on a terminal where
    nothing else is.

    Args:
      options: as the user gave them, and checked.
      runner: the one that they mean, see `beam_pipeline.runners.names.resolve_runner`.
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
      options: complete ones, which ask for built-in cases; they stay as they are.
      text: the text to count.
      output: where the result is written, as JSON.
    """
    of_case = copy.deepcopy(options)
    of_case.test_case, of_case.text = None, text
    of_case.output, of_case.output_format = output, "json"
    return of_case
