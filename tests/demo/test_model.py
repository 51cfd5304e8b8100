"""Replies from a chat model: a real endpoint on a socket, which behaves and misbehaves as endpoints do."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from kontext_rx import Message
from kontext_rx.demo.model import LONGEST, LONGEST_LINE, ChatModel, ModelError, delta

CONVERSATION = (Message.user("q1", "Hi"), Message.assistant("a1", "Hello"), Message.user("q2", "A tent?"))

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Endpoint:
    """Speaks chat completions; `stream` is sent as it is, or `answer` instead of it."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.stream: list[bytes] = []
        self.answer: web.Response | None = None
        self.breaks_off = False

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        self.headers.append(dict(request.headers))
        if self.answer is not None:
            return self.answer
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for part in self.stream:
            await response.write(part)
        if self.breaks_off:
            assert request.transport is not None
            request.transport.abort()
        return response


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    made = Endpoint()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", made.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield made
    await runner.cleanup()


def event(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode() + b"\n\n"


async def reply(model: ChatModel) -> list[str]:
    return [piece async for piece in model.reply(CONVERSATION)]


async def test_the_conversation_goes_out_and_the_reply_streams_in(endpoint: Endpoint) -> None:
    endpoint.stream = [event("Two "), b": a comment\n\n", event("kilos."), b"data: [DONE]\n\n", event("Never.")]
    assert await reply(ChatModel("small", endpoint.url, "secret")) == ["Two ", "kilos."]
    assert endpoint.asked == [
        {
            "model": "small",
            "stream": True,
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
                {"role": "user", "content": "A tent?"},
            ],
        }
    ]
    assert endpoint.headers[0]["Authorization"] == "Bearer secret"


async def test_a_local_model_needs_no_key(endpoint: Endpoint) -> None:
    endpoint.stream = [event("Yes.")]
    assert await reply(ChatModel("small", endpoint.url + "/")) == ["Yes."]
    assert "Authorization" not in endpoint.headers[0]


async def test_events_may_come_in_any_pieces(endpoint: Endpoint) -> None:
    whole = event("Zelt: ⛺") + b"data: [DONE]\n\n"
    endpoint.stream = [whole[place : place + 5] for place in range(0, len(whole), 5)]
    assert await reply(ChatModel("small", endpoint.url)) == ["Zelt: ⛺"]


async def test_a_reply_without_end_is_cut(endpoint: Endpoint) -> None:
    endpoint.stream = [event("x" * 3000)] * 10
    assert sum(map(len, await reply(ChatModel("small", endpoint.url)))) == LONGEST


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (
            401,
            {"error": {"message": "Incorrect key\nprovided."}},
            "HTTP 401: Incorrect key provided.; is OPENAI_API_KEY",
        ),
        (404, {"error": "no such model"}, "HTTP 404: no such model; are --model and --model-url right?"),
        (500, [], "HTTP 500"),
    ],
)
async def test_a_refusal_is_a_sentence_with_the_cure(
    endpoint: Endpoint, status: int, body: object, problem: str
) -> None:
    endpoint.answer = web.json_response(body, status=status)
    with pytest.raises(ModelError) as raised:
        await reply(ChatModel("small", endpoint.url, "secret"))
    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


async def test_an_error_in_the_stream_ends_it(endpoint: Endpoint) -> None:
    endpoint.stream = [event("One "), b'data: {"error": {"message": "overloaded"}}\n\n']
    replying = ChatModel("small", endpoint.url).reply(CONVERSATION)
    assert await anext(replying) == "One "
    with pytest.raises(ModelError, match="overloaded"):
        await anext(replying)


async def test_an_endpoint_that_does_not_stream(endpoint: Endpoint) -> None:
    """It answers with one object, whatever it was asked for."""
    endpoint.answer = web.json_response({"choices": [{"message": {"role": "assistant", "content": "Two kilos."}}]})
    assert await reply(ChatModel("small", endpoint.url)) == ["Two kilos."]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"error": {"message": "overloaded"}}', "the endpoint says: overloaded"),
        (b'{"choices"', "the endpoint's answer is not JSON"),
        (b'{"x": "' + b"x" * LONGEST_LINE + b'"}', "the endpoint's answer is too long"),
        (b'{"choices": []}', "the answer of small has no text in it"),
        (b'{"choices": [{"message": {"content": null}}]}', "the answer of small has no text in it"),
        (b'{"choices": [{"message": {"content": " "}}]}', "the answer of small has no text in it"),
        (b"[]", "the answer of small has no text in it"),
    ],
)
async def test_an_object_that_is_no_reply(endpoint: Endpoint, body: bytes, problem: str) -> None:
    endpoint.answer = web.Response(body=body, content_type="application/json")
    with pytest.raises(ModelError, match=problem):
        await reply(ChatModel("small", endpoint.url))


@pytest.mark.parametrize("stream", [[], [b"data: [DONE]\n\n"], [event(""), event("\n ")], [b"<html>no</html>"]])
async def test_a_stream_without_a_text_is_no_reply(endpoint: Endpoint, stream: list[bytes]) -> None:
    endpoint.stream = stream
    with pytest.raises(ModelError, match="the answer of small has no text in it; are --model and --model-url right"):
        await reply(ChatModel("small", endpoint.url))


async def test_a_connection_that_breaks_off(endpoint: Endpoint) -> None:
    endpoint.stream, endpoint.breaks_off = [event("One ")], True
    with pytest.raises(ModelError, match="small went silent"):
        await reply(ChatModel("small", endpoint.url))


async def test_nobody_there(unused_tcp_port: int) -> None:
    with pytest.raises(ModelError, match=f"small cannot be reached at 127.0.0.1 port {unused_tcp_port}"):
        await reply(ChatModel("small", f"http://127.0.0.1:{unused_tcp_port}/v1"))


def test_the_key_is_never_shown() -> None:
    assert "secret" not in repr(ChatModel("small", "http://localhost/v1", "secret"))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"data: [DONE]", None),
        (b"data:[DONE]\r\n", None),
        (b"", ""),
        (b"event: ping", ""),
        (b'data: {"choices": [], "usage": {}}', ""),
        (b'data: {"choices": [{"delta": {"role": "assistant"}}]}', ""),
        (b'data: {"choices": [{"delta": {"content": null}}]}', ""),
        (b'data: {"choices": [{"delta": {"content": "Hi"}}]}', "Hi"),
        (b"data: 3", ""),
        (b"data: null", ""),
    ],
)
def test_a_line_of_the_stream(line: bytes, text: str | None) -> None:
    assert delta(line) == text


@pytest.mark.parametrize("line", [b"data: <html>", b"data: \xff", b"data: "])
def test_what_is_no_stream_says_so(line: bytes) -> None:
    with pytest.raises(ModelError, match="is its address right"):
        delta(line)
