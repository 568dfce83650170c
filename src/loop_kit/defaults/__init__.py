"""Data that ships with the package: prompt templates, role documents, examples, the demo."""

from pathlib import Path


def text(name: str) -> str:
    """The shipped text `name`, such as `templates/worker_prompt.txt`."""
    return (
        Path(__file__)
        .with_name(name.split("/", 1)[0])
        .joinpath(*name.split("/")[1:])
        .read_text("utf-8")
    )
