"""Configurations, weights and zips that are no models: one clear error each."""

import zipfile

import pytest
import torch
import yaml
from tiny import arguments, save

from espnet_wabert.errors import UserError
from espnet_wabert.models.checkpoint import find_files, load_model, pack
from espnet_wabert.models.packed_zip import unpack_zip


def write_zip(path, members, compression=zipfile.ZIP_STORED):
    """Write a zip with the contents of its members; return its path."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return save(arguments(), tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def members(good, tmp_path_factory):
    """Return the files of a packed model by name."""
    with zipfile.ZipFile(pack(good, tmp_path_factory.mktemp("packed") / "good.zip")) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def without(config: dict, name: str) -> dict:
    return {key: value for key, value in config.items() if key != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: "", r"config.yaml: must hold fields and values"),
        (lambda c: b"\xff\xfe model", r"config.yaml: not text in UTF-8: byte 0"),
        (lambda c: "x: !!python/object/apply:os.getcwd []", r"config.yaml:1: could not determine"),
        (lambda c: without(c, "model"), r"model: None: one of wabert, wabert_sentiment"),
        (lambda c: without(c, "frontend"), r"frontend: None: one of huggingface, text"),
        (lambda c: c | {"encoder_conf": [1]}, r"configuration: encoder_conf: must hold fields"),
        (lambda c: c | {"encoder_conf": {"hidden_size": "big", "dropout": "1"}},
         r"encoder_conf.dropout: '1': must be float; encoder_conf.hidden_size: 'big': must be int"),
        (lambda c: c | {"model_conf": {"subword_tokens": 1.5}}, r"tokens: 1.5: must be int \|"),
        (lambda c: c | {"frontend": ["huggingface"]}, r"frontend: \['huggingface'\]: one of hugg"),
        (lambda c: c | {"frontend_conf": 3}, r"configuration: frontend_conf: must hold fields"),
        (lambda c: c | {"token_list": [*c["token_list"], 3]}, r"token_list: must be a list of te"),
        (lambda c: c | {"encoder_conf": {"dropout": float("nan")}}, r"encoder_conf.dropout: must"),
        (lambda c: c | {"frontend_conf": {"model_name_or_path": None, "config": {
            "model_type": "data2vec-audio", "hidden_size": "x"}}},
         r"config.yaml: configuration: it describes no model: .*'hidden_size' expected int"),
    ],
)  # fmt: skip
def test_a_configuration(good, tmp_path, change, message):
    content = change(yaml.safe_load((good.parent / "config.yaml").read_text()))
    if isinstance(content, dict):
        content = yaml.safe_dump(content)
    path = tmp_path / "config.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path / "model.pth").symlink_to(good)
    with pytest.raises(UserError, match=message):
        load_model(find_files(tmp_path / "model.pth"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable checkpoint"),
        (b"hello world", "not a readable checkpoint"),
        ([1, 2], "holds a list instead of weights by name"),
        ({"a": 1}, r"weights do not fit the configuration: \d+ missing .*; 1 surplus \(a"),
        ({1: torch.zeros(1)}, r"weights do not fit the configuration: .*1 surplus \(1"),
    ],
)
def test_weights(good, tmp_path, content, message):
    (tmp_path / "config.yaml").symlink_to(good.parent / "config.yaml")
    path = tmp_path / "model.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(UserError, match=f"model.pth: {message}"):
        load_model(find_files(path))


def flipped(content: bytes) -> bytes:
    """Flip one bit of a weight."""
    at = content.index(b"data/1") + 200
    return content[:at] + bytes([content[at] ^ 64]) + content[at + 1 :]


def test_one_bit_of_a_weight_is_seen_without_a_checksum_beside_it(good, tmp_path):
    (tmp_path / "config.yaml").symlink_to(good.parent / "config.yaml")
    (tmp_path / "model.pth").write_bytes(flipped(good.read_bytes()))
    with pytest.raises(UserError, match=r"model.pth: damaged: .*data/\d+ in it has another checks"):
        load_model(find_files(tmp_path / "model.pth"))


@pytest.mark.parametrize(
    ("value", "message"), [(torch.nan, r"1 not numbers \("), ("text", r"1 no tensors \(")]
)
def test_weights_that_are_no_numbers(good, tmp_path, value, message):
    state = torch.load(good, weights_only=True)
    name = next(key for key in state if key.startswith("encoder."))
    state[name] = value if isinstance(value, str) else state[name] * value
    (tmp_path / "config.yaml").symlink_to(good.parent / "config.yaml")
    torch.save(state, tmp_path / "model.pth")
    with pytest.raises(UserError, match=message):
        load_model(find_files(tmp_path / "model.pth"))


def named(meta: bytes, path: str) -> bytes:
    return meta.replace(b"packed/config.yaml", path.encode())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: without(m, "packed/config.yaml"), r"packed/config.yaml: not in the zip"),
        (lambda m: without(m, "meta.yaml"), r"no meta.yaml with files and yaml_files: cut off"),
        (lambda m: m | {"meta.yaml": b"[1,"}, r"meta.yaml:1: expected the node content"),
        (lambda m: m | {"meta.yaml": b"x: 1"}, r"no meta.yaml with files and yaml_files: cut off"),
        (lambda m: m | {"meta.yaml": b"files: {}\nyaml_files: {}"}, r"without slu_model_file"),
        (
            lambda m: m | {"meta.yaml": named(m["meta.yaml"], "/etc/passwd")},
            r"passwd: must be a fi",
        ),
        (
            lambda m: m | {"meta.yaml": named(m["meta.yaml"], "../x")},
            r"../x: must be a file in the",
        ),
        (lambda m: m | {"zeros": bytes(300_000_000)}, r"4 files with 0.3 GB in a zip of"),
        (lambda m: m | {f"f{n}": b"" for n in range(1000)}, r"1003 files with"),
    ],
)
def test_a_zip(members, tmp_path, change, message):
    path = write_zip(tmp_path / "model.zip", change(members), zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match=message):
        find_files(path)


def test_an_encrypted_zip(tmp_path, members):
    path = write_zip(tmp_path / "model.zip", members)
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        for at in (n for n in range(len(content)) if content[n : n + 4] == mark):
            content[at + place] |= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="model.zip: not a zip file, or cut off: .* is encrypted"):
        find_files(path)


def test_a_zip_that_is_cut_off(tmp_path, members):
    path = tmp_path / "model.zip"
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(UserError, match="model.zip: not a zip file, or cut off"):
        find_files(path)


def test_a_zip_is_unpacked_again_where_the_cache_lacks_a_file(members, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = write_zip(tmp_path / "model.zip", members)
    files = find_files(path)
    content = files.weights.read_bytes()
    files.weights.unlink()
    again = find_files(path)
    assert again == files and again.weights.read_bytes() == content
    meta = files.weights.parents[1] / "meta.yaml"
    meta.write_bytes(b"")  # as after a power failure
    assert find_files(path) == files and meta.read_bytes() == members["meta.yaml"]


def test_two_processes_unpack_one_zip(members, tmp_path):
    """What the faster one has unpacked stays where it is."""
    path, folder = write_zip(tmp_path / "model.zip", members), tmp_path / "unpacked"
    unpack_zip(path, folder)
    before = {file: file.stat().st_ino for file in folder.rglob("*")}
    unpack_zip(path, folder)
    assert {file: file.stat().st_ino for file in folder.rglob("*")} == before


def test_a_changed_file_in_the_cache_is_unpacked_again(members, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = write_zip(tmp_path / "model.zip", members)
    config = find_files(path).config
    content = config.read_bytes()
    config.write_bytes(content.replace(b"wabert", b"wabird"))
    left = config.parents[2] / f".part.{config.parents[1].name}" / "x"  # of a kill
    left.parent.mkdir()
    left.touch()
    assert find_files(path).config.read_bytes() == content
    assert not left.exists()
