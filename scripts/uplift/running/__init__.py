"""What a program needs to run: its command line, threads, worker processes, lines of progress."""
