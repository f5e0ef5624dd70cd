"""Parts that prompts and conversations are made of: turns, documents, demonstrations, tool calls."""

import re
from collections import Counter

from spexjax.ablations._text._segmenters import Span
from spexjax.ablations._text._sentences import between, paragraphs

_ROLES = r"(?:user|human|assistant|ai|bot|system|developer|tool|customer|agent|operator|doctor|patient|student|teacher)"
_MARKUP = re.compile(r"<\|im_start\|>|<\|start_header_id\|>|<start_of_turn>|\[INST\]")
_ROLE = re.compile(rf"^[ \t]*(?:\*\*|#+ ?)?{_ROLES}(?: \d+)?(?:\*\*)?:", re.IGNORECASE | re.MULTILINE)
_SPEAKER = re.compile(r"^[ \t]*([A-Z][\w.'’-]*(?: [A-Z][\w.'’-]*){0,2}):(?=\s)", re.MULTILINE)
_TAGGED = re.compile(r"<(document|doc|passage|source|context)\b[^>]*>.*?</\1>", re.DOTALL | re.IGNORECASE)
_NUMBERED = re.compile(
    r"^[ \t]*(?:#+ ?|\*\*)?(?:(?:document|doc|passage|source|context|article|page)[ \t]*#?[\dA-Z]{1,4}\b[\])]?|\[\d+\]"
    r"|title:)",
    re.IGNORECASE | re.MULTILINE,
)
_RULER = re.compile(r"^[ \t]*(?:-{3,}|={3,}|\*{3,}|_{3,})[ \t]*$", re.MULTILINE)
_LABEL = re.compile(r"^[ \t]*([^\W\d_][\w /-]{0,30}?) ?\d*[:.)](?=\s|$)", re.MULTILINE)
_CALL = re.compile(
    r"<tool_call>.*?</tool_call>(?:\s*<tool_response>.*?</tool_response>)?"
    r"|<function_call>.*?</function_call>(?:\s*<function_results?>.*?</function_results?>)?"
    r"|^[ \t]*Action:.*?(?=^[ \t]*(?:Thought|Action|Final Answer|Answer|Question):|\Z)",
    re.DOTALL | re.MULTILINE,
)


def turns(text: str) -> list[Span]:
    """Turns of a conversation: from each line that names a speaker, or each mark of a chat template, to the next.

    A speaker is a role such as User or Assistant; where there are none, names that begin two or more lines.

    Args:
      text: a conversation.

    Raises:
      ValueError: if there are fewer than two.
    """
    for pattern in (_MARKUP, _ROLE, _SPEAKER):
        starts = [m.start() for m in pattern.finditer(text)]
        if len(starts) > 1:
            return _from(text, starts)
    raise _none("turn", "begin each with its speaker on a new line, such as User:")


def documents(text: str) -> list[Span]:
    """Documents of a context: in tags, from each heading such as "Document 2" or "[2]" to the next, or between rulers.

    Args:
      text: a context.

    Raises:
      ValueError: if there are fewer than two.
    """
    tagged = [m.span() for m in _TAGGED.finditer(text)]
    if len(tagged) > 1:
        return tagged
    headings = [m.start() for m in _NUMBERED.finditer(text)]
    if len(headings) > 1:
        return _from(text, headings)
    rulers = [m.span() for m in _RULER.finditer(text)]
    inside = between(text, [edge for ruler in rulers for edge in ruler])
    found = [(a, b) for a, b in inside if not _RULER.fullmatch(text[a:b])]
    if rulers and len(found) > 1:
        return found
    raise _none(
        "document", "put each into <document> tags, begin each with a line such as Document 2, or put --- between"
    )


def demonstrations(text: str) -> list[Span]:
    """Demonstrations of a prompt: from each line that begins with the first repeated label, such as "Q:", to the next.

    A last one that ends in a label without anything after it is the question itself, which stays. Where no label
    repeats, the paragraphs are demonstrations.

    Args:
      text: a prompt.

    Raises:
      ValueError: if there are fewer than two.
    """
    found = list(_LABEL.finditer(text))
    labels = [m[1].strip().casefold() for m in found]
    counts = Counter(labels)
    first = next((label for label in labels if counts[label] > 1), None)
    starts = [m.start() for m, label in zip(found, labels, strict=True) if label == first]
    spans = _from(text, starts) if starts else paragraphs(text)
    if found and not text[found[-1].end() :].strip():
        spans = spans[:-1]
    if len(spans) < 2:
        raise _none("demonstration", "begin each with the same label, such as Q:, or put an empty line between")
    return spans


def tool_calls(text: str) -> list[Span]:
    """Tool calls with their results: in <tool_call> or <function_call> tags, or Action: lines with what they observe.

    Args:
      text: a transcript.

    Raises:
      ValueError: if there are fewer than two.
    """
    found = [between(m[0], [])[0] for m in _CALL.finditer(text)]
    starts = [m.start() for m in _CALL.finditer(text)]
    if len(found) < 2:
        raise _none("tool call", "they are in <tool_call> tags, or lines that begin with Action:")
    return [(at + a, at + b) for at, (a, b) in zip(starts, found, strict=True)]


def _from(text: str, starts: list[int]) -> list[Span]:
    """From each place to the next, without the white space around; what stands before the first place is left out."""
    return [(a, b) for a, b in between(text, starts) if a >= starts[0]]


def _none(what: str, how: str) -> ValueError:
    return ValueError(f"The text has no two {what}s that can be told: {how}; or give spans (start, end).")
