"""Checks that tensors are dense and hold numbers, as all functions and layers here need."""

from typing import Any

# Classes of tensors that do not store every element, in all backends.
_RAGGED = {"RaggedTensor", "RaggedTensorValue"}
_SPARSE = {"SparseTensor", "SparseTensorValue", "IndexedSlices", "BCOO"}


def check_dense(**tensors: Any) -> None:
    """Raises ValueError unless the tensors are dense and hold numbers.

    Most operations take a ragged tensor for its flat values, and so move tokens from one row to
    another. Tokenizers return ragged tensors, so it is easy to pass one on.

    Args:
        **tensors: tensors or dicts of tensors, by the name of the argument. Anything else, such as
            None, is ignored.

    Raises:
        ValueError: if one is ragged or sparse, or holds text.

    Example:
    >>> check_dense(query=keras.ops.ones((2, 3)), key=None)
    """
    for name, tensor in tensors.items():
        if isinstance(tensor, dict):
            for key, value in tensor.items():
                check_dense(**{str(key): value})
        elif problem := _problem_of(tensor):
            rule, kind, advice = problem
            shape = getattr(tensor, "shape", None)
            received = kind if shape is None else f"{kind} of shape {tuple(shape)}"
            raise ValueError(f"`{name}` must {rule}. Received: {received}. {advice}.")


def _problem_of(tensor: Any) -> tuple[str, str, str] | None:
    """The rule that a tensor breaks, what it is, and what to do; None for a good one."""
    classes = {base.__name__ for base in type(tensor).__mro__}
    if classes & _RAGGED or getattr(tensor, "ragged", False) is True:
        return "be a dense tensor", "a ragged tensor", "Fill its rows by `.to_tensor()`"
    if classes & _SPARSE or getattr(tensor, "sparse", False) is True:
        return "be a dense tensor", "a sparse tensor", "Convert it by `tf.sparse.to_dense()`"
    if _holds_text(getattr(tensor, "dtype", None)):
        return "hold numbers", "text", "Turn text into token ids with a tokenizer"
    return None


def _holds_text(dtype: Any) -> bool:
    """Whether a dtype of TensorFlow or NumPy is one of strings."""
    return getattr(dtype, "name", "") == "string" or getattr(dtype, "kind", "") in ("U", "S", "O")
