"""An app that takes its time to load."""

import time

print("the water is still cold")
time.sleep(300)
