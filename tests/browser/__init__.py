"""Pages of `loop report` that a browser opens in `.ci/pages`."""
