"""Plans: proposed, edited, checked, cut into batches; pure functions."""
