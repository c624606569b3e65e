"""Terms of ontologies: organisms (NCBI Taxonomy) and imaging methods (FBbi), by id and name."""
