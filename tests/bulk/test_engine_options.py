"""Beam's options are those that were given, and a slip in them is no other engine."""

from __future__ import annotations

import sys

import pytest
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    PipelineOptions,
    StandardOptions,
)

from keras_attn.bulk.engine_options import read_options


@pytest.mark.parametrize("options", [(), [], ["--job_name=phrases"]])
def test_the_command_line_of_the_program_is_not_read(
    options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["program", "--runner=FlinkRunner"])
    assert read_options(options).view_as(StandardOptions).runner is None


def test_options_of_a_distant_engine_may_be_ones_that_beam_does_not_know() -> None:
    options = read_options(["--runner=FlinkRunner", "--parallelism=4", "--of-the-job-server=5"])
    assert options.view_as(FlinkRunnerOptions).parallelism == 4
    assert options.get_all_options(retain_unknown_options=True)["of_the_job_server"] == "5"


def test_options_of_beam_are_taken_as_they_are() -> None:
    options = PipelineOptions(["--runner=FlinkRunner"])
    assert read_options(options) is options


@pytest.mark.parametrize("runner", [[], ["--runner=DirectRunner"], ["--runner=FnApiRunner"]])
def test_an_unknown_option_of_this_machine_is_refused(runner: list[str]) -> None:
    with pytest.raises(ValueError, match="Received: --num_worker. Did you mean '--num_workers'?"):
        read_options([*runner, "--num_worker=3"])
