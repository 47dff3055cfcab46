"""What the processes say to each other."""

from lxcfs_py.daemon.channel import Channel


def test_last_words_are_heard_though_ours_were_not() -> None:
    ours, theirs = Channel.pair()
    ours.send(b"a birth")
    theirs.send(b"a failure")
    theirs.close()

    assert ours.receive() == (b"a failure", [])
    assert ours.receive() == (b"", [])
    ours.close()
