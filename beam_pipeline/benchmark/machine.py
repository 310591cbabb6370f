"""The machine on which a measurement was made."""

import os
import platform
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """The conditions of a measurement.

    Attributes:
      system: the operating system and the processor's architecture.
      python: the version of Python.
      cores: the number of cores; None if unknown.
      load: the load average of the last minute.
    """

    system: str
    python: str
    cores: int | None
    load: float

    @classmethod
    def now(cls) -> "Machine":
        """Describes this machine."""
        return cls(
            f"{platform.system()} {platform.machine()}",
            platform.python_version(),
            os.cpu_count(),
            round(os.getloadavg()[0], 2),
        )

    def describe_load(self, after: "Machine") -> str:
        """Describes the cores and the load in a few words.

        Args:
          after: this machine after the measurement.
        """
        return f"{self.cores} cores, load average {self.load:.2f} before, {after.load:.2f} after"
