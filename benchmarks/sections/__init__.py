"""One module for each part of the table; `measure(bench)` adds its rows to the results."""
