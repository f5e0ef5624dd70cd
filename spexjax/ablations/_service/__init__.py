"""The lens on text for models behind a service: requests, answers, retries, limits and cost."""
