"""What a run of a loop leaves for a person: the names of its folders and files.

runs/<when round 1 began>/run.json                     whose it is
runs/<when round 1 began>/settings.json                the settings and where each is from
runs/<when round 1 began>/r2_reviewer_1/prompt.md      one folder for each attempt
transcript.txt what it did, to read
output.log     what it printed, as it was
stderr.txt     the end of its standard error
report.json    its report as it was written
result.json    how it ended and what it used
failure.txt    why it counts as failed
runs/<when round 1 began>/verify_0123456789.txt        what verify commands printed
"""

from collections.abc import Sequence

from loop_kit.patterns import late_pattern

RUN = "run.json"
SETTINGS = "settings.json"
PROMPT = "prompt.md"
TRANSCRIPT = "transcript.txt"
OUTPUT = "output.log"
STDERR = "stderr.txt"
REPORT = "report.json"
RESULT = "result.json"
FAILURE = "failure.txt"

OF_AGENTS = frozenset({PROMPT, TRANSCRIPT, OUTPUT, STDERR})
"""What only `full` keeps: what agents were told, and what they said on the way."""

ATTEMPT = late_pattern(r"r(?P<round>\d+)_(?P<role>worker|reviewer|second_reviewer)_(?P<number>\d+)")
"""The name of an attempt's folder."""

_VERIFY = late_pattern(r"verify_[0-9a-f]{10}\.txt")


def is_record(parts: Sequence[str]) -> bool:
    """Whether this is the path of a file in the folder of a run."""
    if len(parts) == 1:
        return parts[0] in {RUN, SETTINGS} or _VERIFY.fullmatch(parts[0]) is not None
    known = {*OF_AGENTS, REPORT, RESULT, FAILURE}
    return len(parts) == 2 and ATTEMPT.fullmatch(parts[0]) is not None and parts[1] in known
