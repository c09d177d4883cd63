"""Does the reader of pictures read what stands there, and refuse what it does not know?"""

import pytest

from tests.docs.mermaid import Arrow, NotUnderstood, read


def test_a_state_diagram_has_arrows_with_their_labels() -> None:
    picture = read("stateDiagram-v2\n    direction LR\n    [*] --> A\n    A --> B: go, or not\n    B --> [*]\n")
    assert picture.nodes == {"A": "A", "B": "B"}
    assert picture.arrows == (Arrow("[*]", "A"), Arrow("A", "B", "go, or not"), Arrow("B", "[*]"))


def test_a_flowchart_has_nodes_with_their_words() -> None:
    picture = read('flowchart TD\n  a["one"] --> b{"two?"}\n  b -->|"yes"| c[("three")]\n  b -.->|no| a\n')
    assert picture.nodes == {"a": "one", "b": "two?", "c": "three"}
    assert picture.arrows == (Arrow("a", "b"), Arrow("b", "c", "yes"), Arrow("b", "a", "no", dotted=True))


def test_a_sequence_has_messages_and_notes() -> None:
    text = "sequenceDiagram\n participant A as Alice\n actor B\n A->>B: hello\n B-->>A: yes\n Note over A,B: done\n"
    picture = read(text)
    assert picture.nodes == {"A": "Alice", "B": "B"}
    assert picture.arrows == (Arrow("A", "B", "hello"), Arrow("B", "A", "yes", dotted=True))
    assert picture.notes == ("A,B: done",)


def test_an_entity_diagram_has_fields_and_relations() -> None:
    picture = read('erDiagram\n A ||--o{ B : "has"\n A {\n  text id PK\n  text name\n }\n')
    assert picture.arrows == (Arrow("A", "B", "||--o{ has"),)
    assert picture.attributes == {"A": (("text", "id", "PK"), ("text", "name", ""))}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pie\n",
        "stateDiagram-v2\n A ==> B\n",
        "flowchart TD\n a --- b\n",
        "sequenceDiagram\n A->>B: nobody was introduced\n",
        "sequenceDiagram\n loop every day\n",
        "erDiagram\n A to B\n",
    ],
)
def test_a_line_that_is_not_known_is_refused(text: str) -> None:
    with pytest.raises(NotUnderstood):
        read(text)
