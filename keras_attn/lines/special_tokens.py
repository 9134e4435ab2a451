"""The four tokens that every vocabulary begins with."""

PAD, UNKNOWN, START, END = range(4)  # their ids
SPECIAL_PIECES = ("<pad>", "<unk>", "<s>", "</s>")  # in readable form
