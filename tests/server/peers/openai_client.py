"""The official `openai` package for Python against a server at REMORA_URL, with a picture at REMORA_PICTURE. Exits with an error when
anything is not as the package's types and errors promise."""

import base64
import os
from typing import Literal

import openai
from openai import OpenAI
from pydantic import BaseModel, Field

MODEL = os.environ["REMORA_MODEL"]
client = OpenAI(base_url=os.environ["REMORA_URL"] + "/v1", api_key=os.environ["REMORA_KEY"], max_retries=0)
question = [{"role": "user", "content": "How many objects are there?"}]


class Scene(BaseModel):
    colour: Literal["red", "green", "blue"]
    count: int = Field(ge=0, le=9)


def refused(kind, run):
    try:
        run()
    except kind as error:
        return error
    raise AssertionError(f"not refused as {kind.__name__}")


def chat():
    answer = client.chat.completions.create(model=MODEL, messages=question, max_tokens=12, temperature=0)
    text = answer.choices[0].message.content
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    chunks = list(
        client.chat.completions.create(
            model=MODEL, messages=question, max_tokens=12, temperature=0, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == text
    assert chunks[-1].usage.total_tokens == answer.usage.total_tokens
    probable = client.chat.completions.create(model=MODEL, messages=question, max_tokens=3, logprobs=True, top_logprobs=2)
    assert all(len(one.top_logprobs) == 2 and one.logprob <= 0 for one in probable.choices[0].logprobs.content)
    ended = client.chat.completions.create(model=MODEL, messages=question, max_tokens=12, temperature=0, stop=text[1:3])
    assert ended.choices[0].message.content == text[:1] and ended.choices[0].finish_reason == "stop"


def pictures():
    with open(os.environ["REMORA_PICTURE"], "rb") as file:
        url = "data:image/png;base64," + base64.b64encode(file.read()).decode()
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "Describe the picture."}]
    seen = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": content}], max_tokens=40, temperature=0)
    assert "triangle" in seen.choices[0].message.content
    remote = [{"type": "image_url", "image_url": {"url": "http://127.0.0.1/picture.png"}}]
    refused(
        openai.BadRequestError,
        lambda: client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": remote}]),
    )


def structured():
    parsed = client.chat.completions.parse(model=MODEL, messages=question, response_format=Scene)
    assert isinstance(parsed.choices[0].message.parsed, Scene)
    response = client.responses.parse(model=MODEL, input="How many?", text_format=Scene)
    assert isinstance(response.output_parsed, Scene)
    tool = openai.pydantic_function_tool(Scene, name="describe")
    called = client.chat.completions.parse(model=MODEL, messages=question, tools=[tool], tool_choice="required", parallel_tool_calls=False)
    assert isinstance(called.choices[0].message.tool_calls[0].function.parsed_arguments, Scene)
    with client.chat.completions.stream(model=MODEL, messages=question, response_format=Scene) as stream:
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, Scene)


def others():
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).id == MODEL
    vectors = client.embeddings.create(model=MODEL, input=["a star", "a cross"])
    assert abs(sum(x * x for x in vectors.data[0].embedding) - 1) < 1e-5
    text = client.completions.create(model=MODEL, prompt="There are two", max_tokens=5, echo=True)
    assert text.choices[0].text.startswith("There are two")
    with client.responses.stream(model=MODEL, input="Is there a star?") as stream:
        kinds = [event.type for event in stream]
        assert kinds[0] == "response.created" and stream.get_final_response().output_text is not None


def errors():
    wrong = OpenAI(base_url=str(client.base_url), api_key="wrong", max_retries=0)
    refused(openai.AuthenticationError, lambda: wrong.models.list())
    refused(openai.NotFoundError, lambda: client.chat.completions.create(model="other", messages=question))
    error = refused(openai.BadRequestError, lambda: client.chat.completions.create(model=MODEL, messages=question, extra_body={"x": 1}))
    assert error.param == "x" and error.type == "invalid_request_error"
    endless = {"model": MODEL, "messages": question, "max_tokens": 1500, "extra_body": {"ignore_eos": True}}
    refused(openai.APITimeoutError, lambda: client.chat.completions.create(**endless, timeout=0.02))


for test in (chat, pictures, structured, others, errors):
    test()
    print(f"{test.__name__}: ok")
