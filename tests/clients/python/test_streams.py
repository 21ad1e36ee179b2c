"""Streams: forwarded as they come, given up when nobody listens, broken when they break."""

import threading

import openai
import pytest

from conftest import UNLIMITED, client_of
from sidecar import eventually
from upstream import broken_after, streamed


def open_stream(client: openai.OpenAI) -> openai.Stream:
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": "go"}], stream=True)


def text_of(chunk) -> str:
    return chunk.choices[0].delta.content


def test_the_first_chunk_arrives_before_the_last_is_sent(start, upstream):
    release = threading.Event()
    upstream.answers(streamed("one", "two", release))
    with open_stream(client_of(start(UNLIMITED))) as stream:
        assert text_of(next(stream)) == "one"
        release.set()  # the upstream holds the rest until here
        assert [text_of(chunk) for chunk in stream] == ["two"]


def test_leaving_a_stream_frees_its_slot_and_the_upstream(start, upstream):
    sidecar = start(UNLIMITED)
    upstream.answers(streamed("one", "never sent", threading.Event()))
    stream = open_stream(client_of(sidecar))
    assert text_of(next(stream)) == "one"
    assert not sidecar.at_rest()
    stream.close()
    eventually(sidecar.at_rest, "a sidecar that holds nothing")
    eventually(upstream.received[0].abandoned.is_set, "an upstream that was let go")


def test_a_broken_stream_raises_and_never_ends_cleanly(start, upstream):
    sidecar = start(UNLIMITED)
    upstream.answers(broken_after("half"))
    with open_stream(client_of(sidecar)) as stream:
        assert text_of(next(stream)) == "half"
        with pytest.raises(Exception, match="(?i)incomplete|closed|connection"):
            next(stream)
    eventually(sidecar.at_rest, "a sidecar that holds nothing")
