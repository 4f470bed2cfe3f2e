"""How fast, how evenly and how surely: one table, ratios in one run."""
