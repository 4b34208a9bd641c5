import os

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.envelope import (
    BadEnvelope,
    BadSignature,
    body_of,
    load_key,
    new_key,
    open_envelope,
    public_key_hex,
    save_key,
    seal,
)
from city.errors import BadFile, BadInput

KEY = new_key()
PUBLIC = public_key_hex(KEY)
MESSAGE = seal(b'{"v":1}', KEY, "k17")


@pytest.mark.parametrize("size", [0, 1, 23, 24, 255, 256, 65_535, 65_536])
def test_body_comes_back_byte_for_byte(size):
    body = os.urandom(size)
    message = seal(body, KEY, "k17")
    assert open_envelope(message, PUBLIC, "k17") == body
    assert body_of(message) == body


def test_it_is_cose_sign1_to_a_general_reader():
    tag = cbor2.loads(MESSAGE)
    protected, unprotected, body, signature = tag.value
    assert tag.tag == 18
    assert cbor2.loads(protected) == {1: -8, 4: b"k17"}
    assert (dict(unprotected), body, len(signature)) == ({}, b'{"v":1}', 64)
    KEY.public_key().verify(signature, cbor2.dumps(["Signature1", protected, b"", body]))


def test_another_key_is_refused():
    with pytest.raises(BadSignature):
        open_envelope(MESSAGE, public_key_hex(new_key()), "k17")


def test_another_device_is_refused_even_with_the_same_key():
    with pytest.raises(BadEnvelope):
        open_envelope(MESSAGE, PUBLIC, "k18")


@pytest.mark.parametrize("at", range(len(MESSAGE)))
def test_every_changed_byte_is_noticed(at):
    changed = bytearray(MESSAGE)
    changed[at] ^= 1
    with pytest.raises((BadEnvelope, BadSignature)):
        open_envelope(bytes(changed), PUBLIC, "k17")


@pytest.mark.parametrize("length", range(len(MESSAGE)))
def test_every_cut_is_noticed(length):
    with pytest.raises(BadEnvelope):
        open_envelope(MESSAGE[:length], PUBLIC, "k17")


def _sign1(protected, unprotected=None, body=b"{}", tag=18, signature=None):
    protected = cbor2.dumps(protected)
    signature = signature or KEY.sign(cbor2.dumps(["Signature1", protected, b"", body]))
    return cbor2.dumps(cbor2.CBORTag(tag, [protected, unprotected or {}, body, signature]))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b'{"channel":"lid"}',
        MESSAGE + b"\x00",
        MESSAGE[1:],
        _sign1({1: -8, 4: b"k17"}, tag=17),
        _sign1({1: -8, 4: b"k17"}, unprotected={4: b"k17"}),
        _sign1({1: -8}),
        _sign1({1: -7, 4: b"k17"}),
        _sign1({4: b"k17", 1: -8}),
        _sign1({1: -8, 4: "k17"}),
        _sign1({1: -8, 4: b"k17"}, signature=b"\x00" * 63),
        _sign1({1: -8, 4: b"k17"}, body="{}"),
        b"\xd2\x84\x5a\xff\xff\xff\xff",
        b"\xd2\x84" + b"\x58\x01\x00",
        seal(b"\x00" * 70_000, KEY, "k17"),
    ],
)
def test_only_the_one_form_is_accepted(message):
    with pytest.raises(BadEnvelope):
        open_envelope(message, PUBLIC, "k17")


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(message):
    with pytest.raises((BadEnvelope, BadSignature)):
        open_envelope(message, PUBLIC, "k17")


@pytest.mark.parametrize("key", ["", "00", "zz" * 32, "00" * 33])
def test_a_register_with_a_broken_key_is_said(key):
    with pytest.raises(BadInput, match="64 hexadecimal"):
        open_envelope(MESSAGE, key, "k17")


def test_key_is_kept_for_its_owner_alone(tmp_path):
    path = tmp_path / "k17.key"
    save_key(path, KEY)
    assert path.stat().st_mode & 0o777 == 0o600
    assert public_key_hex(load_key(path)) == PUBLIC
    with pytest.raises(BadFile, match="already"):
        save_key(path, new_key())
    path.chmod(0o644)
    with pytest.raises(BadFile, match="chmod 600"):
        load_key(path)


@pytest.mark.parametrize(
    "content", [b"", b"rubbish", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_file_that_is_no_key_is_said(tmp_path, content):
    path = tmp_path / "k17.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(BadFile) as caught:
        load_key(path)
    assert caught.value.file == str(path)


def test_a_missing_key_is_said(tmp_path):
    with pytest.raises(BadFile, match="No such file"):
        load_key(tmp_path / "none.key")
