"""The other end of `side_by_side.Engine`: runs the functions of an engine by name."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any


def serve_requests(functions: dict[str, Callable[..., Any]]) -> None:
    """Answers JSON lines from standard input until it ends.

    Args:
        functions: dict. Request -> function; the other keys of a request are its arguments.
    """
    # Libraries may print what they like; answers go where nobody else writes.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        arguments = json.loads(line)
        function = functions[arguments.pop("request")]
        try:
            answer = {"result": function(**arguments)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
