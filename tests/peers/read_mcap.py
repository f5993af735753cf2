#!/usr/bin/env python3
"""Opens a replay with the Python `mcap` package and prints one line per channel: topic, schema, messages.

An independent reader: if it disagrees with Rhea about a file, Rhea is wrong.
Usage: read_mcap.py FILE.mcap [--unfinished]      (pip install mcap)

The footer's summary and every chunk's checksum are checked; all messages must be JSON, and pictures must be PNG.
With --unfinished the summary may be missing: a recording that was killed.
"""

import base64
import json
import sys
from collections import Counter

from mcap.exceptions import EndOfFile
from mcap.reader import NonSeekingReader, make_reader

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def messages(reader, unfinished):
    """All messages; a file that breaks off simply ends when that is allowed."""
    try:
        yield from reader.iter_messages(log_time_order=False)
    except EndOfFile:
        if not unfinished:
            raise


def main(arguments):
    unfinished = "--unfinished" in arguments
    (path,) = [argument for argument in arguments if not argument.startswith("--")]
    with open(path, "rb") as stream:
        reader = NonSeekingReader(stream, validate_crcs=True) if unfinished else make_reader(stream, validate_crcs=True)
        if not unfinished:
            header = reader.get_header()
            print(f"profile {header.profile} by {header.library}")
        counts, schemas, steps = Counter(), {}, []
        for schema, channel, message in messages(reader, unfinished):
            counts[channel.topic] += 1
            schemas[channel.topic] = schema.name
            value = json.loads(message.data)
            json.loads(schema.data)
            if schema.name == "foxglove.CompressedImage":
                assert base64.b64decode(value["data"], validate=True).startswith(PNG_SIGNATURE), channel.topic
            if channel.topic == "/step":
                steps.append(value["record"])
        assert steps == list(range(len(steps))), steps
        if not unfinished:
            statistics = reader.get_summary().statistics
            assert statistics.message_count == sum(counts.values()), statistics
            assert statistics.chunk_count == counts["/step"] + 1, statistics
        for topic in sorted(counts):
            print(topic, schemas[topic], counts[topic])


if __name__ == "__main__":
    main(sys.argv[1:])
