"""Secrets in text: the forms they take, the shapes of known keys, a scanner and a redactor."""
