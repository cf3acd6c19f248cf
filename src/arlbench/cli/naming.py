"""Error messages that name options as they are typed, such as ``--timesteps``.

The package names the arguments of its functions, such as ``n_total_timesteps``. A command replaces
these names in one place, whichever part of the package complains.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from typer.core import TyperCommand

from arlbench.errors import ArlbenchError, EnvironmentFaultError, TunerError

#: Parameters of commands whose arguments in Python have other names.
_IN_PYTHON = {
    "timesteps": ("n_total_timesteps", "timesteps"),
    "evaluations": ("n_eval_steps", "evaluations"),
    "eval_episodes": ("n_eval_episodes", "eval_episodes"),
    "memory_limit": ("memory_limit_gib",),
    "state_limit": ("state_limit_gib",),
    "max_steps": ("n_timesteps",),
    "max_seconds": ("seconds",),
    "repeat": ("repeats",),
    "wrap": ("wrappers",),
}

# A name that is not part of a quotation, a path or a longer name.
_WHOLE = r"(?<![\w./'\"-]){}(?![\w/'\"=-])"

# A name without an underscore is also an English word, unless the sentence is about its value.
_ABOUT_VALUE = (
    r"^{}(?= must )|(?<=: ){}(?=(?: of env_spec)? is .* there and )"
    r"|(?<=leave out ){}(?=\.)|(?<=leave ){}(?= out\.)"
)

# A name for which the package proposes hyperparameters, though it may be that of an option.
_UNKNOWN = re.compile(r"^Unknown hyperparameter '(\w+)'\.(?: Did you mean .*\?)?")

_NETWORK = {"False": "--mlp-policy", "True": "--cnn-policy"}


class CommandError(ArlbenchError):
    """An error whose message names what the user wrote, such as options as they are typed."""


class Command(TyperCommand):
    """A command whose error messages name its options as they are typed."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command.

        Raises:
            CommandError: For every error of the package.
        """
        try:
            return super().invoke(ctx)
        except CommandError:
            raise
        except ArlbenchError as error:
            if _quotes_the_user(error):
                raise
            options = {p.name: p.opts[0] for p in self.params if p.param_type_name == "option"}
            raise CommandError(in_options(str(error), options)) from error


def _quotes_the_user(error: ArlbenchError) -> bool:
    """Whether a message may contain names of the user's program."""
    raised = isinstance(error, EnvironmentFaultError) and error.original is not None
    return raised or isinstance(error, TunerError) or "__init__" in str(error)


def in_options(message: str, options: dict[str, str]) -> str:
    """The message with options in place of the arguments in Python.

    Args:
        message: The message.
        options: How the user writes each parameter of the command, by name.
    """
    for parameter, typed in options.items():
        names = _IN_PYTHON.get(parameter, (parameter,))
        message = re.sub(_pattern(names), typed, message)
    if "cnn_policy" in options:
        message = re.sub(r"\bcnn_policy=(True|False)", lambda it: _NETWORK[it[1]], message)
    unknown = _UNKNOWN.match(message)
    if unknown and unknown[1] in options:
        typed = options[unknown[1]]
        return f"'{unknown[1]}' is an option, not a hyperparameter; give it as {typed}."
    # A problem has an EnvSpec, but the command line does not mention it.
    message = message.replace(": name of env_spec is ", ": the environment is ")
    return re.sub(r"(?<=: )(--[a-z-]+) of env_spec\b", r"\1", message)


def _pattern(names: Collection[str]) -> str:
    """Matches any of the names where it is that of an argument."""
    return "|".join((_WHOLE if "_" in name else _ABOUT_VALUE).replace("{}", name) for name in names)
