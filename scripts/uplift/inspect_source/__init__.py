"""What is at the source: groups, arrays, chunks, and every other file."""
