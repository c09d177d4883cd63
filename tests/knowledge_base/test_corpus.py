from collections.abc import Iterator

import pytest

from knowledge_base import Library
from knowledge_base.documents import Corpus
from knowledge_base.library import PACKAGED_CORPUS


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus(PACKAGED_CORPUS)


@pytest.fixture(scope="module")
def packaged() -> Iterator[Library]:
    with Library.open(semantic=False) as library:
        yield library


def test_every_chunk_has_a_good_size(corpus: Corpus) -> None:
    flagged = [
        (chunk.main.section.citation, chunk.flag, len(chunk.text))
        for document in corpus.documents.values()
        for chunk in document.chunks
        if chunk.flag
    ]
    assert flagged == []


def test_every_document_states_its_metadata(packaged: Library) -> None:
    for document in packaged.overview().documents:
        assert document.version, document.path
        assert document.status, document.path
        assert document.last_updated, document.path
        assert document.category == document.path.split("/")[0]


def test_every_section_can_be_cited_and_read(corpus: Corpus, packaged: Library) -> None:
    citations = [section.citation for document in corpus.documents.values() for section in document.sections]
    assert len(set(citations)) == len(citations)
    for citation in citations:
        assert packaged.resolve(citation).citation == citation
        assert packaged.read(citation).text


def test_every_scenario_has_an_id_of_its_own(packaged: Library) -> None:
    for scenario in packaged.scenarios():
        assert scenario.id, f"{scenario.path}:{scenario.line}"
        assert packaged.scenario(scenario.reference) == scenario
