"""Drives a cluster with the published Python wheel `tikv-client`: raw put, get, batches, scan, delete.

The address of the scheduler is in TINYKV_SCHEDULER. Exit status 0 only if every answer was right.
"""

import os
import sys

from tikv_client import RawClient


def check(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: {found!r}, and should be {wanted!r}")
    print(f"  {what}")


def main():
    client = RawClient.connect([os.environ["TINYKV_SCHEDULER"]])
    client.put(b"py-one", b"1")
    check("put, get", client.get(b"py-one"), b"1")
    client.delete(b"py-one")
    check("delete", client.get(b"py-one"), None)
    pairs = {f"py-batch-{n:02}".encode(): f"v{n}".encode() for n in range(20)}
    client.batch_put(pairs)
    check("batch_put, batch_get", dict(client.batch_get(list(pairs))), pairs)
    found = client.scan(b"py-batch-", end=b"py-batch-~", limit=20, include_start=True, include_end=False)
    check("scan", [(bytes(key), bytes(value)) for key, value in found], sorted(pairs.items()))
    client.batch_delete(list(pairs))
    check("batch_delete", list(client.batch_get(list(pairs))), [])
    print("tikv-client (Python): all answers right", flush=True)
    # The wheel's threads outlive the interpreter, and may crash it when it ends in the usual way.
    os._exit(0)


main()
