"""Makes a shipped model from a run: a compact translator, a SavedModel, and a model card.

    python scripts/ship_model.py runs/tatoeba_en_de tatoeba_en_de

writes keras_attn/pretrained/NAME (8-bit weights, recipe, card, confidence calibrated on the
validation split, export for LiteRT), exports exactly that translator as saved_models/NAME/1, and
scores it on the run's test split, or on its validation split if it has no other. The text of the
card is in scripts/cards/NAME.md; the measurements are filled in.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import shutil
import statistics
from pathlib import Path
from typing import Any

from keras_attn import Translator
from keras_attn.data import group_references
from keras_attn.evaluation import (
    ConfidenceReport,
    calibrate_confidence,
    corpus_scores,
    error_rates,
    evaluate_confidence,
)
from keras_attn.interop import export_litert
from keras_attn.serving import export_saved_model
from keras_attn.training import Recipe
from keras_attn.training.load_corpora import load_corpora

ROOT = Path(__file__).resolve().parents[1]
NUM_SAMPLES, SAMPLE_SEED = 30, 2017


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--weights", default="int8", choices=("int8", "float16"))
    parser.add_argument("--no-saved-model", action="store_true", help="write no SavedModel")
    arguments = parser.parse_args()
    target = ROOT / "keras_attn" / "pretrained" / arguments.name
    shutil.rmtree(target, ignore_errors=True)
    Translator.load(arguments.run / "translator").save(target, weights=arguments.weights)
    recipe = Recipe.from_run(arguments.run)
    _publish_recipe(recipe, arguments.name, target)
    translator = Translator.load(target)
    report = json.loads((arguments.run / "report.json").read_text(encoding="utf-8"))
    corpora = load_corpora(recipe.data)
    corpus = corpora.validation if corpora.test is None else corpora.test
    sources, references = group_references(corpus)
    translations = translator.translate_detailed(sources)
    texts = [one.text for one in translations]
    scores = corpus_scores(texts, references, confidence=True)
    known, known_references = group_references(corpora.validation)
    confidence = calibrate_confidence(translator.translate_detailed(known), known_references)
    confidence.save(target)
    translator.confidence = confidence
    facts = {
        "parameters": f"{report['parameters']:,}",
        "training": _training(report),
        "whole_scores": _scores(report.get("test") or report["validation"]),
        "scores": "\n".join(f"    {line}" for line in scores.lines()),
        "confidence": _confidence(evaluate_confidence(confidence, translations, references)),
        "by_tag": _scores_by_tag(sources, references, texts),
        "size": f"{sum(f.stat().st_size for f in target.rglob('*') if f.is_file()) / 1e6:.1f} MB",
        "samples": _samples(sources, references, texts),
    }
    card = (ROOT / "scripts" / "cards" / f"{arguments.name}.md").read_text(encoding="utf-8")
    for name, text in facts.items():
        card = card.replace(f"{{{name}}}", text)
    (target / "README.md").write_text(card, encoding="utf-8")
    language = recipe.data.source_language
    export_litert(
        translator, target / "litert", "int8", texts=sources[:5], source_language=language
    )
    if not arguments.no_saved_model:
        saved = ROOT / "saved_models" / arguments.name
        shutil.rmtree(saved, ignore_errors=True)
        print(export_saved_model(translator, saved, reference_texts=known, model_card=card))
    print("\n".join(scores.lines()))


def _publish_recipe(recipe: Recipe, name: str, target: Path) -> None:
    """Writes the recipe with the data directory that the built-in recipe names."""
    directory = Recipe.named(name).data.directory
    data = dataclasses.replace(recipe.data, directory=directory)
    dataclasses.replace(recipe, data=data).to_toml(target / "recipe.toml")


def _training(report: dict[str, Any]) -> str:
    minutes = report["step_seconds"] / 60
    return (
        f"{report['steps']:,} updates, {report['epochs']:.1f} passes over the pairs, {minutes:.0f} "
        f"minutes of updates on 2 CPU cores; weights: {report['weights']}"
    )


def _scores(scores: dict[str, Any]) -> str:
    return f"BLEU {scores['bleu']:.1f}, chrF2 {scores['chrf']:.1f}"


def _confidence(report: ConfidenceReport) -> str:
    return (
        f"On the test split, where {report.good:.0%} have, it is off by "
        f"{report.expected_calibration_error:.3f} on average (expected calibration error), and the "
        f"least sure 20% contain {report.bad_in_least_sure:.0%} of the others."
    )


def _scores_by_tag(
    sources: list[str], references: list[list[str | None]], translations: list[str]
) -> str:
    """Error rates by the tag before a source, and their means; "" without tags."""
    if not all(source.startswith("<") for source in sources):
        return ""
    tags = [source.split(" ", 1)[0] for source in sources]
    rates = {}
    for tag in sorted(set(tags)):
        chosen = [i for i, one in enumerate(tags) if one == tag]
        errors = error_rates(
            [translations[i] for i in chosen],
            [[stream[i] for i in chosen] for stream in references],
        )
        rates[tag] = (errors.line_error_rate, errors.token_error_rate)
    rates["mean"] = tuple(map(statistics.fmean, zip(*rates.values(), strict=True)))
    rows = ["| language | words wrong, % (WER) | phones wrong, % (PER) |", "|---|---|---|"]
    rows += [f"| {tag.strip('<>')} | {wer:.2f} | {per:.2f} |" for tag, (wer, per) in rates.items()]
    return "\n".join(rows)


def _samples(
    sources: list[str], references: list[list[str | None]], translations: list[str]
) -> str:
    chosen = sorted(random.Random(SAMPLE_SEED).sample(range(len(sources)), NUM_SAMPLES))
    rows = ["| source | translation | a reference |", "|---|---|---|"]
    rows += [f"| {sources[i]} | {translations[i]} | {references[0][i]} |" for i in chosen]
    return "\n".join(rows)


if __name__ == "__main__":
    main()
