"""Records of what cannot be derived again."""

import pytest

from lxcfs_py.container_state import ContainerState, pack, record_size, unpack
from lxcfs_py.cpu_times import Counters, CpuTimesState
from lxcfs_py.resources import CpuUsage, LoadAverages

_CPUS = 4
_COUNTERS = {0: Counters(1.5, 2.25, 3.125, 1e15), 3: Counters(0.1, 0.2, 0.3, 0.4)}


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(ContainerState(), id="new"),
        pytest.param(
            ContainerState(4194304, 12345.678, LoadAverages(656, 136, 44)), id="no-cpu-read-yet"
        ),
        pytest.param(
            ContainerState(load=LoadAverages(*[4194304 << 11] * 3)), id="four-million-threads-run"
        ),
        pytest.param(
            ContainerState(
                cpu=CpuTimesState(1 << 60, CpuUsage(5, 6, 7), (0, 3), 0.75, dict(_COUNTERS))
            ),
            id="v2",
        ),
        pytest.param(
            ContainerState(
                cpu=CpuTimesState(
                    99,
                    CpuUsage(5, 6, 0, {0: (0, 0), 1: (2, 3), 2: (1 << 60, 0)}),
                    (3,),
                    0.0,
                    dict(_COUNTERS),
                )
            ),
            id="v1-with-a-cpu-that-did-nothing",
        ),
        pytest.param(
            ContainerState(cpu=CpuTimesState(0, CpuUsage(0, 0), (0, 1, 2, 3))),
            id="cpus-shown-and-not-counted",
        ),
    ],
)
def test_round_trip(state: ContainerState) -> None:
    record = pack(state, _CPUS)

    assert len(record) == record_size(_CPUS)
    assert unpack(record) == state


def test_a_record_of_the_largest_kernel() -> None:
    # CONFIG_NR_CPUS is 8192 with MAXSMP.
    assert record_size(8192) < 1 << 19
