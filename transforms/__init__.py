"""Beam transforms that count anagrams, and the pure functions that they use.

The public names are imported when they are first used, so that a module without Beam, such as
`transforms.text.normalize`, can be imported without loading it.
"""

import importlib
from typing import TYPE_CHECKING, Any

from transforms.notebooks import check_notebook

if TYPE_CHECKING:
    from transforms.columns.combine import CombineColumns as CombineColumns
    from transforms.columns.convert import PackCounts as PackCounts
    from transforms.columns.convert import PackRecords as PackRecords
    from transforms.columns.convert import UnpackRecords as UnpackRecords
    from transforms.columns.elements import GroupedColumns as GroupedColumns
    from transforms.columns.elements import RecordColumns as RecordColumns
    from transforms.columns.expand import ExpandColumns as ExpandColumns
    from transforms.columns.top import TopColumns as TopColumns
    from transforms.counts import ClassTally as ClassTally
    from transforms.counts import CombineClassTallies as CombineClassTallies
    from transforms.counts import CountSignatures as CountSignatures
    from transforms.dictionary import DictionarySpec as DictionarySpec
    from transforms.errors import AnagramError as AnagramError
    from transforms.expand import AnagramCount as AnagramCount
    from transforms.expand import ExpandSignatures as ExpandSignatures
    from transforms.expand import GroupedCount as GroupedCount
    from transforms.expand import TopWords as TopWords
    from transforms.filtering import FilterBlocks as FilterBlocks
    from transforms.rows import ExtractText as ExtractText
    from transforms.sessions import GroupSessions as GroupSessions
    from transforms.stages.chaos import Chaos as Chaos
    from transforms.stages.dead_letters import DeadLetter as DeadLetter
    from transforms.stages.error_handling import ErrorRow as ErrorRow
    from transforms.stages.retry import Resilience as Resilience
    from transforms.stages.side_outputs import SideOutputs as SideOutputs
    from transforms.stages.stage import Stage as Stage
    from transforms.stages.totals import Totals as Totals
    from transforms.tally import TallyBlocks as TallyBlocks
    from transforms.text.blocks import Block as Block
    from transforms.text.settings import TextSettings as TextSettings
    from transforms.window_info import AddWindow as AddWindow
    from transforms.window_info import WindowedCount as WindowedCount
    from transforms.window_info import WindowedGroupCount as WindowedGroupCount
    from transforms.words import ExtractWords as ExtractWords
    from transforms.words import KeyBySignature as KeyBySignature
    from transforms.words import KeyWithWord as KeyWithWord

_MODULES = {
    "AddWindow": "transforms.window_info",
    "AnagramCount": "transforms.expand",
    "AnagramError": "transforms.errors",
    "Block": "transforms.text.blocks",
    "Chaos": "transforms.stages.chaos",
    "ClassTally": "transforms.counts",
    "CombineClassTallies": "transforms.counts",
    "CombineColumns": "transforms.columns.combine",
    "CountSignatures": "transforms.counts",
    "DeadLetter": "transforms.stages.dead_letters",
    "DictionarySpec": "transforms.dictionary",
    "ErrorRow": "transforms.stages.error_handling",
    "ExpandColumns": "transforms.columns.expand",
    "ExpandSignatures": "transforms.expand",
    "ExtractText": "transforms.rows",
    "ExtractWords": "transforms.words",
    "FilterBlocks": "transforms.filtering",
    "GroupSessions": "transforms.sessions",
    "GroupedColumns": "transforms.columns.elements",
    "GroupedCount": "transforms.expand",
    "KeyBySignature": "transforms.words",
    "KeyWithWord": "transforms.words",
    "PackCounts": "transforms.columns.convert",
    "PackRecords": "transforms.columns.convert",
    "RecordColumns": "transforms.columns.elements",
    "Resilience": "transforms.stages.retry",
    "SideOutputs": "transforms.stages.side_outputs",
    "Stage": "transforms.stages.stage",
    "TallyBlocks": "transforms.tally",
    "TextSettings": "transforms.text.settings",
    "TopColumns": "transforms.columns.top",
    "TopWords": "transforms.expand",
    "Totals": "transforms.stages.totals",
    "UnpackRecords": "transforms.columns.convert",
    "WindowedCount": "transforms.window_info",
    "WindowedGroupCount": "transforms.window_info",
}
__all__ = list(_MODULES)
# Names of version 0.1.
_RENAMED = {"CollectClasses": "CombineClassTallies", "Ledger": "SideOutputs"}


def __getattr__(name: str) -> Any:
    name = _RENAMED.get(name, name)
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    check_notebook()
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
