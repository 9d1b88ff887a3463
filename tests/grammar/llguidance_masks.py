"""Masks of llguidance, for comparison: reads {"tokenizer": path, "cases": [{"schema": …, "answers": [[id, …], …]}, …]} from standard
input and writes one JSON object a line: {"case": i, "answer": j, "masks": [base64, …], "milliseconds": [x, …]}, with one mask for each
position and one for the end, or {"case": i, "error": text}."""

import base64
import json
import sys
import time

from llguidance import LLMatcher, LLTokenizer

request = json.load(sys.stdin)
tokenizer = LLTokenizer(request["tokenizer"])
for i, case in enumerate(request["cases"]):
    grammar = LLMatcher.grammar_from_json_schema(json.dumps(case["schema"]))
    for j, answer in enumerate(case["answers"]):
        matcher = LLMatcher(tokenizer, grammar)
        if matcher.get_error():
            print(json.dumps({"case": i, "error": matcher.get_error()}))
            break
        masks, milliseconds = [], []
        for token in [*answer, None]:
            begin = time.perf_counter()
            mask = matcher.compute_bitmask()
            milliseconds.append((time.perf_counter() - begin) * 1000)
            masks.append(base64.b64encode(mask).decode())
            if token is not None and not matcher.consume_token(token):
                break
        print(json.dumps({"case": i, "answer": j, "masks": masks, "milliseconds": milliseconds}))
