"""Shows, by real runs, that nothing is lost: ``python -m tests.support.durability --runs 100``.

Each proof below breaks so many runs in its way and compares what stands afterwards, byte for
byte, with the result of a run that nothing disturbed:

- chaos: faults strike in every stage, before and after its work; the result is the same.
- repeated: the runner runs every bundle three times; the result is the same.
- split: the runner splits bundles, as it can for tests only. Beam 2.77 loses all elements of a
  bundle behind a GroupByKey when it does so (three lines of Beam show it): conservation finds
  that out, the run fails in one line, and the old result stands.
- worker: a worker process is killed; the run fails in one line and the old result stands, or
  it is done and the result is the same. Beam's local runner cannot go on without a worker, so
  that most runs fail; distributed runners start another one.
- killed: the whole run is killed at a random moment; the old result or the new one stands,
  whole. The next run succeeds, and has removed what the killed one left.
- exchanged: the whole run is killed between any two renames with which its result replaces one of
  another number of shards. Old and new files never stand side by side under the names of one
  result, and whoever comes next finds the old result or the new one, whole.

The first line that is not so ends the script with an error. `tests.test_durability` runs a few
of each.
"""

import argparse
import contextlib
import gzip
import io
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from beam_pipeline.cli.command import run
from beam_pipeline.cli.parsing import parse
from beam_pipeline.io import publishing
from beam_pipeline.io.naming import shard_path
from beam_pipeline.job import run_job
from beam_pipeline.report.model import RunReport
from tests.support.cli import COMMAND, GIVE_UP, environment
from transforms.errors import AnagramError

OLD = b"what stood there before\n"
WORDS = [
    *("cat", "act", "tac", "god", "dog", "software", "listen", "silent", "enlist", "stream"),
    *("master", "café", "naïve", "straße", "e\u0301cole", "don't", "foo_bar", "x", "zzz", "x-ray"),
]
# So many that some file's attempts fail in every run under chaos.
FILES = 60
#: More than any run needs: half of all attempts fail.
ENOUGH = "--max_attempts=60"


# Steps of stages that are split.
SPLIT = (
    "ReadText/ReadBlocks/ParDo(_ReadShardFn)",
    "CountAnagrams/CountWords/ExpandSignatures/ExpandBuckets/ParDo(_ExpandFn)",
    "WriteResults/EmptyChunks/Map(decode)",
)


class Proof(NamedTuple):
    """What is run: folder of the texts, and the arguments, output apart."""

    folder: Path
    arguments: tuple[str, ...]

    @property
    def output(self) -> Path:
        return self.folder / "result.json"

    def command(self, *more: str) -> list[str]:
        return [*self.arguments, f"--output={self.output}", *more]

    def result(self, *more: str) -> tuple[bytes, RunReport]:
        """Runs it in this process; returns its result and its report."""
        self.output.write_bytes(OLD)
        report = run_job(parse(self.command(*more)))
        return self.output.read_bytes(), report

    def assert_clean(self) -> None:
        """No temporary file is left."""
        left = [path.name for path in self.folder.iterdir() if path.name.startswith(".")]
        assert not left, left


def write_texts(folder: Path, words: int, files: int = FILES) -> None:
    """Plain and compressed files, one with a very long line, some bytes that are no text."""
    generator = random.Random(1)
    for number in range(files):
        chosen = generator.choices(WORDS, k=words // files)
        joints = [" ", "\n", " - ", ", ", "\u00a0", "-"]
        text = "".join(word + generator.choice(joints) for word in chosen).encode()
        text = text.replace(b"zzz", b"c\xffat", 3)
        if number == 0:
            text = text.replace(b"\n", b" ")
        name = folder / f"text{number:02d}.txt"
        if number == 1:
            name, text = name.with_suffix(".txt.gz"), gzip.compress(text, mtime=0)
        name.write_bytes(text)


@contextlib.contextmanager
def proofs() -> Iterator[list[Proof]]:
    """The same for both engines, with a dictionary and without one."""
    with contextlib.ExitStack() as stack:
        made = []
        for engine, dictionary, words in (
            ("vectorized", "gcide", 120_000),  # enough for the compiled tally
            ("elementwise", "gcide", 1_000),
            ("vectorized", "none", 1_000),
            ("elementwise", "none", 1_000),
        ):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="durability-")))
            write_texts(folder, words)
            options = (f"--engine={engine}", f"--dictionary={dictionary}")
            made.append(Proof(folder, (f"--input={folder}/text*", *options)))
        yield made


def chaos(runs: int, spec: str, generator: random.Random) -> str:
    """Faults as `spec` has them, in `runs` runs of other seeds."""
    faults, retries = [], []
    with proofs() as made:
        clean = [proof.result()[0] for proof in made]
        for number in range(runs):
            proof, expected = made[number % len(made)], clean[number % len(made)]
            seed = generator.randrange(1 << 30)
            result, report = proof.result(f"--chaos={spec},seed={seed},latency=0", ENOUGH)
            assert result == expected, f"other result: {proof.arguments} seed={seed}"
            faults.append(report.counter("faults_injected") or 0)
            assert faults[-1] > 0, f"no fault: seed={seed}"
            retries.append(report.counter("retries"))
            proof.assert_clean()
    assert faults == retries  # each fault was followed by another attempt
    return f"{runs} results identical; faults injected: {min(faults)} to {max(faults)} a run"


def repeated(runs: int, generator: random.Random) -> str:
    """Every bundle is run three times, with faults besides; the runner drops all but the last."""
    with proofs() as made:
        clean = [proof.result()[0] for proof in made]
        for number in range(runs):
            proof, expected = made[number % len(made)], clean[number % len(made)]
            seed = generator.randrange(1 << 30)
            again = "--direct_runner_bundle_repeat=2"
            result, _ = proof.result(again, f"--chaos=rate=0.3,seed={seed},latency=0", ENOUGH)
            assert result == expected, f"other result: {proof.arguments} seed={seed}"
            proof.assert_clean()
    return f"{runs} results identical"


def split(runs: int, generator: random.Random) -> str:
    """The bundles of one stage are split while they run."""
    failed = 0
    with proofs() as made:
        clean = [proof.result()[0] for proof in made]
        for number in range(runs):
            proof, expected = made[number % len(made)], clean[number % len(made)]
            fractions = [generator.random() for _ in range(3)]
            how = {generator.choice(SPLIT): {"timings": [0, 0, 0.001], "fractions": fractions}}
            try:
                result, _ = proof.result(f"--direct_test_splits={json.dumps(how)}")
            except AnagramError as error:
                assert "nothing published, the run lost count" in str(error)
                assert proof.output.read_bytes() == OLD
                failed += 1
            else:
                assert result == expected, f"other result: {proof.arguments} {how}"
            proof.assert_clean()
    return f"{failed} failed in one line and left the old result, {runs - failed} are identical"


def worker(runs: int, generator: random.Random) -> str:
    """A worker process is killed at a random moment of its life."""
    failed = 0
    with proofs() as made:
        proof = made[0]
        _, _, undisturbed = _run_workers(proof)
        expected = proof.output.read_bytes()
        for _ in range(runs):
            proof.output.write_bytes(OLD)
            code, err, _ = _run_workers(proof, generator.uniform(0, 1.1 * undisturbed))
            if code == 0:
                assert proof.output.read_bytes() == expected
            else:
                assert code == 1, (code, err)
                assert "a worker process has died" in err, err
                assert err.count("\n") == 1, err
                assert proof.output.read_bytes() == OLD
                failed += 1
            proof.assert_clean()
    return f"{failed} failed in one line and left the old result, {runs - failed} were done before"


def _run_workers(proof: Proof, kill_after: float | None = None) -> tuple[int, str, float]:
    """A run with two worker processes, of which one is killed.

    Returns:
      Exit code; what it printed; the seconds from the start of the workers to the end.
    """
    options = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
    running = subprocess.Popen(
        [*COMMAND, *proof.command(*options)], env=environment(), stderr=subprocess.PIPE, text=True
    )
    began = time.monotonic()
    with contextlib.suppress(psutil.NoSuchProcess):
        while running.poll() is None:
            children = psutil.Process(running.pid).children(recursive=True)
            workers = [child for child in children if child.name().startswith("python")]
            if len(workers) == 2:
                began = time.monotonic()
                if kill_after is not None:
                    time.sleep(kill_after)
                    workers[1].kill()
                break
            time.sleep(0.01)
    _, err = running.communicate(timeout=GIVE_UP)
    return running.returncode, err, time.monotonic() - began


def killed(runs: int, generator: random.Random) -> str:
    """The whole run is killed at a random moment, then it is run again."""
    old = new = 0
    with proofs() as made:
        expected, durations = [], []
        for proof in made:
            began = time.monotonic()
            assert os.waitpid(_fork(proof), 0)[1] == 0
            expected.append(proof.output.read_bytes())
            durations.append(time.monotonic() - began)
        for number in range(runs):
            index = number % len(made)
            proof = made[index]
            proof.output.write_bytes(OLD)
            pid = _fork(proof)
            time.sleep(generator.uniform(0, 1.2 * durations[index]))
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            found = proof.output.read_bytes()
            assert found in (OLD, expected[index]), f"neither old nor new: {proof.arguments}"
            old, new = old + (found == OLD), new + (found != OLD)
            pid = _fork(proof)
            assert os.waitpid(pid, 0)[1] == 0, f"the next run failed: {proof.arguments}"
            assert proof.output.read_bytes() == expected[index]
            proof.assert_clean()
    return f"{old} left the old result, {new} the new one; {runs} next runs succeeded"


def exchanged(runs: int, generator: random.Random) -> str:
    """The whole run is killed before one of the renames that publish its result."""
    old = new = 0
    with proofs() as made:
        proof = made[2]
        folder, output = proof.folder, str(proof.output)
        for _ in range(runs):
            before, after = generator.choice(SHARDS), generator.choice(SHARDS)
            for path in [*folder.glob("result.json*"), *folder.glob("dead.jsonl")]:
                path.unlink()
            # Other words make another result.
            assert os.waitpid(_fork(proof, *_sharded(before), "--min_word_length=4"), 0)[1] == 0
            expected_old = _results(folder)
            assert os.waitpid(_fork(proof, *_sharded(after)), 0)[1] == 0
            expected_new = _results(folder)
            assert len(expected_old) == before + 1
            assert len(expected_new) == after + 1
            assert os.waitpid(_fork(proof, *_sharded(before), "--min_word_length=4"), 0)[1] == 0
            assert _results(folder) == expected_old
            renames = before + after + 3
            pid = _fork(proof, *_sharded(after), killed_at=generator.randrange(renames))
            os.waitpid(pid, 0)
            found = _results(folder)
            for number in SHARDS:
                names = [Path(shard_path(output, n, number)).name for n in range(number)]
                here = {name: found[name] for name in names if name in found}
                assert any(here.items() <= each.items() for each in (expected_old, expected_new))
            publishing.recover(output)
            publishing.recover(str(folder / "dead.jsonl"))
            found = _results(folder)
            assert found in (expected_old, expected_new), (before, after, sorted(found))
            old, new = old + (found == expected_old), new + (found == expected_new)
            proof.assert_clean()
    return f"{old} had the old result, {new} the new one"


#: Numbers of shards that replace each other.
SHARDS = (1, 2, 3, 5)


def _sharded(number: int) -> tuple[str, ...]:
    """Options for a result of so many shards, and dead letters."""
    quarantine = ("--encoding_errors=quarantine", "--dead_letters={folder}/dead.jsonl")
    return (f"--num_shards={number}", *quarantine)


def _results(folder: Path) -> dict[str, bytes]:
    """What stands under the names of the result and of the dead letters."""
    paths = [*folder.glob("result.json*"), *folder.glob("dead.jsonl")]
    return {path.name: path.read_bytes() for path in paths}


def _fork(proof: Proof, *more: str, killed_at: int | None = None) -> int:
    """Starts a run in a process of its own and returns its id.

    Args:
      proof: what to run.
      *more: arguments; ``{folder}`` stands for the folder of the texts.
      killed_at: the number of the rename before which it is killed, if there are so many.
    """
    pid = os.fork()
    if pid:
        return pid
    sys.stderr = io.StringIO()
    if killed_at is not None:
        numbers, replace = itertools.count(), os.replace

        def rename(source: str, target: str) -> None:
            if next(numbers) == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)
            replace(source, target)

        os.replace = rename  # type: ignore[assignment]
    os._exit(run(proof.command(*(argument.format(folder=proof.folder) for argument in more))))


PROOFS: dict[str, Callable[[int, random.Random], str]] = {
    # Processes are forked before this one has run a pipeline, and has threads.
    "killed": killed,
    "exchanged": exchanged,
    "chaos take-home": lambda runs, generator: chaos(runs, "take-home", generator),
    "chaos rate=0.5": lambda runs, generator: chaos(runs, "rate=0.5", generator),
    "repeated": repeated,
    "split": split,
    "worker": worker,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Shows that nothing is lost.")
    parser.add_argument("--runs", type=int, default=100, help="of each proof (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="of what is random (default: 0)")
    parser.add_argument("--only", choices=PROOFS, help="one proof")
    options = parser.parse_args()
    for name in [options.only] if options.only else PROOFS:
        began = time.monotonic()
        summary = PROOFS[name](options.runs, random.Random(options.seed))
        print(f"{name}: {summary} ({time.monotonic() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
