"""Whether `--metrics` can be had, asked before anything is mounted."""

import importlib.util

from lxcfs_py.errors import CannotRun
from lxcfs_py.observe.place import parse_place


def check_metrics(place: str) -> None:
    """See that there is what metrics need.

    Raises:
      CannotRun: there is not, or the place is none.
    """
    try:
        parse_place(place)
    except ValueError as error:
        raise CannotRun(f"--metrics {place}: {error}") from error
    if importlib.util.find_spec("prometheus_client") is None:
        raise CannotRun(
            "--metrics needs the Python package prometheus-client: "
            "install lxcfs-py[metrics], or go without"
        )
