"""Draws the README's picture of a reviewed pull request from the example posts."""
