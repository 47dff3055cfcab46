"""The configuration file: what holds, what is wrong and where, and what is on top of what."""

import re
import tomllib
from pathlib import Path

import pytest

from lxcfs_py import config
from lxcfs_py.cli import main
from lxcfs_py.config import read
from lxcfs_py.errors import CannotRun
from lxcfs_py.files import VIRTUAL_FILES
from lxcfs_py.options import DEFAULTS, FILES, SPECS, Options

_SHIPPED = Path(__file__).parents[1] / "packaging/lxcfs-py.conf"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lxcfs-py.conf"


def _keys() -> list[str]:
    return [name.replace("_", "-") for name in SPECS]


def test_every_option_can_be_said(file: Path) -> None:
    file.write_text(
        "mountpoint = '/mnt'\npidfile = '/p'\nruntime-dir = '/r'\nfuse-options = ['suid']\n"
        "disable-swap = true\ndisable-zswap = true\nenable-psi-poll = true\nstrict = true\n"
        "cpu-view = 'cpuset'\ncpu-numbering = 'compact'\ndisable-files = ['/proc/swaps']\n"
        "exempt-cgroups = ['/a/*']\nreattach = true\nkeep-connection = true\ndebug = true\n"
        "log-level = 'debug'\nlog-format = 'json'\nmetrics = '9100'\n"
    )
    options = Options.of(read(str(file)))

    assert set(read(str(file))) == set(SPECS)
    assert {name for name in SPECS if getattr(options, name) == DEFAULTS[name]} == set()


def test_an_empty_file_changes_nothing(file: Path) -> None:
    file.touch()
    assert Options.of(read(str(file))) == Options.of({})
    file.write_text(re.sub(r"^#([a-z-]+ = )", r"\1", _SHIPPED.read_text(), flags=re.M))

    assert Options.of(read(str(file))) == Options.of({})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\ncpu-veiw = 'quota'", ":2: cpu-veiw: no such option: did you mean cpu-view?"),
        ("cpu_view = 'quota'", ":1: cpu_view: no such option: did you mean cpu-view?"),
        ("x = 1", ":1: x: no such option: mountpoint, pidfile, .* or log-format"),
        ("[daemon]\nstrict = true", ":1: daemon: no such option: .*"),
        ("# cpu-view\n\n cpu-view = 'all'", ':3: cpu-view: "all": quota or cpuset is allowed'),
        ("strict = 'yes'", ':1: strict: "yes": true or false is allowed'),
        ("strict = 1", ":1: strict: 1: true or false is allowed"),
        ("mountpoint = 7", ':1: mountpoint: 7: a text is allowed: "..."'),
        ("mountpoint = 'mnt'", ':1: mountpoint: "mnt": an absolute path is allowed'),
        (
            "disable-files = ['/proc/swap']",
            ':1: disable-files: "/proc/swap": /proc/cpuinfo, .* is allowed;'
            " did you mean /proc/swaps?",
        ),
        ("disable-files = '/proc/swaps'", ":1: disable-files: .*: a list is allowed: .*"),
        ("exempt-cgroups = [1]", r":1: exempt-cgroups: \[1\]: a list is allowed: .*"),
        ("exempt-cgroups = ['lxc']", ":1: exempt-cgroups: .*: a path that begins with / .*"),
        ("metrics = '0.0.0.0:80'", ':1: metrics: "0.0.0.0:80": only this machine may ask: .*'),
        ("strict = true\nstrict true", ":2: not TOML: .*"),
        ("strict = true\nstrict = true", ":2: not TOML: .*"),
        ("\nstrict =\n", ":2: not TOML: .*"),
        ("log-level = 1979-05-27", ":1: log-level: .*: a text is allowed: .*"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    file: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(text)
    for command in (["check-config", str(file)], ["mount", "--config", str(file), "/mnt"]):
        assert main(command) == 1

        out, err = capsys.readouterr()
        assert out == ""
        assert re.fullmatch(rf"lxcfs-py: {file}{said.replace('?', '[?]')}\n", err), err


def test_all_faults_are_said_at_once(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("strict = 1\nx = 1\ncpu-view = 'all'\n")

    assert main(["check-config", str(file)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[2] for line in lines] == ["1", "2", "3"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read(
    file: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        file.write_bytes(content)

    assert main(["check-config", str(file)]) == 1
    assert capsys.readouterr().err.startswith(f"lxcfs-py: {file}: ")


def test_check_config_prints_what_would_hold_as_a_file_that_says_it(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text('strict = true\nruntime-dir = "/r"\nexempt-cgroups = ["/a\\"b", "/ä"]\n')

    assert main(["check-config", str(file)]) == 0
    printed = capsys.readouterr().out
    assert list(tomllib.loads(printed)) == _keys()
    assert 'pidfile = "/r/lxcfs.pid"\n' in printed
    file.write_text(printed)
    assert main(["check-config", str(file)]) == 0
    assert capsys.readouterr().out == printed


def test_the_files_that_can_be_switched_off_are_those_that_hooks_bind() -> None:
    paths = {f"/{file.path}" for file in VIRTUAL_FILES}
    bound = {"/".join(path.split("/")[:3]) for path in paths if path.startswith("/proc/")}

    assert sorted(FILES) == sorted([*bound, "/sys/devices/system/cpu"])


def test_the_file_that_is_shipped_has_every_key_with_its_default() -> None:
    text = _SHIPPED.read_text()
    commented = re.findall(r"^#([a-z-]+ = .*)$", text, re.M)

    assert tomllib.loads(text) == {}
    assert list(tomllib.loads("\n".join(commented))) == _keys()
    said = tomllib.loads("\n".join(commented))
    shown = Options.of({})
    for name in SPECS:
        value = getattr(shown, name)
        key = name.replace("_", "-")
        assert said[key] == (list(value) if isinstance(value, tuple) else value), key


def test_other_commands_look_where_the_configured_daemon_is(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(config, "DEFAULT_CONFIG", str(file))
    for text, place in (
        ('mountpoint = "/srv/views"', "/srv/views"),
        ('mountpoint = "/srv/views"\nx = 1', "/var/lib/lxcfs"),
    ):
        file.write_text(text)

        assert main(["attach", "1"]) == 1
        assert capsys.readouterr().err.startswith(f"lxcfs-py: {place}: no daemon serves here")


def test_a_file_that_is_wrong_stays_one_error() -> None:
    with pytest.raises(CannotRun, match="cannot be read"):
        read("/")
