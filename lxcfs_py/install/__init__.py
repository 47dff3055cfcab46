"""`lxcfs-py install` and `uninstall`: has container runtimes show containers our files.

runtimes.py is the table; one module for each runtime says what it puts where. changes.py are the
words for that, plan.py makes steps of them, step.py takes these, record.py remembers them.
"""
