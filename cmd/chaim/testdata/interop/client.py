"""Prints the account it works in for each line that it reads, always with the same boto3 client.

usage: client.py ENDPOINT
"""

import sys

import boto3

client = boto3.client("sts", endpoint_url=sys.argv[1])
for _ in sys.stdin:
    print(client.get_caller_identity()["Account"], flush=True)
