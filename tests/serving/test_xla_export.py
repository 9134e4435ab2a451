"""An export for servers with XLA switched on: it says the same there, and is refused elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from keras_attn.serving import ServedModel, export_saved_model, verify_saved_model
from keras_attn.serving.static_checks import check_operations, read_saved_model
from keras_attn.serving.warmup import BATCH_SIZES, read_warmup
from tests.support.running_server import running_server

LINES = ["Good morning, everybody.", "", "Wo ist der Bahnhof?", "x", "far too long a line " * 9]


@pytest.fixture(scope="module")
def version(translator, tmp_path_factory):
    """Exporting verifies it with XLA on."""
    return export_saved_model(translator, tmp_path_factory.mktemp("models") / "nonsense", xla=True)


@pytest.mark.slow
def test_a_stock_server_is_told_not_to_take_it(version) -> None:
    (failure, *others) = verify_saved_model(version).failures
    assert failure.name == "operations" and "--xla_cpu_compilation_enabled" in failure.detail
    assert [one.name for one in others] == ["as a server runs it"]
    meta_graph = read_saved_model(version).meta_graphs[0]
    assert check_operations(meta_graph, xla=True).passed
    assert ServedModel(version.parent).needs_xla


@pytest.mark.slow
def test_there_is_a_warm_up_request_for_each_program(version, translator) -> None:
    counts = {}
    for signature, inputs in read_warmup(version):
        if signature == "serving_default":
            lengths = [min(len(line), translator.max_source_tokens) + 1 for line in inputs["text"]]
            bucket = 16 if max(lengths) <= 16 else 31
            counts.setdefault((len(lengths), bucket), 0)
    assert set(counts) == {(size, length) for size in BATCH_SIZES for length in (16, 31)}


@pytest.mark.slow
def test_a_server_with_xla_says_what_the_translator_says(version, translator) -> None:
    expected = translator.translate_detailed(LINES)
    with running_server(version.parent, "--xla") as server:
        for lines in (LINES, LINES[:1], LINES * 9):
            body = {"signature_name": "translate_with_stats", "instances": lines}
            status, answer = server.request("/v1/models/nonsense:predict", body)
            assert status == 200
            rows = answer["predictions"]
            some = (expected * 9)[: len(lines)]
            assert [row["translation"] for row in rows] == [one.text for one in some]
            for name in ("score", "log_probability", "confidence"):
                values = [getattr(one, name) for one in some]
                given = [row[name] for row in rows]
                np.testing.assert_allclose(given, values, rtol=1e-3, atol=1e-3)
