"""Print a wheel's protobuf descriptors as one serialized google.protobuf.FileDescriptorSet.

Generated Python modules carry their FileDescriptorProto as a bytes literal, so neither they nor
a Python protobuf package have to be installed to read it.

Usage: read-descriptors.py WHEEL > descriptors.binpb
"""

import ast
import sys
import zipfile


def serialized_file(source: str) -> bytes:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "AddSerializedFile":
            return ast.literal_eval(node.args[0])
    raise ValueError("no AddSerializedFile call")


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


FILE_FIELD_TAG = b"\x0a"  # FileDescriptorSet.file: field 1, length-delimited

with zipfile.ZipFile(sys.argv[1]) as wheel:
    for name in sorted(wheel.namelist()):
        if name.endswith("_pb2.py"):
            descriptor = serialized_file(wheel.read(name).decode())
            sys.stdout.buffer.write(FILE_FIELD_TAG + varint(len(descriptor)) + descriptor)
