"""What `make` calls: the environment and the tests' browser. Plain Python, for a machine that has nothing else yet."""
