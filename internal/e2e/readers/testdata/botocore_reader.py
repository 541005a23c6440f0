"""Tells what botocore, and so the AWS CLI and boto3, reads in a credentials file.

A request is a line of JSON, {"text": base64} or with "resolve", a profile, to have a whole session find its
credentials. The answer is a line of JSON too.
"""

import base64
import json
import os
import sys

import botocore.session
from botocore.configloader import raw_config_parse
from botocore.credentials import SharedCredentialProvider
from botocore.exceptions import ConfigParseError, PartialCredentialsError

FILE = os.memfd_create("credentials")
PATH = f"/proc/self/fd/{FILE}"
os.environ.update(AWS_SHARED_CREDENTIALS_FILE=PATH, AWS_CONFIG_FILE="/dev/null", AWS_EC2_METADATA_DISABLED="true")


def keys(profile, parsed):
    try:
        found = SharedCredentialProvider(PATH, profile, lambda _: parsed).load()
    except PartialCredentialsError:
        found = None
    found = [found.access_key, found.secret_key, found.token or ""] if found else ["", "", ""]
    found.append(parsed[profile].get("credential_process", ""))
    return [str(value) for value in found]  # nested settings are no string


def read():
    try:
        parsed = raw_config_parse(PATH)
        if not parsed:  # then what [DEFAULT] holds has not been looked at
            os.pwrite(FILE, b"\n[probe]\n", os.fstat(FILE).st_size)
            raw_config_parse(PATH)
    except ConfigParseError as e:
        return {"refused": f"{e}: {e.kwargs['error']}"}
    return {
        "profiles": {
            name: {"keys": keys(name, parsed), "pairs": pairs} for name, pairs in parsed.items()
        }
    }


def resolve(profile):
    found = botocore.session.Session(profile=profile).get_credentials()
    return {"keys": list(found.get_frozen_credentials()), "method": found.method}


for line in sys.stdin:
    request = json.loads(line)
    os.truncate(FILE, 0)
    os.pwrite(FILE, base64.b64decode(request["text"]), 0)
    answer = resolve(request["resolve"]) if "resolve" in request else read()
    print(json.dumps(answer), flush=True)
