"""Text classification: one class for a text or a pair of texts. `core.tasks.contract` says what the files are."""

TITLE = "Text classification"
ENGINES = ("trainer", "torch", "keras")
VIEWS = ("verdict", "confusion", "mistakes", "curves", "calibration", "groups", "labels", "robustness")
PARTS = ("classes of a run", "calibration error", "class by class", "reasons")
TUNED = "temperature and thresholds"
OFFERS = ("script", "playground", "onnx", "rivals", "contrastive")
MODEL = "a text classifier"
BASELINE = "most common class"
PIPELINE = "text-classification"
LOSS = "cross-entropy"
CHAPTERS = ("classes", "calibration", "groups by share", "confusions", "mistakes", "label errors")
