"""``replay DEAD_LETTERS``: counts what an earlier run could not process.

Dead letters are untrusted input. Only settings that runs record are used, and only if their options
allow the values.
"""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from beam_pipeline.cli.paths import expand_path
from beam_pipeline.errors import DeadLettersError, UsageError
from beam_pipeline.flags import canonical_flag
from beam_pipeline.io.dead_letters import settings_of_dead_letters
from beam_pipeline.io.pipes import is_regular
from beam_pipeline.options import SETTINGS_OF_DEAD_LETTERS, AnagramOptions
from beam_pipeline.pages.text import brief
from transforms.dictionary import NO_DICTIONARY

COMMAND = "replay"
# Settings that filter words by their counts, which the replay may change.
_FILTERS = ("min_class_size", "min_count", "top")
# Settings that filter words independently of their counts. A replay with another value would add to
# words whose earlier counts the result does not have.
_FIXED_FILTERS = ("min_word_length", "min_class_size")


def replay_arguments(argv: Sequence[str]) -> list[str]:
    """Turns the arguments of ``replay`` into those of a run.

    The settings are those of the run that wrote the dead letters, unless the arguments override
    them. A file without dead letters has no settings and adds nothing; then a result to merge is
    copied.

    Args:
      argv: the arguments after ``replay``.

    Raises:
      UsageError: the dead letters cannot be read, have settings that runs do not record, or cannot
        be added to the result to merge.
    """
    if not argv or argv[0].startswith("-"):
        raise UsageError("replay: give the file of dead letters first: replay DEAD_LETTERS ...")
    path, rest = expand_path(argv[0]), argv[1:]
    try:
        settings = settings_of_dead_letters(path)
    except DeadLettersError as error:
        raise UsageError(f"replay: {error}") from None  # no option has named the file
    if settings is None:
        # Nothing is counted, and the dictionary of the run is unknown. In corpus mode all words of
        # a result to merge are kept.
        settings = {"dictionary": [NO_DICTIONARY]}
    given = {canonical_flag(argument).partition("=")[0].removeprefix("--") for argument in rest}
    recorded = _arguments(path, settings, without=given)
    if "merge" in given:
        _check_merge(settings, given)
    if settings.get("encoding_errors") == "quarantine" and not (
        given & {"encoding_errors", "dead_letters"}
    ):
        raise UsageError(
            "replay: there are undecodable bytes in dead letters: give --encoding_errors=replace "
            "to leave them out, or --dead_letters=PATH for those that still cannot be decoded"
        )
    return [f"--replay={path}", *recorded, *rest]


def _arguments(path: str, settings: Mapping[str, Any], without: set[str]) -> list[str]:
    """Returns the recorded settings as arguments.

    Args:
      path: the path of the dead letters.
      settings: the settings in them.
      without: settings that the command line overrides.

    Raises:
      UsageError: a setting is not one that runs record, or its option does not allow the value.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    AnagramOptions._add_argparse_args(parser)
    actions = {action.dest: action for action in parser._actions}
    arguments = []
    for name, value in settings.items():
        if name not in SETTINGS_OF_DEAD_LETTERS:
            raise UsageError(f"replay: {path}: no run writes the setting {brief(name)}")
        values = _values(actions[name], value)
        if values is None:
            raise UsageError(f"replay: {path}: {name} cannot be {brief(value)}")
        if name in without:
            continue
        if name == "dictionary" and not all(map(is_regular, values)):
            raise UsageError(
                f"replay: {path}: the run read its dictionary from a pipe or device, "
                f"{brief(value)}; give --dictionary anew"
            )
        arguments += [f"--{name}={one}" for one in values]
    return arguments


def _values(action: argparse.Action, value: Any) -> list[str] | None:
    """Returns a setting as strings for its option; none if it is not set.

    Returns:
      None if the option cannot have this value.
    """
    if value is None:
        return [] if action.default is None else None
    if action.type is not None:  # a whole number
        if type(value) is not int:
            return None
        try:
            action.type(str(value))  # type: ignore[operator]
        except (argparse.ArgumentTypeError, ValueError):
            return None
        return [str(value)]
    values = value if isinstance(action, argparse._AppendAction) else [value]
    if isinstance(values, str):  # of a version in which this option could not be repeated
        values = [values]
    if not isinstance(values, list) or not values:
        return None
    if not all(type(one) is str and "\0" not in one for one in values):
        return None
    if action.choices is not None and not set(values) <= set(action.choices):
        return None
    return values


def _check_merge(settings: Mapping[str, Any], given: set[str]) -> None:
    """Checks that the replayed counts can be added to the result of the run.

    Raises:
      UsageError: words were filtered out of the result.
    """
    filters = [name for name in _FILTERS if settings.get(name) not in (None, 1)]
    if settings.get("dictionary") not in (NO_DICTIONARY, [NO_DICTIONARY]):
        # A class of the dictionary has one size in all texts.
        filters = [name for name in filters if name != "min_class_size"]
    fixed = (name for name in _FIXED_FILTERS if settings.get(name) not in (None, 1))
    filters += [name for name in fixed if name in given]
    if filters:
        raise UsageError(
            f"the run left words out of its result (--{filters[0]}={settings[filters[0]]}), so "
            "nothing can be added to it; replay without --merge, or run everything again",
            setting="merge",
        )
