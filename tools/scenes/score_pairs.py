"""Answers and what `draw.score` says of them, for the tests of its port (tools/scene_scoring.ts).

    python tools/scenes/score_pairs.py > tests/tools/score_pairs.jsonl

One object a line: `{"task", "expected", "got", "right"}`. The expected answers are those of drawn
scenes, the given ones the same damaged in many ways, and a few of our own with unusual characters.
"""

import json
import random

import draw

# Python's split() and lower() differ from JavaScript's \s and toLowerCase() in some of these.
SPACES = [" ", "  ", "\t", "\n", "\r\n", "\v", "\f", "\x1c", "\x1f", "\x85", "\xa0", "\u1680", "\u180e", "\u2003",
          "\u200b", "\u2028", "\u202f", "\u205f", "\u3000", "\ufeff"]
PLAIN = ["", ".", "..", " . ", "red", "RED", "Red.", "red..", "red .", ".red", "r.ed", "red!", "3", "3.", "3.0", "03", "three",
         "top left", "Top  Left", "left top", "topleft", "yes", "no", "Straße", "STRASSE", "İ", "ΣΑΣ", "K", "ﬁ"]


def damaged(rng, answer):
    """The answer as it is, written differently, or wrong."""
    def pieces(change, gap=","):
        parts = answer.split(gap)
        change(parts)
        return gap.join(parts)

    space = rng.choice(SPACES)
    return rng.choice([
        answer, answer.upper(), answer.title(), answer + ".", answer + "...", answer + " .", f"{space}{answer}{space}",
        answer.replace(" ", space), answer.replace(", ", f"{space},{space}"), answer.replace(", ", ","), answer[:-1],
        answer + "s", answer.replace("a ", "", 1), pieces(rng.shuffle), pieces(lambda p: p.append(p[0])),
        pieces(lambda p: p.pop()), pieces(lambda p: p.reverse()), pieces(lambda p: p.__setitem__(0, p[-1])),
        answer + ",", pieces(rng.shuffle, " "), "", rng.choice(PLAIN),
    ])


def pairs():
    rng = random.Random("score pairs")
    for i in range(12):
        for q in draw.questions(1, i, draw.draw_scene(1, i)):
            task, expected = q["task"], q["answer"]
            for _ in range({"describe": 12, "multi-turn": 4}.get(task, 1)):
                if task == "multi-turn":
                    got = [damaged(rng, a) if rng.random() < 0.4 else a for a in expected]
                    got = rng.choice([got, got, got, got[:-1], got + ["yes"], got[::-1]])
                else:
                    got = damaged(rng, expected)
                yield task, expected, got
    for space in SPACES:
        yield "position", "top left", f"{space}top{space}left{space}"
        yield "describe", "a red star top, a blue ring left", f"a blue ring{space}left{space},{space}a red star top"
    for expected in PLAIN:
        for got in rng.sample(PLAIN, 6) + [expected.upper(), expected.lower()]:
            yield "text", expected, got


def main():
    for task, expected, got in pairs():
        print(json.dumps({"task": task, "expected": expected, "got": got, "right": draw.score(task, expected, got)}))


if __name__ == "__main__":
    main()
