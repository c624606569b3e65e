"""Write the documents of the output and copy the files that are not Zarr."""
