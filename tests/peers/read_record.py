#!/usr/bin/env python3
"""Reads a record of Emu3.5 (`rhea export FILE --to record`, `rhea imagine`) with Google's protobuf and prints its clips.

An independent reader: if it disagrees with Rhea about a file, Rhea is wrong.
Usage: read_record.py FILE.pb      (pip install protobuf)

The messages are those of emu3p5.story, as far as Rhea fills them; every picture must be a PNG of the size that the record says.
"""

import struct
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

FIELD = descriptor_pb2.FieldDescriptorProto
MESSAGES = {
    "Image": [("width", 1, "int32"), ("height", 2, "int32"), ("format", 3, "int32"), ("image_data", 4, "bytes")],
    "ImageMeta": [("caption", 3, "string"), ("chain_of_thought", 7, "string"), ("image", 11, "Image")],
    "Segment": [("asr", 2, "string"), ("images", 101, "*ImageMeta")],
    "Clip": [("clip_id", 1, "string"), ("segments", 101, "*Segment")],
    "Story": [
        ("story_id", 1, "string"),
        ("clips", 2, "*Clip"),
        ("summary", 11, "string"),
        ("question", 12, "string"),
        ("reference_images", 17, "*ImageMeta"),
    ],
}


def story_class():
    """The class of whole records."""
    file = descriptor_pb2.FileDescriptorProto(name="story.proto", package="emu3p5.story", syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for label, number, kind in fields:
            field = message.field.add(name=label, number=number)
            field.label = FIELD.LABEL_REPEATED if kind.startswith("*") else FIELD.LABEL_OPTIONAL
            kind = kind.lstrip("*")
            if kind in MESSAGES:
                field.type, field.type_name = FIELD.TYPE_MESSAGE, f".emu3p5.story.{kind}"
            else:
                field.type = getattr(FIELD, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("emu3p5.story.Story"))


def main(path):
    story = story_class()()
    with open(path, "rb") as file:
        story.ParseFromString(file.read())
    print(f"{story.story_id}\nasked: {story.question}\n{len(story.clips)} clips")
    for clip in story.clips:
        for segment in clip.segments:
            sizes = []
            for meta in segment.images:
                image = meta.image
                assert image.image_data[:8] == b"\x89PNG\r\n\x1a\n" and image.format == 2, f"{clip.clip_id}: no PNG"
                size = struct.unpack(">II", image.image_data[16:24])
                assert size == (image.width, image.height), f"{clip.clip_id}: {size}, the record says {image.width} x {image.height}"
                sizes.append(f"{size[0]} x {size[1]}")
            print(f"{clip.clip_id}: {', '.join(sizes)}: {segment.asr}")


if __name__ == "__main__":
    main(*sys.argv[1:])
