"""A dry run counts what training does: against formulas, and against a run of the same recipe."""

from __future__ import annotations

import contextlib
import sys
import types
from pathlib import Path

import pytest

from keras_attn import create_model
from keras_attn.cli.main import main
from keras_attn.training import DryRun, Recipe, dry_run, hardware_line, train
from keras_attn.training.update.update_cost import update_cost

SIZES = {"num_layers": 1, "hidden_dim": 32, "intermediate_dim": 48, "num_heads": 4}
RECIPE = {
    "data.num_pairs": 300,
    "training.max_steps": 7,
    "training.max_minutes": "none",
    "training.global_batch_tokens": 512,
    "training.bleu_sentences": 0,
    "training.num_buckets": 2,
    "tokenizer.kind": "byte",
    "training.jit_compile": False,
    "data.test": "none",
    **{f"model.overrides.{name}": size for name, size in SIZES.items()},
}


def formula(rows: int, length: int, vocabulary_size: int) -> int:
    """Multiply-adds of each product of one token, forward, times rows, 2, and 3 (with backward)."""
    width, inner, layers = (
        SIZES[name] for name in ("hidden_dim", "intermediate_dim", "num_layers")
    )
    attention = 4 * width**2 + 2 * length * width  # projections; scores and weighted sum
    token = layers * (3 * attention + 2 * 2 * width * inner) + width * vocabulary_size
    return 2 * 3 * rows * length * token


@pytest.mark.parametrize(("normalize_first", "rows", "length"), [(False, 4, 8), (True, 3, 11)])
def test_the_operations_of_an_update_are_those_of_the_formula(
    normalize_first: bool, rows: int, length: int
) -> None:
    model = create_model(
        "transformer_tiny", source_vocabulary_size=100, normalize_first=normalize_first, **SIZES
    )
    assert update_cost(model, rows, length).flops == formula(rows, length, 100)


def test_the_operations_of_convolutions_count_forward_and_backward() -> None:
    width, kernel, layers, decoder_layers, rows, length = 16, 3, 2, 3, 4, 8
    model = create_model(
        "conv_tiny",
        source_vocabulary_size=100,
        hidden_dim=width,
        num_layers=layers,
        num_decoder_layers=decoder_layers,
    )
    convolutions = (layers + decoder_layers) * kernel * width * 2 * width
    attention = decoder_layers * (2 * width**2 + 2 * length * width)  # dense; scores, weighted sum
    token = convolutions + attention + 2 * width**2 + width * 100  # both stacks end in a dense
    cost = update_cost(model, rows, length)
    assert cost.forward_flops == 2 * rows * length * token
    assert cost.flops == 3 * cost.forward_flops


def test_what_is_kept_grows_with_the_rows_and_holds_the_logits() -> None:
    model = create_model("transformer_tiny", source_vocabulary_size=100, **SIZES)
    kept = [update_cost(model, rows, 8).saved_bytes for rows in (4, 8, 12)]
    assert kept[2] - kept[1] == kept[1] - kept[0] > 4 * 8 * 100 * 4  # float32 logits


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return Recipe.named("phrasebook_tiny").override(RECIPE)


@pytest.fixture(scope="module")
def result(recipe: Recipe) -> DryRun:
    return dry_run(recipe)


@pytest.mark.slow
def test_it_says_what_a_run_then_does(recipe: Recipe, result: DryRun, tmp_path: Path) -> None:
    report = train(recipe, tmp_path / "run", progress=False).report
    assert result.parameters == report["parameters"]
    assert (result.steps, result.limit) == (report["steps"], "max_steps = 7")
    assert sum(result.shapes.values()) == result.steps_per_epoch
    assert result.steps / result.steps_per_epoch == pytest.approx(report["epochs"])
    expected = sum(
        count * formula(*map(int, shape.split(" x ")), result.vocabulary_size)
        for shape, count in result.shapes.items()
    )
    assert result.flops_per_step == pytest.approx(expected / result.steps_per_epoch)
    assert result.flops == 7 * result.flops_per_step
    # Weights, gradient and Adam's two moments in float32; small things such as counters besides.
    assert result.state_bytes == pytest.approx(16 * result.parameters, rel=0.01)
    assert 0 < result.measured_flops_per_second < 1e13
    assert result.seconds(2 * result.measured_flops_per_second) == result.seconds() / 2


@pytest.mark.slow
def test_parts_r_drop_and_a_time_limit_count(recipe: Recipe, result: DryRun) -> None:
    changes = {
        "training.accumulation_steps": 4,
        "training.r_drop_weight": 5.0,
        "training.max_steps": 10**9,
        "training.max_minutes": 1.0,
    }
    changed = dry_run(recipe.override(changes))
    assert changed.saved_bytes < 0.8 * result.saved_bytes  # a quarter of the rows, twice
    assert changed.flops_per_step == pytest.approx(2 * result.flops_per_step, rel=0.2)
    assert changed.limit == "max_minutes = 1, here" and 1 < changed.steps < 10**9
    assert changed.seconds() == pytest.approx(60, rel=0.05)


@pytest.mark.slow
def test_a_teacher_reads_every_batch(recipe: Recipe, result: DryRun, tmp_path: Path) -> None:
    run = train(recipe.override({"training.max_steps": 1}), tmp_path / "run", progress=False).run
    taught = dry_run(recipe.override({"training.teacher": str(run)}))
    # A forward pass is a third of an update: each product has two more in the backward pass.
    assert taught.flops_per_step == pytest.approx(4 / 3 * result.flops_per_step, rel=0.02)
    assert taught.parameters == result.parameters
    assert taught.state_bytes - result.state_bytes == pytest.approx(4 * result.parameters, rel=0.01)


def test_the_time_elsewhere_follows_from_what_it_sustains() -> None:
    result = DryRun(
        pairs=1,
        vocabulary_size=8,
        parameters=9,
        shapes={"1 x 8": 1},
        steps_per_epoch=1,
        target_tokens_per_step=1.0,
        padding_share=0.0,
        steps=10,
        limit="max_steps = 10",
        flops_per_step=3.6e15,
        flops=3.6e16,
        state_bytes=0,
        saved_bytes=0,
        measured_flops_per_second=1e9,
    )
    hours = result.flops / (4 * 2e12) / 3600
    line = hardware_line(result, tflops=2, devices=4, price=3.0)
    assert line.endswith(f"{4 * hours:,.3g} device-hours, price {12 * hours:.2f}")
    assert result.cost_on(2, 4).price is None
    assert result.cost_on(2, 4, 3.0) == pytest.approx((3600 * hours, 4 * hours, 12 * hours))


def test_each_replica_times_its_own_share_of_the_rows(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    strategy = types.SimpleNamespace(num_replicas_in_sync=2, scope=contextlib.nullcontext)
    module = sys.modules[dry_run.__module__]
    monkeypatch.setattr(module, "get_strategy", lambda name: strategy)
    cost = types.SimpleNamespace(flops=100.0, saved_bytes=1)
    monkeypatch.setattr(module, "update_cost", lambda model, rows, length: cost)

    def seconds_of_update(model, data, rows: int, length: int) -> float:
        seen.append((rows, length))
        return 0.5

    monkeypatch.setattr(module, "_seconds_of_update", seconds_of_update)
    result = dry_run(recipe)
    ((rows, length),) = seen
    assert f"{2 * rows} x {length}" in result.shapes
    assert result.measured_flops_per_second == 2 * 100.0 / 0.5


COMMAND = ["train", "phrasebook_tiny", "--dry-run"]


@pytest.mark.slow
def test_the_command_prints_the_same(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    options = [f"--set={name}={str(value).lower()}" for name, value in RECIPE.items()]
    assert main([*COMMAND, *options, "--tflops", "1"]) == 0
    text = capsys.readouterr().out
    for word in ("7 updates (max_steps = 7)", "GFLOP/s", "a device that sustains 1 TFLOP/s"):
        assert word in text
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--output", "runs/x"], "without options of a run or of a corpus"),
        (["--workers", "2"], "without options of a run or of a corpus"),
        (["--tsv", "pairs.tsv"], "without options of a run or of a corpus"),
        (["--tflops", "0"], "`--tflops` must be above zero"),
        (["--devices", "-1"], "`--devices` must be above zero"),
        (["--price", "2"], "`--devices` and `--price` must be given with --tflops"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*COMMAND, *options]) == 2
    assert message in capsys.readouterr().err


def test_output_is_needed_to_train(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "phrasebook_tiny"]) == 2
    assert "`--output` must name the run directory" in capsys.readouterr().err
