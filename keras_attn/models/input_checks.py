"""Checks of a model's inputs: ids, pairs of them, and lengths."""

import operator

import keras


def check_token_ids(name, token_ids):
    """Raises ValueError unless the ids are integers of rank 2."""
    if token_ids is None:
        raise ValueError(f"Token ids of `{name}` must be given. Received: None.")
    dtype = keras.backend.standardize_dtype(token_ids.dtype)
    if "int" not in dtype or len(token_ids.shape) != 2:
        hint = ""
        if "float" in dtype:  # what `keras.Sequential` makes of ids by itself
            hint = ' In a Sequential model, put `keras.Input((None,), dtype="int32")` first.'
        raise ValueError(
            f"Token ids of `{name}` must be integers of shape (batch, length). "
            f"Received: dtype={dtype}, shape={tuple(token_ids.shape)}.{hint}"
        )


def check_inputs(inputs):
    """Raises ValueError unless inputs are those of the interface, with equal numbers of rows."""
    names = ("encoder_token_ids", "decoder_token_ids")
    if not isinstance(inputs, dict) or not set(names) <= set(inputs):
        received = sorted(inputs) if isinstance(inputs, dict) else type(inputs).__name__
        raise ValueError(
            f"`inputs` must be a dict with {names[0]!r} and {names[1]!r}. Received: {received}."
        )
    for name in names:
        check_token_ids(name, inputs[name])
    source_rows, target_rows = (inputs[name].shape[0] for name in names)
    if None not in (source_rows, target_rows) and source_rows != target_rows:
        raise ValueError(
            "Sources and targets must have the same batch size. Received: "
            f"{source_rows} rows of {names[0]}, {target_rows} of {names[1]}."
        )


def check_max_length(max_length, limit, num_before=0):
    """Raises ValueError if the model has too few positions for a prompt and `max_length` tokens.

    Args:
        max_length: int or int scalar tensor.
        limit: int or None. The model's `max_sequence_length`.
        num_before: int or int scalar tensor. Tokens of a prompt that are read first.
    """
    try:
        num_before, max_length = operator.index(num_before), operator.index(max_length)
    except TypeError:
        return  # a tensor of a graph, whose value is not known yet
    if limit is not None and num_before + max_length > limit:
        after = f" after a prompt of {num_before + 1} tokens" if num_before else ""
        raise ValueError(
            "`max_length` must be at most `max_sequence_length`, the positions that the model "
            f"has learned. Received: max_length={max_length}{after}, max_sequence_length={limit}."
        )
