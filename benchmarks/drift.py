"""Whether the monitor finds drift, and only drift, in windows of 200 lines sent to an export.

    python benchmarks/drift.py --reference val.en --same test.en --other other.en --language test.de

The statistics of `--reference` describe what the model was made for. 20 windows drawn from `--same`
must raise no alarm. Lines of another domain, of another language, in capitals, and with one letter
in ten mistyped must raise an alarm in the first window; what the alarm says is printed.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from side_by_side import describe_machine, progress

from keras_attn.lines import read_lines
from keras_attn.serving.monitoring import (
    LineFacts,
    TrafficStatistics,
    compare_traffic,
    describe_lines,
)

REPOSITORY = Path(__file__).resolve().parents[1]
VERSION = REPOSITORY / "saved_models" / "tatoeba_en_de" / "1"
SEED, WINDOW = 20261129, 200
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--version", type=Path, default=VERSION, help="SavedModel version")
    for name in ("reference", "same", "other", "language"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="lines")
    parser.add_argument("--windows", type=int, default=20)
    arguments = parser.parse_args()
    generator = random.Random(SEED)

    def facts(path: Path, change: Callable[[str], str] = str, count: int = WINDOW) -> Any:
        lines = read_lines(path)
        chosen = generator.sample(lines, min(count, len(lines)))
        return describe_lines(arguments.version, [change(line) for line in chosen])

    progress("reference")
    reference = TrafficStatistics.of(facts(arguments.reference, count=5000))
    progress("the same kind")
    same = facts(arguments.same, count=5000)
    windows = [generator.sample(same, WINDOW) for _ in range(arguments.windows)]
    result: dict[str, Any] = {
        "machine": describe_machine(),
        "reference_lines": reference.lines,
        "same": [alarms(reference, window) for window in windows],
    }
    for name, path, change in (
        ("other_domain", arguments.other, str),
        ("other_language", arguments.language, str),
        ("capitals", arguments.same, str.upper),
        ("typos", arguments.same, lambda line: mistype(generator, line)),
    ):
        progress(name)
        result[name] = alarms(reference, facts(path, change))
    print(json.dumps(result, indent=1))


def alarms(reference: TrafficStatistics, window: list[LineFacts]) -> list[str]:
    """What has moved, in words."""
    found = compare_traffic(reference, TrafficStatistics.of(window))
    return [str(one) for one in found if one.is_alarm]


def mistype(generator: random.Random, line: str) -> str:
    """Replaces, drops or doubles one letter in ten."""
    typed = []
    for letter in line:
        if letter.isalpha() and generator.random() < 0.1:
            letter = generator.choice([generator.choice(LETTERS), "", letter * 2])
        typed.append(letter)
    return "".join(typed)


if __name__ == "__main__":
    main()
