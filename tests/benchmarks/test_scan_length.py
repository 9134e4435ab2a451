"""Positions compared on SCAN: what counts as right, and files that a later command reads."""

import json

import pytest
import scan_length

from keras_attn.data import Corpus


class Scripted:
    """A translator that says what it is told to; with a forced length it goes on with `more`."""

    def __init__(self, answers, more):
        self.answers, self.more, self.decoding = answers, more, None

    def translate(self, sources):
        words = [self.answers[source].split() for source in sources]
        shortest = self.decoding.get_config()["min_length"]
        return [" ".join([*one, *[self.more] * (shortest - len(one))]) for one in words]


def test_a_line_counts_as_right_only_as_a_whole_and_the_end_is_counted_apart():
    validation = Corpus(["a", "b"], ["X Y", "Y"])
    test = Corpus(["c", "d", "e", "f"], ["X X X", "X X X", "X X", "Y X X"])
    answers = {"a": "X Y", "b": "X"}  # one of two
    answers |= {"c": "X X X", "d": "X", "e": "X X Y", "f": ""}  # right, early, late, empty
    corpora = {"validation": validation, "test": test}
    scores = scan_length.score(Scripted(answers, more="X"), corpora)
    assert (scores["validation"], scores["test"]) == (50.0, 25.0)
    assert (scores["test_ended_early"], scores["test_ended_late"]) == (25.0, 25.0)
    # Told the end, "d" goes on rightly and "e" is cut off; "f" goes on wrongly.
    assert scores["test_told_the_end"] == 75.0
    assert scores["right_by_actions"]["test"] == {"2": 0.0, "3": pytest.approx(100 / 3)}
    assert scores["right_by_actions"]["test_told_the_end"]["2"] == 100.0


def test_a_kind_of_position_may_have_arguments_and_a_wrong_one_is_refused_before_any_training():
    assert scan_length.parse_position("alibi") == "alibi"
    filling = scan_length.parse_position("relative_bias:max_distance=17:num_buckets=8")
    assert filling == {"name": "relative_bias", "max_distance": 17, "num_buckets": 8}
    for wrong in ("rotari", "relative_bias:distance=3"):
        with pytest.raises(ValueError, match="Received"):
            scan_length.parse_position(wrong)


def test_the_pairs_held_out_are_no_training_pairs_and_no_longer_than_them(tmp_path):
    corpora = scan_length.write_corpora(tmp_path, cut=22)
    assert [len(corpora[name]) for name in ("train", "validation", "test")] == [15990, 1000, 3920]
    assert not set(corpora["train"].sources) & set(corpora["validation"].sources)
    assert max(len(text.split()) for text in corpora["validation"].targets) <= 22
    lines = (tmp_path / "train.tsv").read_text(encoding="utf-8").splitlines()
    assert [tuple(line.split("\t")) for line in lines] == list(corpora["train"])


def test_the_table_gives_the_mean_and_the_spread_of_the_seeds():
    scores = dict.fromkeys(scan_length.SCORES, 0.0)
    runs = [
        {"position": "alibi", "steps": 20, "parameters": 1234, **scores, "test": value}
        for value in (10.0, 15.0)
    ]
    assert "| alibi | 2 | 1,234 | 20 | 0.0 (0.0 - 0.0) | 12.5 (10.0 - 15.0) |" in (
        scan_length.make_table(runs)
    )


@pytest.mark.slow
def test_the_command_writes_all_its_files_and_trains_nothing_twice(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    size = {"num_layers": 1, "hidden_dim": 8, "intermediate_dim": 12, "num_heads": 2}
    monkeypatch.setattr(scan_length, "MODEL", {**scan_length.MODEL, **size})
    quick = {**scan_length.TRAINING, "jit_compile": False, "num_buckets": 1}
    monkeypatch.setattr(scan_length, "TRAINING", quick)
    train_pairs, test = scan_length.scan()
    few = (train_pairs.take(60), test.take(5))
    monkeypatch.setattr(scan_length, "scan", lambda *arguments, **options: few)
    command = f"scan_length.py --output {tmp_path} --steps 2 --seeds 2 --positions rotary,alibi"
    monkeypatch.setattr("sys.argv", command.split())
    scan_length.main()
    printed = capsys.readouterr().out
    document = json.loads((tmp_path / "scan_length.json").read_text(encoding="utf-8"))
    assert [(run["position"], run["seed"], run["steps"]) for run in document["runs"]] == [
        ("rotary", 0, 2), ("alibi", 0, 2), ("rotary", 1, 2), ("alibi", 1, 2)
    ]  # fmt: skip
    lengths = {str(len(text.split())) for text in few[1].targets}
    assert set(document["runs"][0]["right_by_actions"]["test"]) == lengths
    assert printed == (tmp_path / "scan_length.md").read_text(encoding="utf-8")
    assert (tmp_path / "scan_length.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(scan_length, "train", None)  # may not be called again
    scan_length.main()
    assert capsys.readouterr().out == printed
