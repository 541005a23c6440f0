"""Calls STS with one client until it has run for SECONDS and has used KEYS different keys.

usage: child.py ENDPOINT SECONDS KEYS; exits with 3 if AWS answers that the keys have expired
"""

import sys
import time

import boto3
from botocore.exceptions import ClientError

endpoint, seconds, wanted = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
start = time.monotonic()
used = []
calls = 0


def tell(text):
    print(f"  {time.monotonic() - start:4.1f} s  {text}", flush=True)


def note_key(request, **_):
    header = request.headers["Authorization"]
    text = header.decode() if isinstance(header, bytes) else header
    key = text.partition("Credential=")[2].partition("/")[0]
    if key not in used:
        used.append(key)
        tell(f"key ...{key[-4:]}")


client = boto3.client("sts", endpoint_url=endpoint)
client.meta.events.register("before-send.sts", note_key)
try:
    while time.monotonic() - start < seconds or len(used) < wanted:
        client.get_caller_identity()
        calls += 1
        time.sleep(0.5)
except ClientError as error:
    code = error.response["Error"]["Code"]
    tell(f"AWS refused call {calls + 1}: {code}")
    sys.exit(3 if code == "ExpiredToken" else 1)
tell(f"{calls} calls with {len(used)} keys, all accepted")
