"""The report on all datasets of a run: what became of each, what it cost, how it looks.

Made from whatever files exist, so that failed and unfinished datasets are in it too.
"""
