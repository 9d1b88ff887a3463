"""OpenAI's client: the server at UPSTREAM_URL, and remora at REMORA_URL when that fails."""

import os

# docs: begin
from openai import APIConnectionError, InternalServerError, OpenAI

first, last = (OpenAI(base_url=os.environ[name] + "/v1", api_key="none", max_retries=0) for name in ("UPSTREAM_URL", "REMORA_URL"))

def chat(**request):
    try: return first.chat.completions.create(model="main", **request)
    except (APIConnectionError, InternalServerError): return last.chat.completions.create(model="scenes", **request)
# docs: end

answer = chat(messages=[{"role": "user", "content": "Is there a star?"}], max_tokens=5, temperature=0)
print(answer.model)
