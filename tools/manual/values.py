"""What can stand as a value, by the word that stands for it."""

FILES = ("FILE",)
DIRECTORIES = ("DIRECTORY",)
# Asked from the running broker: samovar names KIND.
RUNNING = {"SERVICE": "services", "SERVICE.METHOD": "methods"}
