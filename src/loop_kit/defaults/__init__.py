"""Data that ships with the package: prompt templates, role documents, examples, the demo."""
