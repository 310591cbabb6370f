"""Makes the parameters of the Dataflow Flex Template from the options of the command line.

python -m tests.support.flex_template > resources/dataflow/metadata.json
"""

import argparse
import json
from typing import Any

from beam_pipeline.options import AnagramOptions

#: Options that a template has no use for: they need a terminal, a person or this machine itself.
LEFT_OUT = ("test_case", "replay", "report", "telemetry")
# An option of Beam's.
_IMAGE = {
    "name": "sdk_container_image",
    "label": "Image of the workers",
    "helpText": "The image of this template: workers of it have all they need.",
    "isOptional": True,
}
_NUMBER = "[1-9][0-9]*"
# What the help of the command line says of a terminal.
_OF_TERMINALS = ("; - is standard input", "; standard output when omitted or -")


def metadata() -> dict[str, Any]:
    """Returns the content of the template's metadata file."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    AnagramOptions._add_argparse_args(parser)
    parameters = [
        _parameter(action)
        for action in parser._actions
        # A template passes values only: a flag without one cannot be a parameter.
        if action.nargs != 0 and action.dest not in LEFT_OUT
    ]
    return {
        "name": "Anagram counts",
        "description": "For every word of a dictionary, how many words of a text are anagrams "
        "of it.",
        "streaming": False,
        "parameters": [*parameters, _IMAGE],
    }


def _parameter(action: argparse.Action) -> dict[str, Any]:
    help_text = " ".join(((action.help or "") % {"default": action.default}).split())
    for phrase in _OF_TERMINALS:
        help_text = help_text.replace(phrase, "")
    parameter: dict[str, Any] = {
        "name": action.dest,
        "label": action.dest.replace("_", " ").capitalize(),
        "helpText": help_text[:1].upper() + help_text[1:] + ".",
        "isOptional": action.dest != "output",  # workers have no standard output
    }
    if action.choices is not None:
        parameter["paramType"] = "ENUM"
        parameter["enumOptions"] = [{"value": str(choice)} for choice in action.choices]
    elif action.type is not None:
        parameter["regexes"] = [_NUMBER]
    if action.default is not None:
        parameter["defaultValue"] = str(action.default)
    return parameter


if __name__ == "__main__":
    print(json.dumps(metadata(), indent=2))
