"""What Snakemake calls: checks before the first job, jobs, and the console."""
