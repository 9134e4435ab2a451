"""Lines of text: checks, line ends, files and counts. Needs no TensorFlow."""

from keras_attn.lines.check_texts import check_texts
from keras_attn.lines.line_counts import LineCounts
from keras_attn.lines.line_stream import CHUNK_LINES, Line, read_chunks
from keras_attn.lines.open_text import decompressed, open_text, read_lines
from keras_attn.lines.review_queue import ReviewQueue, read_corrections

__all__ = [
    "CHUNK_LINES",
    "Line",
    "LineCounts",
    "ReviewQueue",
    "check_texts",
    "decompressed",
    "open_text",
    "read_chunks",
    "read_corrections",
    "read_lines",
]
