"""What lenses on language models share: prompts, answers, packed batches, and values read off hidden states."""
