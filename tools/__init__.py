"""Programs for `make`: the environment and the tests' browser. Plain Python, for a machine without packages."""
