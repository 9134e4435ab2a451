"""Writes a corpus as papers on Multi30k prepare it: lower-cased, normalized and tokenized by Moses.

    python scripts/tokenize_corpus.py data/multi30k data/multi30k_tokenized en de

reads every file SPLIT.LANGUAGE of the two languages, and writes its lines, in order, as tokens with
blanks between them. `multi30k_en_de_published` trains on the result. It needs the extra `moses`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from keras_attn.evaluation import MosesTokenizer
from keras_attn.lines import read_lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("source", type=Path, help="a directory of files SPLIT.LANGUAGE")
    parser.add_argument("output", type=Path, help="a directory to write, which must not exist")
    parser.add_argument("languages", nargs="+")
    parser.add_argument("--cased", action="store_true", help="keep capitals")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True)
    for language in arguments.languages:
        tokenizer = MosesTokenizer(language, lowercase=not arguments.cased)
        paths = sorted(arguments.source.glob(f"*.{language}"))
        if not paths:
            parser.error(f"`source` must contain files *.{language}. Received: {arguments.source}.")
        for path in paths:
            lines = [tokenizer(line) for line in read_lines(path)]
            text = "".join(f"{line}\n" for line in lines)
            (arguments.output / path.name).write_text(text, encoding="utf-8")
            print(f"{path.name}: {len(lines):,} lines")


if __name__ == "__main__":
    main()
