"""Arrays of both sides: source chunks, output objects, shard indexes, tasks."""
