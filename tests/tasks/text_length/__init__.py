"""A second task, of the tests alone: the length of a text in words, as a number. What makes it one is all in here."""

TITLE = "Length of a text"
ENGINES = ("trainer", "torch", "keras")
VIEWS = ("verdict", "mistakes", "groups", "robustness")
PARTS = ()
TUNED = ""
OFFERS = ("script",)
MODEL = "a model that measures texts"
BASELINE = "mean"
PIPELINE = ""
LOSS = "squared error"
CHAPTERS = ("groups", "answers")
