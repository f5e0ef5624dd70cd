"""The text that `make demo` explains."""

QUESTION = "Is the sentiment of this movie review Positive or Negative?\nReview: {text}"
ANSWERS = (" Positive", " Negative")
ANSWER_PREFIX = "Sentiment:"
REVIEW = (
    "I expected to hate this film, and the first hour is not exactly gripping. But the acting is never less than "
    "superb, the ending is far from predictable, and by the time the credits rolled I could not have been happier "
    "that nobody had talked me out of it."
)
