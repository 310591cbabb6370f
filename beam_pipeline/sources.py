"""The module of the sources in version 0.1; kept for pipelines that import them from here."""

from beam_pipeline.io.sources import ReadFiles as ReadFiles
from beam_pipeline.io.sources import ReadString as ReadString
