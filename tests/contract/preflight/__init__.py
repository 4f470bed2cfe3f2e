"""The check before sending, held against the judgement of real servers."""
