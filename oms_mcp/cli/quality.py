"""Which commands tell how good documents and the search in them are? `oms kb eval` and `oms kb lint`."""

# ruff: noqa: PLC0415 - a command loads only what it needs

from pathlib import Path
from typing import Annotated, Any

import typer

from oms_mcp.cli.knowledge import kb, load
from oms_mcp.cli.root import REFUSED, Json, examples

Folders = Annotated[
    list[Path] | None,
    typer.Option(
        "--corpus",
        metavar="DIR",
        help="Only the documents of this folder; those that come along when there is none. OMS_KB_CORPUS is not read.",
    ),
]


@kb.command(
    "eval",
    epilog=examples(
        "oms kb eval",
        "oms kb eval --missed",
        "oms kb eval --corpus handbook --queries handbook-questions.yaml",
        "oms kb eval --corpus handbook --queries handbook-questions.yaml --json",
    ),
)
def evaluate(
    folders: Folders = None,
    queries: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="YAML with questions and what answers them; ours about the documents that come along by default.",
        ),
    ] = "",
    missed: Annotated[
        bool, typer.Option("--missed", help="Also list the questions whose answer is not among the first five hits.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure how well the search finds what answers a question, in each of its modes.

    FILE is YAML with the key queries and a list under it; each entry has query and expected_docs (paths) or
    expected_sections (path#anchor), or answerable: false.
    """
    from knowledge_base import PACKAGED_QUESTIONS, Library
    from knowledge_base import evaluate as measure
    from knowledge_base.questions import read_questions
    from oms_mcp.inputs import Misuse, own_documents, read_text
    from oms_mcp.printing import quality, terminal

    if folders and not queries:
        remedy = "name yours with --queries FILE"
        raise Misuse(f"our own questions are about the documents that come along; {remedy}", remedy)
    if folders and len(folders) > 1:
        raise Misuse("--corpus is given more than once; questions are asked of one folder", "give one folder")
    text = read_text(queries or str(PACKAGED_QUESTIONS))
    with Library.open(*folders or own_documents(), semantic=True) as library:
        questions = read_questions(text, queries or PACKAGED_QUESTIONS.name, library.resolve)
        load(library)
        with terminal.progress("asking the questions") as progress:
            evaluation = measure(library, questions, progress)
    for told in evaluation.notes:
        terminal.note(told)
    if as_json:
        terminal.print_json(evaluation.to_wire(missed=missed))
    else:
        quality.evaluation(evaluation.to_wire(missed=missed), questions)


@kb.command(
    epilog=examples(
        "oms kb lint", "oms kb lint --corpus handbook --strict", "oms kb lint --corpus handbook --stale-days 90 --json"
    )
)
def lint(
    folders: Folders = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for warnings too.")] = False,
    stale_days: Annotated[
        int, typer.Option(min=1, max=36_500, help="Days after its last update from which a document is stale.")
    ] = 365,
    as_json: Json = False,
) -> None:
    """Find what is missing, broken, stale, unlinked, too long or untested in documents; exits with 1 for errors."""
    from datetime import UTC, datetime

    from knowledge_base import PACKAGED_CORPUS
    from knowledge_base.documents import Corpus
    from knowledge_base.lint import lint as findings_of
    from oms_mcp.printing import quality, terminal

    today = datetime.now(UTC).date()
    findings: list[dict[str, Any]] = []
    documents = 0
    for folder in map(Path.expanduser, folders or (PACKAGED_CORPUS,)):
        corpus = Corpus(folder)
        documents += len(corpus.documents)
        prefix = f"{folder}/" if folders and len(folders) > 1 else ""
        found = findings_of(corpus.documents, folder, today, stale_days=stale_days)
        findings += [{**each.to_wire(), "path": prefix + each.path} for each in found]
    errors = sum(each["severity"] == "error" for each in findings)
    wire = {
        "findings": findings,
        "errors": errors,
        "warnings": len(findings) - errors,
        "documents": documents,
    }
    if as_json:
        terminal.print_json(wire)
    else:
        quality.findings(wire)
    if errors or (strict and findings):
        raise typer.Exit(REFUSED)
