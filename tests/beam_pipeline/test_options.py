"""Views of the options are made once, and behave as Beam's."""

import copy
import pickle

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions

from beam_pipeline.options import AnagramOptions

ARGUMENTS = ["--text=cat", "--runner=FnApiRunner", "--direct_num_workers=3", "--top=5"]


def test_a_view_is_made_once() -> None:
    options = AnagramOptions(ARGUMENTS)
    assert options.view_as(DirectOptions) is options.view_as(DirectOptions)
    assert options.view_as(DirectOptions).direct_num_workers == 3


def test_views_share_their_values_whichever_is_changed() -> None:
    options = AnagramOptions(ARGUMENTS)
    standard = options.view_as(StandardOptions)
    of_view = standard.view_as(AnagramOptions)
    standard.runner = "PrismRunner"
    of_view.top = 7
    assert options.view_as(StandardOptions).runner == "PrismRunner"
    assert options.top == 7
    theirs = PipelineOptions(ARGUMENTS).view_as(AnagramOptions)
    assert theirs.view_as(StandardOptions).runner == "FnApiRunner"


def test_copies_are_independent() -> None:
    options = AnagramOptions(ARGUMENTS)
    options.view_as(DirectOptions).direct_num_workers = 4
    for other in (copy.deepcopy(options), pickle.loads(pickle.dumps(options))):
        assert other.get_all_options() == options.get_all_options()
        other.view_as(DirectOptions).direct_num_workers = 5
        assert other.view_as(DirectOptions).direct_num_workers == 5
        assert options.view_as(DirectOptions).direct_num_workers == 4
