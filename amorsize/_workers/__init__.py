"""Workers that run chunks: threads, processes and other people's executors, behind one protocol."""
