"""The behaviours: what AWS documents, as calls that any server can be asked.

Each behaviour is a function of the stage it plays on; it returns what it
observed as one short text, an error code where the server refused.
"""

import dataclasses
import typing

import botocore.exceptions

REGISTRY = []


@dataclasses.dataclass(frozen=True)
class Behaviour:
    """One thing that AWS documents, and how to see whether a server does it."""

    id: str
    title: str
    documents: tuple
    source: str
    needs: frozenset
    play: typing.Callable


def behaviour(id, title, documents, source, needs=("s3",)):
    """Registers a behaviour.

    `documents` is the outcome that AWS documents, or a tuple of outcomes that
    all are; `source` the document; `needs` what a server must have at all.
    """

    def register(play):
        assert all(known.id != id for known in REGISTRY), f"{id} is there twice"
        wanted = documents if isinstance(documents, tuple) else (documents,)
        REGISTRY.append(Behaviour(id, title, wanted, source, frozenset(needs), play))
        return play

    return register


def outcome(call, *args, **kwargs):
    """`ok`, or the code of the error that the server answers."""
    try:
        call(*args, **kwargs)
    except botocore.exceptions.ClientError as error:
        return code(error)
    return "ok"


def code(error):
    """The error code; the bare HTTP status where the answer has no body."""
    return error.response["Error"].get("Code") or str(error.response["ResponseMetadata"]["HTTPStatusCode"])


from . import (  # noqa: E402,F401
    athena, guards, identity, keys, neighbors, notifications, objects, organization, queues, stacks, trails)
