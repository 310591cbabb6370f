"""What a lease writes into its register, whatever its two threads do at the same time."""

import threading

import pytest

from beam_pipeline.io.leases import Lease, lease
from tests.support.cli import GIVE_UP
from transforms.files.registers import Entry, Register


class MemoryRegister(Register):
    """A register that takes long to write one of its texts."""

    def __init__(self, slow_text: str):
        super().__init__("memory", None)
        self.entries: list[Entry] = []
        self.may_write, self._slow_text = threading.Event(), slow_text

    def _read(self) -> Entry | None:
        return self.entries[-1] if self.entries else None

    def _write(self, unique: str, version: str | None) -> str:
        if unique.startswith(self._slow_text):
            assert self.may_write.wait(GIVE_UP)
        self.entries.append(Entry(unique, str(len(self.entries))))
        return self.entries[-1].version

    def _clear(self, version: str) -> None:
        pass


@pytest.mark.slow
def test_who_renews_while_another_run_is_written_down_renews_that_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register = MemoryRegister("next ")
    write = Lease._write

    def written(held: Lease, *run: str) -> None:
        if threading.current_thread().name == "lease":
            register.may_write.set()
        write(held, *run)

    monkeypatch.setattr(Lease, "_write", written)
    with lease("path", register, "first", seconds=12.0) as held:
        held.hand_to("next")
        handed = len(register.entries)
        ended = threading.Event()
        while len(register.entries) == handed:
            ended.wait(0.01)
        assert held.run == "next"
    assert [entry.text.partition(" ")[0] for entry in register.entries[handed:]] == ["next"]
