"""What `make demo` explains."""

QUESTION = (
    "You will read a film review. Reviewers often praise and criticise in the same breath, so weigh everything that "
    "is said, watch for negations, and judge the review as a whole. Is the overall sentiment of this movie review "
    "Positive or Negative? Answer with one word.\nReview: {text}"
)
ANSWERS = (" Positive", " Negative")
ANSWER_PREFIX = "Sentiment:"
REVIEW = (
    "I expected to hate this film, and the first hour is not exactly gripping. But the acting is never less than "
    "superb, the ending is far from predictable, and by the time the credits rolled I could not have been happier "
    "that nobody had talked me out of it."
)
