"""The kinds of work that an agent does: for the console and for metrics."""

from typing import Literal, get_args

Category = Literal["read", "search", "edit", "test", "unknown"]
CATEGORIES: tuple[Category, ...] = get_args(Category)
