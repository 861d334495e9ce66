from __future__ import annotations

import base64
import json
import struct

import pytest

from nas_assistant.errors import UserError
from nas_assistant.families import get_family
from nas_assistant.families._tfrecord import masked_crc32c, read_fields, read_records
from nas_assistant.families.nb101 import Cell

KEY = "00005c142e6f48ac74fdcf73e3439874"
CELL = Cell.parse(7, "100110100001001010101", "02001")
NAMES = ["conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"]


def varint(value):
    data = b""
    while value >= 0x80:
        data += bytes([value & 0x7F | 0x80])
        value >>= 7
    return data + bytes([value])


def metrics(validation, test, parameters):
    """A ModelMetrics message: evaluations at the start, in the middle and at the end."""
    message = b""
    for epoch, share in ((0.0, 0.1), (54.0, 0.5), (108.0, 1.0)):
        values = {1: epoch, 2: 10 * epoch, 3: share, 4: share * validation, 5: share * test}
        evaluation = b"".join(varint(n << 3 | 1) + struct.pack("<d", v) for n, v in values.items())
        evaluation += varint(6 << 3 | 2) + varint(4) + b"ckpt"
        message += varint(1 << 3 | 2) + varint(len(evaluation)) + evaluation
    return message + varint(2 << 3) + varint(parameters) + varint(3 << 3 | 1) + struct.pack("<d", 1234.5)


def record(cell, key, epochs, validation, test, parameters=8_555_530):
    matrix = "".join(
        "1" if (row, column) in cell.edges else "0"
        for row in range(cell.vertices)
        for column in range(cell.vertices)
    )
    operations = ",".join(["input", *(NAMES[index] for index in cell.operations), "output"])
    message = base64.b64encode(metrics(validation, test, parameters)).decode()
    return json.dumps([key, epochs, matrix, operations, message]).encode()


def write(path, records):
    with path.open("wb") as file:
        for data in records:
            length = struct.pack("<Q", len(data))
            file.write(length + struct.pack("<I", masked_crc32c(length)))
            file.write(data + struct.pack("<I", masked_crc32c(data)))


def test_checksum():
    # The check value of CRC-32C over "123456789" is E3069283; TFRecord rotates it and adds a constant.
    crc = 0xE3069283
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert masked_crc32c(b"123456789") == masked


def test_public_records_are_read(tmp_path):
    smallest = Cell.parse(2, "1", "-")
    write(
        tmp_path / "nasbench_only108.tfrecord",
        [
            record(CELL, KEY, 108, 0.93, 0.92),
            record(smallest, smallest.fingerprint(), 108, 0.83, 0.82, 882_570),
            record(CELL, KEY, 108, 0.94, 0.93),
        ],
    )
    network, other = get_family("nb101").networks(tmp_path)
    assert network.key == KEY == network.encoding.fingerprint()
    assert network.encoding == CELL
    assert network.accuracy == pytest.approx(0.935)
    assert network.metadata["test_acc_108ep"] == pytest.approx(0.925)
    assert network.metadata["trainable_parameters"] == 8_555_530
    assert (other.encoding, other.accuracy) == (smallest, pytest.approx(0.83))


@pytest.mark.tensorflow
def test_files_of_tensorflow_are_read(tmp_path):
    tensorflow = pytest.importorskip("tensorflow")
    records = [record(CELL, KEY, 108, 0.9, 0.8), b"", bytes(range(256)) * 5]
    path = str(tmp_path / "file.tfrecord")
    with tensorflow.io.TFRecordWriter(path) as writer:
        for data in records:
            writer.write(data)
    assert list(read_records(tmp_path / "file.tfrecord")) == records
    write(tmp_path / "own.tfrecord", records)
    assert (tmp_path / "own.tfrecord").read_bytes() == (tmp_path / "file.tfrecord").read_bytes()


def test_other_budgets_go_to_the_metadata(tmp_path):
    records = [record(CELL, KEY, 4, 0.3, 0.2), record(CELL, KEY, 108, 0.9, 0.8)]
    write(tmp_path / "nasbench_full.tfrecord", records)
    (network,) = get_family("nb101").networks(tmp_path)
    assert network.accuracy == pytest.approx(0.9)
    assert network.metadata["val_acc_4ep"] == pytest.approx(0.3)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "nasbench_only108.tfrecord"
    path.write_bytes(b"something else altogether")
    with pytest.raises(UserError, match="not a TFRecord file, or damaged at byte 0"):
        get_family("nb101").networks(tmp_path)
    write(path, [record(CELL, KEY, 108, 0.9, 0.8)] * 2)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match="cut short"):
        list(read_records(path))
    write(path, [record(CELL, KEY, 108, 0.9, 0.8), b'["no", "cell"]'])
    with pytest.raises(UserError, match="record 1 is not one of NAS-Bench-101"):
        get_family("nb101").networks(tmp_path)
    write(path, [record(CELL, KEY, 36, 0.9, 0.8)])
    with pytest.raises(UserError, match=f"cell {KEY} is not one of"):
        get_family("nb101").networks(tmp_path)


@pytest.mark.parametrize("message", [b"\x80", b"\x09\x00", b"\x0a\x05ab", b"\x0b", b"\xff" * 11])
def test_damaged_messages_are_refused(message):
    with pytest.raises(ValueError, match="protocol buffer"):
        list(read_fields(message))


def test_fields():
    message = b"\x08\x96\x01" + b"\x11" + struct.pack("<d", 0.5) + b"\x1a\x02ab" + b"\x25\x00\x00\x80\x3f"
    assert list(read_fields(message)) == [(1, 150), (2, 0.5), (3, b"ab"), (4, b"\x00\x00\x80\x3f")]
