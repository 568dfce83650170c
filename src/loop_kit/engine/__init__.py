"""Performs what the state asks for, through ports."""

from loop_kit.engine.engine import Engine

__all__ = ["Engine"]
