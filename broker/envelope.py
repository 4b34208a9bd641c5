"""The envelope of a body: who made it, and proof that nobody changed it since.

A COSE_Sign1 message (tag 18) with Ed25519. Both headers are ours: the protected one says ``{1: -8, 4: device}``, the
unprotected one is empty, and the encoding is the deterministic one of CBOR, so a body and a key have exactly one
envelope. Opening compares the protected header with the one that it expects; nothing in a message chooses how the
message is checked.

References
----------
RFC 9052, section 4.2 (COSE_Sign1) and 4.4 (Sig_structure); RFC 9053, section 2.2 (EdDSA); RFC 8949, section 4.2.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cbor2
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from broker.codec import MAX_BODY_BYTES
from city.errors import BadFile, BadInput

_ALG, _KID, _EDDSA = 1, 4, -8
_HEAD = b"\xd2\x84"  # tag 18, an array of four
_NO_HEADERS = b"\xa0"
_SIGNATURE_BYTES = 64
# Tag, array, headers, lengths and signature of the longest device id stay far below this.
_MAX_MESSAGE_BYTES = MAX_BODY_BYTES + 256


class BadEnvelope(BadInput):
    """A message is no envelope of ours, or names another device."""


class BadSignature(BadInput):
    """An envelope was not signed with the key that the register has for its device, or was changed since."""


def seal(body: bytes, key: Ed25519PrivateKey, device: str) -> bytes:
    """Return the envelope of `body`, signed as `device`.

    >>> key = new_key()
    >>> open_envelope(seal(b"{}", key, "k17"), public_key_hex(key), "k17")
    b'{}'
    """
    protected = _protected(device)
    return cbor2.dumps(cbor2.CBORTag(18, [protected, {}, body, key.sign(_to_be_signed(protected, body))]))


def open_envelope(message: bytes, public_key_hex: str, device: str) -> bytes:
    """Return the body of an envelope that `device` signed.

    Raises
    ------
    BadEnvelope
        The message has not the one form that we write, or names another device.
    BadSignature
        The signature does not belong to this body and key.
    BadInput
        The key itself is not 32 bytes in hex.
    """
    parts = _split(message)
    if parts.protected != _protected(device):
        raise BadEnvelope(
            f"The envelope does not name {device!r} and Ed25519 in its protected header.",
            "A device signs under its own id, with the algorithm EdDSA.",
        )
    try:
        _public_key(public_key_hex).verify(parts.signature, _to_be_signed(parts.protected, parts.body))
    except InvalidSignature:
        raise BadSignature(
            f"The signature is not one of {device!r}.", "Register the device's present key, or find out who changed it."
        ) from None
    return parts.body


def body_of(message: bytes) -> bytes:
    """Return the body of an envelope without checking its signature: for what is in the ledger already.

    Raises
    ------
    BadEnvelope
        The message has not the one form that we write.
    """
    return _split(message).body


def new_key() -> Ed25519PrivateKey:
    """Return a new private key."""
    return Ed25519PrivateKey.generate()


def public_key_hex(key: Ed25519PrivateKey) -> str:
    """Return what the register keeps of a key: 64 hexadecimal digits."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def save_key(path: str | os.PathLike[str], key: Ed25519PrivateKey) -> None:
    """Write a private key as PEM (PKCS 8) to a new file that only its owner can read.

    Raises
    ------
    BadFile
        There is a file already: a key is never overwritten.
    """
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise BadFile("There is a file already.", "Move it away first.", file=os.fspath(path)) from None
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())


def load_key(path: str | os.PathLike[str]) -> Ed25519PrivateKey:
    """Return the private key in a PEM file.

    Raises
    ------
    BadFile
        The file is missing, readable by others, or holds no Ed25519 key.
    """
    name = os.fspath(path)
    try:
        mode = os.stat(path).st_mode
        pem = Path(path).read_bytes()
    except OSError as error:
        raise BadFile(f"The key cannot be read: {error.strerror}.", "Name the device's key file.", file=name) from None
    if mode & 0o077:
        raise BadFile("Others can read the key.", f"Run: chmod 600 {name}", file=name)
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadFile("This is no private key in PEM.", "Make a new one for the device.", file=name) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadFile("This is no Ed25519 key.", "Make a new one for the device.", file=name)
    return key


class _Parts(NamedTuple):
    protected: bytes
    body: bytes
    signature: bytes


def _split(message: bytes) -> _Parts:
    """Take an envelope apart by hand: a general CBOR reader would accept far more than what we write."""
    if len(message) > _MAX_MESSAGE_BYTES:
        raise BadEnvelope(
            f"The message has {len(message)} bytes.", f"A body has at most {MAX_BODY_BYTES}: send fewer readings."
        )
    if not message.startswith(_HEAD):
        raise _malformed("it does not begin with the tag of COSE_Sign1")
    protected, at = _byte_string(message, len(_HEAD))
    if message[at : at + 1] != _NO_HEADERS:
        raise _malformed("it has unprotected headers")
    body, at = _byte_string(message, at + 1)
    signature, at = _byte_string(message, at)
    if len(signature) != _SIGNATURE_BYTES:
        raise _malformed(f"its signature has {len(signature)} bytes")
    if at != len(message):
        raise _malformed("something follows its end")
    return _Parts(protected, body, signature)


def _byte_string(message: bytes, at: int) -> tuple[bytes, int]:
    """Return the CBOR byte string that begins at `at`, and where it ends. Only the shortest length is accepted."""
    first = message[at] if at < len(message) else 0
    extra = {0x58: 1, 0x59: 2, 0x5A: 4}.get(first, 0)
    if not extra and not 0x40 <= first <= 0x57:
        raise _malformed(f"there is no byte string at {at}")
    begin = at + 1 + extra
    length = int.from_bytes(message[at + 1 : begin], "big") if extra else first - 0x40
    if extra and length < {1: 24, 2: 1 << 8, 4: 1 << 16}[extra]:
        raise _malformed(f"the length at {at} is not written in its shortest form")
    end = begin + length
    if end > len(message):
        raise _malformed("it is cut off")
    return message[begin:end], end


def _malformed(why: str) -> BadEnvelope:
    return BadEnvelope(f"The message is no signed envelope: {why}.", "Send COSE_Sign1 in deterministic encoding.")


@lru_cache(maxsize=65536)
def _protected(device: str) -> bytes:
    return cbor2.dumps({_ALG: _EDDSA, _KID: device.encode()})


@lru_cache(maxsize=65536)
def _public_key(text: str) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
    except ValueError:
        raise BadInput(f"{text!r} is no Ed25519 key.", "A public key is 64 hexadecimal digits.") from None


def _to_be_signed(protected: bytes, body: bytes) -> bytes:
    return cbor2.dumps(["Signature1", protected, b"", body])
