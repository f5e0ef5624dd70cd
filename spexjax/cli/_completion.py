"""`spexjax completion`: a script that lets a shell complete commands, options and their values."""

import argparse
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from spexjax.cli._arguments import known_names
from spexjax.cli._output import write

HELP = "print a completion script for a shell"
_BASH = """\
_spexjax() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}"
    case "${{COMP_WORDS[1]}} $before" in
{values}
    esac
    if [ "$COMP_CWORD" = 1 ]; then
        COMPREPLY=($(compgen -W "{commands}" -- "$word")); return
    fi
    case "${{COMP_WORDS[1]}}" in
{options}
    esac
    [ -n "${{COMPREPLY[0]}}" ] || COMPREPLY=($(compgen -f -- "$word"))
}}
complete -o filenames -F _spexjax spexjax
"""
_USE = {
    "bash": "# spexjax completion bash > ~/.local/share/bash-completion/completions/spexjax\n",
    "zsh": "# spexjax completion zsh > ~/.spexjax.zsh; then in ~/.zshrc: source ~/.spexjax.zsh\n"
    "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n",
    "fish": "# spexjax completion fish > ~/.config/fish/completions/spexjax.fish\n",
}


class Option(NamedTuple):
    """An option of a command; without values where it takes none, or anything."""

    command: str
    flag: str
    takes: bool  # whether a value follows
    values: tuple[str, ...]
    help: str


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Which shell.

    Args:
      command: gets the arguments.
    """
    command.add_argument("shell", choices=[*_USE])
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")


def run(args: argparse.Namespace, start: float) -> int:
    """Prints the script.

    Args:
      args: of the command.
      start: when it was called.
    """
    commands = _commands(args.parser)
    options = [option for name, command in commands.items() for option in _options(name, command)]
    write(_USE[args.shell] + (_fish if args.shell == "fish" else _bash)(list(commands), options))
    return 0


def _commands(whole: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    (subparsers,) = (action for action in whole._actions if isinstance(action, argparse._SubParsersAction))
    return dict(subparsers.choices)


def _options(name: str, command: argparse.ArgumentParser) -> Iterator[Option]:
    known = known_names()
    for action in command._actions:
        values = tuple(map(str, action.choices or known.get(action.dest, ())))
        for flag in [flag for flag in action.option_strings if flag.startswith("--")] or [""]:
            words = " ".join((action.help or "").replace("{names}", "").split())
            yield Option(name, flag, action.nargs != 0, values, words)


def _bash(commands: Sequence[str], options: Sequence[Option]) -> str:
    values = [
        f"""        "{o.command} {o.flag}") COMPREPLY=($(compgen -W "{" ".join(o.values)}" -- "$word")); return;;"""
        for o in options
        if o.values and o.flag
    ]
    words = {name: [o.flag or " ".join(o.values) for o in options if o.command == name] for name in commands}
    cases = [
        f"""        {name}) COMPREPLY=($(compgen -W "{" ".join(filter(None, given))}" -- "$word"));;"""
        for name, given in words.items()
    ]
    return _BASH.format(values="\n".join(values), commands=" ".join(commands), options="\n".join(cases))


def _fish(commands: Sequence[str], options: Sequence[Option]) -> str:
    lines = [f"complete -c spexjax -n __fish_use_subcommand -f -a '{' '.join(commands)}'"]
    for option in options:
        line = f"complete -c spexjax -n '__fish_seen_subcommand_from {option.command}'"
        values = " ".join(option.values)
        if option.flag:
            line += f" -l {option.flag.removeprefix('--')}" + " -r" * option.takes
            said = option.help.replace("\\", "").replace("'", "’").partition(";")[0]
            line += f" -d '{said}'" if said else ""
        if values:
            line += f" -f -a '{values}'"
        if option.flag or values:
            lines.append(line)
    return "\n".join(lines) + "\n"
