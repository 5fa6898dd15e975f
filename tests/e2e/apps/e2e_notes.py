"""What handlers note for the test that calls them: lines of the file $SAMOVAR_LEDGER."""

import os


def note(text: str) -> None:
    ledger = os.open(os.environ["SAMOVAR_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(ledger, f"{text}\n".encode())
    os.close(ledger)
