"""A script as people have them: reads a line, writes a line of JSON. The first word of a line says how it behaves.

Its arguments are lines, too, that it obeys before it reads the first one.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path


hoard: list[bytes] = []


def note(text: str) -> None:
    with open(os.environ["SAMOVAR_LEDGER"], "a", encoding="utf-8") as ledger:
        ledger.write(f"{text}\n")


def answer(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def obey(line: str) -> None:
    word, _, rest = line.partition(" ")
    if word == "pid":
        answer(os.getpid())
    elif word == "size":
        answer(len(line.encode()))
    elif word == "long":
        answer("x" * int(rest))
    elif word == "endless":
        sys.stdout.write("x" * int(rest))
        sys.stdout.flush()
    elif word == "stray":
        print("debug: looking at", rest)
        print()
        answer(rest)
    elif word == "twice":
        sys.stdout.write(f'"{rest}"\n"{rest}, again"\n')
        sys.stdout.flush()
    elif word == "say":
        print(rest)
    elif word == "unflushed":
        print(json.dumps(rest))
    elif word == "swallow":
        note("swallowed")
    elif word == "wait":
        note("waiting")
        while not Path(rest).exists():
            time.sleep(0.01)
        answer(rest)
    elif word == "grow":
        hoard.append(b"x" * (int(rest) << 20))
        answer(len(hoard))
    elif word == "nap":
        time.sleep(float(rest))
    elif word == "exit":
        print(f"last words of {os.getpid()}", file=sys.stderr)
        os._exit(int(rest))
    elif word == "kill":
        print(f"last words of {os.getpid()}", file=sys.stderr)
        os.kill(os.getpid(), int(rest))
    elif word == "answer-and-exit":
        answer(rest)
        os._exit(0)
    elif word == "close":
        os.close(1)
        time.sleep(60)
    elif word == "leave-a-child":
        if os.fork() == 0:
            note(f"child {os.getpid()}")
            time.sleep(60)
        os._exit(6)
    elif word == "ignore-end":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        note("ignores its end")
        while True:
            time.sleep(60)
    elif word == "latin":
        sys.stdout.buffer.write(b"\xe4\n")
        sys.stdout.flush()
    else:
        answer(line)


for argument in sys.argv[1:]:
    obey(argument)
for each in sys.stdin:
    obey(each.rstrip("\n"))
note("reached the end of its input")
