"""Call a task many times with the same large text, and see how often that is stored."""

import json

from tasks import app, count_word

WORDS = ["to", "be", "or", "not", "question"]


def main() -> None:
    app.migrate()
    text = "to be or not to be " * 5_000
    print(f"the text has {len(text):,} characters")
    with app, app.runner.in_background():
        calls = count_word.parallelize([(text, word) for word in WORDS] * 4)
        print(f"{len(calls)} calls: {dict(zip(WORDS, calls.results, strict=False))}")

        rows = [app.state_backend.get_invocation(call.invocation_id).arguments for call in calls]
        print(f"the longest row of a call has {max(map(len, rows))} characters,")
        stored = {
            json.loads(row)["text"]["$ref"] for row in rows
        }  # the SHA-256 of what it stands for
        print(f"and all of them together refer to {len(stored)} stored text")


if __name__ == "__main__":
    main()
