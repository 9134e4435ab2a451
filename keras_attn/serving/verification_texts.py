"""The lines that an export is verified with, unless the caller has better ones."""

# Of mixed lengths, so that padding matters when they are translated together; and the odd ones that
# users send: nothing, blanks, emoji, other scripts, control characters, far too much.
DEFAULT_VERIFICATION_TEXTS: tuple[str, ...] = (
    "Hello!",
    "A man is riding a bicycle.",
    "Two young children are playing with a red ball in the garden behind the house.",
    "I do not know where the station is, but the woman at the window can surely tell us.",
    "Does it rain?",
    "The price rose by 3.5 % to $1,299.00 on 24 December 2016 (see p. 17).",
    "",
    "   \t ",
    "a",
    "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 caf\u00e9 na\u00efve \ufb01ve",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u4e16\u754c! \u0645\u0631\u062d\u0628\u0627",
    '<s> </s> <pad> <unk> & "quoted" \\n \u0000 \u2581',
    "the same word " * 100,
)
