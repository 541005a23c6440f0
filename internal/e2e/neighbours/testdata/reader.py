"""Reads profiles with botocore until its input ends, then prints how often, and the first that were wrong.

usage: reader.py CREDENTIALS_FILE PROFILE=ACCESS_KEY_ID...
"""

import json
import sys
import threading
import time

from botocore.credentials import SharedCredentialProvider


def read(path, profile):
    try:
        return SharedCredentialProvider(path, profile).load().access_key
    except Exception as error:
        return repr(error)


path, *expected = sys.argv[1:]
expected = dict(pair.split("=") for pair in expected)
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
print("ready", flush=True)
reads, bad = 0, []
while not ended.is_set():
    for profile, key in expected.items():
        reads += 1
        found = read(path, profile)
        if found != key:
            bad.append(found)
    time.sleep(0.002)
print(json.dumps({"Reads": reads, "Bad": bad[:5]}))
