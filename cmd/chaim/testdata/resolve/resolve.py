"""Prints the access key id that botocore signs a DynamoDB call with, and the account in whose endpoint it is made.

The call is not sent. usage: resolve.py
"""

import re

import botocore.session
from botocore.awsrequest import AWSResponse

client = botocore.session.get_session().create_client("dynamodb")


def answer(request, **kwargs):
    authorization = request.headers["Authorization"]
    if isinstance(authorization, bytes):
        authorization = authorization.decode()
    account = re.match(r"https://(\d{12})\.ddb\.", request.url)
    print(re.search(r"Credential=(\w+)/", authorization)[1], account[1] if account else "")
    raw = type("Raw", (), {"stream": lambda self, **kw: iter([b"{}"])})()
    return AWSResponse(request.url, 200, {}, raw)


client.meta.events.register("before-send.dynamodb", answer)
client.list_tables()
