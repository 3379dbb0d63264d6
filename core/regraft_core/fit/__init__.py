"""Does a served model still fit the requests that it gets? Counts, what they are held against, and the answer."""
