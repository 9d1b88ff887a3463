"""The official `anthropic` package for Python against a server at REMORA_URL."""

import os

import anthropic
from anthropic import Anthropic

MODEL = os.environ["REMORA_MODEL"]
client = Anthropic(base_url=os.environ["REMORA_URL"], api_key=os.environ["REMORA_KEY"], max_retries=0)
question = [{"role": "user", "content": "How many objects are there?"}]
tool = {
    "name": "describe",
    "input_schema": {
        "type": "object",
        "properties": {"count": {"type": "integer", "minimum": 0, "maximum": 9}},
        "required": ["count"],
        "additionalProperties": False,
    },
}

whole = client.messages.create(model=MODEL, max_tokens=12, messages=question, system="Be brief.", extra_body={"temperature": 0})
with client.messages.stream(model=MODEL, max_tokens=12, messages=question, system="Be brief.", extra_body={"temperature": 0}) as stream:
    text = "".join(stream.text_stream)
    final = stream.get_final_message()
assert text == whole.content[0].text == final.content[0].text
assert final.usage.output_tokens == whole.usage.output_tokens
called = client.messages.create(
    model=MODEL, max_tokens=400, messages=question, tools=[tool], tool_choice={"type": "any", "disable_parallel_tool_use": True}
)
use = next(block for block in called.content if block.type == "tool_use")
assert called.stop_reason == "tool_use" and 0 <= use.input["count"] <= 9
result = {"type": "tool_result", "tool_use_id": use.id, "content": "3"}
client.messages.create(
    model=MODEL,
    max_tokens=5,
    tools=[tool],
    messages=[*question, {"role": "assistant", "content": called.content}, {"role": "user", "content": [result]}],
)
assert client.messages.count_tokens(model=MODEL, messages=question).input_tokens > 0
try:
    client.messages.create(model="other", max_tokens=1, messages=question)
    raise AssertionError("not refused")
except anthropic.NotFoundError as error:
    assert error.body["error"]["type"] == "not_found_error"
print("messages: ok")
