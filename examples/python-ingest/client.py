"""Streams a tap file (layout cityunion-tap/1) to a city's adapter, and goes on where it was after any break.

The file stands for the store of a terminal back-end: its n-th data line is sequence n of the source, for
ever. Nothing else has to be remembered here, because the adapter says where to go on.
"""

import argparse
import queue
import re
import sys
import time

import grpc
from cityunion.v1 import ingest_pb2 as wire
from cityunion.v1 import ingest_pb2_grpc

HEADER = (
    "terminal,terminal_seq,issuer,card,card_counter,type,amount_fen,fare_fen,tapped_at,medium,sector,"
    "product,operator,line,station,key_version,algorithm,tac"
)
RECORDS_A_MESSAGE = 1000
WAIT_S_MAX = 10
# What heals by itself: the adapter is away or restarts, its journal has no room, too many streams.
TRY_AGAIN = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}


def words(enum):
    """The words of the tap file contract and their numbers: {"cpu": 1, ...}."""
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.DESCRIPTOR.name).upper() + "_"
    return {name.removeprefix(prefix).lower(): number for name, number in enum.items() if number > 0}


TYPES = {"06": wire.TRANSACTION_TYPE_PURCHASE, "09": wire.TRANSACTION_TYPE_COMPOUND_PURCHASE}
MEDIA, SECTORS, PRODUCTS = words(wire.Medium), words(wire.Sector), words(wire.Product)
ALGORITHMS = {"3des": wire.ALGORITHM_TRIPLE_DES, "sm4": wire.ALGORITHM_SM4}


def octets(text):
    """Upper-case hex digits as bytes."""
    if not re.fullmatch("([0-9A-F]{2})*", text):
        raise ValueError(text)
    return bytes.fromhex(text)


def number(text):
    """Decimal digits as a number."""
    if not re.fullmatch("0|[1-9][0-9]{0,17}", text):
        raise ValueError(text)
    return int(text)


def tap(line):
    """A line as a tap; ValueError or KeyError if it is none."""
    columns = line.decode().split(",")
    if '"' in line.decode() or len(columns) != 18:
        raise ValueError(line)
    return wire.Tap(
        terminal=octets(columns[0]),
        terminal_seq=number(columns[1]),
        issuer=columns[2],
        card=octets(columns[3]),
        card_counter=number(columns[4]),
        type=TYPES[columns[5]],
        amount_fen=number(columns[6]),
        fare_fen=number(columns[7]),
        tapped_at=columns[8],
        medium=MEDIA[columns[9]],
        sector=SECTORS[columns[10]],
        product=PRODUCTS[columns[11]],
        operator=columns[12],
        line=columns[13],
        station=columns[14],
        key_version=number(columns[15]),
        algorithm=ALGORITHMS[columns[16]],
        tac=octets(columns[17]),
    )


def record(line):
    """A line as a record. What is no tap goes as it is: the adapter keeps it and says what is wrong."""
    try:
        return wire.Record(tap=tap(line))
    except (ValueError, KeyError):
        return wire.Record(line=line)


def read(path):
    """The data lines of a tap file."""
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError as error:
        sys.exit(f"{path} cannot be read: {error.strerror}")
    header, *lines = (line.removesuffix(b"\r") for line in text.split(b"\n"))
    header = header.removeprefix(b"\xef\xbb\xbf")
    if header.decode(errors="replace") != HEADER:
        sys.exit(f"{path}: line 1 is not the header of layout cityunion-tap/1")
    return [line for line in lines if line]


def requests(source, lines, places):
    """What is sent: first only the name, then everything from where the adapter says."""
    yield wire.PresentRequest(source=source)
    journaled = places.get()
    for start in range(journaled, len(lines), RECORDS_A_MESSAGE):
        records = [record(line) for line in lines[start : start + RECORDS_A_MESSAGE]]
        yield wire.PresentRequest(first_sequence=start + 1, records=records)


def stream(target, source, lines, until):
    """One stream; returns once all lines are as safe as `until` says."""
    places = queue.Queue()
    with grpc.insecure_channel(target) as channel:
        replies = ingest_pb2_grpc.IngestStub(channel).Present(requests(source, lines, places))
        try:
            for reply in replies:
                if places.empty():
                    places.put(reply.journaled_through)
                print(f"journaled {reply.journaled_through}  on the log {reply.on_log_through}", flush=True)
                reached = {"journaled": reply.journaled_through, "log": reply.on_log_through}[until]
                if reached >= len(lines):
                    return
        finally:
            # Lets the sender end, wherever it waits.
            places.put(len(lines))
            replies.cancel()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="tap file of layout cityunion-tap/1")
    parser.add_argument("--to", required=True, metavar="HOST:PORT", help="ingest.listen of the adapter")
    parser.add_argument("--source", required=True, help="name of this back-end: a-z, 0-9 and -")
    parser.add_argument("--until", choices=["journaled", "log"], default="log", help="when to end")
    arguments = parser.parse_args()
    lines = read(arguments.file)
    wait_s = 0.2
    while True:
        began = time.monotonic()
        try:
            return stream(arguments.to, arguments.source, lines, arguments.until)
        except grpc.RpcError as error:
            print(f"{error.code().name}: {error.details()}", file=sys.stderr, flush=True)
            if error.code() not in TRY_AGAIN:
                return 1
        time.sleep(wait_s)
        worked = time.monotonic() - began > 2 * WAIT_S_MAX
        wait_s = 0.2 if worked else min(2 * wait_s, WAIT_S_MAX)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        # Started again it goes on where it was.
        sys.exit(130)
