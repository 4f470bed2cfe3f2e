"""The stages before a graph, by hosted models: words, looks, pictures."""
