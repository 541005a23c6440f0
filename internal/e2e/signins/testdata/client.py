# Prints the access key id of the profile that is named on each line that it reads, or "error" and the reason.
import sys

import botocore.session

for line in sys.stdin:
    try:
        print(botocore.session.Session(profile=line.strip()).get_credentials().get_frozen_credentials().access_key)
    except Exception as error:
        print("error", type(error).__name__, error)
    sys.stdout.flush()
