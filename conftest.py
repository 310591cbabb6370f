"""What is collected with a Beam that lacks something."""

import importlib.util

#: Beam before 2.77 does not have what sources of streams are made of.
collect_ignore = (
    []
    if importlib.util.find_spec("apache_beam.io.unbounded_source")
    else [
        *(
            f"beam_pipeline/io/streams/{name}.py"
            for name in ("kafka", "kafka_offsets", "unbounded", "watch")
        ),
        *(
            f"tests/beam_pipeline/io/streams/test_{name}.py"
            for name in ("kafka", "kafka_broker", "watch")
        ),
    ]
)
