"""Which tables are compared with nothing? Those whose rows are tried one by one, and those that explain in words.

A table that is new stands in neither, so somebody has to decide: write a check that misses each of its rows, try what
its rows show, or declare here that it only explains.
"""

_TYPED = "tests/test_docs.py::test_every_command_of_a_guide_can_be_typed"
_GUIDE = "tests/knowledge_base/test_lint.py::test_the_guide_lists"

TRIED = {
    "contracts/command-line.md": {
        "21-exit-codes": "tests/docs/test_programs.py::test_the_examples_end_with_the_exit_codes_that_they_are_for"
    },
    "contracts/wire-formats.md": {
        "21-decimals": "values on the wire",
        "22-instants-and-dates": "values on the wire",
    },
    "framework/query-language.md": {"6-refused-queries": "queries that are refused"},
    "framework/testing-patterns.md": {"1-which-pattern-for-what": "tests named in framework/testing-patterns.md"},
    "guides/bring-your-own-documents.md": {
        "1-a-folder-of-markdown": _TYPED,
        "11-variables-in-place-of-options": (
            "tests/oms_mcp/test_cli_corpus.py::test_variables_say_the_same_and_options_win"
        ),
        "2-paths-and-citations": (
            "tests/knowledge_base/test_sources.py"
            "::test_a_path_that_two_folders_have_is_told_apart_by_the_name_of_the_later_one"
        ),
        "3-what-a-page-may-look-like": (
            "tests/knowledge_base/test_sections.py::test_front_matter_is_read_and_holds_no_heading"
        ),
        "4-keep-the-index-up-to-date": (
            "tests/oms_mcp/test_cli_corpus.py::test_watching_tells_each_build_on_a_line_and_ends_with_ctrl_c"
        ),
    },
    "guides/check-a-corpus.md": {
        "11-the-file-of-questions": f"{_GUIDE}_the_fields_of_a_question_and_the_figures_as_they_are_read_and_written",
        "12-the-figures": f"{_GUIDE}_the_fields_of_a_question_and_the_figures_as_they_are_read_and_written",
        "21-the-rules": f"{_GUIDE}_every_rule_with_its_kind",
    },
    "guides/erase-personal-data.md": {"22-a-store-that-is-in-plain": _TYPED, "5-check-it-yourself": _TYPED},
    "guides/first-order.md": {"32-looking-at-the-result": _TYPED},
    "guides/serve-over-http.md": {"21-a-file-of-tokens": _TYPED},
    "guides/operate-and-recover.md": {"11-the-commands-of-an-operator": _TYPED},
    "guides/write-a-scenario.md": {
        "5-running": _TYPED,
        "53-flows": "tests/oms_engine/simulation/test_flow.py::test_a_flow_has_lines_of_three_forms",
    },
    "methodology/agent-tasks.md": {
        "2-what-each-task-costs": (
            "tests/agent_tasks/test_agent_tasks.py::test_a_task_is_solved_whatever_its_things_are_called"
        )
    },
    "methodology/spec-driven-work.md": {
        "3-how-a-statement-is-held-true": "tests named in methodology/spec-driven-work.md"
    },
}
"""Page -> sections whose rows are values that are read, commands that are typed, or tests that exist.

Each names the check or the test that tries it.
"""

EXPLAINING = {
    "concepts/allocation.md": {"1-givers-and-receivers"},
    "concepts/executions.md": {
        "6-taking-an-execution-back-whack-and-bust",
        "10-correcting-an-execution",
        "11-effects-through-tree-and-group",
    },
    "concepts/fix-state-changes.md": {"1-from-fix-messages-to-commands"},
    "concepts/grouping.md": {"1-what-a-group-is", "21-members-follow-the-group", "4-the-deficit-rule"},
    "concepts/order-tree.md": {
        "11-whether-the-parent-goes-to-the-market-as-well",
        "5-what-ends-below-an-ended-order",
    },
    "concepts/quantities.md": {"21-executed-quantity"},
    "concepts/replace-and-cancel.md": {
        "1-two-requests-one-pattern",
        "3-the-chain-of-client-order-ids",
        "5-races",
    },
    "concepts/simulated-market.md": {"1-the-parts"},
    "contracts/commands.md": {"5-batches", "6-which-command-for-what"},
    "contracts/generated-contracts.md": {"31-values"},
    "contracts/order-model.md": {"1-reading-the-tables"},
    "contracts/versioning.md": {"4-files-exports-snapshots", "5-what-stays-compatible"},
    "framework/outbox.md": {"6-failures-and-parked-messages"},
    "framework/projections.md": {"1-snapshots", "2-projections"},
    "framework/query-language.md": {"44-what-is-fast"},
    "framework/settings.md": {"1-where-settings-are-given"},
    "framework/state-machine.md": {"4-the-correction-transition"},
    "framework/task-orchestration.md": {"21-what-a-failure-does", "51-the-context-in-a-block"},
    "framework/testing-patterns.md": {"7-what-is-not-done"},
    "framework/time-travel.md": {"1-a-moment", "2-what-is-shown", "4-how-it-works-and-what-it-costs"},
    "guides/add-a-command.md": {"12-places-in-the-documents"},
    "guides/add-an-asset-class.md": {"1-which-way"},
    "guides/erase-personal-data.md": {"33-what-is-refused"},
    "guides/first-order.md": {"23-be-refused-and-read-why", "4-when-something-does-not-work"},
    "guides/operate-and-recover.md": {"3-verify", "31-what-to-do-about-a-finding"},
    "methodology/spec-driven-work.md": {"11-who-reads-what", "4-when-document-and-code-disagree"},
    "methodology/working-with-agents.md": {"1-habits", "41-checking-your-own-work"},
    "project/architecture.md": {"1-three-packages"},
}
"""Page -> sections whose tables say in words what scenarios, rules and other tables hold true."""
