"""Ends with 0 if an address inside of this container answers with 200: for health checks of images.

``healthy.py 8080 /ready``. Not urllib: that would ask a proxy, where the environment names one.
"""

import http.client
import sys

port, path = sys.argv[1:]
connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=4)
try:
    connection.request("GET", path)
    status = connection.getresponse().status
except OSError as error:
    sys.exit(f"{path}: {error}")
if status != http.client.OK:
    sys.exit(f"{path}: {status}")
