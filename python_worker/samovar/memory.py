"""How much memory processes use. All numbers are in kB, from /proc; 0 or nothing where it does not say."""

import os

_PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


def resident_kb(pid: int) -> int:
    """RSS, the shared part included. Cheap."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * _PAGE_KB
    except (OSError, IndexError):
        return 0


def descendants(pid: int) -> list[int]:
    """The processes that it has started, and those that these have; without the ones whose parent has died."""
    found = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                found += [int(child) for child in file.read().split()]
        except OSError:  # the thread has just ended
            continue
    return found + [each for child in found for each in descendants(child)]


def shared_and_private(pid: int) -> dict[str, int]:
    """What a process shares and what is its own; `pss_kb`: its own and its part of the rest.

    The kernel walks the page tables for it: some ms for each 100 MB.
    """
    found = {"shared_kb": 0, "private_kb": 0, "pss_kb": 0}
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                key, _, rest = line.partition(":")
                if key == "Pss":
                    found["pss_kb"] += int(rest.split()[0])
                elif key.startswith("Shared_"):
                    found["shared_kb"] += int(rest.split()[0])
                elif key.startswith("Private_"):
                    found["private_kb"] += int(rest.split()[0])
    except OSError:
        return {}
    return found
