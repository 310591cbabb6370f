"""``replay DEAD_LETTERS``: counts what an earlier run could not process."""

from collections.abc import Sequence

from beam_pipeline.cli.paths import expand_path
from beam_pipeline.errors import DeadLettersError, UsageError
from beam_pipeline.flags import canonical_flag
from beam_pipeline.io.dead_letters import settings_of_dead_letters
from transforms.dictionary import NO_DICTIONARY

COMMAND = "replay"
# Settings that leave words out of a result because of their counts, which the replay may change.
_FILTERS = ("min_class_size", "min_count", "top")


def replay_arguments(argv: Sequence[str]) -> list[str]:
    """Turns the arguments of ``replay`` into those of a run.

    The settings are those of the run that wrote the dead letters, unless other ones are given.

    Args:
      argv: what follows ``replay`` on the command line.

    Raises:
      UsageError: the dead letters cannot be read, or cannot be added to the result to merge.
    """
    if not argv or argv[0].startswith("-"):
        raise UsageError("replay: give the file of dead letters first: replay DEAD_LETTERS ...")
    path, rest = expand_path(argv[0]), argv[1:]
    try:
        settings = settings_of_dead_letters(path)
    except DeadLettersError as error:
        raise UsageError(f"replay: {error}") from error
    filters = [name for name in _FILTERS if settings.get(name) not in (None, 1)]
    if settings.get("dictionary") != NO_DICTIONARY and "min_class_size" in filters:
        filters.remove("min_class_size")  # a class of the dictionary has one size in all texts
    flags = {canonical_flag(argument).partition("=")[0] for argument in rest}
    if filters and "--merge" in flags:
        raise UsageError(
            f"the run left words out of its result (--{filters[0]}={settings[filters[0]]}), so "
            "nothing can be added to it; replay without --merge, or run everything again",
            setting="merge",
        )
    if settings.get("encoding_errors") == "quarantine" and not (
        flags & {"--encoding_errors", "--dead_letters"}
    ):
        raise UsageError(
            "replay: there are undecodable bytes in dead letters: give --encoding_errors=replace "
            "to leave them out, or --dead_letters=PATH for those that still cannot be decoded"
        )
    given = [f"--{name}={value}" for name, value in settings.items() if value is not None]
    return [f"--replay={path}", *given, *rest]
