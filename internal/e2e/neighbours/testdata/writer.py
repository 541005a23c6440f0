"""Sets the session token of a profile for each line of input, by the class that "aws configure set" uses.

usage: writer.py CREDENTIALS_FILE, with lines of PROFILE TOKEN
"""

import sys

from awscli.customizations.configure.writer import ConfigFileWriter

print("ready", flush=True)
for line in sys.stdin:
    profile, token = line.split()
    ConfigFileWriter().update_config({"__section__": profile, "aws_session_token": token}, sys.argv[1])
    print("done", flush=True)
