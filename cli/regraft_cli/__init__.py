"""The command line ``regraft`` and the embedded stack: the whole loop on one machine."""
