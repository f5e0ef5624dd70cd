"""Renders a chat template in a process of its own, with little time and memory; run as a script by `chat_template`.

A model's template is a program that somebody else wrote. Jinja's sandbox keeps it away from files and Python's
internals. Its time and memory are bounded here, by the operating system if that can, as no rule about templates could.
Standard input is one JSON object (see `main`), standard output one JSON list.
"""

import json
import os
import sys
import threading
import time

SECONDS, MEGABYTES = 2, 512
TOO_MUCH = 9  # the exit code when memory runs out; where time does, a signal ends the process


def main() -> None:
    """Reads path, template, variables, today, jobs and limit; writes a `{"text"}` or `{"error"}` for each job."""
    request = json.load(sys.stdin)
    sys.path[:] = request["path"]
    _limit()
    try:
        template, unknown = _compile(request["template"], request["variables"], request["today"])
        results = [
            _render(template, messages, ask, request["variables"], request["limit"])
            for messages, ask in request["jobs"]
        ]
    except MemoryError:
        os._exit(TOO_MUCH)
    except Exception as error:  # whatever the template raises is its own fault
        unknown, results = [], [{"error": _named(error)}] * len(request["jobs"])
    json.dump({"unknown": unknown, "results": results}, sys.stdout)


def _limit() -> None:
    """Lets the system end this process if it takes too much; where the system cannot, a thread watches the memory."""
    try:
        import resource
    except ImportError:  # Windows has no limits; there the parent's timeout ends a long rendering
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    limit = MEGABYTES << 20
    try:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    except (ValueError, OSError):  # macOS has no such limit
        unit, before = 1 if sys.platform == "darwin" else 1024, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        def watch() -> None:
            while (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < limit:
                time.sleep(0.01)
            os._exit(TOO_MUCH)

        threading.Thread(target=watch, daemon=True).start()


def _compile(source: str, variables: dict, today: str):
    """The template, in the environment that transformers gives it except for the date, and the variables it lacks."""
    import datetime

    import jinja2
    import jinja2.ext
    from jinja2 import meta, nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(jinja2.ext.Extension):
        """`{% generation %}` marks what the assistant says; here it only renders what is inside."""

        tags = frozenset({"generation"})  # type: ignore[assignment]

        def parse(self, parser):
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body, lineno=line)

    class Namespace(jinja2.utils.Namespace):
        """Refuses names with an underscore, which lead out of the sandbox."""

        def __setitem__(self, name, value):
            if str(name).startswith("_"):
                raise jinja2.exceptions.SecurityError(f"the name {name!r} begins with an underscore")
            super().__setitem__(name, value)

    def namespace(*args, **kwargs):
        made = Namespace()
        for name, value in dict(*args, **kwargs).items():
            made[name] = value
        return made

    def refuse(message):
        raise jinja2.TemplateError(message)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    date = datetime.datetime.fromisoformat(today)
    environment.filters["tojson"] = tojson
    environment.globals |= {
        "raise_exception": refuse,
        "strftime_now": date.strftime,
        "dict": lambda *args, **kwargs: dict(*args, **kwargs),
        "namespace": namespace,
    }
    wanted = meta.find_undeclared_variables(environment.parse(source))
    return environment.from_string(source), sorted(set(variables) - wanted)


def _render(template, messages: list, ask: bool, variables: dict, limit: int) -> dict:
    given = {"tools": None, "documents": None, **variables, "messages": messages, "add_generation_prompt": ask}
    pieces, length = [], 0
    try:
        for piece in template.generate(**given):
            pieces.append(piece)
            length += len(piece)
            if length > limit:
                return {"error": f"it writes more than {limit:,} characters"}
    except MemoryError:
        os._exit(TOO_MUCH)
    except Exception as error:
        return {"error": _named(error)}
    return {"text": "".join(pieces)}


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


if __name__ == "__main__":
    main()
