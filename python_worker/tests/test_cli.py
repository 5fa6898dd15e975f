"""The command line of samovar-worker: what is wrong with it is said in one sentence."""

import subprocess
import sys

import pytest

from samovar.app import split_target
from samovar.cli import main


@pytest.mark.parametrize(
    "arguments, text",
    [
        ([], "the following arguments are required: --connect"),
        (["a:b"], "required: --connect"),
        (["a", "--connect", "ipc:///x"], "'a' is not MODULE:OBJECT"),
        (["a:b c", "--connect", "ipc:///x"], "is not MODULE:OBJECT"),
        (["a:b", "--connect", "127.0.0.1:1"], "'127.0.0.1:1' is no endpoint"),
        (["a:b", "--connect", "ipc:///x,tcp://h"], "'tcp://h' is no endpoint"),
        (["a:b", "--connect", "ipc:///x,dns+ipc:///x"], "'dns+ipc:///x' is no endpoint"),
        (["a:b", "--connect", "ipc:///x,"], "'' is no endpoint"),
        (["a:b", "--connect", "ipc:///x", "--workers", "0"], "'0' is not a number from 1 to 1024"),
        (["a:b", "--connect", "ipc:///x", "--credit", "257"], "not a number from 1 to 256"),
        (["a:b", "--connect", "ipc:///x", "--name", "a b"], "cannot name a service"),
        (["a:b", "--connect", "ipc:///x", "--hard-timeout", "0"], "more than 0 seconds"),
        (["a:b", "--connect", "ipc:///x", "--stop-grace", "soon"], "not a number of seconds"),
        (["a:b", "--connect", "ipc:///x", "--work", "2"], "unrecognized arguments"),
        (["--connect", "ipc:///x"], "give one of MODULE:OBJECT, --expose and --lines"),
        (["a:b", "--expose", "c:d", "--connect", "ipc:///x"], "give one of MODULE:OBJECT"),
        (["--expose", "jieba", "--connect", "ipc:///x"], "'jieba' is not MODULE:FUNCTION"),
        (["--expose", "a:b,c d", "--connect", "ipc:///x"], "'c d' in 'a:b,c d' is no function"),
        (["--expose", "a:b()", "--connect", "ipc:///x"], "offers nothing"),
        (["--lines", "cat", "--connect", "ipc:///x"], "--lines needs --name"),
        (["--lines", "", "--name", "n", "--connect", "ipc:///x"], "the command is empty"),
        (["--lines", "a 'b", "--name", "n", "--connect", "ipc:///x"], "No closing quotation"),
        (["--expose", "a:b,c.b", "--connect", "ipc:///x"], "offers 'b' twice"),
        (["a:b", "--connect", "ipc:///x", "--worker", "3"], "--worker 3; did you mean --workers"),
        (["a:b", "--connect", "ipc:///x", "--nonsense"], "unrecognized arguments: --nonsense; see"),
        (["a:b", "--connect", "ipc:///x", "--pool-id", "a"], "goes with --parent-pid"),
        (["a:b", "--lines-format", "text", "--connect", "ipc:///x"], "go with --lines"),
        (["--lines-warm-up", "a\nb", "--connect", "ipc:///x"], "must hold no line end"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(capsys, arguments, text):
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.startswith("samovar-worker: ") and error.count("\n") == 1


def test_targets_are_split():
    assert split_target("examples.ipgeo:service") == ("examples.ipgeo", "service")
    assert split_target("a:b.c") == ("a", "b.c")


def test_a_worker_is_not_started_by_hand():
    done = subprocess.run([sys.executable, "-m", "samovar.worker_main"], capture_output=True)
    assert done.returncode == 2
    assert b"started by samovar-worker" in done.stderr
