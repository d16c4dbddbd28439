"""The report chapter by chapter, and what the model card takes from it: a file per chapter."""
