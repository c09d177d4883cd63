"""What do all commands of `oms` share? How they are refused, the options they have in common, and the engine.

Exit codes: 0 done, 1 refused (or an expectation differs, or a problem was found), 2 typed wrongly.
"""

# ruff: noqa: PLC0415 - a command loads only what it needs

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from oms_engine import Engine
    from oms_engine.errors import Problem

SESSION = "cli"
REFUSED, MISUSED = 1, 2
INTERRUPTED = 130
"""After Ctrl-C, as shells have it."""


_OPTIONS = {
    "as_of": "--as-of",
    "resumeFrom": "--resume",
    **{name: f"--{name}" for name in ("entity", "sort", "page", "size", "topic", "format")},
}
"""Arguments of the engine -> the options that they are here."""

_SORT_RULE = "QRY-05"
"""Its violations name the field that --sort names."""

_USAGE_ERROR = typer.BadParameter.__bases__[0]  # typer names it nowhere else


class _Oms(TyperGroup):
    """The commands of `oms`; whatever one of them refuses becomes one panel, or one JSON document, and an exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - as typer's
        ctx.obj = "--json" in takewhile(lambda word: word != "--", args)  # known before anything else is read
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - as typer's
        try:
            return super().invoke(ctx)
        except Exception as error:
            code = _report(error, as_json=ctx.obj)
            if code is None:
                raise
            raise typer.Exit(code) from None


def _report(error: Exception, *, as_json: bool) -> int | None:
    """Tell what was refused or typed wrongly; None when the error is neither."""
    from knowledge_base.errors import InvalidQuestions
    from oms_engine import Refused, ScenarioError, SettingsError
    from oms_engine.errors import StoreUnavailable, problem
    from oms_mcp.inputs import Misuse, as_typed
    from oms_mcp.printing import answers, terminal
    from oms_mcp.shapes import problem_from

    titles = {
        Misuse: "usage",
        SettingsError: "settings",
        ScenarioError: "scenario",
        StoreUnavailable: "database",
        InvalidQuestions: "questions",
    }
    typed_wrongly = type(error) in titles or (as_json and isinstance(error, _USAGE_ERROR))
    told = problem_from(error) or (problem("OMS-VAL-004", _words(error)) if typed_wrongly else None)
    if told is None:
        return None
    if isinstance(error, Misuse):
        told = told.model_copy(update={"hint": error.way_out})
    told = as_typed(told, _OPTIONS)
    if as_json:
        terminal.print_json({"error": answers.in_commands(told.to_wire())})
    elif typed_wrongly:
        told_each = [error.file, *error.mistakes] if isinstance(error, InvalidQuestions) else [str(error)]
        if not isinstance(error, SettingsError):  # which names tools that a server is to offer
            told_each = [terminal.for_people(each) for each in told_each]
        answers.complaint(titles[type(error)], *told_each)
    elif isinstance(error, Refused):
        answers.problem(told.to_wire(), terminal.err())
    else:
        answers.complaint("refused", terminal.for_people(str(error)))
    return MISUSED if typed_wrongly or _is_mistyped(told) else REFUSED


def _is_mistyped(told: "Problem") -> bool:
    """Was an option of the command written in no form that it can have?"""
    options = _OPTIONS.values()
    return bool(told.violations) and all(
        found.code == "OMS-VAL-004" and (found.field in options or found.rule_id == _SORT_RULE)
        for found in told.violations
    )


def _words(error: Exception) -> str:
    return str(getattr(error, "format_message", error.__str__)())


app = typer.Typer(
    name="oms",
    cls=_Oms,
    help="An order management system: commands in, events kept, questions answered, every refusal explained.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def examples(*lines: str) -> str:
    """The end of a help text: what can be typed."""
    return "\n\n".join(["Examples:", *(line.replace("[", r"\[") for line in lines)])


def _show_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"oms {version('oms-mcp')}")
        raise typer.Exit


Db = Annotated[
    str, typer.Option("--db", envvar="OMS_DB", metavar="PATH", help="Database file; created when there is none.")
]
Kept = Annotated[str, typer.Option("--db", envvar="OMS_DB", metavar="PATH", help="Database file; it must exist.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A setting, set in the database unless nothing is written; repeatable. OMS_SETTINGS=FILE gives many.",
    ),
]
Held = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A setting for this command alone, not stored; repeatable. OMS_SETTINGS=FILE gives many.",
    ),
]


def not_blank(ctx: typer.Context, param: typer.CallbackParam, value: str) -> str:
    """An option that was typed says something: an empty variable of a script does not silently mean "none"."""
    source = ctx.get_parameter_source(str(param.name))
    if source is not None and source.name == "COMMANDLINE" and not value.strip():
        is_option = param.param_type_name == "option"
        typed = f"--{param.name}".replace("_", "-") if is_option else str(param.metavar)
        raise typer.BadParameter("is empty; give a value, or leave it out", ctx, param_hint=typed)
    return value


DryRun = Annotated[bool, typer.Option("--dry-run", help="Answer what would happen; store nothing.")]
AsOf = Annotated[
    str,
    typer.Option(
        "--as-of",
        metavar="MOMENT",
        callback=not_blank,
        help="As it was: version v12 (of one order), position p3456, or ISO-8601 time.",
    ),
]
Cursor = Annotated[
    str,
    typer.Option(
        metavar="TEXT", callback=not_blank, help="In place of --page: nextCursor of the page before; * starts."
    ),
]
Corpus = Annotated[
    list[str] | None,
    typer.Option(
        "--corpus",
        metavar="DIR",
        help="A folder of markdown, searched beside the documents that come along; repeatable. Or set OMS_KB_CORPUS.",
    ),
]
OnlyCorpus = Annotated[
    bool, typer.Option("--only-corpus", help="Leave out the documents that come along. Or set OMS_KB_ONLY=1.")
]
Tokens = Annotated[
    str, typer.Option("--tokens", envvar="OMS_TOKENS", metavar="FILE", help="File with the tokens that let clients in.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document for machines.")]


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


@contextmanager
def naming(option: str, way_out: str = "") -> Iterator[None]:
    """A file that an option names and that cannot be written is a mistake of that option, not of a database."""
    from oms_engine.errors import StoreUnavailable
    from oms_mcp.inputs import Misuse

    try:
        yield
    except StoreUnavailable as error:
        raise Misuse(f"{option}: {error}", *([way_out] if way_out else [])) from None


@contextmanager
def interruptible() -> Iterator[None]:
    """A signal that ends a program ends the block as Ctrl-C does, so that nothing is left behind half done."""

    def leave(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def opened(db: str, pairs: Sequence[str] | None, *, needed_by: str = "", stores: bool = False) -> Iterator["Engine"]:
    """The engine of a command, with the settings it was given.

    Args:
        db: The database; a private sandbox where none is named.
        pairs: Settings as KEY=VALUE.
        needed_by: Name of a command that needs a database that exists.
        stores: The command writes: settings are set in the database, and a new one is created. Otherwise the settings
            hold for this engine only, and nothing is created.
    """
    from oms_engine import Engine
    from oms_mcp.inputs import database_file, named_database, read_settings, required_database
    from oms_mcp.printing import terminal

    settings = read_settings(pairs or ())
    db = required_database(db, needed_by) if needed_by else named_database(db)
    file = database_file(db)
    is_new = file is not None and not (file.exists() and file.stat().st_size)
    if file is None or (is_new and not stores):
        db = ":memory:"
    with Engine.open(db, settings=settings, session_id=SESSION, keep_settings=stores) as engine:
        if stores and is_new:
            terminal.note(f"created {terminal.clean(str(file))}")
        if stores and file and engine.set_at_opening:
            told = ", ".join(f"{name}={terminal.value_of(value)}" for name, value in engine.set_at_opening.items())
            terminal.note(f"set {told} in {terminal.clean(str(file))}")
        yield engine


def would_store(
    db: str, pairs: Sequence[str] | None, envelopes: Sequence[Any], *, atomic: bool = False, batch: bool = False
) -> bool:
    """Would commands leave anything in the database? A new one is not created for commands that are all refused."""
    from oms_engine.executor import MAX_BATCH
    from oms_mcp.inputs import database_file, named_database

    file = database_file(named_database(db))
    if file is None or file.exists() or not file.parent.is_dir():
        return True  # there is nothing to create, or what is wrong with the file is to be told
    if batch and len(envelopes) > MAX_BATCH:
        return False  # it is refused as a whole
    with opened("", pairs) as engine:
        if atomic and batch:
            return not engine.execute_many(envelopes, atomic=True).rolled_back
        return any(engine.run(envelope).result.ok for envelope in envelopes)
