"""Why it says that: what a daemon is asked about its containers, and the commands that ask.

The worker's side is listener.py, questions.py and metrics.py; the commands' side all the rest.
"""
