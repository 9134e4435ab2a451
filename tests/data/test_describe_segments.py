"""Notes on a corpus count what is odd."""

from keras_attn.data.describe_segments import describe_segments


def test_notes_count_what_is_odd_and_say_where_it_starts():
    sources = ["a", "", "", " b", "c", "d ", "e\nf"]
    targets = ["x", "", "y", "z", "\t", "u", "v"]
    assert describe_segments(sources, targets) == (
        "1 pair is empty on both sides (first: 2).",
        "2 pairs are empty on one side (first: 3).",
        "2 pairs have leading or trailing blanks (first: 4).",
        "1 pair has a line break inside a segment (first: 7).",
    )
    assert describe_segments(["a"], ["b"]) == ()


def test_a_carriage_return_inside_a_segment_is_noted():
    assert describe_segments(["a\rb", "c"], ["x", "y\r"]) == (
        "1 pair has leading or trailing blanks (first: 2).",
        "2 pairs have a carriage return inside a segment (first: 1).",
    )
