"""What all stages share: their settings are shown where runners show such things."""

from apache_beam.transforms.display import DisplayData

from beam_pipeline.io.sinks import WriteResults
from beam_pipeline.io.sources import ReadString
from transforms.dictionary import DictionarySpec
from transforms.stages.retry import Resilience
from transforms.stages.stage import Stage
from transforms.tally import TallyBlocks
from transforms.text.settings import TextSettings
from transforms.words import ExtractWords


def shown(transform: Stage) -> dict[str, object]:
    return {item.key: item.value for item in DisplayData.create_from(transform).items}


def test_settings_that_change_results_are_shown() -> None:
    resilience = Resilience(3, "dead_letter")
    assert shown(ExtractWords(TextSettings("ascii"), 2, resilience=resilience)) == {
        "text": "TextSettings(normalization='ascii', encoding_errors='replace', "
        "punctuation='delete')",
        "min_length": 2,
        "on_error": "dead_letter",
        "max_attempts": 3,
    }
    tally = shown(TallyBlocks(DictionarySpec("web2", "ascii"), TextSettings("ascii"), 4))
    assert tally["dictionary"] == "web2 (ascii)"
    assert tally["min_word_length"] == 4
    assert shown(WriteResults("result.csv", "csv", 2))["num_shards"] == 2


def test_any_text_can_be_shown_and_a_long_one_is_cut() -> None:
    invalid = b"caf\xe9 ".decode("utf-8", "surrogateescape")
    assert shown(ReadString(invalid))["text"] == "caf\\udce9 "
    assert shown(ReadString(invalid * 1000))["text"] == ("caf\\udce9 " * 200)[:200] + "..."
