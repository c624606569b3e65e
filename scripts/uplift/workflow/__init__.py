"""What Snakemake calls: jobs, and what is looked at before them."""
