"""Peak resident memory of training, and of translating few and many lines.

    python benchmarks/memory.py                 about 10 minutes on 2 cores
    python benchmarks/memory.py --quick         one round
    python benchmarks/memory.py --run RUN       the lines are translated by this run

Figures are MiB: the most that the process had in memory at once, as the system counts it
(`ru_maxrss`). Every program starts with an empty XLA cache, so that compiling counts. A translation
reads 5,000 lines at once, so up to 5,000 its memory grows with their number.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from side_by_side import describe_machine, make_cell, print_result, progress, summarize
from small_run import CACHE, PROGRAM, STEPS, run_program, train_run, write_lines

LINES = (5_000, 10_000)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured")
    parser.add_argument("--run", help="a trained run; default: train one")
    arguments = parser.parse_args()
    rounds = 1 if arguments.quick else arguments.rounds
    with tempfile.TemporaryDirectory() as temporary:
        figures = measure(Path(temporary), arguments.run, LINES, rounds)
    cells = [make_cell(name, {"keras_attn": values}) for name, values in figures.items()]
    result = summarize(cells, [])
    few, many = (statistics.median(figures[translation_name(count)]) for count in LINES)
    ratio = f"{LINES[1]:,} lines / {LINES[0]:,} lines"
    result["many_lines_over_few"] = many / few
    result["machine"] = describe_machine()
    print_result("Peak memory", "MiB", result, ["keras_attn"], arguments.json)
    if not arguments.json:
        print(f"{ratio} = {many / few:.2f}x")


def measure(
    directory: Path, given_run: str | None, counts: tuple[int, ...], rounds: int
) -> dict[str, list[float]]:
    """Peak memory of everything, round after round.

    Args:
        directory: Path. An empty one.
        given_run: str or None. The run that translates; None for the one trained first.
        counts: tuple of int. Numbers of lines.
        rounds: int.

    Returns:
        dict. Name of the cell -> MiB, one per round.
    """
    training_name = f"train phrasebook_tiny, {STEPS} steps"
    names = [training_name, *map(translation_name, counts)]
    figures: dict[str, list[float]] = {name: [] for name in names}
    for count in counts:
        write_lines(directory / f"{count}.txt", count)
    run = Path(given_run).resolve() if given_run else None
    for _ in range(rounds):
        trained_run, training = train_run(directory)
        run = run or trained_run
        figures[training_name].append(training.peak_mebibytes)
        for count in counts:
            lines = directory / f"{count}.txt"
            figures[translation_name(count)].append(translation_mebibytes(run, lines, directory))
        progress(", ".join(f"{name}: {figures[name][-1]:,.0f} MiB" for name in names))
    return figures


def translation_mebibytes(run: Path, lines: Path, directory: Path) -> float:
    """Peak memory, MiB, of one `keras-attn translate` of a file of lines."""
    cache = tempfile.mkdtemp(prefix="cache-", dir=directory)
    files = ["--input", str(lines), "--output", str(lines.with_suffix(".out"))]
    finished = run_program([*PROGRAM, "translate", str(run), *files], {CACHE: cache})
    return finished.peak_mebibytes


def translation_name(count: int) -> str:
    return f"translate, {count:,} lines"


if __name__ == "__main__":
    main()
