"""From a run on this machine to something that others can read, load, run and check."""
