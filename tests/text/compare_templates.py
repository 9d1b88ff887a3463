"""Renders chat templates with Python's jinja2, as transformers does; see compare_templates.ts.

Reads {"templates": {name: source}, "sets": {name: variables}} from standard input and writes {template: {set: text or null}}.
"""

import datetime
import json
import sys

from transformers.utils import chat_template_utils

NOW = datetime.datetime(2025, 7, 5, 9, 8, 7)


class FixedDatetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2025, 7, 5, 9, 8, 7)


chat_template_utils.datetime = FixedDatetime
given = json.load(sys.stdin)
result = {}
for name, source in given["templates"].items():
    result[name] = {}
    for label, variables in given["sets"].items():
        try:
            compiled = chat_template_utils._compile_jinja_template(source)
            result[name][label] = compiled.render(**variables)
        except Exception:
            result[name][label] = None
json.dump(result, sys.stdout)
